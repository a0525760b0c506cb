/*
 * bench/chan.c - channels and select.
 */
#include <bench/bench.h>

static void echo(chan(int) in, chan(int) out)
{
    chan_range (v, in)
        chan_send(out, v);
    chan_close(out);
}

/* There and back: two sends, two receives, two switches if there is one core. */
static void round_trip(struct bench *b, int capacity)
{
    chan(int) there = chan_make(int, capacity);
    chan(int) back = chan_make(int, capacity);

    go(echo, there, back);
    chan_send(there, 0);
    (void)chan_recv(back);
    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        chan_send(there, (int)i);
        (void)chan_recv(back);
    }
    bench_stop(b);
    chan_close(there);
    (void)chan_recv(back);
}

BENCH_OPTS(ChanRoundTrip, .icount_n = 10000)
{
    unsigned procs = rt_gomaxprocs(1);

    round_trip(b, 0);
    rt_gomaxprocs(procs);
}

BENCH_OPTS(ChanRoundTripCores, .need_cpus = 2, .wall_only = true)
{
    round_trip(b, 0);
}

BENCH_OPTS(ChanRoundTripBuffered, .icount_n = 10000)
{
    round_trip(b, 1);
}

/* One goroutine, so nobody waits. */
BENCH_OPTS(ChanBuffered, .icount_n = 10000)
{
    chan(int) c = chan_make(int, 16);

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        chan_send(c, (int)i);
        (void)chan_recv(c);
    }
    bench_stop(b);
}

/* A send for which there is room, alone: a buffer as large as there are sends. */
BENCH_OPTS(ChanSend, .icount_n = 10000)
{
    uint64_t n = b->n;

    for (uint64_t left = n; left > 0;) {
        uint64_t some = left < 10000 ? left : 10000;
        chan(int) c = chan_make(int, (int64_t)some);
        for (uint64_t i = 0; i < some; i++)
            chan_send(c, (int)i);
        left -= some;
    }
}

static void produce(chan(int) c, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        chan_send(c, (int)i);
    chan_close(c);
}

BENCH_OPTS(ChanProdCons100, .icount_n = 10000)
{
    chan(int) c = chan_make(int, 100);
    int sum = 0;

    go(produce, c, b->n);
    chan_range (v, c)
        sum += v;
    bench_keep(sum);
}

BENCH_OPTS(ChanMake, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(chan_make(int, 0));
}

/* ---- Select ---- */

static int select4(chan(int) c0, chan(int) c1, chan(int) c2, chan(int) c3)
{
    int v = -1;

    go_select {
        on_recv (v, c0) {
        }
        on_recv (v, c1) {
        }
        on_recv (v, c2) {
        }
        on_recv (v, c3) {
        }
    }
    return v;
}

struct four {
    gc(chan(int)) c[4];
};

static struct four *four_make(int capacity)
{
    struct four *f = gc_new(struct four);

    for (int i = 0; i < 4; i++)
        gc_set(f->c[i], chan_make(int, capacity));
    return f;
}

static void select_echo(struct four *in, struct four *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int v = select4(in->c[0], in->c[1], in->c[2], in->c[3]);
        chan_send(out->c[i & 3], v);
    }
}

/*
 * Two goroutines in turn: a select that finds nothing and waits, then a send that wakes the
 * other's. One operation is one such select and one such send.
 */
BENCH_OPTS(Select4Blocking, .icount_n = 10000)
{
    struct four *there = four_make(0), *back = four_make(0);
    unsigned procs = rt_gomaxprocs(1);
    uint64_t rounds = (b->n + 1) / 2;

    go(select_echo, there, back, rounds + 1);
    chan_send(there->c[0], 0);
    (void)select4(back->c[0], back->c[1], back->c[2], back->c[3]);
    bench_start(b);
    for (uint64_t i = 0; i < rounds; i++) {
        chan_send(there->c[i & 3], (int)i);
        (void)select4(back->c[0], back->c[1], back->c[2], back->c[3]);
    }
    bench_stop(b);
    rt_gomaxprocs(procs);
}

/* One of four is ready: the send that makes it so is counted too. */
BENCH_OPTS(Select4Ready, .icount_n = 10000)
{
    struct four *f = four_make(1);
    chan(int) c0 = f->c[0];
    chan(int) c1 = f->c[1];
    chan(int) c2 = f->c[2];
    chan(int) c3 = f->c[3];

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        chan_send(c2, (int)i);
        (void)select4(c0, c1, c2, c3);
    }
    bench_stop(b);
}

