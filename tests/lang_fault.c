/*
 * tests/lang_fault.c - faults of a program as panics; panics in goroutines; rt_goexit().
 */
#include <tests/events.h>
#include <tests/test.h>
#include <lib/atomic.h>
#include <rt/goroutine.h>
#include <rt/panic.h>
#include <rt/sync.h>
#include <sched/goroutine.h>

/* ---- Faults ---- */

struct thing {
    int first;
    int values[400];
    int far[2000];
};

static struct thing *volatile nothing;
static volatile int zero, sink, minus_one = -1, least = (-2147483647 - 1);

static void read_null(void)
{
    sink = nothing->first;
}
static void write_field(void)
{
    nothing->values[10] = 1;
}
static void divide(void)
{
    sink = 7 / zero;
}
static void divide_least(void)
{
    sink = least / minus_one;
}
static void remainder_zero(void)
{
    sink = 7 % zero;
}
static void wild(void)
{
    sink = *(volatile int *)0xffffc12345678000;
}
static void low(void)
{
    sink = *(volatile int *)0x7000000;
}
static void non_canonical(void)
{
    sink = *(volatile int *)0x1234567800000000;
}
static void call_null(void)
{
    void (*volatile fn)(void) = NULL;
    fn();
}
static void call_data(void)
{
    static int data[4];
    void (*volatile fn)(void) = (void (*)(void))(uintptr_t)data;
    fn();
}
static void undefined(void)
{
    __asm__ volatile("ud2");
}
static void write_text(void)
{
    *(volatile char *)(uintptr_t)undefined = 0;
}
static void copy_from_null(void)
{
    char buf[64];
    memcpy(buf, (const char *)nothing, sizeof buf);
    sink = buf[0];
}
static int deeper(volatile int *above)
{
    volatile int here[64];
    here[0] = *above + 1;
    if (here[0] == -1)
        return 0;
    return deeper(here) + here[0];
}
static void overflow(void)
{
    volatile int n = 0;
    sink = deeper(&n);
}

static const struct {
    void (*fn)(void);
    enum rt_panic_kind kind;
    uintptr_t address;
    const char *message;
} faults[] = {
#define NIL "runtime error: invalid memory address or nil pointer dereference"
    {read_null, RT_PANIC_NIL_DEREF, 0, NIL},
    {write_field, RT_PANIC_NIL_DEREF, 44, NIL},
    {divide, RT_PANIC_DIVIDE, 0, "runtime error: integer divide by zero"},
    {divide_least, RT_PANIC_DIVIDE, 0, "runtime error: integer divide by zero"},
    {remainder_zero, RT_PANIC_DIVIDE, 0, "runtime error: integer divide by zero"},
    {wild, RT_PANIC_FAULT, 0xffffc12345678000, NIL},
    {low, RT_PANIC_FAULT, 0x7000000, NIL},
    {non_canonical, RT_PANIC_FAULT, UINTPTR_MAX, NIL},
    {call_null, RT_PANIC_NIL_DEREF, 0, NIL},
    {call_data, RT_PANIC_FAULT, 1, NIL},
    {undefined, RT_PANIC_ILLEGAL, 0, "runtime error: illegal instruction"},
    {write_text, RT_PANIC_FAULT, 1, NIL},
    {copy_from_null, RT_PANIC_NIL_DEREF, 1, NIL},
    {overflow, RT_PANIC_STACK_OVERFLOW, 1, "runtime error: stack overflow"},
};
#define N_FAULTS (sizeof faults / sizeof *faults)

static unsigned cleanups;

static void cleanup(void)
{
    cleanups++;
}

static void with_cleanup(void (*fn)(void))
{
    defers;
    defer(cleanup);
    fn();
}

static void check_fault(struct test *t, unsigned i)
{
    unsigned before = cleanups;
    struct rt_panic *e = catch_panic(with_cleanup, faults[i].fn);

    REQUIRE(t, e != NULL);
    EXPECT_EQ(t, e->kind, faults[i].kind);
    EXPECT_STR(t, e->message, faults[i].message);
    EXPECT(t, e->is_runtime_error);
    if (faults[i].address != 1)
        EXPECT_EQ(t, e->fault_address, faults[i].address);
    EXPECT(t, e->pc != 0);
    EXPECT_EQ(t, cleanups, before + 1);
}

/* Each kind of fault, again and again: recovered with kind, address and text, deferred
 * calls run. */
TEST(fault, becomes_a_panic)
{
    for (int round = 0; round < 100; round++)
        for (unsigned i = 0; i < N_FAULTS; i++)
            check_fault(t, i);
    EXPECT_EQ(t, preempt_depth(), 0);
}

static void fault_while_panicking(void)
{
    read_null();
}

static void recover_kind(enum rt_panic_kind *kind)
{
    struct rt_panic *e = recover();
    *kind = e->kind;
}

static void fault_in_deferred(enum rt_panic_kind *kind)
{
    defers;
    defer(recover_kind, kind);
    defer(fault_while_panicking);
    divide();
}

static void panic_at_the_end_of_the_stack(volatile int *above)
{
    volatile char room[512];
    room[0] = (char)*above;
    struct goroutine *g = goroutine_current();
    if ((uintptr_t)room - g->stack_lo < 16384)
        panic("nearly full");
    if (*above == -1)
        return;
    volatile int here = *above + 1;
    panic_at_the_end_of_the_stack(&here);
    sink = room[0];
}

/* A fault in a deferred call replaces the panic; a panic on a nearly full stack needs no
 * reserve. */
