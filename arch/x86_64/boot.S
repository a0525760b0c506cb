/*
 * arch/x86_64/boot.S - from the loader's 32-bit entry to boot_main() in long mode, high half.
 *
 * CONTRACT (PVH): 32-bit protected mode, flat segments, paging and interrupts off, A20 open,
 *   ebx = physical address of struct hvm_start_info. esp is unknown. The image may have been loaded at
 *   any multiple of 2 MiB from its link address ("slide"), below 4 GiB. Its bss is zero, as with any ELF
 *   segment that is larger in memory than in the file: clearing it twice would be a tenth of the whole boot.
 * LEAVES: boot_main(start_info_paddr, image_paddr) called on boot_stack, interrupts off,
 *   SSE on, GS base 0 (so %gs:percpu variables are the section itself), and these early tables:
 *     PML4[0] and PML4[256]  the first 4 GiB, by 2 MiB pages (identity; direct map)
 *     PML4[511]              the image: 1 GiB from ARCH_IMAGE_BASE
 *   paging.c replaces all of them with its own.
 * A machine without long mode gets one line on COM1 and exit status 1.
 */
#define IMAGE_BASE 0xffffffff80000000
#define PHYS(sym) ((sym) - IMAGE_BASE)
#define START_MAGIC 0x336ec578 /* hvm_start_info.magic */

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18 /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long PHYS(boot_entry)

    .section .text.boot, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    /* Where are we? The only memory known to be ours is the start info's first word: borrow it. */
    leal 4(%ebx), %esp
    call 1f
1:  popl %ebp
    movl $START_MAGIC, (%ebx)
    subl $PHYS(1b), %ebp /* the slide, from here on */

    leal PHYS(boot_stack_top)(%ebp), %esp
    movl %ebx, %esi /* cpuid eats ebx */

    /* Is there a cpuid, and long mode? */
    pushfl
    popl %eax
    movl %eax, %ecx
    xorl $0x200000, %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    xorl %ecx, %eax
    testl $0x200000, %eax
    jz no_long_mode
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx
    jz no_long_mode
    movl %edx, %ebx /* bit 20: no-execute pages */

    /* 4 tables of 512 pages of 2 MiB: the first 4 GiB. */
    leal PHYS(early_pd)(%ebp), %edi
    movl $0x83, %eax /* present, writable, 2 MiB */
    movl $2048, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b
    /* The image's gigabyte: the same pages, slid. */
    leal PHYS(early_pd_image)(%ebp), %edi
    leal 0x83(%ebp), %eax
    movl $512, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b
    leal PHYS(early_pdpt)(%ebp), %edi
    leal (PHYS(early_pd) + 3)(%ebp), %eax
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b
    leal (PHYS(early_pd_image) + 3)(%ebp), %eax
    movl %eax, PHYS(early_pdpt_image) + 510 * 8(%ebp)
    leal (PHYS(early_pdpt) + 3)(%ebp), %eax
    movl %eax, PHYS(early_pml4)(%ebp)
    movl %eax, PHYS(early_pml4) + 256 * 8(%ebp)
    leal (PHYS(early_pdpt_image) + 3)(%ebp), %eax
    movl %eax, PHYS(early_pml4) + 511 * 8(%ebp)

    movl $0x620, %eax /* PAE, and SSE: OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    leal PHYS(early_pml4)(%ebp), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER */
    rdmsr
    orl $0x100, %eax /* long mode */
    testl $(1 << 20), %ebx
    jz 1f
    orl $0x800, %eax /* no-execute */
1:  wrmsr
    movl $0x80010023, %eax /* PG, WP, NE, MP, PE */
    movl %eax, %cr0

    leal PHYS(boot_gdt)(%ebp), %eax
    movl %eax, PHYS(boot_gdt_ptr) + 2(%ebp)
    lgdtl PHYS(boot_gdt_ptr)(%ebp)
    leal PHYS(boot_long)(%ebp), %eax
    pushl $8
    pushl %eax
    lretl

no_long_mode:
    leal PHYS(no_long_mode_text)(%ebp), %esi
1:  movw $0x3fd, %dx /* line status: wait until the transmitter is empty, or give up on a dead port */
    movl $100000, %ecx
2:  inb %dx, %al
    testb $0x20, %al
    jnz 3f
    decl %ecx
    jnz 2b
3:  movb (%esi), %al
    incl %esi
    testb %al, %al
    jz 4f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 1b
4:  movl $2, %eax /* status 1 (tools/run.sh, STATUS) */
    movw $0xf4, %dx
    outl %eax, %dx /* QEMU's exit device, if there is one */
5:  hlt
    jmp 5b

    .code64
boot_long:
    movabsq $1f, %rax
    jmp *%rax /* to the high half */
1:  xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movabsq $boot_stack_top, %rsp
    movl $0xc0000101, %ecx /* GS base = 0 */
    xorl %edx, %edx
    wrmsr
    movl %esi, %edi          /* start info */
    movl %ebp, %esi
    addl $PHYS(image_start), %esi /* where the image begins */
    xorl %ebp, %ebp          /* ends every backtrace */
    call boot_main
    ud2

    .section .rodata.boot, "a"
no_long_mode_text:
    .asciz "boot: this machine can't run the image: its cpu has no 64-bit long mode\r\n"

    .section .data.boot, "aw"
    .align 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff /* 64-bit code */
    .quad 0x00cf92000000ffff /* data */
boot_gdt_ptr:
    .word 23
    .long 0 /* filled in: physical */
    .long 0

    .section .bss.boot, "aw", @nobits
    .align 4096
    .globl early_pml4
early_pml4:
    .skip 4096
early_pdpt:
    .skip 4096
early_pdpt_image:
    .skip 4096
early_pd:
    .skip 4 * 4096
early_pd_image:
    .skip 4096
    .skip 16384
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
