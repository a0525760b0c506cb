/*
 * lang/chan.c - channels.
 *
 * WHAT. Go's algorithm: a lock, a ring of slots, a queue of receivers that wait and one of senders
 * that wait. A sender that finds a receiver hands its value over, straight into the receiver's
 * memory; only a value that nobody waits for goes into the ring. Whoever must wait puts a record on
 * its own stack into the queue and parks. Select is in lang/select.c; the layout of a channel in
 * lang/chan.h.
 *
 * INVARIANTS (L: while the lock is free)
 * [chan.1] count[] says by its sign alone what a send and a receive can do: see lang/chan.h. So a
 *          fast path makes one comparison, and a refusal (== 0) needs no lock at all.
 * [chan.2] A record in a queue belongs to whoever holds the lock. Taking it off is the right to
 *          complete it; for a select only together with select_done 0 -> 1. ready() follows exactly
 *          once. A record of a select that was completed elsewhere is just dropped.
 * [chan.3] `version` changes with every operation that changes count[] or a queue, so two equal
 *          reads enclose a time in which nothing happened.
 * [chan.4] L: receivers wait only if the ring is empty, senders only if it is full; both only in a
 *          select that does both (it does not serve itself).
 * [chan.5] A slot that holds no element is zero, if elements may hold references.
 *
 * LOCKING. One spin lock of rank CHAN for each channel; ready() is called after it is free. Closing
 * wakes waiters in batches, for preemption is off while it is held.
 * COLLECTOR. A store into a slot or into another goroutine's frame goes through the barrier, and
 * what is taken out of a slot or out of a parked sender's frame is shaded while marking (DESIGN.md
 * section 6, (b)). Both are skipped while rt_wb_on is 0; it cannot change under the lock, since no
 * stop happens with preemption off.
 * ORDERING. The lock orders everything but the unlocked looks at count[], closed and version. Those
 * are relaxed: an answer "would wait" is true of some moment during the call, and orders nothing.
 *
 * REJECTED. Slots of 1, 2 and 4 bytes: three more copies of every fast path, to save memory in
 * buffered channels of characters. Large elements in the ring: 64 KiB copied with preemption off. A
 * lock-free ring: the waiting queues need the lock anyway, and a locked add costs as much as the
 * whole uncontended lock.
 * SOURCES. Go runtime/chan.go.
 */
#include <lang/chan.h>

#include <gc/alloc.h>
#include <lang/panic.h>
#include <lang/stackcheck.h>
#include <lib/assert.h>
#include <sched/fast.h>

#define CHAN_CLOSE_BATCH 32

/* What slots are, where they are not the elements. */
RT_TYPE_DEFINE(uint64_t, chan_word_slot);
RT_TYPE_DEFINE(void *, chan_box_slot);

/* ---- Making and asking ---- */

static struct rt_type *chan_slot_type(struct rt_type *elem)
{
    if (elem->size > CHAN_INLINE_MAX)
        return &chan_box_slot.type;
    return elem->size < 8 ? &chan_word_slot.type : elem;
}

struct rt_chan *rt_chan_make_raw(struct rt_type *elem, int64_t capacity)
{
    struct rt_type *slot = chan_slot_type(elem);
    struct rt_chan *c = NULL;

    if (capacity >= 0 && capacity < CHAN_SLOW)
        c = gc_alloc_prefixed(sizeof(*c), false, slot, elem->size == 0 ? 0 : (size_t)capacity);
    if (c == NULL)
        panic_plain(RT_PANIC_MAKE, "makechan: size out of range");

    c->lock = (struct spinlock)SPINLOCK_INIT(RANK_CHAN);
    c->elem = elem;
    c->elem_bytes = elem->size;
    c->slot_bytes = elem->size == 0 ? 0 : slot->size;
    c->boxed = slot == &chan_box_slot.type;
    c->cap = capacity;
    c->chan_room = capacity;
    c->recv_at = c->send_at = c->slots;
    c->slots_end = c->slots + (size_t)capacity * c->slot_bytes;
    list_init(&c->waits[RT_SELECT_RECV]);
    list_init(&c->waits[RT_SELECT_SEND]);
    return c;
}