BENCH_OPTS(Select4Default, .icount_n = 10000)
{
    struct four *f = four_make(0);
    chan(int) c0 = f->c[0];
    chan(int) c1 = f->c[1];
    chan(int) c2 = f->c[2];
    chan(int) c3 = f->c[3];
    int v = 0;

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++)
        go_select {
            on_recv (v, c0) {
            }
            on_recv (v, c1) {
            }
            on_recv (v, c2) {
            }
            on_recv (v, c3) {
            }
            on_default {
                bench_keep(v);
            }
        }
    bench_stop(b);
}

BENCH_OPTS(ChanTryRecv, .icount_n = 10000)
{
    chan(int) c = chan_make(int, 0);
    int v = 0;

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(chan_try_recv(c, v));
    bench_stop(b);
    bench_keep(v);
}

/* ---- Two channels, and as many as a go_select takes ---- */

static int select2(chan(int) c0, chan(int) c1)
{
    int v = -1;

    go_select {
        on_recv (v, c0) {
        }
        on_recv (v, c1) {
        }
    }
    return v;
}

static void select2_echo(struct four *in, struct four *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int v = select2(in->c[0], in->c[1]);
        chan_send(out->c[i & 1], v);
    }
}

BENCH_OPTS(Select2Blocking, .icount_n = 10000)
{
    struct four *there = four_make(0), *back = four_make(0);
    unsigned procs = rt_gomaxprocs(1);
    uint64_t rounds = (b->n + 1) / 2;

    go(select2_echo, there, back, rounds + 1);
    chan_send(there->c[0], 0);
    (void)select2(back->c[0], back->c[1]);
    bench_start(b);
    for (uint64_t i = 0; i < rounds; i++) {
        chan_send(there->c[i & 1], (int)i);
        (void)select2(back->c[0], back->c[1]);
    }
    bench_stop(b);
    rt_gomaxprocs(procs);
}

BENCH_OPTS(Select2Ready, .icount_n = 10000)
{
    struct four *f = four_make(1);
    chan(int) c0 = f->c[0];
    chan(int) c1 = f->c[1];

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        chan_send(c1, (int)i);
        (void)select2(c0, c1);
    }
    bench_stop(b);
}

BENCH_OPTS(Select16Ready, .icount_n = 5000)
{
    enum { N = 16 };
    struct rt_select_case cases[N];
    int v = 0;
    chan(int) all[N];

    for (int i = 0; i < N; i++) {
        all[i] = chan_make(int, 1);
        cases[i] = (struct rt_select_case){.chan = all[i], .elem = &v};
    }
    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        chan_send(all[i & (N - 1)], (int)i);
        bench_keep(rt_select(cases, N, true, NULL));
    }
    bench_stop(b);
}

struct sixteen {
    gc(chan(int)) c[16];
};

static struct sixteen *sixteen_make(void)
{
    struct sixteen *s = gc_new(struct sixteen);

    for (int i = 0; i < 16; i++)
        gc_set(s->c[i], chan_make(int, 0));
    return s;
}

static int select16(struct sixteen *s)
{
    struct rt_select_case cases[16];
    int v = -1;

    for (int i = 0; i < 16; i++)
        cases[i] = (struct rt_select_case){.chan = s->c[i], .elem = &v};
    rt_select(cases, 16, true, NULL);
    return v;
}

static void select16_echo(struct sixteen *in, struct sixteen *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int v = select16(in);
        chan_send(out->c[i & 15], v);
    }
}

BENCH_OPTS(Select16Blocking, .icount_n = 5000)
{
    struct sixteen *there = sixteen_make(), *back = sixteen_make();
    unsigned procs = rt_gomaxprocs(1);
    uint64_t rounds = (b->n + 1) / 2;

    go(select16_echo, there, back, rounds + 1);
    chan_send(there->c[0], 0);
    (void)select16(back);
    bench_start(b);
    for (uint64_t i = 0; i < rounds; i++) {
        chan_send(there->c[i & 15], (int)i);
        (void)select16(back);
    }
    bench_stop(b);
    rt_gomaxprocs(procs);
}
