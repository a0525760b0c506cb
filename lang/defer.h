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

/* Take the newest call off the frame. False: there is none. What it refers to holds until the next take or push. */
bool defer_take(struct goroutine *g, struct rt_defer_frame *frame, struct defer_taken *call);

/* Unlink the innermost frame, whose calls have all been taken. */
void defer_drop_frame(struct goroutine *g, struct rt_defer_frame *frame);
