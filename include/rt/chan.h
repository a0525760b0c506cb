/*
 * rt/chan.h - channels: typed queues between goroutines, and select.
 *
 * chan(T) is the type of a channel of T: the same type in every file, different for different T, so
 * that a value, a channel or a variable of the wrong type does not compile. T is any type but an
 * array (put it in a struct) or one with const on top; up to 64 KiB. Elements are copied in and
 * copied out, and may hold references to collected objects. A channel is a collected object itself:
 * in a collected struct it is a gc(chan(T)) field, in a global a gc_root(chan(T), name); a local is
 * a plain chan(T). NULL is a channel that nobody ever serves.
 *
 * Behaviour is that of the Go specification ("Send statements", "Receive operator", "Close",
 * "Select statements"), and so is the memory order: what happened before a send is visible after
 * its receive; what happened before a close is visible to who receives because of it; the k-th
 * receive from a channel of capacity C happens before the end of the (k+C)-th send.
 * Panics: "send on closed channel", "close of closed channel", "close of nil channel", "makechan:
 * size out of range".
 * Context: a goroutine.
 */
#pragma once

#include <rt/call.h>
#include <rt/gc.h>
#include <rt/select_for.h>

#define RT_CHAN_ELEM_MAX 65536 /* bytes of one element */

struct rt_chan; /* what a chan(T) really points to */

#define rt_chan(T) __typeof__(__typeof__(T) *(*)(struct rt_chan *))

/*
 * chan(int) c = chan_make(int, capacity);
 * capacity elements that fit in; 0: a send waits for its receiver. Below 0 or too large: a panic.
 */
#define rt_chan_make(T, capacity)                                                                  \
    __extension__({                                                                                \
        _Static_assert(sizeof(T) <= RT_CHAN_ELEM_MAX, "channel element type too large (>64kB)");   \
        _Static_assert(                                                                            \
            !__builtin_types_compatible_p(__typeof__(T) *, const __typeof__(T) *),                 \
            "a channel of references is chan(struct node *), not chan(gc(struct node *))");        \
        (rt_chan(T)) rt_chan_make_raw(RT_TYPE(T), (capacity));                                     \
    })

/* chan_send(c, value); waits until a receiver or the buffer takes the value. NULL: for ever.
 * Closed: a panic. */
#define rt_chan_send(c, ...) RT_CHAN_SEND_(RT_UNIQUE(rt_chan_), c, __VA_ARGS__)

/* T v = chan_recv(c);  waits for a value; once closed and drained, zero. NULL: for ever. */
#define rt_chan_recv(c) RT_CHAN_RECV_(RT_UNIQUE(rt_chan_), c)

/*
 * bool ok = chan_recv_ok(c, lvalue); true with a value; false, and lvalue zeroed, once closed and
 * drained. lvalue must have the element's very type. A gc() field does not compile: receive into a
 * local, then gc_set.
 */
#define rt_chan_recv_ok(c, lvalue) RT_CHAN_RECV_OK_(RT_UNIQUE(rt_chan_), c, lvalue)

/* bool sent = chan_try_send(c, value);  false if a send would wait. Closed: a panic. */
#define rt_chan_try_send(c, ...) RT_CHAN_TRY_SEND_(RT_UNIQUE(rt_chan_), c, __VA_ARGS__)

/*
 * bool got = chan_try_recv(c, lvalue); false if a receive would wait (lvalue is left alone), or if
 * the channel is closed and drained (lvalue is zeroed; chan_closed(c) tells the two apart).
 */
#define rt_chan_try_recv(c, lvalue) RT_CHAN_TRY_RECV_(RT_UNIQUE(rt_chan_), c, lvalue)

/* No more sends: what is in the buffer can still be received, then receives return zero at once. */
#define rt_chan_close(c) __extension__({ rt_chan_close_raw(RT_CHAN_RAW_(c)); })

#define rt_chan_len(c)                                                                             \
    __extension__({ rt_chan_len_raw(RT_CHAN_RAW_(c)); }) /* size_t: in the buffer now */
#define rt_chan_cap(c) __extension__({ rt_chan_cap_raw(RT_CHAN_RAW_(c)); }) /* size_t */
#define rt_chan_closed(c)                                                                          \
    __extension__({ rt_chan_closed_raw(RT_CHAN_RAW_(c)); }) /* bool; NULL: false */

/* chan_range (v, c) { ... } declares v; one turn for each value, until closed and drained. c is
 * evaluated once. */
