/*
 * sched/goroutine.c - birth and death of goroutines.
 *
 * WHAT. A goroutine is a slot of stack space with its control block and saved frame at the top.
 * Ended ones wait in a cache of their last cpu, so that a spawn is some forty stores and no page
 * fault. Stacks that grew deep are trimmed to their top page, many at a time, by the reaper: unmap,
 * make every cpu forget (one stop), give the pages back.
 *
 * INVARIANTS
 * [goroutine.1] A block is linked into the list of all once, when its slot is made, and is never
 *               unlinked or freed.
 * [goroutine.2] A block is in at most one place: running or queued, a cpu's cache, the shared
 *               lists, the trim list.
 * [goroutine.3] A slot whose pages were unmapped is reused only after every cpu flushed [stack.3].
 * [goroutine.4] The reaper is readied only while it waits for work. What it does waits for other
 *               things, a stop and a collection: a call must not end that. It is done afterwards.
 *
 * LOCKING. pool_lock (rank GOROUTINES) guards the shared lists; a cpu's cache belongs to it,
 * preemption off.
 */
#include <lib/assert.h>
#include <lib/bits.h>
#include <lib/fail.h>
#include <lib/spinlock.h>
#include <lib/string.h>
#include <lib/trace.h>
#include <mm/page.h>
#include <mm/stack.h>
#include <rt/goroutine.h>
#include <sched/internal.h>
#include <sched/fast.h>
#include <sched/stw.h>

#define TRIM_BYTES (1u << 20) /* the reaper runs when so much waits */
#define IDS_AT_A_TIME 16u

enum reaper_state { REAPER_WORKS, REAPER_WAITS, REAPER_CALLED };

PERCPU(struct goroutine_cache, goroutine_cache);

static struct spinlock pool_lock = SPINLOCK_INIT(RANK_GOROUTINES);
static struct goroutine *pool;      /* guarded by pool_lock: default slots */
static struct goroutine *pool_odd;  /* guarded by pool_lock: other sizes */
static struct goroutine *trim_list; /* guarded by pool_lock */
static uint64_t trim_bytes;         /* guarded by pool_lock */
static struct goroutine *all;       /* [a] newest block; pushed by CAS */
static uint64_t ids_given;          /* [a] to cpus, IDS_AT_A_TIME each */
static struct goroutine *reaper;    /* [I] */
static uint32_t reaper_state;       /* [a] enum reaper_state */
static uint32_t memory_short;       /* [a] the reaper is to find memory; partner: reaper_main() */
uint32_t sched_birth_scan_state;    /* [S] */

struct goroutine *goroutine_all(void)
{
    return load_acquire(&all); /* partner: block_make() */
}

size_t goroutine_count(void)
{
    uint64_t born = 0, gone = 0;
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        gone += load_relaxed(&cpu_ptr(i, goroutine_cache)->gone);
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        born += load_relaxed(&cpu_ptr(i, goroutine_cache)->born);
    return (size_t)(born - gone);
}

/* Where the slot ends, whose last bytes are the block. */
static uintptr_t slot_top(const struct goroutine *g)
{
    return align_up((uintptr_t)(g + 1), ARCH_PAGE_BYTES);
}

/* A new slot with a block at its top. NULL: no memory. */
static RT_COLD struct goroutine *block_make(size_t stack_bytes)
{
    size_t slot;
    uintptr_t top = stack_slot_alloc(stack_bytes, &slot);

    if (top == 0)
        return NULL;
    struct goroutine *g = (struct goroutine *)(top - align_up(sizeof *g, 64));
    g->frame = (struct arch_frame *)((uintptr_t)g - align_up(ARCH_FRAME_BYTES, 64));
    g->stack_hi = (uintptr_t)g->frame;
    g->stack_lo = top - slot;
    g->stack_committed = top - ARCH_PAGE_BYTES;
    g->state = G_DEAD;
    g->odd = slot == STACK_SLOT_MIN ? 0 : ODD_SLOT;
    do {
        g->all_next = load_relaxed(&all);
    } while (!cas_acq_rel(&all, g->all_next, g)); /* partner: goroutine_all() */
    return g;
}

