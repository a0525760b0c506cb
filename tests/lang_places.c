/*
 * tests/lang_places.c - the same fault in every place where code of a program, or of the runtime,
 * may run: what docs/defer.md says comes of it there.
 *
 * The cases of the suite `place` end the run, each with a boot of its own. Repeat them by
 * `for i in $(seq 100); do make test T='place.*' SMP=2 || break; done`.
 */
#include <tests/sched_common.h>

#include <lib/bits.h>
#include <mm/stack.h>
#include <sched/stw.h>
#include <sched/timer.h>

static int *volatile nowhere;
static volatile int sink;

static RT_NOINLINE void fault(void)
{
    sink = *nowhere;
}

/* ---- Near the end of what is mapped of the stack ---- */

static uintptr_t stack_end(void)
{
    return goroutine_current()->stack_lo + STACK_GUARD_BYTES + STACK_RESERVE_BYTES;
}

/* Fault with the stack pointer about `at`; comes back with nothing below it touched. */
static RT_NOINLINE void fault_at(uintptr_t at)
{
    if ((uintptr_t)__builtin_frame_address(0) > at + 64)
        fault_at(at);
    else
        fault();
    __asm__ volatile("" ::: "memory"); /* not a tail call */
}

static void faults_at(struct test *t, uintptr_t at, unsigned *overflows)
{
    struct rt_panic *e = catch_panic(fault_at, at);

    REQUIRE(t, e != NULL);
    *overflows += e->kind == RT_PANIC_STACK_OVERFLOW;
    EXPECT(t, e->kind == RT_PANIC_STACK_OVERFLOW || e->kind == RT_PANIC_NIL_DEREF);
}

/* Each goroutine's stack is fresh: the page below is not mapped yet. */
static void on_a_fresh_page(struct test *t, unsigned left, struct rt_waitgroup *wg)
{
    unsigned overflows = 0;

    defers;
    defer(rt_wg_done, wg);
    for (unsigned page = 2; page < 6; page++)
        faults_at(t, align_down(goroutine_current()->stack_committed, 4096) - page * 4096 + left,
                  &overflows);
    EXPECT_EQ(t, overflows, 0);
}

TEST(fault, at_the_edge_of_the_mapped_stack)
{
    for (unsigned left = 0; left < 512; left += 16) {
        struct rt_waitgroup wg = {0};
        rt_wg_add(&wg, 1);
        go(on_a_fresh_page, t, left, &wg);
        rt_wg_wait(&wg);
    }
}

/* With little or nothing left above the reserve, it is either panic, and can be recovered. */
TEST(fault, on_a_nearly_full_stack)
{
    unsigned overflows = 0;

    for (int left = -256; left < 8192; left += left < 1024 ? 16 : 256)
        faults_at(t, stack_end() + (uintptr_t)(intptr_t)left, &overflows);
    EXPECT_GE(t, overflows, 1);
    EXPECT_LE(t, overflows, 70);
}

/* ---- Overflows ---- */

#define DEEPER(bytes)                                                                              \
    static RT_NOINLINE int deeper_##bytes(int n)                                                   \
    {                                                                                              \
        volatile char room[bytes];                                                                 \
        TEST_KEEP_FRAME(room);                                                                     \
        room[0] = (char)n;                                                                         \
        return n == INT32_MAX ? 0 : deeper_##bytes(n + 1) + room[0];                               \
    }
DEEPER(8)
DEEPER(300)
DEEPER(3500)
DEEPER(4000)
DEEPER(9000)
DEEPER(30000)

static int (*const deeper[])(int) = {deeper_8,    deeper_300,  deeper_3500,
                                     deeper_4000, deeper_9000, deeper_30000};

/* From here down in small steps, then over the edge in large ones. */
static RT_NOINLINE void overflow_from(uintptr_t at, int (*fn)(int))
{
    if ((uintptr_t)__builtin_frame_address(0) > at + 64)
        overflow_from(at, fn);
    else
        sink = fn(0);
    __asm__ volatile("" ::: "memory");
}

/* However large the frame is that does not fit, and wherever in a page it begins. */
TEST(fault, overflows_of_frames_of_all_sizes)
{
    for (unsigned i = 0; i < sizeof deeper / sizeof *deeper; i++) {
        for (unsigned left = 0; left < 9000; left += 208) {
            struct rt_panic *e = catch_panic(overflow_from, stack_end() + left, deeper[i]);
            REQUIRE(t, e != NULL);
            EXPECT_EQ(t, e->kind, RT_PANIC_STACK_OVERFLOW);
        }
    }
}

static RT_NOINLINE void panic_from(uintptr_t at)
{
    if ((uintptr_t)__builtin_frame_address(0) > at + 64)
        panic_from(at);
    else if (at != 0)
        panic("at %#lx", (unsigned long)at);
    __asm__ volatile("" ::: "memory");
}

/* A panic that finds no room is an overflow. */
TEST(fault, panics_on_a_nearly_full_stack)
{
    unsigned overflows = 0;

    for (unsigned left = 0; left < 4096; left += 16) {
        struct rt_panic *e = catch_panic(panic_from, stack_end() + left);
        REQUIRE(t, e != NULL);
        EXPECT(t, e->kind == RT_PANIC_STACK_OVERFLOW || e->kind == RT_PANIC_USER);
        overflows += e->kind == RT_PANIC_STACK_OVERFLOW;
    }
    EXPECT_GE(t, overflows, 1);
}

/* ---- Where it is nobody's: each ends the run, with a whole report ---- */

#define NIL_PANIC                                                                                  \
    "^panic: runtime error: invalid memory address or nil pointer dereference\n" SIGNAL
