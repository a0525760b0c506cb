/*
 * lang/select.c - select: one of several channel operations, chosen by chance among those that can go on.
 *
 * WHAT. First a look without locks: if something can go on, one of those is drawn, and its channel alone is
 * locked for the operation. If nothing can and there is no default, all channels are locked in the order of
 * their addresses, looked at again, and a record is put into each one's queue before the locks are dropped; then the
 * goroutine parks. Who completes one of the operations wins select_done first, so it is one; the other records are
 * taken back afterwards, one lock at a time.
 *
 * INVARIANTS
 * [select.1] Nothing of a select is in a queue while it looks and chooses: it never meets itself, though it may
 *            send and receive on one channel.
 * [select.2] When rt_select_run() returns, no queue holds a record of it. A core that took one off and lost the race
 *            for select_done was done with it before it dropped the channel's lock.
 * [select.3] The default is taken only if at one moment during the call nothing could go on: on one core because
 *            preemption is off while it looks, else because no channel's version changed between two looks.
 *
 * LOCKING. Several locks of rank CHAN by rising address; each once, however often its channel occurs.
 * ORDERING. select_done is won by a full barrier; woken_by is stored before ready() and read after park().
 *
 * REJECTED. Taking part in queues one lock at a time: two selects that meet must then claim each other and may
 * have to let go again, and a wake-up can fall between. Asking channels in random order instead of drawing among
 * the ready: the neighbour behind a run of idle cases is drawn more often.
 * SOURCES. Go runtime/select.go.
 */
#include <lang/chan.h>

#include <gc/alloc.h>
#include <lang/panic.h>
#include <lib/assert.h>
#include <lib/bits.h>
#include <lib/rand.h>
#include <sched/sched.h>

#define SELECT_MASK_BITS 64u

/* A select as this file sees it, from either form of the API. */
struct select {
    struct rt_select_op *ops; /* chan and kind of each case */
    uint32_t n;
    struct rt_select_frame *frame; /* go_select: elements are in here */
    void **elems;                  /* rt_select: elements, one slot each; NULL: drop */
};

static void *select_elem(const struct select *s, uint32_t i)
{
    struct rt_select_op *op = &s->ops[i];

    if (s->frame == NULL)
        return s->elems[i];
    if (op->kind == RT_SELECT_RECV)
        return s->frame->got;
    return op->chan->slot_bytes == 8 ? (void *)&op->word : s->frame->wide[i];
}

/* ---- Drawing lots ------------------------------------------------------------------------------------ */

PERCPU(struct rng, select_rng);

/* Uniform in [0, n). Preemption off. */
static RT_ALWAYS_INLINE uint32_t select_below(uint32_t n)
{
    struct rng *rng = this_cpu_ptr(select_rng);

    if (RT_UNLIKELY(rng->state == 0))
        *rng = rng_split(sched_seed(), 0x5e1ec7u + arch_cpu_id());
    return rng_below(rng, n);
}

/* One of the bits of `mask`, which is not 0, each with equal odds. Preemption off. */
static RT_ALWAYS_INLINE uint32_t select_draw(uint64_t mask)
{
    if ((mask & (mask - 1)) != 0)
        for (uint32_t skip = select_below(bits_count(mask)); skip > 0; skip--)
            mask &= mask - 1;
    return bit_lowest(mask);
}

/* ---- Looking ----------------------------------------------------------------------------------------- */

static RT_ALWAYS_INLINE bool select_can(const struct rt_select_op *op)
{
    return op->chan != NULL && load_relaxed(&op->chan->count[op->kind]) != 0; /* [chan.1] */
}

/* The cases of [from, from + 64) that can go on, a bit each. */
static RT_ALWAYS_INLINE uint64_t select_look(const struct select *s, uint32_t from)
{
    uint32_t n = s->n - from < SELECT_MASK_BITS ? s->n - from : SELECT_MASK_BITS;
    uint64_t mask = 0, bit = 1;

    for (const struct rt_select_op *op = s->ops + from, *end = op + n; op < end; op++, bit <<= 1)
        if (select_can(op))
            mask |= bit;
    return mask;
}

