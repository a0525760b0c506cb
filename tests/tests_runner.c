/*
 * tests/tests_runner.c - the harness itself: each way in which a case may end.
 *
 * A case that fails can't be a passing test, so those ways are TEST_DIES cases: alone in a boot,
 * they must be reported as failed, by name, with status 1.
 */
#include <tests/test.h>

#include <rt/rt.h>
#include <sched/goroutine.h>

/* The same seed and name give the same numbers [test.2]; a shuffle loses nothing. */
TEST(runner, randomness_is_the_case_s_own)
{
    struct rng again = rng_split(t->seed, 0);
    unsigned numbers[64], sum = 0;

    EXPECT_EQ(t, rng_next(&t->rng), rng_next(&again));
    for (unsigned i = 0; i < 64; i++)
        numbers[i] = i;
    test_shuffle(t, numbers, 64, sizeof numbers[0]);
    unsigned moved = 0;
    for (unsigned i = 0; i < 64; i++) {
        sum += numbers[i];
        moved += numbers[i] != i;
    }
    EXPECT_EQ(t, sum, 64 * 63 / 2);
    EXPECT_GE(t, moved, 32);
}

TEST(runner, a_case_may_skip_itself)
{
    test_skip(t, "this is the test");
}

TEST_DIES(
    runner, a_failed_check_is_reported, 1,
    "^# runner.a_failed_check_is_reported: tests/tests_runner.c:[0-9]+: expected t->failures == 5: "
    "0 and 5 "
    ".0, 0x5.$\n"
    "^# runner.a_failed_check_is_reported: tests/tests_runner.c:[0-9]+: expected \"a\" to be "
    "\"b\", not \"a\"$\n"
    "^# runner.a_failed_check_is_reported: tests/tests_runner.c:[0-9]+: required: t == NULL$\n"
    "^# runner.a_failed_check_is_reported: returned, but it should have ended the run$\n"
    "^# runner.a_failed_check_is_reported: 4 failed checks; seed=[0-9]+ repeats it$\n"
    "^not ok 1 runner.a_failed_check_is_reported # [0-9]+\\.[0-9]+ ms$\n"
    "^0 passed, 1 failed$")
{
    EXPECT_EQ(t, t->failures, 5);
    EXPECT_STR(t, "a", "b");
    EXPECT_STR(t, "a", "a");
    REQUIRE(t, t == NULL);
    EXPECT(t, false); /* not reached */
}

TEST_DIES(runner, many_failures_are_cut_short, 1,
          "^# runner.many_failures_are_cut_short: .*expected: i < 0$\n"
          "^# runner.many_failures_are_cut_short: further failures are only counted$\n"
          "^# runner.many_failures_are_cut_short: 1001 failed checks;")
{
    for (int i = 0; i < 1000; i++)
        EXPECT(t, i < 0);
}

TEST_OPTS(runner, a_hanging_case_is_named, .timeout_s = 1, .dies_status = 1,
          .dies_says = "^# runner.a_hanging_case_is_named: no end after 1 s; the run stops here$\n"
                       "^not ok 1 runner.a_hanging_case_is_named # TIMEOUT$")
{
    for (;;)
        park(WAIT_WAITGROUP_WAIT);
}
