/*
 * tests/lang_go_programs.c - programs that the Go people wrote to try their channels, in C.
 *
 * SOURCES. golang/go test/chan: sieve1.go, select3.go, fifo.go, nonblock.go, doubleselect.go,
 * powser1.go (after M. D. McIlroy, "Squinting at Power Series"), goroutines.go, select2.go, select7.go;
 * test/ken/chan1.go, test/peano.go, test/deferfin.go; TestSelfSelect of runtime; the Computer Language Benchmarks
 * Game: thread-ring, chameneos-redux. perm.go, which must not compile, is
 * tests/compile_fail/chan.c: C has no send-only types.
 */
#include <tests/test.h>
#include <lib/atomic.h>
#include <rt/rt.h>
#include <sched/goroutine.h>

/* ---- sieve1.go ---- */

static void generate(chan(int) out, chan(int) quit)
{
    for (int i = 2;; i++)
        go_select {
            on_send (out, i) {
            }
            on_recv_drop (quit) {
                return;
            }
        }
}

static void filter(chan(int) in, chan(int) out, int prime, chan(int) quit)
{
    for (;;) {
        int i = 0;
        go_select {
            on_recv (i, in) {
            }
            on_recv_drop (quit) {
                return;
            }
        }
        if (i % prime != 0)
            go_select {
                on_send (out, i) {
                }
                on_recv_drop (quit) {
                    return;
                }
            }
    }
}

TEST(go_programs, prime_sieve)
{
    static const int primes[] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                                 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97};
    chan(int) c = chan_make(int, 0), quit = chan_make(int, 0);

    go(generate, c, quit);
    for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++) {
        int prime = chan_recv(c);
        EXPECT_EQ(t, prime, primes[i]);
        chan(int) next = chan_make(int, 0);
        go(filter, c, next, prime, quit);
        c = next;
    }
    chan_close(quit);
}

/* ---- select3.go: what blocks and what doesn't ---- */

enum outcome { BLOCKED, DONE, PANICKED };

struct trial {
    void (*fn)(chan(int) c);
    gc(chan(int)) c;
    unsigned outcome;
    uintptr_t g; /* who tries; 0 until it runs */
};

static void try_it(struct trial *k)
{
    __atomic_store_n(&k->g, (uintptr_t)goroutine_current(), __ATOMIC_RELEASE);
    struct rt_panic *e = catch_panic(k->fn, k->c);

    __atomic_store_n(&k->outcome, e == NULL ? DONE : PANICKED, __ATOMIC_RELEASE);
}

/* It is in a channel's queue, and nobody has called ready() for it. */
static bool waits_for_ever(const struct goroutine *g)
{
    return load_acquire(&g->tokens) == -1 && g->wait_reason >= WAIT_CHAN_RECEIVE &&
           g->wait_reason <= WAIT_SELECT_NO_CASES;
}

/* What becomes of fn(c), which is left where it is if it waits. No clock judges: the host may be
 * slow. */
static enum outcome outcome_of(void (*fn)(chan(int)), chan(int) c)
{
    struct trial *k = gc_new(struct trial);

    k->fn = fn;
    gc_set(k->c, c);
    go(try_it, k);
    while (__atomic_load_n(&k->outcome, __ATOMIC_ACQUIRE) == BLOCKED) {
        uintptr_t g = __atomic_load_n(&k->g, __ATOMIC_ACQUIRE);
        if (g != 0 && waits_for_ever((const struct goroutine *)g))
            break;
        rt_yield();
    }
    return __atomic_load_n(&k->outcome, __ATOMIC_ACQUIRE);
}

static void do_send(chan(int) c)
{
    chan_send(c, 7);
}
static void do_recv(chan(int) c)
{
    chan_recv(c);
}
static void do_recv_10(chan(int) c)
{
    for (int i = 0; i < 10; i++)
        chan_recv(c);
}
static void do_send_11(chan(int) c)
{
    for (int i = 0; i < 11; i++)
        chan_send(c, i);
}
static void do_send_10(chan(int) c)
{
    for (int i = 0; i < 10; i++)
        chan_send(c, i);
}
static void do_close(chan(int) c)
{
    chan_close(c);
}
static void do_empty_select(chan(int) c)
{
    (void)c;
    go_select {
    }
}
static void do_default(chan(int) c)
{
    (void)c;
    go_select {
        on_default {
        }
    }
}
static void do_select_recv(chan(int) c)
{
    go_select {
        on_recv_drop (c) {
        }
    }
}
static void do_select_send(chan(int) c)
{
    go_select {
        on_send (c, 7) {
        }
    }
}
static void do_select_both(chan(int) c)
{
    go_select {
        on_recv_drop (c) {
        }
        on_send (c, 7) {
        }
    }
}
static void do_select_default(chan(int) c)
{
    go_select {
        on_recv_drop (c) {
        }
        on_default {
        }
    }
}
static void do_select_recv_and_nil(chan(int) c)
{
    chan(int) nil = NULL;
    go_select {
        on_recv_drop (c) {
        }
        on_send (nil, 7) {
        }
        on_recv_drop (nil) {
        }
    }
}

