/*
 * gc/barrier.c - the write barrier's slow half.
 *
 * WHAT. While marking, before a reference is overwritten, the object that it referred to is made
 * grey. So every object that was reachable in STW#1 stays findable by the marker: the snapshot at
 * the beginning.
 *
 * INVARIANTS
 * [bar.1] Deletion half: while marking, no reference in memory that was there in STW#1 is
 *         overwritten before its object was greyed. Of two that overwrite the same word at the same
 *         time, both may see and grey the old value; the one's new value may go ungreyed when the
 *         other overwrites it, and need not be: it was not in the snapshot.
 * [bar.2] From the look at rt_wb_on to the store nobody stops this cpu: a restartable range in
 *         rt/barrier.h, preemption off here.
 * [bar.3] Insertion half: where the storing goroutine's stack was not scanned (modes hybrid and
 *         insertion only: in the default mode no such goroutine runs [roots.1]), the stored
 *         reference is greyed as well.
 *
 * A wild slot must fault as the program's, not with preemption off: it is touched before (section
 * .text.user_fault).
 * LOCKING. The cpu's grey set (rank GC_LOCAL); other locks of lower rank may be held.
 * REJECTED. A preempt count around every store: 5.6 ns against 0.4. A card table: a pointer store
 * would still need its own cpu's attention, and cards must be scanned.
 * SOURCES. Yuasa, "Real-time garbage collection on general-purpose machines", 1990. Go proposal
 * 17503.
 */
#include <gc/barrier.h>
#include <gc/barriercheck.h>
#include <gc/cycle.h>
#include <gc/mark.h>
#include <lib/string.h>

#define CHUNK_WORDS 64u

uint8_t rt_wb_on;

/* Would greying change anything? Filters what is no object, and what is black already. */
static inline bool is_white(uintptr_t a)
{
    uint32_t slot;
    const struct gc_span *span = gc_slot_at(a, &slot);
    return span != NULL && gc_epochs(span)[slot] == gc_epoch_also;
}

static inline void shade(uintptr_t a)
{
    if (is_white(a))
        gc_grey(a);
}

static inline bool insertion_half(void)
{
    return RT_UNLIKELY(gc_shade_stored) && gc_stack_unscanned();
}

/* Preemption off. */
static inline void before_store(uintptr_t old, uintptr_t value)
{
    if (!(rt_wb_on & RT_WB_MARKING))
        return;
    if (RT_LIKELY(gc_shade_deleted))
        shade(old);
    if (insertion_half())
        shade(value);
}

/* The rare rest of rt_gc_store_slow(), preemption off: something has to be shaded, or checked. */
static RT_NOINLINE USER_FAULT_TEXT void store_shading(volatile uintptr_t *p, uintptr_t value)
{
    if (gc_barrier_check)
        gc_check_enter((const void *)p, 8);
    before_store(*p, value);
    *p = value;
    if (gc_barrier_check)
        gc_check_leave((const void *)p, 8);
    preempt_on();
}

/* Most references that are overwritten while marking are NULL, or to what is marked already:
 * nothing to save then. */
USER_FAULT_TEXT void rt_gc_store_slow(void *slot, void *value)
{
    volatile uintptr_t *p = slot;

    arch_touch_stack();
    (void)*p;
    preempt_off();
    if (RT_UNLIKELY(rt_wb_on != RT_WB_MARKING) || RT_UNLIKELY(is_white(*p))) {
        store_shading(p, (uintptr_t)value);
        return;
    }
    *p = (uintptr_t)value;
    preempt_on();
}

USER_FAULT_TEXT void *rt_gc_swap_slow(void *slot, void *value)
{
    uintptr_t *p = slot;

    arch_touch_stack();
    (void)load_relaxed(p);
    preempt_off();
    if (RT_UNLIKELY(gc_barrier_check))
        gc_check_enter(p, 8);
    uintptr_t old = swap_acq_rel(p, (uintptr_t)value);
    before_store(old, (uintptr_t)value); /* it is in our hands: nobody ends marking meanwhile */
    if (RT_UNLIKELY(gc_barrier_check))
        gc_check_leave(p, 8);
    preempt_on();
    return (void *)old;
}

USER_FAULT_TEXT bool rt_gc_cas_slow(void *slot, void *expected, void *value)
{
    uintptr_t *p = slot;

    arch_touch_stack();
    (void)load_relaxed(p);
    preempt_off();
    if (RT_UNLIKELY(gc_barrier_check))
        gc_check_enter(p, 8);
    bool ok = cas_acq_rel(p, (uintptr_t)expected, (uintptr_t)value);
    if (ok)
        before_store((uintptr_t)expected, (uintptr_t)value);
    if (RT_UNLIKELY(gc_barrier_check))
        gc_check_leave(p, 8);
    preempt_on();
    return ok;
}

void gc_shade(const void *p)
{
    if (!(rt_wb_on & RT_WB_MARKING))
        return;
    arch_touch_stack();
    preempt_off();
    if (rt_wb_on & RT_WB_MARKING)
        shade((uintptr_t)p);
    preempt_on();
}