static struct goroutine *pop_odd_locked(size_t stack_bytes)
{
    for (struct goroutine **at = &pool_odd; *at != NULL; at = &(*at)->queue_next) {
        struct goroutine *g = *at;
        size_t room = slot_top(g) - g->stack_lo;
        if (room >= stack_bytes && room / 2 <= stack_bytes + STACK_SLOT_MIN) {
            *at = g->queue_next;
            return g;
        }
    }
    return NULL;
}

/* There is one. */
static RT_ALWAYS_INLINE struct goroutine *cache_pop(struct goroutine_cache *c)
{
    struct goroutine *g = c->free;

    c->free = g->queue_next;
    c->n--;
    return g;
}

static RT_COLD struct goroutine *block_get_slow(size_t stack_bytes, bool odd)
{
    struct goroutine_cache *c = this_cpu_ptr(goroutine_cache);
    struct goroutine *g = NULL;

    spin_lock(&pool_lock);
    if (odd) {
        g = pop_odd_locked(stack_bytes);
    } else if (pool != NULL) {
        g = pool;
        pool = g->queue_next;
        while (pool != NULL && c->n < GOROUTINE_CACHE_MAX / 2) { /* and some for next time */
            struct goroutine *more = pool;
            pool = more->queue_next;
            more->queue_next = c->free;
            c->free = more;
            c->n++;
        }
    }
    spin_unlock(&pool_lock);
    if (g == NULL) {
        /* pages and tables are zeroed: too long for one section. We may come back on another cpu */
        preempt_on();
        g = block_make(stack_bytes);
        preempt_off();
    }
    return g;
}

/* Preemption off. */
static struct goroutine *block_get(size_t stack_bytes)
{
    struct goroutine_cache *c = this_cpu_ptr(goroutine_cache);
    size_t usable = STACK_SLOT_MIN - STACK_GUARD_BYTES - STACK_RESERVE_BYTES;
    bool odd = stack_bytes > STACK_SLOT_MIN;
    if (RT_UNLIKELY(c->free == NULL || odd))
        return block_get_slow(odd ? stack_bytes : usable, odd);
    return cache_pop(c);
}

static RT_ALWAYS_INLINE uint64_t id_next(struct goroutine_cache *c)
{
    uint64_t last = c->last_id;

    if (RT_UNLIKELY(last % IDS_AT_A_TIME == 0))
        last = add_relaxed(&ids_given, IDS_AT_A_TIME);
    return c->last_id = last + 1;
}

/*
 * Make g, a free block, a goroutine that runs fn(args) when it is enqueued. Preemption off. What is
 * not set here is as its last owner left it: 0, or its debt to the collector.
 */
static RT_ALWAYS_INLINE void block_fill(struct goroutine *g, void *args, void (*fn)(void *args),
                                        uintptr_t entry_pc, struct goroutine_cache *c)
{
    arch_context_init_goroutine(&g->context, args, fn);
    g->id = id_next(c);
    store_relaxed(&g->scan_state, sched_birth_scan_state);
    g->entry_pc = entry_pc;
}

/* Where g's arguments go. */
static RT_ALWAYS_INLINE void *args_place(const struct goroutine *g, size_t bytes)
{
    return (void *)(g->stack_hi - align_up(bytes, 16));
}

/* bytes: a multiple of 8, and not 0. */
static RT_ALWAYS_INLINE void args_copy(void *to, const void *from, size_t bytes)
{
    do {
        bytes -= 8;
        *(uint64_t *)((char *)to + bytes) = *(const uint64_t *)((const char *)from + bytes);
    } while (bytes != 0);
}

