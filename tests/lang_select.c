/*
 * tests/lang_select.c - select: what is chosen, in which order things are evaluated, how it is
 * left, what it costs.
 */
#include <tests/test.h>
#include <lang/chan.h>
#include <lib/bits.h>
#include <rt/rt.h>

struct wide {
    long a[8];
};

static bool queues_are_empty(struct rt_chan *c)
{
    bool empty;

    chan_lock(c);
    chan_verify(c);
    empty = list_empty(&c->waits[RT_SELECT_RECV]) && list_empty(&c->waits[RT_SELECT_SEND]);
    chan_unlock(c);
    return empty;
}

static void until_waiting(struct rt_chan *c, unsigned kind)
{
    for (bool waits = false; !waits;) {
        rt_yield();
        chan_lock(c);
        waits = !list_empty(&c->waits[kind]);
        chan_unlock(c);
    }
}

/* ---- What is chosen ---- */

TEST(select, default_if_nothing_can_go_on)
{
    chan(int) a = chan_make(int, 1), b = chan_make(int, 0), nil = NULL;
    int x = 5, which = 0;

    go_select {
        on_recv (x, a) {
            which = 1;
        }
        on_send (b, 3) {
            which = 2;
        }
        on_recv_drop (nil) {
            which = 3;
        }
        on_send (nil, 1) {
            which = 4;
        }
        on_default {
            which = 9;
        }
    }
    EXPECT_EQ(t, which, 9);
    EXPECT_EQ(t, x, 5);
    chan_send(a, 7);
    go_select {
        on_recv (x, a) {
            which = 1;
        }
        on_send (b, 3) {
            which = 2;
        }
        on_default {
            which = 9;
        }
    }
    EXPECT_EQ(t, which, 1);
    EXPECT_EQ(t, x, 7);
    go_select {
        on_default {
            which = 8;
        }
    }
    EXPECT_EQ(t, which, 8);
}

/* Sum of (seen - expected)^2 / expected. */
static double chi_square(const unsigned *seen, size_t n, unsigned total)
{
    double expected = (double)total / (double)n, sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
    return sum;
}

/* Each of the cases that can go on has equal odds; idle cases between them change nothing. Limits:
 * p = 1e-6. */
TEST(select, choice_is_uniform)
{
    enum { N = 6000 };
    unsigned seen[4] = {0}, spread[3] = {0};
    chan(int) full = chan_make(int, 1), idle = chan_make(int, 0), closed = chan_make(int, 0);
    int x;

    chan_send(full, 1);
    chan_close(closed);
    for (int i = 0; i < N; i++)
        go_select {
            on_recv_drop (closed) {
                seen[0]++;
            }
            on_recv_drop (closed) {
                seen[1]++;
            }
            on_recv_drop (closed) {
                seen[2]++;
            }
            on_recv_drop (closed) {
                seen[3]++;
            }
        }
    EXPECT(t, chi_square(seen, 4, N) < 30.7);

    for (int i = 0; i < N; i++)
        go_select {
            on_recv_drop (idle) {
                EXPECT(t, false);
            }
            on_recv (x, full) {
                spread[0]++;
                chan_send(full, x);
            }
            on_recv_drop (idle) {
                EXPECT(t, false);
            }
            on_recv_drop (idle) {
                EXPECT(t, false);
            }
            on_recv_drop (closed) {
                spread[1]++;
            }
            on_recv_drop (closed) {
                spread[2]++;
            }
        }
    EXPECT(t, chi_square(spread, 3, N) < 27.6);
}

static void send_which(chan(int) c, int n)
{
    for (int i = 0; i < n; i++)
        go_select {
            on_send (c, 0) {
            }
            on_send (c, 1) {
            }
            on_send (c, 2) {
            }
        }
}