TEST(fault, in_odd_places)
{
    enum rt_panic_kind kind = RT_PANIC_USER;
    volatile int n = 0;

    fault_in_deferred(&kind);
    EXPECT_EQ(t, kind, RT_PANIC_NIL_DEREF);
    struct rt_panic *e = catch_panic(panic_at_the_end_of_the_stack, &n);
    REQUIRE(t, e != NULL);
    EXPECT_STR(t, e->message, "nearly full");
}

/* ---- Goroutines ---- */

static uint32_t failures;

static RT_NOINLINE uint64_t work(uint64_t x)
{
    for (int i = 0; i < 300; i++)
        x = x * UINT64_C(6364136223846793005) + 1;
    return x;
}

static void swallow(uint32_t *n)
{
    if (recover() != NULL)
        ++*n;
}

static RT_NOINLINE int step(unsigned how, uint32_t *recovered, uint64_t *x)
{
    defers;
    defer(swallow, recovered);
    *x = work(*x);
    if (how % 3 == 0)
        panic("%u", how);
    if (how % 3 == 1)
        read_null();
    *x = work(*x);
    return 1;
}

static void storm(unsigned seed, struct rt_waitgroup *wg)
{
    defers;
    defer(rt_wg_done, wg);
    uint32_t recovered = 0, want = 0;
    uint64_t x = seed, same = seed;

    for (unsigned i = 0; i < 300; i++) {
        int result = step(seed + i, &recovered, &x);
        same = work(same);
        if ((seed + i) % 3 == 2)
            same = work(same);
        else
            want++;
        if (result != ((seed + i) % 3 == 2) || x != same || recovered != want)
            add_relaxed(&failures, 1);
        if (i % 16 == 0)
            rt_yield();
    }
}

/* Panics and faults in 64 goroutines on all cores, between preemptions. */
TEST_OPTS(panic, in_many_goroutines, .need_mib = 16)
{
    struct rt_waitgroup wg = {0};

    failures = 0;
    for (unsigned i = 0; i < 64; i++) {
        rt_wg_add(&wg, 1);
        go(storm, i, &wg);
    }
    rt_wg_wait(&wg);
    EXPECT_EQ(t, failures, 0);
}

/* ---- rt_goexit() ---- */

static void must_not_recover(void)
{
    if (recover() != NULL)
        note('!');
}

static void exits(int unused)
{
    (void)unused;
    note('x');
    rt_goexit();
}

static void exiting_frames(void)
{
    defers;
    defer(note, '2');
    defer(must_not_recover);
    if (catch_panic(exits, 0) == NULL)
        note('!'); /* never comes back */
    note('!');
}

static void panics(void)
{
    note('p');
    panic("in goexit");
}

static void recovers(void)
{
    if (recover() != NULL)
        note('r');
}

static void panic_while_exiting(void)
{
    defers;
    defer(note, '3');
    defer(recovers);
    defer(panics);
    exits(0);
}

static void exit_while_panicking(void)
{
    defers;
    defer(note, '4');
    defer(must_not_recover);
    defer(exits, 0);
    panic("overtaken by goexit");
}

static void caught_while_exiting(void)
{
    defers;
    defer(note, '5');
    if (catch_panic(panic_while_exiting) != NULL)
        note('!');
    note('!');
}

static void run_and_tell(void (*fn)(void), struct rt_waitgroup *wg)
{
    defers;
    defer(rt_wg_done, wg);
    defer(note, '1');
    fn();
    note('!');
}

/* Deferred calls run, also those of catch_panic()'s callers; nothing recovers it; a panic on the
 * way that is recovered does not stop it [panic.2]; it overtakes a panic. */
TEST(goexit, runs_deferred_calls_and_is_not_recovered)
{
    static const struct {
        void (*fn)(void);
        const char *events;
    } cases[] = {{exiting_frames, "x21"},
                 {panic_while_exiting, "xpr31"},
                 {exit_while_panicking, "x41"},
                 {caught_while_exiting, "xpr351"}};

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rt_waitgroup wg = {0};
        reset();
        rt_wg_add(&wg, 1);
        go(run_and_tell, cases[i].fn, &wg);
        rt_wg_wait(&wg);
        EXPECT_STR(t, events, cases[i].events);
    }
}

/* ---- What must end the run ---- */

TEST_DIES(fault, in_runtime_section, 2, "^fatal error: unexpected page fault: read of 0")
{
    (void)t;
    preempt_off();
    read_null();
    preempt_on();
}

TEST_DIES(fault, with_interrupts_off, 2, "^fatal error: unexpected page fault: read of 0")
{
    (void)t;
    arch_irq_off();
    read_null();
}

TEST_DIES(panic, with_preemption_off, 2,
          "^fatal error: panic: in a section: in code of the runtime that must not panic")
{
    (void)t;
    preempt_off();
    panic("in a section");
}

static void overflow_again(void)
{
    if (recover() != NULL)
        overflow();
}

static void overflow_on_the_reserve(void)
{
    defers;
    defer(overflow_again);
    overflow();
}

TEST_DIES(fault, overflow_while_handling_one, 2,
          "^fatal error: stack overflow\n^goroutine [0-9]+ .*running\\]:")
{
    (void)t;
    overflow_on_the_reserve();
}

static void broken_frames(void)
{
    *(volatile uintptr_t *)__builtin_frame_address(0) = 0x4141414141414141;
    panic("frames are broken");
}

TEST_DIES(panic, trace_of_a_broken_stack, 2, "^panic: frames are broken\n^main.broken_frames")
{
    (void)t;
    broken_frames();
}

static void panic_soon(int i)
{
    panic("one of many: %d", i);
}

TEST_DIES(panic, on_all_cores_at_once, 2,
          "^panic: one of many: [0-9]+$\n^goroutine [0-9]+ \\[running\\]:")
{
    (void)t;
    for (int i = 0; i < 50; i++)
        go(panic_soon, i);
    for (;;)
        rt_yield();
}