#define SIGNAL                                                                                     \
    "^\\[signal SIGSEGV: segmentation violation code=0x1 addr=0x[0-9a-f] pc=0x[0-9a-f]+\\]\n"
#define GOROUTINE "^goroutine [0-9]+ .*\\[running.*\\]:\n"
#define FAULTED "^main.fault\\(\\.\\.\\.\\)\n^\ttests/lang_places.c:[0-9]+ \\+0x"
#define RUNTIME_FAULT "^fatal error: unexpected page fault: read of 0\n^cpu [0-9]+:\n.*fault\\+0x"

TEST_DIES(place, function, 2, NIL_PANIC GOROUTINE FAULTED "\n^main.test_place_function")
{
    (void)t;
    fault();
}

static void waits_for_ever(void)
{
    rt_chan_recv((chan(int)){NULL});
}

TEST_DIES(place, goroutine, 2,
          NIL_PANIC GOROUTINE FAULTED "\n^created by main.test_place_goroutine in goroutine [0-9]+")
{
    (void)t;
    go(fault);
    waits_for_ever();
}

static void returns_through(void (*fn)(void))
{
    defers;
    defer(fn);
}

TEST_DIES(place, deferred_call, 2, NIL_PANIC GOROUTINE FAULTED "\n^main.returns_through")
{
    (void)t;
    returns_through(fault);
}

static void panics_through(void (*fn)(void))
{
    defers;
    defer(fn);
    panic("first");
}

TEST_DIES(place, deferred_call_in_a_panic, 2,
          "^panic: first\n^\t"
          "panic: runtime error: invalid memory address\n" SIGNAL GOROUTINE FAULTED
          "\n^panic\\(\\.\\.\\.\\)\n^main.panics_through")
{
    (void)t;
    panics_through(fault);
}

static void fault_with_arg(void *arg)
{
    (void)arg;
    fault();
}

static RT_NOINLINE void drop_one(bool finalizer)
{
    int *p = gc_new(int);

    if (finalizer)
        rt_set_finalizer(p, fault_with_arg);
    else
        (void)rt_add_cleanup(p, fault_with_arg, NULL);
}

static void collect_for_ever(void)
{
    for (;;) {
        rt_gc();
        rt_sleep(1000000);
    }
}

TEST_DIES(place, finalizer, 2, NIL_PANIC GOROUTINE FAULTED)
{
    (void)t;
    for (int i = 0; i < 8; i++)
        drop_one(true);
    collect_for_ever();
}

TEST_DIES(place, cleanup, 2, NIL_PANIC GOROUTINE FAULTED)
{
    (void)t;
    for (int i = 0; i < 8; i++)
        drop_one(false);
    collect_for_ever();
}

TEST_DIES(place, timer_function, 2, NIL_PANIC GOROUTINE FAULTED)
{
    struct rt_timer timer = {0};
    (void)t;
    rt_timer_start(&timer, 1000, fault_with_arg, NULL);
    waits_for_ever();
}

TEST_DIES(place, stop_hook, 2, NIL_PANIC GOROUTINE FAULTED)
{
    (void)t;
    rt_gc_on_stop(fault, NULL);
    collect_for_ever();
}

static int compares(const void *a, const void *b)
{
    (void)a, (void)b;
    fault();
    return 0;
}

TEST_DIES(place, called_back_by_the_runtime, 2,
          NIL_PANIC GOROUTINE FAULTED "\n^main.test_place_called")
{
    int v[] = {2, 1};
    (void)t;
    qsort(v, 2, sizeof *v, compares);
}

TEST_DIES(place, nearly_full_stack, 2, NIL_PANIC GOROUTINE FAULTED "\n^main.fault_at")
{
    (void)t;
    fault_at(stack_end() + 64);
}

TEST_DIES(place, bulk_copy, 2, NIL_PANIC GOROUTINE "^main.test_place_bulk_copy")
{
    int here[4];
    (void)t;
    memcpy(here, nowhere, sizeof here);
    sink = here[0];
}

TEST_DIES(place, preemption_off, 2, RUNTIME_FAULT)
{
    (void)t;
    preempt_off();
    fault();
}

TEST_DIES(place, world_stopped, 2, RUNTIME_FAULT)
{
    (void)t;
    stw_begin(STW_TEST);
    fault();
}

static bool handler_faults(struct arch_frame *frame)
{
    (void)frame;
    fault();
    return true;
}

TEST_DIES(place, interrupt_handler, 2, RUNTIME_FAULT)
{
    (void)t;
    debugtrap_set(handler_faults);
    arch_step_on();
}

static void scheduler_faults(struct timer *timer)
{
    (void)timer;
    fault();
}

TEST_DIES(place, scheduler, 2, RUNTIME_FAULT)
{
    static struct timer timer;
    (void)t;
    REQUIRE(t, timer_start(&timer, arch_nanotime(), scheduler_faults));
    waits_for_ever();
}

static int section(int n)
{
    preempt_off();
    return deeper_300(n);
}

/* The stack ends inside a section of the runtime. */
TEST_DIES(place, overflow_in_a_section, 2,
          "^fatal error: stack overflow\n" GOROUTINE "^main.deeper_300")
{
    (void)t;
    overflow_from(stack_end() + 2000, section);
}

/* Panics while a panic is printed: what is printed is bad memory. */
TEST_DIES(place, report_of_a_panic, 2, "^panic: .*\n^fatal error: .*fault.*")
{
    (void)t;
    struct rt_panic *e = catch_panic(fault);
    *(const char **)&e->message = (const char *)8;
    rt_repanic(e);
}
