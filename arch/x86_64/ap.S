/*
 * arch/x86_64/ap.S - how an additional cpu gets from its SIPI to ap_main().
 *
 * smp.c copies [ap_trampoline, ap_trampoline_end) to a page below 1 MiB and fills in the words at its
 * end. The cpu arrives in real mode at cs = page >> 4, ip = 0, and goes straight to long mode, on
 * tables that map that page to itself. It then counts itself (lock xadd), takes the stack of that
 * number, and calls ap_main(arrival), interrupts off. All cpus may come at once; they share nothing
 * else.
 */
    .section .text.ap, "ax"
    .globl ap_trampoline, ap_trampoline_end, ap_words
    .code16
ap_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx /* physical address of this page */
    movl (ap_cr4 - ap_trampoline), %eax
    movl %eax, %cr4
    movl (ap_cr3 - ap_trampoline), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER */
    rdmsr
    orl (ap_efer - ap_trampoline), %eax
    wrmsr
    lgdtl (ap_gdt_ptr - ap_trampoline)
    movl (ap_cr0 - ap_trampoline), %eax
    movl %eax, %cr0 /* protected and paged in one step */
    ljmpl *(ap_far - ap_trampoline)

    .code64
ap_long:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl $1, %eax
    movabsq $ap_arrived, %rcx
    lock xaddl %eax, (%rcx)
    cmpl $255, %eax /* ARCH_MAX_CPUS - 1 (smp.c asserts it): too many, or too late */
    jae ap_halt
    movabsq $ap_stack_tops, %rcx
    movq (%rcx, %rax, 8), %rsp
    movl %eax, %edi
    xorl %ebp, %ebp
    movabsq $ap_main, %rax
    call *%rax
ap_halt:
    cli
    hlt
    jmp ap_halt

    .align 8
ap_gdt: /* marked as accessed: this page is read-only by then, and a cpu (not QEMU's) would write the mark */
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .globl ap_gdt_ptr, ap_far, ap_cr0, ap_cr3, ap_cr4, ap_efer, ap_gdt, ap_long
ap_gdt_ptr:
    .word 23
    .long 0 /* physical address of ap_gdt in the copy */
    .align 4
ap_far:
    .long 0 /* physical address of ap_long in the copy */
    .word 8
    .align 4
ap_cr0:
    .long 0
ap_cr3:
    .long 0
ap_cr4:
    .long 0
ap_efer:
    .long 0
ap_trampoline_end:

    .section .note.GNU-stack, "", @progbits