/* Elements in the ring, from a value of c->chan_avail. */
static size_t chan_plain(int64_t count)
{
    return (size_t)(count & (CHAN_SLOW - 1));
}

size_t rt_chan_len_raw(const struct rt_chan *c)
{
    return c == NULL ? 0 : chan_plain(load_relaxed(&c->chan_avail));
}

size_t rt_chan_cap_raw(const struct rt_chan *c)
{
    return c == NULL ? 0 : (size_t)c->cap;
}

bool rt_chan_closed_raw(const struct rt_chan *c)
{
    return c != NULL && load_relaxed(&c->closed);
}

RT_COLD void chan_panic_closed(void)
{
    panic_plain(RT_PANIC_CLOSED_CHANNEL, "send on closed channel");
}

RT_NORETURN static RT_COLD void chan_wait_for_ever(enum wait_reason why)
{
    for (;;)
        park(why);
}

/* ---- Slots ---- */

/* Copy one slot's bytes. Preemption off. The collector may be reading dst: whole words stay
 * whole. */
static RT_ALWAYS_INLINE void slot_copy(const struct rt_chan *c, void *dst, const void *src)
{
    size_t bytes = c->slot_bytes;

    if (RT_LIKELY(bytes == 8 && !rt_wb_on)) {
        *(volatile uint64_t *)dst = *(const volatile uint64_t *)src;
        return;
    }
    if (rt_wb_on || bytes > 64) {
        gc_copy_barrier(dst, src, bytes);
        return;
    }
    volatile char *to = dst;
    const volatile char *from = src;
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8)
        *(volatile uint64_t *)to = *(const volatile uint64_t *)from;
    for (; bytes > 0; bytes--)
        *to++ = *from++;
}

/* The same out of a slot, or out of a frame that is not ours: what leaves it is shaded. dst NULL:
 * drop. */
static RT_ALWAYS_INLINE void slot_copy_out(const struct rt_chan *c, void *dst, const void *src)
{
    if (RT_UNLIKELY(rt_wb_on))
        gc_shade_range(src, c->slot_bytes);
    if (dst != NULL)
        slot_copy(c, dst, src);
}

/* Nothing is there any more [chan.5]. Its references were shaded when they were copied out. */
static RT_ALWAYS_INLINE void slot_clear(const struct rt_chan *c, void *slot)
{
    volatile char *p = slot;
    size_t bytes = c->slot_bytes;

    if (RT_UNLIKELY(rt_wb_on)) {
        gc_clear_barrier(slot, bytes);
        return;
    }
    for (; bytes >= 8; bytes -= 8, p += 8)
        *(volatile uint64_t *)p = 0;
    for (; bytes > 0; bytes--)
        *p++ = 0;
}

static void slot_put_locked(struct rt_chan *c, const void *elem)
{
    char *slot = c->send_at;

    slot_copy(c, slot, elem);
    c->send_at = slot_after(c, slot, c->slot_bytes);
}

static void slot_take_locked(struct rt_chan *c, void *elem)
{
    char *slot = c->recv_at;

    slot_copy_out(c, elem, slot);
    slot_clear(c, slot);
    c->recv_at = slot_after(c, slot, c->slot_bytes);
}

uint64_t chan_box(struct rt_chan *c, const void *elem)
{
    void *box = gc_alloc(c->elem);

    gc_copy_barrier(box, elem, c->elem_bytes);
    return (uintptr_t)box;
}

uint64_t chan_word_of(const struct rt_chan *c, const void *elem)
{
    uint64_t word = 0;

    if (c->elem_bytes == 8)
        return *(const uint64_t *)elem;
    for (size_t i = 0; i < c->elem_bytes; i++)
        ((volatile char *)&word)[i] = ((const char *)elem)[i];
    return word;
}

