/*
 * gc/sweep.c - finding the dead: on refill, by idle cpus, and to the end before the next cycle.
 *
 * WHAT. After STW#2 every slot whose epoch byte is not the current one is free; the sweep writes
 * that down (byte 0), counts, and gives spans without any object back. Nothing is done for it in
 * the stop: each shape's lists come in pairs, and the parity of gc_sweep_gen says which of the two
 * holds the swept ones, so raising that number turns every listed span into one that is to be swept
 * [sweep.1].
 *
 * INVARIANTS
 * [sweep.1] On lists of the parity gc_sweep_gen & 1 all spans are swept; the others hold what is
 *           not. The latter are empty before STW#1 [heap.2], so they can become the former.
 * [sweep.2] A span whose specials have not been looked at in this generation is not swept: it waits
 *           on special_waiting, because a finalizer may bring its object back.
 * [sweep.3] A dead byte is set to 0 only by the span's owner, byte by byte or where all 64 are
 *           dead: a marker may be writing the live ones next to it.
 *
 * LOCKING. A shape's lists: its lock (rank SPAN). sweeping counts who is between taking a span off
 * a list and putting it back: gc_sweep_finish() waits for 0.
 * REJECTED. A bitmap of sweep results: the epoch bytes are it. Sweeping when the marker finishes:
 * the time would be in a stop, or the program would wait.
 */
#include <gc/sweep.h>
#include <gc/barriercheck.h>
#include <gc/cycle.h>
#include <gc/special.h>
#include <lib/bits.h>
#include <lib/string.h>

static uint32_t sweeping; /* [a] cpus that hold a span off an unswept list; see gc_sweep_done() */
static uint32_t sweep_cursor;           /* [a] shapes below it have nothing left to sweep */
static struct gc_span *special_waiting; /* under special_lock [sweep.2] */
static struct spinlock special_lock = SPINLOCK_INIT(RANK_SPAN);
static struct gc_span *dying; /* under special_lock: large ones, freed piece by piece */
static uint32_t n_dying;      /* [a] of those, the one being worked at included */

uint32_t gc_sweep_gen;

/* ---- One span ---- */

#define CLOBBER_WORD 0xdeaddeaddeaddeadu

static void clobber(const struct gc_span *span, uint32_t slot)
{
    uint64_t *p = (uint64_t *)gc_slot_address(span, slot);
    size_t words = (span->slot_bytes != 0 ? span->slot_bytes : span->limit - span->base) / 8;
    for (size_t i = 0; i < words; i++)
        p[i] = CLOBBER_WORD;
}

/* What knobs ask for. `dead`: bit i is slot first + i. */
static RT_COLD void disturb(const struct gc_span *span, uint32_t first, uint64_t dead)
{
    for (; dead != 0; dead &= dead - 1) {
        if (gc_clobber_free)
            clobber(span, first + bit_lowest(dead));
        if (gc_barrier_check)
            gc_check_clear(span, first + bit_lowest(dead));
    }
}

static inline void bury(const struct gc_span *span, uint32_t first, uint64_t dead)
{
    uint8_t *epochs = gc_epochs(span) + first;

    if (dead == UINT64_MAX) {
        for (unsigned i = 0; i < 64; i += 8)
            *(uint64_t *)(epochs + i) = 0;
        return;
    }
    for (; dead != 0; dead &= dead - 1)
        epochs[bit_lowest(dead)] = 0;
}

uint32_t gc_sweep_span(struct gc_span *span)
{
    uint32_t n_free = 0, n_dead = 0;
    uint8_t epoch = gc_epoch, also = gc_epoch_also; /* no stop comes in between */
    bool disturbs = gc_clobber_free || gc_barrier_check;

    for (uint32_t first = 0; first < span->n_slots; first += 64) {
        uint64_t free = gc_free_slots_but(span, first, epoch, also);
        if (free == 0)
            continue;
        n_free += gc_count_slots(free);
        uint64_t dead = free & ~arch_bytes_equal64(gc_epochs(span) + first, 0);
        if (dead == 0)
            continue;
        n_dead += gc_count_slots(dead);
        if (RT_UNLIKELY(disturbs))
            disturb(span, first, dead);
        bury(span, first, dead);
    }
    if (n_dead != 0) {
        span->fresh = 0;
        gc_count_freed(n_dead, n_dead * gc_slot_size(span));
    }
    span->swept = (uint8_t)gc_sweep_gen;
    return n_free;
}

/* ---- Lists [sweep.1] ---- */

static unsigned swept_parity(void)
{
    return gc_sweep_gen & 1;
}

static unsigned unswept_parity(void)
{
    return swept_parity() ^ 1;
}

static bool has_unswept(const struct gc_shape *shape)
{
    return load_relaxed(&shape->partial[unswept_parity()]) != NULL ||
           load_relaxed(&shape->full[unswept_parity()]) != NULL;
}

static void push(struct gc_span *span, bool full, unsigned parity)
{
    struct gc_shape *shape = &gc_shapes[span->shape];

    spin_lock(&shape->lock);
    struct gc_span **list = full ? &shape->full[parity] : &shape->partial[parity];
    span->state = GC_SPAN_LISTED;
    span->next = *list;
    *list = span;
    spin_unlock(&shape->lock);
}