static chan(int) closed_chan(int cap)
{
    chan(int) c = chan_make(int, cap);
    chan_close(c);
    return c;
}

static chan(int) full_chan(void)
{
    chan(int) c = chan_make(int, 10);
    for (int i = 0; i < 10; i++)
        chan_send(c, i);
    return c;
}

TEST(go_programs, select3_blocking_matrix)
{
    chan(int) nil = NULL;

    EXPECT_EQ(t, outcome_of(do_send, nil), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_recv, nil), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_close, nil), PANICKED);

    EXPECT_EQ(t, outcome_of(do_send, chan_make(int, 0)), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_recv, chan_make(int, 0)), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_recv, chan_make(int, 10)), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_send_10, chan_make(int, 10)), DONE);
    EXPECT_EQ(t, outcome_of(do_send_11, chan_make(int, 10)), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_recv_10, full_chan()), DONE);

    EXPECT_EQ(t, outcome_of(do_recv, closed_chan(0)), DONE);
    EXPECT_EQ(t, outcome_of(do_recv_10, closed_chan(10)), DONE);
    EXPECT_EQ(t, outcome_of(do_send, closed_chan(0)), PANICKED);
    EXPECT_EQ(t, outcome_of(do_send, closed_chan(10)), PANICKED);
    EXPECT_EQ(t, outcome_of(do_close, closed_chan(0)), PANICKED);

    EXPECT_EQ(t, outcome_of(do_empty_select, nil), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_default, nil), DONE);
    EXPECT_EQ(t, outcome_of(do_select_default, nil), DONE);
    EXPECT_EQ(t, outcome_of(do_select_default, chan_make(int, 0)), DONE);
    EXPECT_EQ(t, outcome_of(do_select_both, nil), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_select_both, chan_make(int, 0)), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_select_both, chan_make(int, 10)), DONE);
    EXPECT_EQ(t, outcome_of(do_select_both, full_chan()), DONE);
    EXPECT_EQ(t, outcome_of(do_select_recv, chan_make(int, 10)), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_select_recv, full_chan()), DONE);
    EXPECT_EQ(t, outcome_of(do_select_recv, closed_chan(0)), DONE);
    EXPECT_EQ(t, outcome_of(do_select_send, full_chan()), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_select_send, closed_chan(10)), PANICKED);
    EXPECT_EQ(t, outcome_of(do_select_recv_and_nil, chan_make(int, 0)), BLOCKED);
    EXPECT_EQ(t, outcome_of(do_select_recv_and_nil, closed_chan(0)), DONE);
}

/* ---- fifo.go ---- */

static void fifo_link(chan(int) c, int want, chan(int) in, chan(int) out, unsigned *wrong)
{
    chan_recv(in);
    if (chan_recv(c) != want)
        __atomic_fetch_add(wrong, 1, __ATOMIC_SEQ_CST);
    chan_send(out, 1);
}

TEST(go_programs, fifo)
{
    enum { N = 50 };
    chan(int) c = chan_make(int, N), in = chan_make(int, 0), start = in, sync = chan_make(int, 0);
    unsigned wrong = 0;

    for (int i = 0; i < N; i++)
        chan_send(c, i);
    for (int i = 0; i < N; i++)
        EXPECT_EQ(t, chan_recv(c), i);
    for (int i = 0; i < N; i++) {
        chan(int) out = chan_make(int, 0);
        go(fifo_link, sync, i, in, out, &wrong);
        in = out;
    }
    chan_send(start, 0);
    for (int i = 0; i < N; i++)
        chan_send(sync, i);
    chan_recv(in);
    EXPECT_EQ(t, wrong, 0);
}

/* ---- nonblock.go ---- */