void chan_word_to(const struct rt_chan *c, uint64_t word, void *elem)
{
    if (c->boxed && word != 0)
        gc_copy_barrier(elem, (const void *)(uintptr_t)word, c->elem_bytes);
    else if (c->boxed)
        gc_clear_barrier(elem, c->elem_bytes);
    else
        gc_copy_barrier(elem, &word, c->elem_bytes);
}

/* ---- Under the lock ---- */

/* The first waiter whose operation we may complete, off the queue; NULL if there is none
 * [chan.2]. */
static RT_ALWAYS_INLINE struct chan_wait *chan_dequeue_locked(struct rt_chan *c, unsigned kind)
{
    struct list *head = &c->waits[kind];

    while (!list_empty(head)) {
        struct chan_wait *w = container_of(head->next, struct chan_wait, link);
        chan_unlink_locked(c, kind, w);
        if (!w->selecting)
            return w;
        if (cas_acq_rel(&w->g->select_done, 0, 1)) {
            w->g->woken_by = w;
            return w;
        }
    }
    return NULL;
}

/* w's operation is complete. Preemption comes on last, so that little has to survive the calls. */
static RT_ALWAYS_INLINE enum chan_result chan_done_locked(struct rt_chan *c, struct chan_wait *w)
{
    struct goroutine *g = w->g;

    w->ok = true;
    chan_unlock_keep(c);
    if (!ready_quick(g, &g))
        enqueue_rest(this_cpu_ptr(runq), g);
    preempt_on();
    return CHAN_DONE;
}

static RT_ALWAYS_INLINE enum chan_result send_locked(struct rt_chan *c, const void *elem)
{
    struct chan_wait *w;

    if (RT_UNLIKELY(c->closed))
        return CHAN_PANIC;
    w = chan_dequeue_locked(c, RT_SELECT_RECV);
    if (w != NULL) {
        if (w->elem != NULL)
            slot_copy(c, w->elem, elem);
        return chan_done_locked(c, w);
    }
    if (c->chan_room <= 0)
        return CHAN_WAIT;
    slot_put_locked(c, elem);
    chan_count_locked(c, 1);
    chan_unlock(c);
    return CHAN_DONE;
}

/* Senders that were waiting when the channel was closed are still in the queue for a moment: not
 * for us. */
static RT_ALWAYS_INLINE struct chan_wait *chan_dequeue_sender_locked(struct rt_chan *c)
{
    return RT_UNLIKELY(c->closed) ? NULL : chan_dequeue_locked(c, RT_SELECT_SEND);
}

static RT_ALWAYS_INLINE enum chan_result recv_locked(struct rt_chan *c, void *elem)
{
    struct chan_wait *w;

    if (chan_plain(c->chan_avail) == 0) {
        w = chan_dequeue_sender_locked(c);
        if (w != NULL) {
            slot_copy_out(c, elem, w->elem);
            return chan_done_locked(c, w);
        }
        if (!c->closed)
            return CHAN_WAIT;
        if (elem != NULL)
            gc_clear_barrier(elem, c->slot_bytes);
        chan_unlock(c);
        return CHAN_CLOSED;
    }

    slot_take_locked(c, elem);
    w = chan_dequeue_sender_locked(c);
    if (w != NULL) { /* the ring was full: the first who waits gets the slot that came free */
        slot_copy_out(c, c->send_at, w->elem);
        c->send_at = slot_after(c, c->send_at, c->slot_bytes);
        return chan_done_locked(c, w);
    }
    chan_count_locked(c, -1);
    chan_unlock(c);
    return CHAN_DONE;
}

CHAN_HOT enum chan_result chan_send_locked(struct rt_chan *c, const void *elem)
{
    return send_locked(c, elem);
}

