/*
 * tests/lib_spinlock.c - spin locks: exclusion, and each of the checker's complaints.
 */
/* Locks are misused here on purpose: not for clang's analysis. */
#define RT_NO_LOCK_ANNOTATIONS
#include <tests/sched_common.h>

#include <lib/spinlock.h>

static struct spinlock lock_a = SPINLOCK_INIT(RANK_TEST);
static struct {
    uint64_t a, b; /* guarded by lock_a; equal outside */
    uint32_t ended, torn;
} shared;

static void counts_locked(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        spin_lock(&lock_a);
        shared.a++;
        if (shared.a != shared.b + 1)
            add_relaxed(&shared.torn, 1);
        shared.b++;
        spin_unlock(&lock_a);
    }
    add_acq_rel(&shared.ended, 1);
}

/* Plain increments under the lock are not lost. */
TEST(spinlock, excludes)
{
    unsigned n = 2 * arch_cpu_count(), each = 3000;

    memset(&shared, 0, sizeof shared);
    for (unsigned i = 0; i < n; i++)
        go(counts_locked, each);
    REQUIRE(t, WAIT_UNTIL(load_acquire(&shared.ended) == n, 20));
    EXPECT_EQ(t, shared.a, (uint64_t)n * each);
    EXPECT_EQ(t, shared.torn, 0);
    EXPECT(t, !spin_is_locked(&lock_a));
}

/* A trylock of a taken lock fails and leaves preemption as it was. */
TEST(spinlock, trylock)
{
    preempt_off();
    EXPECT_EQ(t, preempt_depth(), 1);
    EXPECT(t, spin_trylock(&lock_a));
    EXPECT_EQ(t, preempt_depth(), 2);
    EXPECT(t, !spin_trylock(&lock_a));
    EXPECT_EQ(t, preempt_depth(), 2);
    spin_unlock_keep(&lock_a);
    EXPECT_EQ(t, preempt_depth(), 2);
    preempt_on();
    preempt_on();
    EXPECT_EQ(t, preempt_depth(), 0);
}

TEST(spinlock, ranks_have_names)
{
    EXPECT_STR(t, lock_rank_name(RANK_TEST), "TEST");
    EXPECT_STR(t, lock_rank_name(RANK_PAGE), "PAGE");
    EXPECT_STR(t, lock_rank_name(RANK_COUNT), "?");
}

#ifdef RT_DEBUG
static struct spinlock lock_page = SPINLOCK_INIT(RANK_PAGE);
static struct spinlock lock_row[2] = {SPINLOCK_INIT(RANK_TEST), SPINLOCK_INIT(RANK_TEST)};

/* Several of one rank by rising address are what select does. */
TEST(spinlock, rising_addresses_of_one_rank)
{
    spin_lock(&lock_row[0]);
    spin_lock(&lock_row[1]);
    EXPECT_EQ(t, spin_debug_held(), 2);
    spin_unlock(&lock_row[0]);
    spin_unlock(&lock_row[1]);
}

TEST_DIES(spinlock, wrong_rank, 2,
          "^fatal error: lock: wrong order: takes TEST 0x[0-9a-f]+ while it holds PAGE 0x")
{
    spin_lock(&lock_page);
    spin_lock(&lock_a);
    (void)t;
}

TEST_DIES(spinlock, falling_addresses, 2,
          "^fatal error: lock: wrong order: takes TEST 0x[0-9a-f]+ while it holds TEST 0x")
{
    spin_lock(&lock_row[1]);
    spin_lock(&lock_row[0]);
    (void)t;
}

TEST_DIES(spinlock, twice, 2,
          "^fatal error: lock: cpu [0-9]+ takes the TEST lock 0x[0-9a-f]+ twice")
{
    spin_lock(&lock_a);
    spin_lock(&lock_a);
    (void)t;
}

TEST_DIES(
    spinlock, not_held, 2,
    "^fatal error: lock: cpu [0-9]+ releases the TEST lock 0x[0-9a-f]+, which it does not hold")
{
    spin_unlock(&lock_a);
    (void)t;
}

TEST_DIES(spinlock, no_lock_at_all, 2, "^fatal error: lock: 0x[0-9a-f]+ is no lock: rank 255")
{
    static struct spinlock wild;

    memset(&wild, 0xff, sizeof wild);
    spin_lock(&wild);
    (void)t;
}

#define LOCK_HELD "^fatal error: assertion failed: preempt_depth\\(\\) == 1"

TEST_DIES(spinlock, park_with_a_lock_held, 2, LOCK_HELD)
{
    spin_lock(&lock_a);
    park(WAIT_SEMACQUIRE);
    (void)t;
}

TEST_DIES(spinlock, yield_with_a_lock_held, 2, LOCK_HELD)
{
    spin_lock(&lock_a);
    rt_yield();
    (void)t;
}

TEST_DIES(spinlock, exit_with_a_lock_held, 2, LOCK_HELD)
{
    spin_lock(&lock_a);
    goroutine_exit();
    (void)t;
}

/* Parks inline. */
TEST_DIES(spinlock, receive_in_a_section, 2, LOCK_HELD)
{
    chan(int) c = chan_make(int, 0);

    preempt_off();
    chan_recv(c);
    (void)t;
}
#endif
