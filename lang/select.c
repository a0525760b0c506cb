/*
 * lang/select.c - select: one of several channel operations, chosen by chance among those that can
 * go on.
 *
 * WHAT. First a look without locks: if something can go on, one of those is drawn, and its channel
 * alone is locked for the operation. If nothing can and there is no default, all channels are
 * locked in the order of their addresses, looked at again, and a record is put into each one's
 * queue before the locks are dropped; then the goroutine parks. Who completes one of the operations
 * wins select_done first, so it is one; the other records are taken back afterwards, one lock at a
 * time.
 *
 * INVARIANTS
 * [select.1] Nothing of a select is in a queue while it looks and chooses: it never meets itself,
 *            though it may send and receive on one channel.
 * [select.2] When rt_select_run() returns, no queue holds a record of it. A core that took one off
 *            and lost the race for select_done was done with it before it dropped the channel's
 *            lock.
 * [select.3] The default is taken only if at one moment during the call nothing could go on: on one
 *            core because preemption is off while it looks, else because no channel's version
 *            changed between two looks.
 *
 * LOCKING. Several locks of rank CHAN by rising address; each once, however often its channel
 * occurs.
 * ORDERING. select_done is won by a full barrier; woken_by is stored before ready() and read after
 * park().
 *
 * REJECTED. Taking part in queues one lock at a time: two selects that meet must then claim each
 * other and may have to let go again, and a wake-up can fall between. Asking channels in random
 * order instead of drawing among the ready: the neighbour behind a run of idle cases is drawn more
 * often.
 * SOURCES. Go runtime/select.go.
 */
#include <lang/chan.h>

#include <gc/alloc.h>
#include <lang/panic.h>
#include <lang/stackcheck.h>
#include <lib/bits.h>
#include <lib/rand.h>
#include <sched/sched.h>

#define SELECT_MASK_BITS 64u

/* A select as this file sees it, from either form of the API. */
struct select {
    const uintptr_t *sides; /* rt/chan.h: RT_SELECT_SIDE_() */
    const uint8_t *kinds;   /* rt_select: enum rt_select_kind of each; NULL: in `shape` */
    uint32_t shape;         /* go_select */
    uint32_t n;
    struct rt_select_frame *frame; /* go_select: elements are in here */
    void **elems;                  /* rt_select: elements, one slot each; NULL: drop */
};

static RT_ALWAYS_INLINE bool side_is_nil(uintptr_t side)
{
    return side <= RT_SELECT_SIDE_(0, RT_SELECT_SEND);
}

/* Could this side go on [chan.1]? */
static RT_ALWAYS_INLINE bool side_can(uintptr_t side)
{
    return !side_is_nil(side) && load_relaxed((const int64_t *)side) != 0;
}

static RT_ALWAYS_INLINE unsigned select_kind(const struct select *s, uint32_t i)
{
    return s->kinds != NULL ? s->kinds[i] : (s->shape & RT_SELECT_SENDS(i)) != 0;
}

/* The channel of case i, which has one. */
static RT_ALWAYS_INLINE struct rt_chan *select_chan(const struct select *s, uint32_t i)
{
    return (struct rt_chan *)(s->sides[i] - RT_SELECT_SIDE_(0, select_kind(s, i)));
}

/* Where the element of case i is, or goes. */
static RT_ALWAYS_INLINE void *select_elem(const struct select *s, uint32_t i,
                                          const struct rt_chan *c, unsigned kind)
{
    if (s->frame == NULL)
        return s->elems[i];
    if (kind == RT_SELECT_RECV)
        return s->frame->got;
    return c->slot_bytes == 8 ? (void *)&s->frame->words[i] : s->frame->wide[i];
}

/* ---- Drawing lots ---- */

static PERCPU(uint64_t, select_state); /* [c] of rng_step(); 0: not seeded yet */