/* The same when a select waits with several cases of one channel, as in Go's TestPseudoRandomSend. */
TEST(select, waiting_cases_of_one_channel_are_chosen_uniformly)
{
    enum { N = 3000 };
    unsigned seen[3] = {0};
    chan(int) c = chan_make(int, 0);

    go(send_which, c, N);
    for (int i = 0; i < N; i++) {
        while (load_relaxed(&chan_raw(c)->count[RT_SELECT_RECV]) == 0) /* until it waits */
            rt_yield();
        seen[chan_recv(c)]++;
    }
    EXPECT(t, chi_square(seen, 3, N) < 27.7);
}

TEST(select, choice_among_a_hundred_is_uniform)
{
    enum { CASES = 100, READY = 20, N = 10000 };
    struct rt_select_case cases[CASES];
    unsigned seen[READY] = {0};
    chan(int) idle = chan_make(int, 0), closed = chan_make(int, 0);

    chan_close(closed);
    for (size_t i = 0; i < CASES; i++)
        cases[i] = (struct rt_select_case){.chan = i % 5 == 0 ? closed : idle};
    for (int i = 0; i < N; i++) {
        bool ok = true;
        int k = rt_select(cases, CASES, true, &ok);
        REQUIRE(t, k >= 0 && k < CASES && k % 5 == 0 && !ok);
        seen[k / 5]++;
    }
    EXPECT(t, chi_square(seen, READY, N) < 67); /* 19 degrees of freedom */
}

static void send_after(chan(int) c, int turns, int value)
{
    for (int i = 0; i < turns; i++)
        rt_yield();
    chan_send(c, value);
}

/* Waits for whichever comes, and leaves nothing behind in the other queues. */
TEST(select, waits_for_the_first)
{
    for (int turn = 0; turn < 50; turn++) {
        chan(int) a = chan_make(int, 0), b = chan_make(int, turn % 2), nil = NULL;
        int x = 0, which = 0;

        go(send_after, turn % 3 == 0 ? a : b, turn % 7, turn);
        go_select {
            on_recv (x, a) {
                which = 1;
            }
            on_recv (x, b) {
                which = 2;
            }
            on_recv_drop (nil) {
                which = 3;
            }
        }
        EXPECT_EQ(t, which, turn % 3 == 0 ? 1 : 2);
        EXPECT_EQ(t, x, turn);
        EXPECT(t, queues_are_empty(chan_raw(a)));
        EXPECT(t, queues_are_empty(chan_raw(b)));
    }
}

static void recv_one(chan(int) c, chan(int) out)
{
    chan_send(out, chan_recv(c));
}

/* One channel twice, in the same and in both directions: a select never meets itself
 * [select.1]. */
TEST(select, one_channel_in_several_cases)
{
    chan(int) c = chan_make(int, 0), out = chan_make(int, 1), buffered = chan_make(int, 2);
    int x, which = 0;
    unsigned sent = 0, got = 0;

    go_select {
        on_send (c, 1) {
            which = 1;
        }
        on_recv (x, c) {
            which = 2;
        }
        on_default {
            which = 3;
        }
    }
    EXPECT_EQ(t, which, 3);

    for (int i = 0; i < 40; i++) {
        bool receiver = i % 2 == 0;
        if (receiver)
            go(recv_one, c, out);
        else
            go(send_after, c, 3, 77);
        go_select {
            on_send (c, 10) {
                sent++;
                EXPECT(t, receiver);
                EXPECT_EQ(t, chan_recv(out), 10);
            }
            on_recv (x, c) {
                got++;
                EXPECT(t, !receiver);
                EXPECT_EQ(t, x, 77);
            }
            on_send (c, 11) {
                sent++;
                EXPECT(t, receiver);
                EXPECT_EQ(t, chan_recv(out), 11);
            }
            on_recv (x, c) {
                got++;
                EXPECT(t, !receiver);
                EXPECT_EQ(t, x, 77);
            }
        }
        EXPECT(t, queues_are_empty(chan_raw(c)));
    }
    EXPECT_EQ(t, sent, 20);
    EXPECT_EQ(t, got, 20);

    sent = got = 0;
    chan_send(buffered, 1); /* both directions can go on */
    for (int i = 0; i < 200; i++)
        go_select {
            on_send (buffered, 1) {
                sent++;
            }
            on_recv_drop (buffered) {
                got++;
            }
        }
    EXPECT_EQ(t, sent + got, 200);
    EXPECT(t, sent > 50 && got > 50);
}

