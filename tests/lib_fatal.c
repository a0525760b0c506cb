/*
 * tests/lib_fatal.c - the last report: every way into it ends in one, with what a reader needs, and
 * status 2.
 */
#include <tests/sched_common.h>

#include <lib/assert.h>
#include <lib/trace.h>

TEST_DIES(fatal, fatal, 2,
          "^fatal error: test: 42 and text\n"
          "^cpu [0-9]+:\n"
          "test_fatal_fatal\\+0x[0-9a-f]+\n"
          "tests/lib_fatal.c:[0-9]+\n"
          "^cpu 0:\n"
          "goroutine [0-9]+ test was running on cpu [0-9]+")
{
    fatal("test: %d and %s", 42, "text");
    (void)t;
}

TEST_DIES(fatal, assert_says_where, 2,
          "^fatal error: assertion failed: t == NULL \\(tests/lib_fatal.c:[0-9]+\\)")
{
    ASSERT(t == NULL);
}

/* The newest events of the ring come with the report. */
TEST_DIES(fatal, trace_ring, 2, "^fatal error: test\n    -[0-9]+ cycles: user 0x1234 0x5678")
{
    trace(TRACE_USER, 0x1234, 0x5678);
    fatal("test");
    (void)t;
}

/* A fault of the runtime: registers first. */
TEST_DIES(fatal, fault_in_a_runtime_section, 2,
          "^fatal error: unexpected page fault: write of 0x123450 \\(not mapped\\)\n"
          "^rax [0-9a-f]{16}\n"
          "^rip [0-9a-f]{16}.* cr2 0000000000123450\n"
          "test_fatal_fault_in_a_runtime_section")
{
    preempt_off();
    *(volatile int *)0x123450 = 1;
    (void)t;
}

/* Text that can't be written down: the report itself faults, and one short line is all. */
TEST_DIES(fatal, fault_inside_the_report, 2, "^fatal error: and a fault inside this report")
{
    preempt_off();
    fatal("%s", (const char *)0x123450);
    (void)t;
}

/* The report names what the other cpus did; they stand still. */
static void spins(void)
{
    for (;;)
        __asm__ volatile("");
}

TEST_DIES(fatal, other_cpus_are_listed, 2,
          "^fatal error: test\n"
          "^cpu [0-9]+: (wrote this report|[a-z_]+\\+0x)")
{
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        go(spins);
    rt_sleep(50000000);
    fatal("test");
    (void)t;
}

static uint32_t both;

static void dies_too(void)
{
    preempt_off();
    add_acq_rel(&both, 1);
    while (load_acquire(&both) != 2)
        arch_cpu_relax();
    fatal("one of two");
}

/* Two cpus at once: one report [fatal.1]. */
TEST_DIES(fatal, two_at_once, 2, "^fatal error: one of two\n^cpu [0-9]+: wrote this report")
{
    if (arch_cpu_count() == 1)
        store_release(&both, 1);
    else
        go(dies_too);
    dies_too();
    (void)t;
}

TEST_DIES(fatal, smashed_stack, 2,
          "^fatal error: stack smashed: the canary of the caller of 0x[0-9a-f]+ is gone")
{
    extern uintptr_t __stack_chk_guard;
    volatile char room[32]; /* so that this function has a canary at all */

    room[0] = 0;
    fatal_print_pc((uintptr_t)&test_fatal_smashed_stack, false);
    volatile uintptr_t *at = (volatile uintptr_t *)(uintptr_t)room;
    for (unsigned i = 0; i < 16; i++)
        if (at[i] == __stack_chk_guard) {
            at[i] = 0;
            return;
        }
    (void)t;
}