/* Uniform in [0, n). Preemption off. */
static RT_ALWAYS_INLINE uint32_t select_below(uint32_t n)
{
    uint64_t state = this_cpu(select_state);

    if (RT_UNLIKELY(state == 0))
        state = rng_split(sched_seed(), 0x5e1ec7u + arch_cpu_id()).state;
    state = rng_step(state);
    this_cpu(select_state) = state;
    return (uint32_t)(((state >> 32) * n) >> 32);
}

/* One of the bits of `mask`, which is not 0, each with equal odds. Preemption off. */
static RT_ALWAYS_INLINE uint32_t select_draw(uint64_t mask)
{
    uint32_t n = 0;

    if ((mask & (mask - 1)) != 0) {
        for (uint64_t rest = mask; rest != 0; rest &= rest - 1)
            n++;
        for (n = select_below(n); n > 0; n--)
            mask &= mask - 1;
    }
    return bit_lowest(mask);
}

/* ---- Looking ---- */

/* Which of n <= 64 sides could go on, a bit each. */
static RT_ALWAYS_INLINE uint64_t sides_look(const uintptr_t *sides, uint32_t n)
{
    uint64_t mask = 0;

    for (uint32_t i = 0; i < n; i++)
        if (side_can(sides[i]))
            mask |= UINT64_C(1) << i;
    return mask;
}

/* One of the cases that can go on, drawn among all of them; -1 if there is none. Preemption off. */
static int select_draw_any(const struct select *s)
{
    uint32_t ready = 0;
    int chosen = -1;

    for (uint32_t from = 0; from < s->n; from += SELECT_MASK_BITS) {
        uint32_t left = s->n - from;
        uint64_t mask =
            sides_look(s->sides + from, left < SELECT_MASK_BITS ? left : SELECT_MASK_BITS);
        uint32_t here = bits_count(mask);
        ready += here;
        if (here > 0 && (ready == here || select_below(ready) < here))
            chosen = (int)(from + select_draw(mask));
    }
    return chosen;
}

/*
 * Nothing could go on when we looked: was that so in all channels at one moment [select.3]?
 * `version` is read before count[], so if it is the same again later, count[] was that for all the
 * time between.
 */
static RT_NOINLINE bool select_was_idle(const uintptr_t *sides, uint32_t shape)
{
    struct select s = {.sides = sides, .shape = shape, .n = shape & 0xff};
    uint32_t versions[RT_SELECT_CASES_MAX];

    for (uint32_t i = 0; i < s.n; i++) {
        if (side_is_nil(sides[i]))
            continue;
        versions[i] = load_acquire(&select_chan(&s, i)->version);
        if (side_can(sides[i]))
            return false;
    }
    for (uint32_t i = 0; i < s.n; i++)
        if (!side_is_nil(sides[i]) && load_acquire(&select_chan(&s, i)->version) != versions[i])
            return false;
    return true;
}

/* ---- Doing ---- */

/* Try case i with its channel locked; the lock is dropped. CHAN_WAIT: it can't go on any more. */
static enum chan_result select_try_locked(const struct select *s, uint32_t i, struct rt_chan *c,
                                          unsigned kind)
{
    void *elem = select_elem(s, i, c, kind);
    enum chan_result result =
        kind == RT_SELECT_SEND ? chan_send_locked(c, elem) : chan_recv_locked(c, elem);

    if (result == CHAN_WAIT || result == CHAN_PANIC)
        chan_unlock(c);
    return result;
}

/* A case whose channel is not NULL, in the order of locking. */
struct select_slot {
    struct rt_chan *c;
    uint32_t i; /* which case */
    uint32_t kind;
};

/* Shell's sort. */
static RT_NOINLINE void slots_sort(struct select_slot *slots, uint32_t n)
{
    static const uint32_t gaps[] = {29524, 9841, 3280, 1093, 364, 121, 40, 13, 4, 1};

    for (size_t k = 0; k < ARRAY_LEN(gaps); k++) {
        uint32_t gap = gaps[k];
        for (uint32_t i = gap; i < n; i++) {
            struct select_slot moving = slots[i];
            uint32_t j = i;
            for (; j >= gap && slots[j - gap].c > moving.c; j -= gap)
                slots[j] = slots[j - gap];
            slots[j] = moving;
        }
    }
}

