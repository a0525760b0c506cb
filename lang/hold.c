/*
 * lang/hold.c - the table of holds.
 *
 * Chunks of words, linked from a root, never given back. A free word holds the address of the next
 * free one, which points into a chunk and so keeps nothing alive that isn't.
 * [hold.1] A word that is not on the free list refers to an object and belongs to whoever holds its
 *          address.
 * [hold.2] What a hold is dropped from is shaded while marking (the store is gc_set()), so an
 *          object that was alive through it when marking began is found.
 * LOCKING. One spin lock, rank HOLD, a leaf for lang.
 * REJECTED. Scanning the timers' heaps: they belong to a layer that knows no references, and their
 * entries move while a worker walks them.
 */
#include <lang/hold.h>

#include <gc/alloc.h>
#include <gc/up.h>
#include <lib/spinlock.h>

#define HOLDS_PER_CHUNK 127

struct hold {
    rt_ref(void *) p;
};

struct hold_chunk {
    rt_ref(struct hold_chunk *) older;
    struct hold holds[HOLDS_PER_CHUNK];
};

static rt_gc_root(struct hold_chunk *, hold_chunks);
static struct spinlock hold_lock = SPINLOCK_INIT(RANK_HOLD);
static rt_gc_foreign(struct hold *) hold_free; /* [hold_lock] first free word; chunks never go */

static void hold_put_free_locked(struct hold *h)
{
    rt_gc_set(h->p, hold_free);
    hold_free = h; /* no barrier: hold_chunks keeps the chunk, see above */
}

static void hold_add_chunk(void)
{
    struct hold_chunk *chunk = gc_alloc(RT_TYPE(struct hold_chunk));

    spin_lock(&hold_lock);
    rt_gc_set(chunk->older, hold_chunks.p);
    rt_gc_set(hold_chunks.p, chunk);
    for (size_t i = 0; i < HOLDS_PER_CHUNK; i++)
        hold_put_free_locked(&chunk->holds[i]);
    spin_unlock(&hold_lock);
}

struct hold *hold_take(void *p)
{
    size_t bytes;

    if (gc_object_of(p, &bytes) == NULL)
        return NULL;
    for (;;) {
        spin_lock(&hold_lock);
        struct hold *h = hold_free;
        if (h != NULL) {
            hold_free = h->p;
            rt_gc_set(h->p, p);
        }
        spin_unlock(&hold_lock);
        if (h != NULL)
            return h;
        hold_add_chunk();
    }
}

void hold_drop(struct hold *h)
{
    if (h == NULL)
        return;
    spin_lock(&hold_lock);
    hold_put_free_locked(h);
    spin_unlock(&hold_lock);
}

/* Every reference that lang keeps outside goroutines is in collected tables, here and in
 * lang/pool.c. */
bool lang_scan_global_roots(RT_UNUSED uint32_t step,
                            RT_UNUSED void (*scan)(const void *lo, const void *hi))
{
    return false;
}