/* One of the cases that can go on, drawn among all of them; -1 if there is none. Preemption off. */
static int select_draw_any(const struct select *s)
{
    uint32_t ready = 0;
    int chosen = -1;

    for (uint32_t from = 0; from < s->n; from += SELECT_MASK_BITS) {
        uint64_t mask = select_look(s, from);
        uint32_t here = bits_count(mask);
        ready += here;
        if (here > 0 && (ready == here || select_below(ready) < here))
            chosen = (int)(from + select_draw(mask));
    }
    return chosen;
}

/*
 * Nothing could go on when we looked: was that so in all channels at one moment [select.3]? `version` is read before
 * count[], so if it is the same again later, count[] was that for all the time between.
 */
static RT_NOINLINE bool select_was_idle(const struct select *s)
{
    uint32_t versions[RT_SELECT_CASES_MAX];

    if (s->n > RT_SELECT_CASES_MAX)
        return false; /* too many to remember: the caller takes the locks */
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->ops[i].chan == NULL)
            continue;
        versions[i] = load_acquire(&s->ops[i].chan->version);
        if (select_can(&s->ops[i]))
            return false;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        if (s->ops[i].chan != NULL && load_acquire(&s->ops[i].chan->version) != versions[i])
            return false;
    }
    return true;
}

/* ---- Doing ------------------------------------------------------------------------------------------- */

/* Try case i with its channel locked; the lock is dropped. CHAN_WAIT: it can't go on any more. */
static enum chan_result select_try_locked(const struct select *s, uint32_t i)
{
    struct rt_select_op *op = &s->ops[i];
    enum chan_result result = op->kind == RT_SELECT_SEND ? chan_send_locked(op->chan, select_elem(s, i))
                                                         : chan_recv_locked(op->chan, select_elem(s, i));

    if (result == CHAN_WAIT || result == CHAN_PANIC)
        chan_unlock(op->chan);
    return result;
}

/*
 * Without waiting. Returns the case that went on, with *result; or -1. Preemption is off (once more) at the call, and
 * not touched but by a panic.
 */
static int select_poll(const struct select *s, enum chan_result *result)
{
    for (;;) {
        int i = select_draw_any(s);
        if (i < 0)
            return -1;
        chan_lock(s->ops[i].chan);
        *result = select_try_locked(s, (uint32_t)i);
        if (*result != CHAN_WAIT)
            return i;
    }
}

/* Cases by rising address of their channels, without those whose channel is NULL; how many. Shell's sort. */
static uint32_t select_order(const struct select *s, uint32_t *order)
{
    static const uint32_t gaps[] = {29524, 9841, 3280, 1093, 364, 121, 40, 13, 4, 1};
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n; i++)
        if (s->ops[i].chan != NULL)
            order[n++] = i;
    for (size_t k = 0; k < ARRAY_LEN(gaps); k++) {
        uint32_t gap = gaps[k];
        for (uint32_t i = gap; i < n; i++) {
            uint32_t moving = order[i], j = i;
            for (; j >= gap && s->ops[order[j - gap]].chan > s->ops[moving].chan; j -= gap)
                order[j] = order[j - gap];
            order[j] = moving;
        }
    }
    return n;
}

/* Is the k-th of `order` the first of its channel? */
static RT_ALWAYS_INLINE bool select_first(const struct select *s, const uint32_t *order, uint32_t k)
{
    return k == 0 || s->ops[order[k]].chan != s->ops[order[k - 1]].chan;
}

static void select_lock_all(const struct select *s, const uint32_t *order, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (select_first(s, order, k))
            chan_lock(s->ops[order[k]].chan);
}

/* All but the lock of `keep`, which may be NULL. */
static void select_unlock_all(const struct select *s, const uint32_t *order, uint32_t n,
                              struct rt_chan *keep)
{
    for (uint32_t k = n; k-- > 0;)
        if (select_first(s, order, k) && s->ops[order[k]].chan != keep)
            chan_unlock(s->ops[order[k]].chan);
}

