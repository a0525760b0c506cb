/*
 * lang/defer.h - deferred calls, as panics and goexit run them.
 */
#pragma once

#include <rt/panic.h>
#include <sched/goroutine.h>

/* A deferred call that was taken off its frame. */
struct defer_taken {
    rt_thunk_raw code;
    uintptr_t a, b;
    bool direct; /* code is the deferred function itself, not a thunk that calls it */
};

/* Out of line: a frame that has, or had, calls in the goroutine's pages. */
bool defer_take_slow(struct goroutine *g, struct rt_defer_frame *frame, struct defer_taken *call);

static inline bool defer_take_inline(struct rt_defer_frame *frame, struct defer_taken *call)
{
    uint32_t n = (uint32_t)frame->state;

    if (n == 0)
        return false;
    struct rt_defer_call *c = &frame->calls[n - 1];
    frame->state--;
    *call = (struct defer_taken){c->code, c->a, c->b, c->a != (uintptr_t)c->args};
    return true;
}

/* Take the newest call off the frame. False: there is none. What it refers to holds until the next
 * take or push. */
static inline bool defer_take(struct goroutine *g, struct rt_defer_frame *frame,
                              struct defer_taken *call)
{
    return RT_UNLIKELY(frame->state & RT_DEFER_OVERFLOW) ? defer_take_slow(g, frame, call)
                                                         : defer_take_inline(frame, call);
}

/* Unlink the innermost frame, whose calls have all been taken. */
void defer_drop_frame(struct goroutine *g, struct rt_defer_frame *frame);
