/*
 * rt/defer_x86_64.h - the machine's part of rt/defer.h: the running goroutine, and a point to come
 * back to.
 */
#pragma once

#include <rt/compiler.h>

struct goroutine;
struct rt_defer_frame;

/* The runtime asserts these places: struct goroutine's `defer_frames`, and rt_defer_point in
 * the frame. */
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
#define RT_SELF_ (*(struct goroutine * __seg_gs *)(uintptr_t)&percpu_current)
#endif

/* The goroutine never changes under a running function, its cpu may: one load, segment-relative. */
static RT_ALWAYS_INLINE struct rt_defer_frame **rt_defer_frames(void)
{
    return (struct rt_defer_frame **)(void *)((char *)RT_SELF_ + RT_GOROUTINE_DEFERS);
}

/*
 * Note in frame.point (8 bytes into it) how to continue at `label`, with rsp, rbp and those
 * registers that a function keeps for its caller as they are here: they may still hold the caller's
 * values, and the epilogue behind `label` relies on that. To the compiler this is a jump that may
 * be taken; it never is, here. All other registers are clobbered, as they will be at `label`:
 * without that, gcc keeps the frame's address in one of them.
 */
#ifdef __PIC__
#define RT_DEFER_STORE_PC_(label)                                                                  \
    "leaq %l[" #label "](%%rip), %%rax\n\t"                                                        \
    "movq %%rax, 8+%[rt_frame]\n\t"
#else
#define RT_DEFER_STORE_PC_(label) "movq $%l[" #label "], 8+%[rt_frame]\n\t"
#endif
#define RT_DEFER_POINT_(frame, label)                                                              \
    __asm__ goto(RT_DEFER_STORE_PC_(label) "movq %%rsp, 16+%[rt_frame]\n\t"                        \
                                           "movq %%rbp, 24+%[rt_frame]\n\t"                        \
                                           "movq %%rbx, 32+%[rt_frame]\n\t"                        \
                                           "movq %%r12, 40+%[rt_frame]\n\t"                        \
                                           "movq %%r13, 48+%[rt_frame]\n\t"                        \
                                           "movq %%r14, 56+%[rt_frame]\n\t"                        \
                                           "movq %%r15, 64+%[rt_frame]"                            \
                 :                                                                                 \
                 : [rt_frame] "m"(frame)                                                           \
                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1",    \
                   "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",        \
                   "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc"                     \
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
static RT_ALWAYS_INLINE RT_NORETURN void rt_defer_resume_call(const struct rt_defer_point *point,
                                                              void (*fn)(void))
{
    RT_DEFER_RESUME_(point, "call *%[pc]", fn);
    __builtin_unreachable();
}