static void receiver(chan(int) c, chan(bool) strobe, unsigned *wrong)
{
    if (chan_recv(c) != 123)
        __atomic_fetch_add(wrong, 1, __ATOMIC_SEQ_CST);
    chan_send(strobe, true);
}

static void sender(chan(int) c, chan(bool) strobe)
{
    chan_send(c, 234);
    chan_send(strobe, true);
}

TEST(go_programs, nonblocking)
{
    unsigned wrong = 0;

    for (int cap = 0; cap < 2; cap++) {
        chan(int) c = chan_make(int, cap);
        chan(bool) strobe = chan_make(bool, 0);
        int x = 0;

        EXPECT(t, !chan_try_recv(c, x));
        go(receiver, c, strobe, &wrong);
        while (!chan_try_send(c, 123))
            rt_yield();
        chan_recv(strobe);
        go(sender, c, strobe);
        if (cap > 0)
            chan_recv(strobe);
        while (!chan_try_recv(c, x))
            rt_yield();
        EXPECT_EQ(t, x, 234);
        if (cap == 0)
            chan_recv(strobe);
        EXPECT(t, !chan_try_recv(c, x));
    }
    EXPECT_EQ(t, wrong, 0);
}

/* ---- doubleselect.go: a value goes to one of four channels, never to two ---- */

struct four {
    gc(chan(int)) c[4];
};

static void four_sender(int n, struct four f)
{
    for (int i = 0; i < n; i++)
        go_select {
            on_send (f.c[0], i) {
            }
            on_send (f.c[1], i) {
            }
            on_send (f.c[2], i) {
            }
            on_send (f.c[3], i) {
            }
        }
    for (int i = 0; i < 4; i++)
        chan_close(f.c[i]);
}

static void four_mux(chan(int) out, chan(int) in, chan(bool) done)
{
    chan_range (v, in)
        chan_send(out, v);
    chan_send(done, true);
}

static void close_after(chan(int) out, chan(bool) done, int n)
{
    for (int i = 0; i < n; i++)
        chan_recv(done);
    chan_close(out);
}

TEST(go_programs, doubleselect)
{
    enum { N = 20000 };
    struct four f = {
        .c = {chan_make(int, 0), chan_make(int, 0), chan_make(int, 0), chan_make(int, 0)}};
    chan(int) out = chan_make(int, 0);
    chan(bool) done = chan_make(bool, 0);
    char *seen = gc_make(char, N);
    unsigned n = 0, twice = 0;

    go(four_sender, N, f);
    for (int i = 0; i < 4; i++)
        go(four_mux, out, f.c[i], done);
    go(close_after, out, done, 4);
    chan_range (v, out) {
        twice += seen[v]++ > 0;
        n++;
    }
    EXPECT_EQ(t, n, N);
    EXPECT_EQ(t, twice, 0);
}

/* ---- thread-ring ---- */

static void ring_member(int me, chan(long) in, chan(long) out, chan(int) winner)
{
    chan_range (token, in) {
        if (token == 0) {
            chan_send(winner, me);
            break;
        }
        chan_send(out, token - 1);
    }
}

/* The blocks of 503 goroutines are 2 MiB that never come back [goroutine.1]. */
TEST_OPTS(go_programs, thread_ring, .need_mib = 12)
{
    enum { MEMBERS = 503, PASSES = 20000 };
    chan(long) first = chan_make(long, 0), in = first;
    chan(int) winner = chan_make(int, 0);

    for (int i = 1; i <= MEMBERS; i++) {
        chan(long) out = i == MEMBERS ? first : chan_make(long, 0);
        go(ring_member, i, in, out, winner);
        in = out;
    }
    chan_send(first, PASSES);
    EXPECT_EQ(t, chan_recv(winner), PASSES % MEMBERS + 1);
}

/* ---- chameneos-redux ---- */

enum colour { BLUE, RED, YELLOW };

struct chameneos {
    int name;
    enum colour colour;
    int met, met_self;
};

struct place {
    struct rt_mutex m;
    struct rt_waitgroup wg;
    gc(chan(int)) wake; /* of the one who waits */
    struct chameneos *first;
    enum colour second_colour;
    int second_name, left;
};

static enum colour complement(enum colour a, enum colour b)
{
    return a == b ? a : (enum colour)(3 - (int)a - (int)b);
}

static void meet(struct chameneos *me, int name, enum colour colour)
{
    me->met++;
    me->met_self += me->name == name;
    me->colour = complement(me->colour, colour);
}

