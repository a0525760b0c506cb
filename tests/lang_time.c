/*
 * tests/lang_time.c - sleeping, timers, tickers: never early, in order, stop and reset say the
 * truth.
 */
#include <tests/test.h>
#include <lib/atomic.h>
#include <rt/rt.h>

#define MS 1000000

TEST(time, sleep_is_never_early)
{
    static const int64_t lengths[] = {-5, 0, 1, 1000, 100000, 3 * MS};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int64_t start = rt_nanotime();
        rt_sleep(lengths[i]);
        EXPECT_GE(t, rt_nanotime() - start, lengths[i] > 0 ? lengths[i] : 0);
    }
}

/* Sleeps until `when`, noting whether it lay down before `first`. */
static void note_at(chan(int) c, int me, int64_t when, int64_t first, unsigned *too_late)
{
    int64_t now = rt_nanotime();

    if (now >= first)
        add_acq_rel(too_late, 1);
    rt_sleep(when - now);
    chan_send(c, me);
}

/* Sleepers wake by their times, whatever the order in which they lay down: on one core, where all
 * are in one heap. */
TEST(time, sleepers_wake_in_order)
{
    enum { N = 20 };
    int order[N];
    unsigned wrong = 0, too_late = 0;

    for (int tries = 0; tries < 5; tries++) {
        chan(int) c = chan_make(int, N);
        int64_t first = rt_nanotime() + 20 * MS;

        for (int i = 0; i < N; i++)
            order[i] = i;
        test_shuffle(t, order, N, sizeof order[0]);
        wrong = too_late = 0;
        for (int i = 0; i < N; i++)
            go(note_at, c, order[i], first + order[i] * MS, first, &too_late);
        for (int i = 0; i < N; i++)
            wrong += chan_recv(c) != i;
        if (too_late == 0) /* else the host was away: not all slept when the first was due */
            break;
    }
    if (rt_gomaxprocs(0) == 1 && too_late == 0)
        EXPECT_EQ(t, wrong, 0);
}

TEST(time, after_sends_the_time_once)
{
    int64_t start = rt_nanotime(), x = 0;
    chan(int64_t) c = rt_after(2 * MS);
    chan(int) never = NULL;

    go_select {
        on_recv_drop (never) {
            EXPECT(t, false);
        }
        on_recv (x, c) {
            EXPECT_GE(t, x, start + 2 * MS);
        }
    }
    EXPECT_LE(t, x, rt_nanotime());
    rt_sleep(MS);
    EXPECT(t, !chan_try_recv(c, x));
    c = rt_after(60000 * (int64_t)MS); /* nobody waits for this one */
    EXPECT(t, !chan_try_recv(c, x));
    EXPECT_GE(t, chan_recv(rt_after(-5)), start);
}

static unsigned fired;
static void fire(void *arg)
{
    add_acq_rel((unsigned *)arg, 1);
}

/* They are true exactly if it was to fire, and then it does not [time.1]. */
TEST(time, stop_and_reset_tell_whether_it_was_to_fire)
{
    struct rt_timer k = {0};

    fired = 0;
    EXPECT(t, !rt_timer_stop(&k)); /* never started */
    rt_timer_start(&k, 1000 * (int64_t)MS, fire, &fired);
    EXPECT(t, rt_timer_stop(&k));
    EXPECT(t, !rt_timer_stop(&k));
    EXPECT(t, !rt_timer_reset(&k, 1000 * (int64_t)MS));
    EXPECT(t, rt_timer_reset(&k, MS));
    while (load_acquire(&fired) == 0)
        rt_sleep(MS);
    EXPECT(t, !rt_timer_stop(&k));
    EXPECT(t, !rt_timer_reset(&k, 0)); /* again */
    while (load_acquire(&fired) == 1)
        rt_sleep(MS);
    rt_sleep(3 * MS);
    EXPECT_EQ(t, fired, 2);
}

struct race {
    struct rt_timer k;
    unsigned fired, prevented;
    struct rt_waitgroup wg;
};

static void race_reset(struct race *r, uint64_t seed)
{
    struct rng g = {seed};

    for (int i = 0; i < 300; i++) {
        if (rng_below(&g, 2) == 0)
            rt_timer_stop(&r->k);
        else
            rt_timer_reset(&r->k, rng_below(&g, 50000));
        if (i % 8 == 0)
            rt_yield();
    }
    rt_wg_done(&r->wg);
}

/* Stops and resets from all sides: at the end it is quiet, and one more start fires once. */
TEST(time, racing_stop_and_reset)
{
    struct race r = {.fired = 0};

    rt_timer_start(&r.k, MS, fire, &r.fired);
    rt_wg_add(&r.wg, 4);
    for (int i = 0; i < 4; i++)
        go(race_reset, &r, rng_next(&t->rng));
    rt_wg_wait(&r.wg);
    rt_timer_stop(&r.k);
    rt_sleep(5 * MS);
    unsigned before = load_acquire(&r.fired);
    rt_sleep(5 * MS);
    EXPECT_EQ(t, load_acquire(&r.fired), before);
    rt_timer_reset(&r.k, 1000);
    rt_sleep(20 * MS);
    EXPECT_EQ(t, load_acquire(&r.fired), before + 1);
}

TEST(time, ticker_drops_what_nobody_takes)
{
    int64_t start = rt_nanotime(), x = 0, last = 0;
    struct rt_ticker *k = rt_ticker_make(2 * MS);

    for (int i = 1; i <= 5; i++) {
        x = chan_recv(k->c);
        EXPECT_GE(t, x, start + i * 2 * (int64_t)MS);
        EXPECT(t, x > last);
        last = x;
    }
    rt_sleep(20 * MS); /* some ten ticks: one is kept */
    EXPECT_EQ(t, chan_len(k->c), 1);
    chan_recv(k->c);
    rt_ticker_reset(k, 4 * MS);
    x = chan_recv(k->c);
    rt_ticker_stop(k);
    (void)chan_try_recv(k->c, x);
    rt_sleep(10 * MS);
    EXPECT(t, !chan_try_recv(k->c, x));
    EXPECT(t, !chan_closed(k->c));
}

static void bad_ticker(int64_t ns)
{
    rt_ticker_make(ns);
}

TEST(time, misuse_panics)
{
    struct rt_panic *e = catch_panic(bad_ticker, 0);
    static struct rt_timer never;

    EXPECT(t, e != NULL);
    if (e != NULL)
        EXPECT_STR(t, "non-positive interval for NewTicker", e->message);
    e = catch_panic(rt_timer_reset, &never, 5);
    EXPECT(t, e != NULL);
    if (e != NULL)
        EXPECT_STR(t, "time: Reset called on uninitialized Timer", e->message);
}
