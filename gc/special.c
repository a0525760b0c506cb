/*
 * gc/special.c - finalizers, cleanups, weak references: records that hang on an object.
 *
 * WHAT. A table from objects to records. After STW#2 the controller goes through it, before any of
 * these objects' spans is swept: an object that was not marked and has a finalizer comes back to
 * life for it; else its cleanups are queued. One goroutine runs what is queued.
 *
 * INVARIANTS
 * [special.1] A finalizer is a root for all that its object leads to, not for the object. So if A
 *             leads to B, and both have finalizers, only A's is due; and what a finalizer sees was
 *             not freed.
 * [special.2] Weak references to an object are cleared before its finalizer is queued, and before
 *             its slot is reused: its span waits (gc/sweep.c) until gc_special_handle() is through.
 * [special.3] rt_weak_get() is one step with preemption off. While marking it greys what it gives
 *             out. From STW#2 until the table was gone through it gives an object only if that is
 *             marked, and looks at the reference again after that: the handler clears first and
 *             revives then.
 * [special.4] Queued records are roots; whoever takes one off the queue greys what it refers to.
 *
 * LOCKING. special_lock (rank GC_POOL, and nothing is taken inside) guards the table and the queue.
 * Records are memory of rt_alloc(), so the table holds no references and keeps nothing alive.
 * REJECTED. A chain at each span: to look at all of them each span would have to be visited.
 * SOURCES. golang/go runtime/mfinal.go, mcleanup.go, mheap.go (specials) for the rules.
 */
#include <gc/special.h>
#include <gc/alloc.h>
#include <gc/barrier.h>
#include <gc/cycle.h>
#include <gc/mark.h>
#include <gc/up.h>
#include <lib/rand.h>
#include <lib/string.h>
#include <mm/page.h>
#include <rt/goroutine.h>
#include <sched/sched.h>

enum kind { FINALIZER, CLEANUP, WEAK };

/* Made by one goroutine; then under special_lock, until it is off table and queue. */
struct gc_special {
    struct gc_special *next; /* in its bucket, or on the queue */
    uintptr_t object;
    void (*fn)(void *);
    void *arg;   /* CLEANUP: the argument; WEAK: the struct rt_weak */
    uint64_t id; /* CLEANUP: its number; WEAK: how far into the object it points */
    enum kind kind;
};

struct rt_weak {
    uintptr_t hidden; /* [a] ~what it was made for, in the object; 0: cleared */
};

#define BUCKETS_AT_FIRST 512u

static struct spinlock special_lock = SPINLOCK_INIT(RANK_GC_POOL);
static struct gc_special **buckets;                    /* under special_lock */
static size_t n_buckets;                               /* under special_lock: a power of two */
static size_t n_specials;                              /* under special_lock */
static struct gc_special *queue, **queue_end = &queue; /* under special_lock */
static uint64_t n_queued;                              /* [a] on the queue, or running */
static uint64_t last_id;                               /* under special_lock */
static size_t root_bucket;                             /* under special_lock: next for the marker */
static struct gc_special *bucket_scan, *queue_scan;    /* under special_lock: next for the marker */
static bool walking;             /* under special_lock: buckets stay as they are */
static uint32_t settled_gen;     /* [a] the sweep generation whose specials were handled */
static struct goroutine *runner; /* the controller's after init: changes if a finalizer ended it */
static uint64_t runner_id;       /* of *runner, whose block may be somebody else's by now */
static bool runner_waits;        /* under special_lock */

static size_t bucket_of(uintptr_t object)
{
    return (size_t)((object >> 3) * RNG_GOLDEN >> 20) & (n_buckets - 1);
}

/* ---- The table ---- */

