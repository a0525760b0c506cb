/*
 * lang/chan.h - the channel itself, for the files that implement operations on it (chan.c,
 * select.c, time.c).
 *
 * A channel keeps elements in slots of one size: elements of 1 to 8 bytes in a word each; elements
 * up to CHAN_INLINE_MAX as they are; larger ones as a reference to a collected copy, their box, so
 * that nothing large is ever copied under the lock. Zero-size elements have no slots, only a count.
 */
#pragma once

#include <arch/arch.h>
#include <gc/barrier.h>
#include <lib/atomic.h>
#include <lib/list.h>
#include <lib/spinlock.h>
#include <rt/chan.h>
#include <sched/goroutine.h>

#define CHAN_INLINE_MAX 1024 /* bytes: copied under the lock, some 300 instructions */

/* Hot functions with a waiter record: nothing in them can run over, and a guard would cost a
 * tenth. */
#define CHAN_HOT __attribute__((no_stack_protector))

/*
 * `avail` and `room` are what the fast paths ask [chan.1]:
 *     avail > 0   a value can be taken by whoever holds the lock, with nothing else to do
 *     room > 0    a value can be put in, likewise
 *     == 0        the operation would wait
 *     < 0         it is not plain: look closer. It waits only if all who wait on the other side are
 *                 selects that were completed elsewhere and have not taken back their records yet;
 *                 looking drops those
 * The plain number is what remains modulo CHAN_SLOW, and each of these takes CHAN_SLOW off once:
 *     avail: senders wait; the channel is closed       room: receivers wait; the channel is closed
 */
#define CHAN_SLOW (INT64_C(1) << 61)

/* L under lock   I fixed   a also read without the lock, as a hint or together with `version` */
struct rt_chan {
    struct spinlock lock;
    uint32_t version;        /* [a] changes with every operation [chan.3] */
    int64_t count[2];        /* [a] avail, room: indexed by enum rt_select_kind [chan.1] */
    char *recv_at, *send_at; /* [L] next slot to take from, to put into */
    char *slots_end;         /* [I] */
    uint32_t slot_bytes;     /* [I] 0, 8, or the element's size */
    uint32_t elem_bytes;     /* [I] */
    bool closed;             /* [a] false -> true */
    bool boxed;              /* [I] slots hold references to boxes */
    int64_t cap;             /* [I] */
    struct list waits[2];    /* [L] struct chan_wait: receivers, senders; by enum rt_select_kind */
    struct rt_type *elem;    /* [I] */
    char slots[] RT_ALIGNED(8);
};

_Static_assert(offsetof(struct rt_chan, count) == RT_SELECT_SIDE_(0, RT_SELECT_RECV),
               "rt/chan.h knows it");
_Static_assert(offsetof(struct rt_chan, slots) >= RT_SELECT_SIDE_(8, RT_SELECT_SEND),
               "NULL sides are told by size");

#define chan_avail count[RT_SELECT_RECV]
#define chan_room count[RT_SELECT_SEND]

/*
 * A goroutine waits: on its stack, while it is parked. A select has one for each case. Whoever
 * takes the record off the queue under the channel's lock, and for a select wins select_done as
 * well, completes the operation: it fills in `elem` and `ok`, then calls ready() [chan.2].
 */
struct chan_wait {
    struct list link;
    struct goroutine *g;
    void *elem;     /* one slot: where to put, or what to send; NULL: drop what is received */
    uint32_t index; /* of the case */
    bool selecting;
    bool ok; /* false: woken by close */
};

/* What an attempt under the lock came to. The lock is still held after CHAN_WAIT and CHAN_PANIC,
 * and free else. */
enum chan_result {
    CHAN_CLOSED = 0, /* receive: closed and drained */
    CHAN_DONE = 1,
    CHAN_WAIT = 2,
    CHAN_PANIC = 3, /* send on closed */
};

/* Take, or put, one slot. elem as in struct chan_wait. With preemption off since chan_lock(). */
enum chan_result chan_recv_locked(struct rt_chan *c, void *elem);
enum chan_result chan_send_locked(struct rt_chan *c, const void *elem);

