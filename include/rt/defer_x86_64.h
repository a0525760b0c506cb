/*
 * rt/defer_x86_64.h - the machine's part of rt/defer.h: the running goroutine, and a point to come back to.
 */
#pragma once

#include <rt/compiler.h>

struct goroutine;
struct rt_defer_frame;

/* The runtime asserts these places: struct goroutine's `defers`, and rt_defer_point in the frame. */
#define RT_GOROUTINE_DEFERS 8

/* What execution needs to go on behind `defers` once more. */
struct rt_defer_point {
    uintptr_t pc, sp, fp, saved[5]; /* saved: rbx r12 r13 r14 r15 */
};

#ifdef INGOT_HOST
extern struct goroutine *rt_host_current;
#define RT_SELF_ rt_host_current
#else
extern struct goroutine *percpu_current;
#define RT_SELF_ (*(struct goroutine *__seg_gs *)(uintptr_t)&percpu_current)
#endif

/* The goroutine never changes under a running function, its cpu may: one load, segment-relative. */
static RT_ALWAYS_INLINE struct rt_defer_frame **rt_defer_frames(void)
{
    return (struct rt_defer_frame **)(void *)((char *)RT_SELF_ + RT_GOROUTINE_DEFERS);
}

/*
 * Note in *point how to continue at `label`, with the registers as they are here: those that a function
 * must keep for its caller may still hold the caller's values, and the epilogue behind `label` relies on
 * that. To the compiler this is a jump that may be taken; it never is, here.
 */
#ifdef __PIC__
#define RT_DEFER_STORE_PC_(label)                                                                  \
    "leaq %l[" #label "](%%rip), %%rax\n\t"                                                        \
    "movq %%rax, (%[rt_point])\n\t"
#else
#define RT_DEFER_STORE_PC_(label) "movq $%l[" #label "], (%[rt_point])\n\t"
#endif
#define RT_DEFER_POINT_(point, label)                                                              \
    __asm__ goto(RT_DEFER_STORE_PC_(label) "movq %%rsp, 8(%[rt_point])\n\t"                        \
                                           "movq %%rbp, 16(%[rt_point])\n\t"                       \
                                           "movq %%rbx, 24(%[rt_point])\n\t"                       \
                                           "movq %%r12, 32(%[rt_point])\n\t"                       \
                                           "movq %%r13, 40(%[rt_point])\n\t"                       \
                                           "movq %%r14, 48(%[rt_point])\n\t"                       \
                                           "movq %%r15, 56(%[rt_point])"                           \
                 :                                                                                 \
                 : [rt_point] "r"(point)                                                           \
                 : "rax", "memory"                                                                 \
                 : label)

/* What a point's registers are, loaded; then `how`, an instruction that jumps to %[pc]. */
#define RT_DEFER_RESUME_(point, how, to)                                                           \
    __asm__ volatile("movq 8(%[p]), %%rsp\n\t"                                                     \
                     "movq 16(%[p]), %%rbp\n\t"                                                    \
                     "movq 24(%[p]), %%rbx\n\t"                                                    \
                     "movq 32(%[p]), %%r12\n\t"                                                    \
                     "movq 40(%[p]), %%r13\n\t"                                                    \
                     "movq 48(%[p]), %%r14\n\t"                                                    \
                     "movq 56(%[p]), %%r15\n\t" how                                                \
                     :                                                                             \
                     : [p] "a"(point), [pc] "d"(to)                                                \
                     : "memory")

/* Continue at a point. Where it was noted, the frame is still on this stack. */
static RT_ALWAYS_INLINE RT_NORETURN void rt_defer_resume(const struct rt_defer_point *point)
{
    RT_DEFER_RESUME_(point, "jmp *%[pc]", point->pc);
    __builtin_unreachable();
}

/* Cut the stack back to a point and call fn there, which does not return. */
static RT_ALWAYS_INLINE RT_NORETURN void rt_defer_resume_call(const struct rt_defer_point *point, void (*fn)(void))
{
    RT_DEFER_RESUME_(point, "call *%[pc]", fn);
    __builtin_unreachable();
}