/* All cases by rising address of their channels; how many. */
static RT_ALWAYS_INLINE uint32_t slots_fill(const struct select *s, struct select_slot *slots)
{
    uintptr_t last = 0;
    bool sorted = true;
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        if (side_is_nil(s->sides[i]))
            continue;
        slots[n].kind = select_kind(s, i);
        slots[n].c = (struct rt_chan *)(s->sides[i] - RT_SELECT_SIDE_(0, slots[n].kind));
        slots[n].i = i;
        sorted &= (uintptr_t)slots[n].c >= last;
        last = (uintptr_t)slots[n].c;
        n++;
    }
    if (!sorted)
        slots_sort(slots, n);
    return n;
}

/* Does some channel occur more than once? */
static RT_ALWAYS_INLINE bool slots_lock(const struct select_slot *slots, uint32_t n)
{
    struct rt_chan *last = NULL;
    bool again = false;

    for (const struct select_slot *k = slots; k < slots + n; last = k->c, k++)
        if (RT_LIKELY(k->c != last))
            chan_lock(k->c);
        else
            again = true;
    return again;
}

/* Cases of one channel in an order drawn by chance, for whoever comes meets the first that waits.
 * Preemption off. */
static RT_NOINLINE void slots_shuffle(struct select_slot *slots, uint32_t n)
{
    for (uint32_t i = 0, first = 0; i < n; i++) {
        if (slots[i].c != slots[first].c)
            first = i;
        uint32_t j = first + select_below(i - first + 1);
        struct select_slot moving = slots[i];
        slots[i] = slots[j];
        slots[j] = moving;
    }
}

/* All but the lock of `keep`, which may be NULL. */
static RT_ALWAYS_INLINE void slots_unlock(const struct select_slot *slots, uint32_t n,
                                          struct rt_chan *keep)
{
    struct rt_chan *last = keep;

    for (const struct select_slot *k = slots; k < slots + n; last = k->c, k++)
        if (k->c != last && k->c != keep)
            chan_unlock(k->c);
}

/* Put a record of each case into its channel's queue. */
static RT_ALWAYS_INLINE void slots_enqueue_locked(const struct select *s,
                                                  const struct select_slot *slots, uint32_t n,
                                                  struct chan_wait *waits, struct goroutine *g)
{
    for (const struct select_slot *k = slots; k < slots + n; k++) {
        struct chan_wait *w = &waits[k->i];
        w->g = g;
        w->elem = select_elem(s, k->i, k->c, k->kind);
        w->index = k->i;
        w->selecting = true;
        chan_enqueue_locked(k->c, k->kind, w);
    }
}

/* Take back the records that nobody took off [select.2]. */
static RT_ALWAYS_INLINE void slots_unqueue(const struct select_slot *slots, uint32_t n,
                                           struct chan_wait *waits, uint32_t chosen)
{
    for (const struct select_slot *k = slots; k < slots + n; k++) {
        if (k->i == chosen)
            continue;
        chan_lock(k->c);
        if (!list_empty(&waits[k->i].link)) /* [list.1] */
            chan_unlink_locked(k->c, k->kind, &waits[k->i]);
        chan_unlock(k->c);
    }
}

/*
 * With all locks: the case that went on, or -1 if none can and `block` is false. `waits` and
 * `slots` have room for s->n each. Preemption is on at the call.
 */
static RT_ALWAYS_INLINE int select_locked(const struct select *s, bool block,
                                          enum chan_result *result, struct chan_wait *waits,
                                          struct select_slot *slots)
{
    struct goroutine *g = goroutine_current();
    uint32_t n = slots_fill(s, slots);