TEST(select, closed_channels)
{
    chan(int) c = chan_make(int, 3);
    int x = 5;
    bool ok = true;

    chan_send(c, 8);
    chan_close(c);
    go_select {
        on_recv_ok (x, ok, c) {
        }
    }
    EXPECT(t, ok && x == 8);
    go_select {
        on_recv_ok (x, ok, c) {
        }
        on_default {
            EXPECT(t, false);
        }
    }
    EXPECT(t, !ok && x == 0);
}

static void select_send(chan(int) c, chan(int) other)
{
    go_select {
        on_send (c, 1) {
        }
        on_recv_drop (other) {
        }
    }
}

static void close_when_waiting(chan(int) c)
{
    until_waiting(chan_raw(c), RT_SELECT_SEND);
    chan_close(c);
}

TEST(select, send_on_closed_panics)
{
    chan(int) c = chan_make(int, 0), other = chan_make(int, 0);
    struct rt_panic *e;

    go(close_when_waiting, c); /* while the select waits */
    e = catch_panic(select_send, c, other);
    EXPECT(t, e != NULL && strcmp(e->message, "send on closed channel") == 0);
    e = catch_panic(select_send, c, other); /* and before */
    EXPECT(t, e != NULL && strcmp(e->message, "send on closed channel") == 0);
    EXPECT(t, queues_are_empty(chan_raw(c)));
    EXPECT(t, queues_are_empty(chan_raw(other)));
}

/* ---- Evaluation ---- */

static char order[32];
static unsigned n_order;

static chan(int) eval_chan(char name, chan(int) c)
{
    order[n_order++] = name;
    return c;
}

static int eval_value(char name, int v)
{
    order[n_order++] = name;
    return v;
}

static int *eval_place(char name, int *p)
{
    order[n_order++] = name;
    return p;
}

TEST(select, evaluates_all_once_and_in_order)
{
    chan(int) c = chan_make(int, 1), idle = chan_make(int, 0);
    int x = 0, y = 0;
    bool ok = false;

    n_order = 0;
    memset(order, 0, sizeof order);
    chan_send(c, 42);
    go_select {
        on_recv (*eval_place('1', &y), eval_chan('a', idle)) {
            EXPECT(t, false);
        }
        on_send (eval_chan('b', idle), eval_value('c', 5)) {
            EXPECT(t, false);
        }
        on_recv_ok (*eval_place('2', &x), *(eval_place('3', &y), &ok), eval_chan('d', c)) {
            eval_value('!', 0);
        }
        on_send (eval_chan('e', idle), eval_value('f', 6)) {
            EXPECT(t, false);
        }
    }
    EXPECT_STR(t, "abcdef23!", order);
    EXPECT_EQ(t, x, 42);
    EXPECT(t, ok);
}

/* The value sent is the one at the time of evaluation, even if its variable changes while the
 * select waits. */
static void change_and_receive(int *v, chan(int) c, chan(int) out)
{
    until_waiting(chan_raw(c), RT_SELECT_SEND);
    *v = 2;
    chan_send(out, chan_recv(c));
}

