/*
 * boot/bios/mbr.S - the first sector: a BIOS loads it to 0x7c00 and jumps there, with the drive in dl.
 *
 * WHAT. Reads the second stage (boot/bios/stage2.S) to STAGE2_AT by the BIOS's disk extensions, compares
 * its CRC-32, and jumps to it with the drive still in dl. What goes wrong is one line on COM1 and on the
 * screen; then the cpu halts. All of it must fit into 424 bytes: tools/mkimage.c writes the block at
 * `patch` (struct boot_mbr_patch), the disk's signature and the partition table behind it.
 *
 * Two bytes are jumped over at the start, and the code is position-dependent only from the long jump on:
 * some BIOSes enter at 07c0:0000 instead of 0000:7c00.
 */
#include <boot/image.h>

#define COM1 0x3f8

    .code16
    .section .text
    .globl mbr_start
mbr_start:
    cli
    xorw %ax, %ax
    movw %ax, %ss
    movw $0x7c00, %sp
    movw %ax, %ds
    movw %ax, %es
    ljmp $0, $1f
1:  sti
    cld
    movb %dl, drive

    movw $serial_setup, %si /* register, value; ends with register 0xff */
    movb $COM1 >> 8, %dh
2:  lodsw
    movb %al, %dl
    movb %ah, %al
    cmpb $0xff, %dl
    je 3f
    outb %al, %dx
    jmp 2b

3:  movb drive, %dl
    movb $0x41, %ah /* disk extensions there? */
    movw $0x55aa, %bx
    int $0x13
    movw $text_edd, %si
    jc stop
    cmpw $0xaa55, %bx
    jne stop

    movw stage2_sectors, %ax
    movw %ax, packet + 2
    movl stage2_lba, %eax
    movl %eax, packet + 8
    movw $3, %bp /* tries */
4:  movb drive, %dl
    movw $packet, %si
    movb $0x42, %ah
    int $0x13
    jnc 5f
    movb drive, %dl
    xorb %ah, %ah /* reset, and again */
    int $0x13
    decw %bp
    jnz 4b
    movw $text_read, %si
    jmp stop

5:  movw $STAGE2_AT, %si
    movw stage2_sectors, %cx
    shlw $9, %cx
    orl $-1, %eax
6:  xorb (%si), %al
    incw %si
    movw $8, %bx
7:  shrl $1, %eax
    jnc 8f
    xorl $0xedb88320, %eax
8:  decw %bx
    jnz 7b
    loop 6b
    notl %eax
    cmpl stage2_crc, %eax
    movw $text_crc, %si
    jne stop
    movb drive, %dl
    ljmp $0, $STAGE2_AT

stop: /* prints "loader: ", the text at si, "; stopped" */
    pushw %si
    movw $text_loader, %si
    call print
    popw %si
    call print
    movw $text_stopped, %si
    call print
9:  hlt
    jmp 9b

print:
    lodsb
    testb %al, %al
    jz 3f
    pushw %ax
    xorw %cx, %cx /* a dead port is given up after 65536 looks */
1:  movw $COM1 + 5, %dx
    inb %dx, %al
    testb $0x20, %al
    loopz 1b
    popw %ax
    movw $COM1, %dx
    outb %al, %dx
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    jmp print
3:  ret

serial_setup: /* 115200 baud, 8 bits, no parity, FIFOs, DTR and RTS */
    .byte 0xf9, 0, 0xfb, 0x80, 0xf8, 1, 0xf9, 0, 0xfb, 3, 0xfa, 7, 0xfc, 3, 0xff, 0
text_loader:
    .asciz "loader: "
text_edd:
    .asciz "this BIOS has no disk extensions (EDD)"
text_read:
    .asciz "can't read the second stage"
text_crc:
    .asciz "the second stage is corrupted"
text_stopped:
    .asciz "; stopped\r\n"

    .balign 2
packet:
    .byte 16, 0
    .word 0         /* sectors */
    .word STAGE2_AT /* offset, segment */
    .word 0
    .quad 0 /* sector */

    .org BOOT_MBR_PATCH
patch: /* struct boot_mbr_patch */
stage2_lba:
    .long 0
stage2_sectors:
    .word 0
drive: /* while running */
    .word 0
stage2_crc:
    .long 0
    .long 0
    .org 440

    .section .note.GNU-stack, "", @progbits
