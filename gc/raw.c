/*
 * gc/raw.c - rt_alloc(), rt_realloc(), rt_free(): memory that nobody collects, for foreign code.
 *
 * WHAT. Slabs of 16 KiB, aligned to 16 KiB, one size class each, with a chain of free blocks; what
 * does not fit well is a run of pages of its own. Either begins with a head, which the block's
 * address leads to.
 * INVARIANTS
 * [raw.1] A free believes nothing that it can check: the head's mark, the block's place in its
 *         slab, and that the block is not on the chain's top (a full check is made in debug
 *         builds).
 * LOCKING. One lock for each class, rank SPAN. Memory from here is not scanned: no references in
 * it.
 */
#include <gc/alloc.h>
#include <gc/size.h>
#include <lib/assert.h>
#include <lib/fail.h>
#include <lib/list.h>
#include <lib/spinlock.h>
#include <lib/string.h>
#include <mm/page.h>
#include <rt/gc.h>

#define SLAB_BYTES 16384u
#define SLAB_MARK 0x5261774du
#define RUN_MARK 0x52617752u
#define HEAD_BYTES 64u
#define SLAB_BLOCK_MAX 2048u

struct raw_head {
    uint32_t mark;
    uint32_t block_bytes; /* slab */
    struct list link;     /* slab: on its class's list while a block is free */
    void *free;           /* slab: chain through the first word of free blocks */
    uint32_t n_free;      /* slab */
    uint32_t class;       /* slab */
    uint64_t n_pages;     /* run */
};
_Static_assert(sizeof(struct raw_head) <= HEAD_BYTES, "blocks stay 64-aligned behind it");

static struct raw_class {
    struct spinlock lock;
    struct list partial; /* zero at first: no slab was made yet */
} raw_classes[GC_CLASS_COUNT];

static uint32_t slab_blocks(uint32_t block_bytes)
{
    return (SLAB_BYTES - HEAD_BYTES) / block_bytes;
}

static struct raw_head *slab_make(unsigned class)
{
    uint32_t bytes = gc_classes[class].bytes;
    struct raw_head *slab = page_alloc(SLAB_BYTES / PAGE_BYTES, SLAB_BYTES / PAGE_BYTES, 0);
    if (slab == NULL)
        return NULL;
    *slab = (struct raw_head){.mark = SLAB_MARK, .block_bytes = bytes, .class = class};
    for (uint32_t i = slab_blocks(bytes); i-- > 0;) {
        void **block = (void **)((char *)slab + HEAD_BYTES + (size_t)i * bytes);
        *block = slab->free;
        slab->free = block;
        slab->n_free++;
    }
    return slab;
}

static void *alloc_run(size_t bytes)
{
    size_t pages;
    if (__builtin_add_overflow(bytes, (size_t)HEAD_BYTES + PAGE_BYTES - 1, &pages))
        return NULL;
    pages /= PAGE_BYTES;
    struct raw_head *run = page_alloc(pages, SLAB_BYTES / PAGE_BYTES, PAGE_ZERO);
    if (run == NULL)
        return NULL;
    *run = (struct raw_head){.mark = RUN_MARK, .n_pages = pages};
    return (char *)run + HEAD_BYTES;
}

static void raw_class_init_locked(struct raw_class *rc)
{
    if (rc->partial.next == NULL)
        list_init(&rc->partial);
}

static void *alloc_once(size_t bytes)
{
    if (fail_now(FAIL_RAW))
        return NULL;
    if (bytes < 16)
        bytes = 16;
    if (bytes > SLAB_BLOCK_MAX)
        return alloc_run(bytes);
    unsigned class = gc_class_of(bytes);
    if (gc_classes[class].bytes % 16 != 0)
        class ++;
    struct raw_class *rc = &raw_classes[class];

    struct raw_head *fresh = NULL;
    for (;;) {
        spin_lock(&rc->lock);
        raw_class_init_locked(rc);
        if (fresh != NULL)
            list_push_back(&rc->partial, &fresh->link);
        if (!list_empty(&rc->partial))
            break;
        spin_unlock(&rc->lock);
        fresh = slab_make(class);
        if (fresh == NULL)
            return NULL;
    }
    struct raw_head *slab = container_of(rc->partial.next, struct raw_head, link);
    void **block = slab->free;
    slab->free = *block;
    if (--slab->n_free == 0)
        list_remove(&slab->link);
    spin_unlock(&rc->lock);
    return (memset)(block, 0, slab->block_bytes);
}

void *rt_alloc(size_t bytes)
{
    void *p;

    for (unsigned step = 0; (p = alloc_once(bytes)) == NULL && gc_find_memory(step); step++)
        ;
    return p;
}

/* What p is a block of, and how many bytes p may be used for [raw.1]. */
static struct raw_head *head_of(void *p, size_t *bytes)
{
    struct raw_head *head = (struct raw_head *)align_down((uintptr_t)p, SLAB_BYTES);
    uintptr_t at = (uintptr_t)p - (uintptr_t)head - HEAD_BYTES;

    if (head->mark == SLAB_MARK) {
        if (at % head->block_bytes != 0)
            fatal("rt_free: %p is not the start of a block", p);
        *bytes = head->block_bytes;
        return head;
    }
    if (head->mark != RUN_MARK || at != 0)
        fatal("rt_free: %p was not allocated by rt_alloc()", p);
    *bytes = head->n_pages * PAGE_BYTES - HEAD_BYTES;
    return head;
}

static void free_block(struct raw_head *slab, void *p)
{
    struct raw_class *rc = &raw_classes[slab->class];

    spin_lock(&rc->lock);
    if (slab->free == p)
        fatal("rt_free: double free of %p", p);
    *(void **)p = slab->free;
    slab->free = p;
    if (slab->n_free++ == 0)
        list_push_front(&rc->partial, &slab->link);
    bool empty = slab->n_free == slab_blocks(slab->block_bytes);
    if (empty)
        list_remove(&slab->link);
    spin_unlock(&rc->lock);
    if (empty) {
        slab->mark = 0;
        page_free(slab, SLAB_BYTES / PAGE_BYTES);
    }
}

void rt_free(void *p)
{
    size_t bytes;

    if (p == NULL)
        return;
    struct raw_head *head = head_of(p, &bytes);
    if (head->mark == SLAB_MARK) {
        free_block(head, p);
        return;
    }
    head->mark = 0;
    page_free(head, head->n_pages);
}

void *rt_realloc(void *p, size_t bytes)
{
    size_t room;

    if (p == NULL)
        return rt_alloc(bytes);
    (void)head_of(p, &room);
    if (bytes <= room && bytes >= room / 2)
        return p;
    void *moved = rt_alloc(bytes);
    if (moved == NULL)
        return bytes <= room ? p : NULL;
    (memcpy)(moved, p, bytes < room ? bytes : room);
    rt_free(p);
    return moved;
}
