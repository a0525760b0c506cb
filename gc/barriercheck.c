/*
 * gc/barriercheck.c - GODEBUG=gcbarriercheck=1: finds references that were stored without the
 * barrier.
 *
 * WHAT. A store that goes round the barrier does no harm in most runs: the collection that would
 * lose the object has to be at just the wrong place. So this does not wait for the harm. The
 * barrier is always on, and what it stores goes into a shadow of the heap as well. A word that
 * differs from its shadow was changed by somebody else. Every barrier looks at the words that it is
 * about to overwrite, and after each cycle all marked objects are compared.
 *
 * INVARIANTS
 * [check.1] The shadow of a slot without an object is zero, as the object that comes into it is.
 * [check.2] Shadow and word change together under check_lock, or the object is not yet, or no
 *           longer, anybody's.
 * [check.3] A difference counts only if the word is, or was, a reference to a live object: words
 *           without a pointer map may hold numbers, which are stored as numbers are.
 *
 * A unit's shadow is 8 KiB that lie anywhere; without memory for it the unit is not checked.
 * Globals are not checked, nor stacks, which have no barrier.
 * LOCKING. check_lock (rank GC_LOCAL, below every cpu's own).
 * REJECTED. The pages' dirty bits: they say that a page was written, which the allocator does all
 * the time.
 * SOURCES. GODEBUG=wbshadow=1 of Go 1.4 and 1.5 (golang/go runtime/mbarrier.go of then).
 */
#include <gc/barriercheck.h>
#include <gc/verify.h>
#include <lib/bits.h>
#include <lib/string.h>
#include <mm/page.h>
#include <rt/print.h>

bool gc_barrier_check;

static uint64_t **shadows; /* [I] by unit, as the page map; entries as gc_pagemap's */
static struct spinlock check_lock = SPINLOCK_INIT(RANK_GC_CHECK);

bool gc_check_init(size_t units)
{
    shadows =
        page_alloc(align_up(units * sizeof(shadows[0]), PAGE_BYTES) / PAGE_BYTES, 1, PAGE_ZERO);
    return shadows != NULL;
}

/* Where the shadow of a word lies; NULL: not in the heap, or not checked. */
static uint64_t *shadow_of(uintptr_t word)
{
    if (!gc_maybe(word))
        return NULL;
    uint64_t *unit = load_acquire(&shadows[gc_unit_of(word)]);
    return unit == NULL ? NULL : unit + word % GC_UNIT_BYTES / 8;
}

void gc_check_cover(const struct gc_span *span)
{
    for (uint32_t i = 0; i < span->n_units; i++)
        store_release(&shadows[gc_unit_of(span->base) + i],
                      page_alloc(GC_UNIT_BYTES / PAGE_BYTES, 1, PAGE_ZERO)); /* [check.1] */
}

void gc_check_uncover(const struct gc_span *span)
{
    for (uint32_t i = 0; i < span->n_units; i++) {
        uint64_t *unit = swap_acq_rel(&shadows[gc_unit_of(span->base) + i], NULL);
        if (unit != NULL)
            page_free(unit, GC_UNIT_BYTES / PAGE_BYTES);
    }
}

void gc_check_clear(const struct gc_span *span, uint32_t slot)
{
    uintptr_t at = gc_slot_address(span, slot), end = at + gc_slot_size(span);

    for (; at < end && at < span->limit; at += 8) {
        uint64_t *shadow = shadow_of(at);
        if (shadow != NULL)
            *shadow = 0;
    }
}

/* ---- Comparing ---- */

static bool is_object(uint64_t word)
{
    uint32_t slot;
    const struct gc_span *span = gc_slot_at(word, &slot);
    return span != NULL && gc_live_byte(gc_epochs(span)[slot]);
}

/* Does this word, by its type a reference, hold what the barrier stored last? */
static void compare(const struct gc_span *span, uint32_t slot, const uintptr_t *where)
{
    const uint64_t *shadow = shadow_of((uintptr_t)where);
    uint64_t now = load_relaxed(where);

    if (shadow == NULL || now == *shadow || !(is_object(now) || is_object(*shadow))) /* [check.3] */
        return;
    uint64_t before = *shadow;
    gc_barrier_check = false; /* what follows may store references itself */
    gc_print_slot("gc: gcbarriercheck: in", span, slot);
    rt_printf("  the reference at offset %lu is %#lx; the barrier stored %#lx\n",
              (unsigned long)((uintptr_t)where - gc_slot_address(span, slot)), (unsigned long)now,
              (unsigned long)before);
    fatal("gc: a reference was stored without the barrier [check.2]");
}

static void compare_reference(void *ctx, const uintptr_t *where, uintptr_t word)
{
    const struct gc_edge *e = ctx;
    (void)word;
    compare(e->span, e->slot, where);
}

void gc_check_all_stw(void)
{
    size_t end = gc_span_index_end();
    for (size_t unit = 0; unit < end; unit++) {
        struct gc_edge e = {.span = gc_span_at_index(unit)};
        if (e.span == NULL || e.span->kind == GC_NOSCAN)
            continue;
        for (; e.slot < e.span->n_slots; e.slot++)
            if (gc_epochs(e.span)[e.slot] == gc_epoch)
                gc_each_reference(e.span, e.slot, compare_reference, &e);
    }
}

/* ---- The barrier's own stores ---- */

/* The slot around a word that the barrier writes; NULL if it has no references, or none. */
static const struct gc_span *slot_with_references(uintptr_t word, uint32_t *slot)
{
    const struct gc_span *span = gc_slot_at(word, slot);
    return span == NULL || span->kind == GC_NOSCAN ? NULL : span;
}

void gc_check_enter(const void *p, size_t bytes)
{
    uintptr_t at = align_up((uintptr_t)p, 8), end = align_down((uintptr_t)p + bytes, 8);

    spin_lock(&check_lock);
    for (; at < end; at += 8) {
        uint32_t slot;
        const struct gc_span *span = slot_with_references(at, &slot);
        if (span == NULL)
            return;
        if (gc_is_reference(span, slot, at))
            compare(span, slot, (const uintptr_t *)at);
    }
}

void gc_check_leave(const void *p, size_t bytes)
{
    uintptr_t at = align_up((uintptr_t)p, 8), end = align_down((uintptr_t)p + bytes, 8);

    for (; at < end; at += 8) {
        uint64_t *shadow = shadow_of(at);
        if (shadow != NULL)
            *shadow = *(const volatile uint64_t *)at;
    }
    spin_unlock(&check_lock);
}
