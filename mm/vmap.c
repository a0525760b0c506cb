/*
 * mm/vmap.c - frames of 2 MiB, mapped one behind the other.
 *
 * WHAT. A byte for each frame of the window says what it is: free, used, or stale: not mapped any
 * more, but perhaps still in some cpu's TLB. Runs are found first fit.
 *
 * INVARIANTS
 * [vmap.1] Only who took a frame from FREE to USED maps it, and only who has it USED unmaps it: so
 *          page table entries are written without a lock.
 * [vmap.2] A stale frame becomes free in a stop in which every cpu reloads CR3. So no TLB has an
 *          old translation of a frame that is mapped anew. (None is made meanwhile: nobody has the
 *          address.)
 *
 * LOCKING. vmap_lock (rank STACK): the states.
 * REJECTED. A shootdown at each free: an IPI to all, for addresses that are seldom scarce. A tree
 * of free runs: a window of 1 TiB has half a million bytes, and it is looked at when a request of
 * megabytes fails otherwise.
 */
#include <mm/vmap.h>
#include <lib/assert.h>
#include <lib/spinlock.h>
#include <mm/page.h>

#define FRAME_PAGES (VMAP_FRAME_BYTES / PAGE_BYTES)

enum { FREE, USED, STALE };

static struct spinlock vmap_lock = SPINLOCK_INIT(RANK_STACK);
static uintptr_t window; /* [I] */
static size_t n_window;  /* [I] frames */
static uint8_t *states;  /* [I] after the first vmap_alloc(); entries under vmap_lock */
static size_t n_stale;   /* under vmap_lock */

void vmap_init(uintptr_t base, size_t n_frames)
{
    ASSERT(base % VMAP_FRAME_BYTES == 0);
    window = base;
    n_window = n_frames;
}

/* Most programs never get here: the states are made when they are needed. */
static bool states_there(void)
{
    if (load_acquire(&states) != NULL) /* partner: the store below */
        return true;
    size_t pages = (n_window + PAGE_BYTES - 1) / PAGE_BYTES;
    uint8_t *fresh = pages != 0 ? page_alloc(pages, 1, PAGE_ZERO) : NULL;
    if (fresh == NULL)
        return false;
    spin_lock(&vmap_lock);
    bool mine = states == NULL;
    if (mine)
        store_release(&states, fresh);
    spin_unlock(&vmap_lock);
    if (!mine)
        page_free(fresh, pages);
    return true;
}

/* First of n free frames in a row, now used; n_window if there are none. */
static size_t take_run(size_t n, bool *stale)
{
    size_t run = 0, at = 0;

    spin_lock(&vmap_lock);
    while (at < n_window && run < n)
        run = states[at++] == FREE ? run + 1 : 0;
    if (run == n)
        for (size_t i = at - n; i < at; i++)
            states[i] = USED;
    *stale = n_stale != 0;
    spin_unlock(&vmap_lock);
    return run == n ? at - n : n_window;
}

static void mark_stale(size_t first, size_t n)
{
    spin_lock(&vmap_lock);
    for (size_t i = first; i < first + n; i++) {
        ASSERT(states[i] == USED); /* [vmap.1] */
        states[i] = STALE;
    }
    n_stale += n;
    spin_unlock(&vmap_lock);
}

void *vmap_alloc(size_t n_frames, bool *stale)
{
    struct page_stats ram;

    *stale = false;
    page_get_stats(&ram); /* a hopeless request must not take everything for a moment */
    if (ram.free_pages / FRAME_PAGES < n_frames || !states_there())
        return NULL;
    size_t first = take_run(n_frames, stale), done = 0;
    if (first == n_window)
        return NULL;
    uintptr_t base = window + first * VMAP_FRAME_BYTES;
    if (arch_map_large_prepare(base, n_frames * VMAP_FRAME_BYTES)) {
        for (; done < n_frames; done++) {
            void *frame = page_alloc(FRAME_PAGES, FRAME_PAGES, 0);
            if (frame == NULL)
                break;
            arch_map_large(base + done * VMAP_FRAME_BYTES, virt_to_phys(frame), ARCH_WRITE);
        }
    }
    if (done == n_frames)
        return (void *)base;
    *stale = false; /* it is RAM that is missing */
    vmap_free((void *)base, done);
    mark_stale(first + done, n_frames - done);
    return NULL;
}

void vmap_free(void *base, size_t n_frames)
{
    uintptr_t at = (uintptr_t)base;

    ASSERT(at >= window && at % VMAP_FRAME_BYTES == 0 &&
           (at - window) / VMAP_FRAME_BYTES + n_frames <= n_window);
    for (size_t i = 0; i < n_frames; i++) {
        paddr_t pa = arch_unmap_large(at + i * VMAP_FRAME_BYTES);
        ASSERT(pa != ~UINT64_C(0));
        page_free(phys_to_virt(pa), FRAME_PAGES);
    }
    mark_stale((at - window) / VMAP_FRAME_BYTES, n_frames);
}

void vmap_flushed_stw(void)
{
    for (size_t i = 0; i < n_window && n_stale != 0; i++) {
        if (states[i] == STALE) { /* [vmap.2] */
            states[i] = FREE;
            n_stale--;
        }
    }
}