CHAN_HOT enum chan_result chan_recv_locked(struct rt_chan *c, void *elem)
{
    return recv_locked(c, elem);
}

/* Park with a record in the queue; the lock is dropped. What *elem is or gets, the other side
 * does. */
static RT_ALWAYS_INLINE bool chan_wait_locked(struct rt_chan *c, unsigned kind, void *elem)
{
    struct chan_wait w;

    w.g = goroutine_current();
    w.elem = elem;
    w.selecting = false;
    chan_enqueue_locked(c, kind, &w);
    chan_unlock_keep(c);
    park_fast(kind == RT_SELECT_SEND ? WAIT_CHAN_SEND : WAIT_CHAN_RECEIVE);
    return w.ok;
}

/* The first waiter can be served without further ado: it is no select's, and nobody marks. */
static RT_ALWAYS_INLINE bool chan_waiter_is_plain_locked(const struct rt_chan *c, unsigned kind)
{
    struct list *node = c->waits[kind].next;

    return RT_LIKELY(node != &c->waits[kind]) && !arch_is_set(&rt_wb_on) &&
           RT_LIKELY(!container_of(node, struct chan_wait, link)->selecting);
}

/* That one, off the queue. Its own links are not looked at again. */
static RT_ALWAYS_INLINE struct chan_wait *chan_take_plain_locked(struct rt_chan *c, unsigned kind)
{
    struct list *head = &c->waits[kind], *node = head->next, *next = node->next;

    head->next = next;
    next->prev = head;
    if (RT_LIKELY(next == head))
        c->count[kind ^ 1] += CHAN_SLOW;
    c->version++;
    return container_of(node, struct chan_wait, link);
}

/* ---- Send ---- */

/* With the lock held, which is dropped; true if it was sent. */
static RT_ALWAYS_INLINE bool send_slow_locked(struct rt_chan *c, const void *elem, bool block)
{
    switch (send_locked(c, elem)) {
    case CHAN_DONE:
        return true;
    case CHAN_PANIC:
        chan_unlock(c);
        chan_panic_closed();
    default:
        break;
    }
    if (!block) {
        chan_unlock(c);
        return false;
    }
    if (!chan_wait_locked(c, RT_SELECT_SEND, (void *)(uintptr_t)elem))
        chan_panic_closed();
    return true;
}

static CHAN_HOT RT_NOINLINE bool chan_send_word_slow_locked(struct rt_chan *c, uint64_t word,
                                                            bool block)
{
    return send_slow_locked(c, &word, block);
}

static CHAN_HOT RT_NOINLINE bool chan_send_elem_slow_locked(struct rt_chan *c, const void *elem,
                                                            bool block)
{
    return send_slow_locked(c, elem, block);
}

/* Nothing to do but to wait. */
static CHAN_HOT RT_NOINLINE void chan_wait_send_word_locked(struct rt_chan *c, uint64_t word)
{
    if (RT_UNLIKELY(!chan_wait_locked(c, RT_SELECT_SEND, &word)))
        chan_panic_closed();
}

/* A receiver waits, and a word can simply be handed to it. */
static RT_ALWAYS_INLINE bool chan_can_give_locked(const struct rt_chan *c)
{
    return c->chan_room < 0 && !c->closed && chan_waiter_is_plain_locked(c, RT_SELECT_RECV);
}

/* The lock is dropped, and preemption comes on. */
static RT_ALWAYS_INLINE void chan_give_word_locked(struct rt_chan *c, uint64_t word)
{
    struct chan_wait *w = chan_take_plain_locked(c, RT_SELECT_RECV);
    struct goroutine *g = w->g;

    *(volatile uint64_t *)w->elem = word;
    w->ok = true;
    chan_unlock_keep(c);
    if (RT_UNLIKELY(!ready_quick(g, &g)))
        enqueue_rest(this_cpu_ptr(runq), g);
    preempt_on();
}