    bool again;
    for (;;) {
        bool some = false;
        again = slots_lock(slots, n);
        for (const struct select_slot *k = slots; k < slots + n; k++)
            some |= k->c->count[k->kind] != 0;
        if (RT_LIKELY(!some))
            break;
        uint32_t i = (uint32_t)select_draw_any(s);
        struct rt_chan *c = select_chan(s, i);
        slots_unlock(slots, n, c);
        *result = select_try_locked(s, i, c, select_kind(s, i));
        if (*result != CHAN_WAIT)
            return (int)i;
        /* whoever waited there was a select that is complete already; its record is gone now
         * [chan.2] */
    }
    if (!block) {
        slots_unlock(slots, n, NULL);
        return -1;
    }
    if (RT_UNLIKELY(again))
        slots_shuffle(slots, n);
    g->select_done = 0;
    slots_enqueue_locked(s, slots, n, waits, g);
    slots_unlock(slots, n, NULL);
    park(n > 0 ? WAIT_SELECT : WAIT_SELECT_NO_CASES);

    struct chan_wait *won = load_acquire(&g->woken_by);
    uint32_t i = won->index;
    slots_unqueue(slots, n, waits, i);
    *result = RT_LIKELY(won->ok)                    ? CHAN_DONE
              : select_kind(s, i) == RT_SELECT_SEND ? CHAN_PANIC
                                                    : CHAN_CLOSED;
    return (int)i;
}

/* ---- go_select ---- */

/* The general way, with all locks. */
static CHAN_HOT RT_NOINLINE int select_slow(struct rt_select_frame *frame, uint32_t shape)
{
    struct select s = {.sides = frame->sides, .shape = shape, .n = shape & 0xff, .frame = frame};
    enum chan_result result = CHAN_CLOSED;
    struct chan_wait waits[RT_SELECT_CASES_MAX];
    struct select_slot slots[RT_SELECT_CASES_MAX];
    int chosen = select_locked(&s, !(shape & RT_SELECT_HAS_DEFAULT), &result, waits, slots);

    if (RT_UNLIKELY(result == CHAN_PANIC))
        chan_panic_closed();
    frame->ok = result == CHAN_DONE;
    return chosen;
}

/* Case i, if it can still go on: true. */
static RT_ALWAYS_INLINE bool select_go(struct rt_select_frame *frame, uint32_t shape, uint32_t i)
{
    unsigned kind = (shape & RT_SELECT_SENDS(i)) != 0;
    struct rt_chan *c = (struct rt_chan *)(frame->sides[i] - RT_SELECT_SIDE_(0, kind));

    if (c->slot_bytes == 8) {
        if (RT_LIKELY(chan_trylock(c))) { /* the usual case, without a call */
            if (kind == RT_SELECT_RECV && chan_can_take_locked(c)) {
                frame->got[0] = chan_take_word_locked(c);
                preempt_on();
                frame->ok = true;
                return true;
            }
            if (kind == RT_SELECT_SEND && chan_can_put_locked(c)) {
                chan_put_word_locked(c, frame->words[i]);
                preempt_on();
                frame->ok = true;
                return true;
            }
            chan_unlock(c);
        }
        if (kind == RT_SELECT_SEND)
            return rt_chan_try_send_word(c, frame->words[i]);
        struct rt_chan_word got = rt_chan_try_recv_word(c);
        frame->got[0] = got.word;
        frame->ok = (bool)got.ok;
        return got.ok != CHAN_WAIT;
    }
    struct select s = {.sides = frame->sides, .shape = shape, .n = shape & 0xff, .frame = frame};
    chan_lock(c);
    enum chan_result result = select_try_locked(&s, i, c, kind);
    if (result == CHAN_PANIC)
        chan_panic_closed();
    frame->ok = result == CHAN_DONE;
    return result != CHAN_WAIT;
}

/* Some could go on, a bit each, when we looked with preemption off, as it still is: one of them, or
 * all over again. */
static CHAN_HOT RT_NOINLINE int select_some(struct rt_select_frame *frame, uint32_t shape,
                                            uint32_t mask)
{
    uint32_t i = select_draw(mask);

    preempt_on();
    return RT_LIKELY(select_go(frame, shape, i)) ? (int)i : rt_select_run(frame, shape);
}

static uint8_t one_cpu; /* [a] 0: not asked yet, 1: yes, 2: no */