struct goroutine *goroutine_spawn(void (*thunk)(void *args), const void *args, size_t bytes,
                                  const struct rt_go_opts *opts, uintptr_t entry_pc,
                                  uintptr_t creator_pc)
{
    DEBUG_ASSERT(bytes % 8 == 0 && bytes <= 512);
    preempt_off();
    struct goroutine *me = goroutine_current();
    struct goroutine *g =
        fail_now(FAIL_GOROUTINE) ? NULL : block_get(opts != NULL ? opts->stack_bytes : 0);
    struct goroutine_cache *c = this_cpu_ptr(goroutine_cache);

    if (g != NULL) {
        if (opts != NULL && opts->name != NULL) {
            g->name = opts->name;
            g->odd |= ODD_NAMED;
        }
        void *copy = args_place(g, bytes);
        if (bytes != 0)
            args_copy(copy, args, bytes);
        block_fill(g, copy, thunk, entry_pc, c);
        g->creator_pc = creator_pc;
        g->creator_id = me != NULL ? me->id : 0;
        c->born++;
        sched_enqueue(g, true);
    }
    preempt_on();
    return g;
}

static RT_NOINLINE void go_slow(const struct rt_go_opts *opts, rt_thunk thunk, const void *args,
                                size_t bytes, uintptr_t entry_pc, uintptr_t creator_pc)
{
    for (unsigned step = 0; goroutine_spawn(thunk, args, bytes, opts, entry_pc, creator_pc) == NULL;
         step++)
        sched_up_no_memory(step, opts != NULL ? opts->stack_bytes : 0);
}

void rt_go_spawn(const struct rt_go_opts *opts, rt_thunk thunk, const void *args, size_t bytes,
                 uintptr_t entry_pc)
{
    if (RT_UNLIKELY(entry_pc == 0))
        sched_fatal("go of nil func value");
    sched_up_spawn_args(args, bytes, (uintptr_t)__builtin_return_address(0));
    arch_touch_stack();
    preempt_off();
    uintptr_t base = this_cpu_base();
    struct goroutine_cache *c = cpu_ptr_at(base, goroutine_cache);
    if (RT_UNLIKELY(c->free == NULL || opts != NULL || fail_left[FAIL_GOROUTINE] != 0)) {
        preempt_on();
        go_slow(opts, thunk, args, bytes, entry_pc, (uintptr_t)__builtin_return_address(0));
        return;
    }
    struct goroutine *g = cache_pop(c);
    void *copy = args_place(g, bytes);
    args_copy(copy, args, bytes);
    block_fill(g, copy, thunk, entry_pc, c);
    g->creator_pc = (uintptr_t)__builtin_return_address(0);
    g->creator_id = goroutine_current()->id;
    c->born++;
    enqueue_next(cpu_ptr_at(base, runq), g);
    preempt_on();
}

struct system_args {
    void (*fn)(void *arg);
    void *arg;
};

static void system_main(void *args)
{
    struct system_args *a = args;

    a->fn(a->arg);
}

struct goroutine *goroutine_spawn_system(void (*fn)(void *arg), void *arg, const char *name)
{
    preempt_off();
    struct goroutine *g = block_get(0);

    if (g != NULL) {
        struct system_args *args = args_place(g, sizeof *args);
        *args = (struct system_args){fn, arg};
        block_fill(g, args, system_main, (uintptr_t)fn, this_cpu_ptr(goroutine_cache));
        g->system = 1;
        g->odd |= ODD_SYSTEM | ODD_NAMED;
        g->name = name;
        g->creator_pc = 0;
        g->creator_id = 0;
        sched_enqueue(g, false);
    }
    preempt_on();
    return g;
}

/* There is work for the reaper [goroutine.4]. */
static RT_COLD void reaper_call(void)
{
    if (swap_acq_rel(&reaper_state, REAPER_CALLED) == REAPER_WAITS)
        ready_last(reaper);
}

static RT_COLD void free_shared(struct goroutine *g)
{
    uint64_t mapped = slot_top(g) - g->stack_committed;
    bool call = false;

    spin_lock(&pool_lock);
    if (g->odd & (ODD_DEEP | ODD_RESERVE)) {
        g->queue_next = trim_list;
        trim_list = g;
        trim_bytes += mapped;
        call = trim_bytes >= TRIM_BYTES;
    } else if (!(g->odd & ODD_SLOT)) {
        g->queue_next = pool;
        pool = g;
    } else {
        g->queue_next = pool_odd;
        pool_odd = g;
    }
    spin_unlock(&pool_lock);
    if (call)
        reaper_call();
}

