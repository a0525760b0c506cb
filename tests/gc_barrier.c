/*
 * tests/gc_barrier.c - the barrier and the allocator, stopped at every instruction.
 *
 * The tests step through gc_set() and gc_new() an instruction at a time. At the k-th one where the
 * goroutine may be stopped the world changes: the handler does itself what a stop would do
 * (rseq_fixup(), and the change), or another core really stops the world there, or the goroutine
 * really leaves its core to another. For every k the result must be one of the two that are right.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/barrier.h>
#include <gc/cycle.h>
#include <gc/mark.h>
#include <lib/knobs.h>
#include <lib/bits.h>
#include <lib/rseq.h>
#include <rt/rt.h>
#include <sched/sched.h>
#include <sched/internal.h>
#include <sched/stw.h>

struct cell {
    gc(struct cell *) next;
    uint64_t id;
};

enum how { AS_IF, BY_A_STOP, BY_LEAVING };

static struct {
    enum how how;
    struct goroutine *g;
    uint32_t step, at; /* the change happens at the at-th step where a stop may come in */
    bool begun, restarted;
    bool asked;   /* [a] the helper is to make the change */
    bool changed; /* [a] */
    bool over;    /* [a] for the helper */
    void (*change)(void);
    struct rt_waitgroup helper;
} stepper;

static void make_change(void)
{
    stepper.change();
    store_release(&stepper.changed, true);
}

static bool on_step(struct arch_frame *frame)
{
    if (goroutine_current() != stepper.g) {
        arch_frame_set_step(frame, false);
        return true;
    }
    if (preempt_depth() != 0 || stepper.begun || stepper.step++ < stepper.at)
        return true;
    stepper.begun = true;
    if (stepper.how == AS_IF) {
        stepper.restarted = rseq_fixup(frame);
        make_change();
        return true;
    }
    store_release(&stepper.asked, true);
    if (stepper.how == BY_LEAVING) {
        sched_preempt_irq(frame); /* the helper is next */
        return true;
    }
    while (!stw_pending())
        arch_cpu_relax();
    for (int64_t ipi = arch_nanotime() + 20000; arch_nanotime() < ipi;)
        arch_cpu_relax(); /* it is pending now, and taken when this handler returns */
    return true;
}

static void helper_main(void)
{
    while (!load_acquire(&stepper.over)) {
        if (!swap_acq_rel(&stepper.asked, false)) {
            if (stepper.how == BY_LEAVING)
                rt_yield();
            continue;
        }
        if (stepper.how == BY_A_STOP)
            stw_begin(STW_TEST);
        make_change();
        if (stepper.how == BY_A_STOP)
            stw_end();
    }
    rt_wg_done(&stepper.helper);
}

static void helper_begin(enum how how)
{
    stepper.how = how;
    stepper.over = false;
    if (how == AS_IF)
        return;
    rt_wg_add(&stepper.helper, 1);
    go(helper_main);
    rt_yield(); /* it is in its loop, and in the queue */
}

static void helper_end(void)
{
    store_release(&stepper.over, true);
    rt_wg_wait(&stepper.helper);
    stepper.how = AS_IF;
}

/* Stepping is over. Was there a k-th step? */
static bool stepper_end(void)
{
    debugtrap_set(NULL);
    while (stepper.begun && !load_acquire(&stepper.changed))
        rt_yield();
    return stepper.begun;
}

static void stepper_begin(uint32_t at, void (*change)(void))
{
    stepper.g = goroutine_current();
    stepper.step = 0;
    stepper.at = at;
    stepper.begun = stepper.changed = stepper.restarted = false;
    stepper.change = change;
    debugtrap_set(on_step);
}

/* ---- gc_set ---- */

static gc_root(struct cell *, slot_owner);
static gc_root(struct cell *, new_value);
static bool stored_before;

static void barrier_goes_on(void)
{
    stored_before = slot_owner.p->next == new_value.p;
    rt_wb_on |= RT_WB_MARKING;
}

/* Entries that the barrier left with this cpu; takes them back. Preemption off, or in a handler. */
static unsigned forget_grey(void)
{
    struct gc_local *l = this_cpu_ptr(gc_local);
    unsigned n = (unsigned)l->chunk->n;
    l->chunk->n = 0;
    return n;
}