static void live(struct place *p, struct chameneos *me)
{
    chan(int) wake = chan_make(int, 1);

    for (;;) {
        rt_mutex_lock(&p->m);
        if (p->left == 0) {
            rt_mutex_unlock(&p->m);
            break;
        }
        if (p->first == NULL) {
            p->first = me;
            gc_set(p->wake, wake);
            rt_mutex_unlock(&p->m);
            if (chan_recv(wake) == 0)
                break;
            continue;
        }
        struct chameneos *other = p->first;
        chan(int) its = p->wake;
        p->first = NULL;
        p->left--;
        enum colour mine = me->colour;
        meet(me, other->name, other->colour);
        meet(other, me->name, mine);
        bool last = p->left == 0;
        rt_mutex_unlock(&p->m);
        chan_send(its, 1);
        if (last)
            break;
    }
    rt_wg_done(&p->wg);
}

TEST(go_programs, chameneos)
{
    enum { MEETINGS = 5000, N = 10 };
    static const enum colour colours[N] = {BLUE, RED, YELLOW, RED, YELLOW,
                                           BLUE, RED, YELLOW, RED, BLUE};
    struct place p = {.left = MEETINGS};
    struct chameneos all[N];
    int met = 0, met_self = 0;

    rt_wg_add(&p.wg, N);
    for (int i = 0; i < N; i++) {
        all[i] = (struct chameneos){.name = i, .colour = colours[i]};
        go(live, &p, &all[i]);
    }
    while (__atomic_load_n(&p.left, __ATOMIC_SEQ_CST) > 0)
        rt_yield();
    rt_mutex_lock(&p.m); /* one may wait for a partner that does not come any more */
    if (p.first != NULL)
        chan_send(p.wake, 0);
    rt_mutex_unlock(&p.m);
    rt_wg_wait(&p.wg);
    for (int i = 0; i < N; i++) {
        met += all[i].met;
        met_self += all[i].met_self;
    }
    EXPECT_EQ(t, met, 2 * MEETINGS);
    EXPECT_EQ(t, met_self, 0);
}

/* ---- Dining philosophers ---- */

struct table {
    struct rt_mutex forks[5];
    int uses[5]; /* who has the fork, + 1 */
    int meals[5], wrong;
    struct rt_waitgroup wg;
};

static void philosopher(struct table *k, int me, int meals)
{
    int a = me, b = (me + 1) % 5, first = a < b ? a : b, second = a < b ? b : a;

    for (int i = 0; i < meals; i++) {
        rt_mutex_lock(&k->forks[first]);
        rt_yield();
        rt_mutex_lock(&k->forks[second]);
        if (k->uses[first] != 0 || k->uses[second] != 0)
            __atomic_fetch_add(&k->wrong, 1, __ATOMIC_SEQ_CST);
        k->uses[first] = k->uses[second] = me + 1;
        k->meals[me]++;
        rt_yield();
        if (k->uses[first] != me + 1 || k->uses[second] != me + 1)
            __atomic_fetch_add(&k->wrong, 1, __ATOMIC_SEQ_CST);
        k->uses[first] = k->uses[second] = 0;
        rt_mutex_unlock(&k->forks[second]);
        rt_mutex_unlock(&k->forks[first]);
    }
    rt_wg_done(&k->wg);
}

TEST(go_programs, philosophers)
{
    struct table k = {.wrong = 0};

    rt_wg_add(&k.wg, 5);
    for (int i = 0; i < 5; i++)
        go(philosopher, &k, i, 500);
    rt_wg_wait(&k.wg);
    EXPECT_EQ(t, k.wrong, 0);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(t, k.meals[i], 500);
}

/* ---- powser1.go: a power series is a process that sends its coefficients, one for each request ---- */

struct rat {
    int64_t n, d;
};

struct ps {
    gc(chan(bool)) req;
    gc(chan(struct rat)) dat;
};

static struct rat rat(int64_t n, int64_t d)
{
    int64_t a = n < 0 ? -n : n, b = d;

    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a == 0 ? (struct rat){0, 1} : (struct rat){n / a, d / a};
}

static struct rat rat_add(struct rat x, struct rat y)
{
    return rat(x.n * y.d + y.n * x.d, x.d * y.d);
}

static struct rat rat_mul(struct rat x, struct rat y)
{
    return rat(x.n * y.n, x.d * y.d);
}

