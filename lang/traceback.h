/*
 * lang/traceback.h - goroutines and their stacks, printed as Go prints them.
 *
 *     goroutine 7 [chan receive, 5 minutes]:
 *     main.worker(...)
 *             examples/pool/main.c:31 +0x4d
 *     created by main.main in goroutine 1
 *             examples/pool/main.c:52 +0x1a3
 *
 * Functions of the program are "main.", those of the runtime "runtime."; the latter are shown only
 * with GOTRACEBACK=system or above. An inlined function has its own two lines, without an offset.
 * Nothing here faults, whatever a stack contains: only words of the goroutine's mapped stack are
 * read.
 */
#pragma once

#include <sched/goroutine.h>

/* Where a stack is walked from. */
struct trace_start {
    uintptr_t pc, fp; /* fp: the frame pointer of the function that pc is in */
    uintptr_t sp;     /* if exact, else 0 */
    bool exact;       /* pc was interrupted or faulted; else it is behind a call */
};

/* The caller of the function that this stands in. */
#define CALLER                                                                                     \
    ((struct trace_start){(uintptr_t)__builtin_return_address(0),                                  \
                          *(uintptr_t *)__builtin_frame_address(0), 0, false})

/*
 * For a report; the other cpus have been stopped: the running goroutine from `at`, and, as
 * GOTRACEBACK says or if `all`, the others.
 */
void traceback_report(struct trace_start at, bool all);

/* All goroutines but the caller's, which is the runtime's own; stops the world. */
void traceback_print_all(void);

/* Is pc in code of the program (or of its tests), not of the runtime? */
bool traceback_is_program(uintptr_t pc);

/* Does GOTRACEBACK ask for the frames and goroutines of the runtime, too? */
bool traceback_shows_runtime(void);

static inline struct trace_start trace_start_of(const struct arch_frame *frame)
{
    return (struct trace_start){arch_frame_pc(frame), arch_frame_fp(frame), arch_frame_sp(frame),
                                true};
}

/* A fault is turned into a call of this function; what called it is the faulting instruction
 * itself. */
void fault_panic(uintptr_t what, uintptr_t address);