TEST(select, values_are_copied)
{
    chan(int) c = chan_make(int, 0), out = chan_make(int, 1);
    chan(struct wide) w = chan_make(struct wide, 2);
    int v = 1;
    struct wide got = {{0}};

    go(change_and_receive, &v, c, out);
    go_select {
        on_send (c, v) {
        }
        on_recv_drop (out) {
        }
    }
    EXPECT_EQ(t, chan_recv(out), 1);

    go_select {
        on_send (w, (struct wide){.a = {1, 2, 3, 4, 5, 6, 7, 8}}) {
        }
    }
    go_select {
        on_recv (got, w) {
        }
    }
    EXPECT_EQ(t, got.a[0] + got.a[7], 9);
}

/* ---- Leaving it ---- */

static int returns_from(chan(int) c)
{
    int x;

    go_select {
        on_recv (x, c) {
            return x;
        }
    }
    return -1;
}

TEST(select, is_left_by_break_continue_goto_and_return)
{
    chan(int) c = chan_make(int, 10), d = chan_make(int, 10);
    int x = 0, after = 0, turns = 0;

    for (int i = 0; i < 10; i++)
        chan_send(c, i);
    for (int i = 0; i < 3; i++) {
        turns++;
        go_select {
            on_recv (x, c) {
                if (x == 0)
                    break; /* the select, not the loop */
                if (x == 1)
                    continue; /* the same */
                after += 100;
            }
        }
        after++;
    }
    EXPECT_EQ(t, turns, 3);
    EXPECT_EQ(t, after, 103);
    for (;;) {
        go_select {
            on_recv (x, c) {
                if (x == 5)
                    goto out;
            }
        }
    }
out:
    EXPECT_EQ(t, x, 5);
    EXPECT_EQ(t, returns_from(c), 6);
    if (x == 5)
        go_select {
            on_recv (x, c) {
                go_select {
                    on_send (d, x + 1) {
                        go_select {
                            on_recv (x, d) {
                                break;
                            }
                            on_default {
                                EXPECT(t, false);
                            }
                        }
                        x += 10;
                    }
                    on_default {
                        EXPECT(t, false);
                    }
                }
                x += 100;
            }
        }
    else
        EXPECT(t, false);
    EXPECT_EQ(t, x, 118);
}

/* ---- rt_select ---- */

TEST(select, counted_at_run_time)
{
    enum { N = 100 };
    struct rt_select_case cases[N];
    gc(chan(int)) *chans = (gc(chan(int)) *)gc_conservative(N);
    int values[N];
    bool ok = false;

    EXPECT_EQ(t, rt_select(NULL, 0, false, NULL), -1);
    for (int i = 0; i < N; i++) {
        gc_set(chans[i], chan_make(int, 0));
        values[i] = i;
        cases[i] = (struct rt_select_case){.chan = chans[i], .elem = &values[i]};
    }
    EXPECT_EQ(t, rt_select(cases, N, false, &ok), -1);
    go(send_after, chans[63], 3, 999);
    EXPECT_EQ(t, rt_select(cases, N, true, &ok), 63);
    EXPECT(t, ok);
    EXPECT_EQ(t, values[63], 999);
    for (int i = 0; i < N; i++)
        EXPECT(t, queues_are_empty(chan_raw(chans[i])));
    cases[5].elem = NULL; /* dropped */
    go(send_after, chans[5], 0, 1);
    EXPECT_EQ(t, rt_select(cases, N, true, NULL), 5);
    cases[7].send = true;
    chan(int) out = chan_make(int, 1);
    go(recv_one, chans[7], out);
    EXPECT_EQ(t, rt_select(cases, N, true, NULL), 7);
    EXPECT_EQ(t, chan_recv(out), 7);
    cases[3] = (struct rt_select_case){.chan = NULL};
    EXPECT_EQ(t, rt_select(cases, N, false, NULL), -1);
}

/* ---- Many at once ---- */

#define CROSS_CHANS 4
#define CROSS_GOROUTINES 8
#define CROSS_TURNS 1500

struct cross {
    gc(chan(long)) c[CROSS_CHANS];
    gc(chan(int)) quit;
    uint64_t sent, got, n_sent, n_got;
    struct rt_waitgroup workers, drain;
};