static struct ps ps_make(void)
{
    return (struct ps){.req = chan_make(bool, 0), .dat = chan_make(struct rat, 0)};
}

static struct rat ps_get(struct ps u)
{
    chan_send(u.req, true);
    return chan_recv(u.dat);
}

static void ps_put(struct ps u, struct rat x)
{
    chan_recv(u.req);
    chan_send(u.dat, x);
}

static void ps_do_split(struct ps in, struct ps out0, struct ps out1, chan(int) wait)
{
    bool both = false, swap = false;

    go_select {
        on_recv_drop (out0.req) {
        }
        on_recv_drop (wait) {
            both = true;
            go_select {
                on_recv_drop (out0.req) {
                }
                on_recv_drop (out1.req) {
                    swap = true;
                }
            }
        }
    }
    chan(struct rat) first = swap ? out1.dat : out0.dat, second = swap ? out0.dat : out1.dat;
    chan(bool) second_req = swap ? out0.req : out1.req;
    chan(int) release = chan_make(int, 0);

    chan_send(in.req, true);
    if (swap)
        go(ps_do_split, in, out1, out0, release);
    else
        go(ps_do_split, in, out0, out1, release);
    struct rat x = chan_recv(in.dat);
    chan_send(first, x);
    if (!both)
        chan_recv(wait);
    chan_recv(second_req);
    chan_send(second, x);
    chan_send(release, 0);
}

static void ps_split(struct ps in, struct ps out0, struct ps out1)
{
    chan(int) wait = chan_make(int, 0);

    go(ps_do_split, in, out0, out1, wait);
    chan_send(wait, 0);
}

static void ps_do_rep(struct rat x, struct ps z)
{
    for (;;)
        ps_put(z, x);
}

static struct ps ps_rep(struct rat x)
{
    struct ps z = ps_make();
    go(ps_do_rep, x, z);
    return z;
}

static void ps_do_add(struct ps u, struct ps v, struct ps z)
{
    for (;;) {
        chan_recv(z.req);
        struct rat x = ps_get(u);
        chan_send(z.dat, rat_add(x, ps_get(v)));
    }
}

static struct ps ps_add(struct ps u, struct ps v)
{
    struct ps z = ps_make();
    go(ps_do_add, u, v, z);
    return z;
}

static void ps_do_scale(struct rat by, struct ps u, struct ps z)
{
    for (;;) {
        chan_recv(z.req);
        chan_send(z.dat, rat_mul(by, ps_get(u)));
    }
}

static struct ps ps_scale(struct rat by, struct ps u)
{
    struct ps z = ps_make();
    go(ps_do_scale, by, u, z);
    return z;
}

static void ps_copy(struct ps from, struct ps to)
{
    for (;;) {
        chan_recv(to.req);
        chan_send(to.dat, ps_get(from));
    }
}

static struct ps ps_mul(struct ps u, struct ps v);

static void ps_do_mul(struct ps u, struct ps v, struct ps z)
{
    struct ps u0 = ps_make(), u1 = ps_make(), v0 = ps_make(), v1 = ps_make();

    chan_recv(z.req);
    struct rat x = ps_get(u), y = ps_get(v);
    chan_send(z.dat, rat_mul(x, y));
    go(ps_split, u, u0, u1);
    go(ps_split, v, v0, v1);
    struct ps w = ps_add(ps_scale(x, v0), ps_scale(y, u0));
    ps_put(z, ps_get(w));
    ps_copy(ps_add(w, ps_mul(u1, v1)), z);
}

static struct ps ps_mul(struct ps u, struct ps v)
{
    struct ps z = ps_make();
    go(ps_do_mul, u, v, z);
    return z;
}

static void ps_do_integrate(struct rat c, struct ps u, struct ps z)
{
    ps_put(z, c);
    for (int64_t i = 1;; i++) {
        chan_recv(z.req);
        chan_send(z.dat, rat_mul(rat(1, i), ps_get(u)));
    }
}

/* exp: the series that is its own derivative and begins with 1. */
static struct ps ps_exp(void)
{
    struct ps z0 = ps_make(), z1 = ps_make(), integral = ps_make();

    go(ps_do_integrate, rat(1, 1), z0, integral);
    go(ps_split, integral, z0, z1);
    return z1;
}