static void grow(void)
{
    spin_lock(&special_lock);
    size_t old_n = n_buckets, want = old_n == 0 ? BUCKETS_AT_FIRST : old_n * 2;
    bool go = !walking && (old_n == 0 || n_specials > old_n * 2);
    spin_unlock(&special_lock);
    if (!go)
        return;
    size_t pages = want * sizeof(buckets[0]) / PAGE_BYTES;
    struct gc_special **fresh = page_alloc(pages, 1, PAGE_ZERO);
    if (fresh == NULL)
        return;
    spin_lock(&special_lock);
    struct gc_special **old = buckets;
    if (n_buckets != old_n || walking) { /* somebody was faster, or it is no time for it */
        spin_unlock(&special_lock);
        page_free(fresh, pages);
        return;
    }
    buckets = fresh;
    n_buckets = want;
    for (size_t i = 0; i < old_n; i++) {
        for (struct gc_special *s = old[i], *next; s != NULL; s = next) {
            next = s->next;
            struct gc_special **at = &fresh[bucket_of(s->object)];
            s->next = *at;
            *at = s;
        }
    }
    spin_unlock(&special_lock);
    if (old != NULL)
        page_free(old, old_n * sizeof(old[0]) / PAGE_BYTES);
}

static struct gc_special **find_locked(uintptr_t object, enum kind kind, uint64_t id)
{
    if (n_buckets == 0)
        return NULL;
    for (struct gc_special **at = &buckets[bucket_of(object)]; *at != NULL; at = &(*at)->next) {
        struct gc_special *s = *at;
        if (s->object == object && s->kind == kind && s->id == id)
            return at;
    }
    return NULL;
}

static void insert_locked(struct gc_special *s)
{
    struct gc_special **at = &buckets[bucket_of(s->object)];
    s->next = *at;
    *at = s;
    n_specials++;
    add_acq_rel(&gc_span_of(s->object)->n_specials, 1);
}

/* Its span still counts it: forget_locked() ends that. */
static struct gc_special *unlink_locked(struct gc_special **at)
{
    struct gc_special *s = *at;
    *at = s->next;
    if (bucket_scan == s)
        bucket_scan = s->next;
    n_specials--;
    return s;
}

static void forget_locked(uintptr_t object, uint64_t n)
{
    sub_acq_rel(&gc_span_of(object)->n_specials, n);
}

static struct gc_special *remove_locked(struct gc_special **at)
{
    struct gc_special *s = unlink_locked(at);
    forget_locked(s->object, 1);
    return s;
}

static struct gc_special *special_make(uintptr_t object, enum kind kind)
{
    arch_touch_stack();
    grow();
    struct gc_special *s = rt_alloc(sizeof(*s));
    if (s == NULL)
        lang_panic_out_of_memory(sizeof(*s));
    s->object = object;
    s->kind = kind;
    return s;
}

/* ---- Finalizers and cleanups ---- */

void rt_set_finalizer(void *obj, void (*fn)(void *obj))
{
    size_t bytes;
    if (obj == NULL)
        sched_fatal("runtime.SetFinalizer: first argument is nil");
    void *start = gc_object_of(obj, &bytes);
    if (start == NULL)
        sched_fatal("runtime.SetFinalizer: pointer not in heap");
    if (start != obj)
        sched_fatal("runtime.SetFinalizer: pointer not at beginning of allocated block");
    uintptr_t object = (uintptr_t)start;
    struct gc_special *s = fn != NULL ? special_make(object, FINALIZER) : NULL;

    spin_lock(&special_lock);
    struct gc_special **at = find_locked(object, FINALIZER, 0);
    struct gc_special *old = at != NULL && fn == NULL ? remove_locked(at) : NULL;
    if (fn != NULL && at == NULL) {
        s->fn = fn;
        insert_locked(s);
    }
    spin_unlock(&special_lock);
    if (fn != NULL && at != NULL)
        sched_fatal("runtime.SetFinalizer: finalizer already set");
    rt_free(old);
    rt_gc_keep(obj);
}

struct rt_cleanup rt_add_cleanup(void *obj, void (*fn)(void *arg), void *arg)
{
    size_t bytes;
    if (obj == NULL)
        sched_fatal("runtime.AddCleanup: ptr is nil");
    void *start = gc_object_of(obj, &bytes);
    if (start == NULL)
        sched_fatal("runtime.AddCleanup: ptr not in allocated block");
    if (obj == arg)
        sched_fatal("runtime.AddCleanup: ptr is equal to arg, cleanup will never run");
    uintptr_t object = (uintptr_t)start;
    struct gc_special *s = special_make(object, CLEANUP);