RT_COLD void goroutine_free_odd(struct goroutine *g)
{
    if (!(g->odd & ODD_SYSTEM))
        this_cpu_ptr(goroutine_cache)->gone++;
    g->system = 0;
    g->name = NULL;
    g->odd &= ODD_SLOT | ODD_DEEP | ODD_RESERVE;
    free_shared(g);
}

/* Unmap all of g's stack but the top page; the pages go on a chain through their first words. */
static void *trim(struct goroutine *g, void *chain)
{
    uintptr_t top_page = align_down((uintptr_t)g, ARCH_PAGE_BYTES);

    for (uintptr_t va = g->stack_committed; va < top_page; va += ARCH_PAGE_BYTES) {
        void **page = phys_to_virt(arch_unmap_page(va));
        *page = chain;
        chain = page;
    }
    if (g->reserve_ram != NULL) {
        *(void **)g->reserve_ram = chain;
        chain = g->reserve_ram;
        g->reserve_ram = NULL;
    }
    g->stack_committed = top_page;
    g->reserve_open = false;
    g->odd &= ODD_SLOT;
    return chain;
}

/* Put one chain before another. */
static struct goroutine *chain_join(struct goroutine *first, struct goroutine *then)
{
    struct goroutine **end = &first;

    while (*end != NULL)
        end = &(*end)->queue_next;
    *end = then;
    return first;
}

/* The free blocks of all cpus, with what they keep of their stacks. */
static struct goroutine *caches_take(void)
{
    struct goroutine *list = NULL;

    stw_begin(STW_FLUSH);
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        struct goroutine_cache *c = cpu_ptr(i, goroutine_cache);
        list = chain_join(c->free, list);
        c->free = NULL;
        c->n = 0;
    }
    stw_end();
    return list;
}

/* Take the pages of ended goroutines' stacks: of deep ones, or of all. */
static void trim_all(bool even_small)
{
    struct goroutine *list = even_small ? caches_take() : NULL, *deep, *idle = NULL;

    spin_lock(&pool_lock);
    deep = trim_list;
    trim_list = NULL;
    trim_bytes = 0;
    if (even_small) {
        idle = pool;
        pool = NULL;
    }
    spin_unlock(&pool_lock);
    list = chain_join(deep, chain_join(idle, list));
    if (list == NULL)
        return;

    void *chain = NULL;
    for (struct goroutine *g = list; g != NULL; g = g->queue_next)
        chain = trim(g, chain);
    stw_begin(STW_FLUSH);
    stw_flush_tlb();
    stw_end();
    while (chain != NULL) {
        void **page = chain;
        chain = *page;
        page_free_one(page);
        stack_bytes_gone(PAGE_BYTES);
    }
    while (list != NULL) { /* [goroutine.3] */
        struct goroutine *g = list;
        list = g->queue_next;
        free_shared(g);
    }
}

void goroutine_find_memory(void)
{
    store_release(&memory_short, 1);
    reaper_call();
}

static void reaper_main(RT_UNUSED void *arg)
{
    for (;;) {
        if (cas_acq_rel(&reaper_state, REAPER_WORKS, REAPER_WAITS)) /* partner: reaper_call() */
            park(WAIT_FORCE_GC_IDLE);
        (void)swap_acq_rel(&reaper_state, REAPER_WORKS);
        bool is_short = swap_acq_rel(&memory_short, 0) != 0;
        trim_all(is_short);
        if (is_short)
            sched_up_find_memory();
    }
}

void goroutine_release_memory(void)
{
    trim_all(true);
}

void goroutine_start_system(void)
{
    reaper = goroutine_spawn_system(reaper_main, NULL, "stack reaper");
    if (reaper == NULL)
        fatal("sched: no memory for the first goroutines");
}

static const char *const wait_reason_texts[] = {
#define WAIT_REASON_TEXT(name, text) [WAIT_##name] = text,
    WAIT_REASONS(WAIT_REASON_TEXT)
#undef WAIT_REASON_TEXT
};

const char *wait_reason_text(enum wait_reason why)
{
    return (size_t)why < ARRAY_LEN(wait_reason_texts) ? wait_reason_texts[why] : "?";
}