static CHAN_HOT RT_NOINLINE void chan_send_word_contended(struct rt_chan *c, uint64_t word)
{
    chan_lock(c);
    chan_send_word_slow_locked(c, word, true);
}

CHAN_HOT void rt_chan_send_word(struct rt_chan *c, uint64_t word)
{
    stackcheck_send(c, &word);
    if (RT_UNLIKELY(c == NULL))
        chan_wait_for_ever(WAIT_CHAN_SEND_NIL);
    arch_touch_stack();
    if (RT_UNLIKELY(
            !chan_trylock(c))) { /* so that nothing has to survive a call on the way below */
        chan_send_word_contended(c, word);
        return;
    }
    if (chan_can_put_locked(c)) {
        chan_put_word_locked(c, word);
        preempt_on();
        return;
    }
    if (chan_can_give_locked(c)) {
        chan_give_word_locked(c, word);
        return;
    }
    if (c->chan_room == 0)
        chan_wait_send_word_locked(c, word);
    else
        chan_send_word_slow_locked(c, word, true);
}

CHAN_HOT bool rt_chan_try_send_word(struct rt_chan *c, uint64_t word)
{
    stackcheck_send(c, &word);
    if (c == NULL || load_relaxed(&c->chan_room) == 0)
        return false;
    arch_touch_stack();
    chan_lock(c);
    if (chan_can_put_locked(c)) {
        chan_put_word_locked(c, word);
        preempt_on();
        return true;
    }
    return chan_send_word_slow_locked(c, word, false);
}

CHAN_HOT void rt_chan_send_elem(struct rt_chan *c, const void *elem)
{
    stackcheck_send(c, elem);
    if (RT_UNLIKELY(c == NULL))
        chan_wait_for_ever(WAIT_CHAN_SEND_NIL);
    if (c->boxed) {
        rt_chan_send_word(c, chan_box(c, elem));
        return;
    }
    arch_touch_stack();
    chan_lock(c);
    chan_send_elem_slow_locked(c, elem, true);
}

CHAN_HOT bool rt_chan_try_send_elem(struct rt_chan *c, const void *elem)
{
    stackcheck_send(c, elem);
    if (c == NULL || load_relaxed(&c->chan_room) == 0)
        return false;
    if (c->boxed)
        return rt_chan_try_send_word(c, chan_box(c, elem));
    arch_touch_stack();
    chan_lock(c);
    return chan_send_elem_slow_locked(c, elem, false);
}

/* ---- Receive ---- */

/* With the lock held, which is dropped. */
static RT_ALWAYS_INLINE enum chan_result recv_slow_locked(struct rt_chan *c, void *elem, bool block)
{
    enum chan_result result = recv_locked(c, elem);

    if (result != CHAN_WAIT)
        return result;
    if (!block) {
        chan_unlock(c);
        return CHAN_WAIT;
    }
    return chan_wait_locked(c, RT_SELECT_RECV, elem) ? CHAN_DONE : CHAN_CLOSED;
}

static CHAN_HOT RT_NOINLINE struct rt_chan_word chan_recv_word_slow_locked(struct rt_chan *c,
                                                                           bool block)
{
    uint64_t word = 0;
    enum chan_result result = recv_slow_locked(c, &word, block);

    return (struct rt_chan_word){*(volatile uint64_t *)&word, result};
}

static CHAN_HOT RT_NOINLINE enum chan_result chan_recv_elem_slow_locked(struct rt_chan *c,
                                                                        void *elem, bool block)
{
    return recv_slow_locked(c, elem, block);
}

/* Nothing to do but to wait. */
static CHAN_HOT RT_NOINLINE struct rt_chan_word chan_wait_recv_word_locked(struct rt_chan *c)
{
    uint64_t word = 0;
    bool ok = chan_wait_locked(c, RT_SELECT_RECV, &word);

    return (struct rt_chan_word){*(volatile uint64_t *)&word, ok};
}