#define rt_chan_range(v, c) RT_CHAN_RANGE_(RT_UNIQUE(rt_chan_), v, c)

/*
 * go_select {
 *     on_recv (lvalue, c)          { ... }
 *     on_recv_ok (lvalue, ok, c)   { ... }
 *     on_recv_drop (c)             { ... }
 *     on_send (c, value)           { ... }
 *     on_default                   { ... }
 * }
 * Runs one case that can go on: which one is chance, each with equal odds. If none can, the default
 * case; if there is none, waits. No cases: waits for ever. A closed channel can be received from,
 * and sending on it panics if that case is chosen. A NULL channel never can.
 * Channels and values are evaluated once, in order, before anything is chosen; lvalues only in the
 * chosen case. At most 16 cases; values sent up to 64 bytes (rt_select() for more). Nothing but
 * cases may stand in the body. break and continue leave the select; goto may continue an outer
 * loop. Cases may hold a go_select of their own.
 */
#define rt_go_select RT_SELECT_FOR_
#define rt_on_recv(lvalue, c) RT_ON_RECV_(__COUNTER__, lvalue, c)
#define rt_on_recv_ok(lvalue, ok, c) RT_ON_RECV_OK_(__COUNTER__, lvalue, ok, c)
#define rt_on_recv_drop(c) RT_ON_RECV_DROP_(__COUNTER__, c)
#define rt_on_send(c, ...) RT_ON_SEND_(__COUNTER__, c, __VA_ARGS__)
#define rt_on_default RT_ON_DEFAULT_(__COUNTER__)

/*
 * The same for cases that are counted at run time.
 * chan    any chan(T), or struct rt_chan * of chan_raw(); NULL never becomes ready
 * elem    where the value to send is, or where to put the one received; NULL drops it. It is one
 *         element of the channel's type: here nobody checks that
 * block   false: returns -1 if none can go on
 * ok      may be NULL; after a receive: false if it was for the channel being closed
 * Returns the index of the case that went on. With no cases and block: waits for ever. No other
 * core gets at the channels' locks meanwhile, so keep n below some 64 where that matters.
 */
struct rt_select_case {
    void *chan; /* a struct rt_chan *; void * so that any chan(T) goes in as it is */
    void *elem;
    bool send;
};
int rt_select(struct rt_select_case *cases, size_t n, bool block, bool *ok);

#define rt_chan_raw(c) __extension__({ RT_CHAN_RAW_(c); }) /* struct rt_chan * */

/* ---- How: the calls behind the macros ---- */

/*
 * Elements of 1 to 8 bytes travel as one word, in registers, zero-extended. Others by address.
 */

struct rt_chan_word {
    uint64_t word;
    uint64_t ok;
};

struct rt_chan *rt_chan_make_raw(struct rt_type *elem, int64_t capacity);
void rt_chan_send_word(struct rt_chan *c, uint64_t word);
void rt_chan_send_elem(struct rt_chan *c, const void *elem);
struct rt_chan_word rt_chan_recv_word(struct rt_chan *c);
bool rt_chan_recv_elem(struct rt_chan *c, void *elem);
bool rt_chan_try_send_word(struct rt_chan *c, uint64_t word);
bool rt_chan_try_send_elem(struct rt_chan *c, const void *elem);
struct rt_chan_word
rt_chan_try_recv_word(struct rt_chan *c); /* ok: 1 value, 0 closed, 2 would wait */
bool rt_chan_try_recv_elem(struct rt_chan *c, void *elem);
void rt_chan_close_raw(struct rt_chan *c);
size_t rt_chan_len_raw(const struct rt_chan *c);
size_t rt_chan_cap_raw(const struct rt_chan *c);
bool rt_chan_closed_raw(const struct rt_chan *c);

/* Put a received element where the program wants it: a copy that the collector knows of. */
void rt_chan_put(void *dst, const void *src, size_t bytes);

#define RT_CHAN_RAW_(c) ((struct rt_chan *)(c))
#define RT_CHAN_ELEM_(c) __typeof__(*(c)((struct rt_chan *)0))
#define RT_CHAN_IS_WORD_(x) (sizeof(x) - 1 < 8)
#define RT_CHAN_FIT_(x) (sizeof(x) <= 8 ? sizeof(x) : 0)