/* The aligned words inside [p, p + bytes). */
static void shade_words(const void *p, size_t bytes)
{
    const volatile uintptr_t *w = (const volatile uintptr_t *)(((uintptr_t)p + 7) & ~(uintptr_t)7);
    uintptr_t end = ((uintptr_t)p + bytes) & ~(uintptr_t)7;

    for (; (uintptr_t)w < end; w++)
        shade(*w);
}

void gc_shade_range(const void *p, size_t bytes)
{
    arch_touch_stack();
    for (size_t at = 0, n; (rt_wb_on & RT_WB_MARKING) && at < bytes; at += n) {
        n = bytes - at < CHUNK_WORDS * 8 ? bytes - at : CHUNK_WORDS * 8;
        preempt_off();
        if (rt_wb_on & RT_WB_MARKING)
            shade_words((const char *)p + at, n);
        preempt_on();
    }
}

/* ---- Blocks ---- */

/* Move a chunk whose parts may overlap, aligned words as words. */
static RT_ALWAYS_INLINE void move_chunk(char *dst, const char *src, size_t n)
{
    if ((((uintptr_t)dst ^ (uintptr_t)src) & 7) != 0 || ((uintptr_t)dst & 7) != 0 || (n & 7) != 0) {
        (memmove)(dst, src, n); /* nothing aligned alike: no references */
        return;
    }
    volatile uint64_t *d = (volatile uint64_t *)dst;
    const volatile uint64_t *s = (const volatile uint64_t *)src;
    size_t words = n / 8;
    if (dst <= src) {
        for (; words >= 4; words -= 4, d += 4, s += 4) {
            d[0] = s[0];
            d[1] = s[1];
            d[2] = s[2];
            d[3] = s[3];
        }
        for (; words > 0; words--)
            *d++ = *s++;
        return;
    }
    for (; words >= 4; words -= 4) {
        d[words - 1] = s[words - 1];
        d[words - 2] = s[words - 2];
        d[words - 3] = s[words - 3];
        d[words - 4] = s[words - 4];
    }
    for (; words > 0; words--)
        d[words - 1] = s[words - 1];
}

/* One chunk while stores need more than storing. */
static RT_NOINLINE void copy_chunk_shading(char *dst, const char *src, size_t n)
{
    if (gc_barrier_check)
        gc_check_enter(dst, n);
    if (rt_wb_on & RT_WB_MARKING) {
        if (gc_shade_deleted)
            shade_words(dst, n);
        if (insertion_half())
            shade_words(src, n);
    }
    move_chunk(dst, src, n);
    if (gc_barrier_check)
        gc_check_leave(dst, n);
}

/* One chunk: not preemptible between the look and the last store [bar.2]. */
static inline void copy_chunk(char *dst, const char *src, size_t n)
{
    preempt_off();
    if (RT_UNLIKELY(rt_wb_on))
        copy_chunk_shading(dst, src, n);
    else
        move_chunk(dst, src, n);
    preempt_on();
}

static inline void touch(const void *p, size_t bytes)
{
    (void)*(const volatile char *)p;
    (void)*((const volatile char *)p + bytes - 1);
}

USER_FAULT_TEXT void gc_copy_barrier(void *dst, const void *src, size_t bytes)
{
    const size_t step = CHUNK_WORDS * 8;

    if (bytes == 0 || dst == src)
        return;
    arch_touch_stack();
    if ((uintptr_t)dst - (uintptr_t)src >= bytes) { /* upwards: dst is below, or far above */
        for (size_t at = 0, n; at < bytes; at += n) {
            n = bytes - at < step ? bytes - at : step;
            touch((char *)dst + at, n);
            touch((const char *)src + at, n);
            copy_chunk((char *)dst + at, (const char *)src + at, n);
        }
        return;
    }
    for (size_t left = bytes, n; left > 0; left -= n) {
        n = left % step != 0 ? left % step : step;
        touch((char *)dst + left - n, n);
        touch((const char *)src + left - n, n);
        copy_chunk((char *)dst + left - n, (const char *)src + left - n, n);
    }
}

void rt_gc_copy_bytes(void *dst, const void *src, size_t bytes)
{
    gc_copy_barrier(dst, src, bytes);
}

USER_FAULT_TEXT void gc_clear_barrier(void *dst, size_t bytes)
{
    const size_t step = CHUNK_WORDS * 8;

    arch_touch_stack();
    for (size_t at = 0, n; at < bytes; at += n) {
        n = bytes - at < step ? bytes - at : step;
        touch((char *)dst + at, n);
        preempt_off();
        if (RT_UNLIKELY(gc_barrier_check))
            gc_check_enter((char *)dst + at, n);
        if (RT_UNLIKELY(rt_wb_on & RT_WB_MARKING) && gc_shade_deleted)
            shade_words((char *)dst + at, n);
        (memset)((char *)dst + at, 0, n);
        if (RT_UNLIKELY(gc_barrier_check))
            gc_check_leave((char *)dst + at, n);
        preempt_on();
    }
}