RT_NORETURN void chan_panic_closed(void); /* send on closed channel */

/* What an element looks like in a slot, where that is not the element itself. */
uint64_t chan_box(struct rt_chan *c, const void *elem); /* an element above CHAN_INLINE_MAX */
uint64_t chan_word_of(const struct rt_chan *c, const void *elem); /* one of 1 to 8 bytes */
void chan_word_to(const struct rt_chan *c, uint64_t word, void *elem);

/* Every field fits the others; the lock is free or the caller's. For tests. */
void chan_verify(struct rt_chan *c);

/* The lock is dropped by whoever completes an operation, which clang's analysis cannot follow: it
 * is hidden here. */
static RT_ALWAYS_INLINE void chan_lock(struct rt_chan *c) NO_LOCK_ANALYSIS
{
    spin_lock(&c->lock);
}

static RT_ALWAYS_INLINE void chan_unlock_keep(struct rt_chan *c) NO_LOCK_ANALYSIS
{
    spin_unlock_keep(&c->lock);
}

static RT_ALWAYS_INLINE bool chan_trylock(struct rt_chan *c) NO_LOCK_ANALYSIS
{
    return spin_trylock(&c->lock);
}

static RT_ALWAYS_INLINE void chan_unlock(struct rt_chan *c) NO_LOCK_ANALYSIS
{
    spin_unlock(&c->lock);
}

static RT_ALWAYS_INLINE void chan_enqueue_locked(struct rt_chan *c, unsigned kind,
                                                 struct chan_wait *w)
{
    struct list *head = &c->waits[kind];

    if (list_empty(head))
        c->count[kind ^ 1] -= CHAN_SLOW;
    c->version++;
    list_push_back(head, &w->link);
}

static RT_ALWAYS_INLINE void chan_unlink_locked(struct rt_chan *c, unsigned kind,
                                                struct chan_wait *w)
{
    struct list *head = &c->waits[kind];

    list_remove(&w->link);
    if (list_empty(head))
        c->count[kind ^ 1] += CHAN_SLOW;
    c->version++;
}

static RT_ALWAYS_INLINE char *slot_after(struct rt_chan *c, char *slot, size_t slot_bytes)
{
    slot += slot_bytes;
    return slot == c->slots_end ? c->slots : slot;
}

/* One element more in the ring, or one less. Two plain instructions; without the barrier gcc makes
 * it a vector. */
static RT_ALWAYS_INLINE void chan_count_locked(struct rt_chan *c, int64_t more)
{
    c->chan_avail += more;
    compiler_barrier();
    c->chan_room -= more;
    c->version++;
}

/* A word can be put into the ring, and that is all there is to do. */
static RT_ALWAYS_INLINE bool chan_can_put_locked(const struct rt_chan *c)
{
    return RT_LIKELY(c->chan_room > 0) && !arch_is_set(&rt_wb_on);
}

/* Put it there; the lock is free then, but preemption still off. */
static RT_ALWAYS_INLINE void chan_put_word_locked(struct rt_chan *c, uint64_t word)
{
    char *slot = c->send_at;

    *(volatile uint64_t *)slot = word;
    c->send_at = slot_after(c, slot, 8);
    chan_count_locked(c, 1);
    chan_unlock_keep(c);
}

/* A word can be taken out of the ring, and that is all there is to do. */
static RT_ALWAYS_INLINE bool chan_can_take_locked(const struct rt_chan *c)
{
    return RT_LIKELY(c->chan_avail > 0) && !arch_is_set(&rt_wb_on);
}

/* Take it; the lock is free then, but preemption still off. */
static RT_ALWAYS_INLINE uint64_t chan_take_word_locked(struct rt_chan *c)
{
    char *slot = c->recv_at;
    uint64_t word = *(volatile uint64_t *)slot;

    *(volatile uint64_t *)slot = 0;
    c->recv_at = slot_after(c, slot, 8);
    chan_count_locked(c, -1);
    chan_unlock_keep(c);
    return word;
}