/* Sends or receives, whatever comes first, on channels in changing order. */
static void crosser(struct cross *x, uint64_t seed)
{
    struct rng r = {seed};
    uint64_t sent = 0, got = 0, n_sent = 0, n_got = 0;

    for (int i = 0; i < CROSS_TURNS; i++) {
        chan(long) a = x->c[rng_below(&r, CROSS_CHANS)], b = x->c[rng_below(&r, CROSS_CHANS)];
        long v = (long)(rng_next(&r) >> 20), w = 0;
        go_select {
            on_send (a, v) {
                sent += (uint64_t)v;
                n_sent++;
            }
            on_recv (w, b) {
                got += (uint64_t)w;
                n_got++;
            }
            on_send (b, v + 1) {
                sent += (uint64_t)v + 1;
                n_sent++;
            }
            on_recv (w, a) {
                got += (uint64_t)w;
                n_got++;
            }
        }
    }
    __atomic_fetch_add(&x->sent, sent, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&x->got, got, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&x->n_sent, n_sent, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&x->n_got, n_got, __ATOMIC_SEQ_CST);
    rt_wg_done(&x->workers);
}

/* Serves both directions until told to stop, so that no worker waits for ever. */
static void drainer(struct cross *x)
{
    uint64_t sent = 0, got = 0, n_sent = 0, n_got = 0;
    long w = 0;

    for (;;) {
        go_select {
            on_send (x->c[0], 1) {
                sent++;
                n_sent++;
            }
            on_recv (w, x->c[0]) {
                got += (uint64_t)w;
                n_got++;
            }
            on_recv (w, x->c[1]) {
                got += (uint64_t)w;
                n_got++;
            }
            on_recv (w, x->c[2]) {
                got += (uint64_t)w;
                n_got++;
            }
            on_recv (w, x->c[3]) {
                got += (uint64_t)w;
                n_got++;
            }
            on_recv_drop (x->quit) {
                goto out;
            }
        }
    }
out:
    __atomic_fetch_add(&x->sent, sent, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&x->got, got, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&x->n_sent, n_sent, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&x->n_got, n_got, __ATOMIC_SEQ_CST);
    rt_wg_done(&x->drain);
}

/* Selects that meet selects, in all directions: every value that was sent was received, once. */
TEST_OPTS(select, meets_select, .timeout_s = 60)
{
    for (int round = 0; round < 4; round++) {
        struct cross x = {.c = {chan_make(long, 0), chan_make(long, round), chan_make(long, 0),
                                chan_make(long, 2 * round)},
                          .quit = chan_make(int, 0)};
        uint64_t left = 0, n_left = 0;
        rt_wg_add(&x.workers, CROSS_GOROUTINES);
        rt_wg_add(&x.drain, 1);
        for (int i = 0; i < CROSS_GOROUTINES; i++)
            go(crosser, &x, rng_next(&t->rng));
        go(drainer, &x);
        rt_wg_wait(&x.workers);
        chan_close(x.quit);
        rt_wg_wait(&x.drain);
        for (int i = 0; i < CROSS_CHANS; i++) {
            EXPECT(t, queues_are_empty(chan_raw(x.c[i])));
            while (chan_len(x.c[i]) > 0) {
                left += (uint64_t)chan_recv(x.c[i]);
                n_left++;
            }
        }
        EXPECT_EQ(t, x.n_sent, x.n_got + n_left);
        EXPECT_EQ(t, x.sent, x.got + left);
    }
}

static void mover(chan(int) a, chan(int) b, chan(int) quit, chan(int) done)
{
    while (!chan_closed(quit)) {
        chan_send(b, 1); /* there is never a moment with nothing in either */
        chan_recv(a);
        chan_send(a, 1);
        chan_recv(b);
    }
    chan_send(done, 1);
}