    s->fn = fn;
    s->arg = arg; /* a root from now on; this cycle's marking has it by our stack */
    spin_lock(&special_lock);
    s->id = ++last_id;
    struct rt_cleanup c = {.id = s->id, .object = ~object};
    insert_locked(s);
    spin_unlock(&special_lock);
    rt_gc_keep(obj);
    rt_gc_keep(arg);
    return c;
}

void rt_cleanup_stop(struct rt_cleanup *c)
{
    struct gc_special *s = NULL;

    arch_touch_stack();
    spin_lock(&special_lock);
    struct gc_special **at = c->id != 0 ? find_locked(~c->object, CLEANUP, c->id) : NULL;
    if (at != NULL)
        s = remove_locked(at);
    spin_unlock(&special_lock);
    rt_free(s);
    c->id = 0;
}

/* ---- Weak references ---- */

static struct rt_weak *weak_find(uintptr_t object, uint64_t offset)
{
    struct rt_weak *weak = NULL;

    arch_touch_stack();
    preempt_off(); /* out of the table to our stack in one step, as the marker sees it */
    spin_lock(&special_lock);
    struct gc_special **at = find_locked(object, WEAK, offset);
    if (at != NULL)
        weak = (*at)->arg;
    spin_unlock(&special_lock);
    gc_shade(weak);
    preempt_on();
    return weak;
}

struct rt_weak *rt_weak_make(void *obj)
{
    size_t bytes;
    if (obj == NULL)
        return NULL;
    void *start = gc_object_of(obj, &bytes);
    if (start == NULL)
        sched_fatal("weak.Make: pointer not in heap");
    uintptr_t object = (uintptr_t)start, offset = (uintptr_t)obj - object;
    struct rt_weak *weak = weak_find(object, offset);
    if (weak != NULL)
        return weak;
    weak = gc_new(struct rt_weak); /* so that a global that holds one must be a gc_root */
    weak->hidden = ~(uintptr_t)obj;
    struct gc_special *s = special_make(object, WEAK);
    s->arg = weak;
    s->id = offset;
    spin_lock(&special_lock);
    struct gc_special **at = find_locked(object, WEAK, offset);
    if (at == NULL)
        insert_locked(s);
    spin_unlock(&special_lock);
    rt_gc_keep(obj);
    if (at == NULL)
        return weak;
    rt_free(s); /* somebody else made one meanwhile; it lives as long as the object that we hold */
    return weak_find(object, offset);
}

static bool marked_now(uintptr_t object)
{
    const struct gc_span *span = gc_span_of(object);
    return load_relaxed(&gc_epochs(span)[gc_slot_of(span, object)]) == gc_epoch;
}

void *rt_weak_get(struct rt_weak *weak)
{
    if (weak == NULL)
        return NULL;
    arch_touch_stack();
    preempt_off(); /* [special.3] */
    uintptr_t hidden = load_acquire(&weak->hidden);
    void *p = hidden == 0 ? NULL : (void *)~hidden;
    if (p != NULL && gc_phase == GC_MARKING)
        gc_grey((uintptr_t)p);
    else if (p != NULL && !gc_specials_settled() &&
             (!marked_now((uintptr_t)p) || load_acquire(&weak->hidden) == 0))
        p = NULL;
    preempt_on();
    return p;
}

/* ---- Roots ---- */

#define ROOTS_AT_A_TIME 32u

/* What a record on the queue keeps alive, which its function is called with. */
static void *const *queued_reference(const struct gc_special *s)
{
    return s->kind == FINALIZER ? (void *const *)(const void *)&s->object : &s->arg;
}

/* What a record in the table holds on to, by copy. */
struct root {
    uintptr_t contents_of; /* scan this object */
    uintptr_t object;      /* mark this one */
};