/* What is left of a hand-over by ready_quick(). */
static CHAN_HOT RT_NOINLINE struct rt_chan_word chan_wake_rest(struct goroutine *displaced,
                                                               uint64_t word)
{
    enqueue_rest(this_cpu_ptr(runq), displaced);
    preempt_on();
    return (struct rt_chan_word){word, CHAN_DONE};
}

/* A sender waits, there is no ring, and its word can simply be taken. -CHAN_SLOW: closed, or
 * somebody waits [chan.1]. */
static RT_ALWAYS_INLINE bool chan_can_get_word_locked(struct rt_chan *c)
{
    return c->chan_avail == -CHAN_SLOW && chan_waiter_is_plain_locked(c, RT_SELECT_SEND);
}

static CHAN_HOT RT_NOINLINE struct rt_chan_word chan_recv_word_contended(struct rt_chan *c)
{
    chan_lock(c);
    return chan_recv_word_slow_locked(c, true);
}

CHAN_HOT struct rt_chan_word rt_chan_recv_word(struct rt_chan *c)
{
    uint64_t word;

    if (RT_UNLIKELY(c == NULL))
        chan_wait_for_ever(WAIT_CHAN_RECEIVE_NIL);
    arch_touch_stack();
    if (RT_UNLIKELY(!chan_trylock(c)))
        return chan_recv_word_contended(c);
    if (chan_can_take_locked(c)) {
        word = chan_take_word_locked(c);
        preempt_on();
        return (struct rt_chan_word){word, CHAN_DONE};
    }
    if (chan_can_get_word_locked(c)) {
        struct chan_wait *w = chan_take_plain_locked(c, RT_SELECT_SEND);
        struct goroutine *g = w->g;
        word = *(volatile uint64_t *)w->elem;
        w->ok = true;
        chan_unlock_keep(c);
        if (RT_UNLIKELY(!ready_quick(g, &g)))
            return chan_wake_rest(g, word);
        preempt_on();
        return (struct rt_chan_word){word, CHAN_DONE};
    }
    return c->chan_avail == 0 ? chan_wait_recv_word_locked(c) : chan_recv_word_slow_locked(c, true);
}

/* A receive without waiting would find nothing: true of one moment, at least. */
static RT_ALWAYS_INLINE bool chan_recv_would_wait(const struct rt_chan *c)
{
    return c == NULL || load_relaxed(&c->chan_avail) == 0;
}

CHAN_HOT struct rt_chan_word rt_chan_try_recv_word(struct rt_chan *c)
{
    if (chan_recv_would_wait(c))
        return (struct rt_chan_word){0, CHAN_WAIT};
    arch_touch_stack();
    chan_lock(c);
    if (chan_can_take_locked(c)) {
        uint64_t word = chan_take_word_locked(c);
        preempt_on();
        return (struct rt_chan_word){word, CHAN_DONE};
    }
    return chan_recv_word_slow_locked(c, false);
}

CHAN_HOT bool rt_chan_recv_elem(struct rt_chan *c, void *elem)
{
    if (RT_UNLIKELY(c == NULL))
        chan_wait_for_ever(WAIT_CHAN_RECEIVE_NIL);
    if (c->boxed) {
        struct rt_chan_word got = rt_chan_recv_word(c);
        chan_word_to(c, got.word, elem);
        return got.ok;
    }
    arch_touch_stack();
    chan_lock(c);
    return chan_recv_elem_slow_locked(c, elem, true) == CHAN_DONE;
}

CHAN_HOT bool rt_chan_try_recv_elem(struct rt_chan *c, void *elem)
{
    if (chan_recv_would_wait(c))
        return false;
    if (c->boxed) {
        struct rt_chan_word got = rt_chan_try_recv_word(c);
        if (got.ok != CHAN_WAIT)
            chan_word_to(c, got.word, elem);
        return got.ok == CHAN_DONE;
    }
    arch_touch_stack();
    chan_lock(c);
    return chan_recv_elem_slow_locked(c, elem, false) == CHAN_DONE;
}

