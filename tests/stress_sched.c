/*
 * tests/stress_sched.c - everything that the scheduler does, at once, at random, from one seed;
 * short always, long under `make stress`.
 *
 * Workers yield, sleep, spawn, park and are readied by each other, stop the world, change
 * GOMAXPROCS, start and stop timers, grow their stacks, meet in channels. Some of it runs a single
 * step at a time, with a preemption or a moment's delay between two instructions: so each
 * interleaving of park, ready, yield, switch, send, receive and select is met by and by. At the end the books must balance: nobody lost, nobody
 * twice.
 */
#include <tests/sched_common.h>

#include <lib/spinlock.h>
#include <sched/stw.h>
#include <sched/timer.h>

#define WORKERS 24u

static struct spinlock board_lock = SPINLOCK_INIT(RANK_TEST);
static struct goroutine *board[WORKERS]; /* guarded by board_lock: those who park */
static unsigned n_board;                 /* guarded by board_lock */

static struct {
    uint32_t parks, readies, spawned, born, timers, fired, stopped; /* [a] */
    uint32_t ended, torn, moved, steps;                             /* [a] */
    uint32_t sent, received;                                        /* [a] sums */
    uint32_t in_stop; /* [a] the stopper's flag: nobody else may see it */
    uint64_t step_seed;
} books;

/* ---- Between two instructions ---- */

static bool at_a_step(struct arch_frame *frame)
{
    uint64_t n = add_relaxed(&books.steps, 1);
    uint64_t h = (n + books.step_seed) * RNG_GOLDEN;

    if (h >> 60 == 0)
        sched_preempt_irq(frame); /* may not return */
    else if (h >> 57 == 127)
        for (unsigned i = 0; i < (h & 255); i++)
            arch_cpu_relax();
    if (goroutine_current()->entry_pc == 0)
        arch_frame_set_step(frame, false); /* the runtime's own: they did not ask for it [step.1] */
    return true;
}

/* ---- What a worker does ---- */

static void child(uint32_t depth);

static void op_park(void)
{
    struct goroutine *me = goroutine_current();

    spin_lock(&board_lock);
    board[n_board++] = me;
    spin_unlock(&board_lock);
    add_relaxed(&books.parks, 1);
    park(WAIT_SEMACQUIRE);
}

static bool op_ready(struct rng *r)
{
    struct goroutine *g = NULL;

    spin_lock(&board_lock);
    if (n_board > 0) {
        unsigned i = rng_below(r, n_board);
        g = board[i];
        board[i] = board[--n_board];
    }
    spin_unlock(&board_lock);
    if (g == NULL)
        return false;
    add_relaxed(&books.readies, 1);
    if (rng_below(r, 2) == 0)
        ready(g);
    else
        ready_last(g);
    return true;
}

static void op_stop(struct rng *r)
{
    stw_begin(STW_TEST);
    if (add_acq_rel(&books.in_stop, 1) != 0)
        add_relaxed(&books.torn, 1);
    if (rng_below(r, 4) == 0)
        stw_deschedule(rng_below(r, arch_cpu_count()));
    if (rng_below(r, 4) == 0)
        stw_flush_tlb();
    for (unsigned i = rng_below(r, 300); i > 0; i--)
        arch_cpu_relax();
    add_acq_rel(&books.in_stop, (uint32_t)-1);
    stw_end();
}

static void count_fire(RT_UNUSED struct timer *timer)
{
    add_relaxed(&books.fired, 1);
}

static void op_timer(struct rng *r)
{
    struct timer timer = {.when_ns = 0};

    add_relaxed(&books.timers, 1);
    if (!timer_start(&timer, arch_nanotime() + rng_below(r, 40000), count_fire))
        add_relaxed(&books.torn, 1);
    if (rng_below(r, 2) == 0)
        rt_yield();
    else
        rt_sleep(rng_below(r, 60000));
    if (timer_stop(&timer)) {
        add_relaxed(&books.stopped, 1);
        return;
    }
    rt_sleep(
        1); /* it has left the heap, but its function may still be about to run on another cpu */
}

static RT_NOINLINE unsigned op_stack(unsigned bytes)
{
    volatile char room[700];
    TEST_KEEP_FRAME(room);

    room[0] = (char)bytes;
    return bytes < 700 ? (unsigned)room[0] : op_stack(bytes - 700) + (unsigned)room[0];
}

static void child(uint32_t depth)
{
    add_relaxed(&books.born, 1);
    if (depth % 3 == 0)
        rt_yield();
    if (depth % 16 == 1)
        op_stack(depth % 7 * 9000);
}

