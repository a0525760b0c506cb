/*
 * gc_fast.S - taking a free slot, as restartable ranges.
 *
 *     void *rt_gc_alloc(struct rt_type *type);
 *     struct gc_taken gc_take(uint32_t cache_offset);
 *     struct gc_taken gc_take_header(uint32_t cache_offset, uint64_t word0, uint64_t word1);
 *
 * This cpu's struct gc_cache for a shape (gc/heap.h; cache_offset is its number times 32) has a word of free
 * slots. Take the lowest: write the epoch byte, from a fresh load of the epoch, and then, as the only
 * commit, store the word without its bit. Each range [start, end) is listed in rt_rseq: whoever stops or
 * deschedules this cpu inside one moves it back to the start, so nobody sees the middle, no slot goes to two cpus, and
 * no new object has an old epoch. The registers that a range reads are not written before its end.
 *
 * A word of 0, which is also what the never used entry 0 of a type without a shape has, leads to
 * gc_alloc_slow(type), or gives {0, 0}. Offsets are asserted in gc/alloc.c.
 * Leaf functions without a frame: a backtrace out of here misses the direct caller.
 */
#define CACHE_EPOCHS 8
#define CACHE_BASE 16
#define CACHE_SLOT_BYTES 24
#define CACHE_ZERO_BYTES 28
#define TYPE_SHAPE 32

    .macro rseq start, end
    .pushsection rt_rseq, "a"
    .quad \start, \end
    .popsection
    .endm

    .section .text.hot.gc_fast, "ax"

/* rdi: type. Result rax. Clobbers rcx, rdx, rsi, r8. */
    .globl rt_gc_alloc
    .type rt_gc_alloc, @function
    .p2align 5
rt_gc_alloc:
    movl TYPE_SHAPE(%rdi), %esi
1:  movq %gs:percpu_gc_cache(%rsi), %rdx
    bsfq %rdx, %rcx
    jz gc_alloc_slow
    movq %gs:percpu_gc_cache + CACHE_EPOCHS(%rsi), %r8
    movzbl gc_epoch_birth(%rip), %eax
    movb %al, (%r8, %rcx)
    movl %gs:percpu_gc_cache + CACHE_SLOT_BYTES(%rsi), %eax
    imull %ecx, %eax
    addq %gs:percpu_gc_cache + CACHE_BASE(%rsi), %rax
    btrq %rcx, %rdx
    movq %rdx, %gs:percpu_gc_cache(%rsi)
2:  ret
    rseq 1b, 2b
    .size rt_gc_alloc, . - rt_gc_alloc

/* edi: offset. Result rax: slot or 0, rdx: bytes to clear. */
    .globl gc_take
    .type gc_take, @function
    .p2align 5
gc_take:
    movl %edi, %edi
1:  movq %gs:percpu_gc_cache(%rdi), %r9
    bsfq %r9, %rcx
    jz 3f
    movq %gs:percpu_gc_cache + CACHE_EPOCHS(%rdi), %r8
    movzbl gc_epoch_birth(%rip), %eax
    movb %al, (%r8, %rcx)
    movl %gs:percpu_gc_cache + CACHE_SLOT_BYTES(%rdi), %eax
    imull %ecx, %eax
    addq %gs:percpu_gc_cache + CACHE_BASE(%rdi), %rax
    movl %gs:percpu_gc_cache + CACHE_ZERO_BYTES(%rdi), %edx
    btrq %rcx, %r9
    movq %r9, %gs:percpu_gc_cache(%rdi)
2:  ret
3:  xorl %eax, %eax
    xorl %edx, %edx
    ret
    rseq 1b, 2b
    .size gc_take, . - gc_take

/* The same; rsi and rdx go into the slot's first words before the epoch byte is written [heap.6]. */
    .globl gc_take_header
    .type gc_take_header, @function
    .p2align 5
gc_take_header:
    movl %edi, %edi
    movq %rdx, %r10
1:  movq %gs:percpu_gc_cache(%rdi), %r9
    bsfq %r9, %rcx
    jz 3f
    movl %gs:percpu_gc_cache + CACHE_SLOT_BYTES(%rdi), %eax
    imull %ecx, %eax
    addq %gs:percpu_gc_cache + CACHE_BASE(%rdi), %rax
    movq %rsi, (%rax)
    movq %r10, 8(%rax)
    movq %gs:percpu_gc_cache + CACHE_EPOCHS(%rdi), %r8
    movzbl gc_epoch_birth(%rip), %edx
    movb %dl, (%r8, %rcx)
    movl %gs:percpu_gc_cache + CACHE_ZERO_BYTES(%rdi), %edx
    btrq %rcx, %r9
    movq %r9, %gs:percpu_gc_cache(%rdi)
2:  ret
3:  xorl %eax, %eax
    xorl %edx, %edx
    ret
    rseq 1b, 2b
    .size gc_take_header, . - gc_take_header

    .section .note.GNU-stack, "", @progbits