void rt_chan_put(void *dst, const void *src, size_t bytes)
{
    gc_copy_barrier(dst, src, bytes);
}

/* ---- Close ---- */

/* Up to CHAN_CLOSE_BATCH waiters, off their queues and in order. */
static size_t chan_dequeue_batch_locked(struct rt_chan *c, struct chan_wait **batch)
{
    size_t n = 0;

    for (unsigned kind = RT_SELECT_RECV; kind <= RT_SELECT_SEND; kind++) {
        struct chan_wait *w;
        while (n < CHAN_CLOSE_BATCH && (w = chan_dequeue_locked(c, kind)) != NULL) {
            w->ok = false;
            if (kind == RT_SELECT_SEND)
                w->elem = NULL; /* its value stays where it is */
            batch[n++] = w;
        }
    }
    return n;
}

/* They are off the queues and parked, so they are ours until ready(). */
static void chan_wake_closed(struct rt_chan *c, struct chan_wait **batch, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (batch[i]->elem != NULL)
            gc_clear_barrier(batch[i]->elem, c->slot_bytes);
        ready_last(batch[i]->g);
    }
}

void rt_chan_close_raw(struct rt_chan *c)
{
    struct chan_wait *batch[CHAN_CLOSE_BATCH];
    size_t n;

    if (c == NULL)
        panic_plain(RT_PANIC_NIL_CHANNEL, "close of nil channel");
    arch_touch_stack();
    chan_lock(c);
    if (c->closed) {
        chan_unlock(c);
        panic_plain(RT_PANIC_CLOSED_CHANNEL, "close of closed channel");
    }
    c->chan_avail -= CHAN_SLOW;
    c->chan_room -= CHAN_SLOW;
    c->version++;
    store_relaxed(&c->closed, true);
    while ((n = chan_dequeue_batch_locked(c, batch)) > 0) {
        chan_unlock(c);
        chan_wake_closed(c, batch, n);
        chan_lock(c);
    }
    chan_unlock(c);
}

/* ---- Checking ---- */

static size_t chan_waiters(const struct list *head)
{
    size_t n = 0;

    list_for_each(it, head)
    {
        ASSERT(it->next->prev == it && it->prev->next == it);
        n++;
    }
    return n;
}

void chan_verify(struct rt_chan *c)
{
    size_t held = chan_plain(c->chan_avail);
    size_t receivers = chan_waiters(&c->waits[RT_SELECT_RECV]);
    size_t senders = chan_waiters(&c->waits[RT_SELECT_SEND]);

    ASSERT(held <= (size_t)c->cap);
    ASSERT(c->chan_avail == (int64_t)held - CHAN_SLOW * ((senders > 0) + c->closed)); /* [chan.1] */
    ASSERT(c->chan_room == c->cap - (int64_t)held - CHAN_SLOW * ((receivers > 0) + c->closed));
    ASSERT(held == 0 || receivers == 0);            /* [chan.4] */
    ASSERT(held == (size_t)c->cap || senders == 0); /* [chan.4] */
    ASSERT(c->recv_at >= c->slots && c->recv_at <= c->slots_end);
    ASSERT(c->send_at >= c->slots && c->send_at <= c->slots_end);
    if (c->slot_bytes == 0 || c->cap == 0)
        return;
    ASSERT((size_t)(c->slots_end - c->slots) == (size_t)c->cap * c->slot_bytes);
    size_t ahead =
        (size_t)(c->send_at - c->recv_at + (c->send_at < c->recv_at ? c->slots_end - c->slots : 0));
    ASSERT(ahead % c->slot_bytes == 0 && ahead / c->slot_bytes == held % (size_t)c->cap);
}