TEST_OPTS(go_programs, power_series, .need_mib = 64)
{
    struct ps squares = ps_mul(ps_rep(rat(1, 1)), ps_rep(rat(1, 1)));
    int64_t factorial = 1;

    for (int i = 1; i <= 12; i++) { /* 1 / (1 - x)^2 = 1 + 2x + 3x^2 ... */
        struct rat x = ps_get(squares);
        EXPECT(t, x.n == i && x.d == 1);
    }
    struct ps e = ps_exp();
    for (int i = 0; i < 12; i++) {
        struct rat x = ps_get(e);
        factorial *= i > 0 ? i : 1;
        EXPECT(t, x.n == 1 && x.d == factorial);
    }
}

/* ---- goroutines.go: each passes on what its neighbour gives, and all but two wait ---- */

static void pass_on(chan(int) left, chan(int) right)
{
    chan_send(left, chan_recv(right));
}

TEST_OPTS(go_programs, chain_of_goroutines, .need_mib = 64)
{
    enum { N = 5000 };
    chan(int) leftmost = chan_make(int, 0), right = leftmost;

    for (int i = 0; i < N; i++) {
        chan(int) left = right;
        right = chan_make(int, 0);
        go(pass_on, left, right);
    }
    chan_send(right, 42);
    EXPECT_EQ(t, chan_recv(leftmost), 42);
}

/* ---- select2.go: what waited in a select leaves nothing behind ---- */

static void send_ones(chan(int) c, int n)
{
    for (int i = 0; i < n; i++)
        chan_send(c, 1);
}

static uint64_t live_after_selects(int n)
{
    chan(int) c = chan_make(int, 0), never = chan_make(int, 0);
    struct rt_mem_stats stats;

    go(send_ones, c, n);
    for (int i = 0; i < n; i++)
        go_select {
            on_recv_drop (c) {
            }
            on_recv_drop (never) {
            }
        }
    rt_gc();
    rt_read_mem_stats(&stats);
    return stats.heap_live_bytes;
}

TEST(go_programs, selects_leave_nothing_behind)
{
    uint64_t before = live_after_selects(20000);
    EXPECT_LE(t, live_after_selects(20000), before + 100000);
}

/* ---- select7.go: each kind of send meets each kind of receive ---- */

static void receive_plainly(chan(int) c)
{
    chan_recv(c);
}
static void receive_by_select_of_1(chan(int) c)
{
    go_select {
        on_recv_drop (c) {
        }
    }
}
static void receive_by_select_of_2(chan(int) c)
{
    go_select {
        on_recv_drop (c) {
        }
        on_recv_drop (chan_make(int, 0)) {
        }
    }
}
static void send_by_select_of_1(chan(int) c)
{
    go_select {
        on_send (c, 1) {
        }
    }
}
static void send_by_select_of_2(chan(int) c)
{
    go_select {
        on_send (c, 1) {
        }
        on_send (chan_make(int, 0), 1) {
        }
    }
}

TEST(go_programs, each_send_meets_each_receive)
{
    static void (*const senders[])(chan(int)) = {do_send, send_by_select_of_1, send_by_select_of_2};
    static void (*const receivers[])(chan(int)) = {receive_plainly, receive_by_select_of_1,
                                                   receive_by_select_of_2};

    for (int i = 0; i < 9; i++) {
        chan(int) c = chan_make(int, 0);
        go(receivers[i % 3], c);
        rt_yield();
        senders[i / 3](c);
        c = chan_make(int, 0);
        go(senders[i / 3], c);
        rt_yield();
        receivers[i % 3](c);
    }
}

/* ---- ken/chan1.go: each value is received once ---- */

#define MARKS 1000
static uint32_t mark[2 * MARKS]; /* 1 while it travels, 2 when it has arrived */

static void receive_marks(chan(int) c, chan(int) arrived)
{
    int bad = 0, r = 0;

    do {
        go_select {
            on_recv (r, c) {
            }
            on_recv (r, c) {
            }
        }
        if (r >= 0 && swap_acq_rel(&mark[r], 2) != 1)
            bad++;
    } while (r >= 0);
    chan_send(arrived, bad);
}

