/*
 * tests/sched_stack.c - stacks: how they grow, where they end, and how they are given back.
 */
#include <tests/sched_common.h>

#include <lib/bits.h>
#include <lib/spinlock.h>
#include <mm/page.h>
#include <mm/stack.h>
#include <sched/internal.h>
#include <sched/stw.h>

static struct {
    uint32_t ended; /* [a] */
    uint64_t sum, committed, touched;
    const char *message;
    uint32_t kind;
} result;

/* Uses about `bytes` of stack, in frames of half a kilobyte. */
static RT_NOINLINE uint64_t deep(size_t bytes)
{
    volatile uint64_t frame[60];
    TEST_KEEP_FRAME(frame);

    frame[0] = bytes;
    frame[59] = 1;
    if (bytes > 512)
        frame[59] += deep(bytes - 512);
    return frame[59] + (frame[0] != bytes);
}

static void goes_deep(size_t bytes)
{
    struct goroutine *g = goroutine_current();

    result.sum = deep(bytes);
    result.committed = g->stack_hi - g->stack_committed;
    add_acq_rel(&result.ended, 1);
}

static bool ran(struct test *t, unsigned n)
{
    (void)t;
    return WAIT_UNTIL(load_acquire(&result.ended) >= n, 20);
}

/* A stack grows to what is used, by pages, nearly up to its limit [stackfault.1]. */
TEST(stack, grows_on_demand)
{
    static const size_t sizes[] = {2 << 10, 20 << 10, 100 << 10, 220 << 10};

    for (unsigned i = 0; i < 4; i++) {
        memset(&result, 0, sizeof result);
        go(goes_deep, sizes[i]);
        REQUIRE(t, ran(t, 1));
        EXPECT_EQ(t, result.sum, sizes[i] / 512);
        EXPECT_GE(t, result.committed, sizes[i]);
    }
}

/* A large stack costs what is touched; its page tables are made as it grows [stack.1]. */
TEST_OPTS(stack, sixteen_mib_deep, .need_mib = 60)
{
    memset(&result, 0, sizeof result);
    go_with(((struct rt_go_opts){.stack_bytes = 64 << 20, .name = "deep"}), goes_deep,
            (size_t)(16 << 20));
    REQUIRE(t, ran(t, 1));
    EXPECT_EQ(t, result.sum, (16 << 20) / 512);
    goroutine_release_memory();
}

/* Address space is not memory: a gigabyte of stack that is not used. */
TEST(stack, a_gigabyte_that_is_not_used)
{
    uint64_t before = stack_bytes_in_use();

    memset(&result, 0, sizeof result);
    go_with(((struct rt_go_opts){.stack_bytes = (size_t)1 << 30}), goes_deep, (size_t)1024);
    REQUIRE(t, ran(t, 1));
    EXPECT_LE(t, stack_bytes_in_use(), before + (1u << 20));
}

static struct spinlock test_lock = SPINLOCK_INIT(RANK_TEST);

static void grows_locked(void)
{
    spin_lock(&test_lock);
    result.sum = deep(20 << 10); /* five pages, without leaving */
    spin_unlock(&test_lock);
    add_acq_rel(&result.ended, 1);
}

/* Growth takes pages from the cpu's reserve, so it works with a spin lock held [stackfault.2]. */
TEST(stack, grows_under_a_lock)
{
    for (unsigned i = 1; i <= 20; i++) {
        if (i == 1)
            memset(&result, 0, sizeof result);
        go(grows_locked);
        REQUIRE(t, ran(t, i));
        EXPECT_EQ(t, result.sum, 40);
    }
}

/* Each of 64 ways to stand above a page that is not there yet when a switch begins. */
static RT_NOINLINE void yields_at(size_t bytes)
{
    volatile char *room = __builtin_alloca(bytes);

    room[0] = 1;
    rt_yield();
    park(WAIT_SEMACQUIRE);
    room[bytes - 1] = 1;
}

static struct goroutine *edge[64];

static void stands_at_the_edge(unsigned i)
{
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    size_t to_page = sp & (ARCH_PAGE_BYTES - 1);

    store_release(&edge[i], goroutine_current());
    yields_at(to_page + 4096 - 512 + 16 * i);
    add_acq_rel(&result.ended, 1);
}

/* A switch by a call never faults half way: the stack below is touched before `current` changes. */
TEST(stack, switches_at_a_page_edge)
{
    goroutine_release_memory();
    memset(&result, 0, sizeof result);
    memset(edge, 0, sizeof edge);
    for (unsigned i = 0; i < 64; i++)
        go(stands_at_the_edge, i);
    for (unsigned i = 0; i < 64; i++) {
        REQUIRE(t, WAIT_UNTIL(load_acquire(&edge[i]) != NULL, 10));
        ready(edge[i]);
    }
    EXPECT(t, ran(t, 64));
}

