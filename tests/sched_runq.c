/*
 * tests/sched_runq.c - run queues, with the world stopped: nobody else looks at them, and the
 * goroutines are mere blocks.
 */
#include <tests/sched_common.h>

#include <sched/runq.h>
#include <sched/stw.h>

#define N_BLOCKS (RUNQ_SIZE + 44u)

static struct goroutine blocks[N_BLOCKS];
static struct goroutine *kept; /* what was in this cpu's queues before, chained */

static void keep(struct goroutine *g)
{
    g->queue_next = kept;
    kept = g;
}

/* The world stops, and this cpu's queues are empty. */
static void begin(void)
{
    struct goroutine *g;

    stw_begin(STW_TEST);
    kept = NULL;
    while ((g = runq_get()) != NULL)
        keep(g);
    if ((g = swap_acq_rel(&this_cpu_ptr(runq)->next, NULL)) != NULL)
        keep(g);
    while (globq_length() != 0) {
        if ((g = globq_get()) != NULL)
            keep(g);
        while ((g = runq_get()) != NULL)
            keep(g);
    }
}

static void end(void)
{
    while (kept != NULL) {
        struct goroutine *g = kept;
        kept = g->queue_next;
        globq_put(g);
    }
    stw_end();
}

/* First in, first out, over the ring's end and again [runq.2]. */
TEST(runq, the_ring_keeps_order)
{
    unsigned wrong = 0;

    begin();
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < RUNQ_SIZE - 56; i++)
            runq_put_in(this_cpu_ptr(runq), &blocks[i]);
        wrong += runq_length(this_cpu_ptr(runq)) != RUNQ_SIZE - 56;
        for (unsigned i = 0; i < RUNQ_SIZE - 56; i++)
            wrong += runq_get() != &blocks[i];
        wrong += runq_get() != NULL || !runq_empty(this_cpu_ptr(runq));
    }
    end();
    EXPECT_EQ(t, wrong, 0);
}

/* A full ring gives its older half to the global queue; nothing is lost, nothing comes twice
 * [runq.1]. */
TEST(runq, overflow_goes_to_the_global_queue)
{
    unsigned global, ring, wrong = 0;
    static uint8_t seen[N_BLOCKS];
    struct goroutine *g;

    memset(seen, 0, sizeof seen);
    begin();
    for (unsigned i = 0; i <= RUNQ_SIZE; i++)
        runq_put_in(this_cpu_ptr(runq), &blocks[i]);
    global = globq_length();
    ring = runq_length(this_cpu_ptr(runq));
    unsigned expect = RUNQ_SIZE / 2;
    while ((g = runq_get()) != NULL) { /* the younger half, in order */
        wrong += g != &blocks[expect++];
        seen[g - blocks]++;
    }
    expect = 0;
    while (globq_length() != 0) { /* the older half, and behind it who found no room */
        if ((g = globq_get()) == NULL)
            continue;
        do {
            wrong += g != &blocks[expect == RUNQ_SIZE / 2 ? RUNQ_SIZE : expect];
            seen[g - blocks]++;
            expect++;
        } while ((g = runq_get()) != NULL);
    }
    end();
    EXPECT_EQ(t, global, RUNQ_SIZE / 2 + 1);
    EXPECT_EQ(t, ring, RUNQ_SIZE / 2);
    for (unsigned i = 0; i <= RUNQ_SIZE; i++)
        wrong += seen[i] != 1;
    EXPECT_EQ(t, wrong, 0);
}

/* A thief takes the older half, rounded up, runs the youngest of it first; then `next`, if it may
 * [runq.3]. */
TEST_OPTS(runq, a_thief_takes_the_older_half, .need_cpus = 2)
{
    unsigned wrong = 0, n_ours = 0, n_left = 0;
    struct goroutine *got, *next;

    begin();
    unsigned victim = arch_cpu_id() == 0 ? 1 : 0;
    struct runq *q = cpu_ptr(victim, runq);
    uint32_t head = q->head, tail = q->tail;
    struct goroutine *old_next = q->next;
    static struct goroutine *old_ring[RUNQ_SIZE];

    memcpy(old_ring, q->ring, sizeof old_ring);
    q->head = UINT32_MAX - 2; /* over the wrap of the index, too */
    for (unsigned i = 0; i < 7; i++)
        q->ring[(q->head + i) % RUNQ_SIZE] = &blocks[i];
    q->tail = q->head + 7;
    q->next = &blocks[7];
    got = runq_steal(victim, false);
    n_ours = runq_length(this_cpu_ptr(runq));
    for (unsigned i = 0; i < 3; i++)
        wrong += runq_get() != &blocks[i];
    n_left = runq_length(q);
    q->head = q->tail; /* empty but for next */
    wrong += runq_steal(victim, false) != NULL;
    next = runq_steal(victim, true);
    wrong += runq_steal(victim, true) != NULL;
    q->head = head;
    q->tail = tail;
    q->next = old_next;
    memcpy(q->ring, old_ring, sizeof old_ring);
    end();
    EXPECT(t, got == &blocks[3]);
    EXPECT_EQ(t, n_ours, 3);
    EXPECT_EQ(t, n_left, 4);
    EXPECT(t, next == &blocks[7]);
    EXPECT_EQ(t, wrong, 0);
}

/* The global queue is first in, first out, and gives a share for each cpu. */
TEST(runq, the_global_queue_keeps_order)
{
    unsigned wrong = 0, at = 0, n = 100;

    begin();
    for (unsigned i = 0; i < n; i++)
        globq_put(&blocks[i]);
    while (globq_length() != 0) {
        unsigned before = globq_length();
        struct goroutine *g = globq_get();
        wrong += g != &blocks[at++];
        wrong += before - globq_length() !=
                 (before / arch_cpu_count() + 1 < before ? before / arch_cpu_count() + 1 : before);
        while ((g = runq_get()) != NULL)
            wrong += g != &blocks[at++];
    }
    end();
    EXPECT_EQ(t, wrong, 0);
    EXPECT_EQ(t, at, n);
}