/* The default means that nothing could go on at one moment, not at several [select.3]. */
TEST(select, default_sees_all_channels_at_one_moment)
{
    chan(int) a = chan_make(int, 2), b = chan_make(int, 2), quit = chan_make(int, 0),
              done = chan_make(int, 1);
    chan(int) idle = chan_make(int, 0); /* a long way from a to b */
    unsigned defaults = 0, seen = 0, turns = rt_gomaxprocs(0) > 1 ? 100000 : 1000;

    chan_send(a, 1);
    go(mover, a, b, quit, done);
    for (unsigned i = 0; i < turns; i++) {
        int x;
        go_select {
            on_recv (x, a) {
                chan_send(a, x);
                seen++;
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv_drop (idle) {
            }
            on_recv (x, b) {
                chan_send(b, x);
                seen++;
            }
            on_default {
                defaults++;
            }
        }
        if (i % 256 == 0)
            rt_yield();
    }
    chan_close(quit);
    chan_recv(done);
    EXPECT_EQ(t, defaults, 0);
    EXPECT_EQ(t, seen, turns);
}

/* ---- Costs ---- */

TEST_OPTS(select, cost_of_default, .icount_only = true)
{
    chan(long) a = chan_make(long, 1), b = chan_make(long, 1), c = chan_make(long, 1),
               d = chan_make(long, 1);
    long x;
    int hits = 0;
    int64_t start = rt_nanotime();

    for (int i = 0; i < 1000; i++)
        go_select {
            on_recv (x, a) {
            }
            on_recv (x, b) {
            }
            on_recv (x, c) {
            }
            on_recv (x, d) {
            }
            on_default {
                hits++;
            }
        }
    int64_t n = (rt_nanotime() - start) / 1000;
    EXPECT_EQ(t, hits, 1000);
    test_note(t, "%lld instructions", (long long)n);
    EXPECT_LE(t, n, TEST_BY_COMPILER(60, 64));
}

TEST_OPTS(select, cost_of_ready, .icount_only = true)
{
    chan(long) a = chan_make(long, 800), b = chan_make(long, 8), c = chan_make(long, 800),
               d = chan_make(long, 8);
    long x, sum = 0;

    for (int i = 0; i < 800; i++) {
        chan_send(a, 1);
        chan_send(c, 1);
    }
    int64_t start = rt_nanotime();
    for (int i = 0; i < 1000; i++)
        go_select {
            on_recv (x, a) {
                sum += x;
            }
            on_recv (x, b) {
            }
            on_recv (x, c) {
                sum += x;
            }
            on_recv (x, d) {
            }
        }
    int64_t n = (rt_nanotime() - start) / 1000;
    EXPECT_EQ(t, sum, 1000);
    test_note(t, "%lld instructions", (long long)n);
    EXPECT_LE(t, n, TEST_BY_COMPILER(150, 160));
}

static void server(chan(long) a, chan(long) quit)
{
    for (;;)
        go_select {
            on_send (a, 1) {
            }
            on_recv_drop (quit) {
                return;
            }
        }
}

/* A select of 4 that waits, with the plain send that completes it, and both switches. */
TEST_OPTS(select, cost_of_blocking, .icount_only = true)
{
    chan(long) a = chan_make(long, 0), b = chan_make(long, 0), c = chan_make(long, 0),
               d = chan_make(long, 0);
    long x, sum = 0;
    int64_t start;

    go(server, a, b);
    chan_recv(a);
    start = rt_nanotime();
    for (int i = 0; i < 1000; i++)
        go_select {
            on_recv (x, a) {
                sum += x;
            }
            on_recv (x, b) {
            }
            on_recv (x, c) {
            }
            on_recv (x, d) {
            }
        }
    int64_t n = (rt_nanotime() - start) / 1000;
    EXPECT_EQ(t, sum, 1000);
    chan_close(b);
    test_note(t, "%lld instructions for two selects, one of 4 cases and one of 2", (long long)n);
}