static unsigned take_grey(void)
{
    preempt_off();
    unsigned n = forget_grey();
    preempt_on();
    return n;
}

/* The barrier turned on at any instruction: the old value was overwritten before that, or it was
 * greyed [bar.2]. */
static void set_at_every_instruction(struct test *t, enum how how)
{
    struct cell *owner = gc_new(struct cell), *a = gc_new(struct cell), *b = gc_new(struct cell);
    unsigned restarts = 0, greyed = 0, k = 0;

    if (rt_wb_on)
        test_skip(t, "the barrier is on all the time (gcbarriercheck)");
    if (gc_mode_next != GCMODE_DEFAULT)
        test_skip(t, "another barrier (gcmode)");

    rt_gc(); /* so that no cycle comes in between */
    gc_set(slot_owner.p, owner);
    gc_set(new_value.p, b);
    helper_begin(how);
    for (bool reached = true; reached; k++) {
        gc_set(owner->next, a);
        stepper_begin(k, barrier_goes_on);
        arch_step_on();
        gc_set(owner->next, b);
        arch_step_off();
        reached = stepper_end();
        rt_wb_on &= (uint8_t)~RT_WB_MARKING;
        unsigned n = take_grey();
        EXPECT(t, owner->next == b);
        if (reached)
            EXPECT_EQ(t, n, stored_before ? 0 : 1);
        restarts += stepper.restarted;
        greyed += n;
        REQUIRE(t, k < 200);
    }
    helper_end();
    if (how == AS_IF)
        EXPECT_GE(t, restarts, 2); /* at the branch and at the store */
    EXPECT_GE(t, greyed, 2);
    gc_set(slot_owner.p, NULL);
    gc_set(new_value.p, NULL);
}

TEST(gc_barrier, check_and_store_are_one_step_for_a_stop)
{
    set_at_every_instruction(t, AS_IF);
}

/* [stw.2] */
TEST(gc_barrier, check_and_store_are_one_step_for_a_real_stop)
{
    if (rt_gomaxprocs(0) < 2)
        test_skip(t, "needs 2 cores");
    set_at_every_instruction(t, BY_A_STOP);
}

TEST(gc_barrier, check_and_store_are_one_step_for_who_comes_next)
{
    int procs = rt_gomaxprocs(1);
    set_at_every_instruction(t, BY_LEAVING);
    rt_gomaxprocs(procs);
}

/* Marking is on all the time; one cycle ends and the next begins: nothing is grey any more. */
static void cycle_turns(void)
{
    stored_before = slot_owner.p->next == new_value.p;
    (void)forget_grey();
}

static RT_NOINLINE void by_set(struct cell *owner, RT_UNUSED struct cell *a, struct cell *b)
{
    gc_set(owner->next, b);
}
static RT_NOINLINE void by_swap(struct cell *owner, struct cell *a, struct cell *b)
{
    if (gc_swap(owner->next, b) != a)
        gc_set(owner->next, NULL);
}
static RT_NOINLINE void by_cas(struct cell *owner, struct cell *a, struct cell *b)
{
    (void)gc_cas(owner->next, a, b);
}
static RT_NOINLINE void by_copy(struct cell *owner, RT_UNUSED struct cell *a,
                                RT_UNUSED struct cell *b)
{
    gc_copy(&owner->next, &new_value.p, 1);
}

/*
 * The slow paths, with a new cycle at any instruction where they let one in: either all of the store
 * came before it, or all of it, greying included, comes after it [bar.1] [bar.2].
 */