TEST(go_programs, each_value_is_received_once)
{
    enum { RECEIVERS = 10 };

    for (int capacity = 0; capacity <= 2; capacity += 2) {
        chan(int) c = chan_make(int, capacity), arrived = chan_make(int, 0);
        for (int i = 0; i < RECEIVERS; i++)
            go(receive_marks, c, arrived);
        for (int n = 0; n < MARKS; n++) {
            store_release(&mark[n], 1);
            store_release(&mark[MARKS + n], 1);
            go_select {
                on_send (c, n) {
                    chan_send(c, MARKS + n);
                }
                on_send (c, MARKS + n) {
                    chan_send(c, n);
                }
            }
        }
        for (int i = 0; i < RECEIVERS; i++)
            chan_send(c, -1);
        for (int i = 0; i < RECEIVERS; i++)
            EXPECT_EQ(t, chan_recv(arrived), 0);
        for (int n = 0; n < 2 * MARKS; n++)
            REQUIRE(t, load_acquire(&mark[n]) == 2);
    }
}

/* ---- TestSelfSelect: who sends and receives on one channel in one select never meets himself [select.1] ---- */

static void talk(int me, chan(int) c, chan(int) done)
{
    int heard_myself = 0;

    for (int i = 0; i < 1000; i++) {
        int who = -1;
        if (me == 0 || i % 2 == 0)
            go_select {
                on_send (c, me) {
                }
                on_recv (who, c) {
                }
            }
        else
            go_select {
                on_recv (who, c) {
                }
                on_send (c, me) {
                }
            }
        heard_myself += who == me;
    }
    chan_send(done, heard_myself);
}

TEST(go_programs, nobody_meets_himself)
{
    chan(int) c = chan_make(int, 0), done = chan_make(int, 2);

    go(talk, 0, c, done);
    go(talk, 1, c, done);
    EXPECT_EQ(t, chan_recv(done), 0);
    EXPECT_EQ(t, chan_recv(done), 0);
}

/* ---- peano.go: numbers as lists, so sums are deep recursions ---- */

struct peano {
    gc(struct peano *) before; /* NULL, the number, is 0 */
};

static struct peano *successor(struct peano *x)
{
    struct peano *n = gc_new(struct peano);
    gc_set(n->before, x);
    return n;
}

static RT_NOINLINE struct peano *peano_sum(struct peano *x, struct peano *y)
{
    return y == NULL ? x : peano_sum(successor(x), y->before);
}

static RT_NOINLINE struct peano *peano_product(struct peano *x, struct peano *y)
{
    return x == NULL || y == NULL ? NULL : peano_sum(peano_product(x, y->before), x);
}

static RT_NOINLINE struct peano *peano_factorial(struct peano *n)
{
    return n == NULL ? successor(NULL) : peano_product(peano_factorial(n->before), n);
}

static RT_NOINLINE int peano_count(struct peano *n)
{
    return n == NULL ? 0 : peano_count(n->before) + 1;
}

static void count_factorials(chan(int) out)
{
    struct peano *n = NULL;

    for (int i = 0; i <= 7; i++, n = successor(n))
        chan_send(out, peano_count(peano_factorial(n)));
    chan_close(out);
}

TEST_OPTS(go_programs, peano_numbers, .need_mib = 64)
{
    static const int factorials[] = {1, 1, 2, 6, 24, 120, 720, 5040};
    chan(int) out = chan_make(int, 0);
    size_t i = 0;

    go_with(((struct rt_go_opts){.stack_bytes = 16u << 20}), count_factorials, out);
    chan_range (n, out)
        EXPECT_EQ(t, n, factorials[i++]);
    EXPECT_EQ(t, i, 8);
}

/* ---- deferfin.go: a deferred call's argument lives until the call, and no longer ---- */

static uint32_t finalized; /* [a] */

static void note_finalized(RT_UNUSED void *p)
{
    add_relaxed(&finalized, 1);
}

static void expect_seven(struct test *t, const char *v)
{
    EXPECT_EQ(t, *v, 7);
}

static RT_NOINLINE void defer_use(struct test *t)
{
    defers;
    char *v = gc_bytes(20);

    *v = 7;
    rt_set_finalizer(v, note_finalized);
    defer(expect_seven, t, v);
    rt_gc();
}

TEST(go_programs, deferred_arguments_live_and_die)
{
    enum { N = 10 };
    struct rt_waitgroup wg = {0};

    finalized = 0;
    for (int i = 0; i < N; i++)
        wg_go(&wg, defer_use, t);
    rt_wg_wait(&wg);
    for (int i = 0; i < 100 && load_relaxed(&finalized) < N; i++) {
        rt_gc();
        rt_sleep(1000000);
    }
    EXPECT_GE(t, load_relaxed(&finalized), N - 2); /* an old word on a stack may keep one */
}
