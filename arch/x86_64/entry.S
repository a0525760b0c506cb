/*
 * arch/x86_64/entry.S - interrupt stubs, and the way back into interrupted code.
 *
 * Every vector lands here on an IST stack, interrupts off [arch.1]. The stub completes the cpu's frame to
 * a struct arch_frame (offsets asserted in trap.c) and calls
 *     void trap_dispatch(struct arch_frame *frame);
 * with DF clear and rsp a multiple of 16. If that returns, everything is put back.
 * void arch_frame_resume(const struct arch_frame *frame): the second half alone, for any copy of a frame.
 * void preempt_request(void): see there.
 * void arch_leave_to(void *top, void (*fn)(void *), void *arg): forget this stack; fn must not return.
 */
#define FRAME_XMM 0
#define FRAME_MXCSR 256
#define FRAME_FCW 260
#define FRAME_GPR 272 /* r15 */
#define FRAME_VECTOR 392
#define FRAME_RIP 408
#define RFLAGS_IF 0x200
#define PREEMPT_QUIET 0x80000000
#define VECTOR_RESCHED 0xf1
#define FRAME_SS 440
#define GDT_DATA 16

    .text
    .macro xmm_each op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \op \n
    .endr
    .endm
    .macro xmm_save n
    movaps %xmm\n, FRAME_XMM + 16 * \n(%rsp)
    .endm
    .macro xmm_load n
    movaps FRAME_XMM + 16 * \n(%rdi), %xmm\n
    .endm

trap_common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $FRAME_GPR, %rsp
    xmm_each xmm_save
    stmxcsr FRAME_MXCSR(%rsp)
    fnstcw FRAME_FCW(%rsp)
    cld
    movq $GDT_DATA, FRAME_SS(%rsp) /* returning to a null SS would set its B bit in QEMU's eyes, and
                                      what runs under another B is translated again */
    movq %rsp, %rdi
    xorl %ebp, %ebp /* a handler's own backtrace ends here; reports walk the frame's */
    call trap_dispatch
    movq %rsp, %rdi

    .globl arch_frame_resume
arch_frame_resume:
    xmm_each xmm_load
    ldmxcsr FRAME_MXCSR(%rdi)
    fldcw FRAME_FCW(%rdi)
    leaq FRAME_GPR(%rdi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp /* vector, error */
    iretq

/*
 * What preempt_on() calls when a request waits (lib/preempt.h). Keeps every register. The usual case is the
 * interrupt that a cpu sends itself, which saves them all.
 */
    .globl preempt_request
    .type preempt_request, @function
preempt_request:
    pushq %rbp
    movq %rsp, %rbp
    pushfq
    testl $RFLAGS_IF, (%rsp)
    jz 1f
    orl $PREEMPT_QUIET, %gs:percpu_preempt
    int $VECTOR_RESCHED
    leave
    ret
1:  .irp r, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    pushq %\r
    .endr
    subq $256, %rsp
    andq $-16, %rsp
    xmm_each xmm_save
    call preempt_request_later
    movq %rsp, %rdi
    xmm_each xmm_load
    leaq -10 * 8(%rbp), %rsp
    .irp r, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
    popq %\r
    .endr
    leave
    ret

    .globl arch_leave_to
arch_leave_to:
    movq %rdi, %rsp
    movq %rdx, %rdi
    xorl %ebp, %ebp
    call *%rsi
    ud2

/*
 * Where new contexts begin; arch_context_init() left the function and its argument on the stack,
 * arch_context_init_goroutine() the function, a word of padding and then the arguments. rbp is 0: frame-pointer chains end here.
 */
    .globl context_entry
context_entry:
    popq %rax
    popq %rdi
    xorl %ebp, %ebp
    call *%rax
    ud2

    .globl goroutine_entry
    .type goroutine_entry, @function
goroutine_entry:
    xorl %ebp, %ebp
    decl %gs:percpu_preempt
    jz 2f
1:  leaq 16(%rsp), %rdi
    call *(%rsp)
    call goroutine_exit
2:  call preempt_request
    jmp 1b

/* 256 stubs of 16 bytes. Vectors 8, 10-14, 17, 21, 29, 30 come with an error code. */
    .align 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .align 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

    .section .note.GNU-stack, "", @progbits