#define RT_CHAN_TO_WORD_(id, x)                                                                    \
    uint64_t id##_word = 0;                                                                        \
    __builtin_memcpy(&id##_word, &(x), RT_CHAN_FIT_(x))

/* The value of a call that may be left unused: clang warns of that inside another macro's argument,
 * but not of a volatile access. */
#ifdef __clang__
#define RT_CHAN_RESULT_(x) (*(volatile __typeof__(x) *)&(x))
#else
#define RT_CHAN_RESULT_(x) x
#endif

/* Scalars are stored; a struct of words may hold references, and lie anywhere. */
#define RT_CHAN_STORE_(place, src, bytes)                                                          \
    do {                                                                                           \
        if (RT_CHAN_SCALAR_(*(place)) || (bytes) < 8)                                              \
            __builtin_memcpy((void *)(uintptr_t)(place), (src), RT_CHAN_FIT_(*(place)));           \
        else                                                                                       \
            rt_chan_put((void *)(uintptr_t)(place), (src), (bytes));                               \
    } while (0)
#define RT_CHAN_SCALAR_(x) (__builtin_classify_type(x) < 12 && sizeof(x) <= 8)

#define RT_CHAN_SEND_(id, c, ...) RT_CHAN_SEND_II_(id, c, __VA_ARGS__)
#define RT_CHAN_SEND_II_(id, c, ...)                                                               \
    __extension__({                                                                                \
        __typeof__(c) id##_c = (c);                                                                \
        RT_CHAN_ELEM_(id##_c) id##_v = __VA_ARGS__;                                                \
        if (RT_CHAN_IS_WORD_(id##_v)) {                                                            \
            RT_CHAN_TO_WORD_(id, id##_v);                                                          \
            rt_chan_send_word(RT_CHAN_RAW_(id##_c), id##_word);                                    \
        } else {                                                                                   \
            rt_chan_send_elem(RT_CHAN_RAW_(id##_c), &id##_v);                                      \
        }                                                                                          \
    })

#define RT_CHAN_TRY_SEND_(id, c, ...) RT_CHAN_TRY_SEND_II_(id, c, __VA_ARGS__)
#define RT_CHAN_TRY_SEND_II_(id, c, ...)                                                           \
    __extension__({                                                                                \
        __typeof__(c) id##_c = (c);                                                                \
        RT_CHAN_ELEM_(id##_c) id##_v = __VA_ARGS__;                                                \
        bool id##_sent;                                                                            \
        if (RT_CHAN_IS_WORD_(id##_v)) {                                                            \
            RT_CHAN_TO_WORD_(id, id##_v);                                                          \
            id##_sent = rt_chan_try_send_word(RT_CHAN_RAW_(id##_c), id##_word);                    \
        } else {                                                                                   \
            id##_sent = rt_chan_try_send_elem(RT_CHAN_RAW_(id##_c), &id##_v);                      \
        }                                                                                          \
        RT_CHAN_RESULT_(id##_sent);                                                                \
    })

#define RT_CHAN_RECV_(id, c) RT_CHAN_RECV_II_(id, c)
#define RT_CHAN_RECV_II_(id, c)                                                                    \
    __extension__({                                                                                \
        __typeof__(c) id##_c = (c);                                                                \
        RT_CHAN_ELEM_(id##_c) id##_v;                                                              \
        if (RT_CHAN_IS_WORD_(id##_v)) {                                                            \
            uint64_t id##_word = rt_chan_recv_word(RT_CHAN_RAW_(id##_c)).word;                     \
            __builtin_memcpy(&id##_v, &id##_word, RT_CHAN_FIT_(id##_v));                           \
        } else {                                                                                   \
            (void)rt_chan_recv_elem(RT_CHAN_RAW_(id##_c), &id##_v);                                \
        }                                                                                          \
        RT_CHAN_RESULT_(id##_v);                                                                   \
    })

#define RT_CHAN_RECV_OK_(id, c, lvalue) RT_CHAN_RECV_OK_II_(id, c, lvalue)
#define RT_CHAN_RECV_OK_II_(id, c, lvalue)                                                         \
    __extension__({                                                                                \
        __typeof__(c) id##_c = (c);                                                                \
        RT_CHAN_ELEM_(id##_c) volatile *id##_p = &(lvalue);                                        \
        bool id##_ok;                                                                              \
        if (RT_CHAN_IS_WORD_(*id##_p)) {                                                           \
            struct rt_chan_word id##_w = rt_chan_recv_word(RT_CHAN_RAW_(id##_c));                  \
            RT_CHAN_STORE_(id##_p, &id##_w.word, sizeof(*id##_p));                                 \
            id##_ok = (bool)id##_w.ok;                                                             \
        } else {                                                                                   \
            id##_ok = rt_chan_recv_elem(RT_CHAN_RAW_(id##_c), (void *)(uintptr_t)id##_p);          \
        }                                                                                          \
        RT_CHAN_RESULT_(id##_ok);                                                                  \
    })

#define RT_CHAN_TRY_RECV_(id, c, lvalue) RT_CHAN_TRY_RECV_II_(id, c, lvalue)
#define RT_CHAN_TRY_RECV_II_(id, c, lvalue)                                                        \
    __extension__({                                                                                \
        __typeof__(c) id##_c = (c);                                                                \
        RT_CHAN_ELEM_(id##_c) volatile *id##_p = &(lvalue);                                        \
        bool id##_ok;                                                                              \
        if (RT_CHAN_IS_WORD_(*id##_p)) {                                                           \
            struct rt_chan_word id##_w = rt_chan_try_recv_word(RT_CHAN_RAW_(id##_c));              \
            if (id##_w.ok != 2)                                                                    \
                RT_CHAN_STORE_(id##_p, &id##_w.word, sizeof(*id##_p));                             \
            id##_ok = id##_w.ok == 1;                                                              \
        } else {                                                                                   \
            id##_ok = rt_chan_try_recv_elem(RT_CHAN_RAW_(id##_c), (void *)(uintptr_t)id##_p);      \
        }                                                                                          \
        RT_CHAN_RESULT_(id##_ok);                                                                  \
    })

#define RT_CHAN_RANGE_(id, v, c) RT_CHAN_RANGE_II_(id, v, c)
#define RT_CHAN_RANGE_II_(id, v, c)                                                                \
    for (__typeof__(c) id##_r = (c), *id##_once = &id##_r; id##_once; id##_once = 0)               \
        for (RT_CHAN_ELEM_(id##_r) v; RT_CHAN_RECV_OK_(id, id##_r, v);)

/*
 * One go_select: on the stack of the goroutine that runs it, not cleared. A side is what a case
 * waits for: the address of the count in the channel that says whether a receive, or a send, can go
 * on (struct rt_chan begins with 8 bytes, then these two); below 24 if the channel is NULL. So
 * looking at a case is one comparison.
 */
#define RT_SELECT_CASES_MAX 16
#define RT_SELECT_ELEM_MAX 64
#define RT_SELECT_DEFAULT (-1)

enum rt_select_kind {
    RT_SELECT_RECV = 0,
    RT_SELECT_SEND = 1,
};
#define RT_SELECT_SIDE_(c, kind) ((uintptr_t)(c) + 8 + 8 * (unsigned)(kind))

/* The shape: number of cases; is there a default?; which cases send. */
#define RT_SELECT_HAS_DEFAULT 0x100
#define RT_SELECT_SENDS(i) (0x10000 << (i))

struct rt_select_frame {
    uintptr_t sides[RT_SELECT_CASES_MAX];
    uint64_t words[RT_SELECT_CASES_MAX];                        /* to send, if it is 1 to 8 bytes */
    uint64_t got[RT_SELECT_ELEM_MAX / 8];                       /* what was received */
    bool ok;                                                    /* false: because it is closed */
    uint64_t wide[RT_SELECT_CASES_MAX][RT_SELECT_ELEM_MAX / 8]; /* to send, if it is longer */
};

/* Chooses a case, waits for it if need be, does it: its number, or RT_SELECT_DEFAULT. */
int rt_select_run(struct rt_select_frame *frame, uint32_t shape);
RT_NORETURN RT_COLD void rt_select_too_many_cases(void);

#define RT_SELECT_NOTE_(c, kind)                                                                   \
    (rt_select_at_ < RT_SELECT_CASES_MAX ? (void)0 : rt_select_too_many_cases(),                   \
     rt_select_.sides[rt_select_at_] = RT_SELECT_SIDE_(RT_CHAN_RAW_(c), kind))
#define RT_SELECT_NOTE_RECV_(c) (RT_SELECT_NOTE_(c, RT_SELECT_RECV), rt_select_at_++, 0)
#define RT_SELECT_CHOSEN_ (rt_select_at_++ == rt_select_chosen_)
#define RT_SELECT_FITS_(x)                                                                         \
    _Static_assert(sizeof(x) <= RT_SELECT_ELEM_MAX,                                                \
                   "go_select takes elements of up to 64 bytes; rt_select() takes any")

#define RT_SELECT_TAKE_(num, lvalue, c)                                                            \
    RT_CHAN_ELEM_(c) volatile *rt_on_##num##_p = &(lvalue);                                        \
    RT_SELECT_FITS_(*rt_on_##num##_p);                                                             \
    RT_CHAN_STORE_(rt_on_##num##_p, rt_select_.got, sizeof(*rt_on_##num##_p))

#define RT_ON_RECV_(num, lvalue, c) RT_ON_RECV_II_(num, lvalue, c)
#define RT_ON_RECV_II_(num, lvalue, c)                                                             \
    if (__extension__(rt_select_turn_ == 1 ? RT_SELECT_NOTE_RECV_(c) : RT_SELECT_CHOSEN_ && ({     \
                                                                           RT_SELECT_TAKE_(        \
                                                                               num, lvalue, c);    \
                                                                           1;                      \
                                                                       })))

#define RT_ON_RECV_OK_(num, lvalue, ok_, c) RT_ON_RECV_OK_II_(num, lvalue, ok_, c)
#define RT_ON_RECV_OK_II_(num, lvalue, ok_, c)                                                     \
    if (__extension__(rt_select_turn_ == 1 ? RT_SELECT_NOTE_RECV_(c) : RT_SELECT_CHOSEN_ && ({     \
                                                                           RT_SELECT_TAKE_(        \
                                                                               num, lvalue, c);    \
                                                                           (ok_) = rt_select_.ok;  \
                                                                           1;                      \
                                                                       })))

#define RT_ON_RECV_DROP_(num, c)                                                                   \
    if (__extension__(rt_select_turn_ == 1 ? ({                                                    \
            RT_SELECT_FITS_(RT_CHAN_ELEM_(c));                                                     \
            RT_SELECT_NOTE_RECV_(c);                                                               \
        })                                                                                         \
                                           : RT_SELECT_CHOSEN_))

#define RT_ON_SEND_(num, c, ...) RT_ON_SEND_II_(num, c, __VA_ARGS__)
#define RT_ON_SEND_II_(num, c, ...)                                                                \
    if (__extension__(rt_select_turn_ == 1 ? ({                                                    \
            RT_SELECT_NOTE_(c, RT_SELECT_SEND);                                                    \
            RT_CHAN_ELEM_(c) rt_on_##num##_v = __VA_ARGS__;                                        \
            RT_SELECT_FITS_(rt_on_##num##_v);                                                      \
            if (RT_CHAN_IS_WORD_(rt_on_##num##_v)) {                                               \
                RT_CHAN_TO_WORD_(rt_on_##num, rt_on_##num##_v);                                    \
                rt_select_.words[rt_select_at_] = rt_on_##num##_word;                              \
            } else {                                                                               \
                __builtin_memcpy(rt_select_.wide[rt_select_at_], &rt_on_##num##_v,                 \
                                 sizeof(rt_on_##num##_v));                                         \
            }                                                                                      \
            rt_select_shape_ |= RT_SELECT_SENDS(rt_select_at_);                                    \
            rt_select_at_++;                                                                       \
            0;                                                                                     \
        })                                                                                         \
                                           : RT_SELECT_CHOSEN_))

#define RT_ON_DEFAULT_(num)                                                                        \
    if (rt_select_turn_ == 1 ? (rt_select_shape_ |= RT_SELECT_HAS_DEFAULT, 0)                      \
                             : rt_select_chosen_ == RT_SELECT_DEFAULT)

#ifndef RT_NO_SHORT_NAMES
#define chan(T) rt_chan(T)
#define chan_make(T, capacity) rt_chan_make(T, capacity)
#define chan_send(c, ...) rt_chan_send(c, __VA_ARGS__)
#define chan_recv(c) rt_chan_recv(c)
#define chan_recv_ok(c, lvalue) rt_chan_recv_ok(c, lvalue)
#define chan_try_send(c, ...) rt_chan_try_send(c, __VA_ARGS__)
#define chan_try_recv(c, lvalue) rt_chan_try_recv(c, lvalue)
#define chan_close(c) rt_chan_close(c)
#define chan_len(c) rt_chan_len(c)
#define chan_cap(c) rt_chan_cap(c)
#define chan_closed(c) rt_chan_closed(c)
#define chan_raw(c) rt_chan_raw(c)
#define chan_range(v, c) rt_chan_range(v, c)
#define go_select rt_go_select
#define on_recv(lvalue, c) rt_on_recv(lvalue, c)
#define on_recv_ok(lvalue, ok, c) rt_on_recv_ok(lvalue, ok, c)
#define on_recv_drop(c) rt_on_recv_drop(c)
#define on_send(c, ...) rt_on_send(c, __VA_ARGS__)
#define on_default rt_on_default
#endif