static RT_ALWAYS_INLINE void select_enqueue_locked(const struct select *s, struct chan_wait *w, uint32_t i,
                                                   struct goroutine *g)
{
    w->g = g;
    w->elem = select_elem(s, i);
    w->index = i;
    w->selecting = true;
    chan_enqueue_locked(s->ops[i].chan, s->ops[i].kind, w);
}

/* Take back the records that nobody took off [select.2]. */
static void select_unqueue(const struct select *s, struct chan_wait *waits, uint32_t chosen)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct rt_select_op *op = &s->ops[i];
        if (op->chan == NULL || i == chosen)
            continue;
        chan_lock(op->chan);
        if (!list_empty(&waits[i].link)) /* [list.1] */
            chan_unlink_locked(op->chan, op->kind, &waits[i]);
        chan_unlock(op->chan);
    }
}

/*
 * With all locks: the case that went on, or -1 if none can and `block` is false. `waits` and `order` have room for
 * s->n each. Preemption is on at the call.
 */
static CHAN_HOT int select_locked(const struct select *s, bool block, enum chan_result *result,
                                  struct chan_wait *waits, uint32_t *order)
{
    struct goroutine *g = goroutine_current();
    uint32_t n = select_order(s, order);
    struct chan_wait *won;

    select_lock_all(s, order, n);
    int chosen = n > 0 ? select_draw_any(s) : -1;
    if (chosen >= 0) {
        select_unlock_all(s, order, n, s->ops[chosen].chan);
        *result = select_try_locked(s, (uint32_t)chosen);
        ASSERT(*result != CHAN_WAIT); /* [chan.1], and nobody could change it */
        return chosen;
    }
    if (!block) {
        select_unlock_all(s, order, n, NULL);
        return -1;
    }
    g->select_done = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->ops[i].chan != NULL)
            select_enqueue_locked(s, &waits[i], i, g);
    select_unlock_all(s, order, n, NULL);

    park(n > 0 ? WAIT_SELECT : WAIT_SELECT_NO_CASES);

    won = load_acquire(&g->woken_by);
    select_unqueue(s, waits, won->index);
    *result = won->ok                                      ? CHAN_DONE
              : s->ops[won->index].kind == RT_SELECT_SEND ? CHAN_PANIC
                                                          : CHAN_CLOSED;
    return (int)won->index;
}

/* ---- go_select --------------------------------------------------------------------------------------- */

static CHAN_HOT RT_NOINLINE int select_slow(const struct select *s, bool block, enum chan_result *result)
{
    struct chan_wait waits[RT_SELECT_CASES_MAX];
    uint32_t order[RT_SELECT_CASES_MAX];

    return select_locked(s, block, result, waits, order);
}

/* Without locks: could nothing go on, at one moment? Preemption is off, and there are no more than 16 cases. */
static RT_ALWAYS_INLINE bool select_idle(const struct select *s)
{
    return s->n <= 1 || arch_cpu_count() == 1 || select_was_idle(s);
}

CHAN_HOT void rt_select_run(struct rt_select_frame *frame)
{
    struct select s = {.ops = frame->ops, .n = frame->n, .frame = frame};
    enum chan_result result = CHAN_CLOSED;
    int chosen = -1;

    chan_touch_stack();
    preempt_off();
    if (select_look(&s, 0) != 0) {
        chosen = select_poll(&s, &result);
    } else if (frame->default_id != 0 && select_idle(&s)) {
        preempt_on();
        frame->chosen = frame->default_id;
        return;
    }
    preempt_on();
    if (chosen < 0) {
        chosen = select_slow(&s, frame->default_id == 0, &result);
        if (chosen < 0) {
            frame->chosen = frame->default_id;
            return;
        }
    }
    if (RT_UNLIKELY(result == CHAN_PANIC))
        chan_panic_closed();
    frame->ok = result == CHAN_DONE;
    frame->chosen = frame->ops[chosen].id;
}

