/*
 * boot/bios/stage2.S - the second stage's entry, and its way back into the BIOS.
 *
 * CONTRACT. Entered by boot/bios/mbr.S in real mode at 0:STAGE2_AT, dl = drive. Calls
 * bios_main(drive) (bios.c) in 32-bit protected mode, flat segments, paging and interrupts off.
 *
 * void bios_int(unsigned vector);        loads the registers from bios_regs, calls the BIOS, stores them back
 * void bios_leave(uint32_t entry, uint32_t start_info);   jumps to the runtime; does not return
 *
 * Real-mode code and what it touches lie below 64 KiB, all segments being 0; bios.ld checks that. The
 * stack grows down from 0x7c00 in both modes. Interrupts are on only within a BIOS call.
 */
#include <boot/image.h>

#define CODE32 8
#define DATA32 16
#define CODE16 24
#define DATA16 32

    .section .text.start, "ax"
    .code16
    .globl stage2_start
stage2_start:
    jmp 1f
    .org BOOT_STAGE2_PATCH
    .globl stage2_patch
stage2_patch: /* struct boot_stage2_patch */
    .quad 0
1:  movzbl %dl, %edi
    movw $0x2401, %ax /* open the A20 gate: ask the BIOS, then the fast port; bios_main() looks */
    pushl %edi
    int $0x15
    popl %edi
    inb $0x92, %al
    testb $2, %al
    jnz 2f
    orb $2, %al
    andb $0xfe, %al /* bit 0 would reset the machine */
    outb %al, $0x92
2:  cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl gdt_pointer
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $CODE32, $3f

    .code32
3:  movl $DATA32, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl $0x7c00, %esp
    movl %edi, %ebx
    movl $bss_start, %edi
    movl $bss_end, %ecx
    subl %edi, %ecx
    xorl %eax, %eax
    rep stosb
    pushl $0 /* no caller; the argument is at a multiple of 16 */
    pushl $0
    pushl $0
    pushl %ebx
    call bios_main
    ud2

    .globl bios_int
bios_int:
    movb 4(%esp), %al
    movb %al, int_vector
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl %esp, saved_esp
    ljmpl $CODE16, $1f
    .code16
1:  movw $DATA16, %ax /* limits of 64 KiB, as real mode has them */
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmpl $0, $2f
2:  xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    lidtl idt_of_bios
    movl bios_regs, %eax
    movl bios_regs + 4, %ebx
    movl bios_regs + 8, %ecx
    movl bios_regs + 12, %edx
    movl bios_regs + 16, %esi
    movl bios_regs + 20, %edi
    sti
    .byte 0xcd /* int: a jump or two later than the write below, so no cpu has it in its queue */
int_vector:
    .byte 0
    cli
    cld
    pushfw
    pushw %ds
    pushw $0
    popw %ds
    movl %eax, bios_regs
    popw %ax
    popw bios_regs + 24
    movl %ebx, bios_regs + 4
    movl %ecx, bios_regs + 8
    movl %edx, bios_regs + 12
    movl %esi, bios_regs + 16
    movl %edi, bios_regs + 20
    lgdtl gdt_pointer /* a BIOS that copies by int 15h leaves its own */
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $CODE32, $3f
    .code32
3:  movl $DATA32, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl saved_esp, %esp
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

    .globl bios_leave
bios_leave:
    movl 4(%esp), %eax
    movl 8(%esp), %ebx
    jmp *%eax

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff /* 32-bit code, 4 GiB */
    .quad 0x00cf92000000ffff
    .quad 0x00009a000000ffff /* 16-bit code, 64 KiB */
    .quad 0x000092000000ffff
gdt_pointer:
    .word 39
    .long gdt
idt_of_bios:
    .word 0x3ff
    .long 0
    .balign 4
saved_esp:
    .long 0
    .globl bios_regs
bios_regs: /* struct bios_regs */
    .skip 28

    .section .note.GNU-stack, "", @progbits
