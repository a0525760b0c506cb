/*
 * rt/goroutine.h - goroutines: starting them, giving way, sleeping, ending.
 *
 * A goroutine is a function that runs at the same time as its caller, on a stack of its own that
 * grows on demand. There may be a million. The runtime runs them on all cores and may interrupt one
 * after any instruction, so what goroutines share needs a channel (rt/chan.h), a lock (rt/sync.h)
 * or an atomic. Context of every call here: a goroutine.
 */
#pragma once

#include <rt/call.h>

/* How a goroutine starts; zero means the default. */
struct rt_go_opts {
    size_t stack_bytes; /* address space for its stack, not memory yet; 0: 256 KiB */
    const char *name;   /* shown in reports; a literal, or something that outlives the goroutine */
};

/*
 * go(fn, args...);                 run fn(args...) in a new goroutine; its result is dropped
 * go_with(opts, fn, args...);      the same with struct rt_go_opts
 * fn and up to 6 arguments are evaluated now, from left to right, and converted as in a call. The
 * wrong number or type of arguments does not compile; together they take up to 512 bytes. Out of
 * memory is a panic here, a NULL function "fatal error: go of nil func value". What the caller
 * wrote before is visible to the new goroutine.
 */
#define rt_go(...) RT_CALL(rt_go_checked_, (const struct rt_go_opts *)0, __VA_ARGS__)
#define rt_go_with(opts, ...) RT_GO_WITH_(RT_UNIQUE(rt_go_), opts, __VA_ARGS__)

/* Let others run; returns when it is this goroutine's turn again. */
void rt_yield(void);

/* Wait for at least ns nanoseconds; 0 or less: yield. */
void rt_sleep(int64_t ns);

/*
 * End this goroutine; its deferred calls run first. From the goroutine of main: main never returns,
 * the others go on, and when they have ended too: "fatal error: no goroutines (main called
 * runtime.Goexit) - deadlock!".
 */
_Noreturn void rt_goexit(void);

uint64_t rt_goid(void);        /* number of this goroutine; main's is 1, none is used twice */
size_t rt_num_goroutine(void); /* goroutines of the program that have not ended */
unsigned rt_num_cpu(void);     /* cores of this machine */

/* Run on n cores at a time from now on; returns the old number. 0 only asks. */
unsigned rt_gomaxprocs(unsigned n);

/* Nanoseconds since boot; never runs backwards, on any core. */
int64_t rt_nanotime(void);

/* ---- How ---- */

/* What go() becomes: runs thunk(copy of args) in a new goroutine. entry_pc: the function, for
 * reports. */
void rt_go_spawn(const struct rt_go_opts *opts, rt_thunk thunk, const void *args, size_t bytes,
                 uintptr_t entry_pc);

#define rt_go_checked_(opts, thunk, args, bytes, entry_pc)                                         \
    _Static_assert((bytes) <= 512, "the arguments of a go statement take up to 512 bytes");        \
    rt_go_spawn((opts), (thunk), (args), (bytes), (entry_pc))
#define RT_GO_WITH_(id, opts, ...) RT_GO_WITH_II_(id, opts, __VA_ARGS__)
#define RT_GO_WITH_II_(id, opts, ...)                                                              \
    __extension__({                                                                                \
        const struct rt_go_opts id##_opts = (opts);                                                \
        RT_CALL(rt_go_checked_, &id##_opts, __VA_ARGS__);                                          \
    })

#ifndef RT_NO_SHORT_NAMES
#define go(...) rt_go(__VA_ARGS__)
#define go_with(opts, ...) rt_go_with(opts, __VA_ARGS__)
#endif