RT_COLD void rt_select_too_many_cases(void)
{
    rt_fatal("select: more than %d cases", RT_SELECT_CASES_MAX);
}

/* ---- rt_select --------------------------------------------------------------------------------------- */

/* What a select of n cases needs beside the caller's array; references in it are found conservatively. */
struct select_case_state {
    struct rt_select_op op;
    void *elem;
    struct chan_wait wait;
    uint32_t order;
};

/* Copy what is to be sent into slot form; say where what is received goes in slot form. */
static void select_prepare(struct select *s, const struct rt_select_case *cases, uint64_t *got)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct rt_select_op *op = &s->ops[i];
        struct rt_chan *c = cases[i].chan;

        op->chan = c;
        op->kind = cases[i].send ? RT_SELECT_SEND : RT_SELECT_RECV;
        rt_gc_store_word(&s->elems[i], cases[i].elem); /* the arrays may be a collected object */
        if (c == NULL)
            continue;
        if (op->kind == RT_SELECT_SEND && cases[i].elem == NULL && c->elem_bytes > 0)
            panic_plain(RT_PANIC_NIL_DEREF,
                        "runtime error: invalid memory address or nil pointer dereference");
        if (c->slot_bytes != 8)
            continue;
        s->elems[i] = op->kind == RT_SELECT_SEND ? &op->word : got;
        if (op->kind == RT_SELECT_SEND) {
            uint64_t word = c->boxed ? chan_box(c, cases[i].elem) : chan_word_of(c, cases[i].elem);
            rt_gc_store_word(&op->word, (void *)(uintptr_t)word);
        }
    }
}

static int select_cases(struct select *s, const struct rt_select_case *cases, bool block, bool *ok,
                        struct chan_wait *waits, uint32_t *order)
{
    enum chan_result result = CHAN_CLOSED;
    uint64_t got = 0;
    int chosen;

    select_prepare(s, cases, &got);
    chan_touch_stack();
    preempt_off();
    chosen = select_poll(s, &result);
    preempt_on();
    if (chosen < 0)
        chosen = select_locked(s, block, &result, waits, order);
    if (chosen < 0)
        return -1;
    if (result == CHAN_PANIC)
        chan_panic_closed();

    struct rt_chan *c = s->ops[chosen].chan;
    if (s->ops[chosen].kind == RT_SELECT_RECV && c->slot_bytes == 8 && cases[chosen].elem != NULL)
        chan_word_to(c, *(volatile uint64_t *)&got, cases[chosen].elem);
    if (ok != NULL)
        *ok = result == CHAN_DONE;
    return chosen;
}

int rt_select(struct rt_select_case *cases, size_t n, bool block, bool *ok)
{
    if (n > INT32_MAX / sizeof(struct select_case_state))
        rt_fatal("select: too many cases (%zu)", n);
    if (n <= RT_SELECT_CASES_MAX) {
        struct rt_select_op ops[RT_SELECT_CASES_MAX];
        void *elems[RT_SELECT_CASES_MAX];
        struct chan_wait waits[RT_SELECT_CASES_MAX];
        uint32_t order[RT_SELECT_CASES_MAX];
        struct select s = {.ops = ops, .n = (uint32_t)n, .elems = elems};
        return select_cases(&s, cases, block, ok, waits, order);
    }

    char *at = (char *)(uintptr_t)rt_gc_alloc_words(n * sizeof(struct select_case_state) / 8 + 1);
    struct select s = {.n = (uint32_t)n};
    s.ops = (struct rt_select_op *)at;
    at += n * sizeof(struct rt_select_op);
    s.elems = (void **)at;
    at += n * sizeof(void *);
    struct chan_wait *waits = (struct chan_wait *)at;
    at += n * sizeof(struct chan_wait);
    return select_cases(&s, cases, block, ok, waits, (uint32_t *)at);
}