static struct root root_of(const struct gc_special *s)
{
    if (s->kind == FINALIZER)
        return (struct root){.contents_of = s->object}; /* [special.1] */
    return (struct root){.object = (uintptr_t)s->arg};
}

/* Copy what up to n records hold, from the queue or from the next bucket; how many. 0: no more. */
static unsigned roots_take(struct root *out, unsigned n)
{
    unsigned got = 0;

    spin_lock(&special_lock);
    for (; queue_scan != NULL && got < n; queue_scan = queue_scan->next)
        out[got++].object = (uintptr_t)*queued_reference(queue_scan);
    while (got < n && (bucket_scan != NULL || root_bucket < n_buckets)) {
        if (bucket_scan == NULL)
            bucket_scan = buckets[root_bucket++];
        for (; bucket_scan != NULL && got < n; bucket_scan = bucket_scan->next)
            out[got++] = root_of(bucket_scan);
        if (got == 0 && root_bucket % 256 == 0)
            break; /* many empty buckets: let others in */
    }
    spin_unlock(&special_lock);
    return got;
}

bool gc_special_roots_step(void)
{
    struct root roots[ROOTS_AT_A_TIME] = {{0}};

    if (gc_special_roots_done())
        return false;
    unsigned n = roots_take(roots, ROOTS_AT_A_TIME);
    for (unsigned i = 0; i < n; i++) {
        if (roots[i].contents_of != 0)
            gc_scan_contents(roots[i].contents_of);
        else
            gc_grey_locked(roots[i].object);
    }
    return true;
}

bool gc_special_roots_done(void)
{
    return load_relaxed(&root_bucket) >= load_relaxed(&n_buckets) &&
           load_relaxed(&bucket_scan) == NULL && load_relaxed(&queue_scan) == NULL;
}

void gc_special_roots_begin_stw(void)
{
    root_bucket = 0;
    bucket_scan = NULL;
    queue_scan = queue;
    walking = true;
}

void gc_special_each_root_stw(void (*scan)(const void *lo, const void *hi))
{
    for (const struct gc_special *s = queue; s != NULL; s = s->next)
        scan(queued_reference(s), queued_reference(s) + 1);
    for (size_t i = 0; i < n_buckets; i++)
        for (const struct gc_special *s = buckets[i]; s != NULL; s = s->next)
            if (s->kind != FINALIZER)
                scan(&s->arg, &s->arg + 1);
}

/* ---- After STW#2 ---- */

bool gc_specials_settled(void)
{
    return load_acquire(&settled_gen) == gc_sweep_gen;
}

void gc_specials_set_settled(void)
{
    store_release(&settled_gen, gc_sweep_gen);
}

static void enqueue_locked(struct gc_special *s)
{
    s->next = NULL;
    *queue_end = s;
    queue_end = &s->next;
    add_acq_rel(&n_queued, 1);
}

/* The records of one dead object, all in one bucket: *at is the first of them. Moves what is to be
 * freed to *gone. */
static void bury_locked(struct gc_special **bucket, uintptr_t object, struct gc_special **gone)
{
    struct gc_special *finalizer = NULL;
    uint64_t n = 0;

    for (struct gc_special *s = *bucket; s != NULL; s = s->next)
        if (s->object == object && s->kind == FINALIZER)
            finalizer = s;
    for (struct gc_special **at = bucket; *at != NULL;) { /* weak references first [special.2] */
        struct gc_special *s = *at;
        if (s->object != object || s->kind != WEAK) {
            at = &s->next;
            continue;
        }
        (void)unlink_locked(at);
        n++;
        store_release(&((struct rt_weak *)s->arg)->hidden, 0);
        s->next = *gone;
        *gone = s;
    }
    for (struct gc_special **at = bucket; *at != NULL;) {
        struct gc_special *s = *at;
        if (s->object != object || (s->kind == CLEANUP) == (finalizer != NULL)) {
            at = &s->next; /* cleanups wait until it is dead for good */
            continue;
        }
        (void)unlink_locked(at);
        n++;
        enqueue_locked(s);
    }
    if (finalizer != NULL) { /* alive again, last [special.3]; partner: rt_weak_get() */
        const struct gc_span *span = gc_span_of(object);
        store_release(&gc_epochs(span)[gc_slot_of(span, object)], gc_epoch);
    }
    forget_locked(object, n); /* from here on its span may be swept [special.2] */
}