/* Sums of what went in and what came out, not caring through which case. */
static void op_chan(struct rng *r, chan(uint32_t) a, chan(uint32_t) b, bool may_wait)
{
    uint32_t give = rng_below(r, 1000), got = 0;
    bool gave = true;

    if (!may_wait)
        go_select {
            on_send (a, give) {
            }
            on_recv (got, b)
                gave = false;
            on_default
                return;
        }
    else if (rng_below(r, 4) != 0)
        go_select {
            on_send (a, give) {
            }
            on_recv (got, a)
                gave = false;
            on_recv (got, b)
                gave = false;
        }
    else if (rng_below(r, 2) == 0)
        chan_send(b, give);
    else {
        got = chan_recv(b);
        gave = false;
    }
    add_relaxed(gave ? &books.sent : &books.received, gave ? give : got);
}

static void one_op(struct rng *r, chan(uint32_t) a, chan(uint32_t) b)
{
    if (load_acquire(&books.in_stop) != 0)
        add_relaxed(&books.moved, 1);
    switch (rng_below(r, 20)) {
    case 16:
    case 17:
        op_chan(r, a, b, true);
        break;
    case 18:
        op_chan(r, b, a, true);
        break;
    case 19:
        op_chan(r, a, b, false);
        break;
    case 0:
    case 1:
    case 2:
        rt_yield();
        break;
    case 3:
        rt_sleep(rng_below(r, 100000));
        break;
    case 4:
    case 5:
    case 6:
        add_relaxed(&books.spawned, 1);
        go(child, rng_below(r, 1000));
        break;
    case 7:
    case 8:
    case 9:
        if (!op_ready(r))
            op_park();
        break;
    case 10:
    case 11:
        if (!op_ready(r))
            rt_yield();
        break;
    case 12:
        op_stop(r);
        break;
    case 13:
        op_timer(r);
        break;
    case 14:
        op_stack(rng_below(r, 60000));
        break;
    default:
        if (rng_below(r, 8) == 0)
            rt_gomaxprocs(1 + rng_below(r, arch_cpu_count()));
        break;
    }
}

static void worker(uint64_t seed, unsigned ops, chan(uint32_t) a, chan(uint32_t) b)
{
    struct rng r = {seed};

    for (unsigned i = 0; i < ops; i++) {
        bool step = rng_below(&r, 8) == 0;
        if (step)
            arch_step_on();
        one_op(&r, a, b);
        if (step)
            arch_step_off();
    }
    add_acq_rel(&books.ended, 1);
}

static void run(struct test *t, unsigned ops, unsigned seconds)
{
    unsigned old = rt_gomaxprocs(0);
    struct rng r = rng_split(t->seed, 1);
    chan(uint32_t) a = chan_make(uint32_t, 0), b = chan_make(uint32_t, 2);

    memset(&books, 0, sizeof books);
    n_board = 0;
    books.step_seed = rng_next(&r);
    debugtrap_set(at_a_step);
    for (unsigned i = 0; i < WORKERS; i++)
        go(worker, rng_next(&r), ops, a, b);
    int64_t end = rt_nanotime() + (int64_t)seconds * 1000000000;
    while (load_acquire(&books.ended) < WORKERS && rt_nanotime() < end) {
        rt_sleep(200000);
        op_ready(&r); /* the last ones have nobody else */
        op_chan(&r, a, b, false);
        op_chan(&r, b, a, false);
    }
    EXPECT_EQ(t, load_acquire(&books.ended), WORKERS);
    EXPECT(t, WAIT_UNTIL(load_relaxed(&books.born) == load_relaxed(&books.spawned), 10));
    EXPECT(t, WAIT_UNTIL(load_relaxed(&books.fired) + books.stopped == books.timers, 10));
    for (uint32_t left = 0; chan_try_recv(b, left);)
        add_relaxed(&books.received, left);
    debugtrap_set(NULL);
    rt_gomaxprocs(old);
    EXPECT_EQ(t, books.parks, books.readies);
    EXPECT_EQ(t, books.born, books.spawned);
    EXPECT_EQ(t, books.received, books.sent);
    EXPECT_EQ(t, books.fired + books.stopped, books.timers);
    EXPECT_EQ(t, books.torn, 0);
    EXPECT_EQ(t, books.moved, 0);
    test_note(t, "%u parks, %u spawns, %u timers, %u sent in sum, %u steps", books.parks,
              books.spawned, books.timers, books.sent, books.steps);
}

TEST_OPTS(stress_sched, short_run, .timeout_s = 60)
{
    run(t, 60, 50);
}

TEST_OPTS(stress_sched, long_run, .stress = true, .timeout_s = 280)
{
    run(t, 3000, 270);
}
