/*
 * boot/efi/leave.S - from UEFI's 64-bit mode to the runtime's 32-bit entry.
 *
 * Code that efi.c copies to a page below 4 GiB, which the firmware maps at its own address and lets run:
 *
 *     void (sysv_abi *)(uint32_t entry, uint32_t start_info, void *page)
 *
 * Paging goes off here, so it must run where addresses are physical ones. 5-level paging can only be turned
 * off with paging off; PCIDE and CET, if on, only before that, else the cpu faults.
 * rdi = entry, rsi = start info, rdx = the page: stack top at its end.
 */
    .section .rodata.leave, "a"
    .code64
    .globl efi_leave_start, efi_leave_end
efi_leave_start:
    cli
    cld
    leaq 4096(%rdx), %rsp
    leaq (leave_gdt - efi_leave_start)(%rdx), %rax
    movq %rax, (leave_gdt_pointer - efi_leave_start + 2)(%rdx)
    lgdt (leave_gdt_pointer - efi_leave_start)(%rdx)
    movq %cr4, %rax
    andq $~(1 << 17 | 1 << 23), %rax /* PCIDE, CET */
    movq %rax, %cr4
    leaq (leave_32 - efi_leave_start)(%rdx), %rax
    pushq $8
    pushq %rax
    lretq

    .code32
leave_32:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl %cr0, %eax
    andl $~(1 << 31 | 1 << 16), %eax /* paging, write protection */
    movl %eax, %cr0
    movl $0xc0000080, %ecx /* EFER */
    rdmsr
    andl $~(1 << 8), %eax /* long mode */
    wrmsr
    xorl %eax, %eax
    movl %eax, %cr4
    movl %eax, %cr3
    movl %esi, %ebx
    jmp *%edi

    .balign 8
leave_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff /* 32-bit code, 4 GiB */
    .quad 0x00cf92000000ffff
leave_gdt_pointer:
    .word 23
    .quad 0
efi_leave_end:

    .section .note.GNU-stack, "", @progbits