TEST(gc_barrier, slow_paths_are_one_step_for_a_stop)
{
    static void (*const ways[])(struct cell *, struct cell *, struct cell *) = {by_set, by_swap,
                                                                                by_cas, by_copy};
    struct cell *owner = gc_new(struct cell), *a = gc_new(struct cell), *b = gc_new(struct cell);

    if (rt_wb_on)
        test_skip(t, "the barrier is on all the time (gcbarriercheck)");
    if (gc_mode_next != GCMODE_DEFAULT)
        test_skip(t, "another barrier (gcmode)");

    rt_gc(); /* so that no cycle comes in between */
    gc_set(slot_owner.p, owner);
    gc_set(new_value.p, b);
    for (unsigned way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        unsigned before = 0, after = 0, k = 0;
        for (bool reached = true; reached; k++) {
            gc_set(owner->next, a);
            unsigned cpu = arch_cpu_id();
            rt_wb_on |= RT_WB_MARKING;
            stepper_begin(k, cycle_turns);
            arch_step_on();
            ways[way](owner, a, b);
            arch_step_off();
            reached = stepper_end();
            rt_wb_on &= (uint8_t)~RT_WB_MARKING;
            unsigned n = take_grey();
            EXPECT(t, owner->next == b);
            if (arch_cpu_id() == cpu) /* else some of it is there */
                EXPECT_EQ(t, n, reached && stored_before ? 0 : 1);
            before += reached && !stored_before;
            after += reached && stored_before;
            REQUIRE(t, k < 1000);
        }
        EXPECT_GE(t, before, 3);
        EXPECT_GE(t, after, 1);
    }
    gc_set(slot_owner.p, NULL);
    gc_set(new_value.p, NULL);
}

/* ---- gc_new ---- */

static uintptr_t stolen;
static uint32_t new_shape;

/* Another goroutine of this cpu takes a slot of the same shape, and a new cycle begins. */
static void slot_is_taken(void)
{
    struct gc_taken got = gc_take(new_shape);
    stolen = got.slot;
    gc_epoch_birth = 77;
}

static RT_NOINLINE struct cell *make_cell(struct rt_type **type)
{
    struct rt_type *record = RT_TYPE(struct cell);
    *type = record;
    return gc_alloc(record);
}

static uint8_t epoch_of(const void *p)
{
    const struct gc_span *span = gc_span_of((uintptr_t)p);
    return gc_epochs(span)[gc_slot_of(span, (uintptr_t)p)];
}

/* No slot goes to two, and no new object has an old epoch, wherever the cpu changes hands
 * [alloc.2]. */
static void take_at_every_instruction(struct test *t, enum how how)
{
    struct rt_type *type;
    unsigned restarts = 0, k = 0;

    rt_gc();
    (void)make_cell(&type);
    new_shape = type->shape;
    helper_begin(how);
    for (bool reached = true; reached; k++) {
        while (bits_count((*this_cpu_ptr(gc_cache))[new_shape >> GC_CACHE_SHIFT].free) < 3)
            (void)make_cell(&type);
        uint8_t epoch = gc_epoch_birth;
        stolen = 0;
        stepper_begin(k, slot_is_taken);
        arch_step_on();
        struct cell *c = make_cell(&type);
        arch_step_off();
        reached = stepper_end();
        gc_epoch_birth = epoch;
        if (reached) {
            EXPECT(t, (uintptr_t)c != stolen);
            bool before = (uintptr_t)c < stolen; /* slots of one span are handed out upwards */
            if (gc_span_of((uintptr_t)c) ==
                gc_span_of(stolen)) /* else we came to another cpu on the way */
                EXPECT_EQ(t, epoch_of(c), before ? epoch : 77);
            gc_epochs(gc_span_of(
                (uintptr_t)c))[gc_slot_of(gc_span_of((uintptr_t)c), (uintptr_t)c)] = epoch;
            gc_epochs(gc_span_of(stolen))[gc_slot_of(gc_span_of(stolen), stolen)] = epoch;
        }
        restarts += stepper.restarted;
        REQUIRE(t, k < 200);
    }
    helper_end();
    if (how == AS_IF)
        EXPECT_GE(t, restarts, 8);
}

TEST(gc_barrier, taking_a_slot_is_one_step_for_a_stop)
{
    take_at_every_instruction(t, AS_IF);
}

TEST(gc_barrier, taking_a_slot_is_one_step_for_who_comes_next)
{
    int procs = rt_gomaxprocs(1);
    take_at_every_instruction(t, BY_LEAVING);
    rt_gomaxprocs(procs);
}

/* ---- Preemption at every few instructions, while collections run ---- */

static gc_root(struct cell *, shared);
#define ID (UINT64_C(0x1234567) << 32)
static uint32_t steps, damaged, ended;