void gc_shape_push(struct gc_span *span, bool full)
{
    DEBUG_ASSERT(span->swept == (uint8_t)gc_sweep_gen); /* [sweep.1] */
    push(span, full, swept_parity());
}

void gc_shape_push_unswept(struct gc_span *span)
{
    push(span, true, unswept_parity());
    store_release(&sweep_cursor, 0); /* a sweeper that passed its shape comes back */
}

static struct gc_span *pop_locked(struct gc_span **list)
{
    struct gc_span *span = *list;
    if (span != NULL) {
        *list = span->next;
        span->next = NULL;
    }
    return span;
}

static struct gc_span *pop_unswept_locked(struct gc_shape *shape)
{
    struct gc_span *span = pop_locked(&shape->partial[unswept_parity()]);
    if (span == NULL)
        span = pop_locked(&shape->full[unswept_parity()]);
    if (span != NULL)
        span->state = GC_SPAN_SWEEPING;
    return span;
}

/* May this span be swept? If not, it waits for the specials [sweep.2]. */
static bool specials_settled(struct gc_span *span)
{
    if (load_relaxed(&span->n_specials) == 0 || gc_specials_settled())
        return true;
    spin_lock(&special_lock);
    bool wait = !gc_specials_settled();
    if (wait) {
        span->next = special_waiting;
        special_waiting = span;
        span->state = GC_SPAN_LISTED;
    }
    spin_unlock(&special_lock);
    return !wait;
}

void gc_sweep_release_specials(void)
{
    spin_lock(&special_lock);
    gc_specials_set_settled();
    struct gc_span *span = special_waiting;
    special_waiting = NULL;
    spin_unlock(&special_lock);
    while (span != NULL) {
        struct gc_span *next = span->next;
        gc_shape_push_unswept(span);
        span = next;
    }
}

static void dying_push(struct gc_span *span)
{
    spin_lock(&special_lock);
    span->next = dying;
    dying = span;
    spin_unlock(&special_lock);
}

void gc_sweep_and_file(struct gc_span *span)
{
    if (!specials_settled(span))
        return;
    uint32_t n_free = gc_sweep_span(span);
    if (n_free == span->n_slots && load_relaxed(&span->n_specials) == 0 &&
        gc_epoch == gc_epoch_also) {
        if (!gc_span_free(span)) {
            add_acq_rel(&n_dying, 1);
            dying_push(span);
        }
        return;
    }
    gc_shape_push(span, n_free == 0);
}

/* Free the next piece of a large span. False: there is none, or others have them. */
static bool free_one_piece(void)
{
    if (load_relaxed(&n_dying) == 0)
        return false;
    preempt_off();
    spin_lock(&special_lock);
    struct gc_span *span = dying;
    if (span != NULL)
        dying = span->next;
    spin_unlock(&special_lock);
    if (span != NULL) {
        if (gc_span_free(span))
            sub_acq_rel(&n_dying, 1);
        else
            dying_push(span);
    }
    preempt_on();
    return span != NULL;
}

bool gc_sweep_one(void)
{
    if (free_one_piece())
        return true;
    for (;;) {
        uint32_t i = load_relaxed(&sweep_cursor);
        if (i >= GC_SHAPES)
            return false;
        struct gc_shape *shape = &gc_shapes[i];
        if (!has_unswept(shape)) {
            (void)cas_acq_rel(&sweep_cursor, i, i + 1);
            continue;
        }
        preempt_off();
        add_acq_rel(&sweeping, 1);
        spin_lock(&shape->lock);
        struct gc_span *span = pop_unswept_locked(shape);
        spin_unlock(&shape->lock);
        if (span != NULL)
            gc_sweep_and_file(span);
        sub_acq_rel(&sweeping, 1);
        preempt_on();
        if (span != NULL)
            return true;
    }
}

struct gc_span *gc_shape_take(unsigned number, unsigned budget, bool *more)
{
    struct gc_shape *shape = &gc_shapes[number];
    struct gc_span *span;

    *more = false;
    add_acq_rel(&sweeping, 1);
    for (;;) {
        spin_lock(&shape->lock);
        span = pop_locked(&shape->partial[swept_parity()]);
        if (span != NULL) {
            spin_unlock(&shape->lock);
            break;
        }
        span = pop_unswept_locked(shape);
        if (span != NULL && budget == 0) {
            span->next = shape->full[unswept_parity()];
            shape->full[unswept_parity()] = span;
            span->state = GC_SPAN_LISTED;
            span = NULL;
            *more = true;
        }
        spin_unlock(&shape->lock);
        if (span == NULL)
            break;
        budget--;
        if (!specials_settled(span))
            continue;
        if (gc_sweep_span(span) != 0)
            break;
        gc_shape_push(span, true);
    }
    if (span != NULL)
        span->state = GC_SPAN_CACHED;
    sub_acq_rel(&sweeping, 1);
    return span;
}

bool gc_sweep_done(void)
{
    for (uint32_t i = load_relaxed(&sweep_cursor); i < GC_SHAPES; i++)
        if (has_unswept(&gc_shapes[i]))
            return false;
    return load_acquire(&sweeping) == 0 && load_acquire(&n_dying) == 0; /* in this order */
}

void gc_sweep_finish(void)
{
    while (gc_sweep_one() || !gc_sweep_done())
        arch_cpu_relax();
}

void gc_sweep_begin_stw(void)
{
    gc_sweep_gen++;
    sweep_cursor = 0;
}