/* ---- The end of a stack ---- */

static RT_NOINLINE uint64_t endless(uint64_t n)
{
    volatile uint64_t frame[20];
    TEST_KEEP_FRAME(frame);

    frame[0] = n;
    if (n == UINT64_MAX)
        return 0;
    frame[1] = endless(n + 1);
    return frame[1] + frame[0];
}

static void overflows(void)
{
    struct rt_panic *e = rt_catch_panic(endless, (uint64_t)0);

    result.kind = e != NULL ? e->kind : 1000;
    add_acq_rel(&result.ended, 1);
}

TEST(stack, endless_recursion_is_a_panic)
{
    for (unsigned i = 1; i <= 3; i++) {
        if (i == 1)
            memset(&result, 0, sizeof result);
        go(overflows);
        REQUIRE(t, ran(t, i));
        EXPECT_EQ(t, result.kind, RT_PANIC_STACK_OVERFLOW);
    }
    goroutine_release_memory();
}

static RT_NOINLINE uint64_t big_frame(void)
{
    volatile char frame[1 << 20];
    TEST_KEEP_FRAME(frame);

    frame[0] = 1; /* its lowest byte is far below the guard page, in somebody else's stack */
    return (uint64_t)frame[0] + goroutine_current()->id;
}

static void jumps(void)
{
    struct rt_panic *e = rt_catch_panic(big_frame);

    result.kind = e != NULL ? e->kind : 1000;
    add_acq_rel(&result.ended, 1);
}

/* A frame of 1 MiB on a stack of 256 KiB cannot jump over the guard: each page of it is touched on
 * the way down. */
TEST(stack, a_big_frame_cannot_jump_the_guard)
{
    memset(&result, 0, sizeof result);
    go(jumps);
    REQUIRE(t, ran(t, 1));
    EXPECT_EQ(t, result.kind, RT_PANIC_STACK_OVERFLOW);
}

/* ---- Giving back ---- */

/* Deep stacks of ended goroutines give all but a page back, and can be used again [stack.3]
 * [goroutine.3]. */
TEST_OPTS(stack, pages_are_given_back, .need_mib = 60)
{
    goroutine_release_memory();
    uint64_t before = stack_bytes_in_use();

    for (unsigned round = 0; round < 3; round++) {
        memset(&result, 0, sizeof result);
        for (unsigned i = 0; i < 64; i++)
            go(goes_deep, (size_t)(128 << 10));
        REQUIRE(t, ran(t, 64));
        rt_sleep(2000000);
        goroutine_release_memory();
    }
    uint64_t most = before + 64 * 3 * ARCH_PAGE_BYTES + (256u << 10);
    EXPECT(t,
           WAIT_UNTIL(stack_bytes_in_use() <= most, 5)); /* the reaper may have had some of them */
}

/* Who calls the reaper while it waits, for a stop or a collection, does not end that wait [goroutine.4]. */
TEST(stack, reaper_is_called_while_it_collects)
{
    for (unsigned i = 0; i < 300; i++) {
        goroutine_find_memory();
        for (unsigned k = rng_below(&t->rng, 4); k > 0; k--)
            rt_yield();
        if (i % 8 == 0)
            rt_gc();
    }
}

static void waits(void)
{
    add_acq_rel(&result.ended, 1);
    park(WAIT_SEMACQUIRE);
    add_acq_rel(&result.touched, 1);
}

/* ... once what earlier tests left has been given back. */
static int64_t free_pages_at_last(void)
{
    int64_t n = test_free_pages(), now;

    for (unsigned still = 0, tries = 0; still < 5 && tries < 200; tries++) {
        rt_sleep(5000000);
        now = test_free_pages();
        still = now == n ? still + 1 : 0;
        n = now;
    }
    return n;
}

/* A parked goroutine costs one page of stack and its part of page tables: at most 4.7 KB in all. */
TEST_OPTS(stack, cost_of_a_parked_goroutine, .need_mib = 60)
{
    const unsigned n = 4000;

    memset(&result, 0, sizeof result);
    rt_gc();
    int64_t before = free_pages_at_last();
    for (unsigned i = 0; i < n; i++)
        go(waits);
    REQUIRE(t, ran(t, n));
    int64_t each = (before - test_free_pages()) * (int64_t)PAGE_BYTES / n;
    for (struct goroutine *g = goroutine_all(); g != NULL; g = g->all_next)
        if (g->entry_pc == (uintptr_t)waits && g->state != G_DEAD)
            ready_last(g);
    EXPECT(t, WAIT_UNTIL(load_acquire(&result.touched) == n, 20));
    test_note(t, "%ld bytes each", (long)each);
    EXPECT_LE(t, each, 4700);
}
