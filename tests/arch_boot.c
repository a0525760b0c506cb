/*
 * tests/arch_boot.c - what every machine must give after boot: its cores, its memory, a clock,
 * interrupts.
 *
 * The suite `boot` also runs on each machine of the matrix in tools/testrun.c, which says in the
 * environment what should be found (test_smp=, test_mem=); without that the checks of numbers are
 * left out.
 */
#include <tests/test.h>

#include <lib/atomic.h>
#include <lib/string.h>
#include <mm/page.h>
#include <rt/rt.h>

static uint64_t env_number(const char *key, uint64_t unit)
{
    const char *s = rt_getenv(key);
    uint64_t n = 0;

    if (s == NULL || *s == '\0')
        return 0;
    for (; *s >= '0' && *s <= '9'; s++)
        n = n * 10 + (unsigned)(*s - '0');
    return *s == 'G' ? n << 30 : *s == 'M' ? n << 20 : n * unit;
}

TEST(boot, all_cores_are_up)
{
    uint64_t want = env_number("test_smp", 1);

    EXPECT_GE(t, arch_cpu_count(), 1);
    if (want != 0)
        EXPECT_EQ(t, arch_cpu_count(), want);
}

/* All of the RAM but what firmware, image and books take: at most 6 MiB and 2 %. */
TEST(boot, memory_is_found)
{
    uint64_t want = env_number("test_mem", 1);
    struct page_stats stats;

    page_get_stats(&stats);
    uint64_t bytes = stats.total_pages * PAGE_BYTES;
    EXPECT_GE(t, bytes, UINT64_C(1) << 20);
    if (want != 0) {
        EXPECT_LE(t, bytes, want);
        /* What each cpu has of its own, with all checks. */
        uint64_t cpus = (uint64_t)arch_cpu_count() * (64u << 10);
        EXPECT_GE(t, bytes + (6u << 20) + want / 50 + cpus, want);
    }
}

/* Each core runs goroutines, and takes the timer's interrupt: nobody here yields. */
static struct {
    uint32_t seen[ARCH_MAX_CPUS];
    uint32_t n_seen, stop;
} cores;

static void look(void)
{
    while (load_acquire(&cores.stop) == 0) {
        unsigned cpu = arch_cpu_id();
        if (load_relaxed(&cores.seen[cpu]) == 0) {
            store_relaxed(&cores.seen[cpu], 1);
            add_relaxed(&cores.n_seen, 1);
        }
        arch_cpu_relax();
    }
}

TEST(boot, goroutines_run_on_every_core)
{
    unsigned n = arch_cpu_count();
    int64_t end_ns = rt_nanotime() + INT64_C(20000000000);

    memset(&cores, 0, sizeof cores);
    for (unsigned i = 0; i < n; i++)
        go(look);
    while (load_relaxed(&cores.n_seen) < n && rt_nanotime() < end_ns)
        rt_sleep(1000000);
    store_release(&cores.stop, 1);
    EXPECT_GE(t, load_relaxed(&cores.n_seen), n);
}

TEST(boot, the_clock_goes_forward)
{
    int64_t last = rt_nanotime();

    for (int i = 0; i < 10000; i++) {
        int64_t now = rt_nanotime();
        REQUIRE(t, now >= last);
        last = now;
    }
    rt_sleep(5000000);
    EXPECT_GE(t, rt_nanotime() - last, 5000000);
    EXPECT_LE(t, rt_nanotime() - last, INT64_C(5000000000));
}

/* Some machines have no calendar; where there is one it must make sense. */
TEST(boot, the_calendar_makes_sense)
{
    int64_t ns = rt_walltime_ns();

    if (ns == 0)
        test_skip(t, "no calendar clock here");
    EXPECT_GE(t, ns / 1000000000, INT64_C(1700000000));
    EXPECT_LE(t, ns / 1000000000, INT64_C(4000000000));
}

/* Registers may lie far up: each 512 GiB have a table of their own. What the cpu can't address is refused. */
TEST(boot, devices_may_lie_high)
{
    uint64_t top = arch_phys_limit(), page = ARCH_PAGE_BYTES;

    for (uint64_t pa = top - page; pa >= top / 8; pa = pa / 2 / page * page) {
        volatile void *at = arch_device_map(pa, page);
        REQUIRE(t, at != NULL);
        EXPECT_EQ(t, arch_translate((uintptr_t)at), pa);
    }
    if (top < UINT64_C(64) << 40) /* else it is the direct map that ends there */
        EXPECT_EQ(t, (uintptr_t)arch_device_map(top, page), 0);
    EXPECT_EQ(t, (uintptr_t)arch_device_map(UINT64_MAX - page, 2 * page), 0);
}