/* Nothing could go on when we looked; preemption is still off. Is that enough for the default
 * [select.3]? */
static CHAN_HOT RT_NOINLINE int select_none(struct rt_select_frame *frame, uint32_t shape)
{
    store_relaxed(&one_cpu, arch_cpu_count() == 1 ? 1 : 2);
    bool idle = (shape & RT_SELECT_HAS_DEFAULT) &&
                (one_cpu == 1 || (shape & 0xff) <= 1 || select_was_idle(frame->sides, shape));
    preempt_on();
    return idle ? RT_SELECT_DEFAULT : select_slow(frame, shape);
}

#ifdef RT_DEBUG
/* All that might be sent. */
static void select_stackcheck(struct rt_select_frame *frame, uint32_t shape, uintptr_t pc)
{
    struct select s = {.sides = frame->sides, .shape = shape, .n = shape & 0xff, .frame = frame};

    for (uint32_t i = 0; i < s.n; i++) {
        if (select_kind(&s, i) != RT_SELECT_SEND || side_is_nil(s.sides[i]))
            continue;
        struct rt_chan *c = select_chan(&s, i);
        stackcheck_elem(c->elem, select_elem(&s, i, c, RT_SELECT_SEND), pc);
    }
}
#else
#define select_stackcheck(frame, shape, pc) ((void)0)
#endif

CHAN_HOT int rt_select_run(struct rt_select_frame *frame, uint32_t shape)
{
    const uintptr_t *sides = frame->sides;
    uint32_t mask = 0;

    select_stackcheck(frame, shape, (uintptr_t)__builtin_return_address(0));
    arch_touch_stack();
    preempt_off();
    switch (shape & 0x1f) { /* spelt out, for a select with a default does hardly more than this */
#define LOOK(i)                                                                                    \
    case (i) + 1:                                                                                  \
        if (RT_LIKELY(!side_is_nil(sides[i])) && *(const int64_t *)sides[i] != 0)                  \
            mask |= 1u << (i);                                                                     \
        __attribute__((fallthrough))
        LOOK(15);
        LOOK(14);
        LOOK(13);
        LOOK(12);
        LOOK(11);
        LOOK(10);
        LOOK(9);
        LOOK(8);
        LOOK(7);
        LOOK(6);
        LOOK(5);
        LOOK(4);
        LOOK(3);
        LOOK(2);
        LOOK(1);
        LOOK(0);
#undef LOOK
    default:
        break;
    }
    if (mask != 0)
        return select_some(frame, shape, mask);
    if (RT_LIKELY((shape & RT_SELECT_HAS_DEFAULT) && one_cpu == 1)) {
        preempt_on();
        return RT_SELECT_DEFAULT;
    }
    return select_none(frame, shape);
}

void rt_select_too_many_cases(void)
{
    rt_fatal("select: more than %d cases", RT_SELECT_CASES_MAX);
}

/* ---- rt_select ---- */

/* What a select of n cases needs beside the caller's array; references in it are found
 * conservatively. */
struct select_case_state {
    uintptr_t side;
    uint64_t word;
    void *elem;
    struct chan_wait wait;
    struct select_slot slot;
    uint64_t kind;
};

/* The arrays of one rt_select(), on the stack or, for many cases, in one collected object. */
struct select_arrays {
    uintptr_t *sides;
    uint64_t *words;
    void **elems;
    struct chan_wait *waits;
    struct select_slot *slots;
    uint8_t *kinds;
};