static bool preempt_often(struct arch_frame *frame)
{
    /* irregular: a period shorter than a range would restart it for ever */
    uint32_t n = __atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED);
    if ((n * 2654435769u >> 16) % 31 == 0)
        sched_preempt_irq(frame);
    return true;
}

static void stepped_player(unsigned n)
{
    struct cell *mine[4] = {0}; /* a slot that went to two has another's id soon */

    arch_step_on();
    for (unsigned i = 0; i < 150; i++) {
        struct cell *c = gc_new(struct cell), *old;
        c->id = ID | n << 16 | i;
        gc_set(c->next, shared.p);
        old = gc_swap(shared.p, c);
        for (unsigned d = 0; old != NULL && d < 3; d++, old = old->next)
            if (old->id >> 32 != ID >> 32)
                __atomic_fetch_add(&damaged, 1, __ATOMIC_RELAXED);
        old = mine[i % 4];
        if (old != NULL && old->id != (ID | n << 16 | (i - 4)))
            __atomic_fetch_add(&damaged, 1, __ATOMIC_RELAXED);
        mine[i % 4] = c;
        if (i % 8 == n % 8)
            gc_set(c->next, NULL);
    }
    arch_step_off();
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
}

TEST_OPTS(gc_barrier, preempted_at_every_few_instructions, .timeout_s = 60)
{
    steps = damaged = ended = 0;
    debugtrap_set(preempt_often);
    for (unsigned i = 0; i < 3; i++)
        go(stepped_player, i);
    while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) != 3)
        rt_gc();
    debugtrap_set(NULL);
    EXPECT_EQ(t, damaged, 0);
    EXPECT_GE(t, steps, 10000);
    gc_set(shared.p, NULL);
}

/* ---- Bulk copies ---- */

/* gc_copy is memmove for every overlap and alignment of words. */
TEST(gc_barrier, copies_overlap_like_memmove)
{
    enum { N = 300 };
    uint64_t a[N], b[N];
    for (unsigned round = 0; round < 300; round++) {
        for (unsigned i = 0; i < N; i++)
            a[i] = b[i] = rng_next(&t->rng) >> 1; /* no addresses of the heap */
        unsigned from = rng_below(&t->rng, N), to = rng_below(&t->rng, N);
        unsigned n = rng_below(&t->rng, N - (from > to ? from : to) + 1);
        (memmove)(&a[to], &a[from], n * 8);
        gc_copy_barrier(&b[to], &b[from], n * 8);
        EXPECT(t, memcmp(a, b, sizeof a) == 0);
    }
}

/* ---- Marking while a span is swept ---- */

static struct {
    struct gc_span span;
    uint8_t epochs[64];
} swept __attribute__((aligned(64)));

static struct {
    struct goroutine *g;
    unsigned step, at;
} marker;

#define SLOT 37

/* A marker makes the slot's object black at the instruction numbered `at`. */
static bool mark_at(struct arch_frame *frame)
{
    if (goroutine_current() != marker.g) { /* [step.1] */
        arch_frame_set_step(frame, false);
        return true;
    }
    if (marker.step++ == marker.at)
        store_relaxed(&swept.epochs[SLOT], 9);
    return true;
}

static RT_NOINLINE uint64_t free_slots(void)
{
    return gc_free_slots_but(&swept.span, 0, 9, 8);
}

/* At whatever instruction of the comparison that happens, the object is not free [heap.7]. */
TEST(gc_barrier, marking_at_every_instruction_of_a_sweep)
{
    unsigned most = 0;

    _Static_assert(offsetof(__typeof__(swept), epochs) == GC_SPAN_HEAD_BYTES, "gc_epochs()");
    swept.span = (struct gc_span){.n_slots = 64};
    marker.g = goroutine_current();
    debugtrap_set(mark_at);
    for (marker.at = 0; marker.at <= most; marker.at++) {
        memset(swept.epochs, 0, sizeof swept.epochs);
        swept.epochs[SLOT] = 8;
        marker.step = 0;
        arch_step_on();
        uint64_t is_free = free_slots();
        arch_step_off();
        EXPECT_EQ(t, is_free, ~(UINT64_C(1) << SLOT));
        if (marker.step > most)
            most = marker.step;
        REQUIRE(t, marker.at < 500);
    }
    debugtrap_set(NULL);
    EXPECT_GE(t, most, 12);
}