static void handle_bucket_locked(struct gc_special **bucket, struct gc_special **gone)
{
    for (;;) {
        struct gc_special *s = *bucket;
        while (s != NULL && marked_now(s->object))
            s = s->next;
        if (s == NULL)
            return;
        bury_locked(bucket, s->object, gone);
        /* an object that came back to life counts as marked now; records of others are gone */
    }
}

static bool runner_start(void);

/* A finalizer may have called rt_goexit(). Not as in Go, where no finalizer runs after that:
 * another goroutine goes on. */
static bool runner_lives(void)
{
    return runner != NULL && load_relaxed(&runner->id) == runner_id &&
           load_acquire(&runner->state) != G_DEAD;
}

void gc_special_handle(void)
{
    struct gc_special *gone = NULL;

    spin_lock(&special_lock);
    size_t n = n_buckets;
    spin_unlock(&special_lock);
    for (size_t i = 0; i < n;) {
        spin_lock(&special_lock);
        for (size_t end = i + 16; i < n && i < end; i++)
            handle_bucket_locked(&buckets[i], &gone);
        spin_unlock(&special_lock);
    }
    while (gone != NULL) {
        struct gc_special *next = gone->next;
        rt_free(gone);
        gone = next;
    }
    spin_lock(&special_lock);
    walking = false;
    bool wake = queue != NULL && runner_waits;
    if (wake)
        runner_waits = false;
    spin_unlock(&special_lock);
    if (wake)
        ready(runner);
    else if (!runner_lives() && runner_start()) /* else in the next cycle */
        sub_acq_rel(&n_queued, 1);              /* the one that never returned */
}

/* ---- The goroutine that runs them ---- */

/* Take one off the queue; NULL, and we are noted as waiting, if there is none. */
static struct gc_special *dequeue(void)
{
    spin_lock(&special_lock);
    struct gc_special *s = queue;
    if (s != NULL) {
        if (queue_scan == s)
            queue_scan = s->next;
        queue = s->next;
        if (queue == NULL)
            queue_end = &queue;
    } else {
        runner_waits = true;
    }
    spin_unlock(&special_lock);
    if (s != NULL)
        gc_shade(*queued_reference(s)); /* [special.4] */
    return s;
}

static void runner_main(RT_UNUSED void *unused)
{
    for (;;) {
        preempt_off(); /* from the queue to our stack in one step, as the marker sees it */
        struct gc_special *s = dequeue();
        void *volatile what = s != NULL ? *queued_reference(s) : NULL;
        preempt_on();
        if (s == NULL) {
            park(WAIT_FINALIZER_WAIT);
            continue;
        }
        void (*fn)(void *) = s->fn;
        rt_free(s);
        fn(what);
        what = NULL;
        sub_acq_rel(&n_queued, 1);
    }
}

uint64_t gc_special_queued(void)
{
    return load_acquire(&n_queued);
}

#define PATIENCE_NS 2000000 /* of gc_special_drain() with a finalizer that waits for something */

void gc_special_drain(void)
{
    int64_t since = 0; /* when we saw it waiting first */

    while (gc_special_queued() != 0 && goroutine_current() != runner && runner_lives()) {
        int64_t now = arch_nanotime();
        if (load_acquire(&runner->state) != G_WAITING || load_relaxed(&runner_waits))
            since = 0;
        else if (since == 0)
            since = now;
        else if (now - since > PATIENCE_NS)
            return;
        rt_yield();
    }
}

static bool runner_start(void)
{
    runner = goroutine_spawn_system(runner_main, NULL, "finalizers");
    runner_id = runner != NULL ? runner->id : 0;
    return runner != NULL;
}

void gc_special_init(void)
{
    grow();
    if (!runner_start() || n_buckets == 0)
        fatal("gc: no memory for the finalizers' goroutine");
}