/* Copy what is to be sent into slot form; say where what is received goes in slot form. */
static void select_prepare(const struct select_arrays *a, const struct rt_select_case *cases,
                           uint32_t n, uint64_t *got)
{
    for (uint32_t i = 0; i < n; i++) {
        struct rt_chan *c = cases[i].chan;
        uint8_t kind = cases[i].send ? RT_SELECT_SEND : RT_SELECT_RECV;

        a->kinds[i] = kind;
        rt_gc_store_word(&a->sides[i],
                         (void *)RT_SELECT_SIDE_(c, kind)); /* it may be a collected object */
        rt_gc_store_word(&a->elems[i], cases[i].elem);
        if (c == NULL)
            continue;
        if (kind == RT_SELECT_SEND && cases[i].elem == NULL && c->elem_bytes > 0)
            panic_plain(RT_PANIC_NIL_DEREF, "runtime error: " PANIC_NIL_TEXT);
        if (c->slot_bytes != 8)
            continue;
        a->elems[i] = kind == RT_SELECT_SEND ? &a->words[i] : got;
        if (kind == RT_SELECT_SEND) {
            uint64_t word = c->boxed ? chan_box(c, cases[i].elem) : chan_word_of(c, cases[i].elem);
            rt_gc_store_word(&a->words[i], (void *)(uintptr_t)word);
        }
    }
}

/* Without waiting: the case that went on, with *result, or -1. */
static int select_poll(const struct select *s, enum chan_result *result)
{
    for (;;) {
        preempt_off();
        int i = select_draw_any(s);
        preempt_on();
        if (i < 0)
            return -1;
        struct rt_chan *c = select_chan(s, (uint32_t)i);
        chan_lock(c);
        *result = select_try_locked(s, (uint32_t)i, c, select_kind(s, (uint32_t)i));
        if (*result != CHAN_WAIT)
            return i;
    }
}

static int select_cases(const struct select_arrays *a, const struct rt_select_case *cases,
                        uint32_t n, bool block, bool *ok)
{
    struct select s = {.sides = a->sides, .kinds = a->kinds, .n = n, .elems = a->elems};
    enum chan_result result = CHAN_CLOSED;
    uint64_t got = 0;
    int chosen;

    select_prepare(a, cases, n, &got);
    arch_touch_stack();
    chosen = select_poll(&s, &result);
    if (chosen < 0)
        chosen = select_locked(&s, block, &result, a->waits, a->slots);
    if (chosen < 0)
        return -1;
    if (result == CHAN_PANIC)
        chan_panic_closed();

    struct rt_chan *c = cases[chosen].chan;
    if (a->kinds[chosen] == RT_SELECT_RECV && c->slot_bytes == 8 && cases[chosen].elem != NULL)
        chan_word_to(c, *(volatile uint64_t *)&got, cases[chosen].elem);
    if (ok != NULL)
        *ok = result == CHAN_DONE;
    return chosen;
}

static int select_few(const struct rt_select_case *cases, uint32_t n, bool block, bool *ok)
{
    uintptr_t sides[RT_SELECT_CASES_MAX];
    uint64_t words[RT_SELECT_CASES_MAX];
    void *elems[RT_SELECT_CASES_MAX];
    struct chan_wait waits[RT_SELECT_CASES_MAX];
    struct select_slot slots[RT_SELECT_CASES_MAX];
    uint8_t kinds[RT_SELECT_CASES_MAX];
    struct select_arrays a = {sides, words, elems, waits, slots, kinds};

    return select_cases(&a, cases, n, block, ok);
}

int rt_select(struct rt_select_case *cases, size_t n, bool block, bool *ok)
{
    struct select_arrays a;

    for (size_t i = 0; i < n; i++)
        if (cases[i].send && cases[i].elem != NULL)
            stackcheck_send(cases[i].chan, cases[i].elem);
    if (n > INT32_MAX / sizeof(struct select_case_state))
        rt_fatal("select: too many cases (%zu)", n);
    if (n <= RT_SELECT_CASES_MAX)
        return select_few(cases, (uint32_t)n, block, ok);

    a.sides = (uintptr_t *)(uintptr_t)rt_gc_alloc_words(n * sizeof(struct select_case_state) / 8);
    a.words = (uint64_t *)(a.sides + n);
    a.elems = (void **)(a.words + n);
    a.waits = (struct chan_wait *)(a.elems + n);
    a.slots = (struct select_slot *)(a.waits + n);
    a.kinds = (uint8_t *)(a.slots + n);
    return select_cases(&a, cases, (uint32_t)n, block, ok);
}
