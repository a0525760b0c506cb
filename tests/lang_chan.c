/*
 * tests/lang_chan.c - channels: each operation's rules, long queues, a sequential model, costs.
 */
#include <tests/test.h>
#include <lang/chan.h>
#include <lib/atomic.h>
#include <lib/bits.h>
#include <rt/rt.h>

struct empty {
};
struct seven {
    char c[7];
};
struct wide {
    long a[8];
};
struct large {
    long a[8192]; /* 64 KiB */
};
struct node {
    gc(struct node *) next;
    int n;
};
struct msg {
    gc(struct node *) node;
    long n;
};

static void expect_panic(struct test *t, struct rt_panic *e, const char *text)
{
    EXPECT(t, e != NULL);
    if (e != NULL)
        EXPECT_STR(t, text, e->message);
}

/* Let the others run until `done` says so; a second at most. */
static bool eventually(bool (*done)(void *), void *arg)
{
    int64_t end = rt_nanotime() + 10 * INT64_C(1000000000);

    while (!done(arg)) {
        if (rt_nanotime() > end)
            return false;
        rt_sleep(20000);
    }
    return true;
}

struct waiting {
    struct rt_chan *c;
    unsigned kind;
    size_t n;
};

static bool that_many_wait(void *arg)
{
    struct waiting *w = arg;
    size_t n = 0;

    chan_lock(w->c);
    list_for_each(it, &w->c->waits[w->kind]) n++;
    chan_verify(w->c);
    chan_unlock(w->c);
    return n == w->n;
}

/* Wait until n goroutines wait to receive from, or send to, the channel. */
static void until_waiting(struct test *t, struct rt_chan *c, unsigned kind, size_t n)
{
    struct waiting w = {c, kind, n};
    REQUIRE(t, eventually(that_many_wait, &w));
}

/* ---- One goroutine ---- */

TEST(chan, buffered_values_come_out_in_order)
{
    for (int cap = 1; cap < 40; cap += 7) {
        chan(int) c = chan_make(int, cap);
        EXPECT_EQ(t, chan_cap(c), cap);
        for (int turn = 0, in = 0, out = 0; turn < 5; turn++) { /* the ring wraps */
            for (int i = 0; i < cap - turn % 2; i++) {
                EXPECT_EQ(t, chan_len(c), i);
                chan_send(c, in++);
            }
            while (chan_len(c) > 0)
                EXPECT_EQ(t, chan_recv(c), out++);
            EXPECT_EQ(t, in, out);
            chan_verify(chan_raw(c));
        }
    }
}

TEST(chan, try_refuses_when_it_would_wait)
{
    chan(int) c = chan_make(int, 2);
    chan(int) unbuffered = chan_make(int, 0);
    int x = 77;

    EXPECT(t, !chan_try_recv(c, x));
    EXPECT_EQ(t, x, 77);
    EXPECT(t, chan_try_send(c, 1));
    EXPECT(t, chan_try_send(c, 2));
    EXPECT(t, !chan_try_send(c, 3));
    EXPECT(t, chan_try_recv(c, x));
    EXPECT_EQ(t, x, 1);
    EXPECT(t, !chan_try_send(unbuffered, 1));
    EXPECT(t, !chan_try_recv(unbuffered, x));
    chan_close(c);
    EXPECT(t, chan_try_recv(c, x));
    EXPECT_EQ(t, x, 2);
    x = 77;
    EXPECT(t, !chan_try_recv(c, x));
    EXPECT_EQ(t, x, 0); /* closed and drained: zero */
    EXPECT(t, chan_closed(c));
    EXPECT(t, !chan_closed(unbuffered));
}

/* Any element size goes through unchanged, also what is larger than a slot may be. */
TEST_OPTS(chan, elements_of_every_size, .need_mib = 64)
{
    static const size_t sizes[] = {1,  2,  3,  4,  5,   7,    8,    9,    12,   16,
                                   24, 63, 64, 65, 100, 1000, 1024, 1025, 4096, 65536};
    static char in[65536], out[65536];
    static struct rt_type types[ARRAY_LEN(sizes)];

    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct rt_type *type = &types[k];
        *type = (struct rt_type){.size = (uint32_t)sizes[k], .align = 1, .kind = RT_TYPE_NOSCAN};
        struct rt_chan *c = rt_chan_make_raw(type, 3);
        for (int turn = 0; turn < 5; turn++) {
            for (size_t i = 0; i < sizes[k]; i++)
                in[i] = (char)(rng_next(&t->rng) >> 7);
            struct rt_select_case send = {.chan = c, .elem = in, .send = true};
            struct rt_select_case recv = {.chan = c, .elem = out};
            bool ok = false;
            EXPECT_EQ(t, rt_select(&send, 1, true, NULL), 0);
            EXPECT_EQ(t, rt_select(&recv, 1, true, &ok), 0);
            EXPECT(t, ok);
            EXPECT_EQ(t, memcmp(in, out, sizes[k]), 0);
            chan_verify(c);
        }
        rt_chan_close_raw(c);
        bool ok = true;
        struct rt_select_case recv = {.chan = c, .elem = out};
        EXPECT_EQ(t, rt_select(&recv, 1, true, &ok), 0);
        EXPECT(t, !ok);
        for (size_t i = 0; i < sizes[k]; i++)
            REQUIRE(t, out[i] == 0);
    }
}

TEST_OPTS(chan, typed_elements, .need_mib = 64)
{
    chan(char) cc = chan_make(char, 2);
    chan(struct seven) c7 = chan_make(struct seven, 1);
    chan(struct wide) cw = chan_make(struct wide, 1);
    chan(struct large) cl = chan_make(struct large, 2);
    chan(double) cd = chan_make(double, 1);
    chan(struct msg) cm = chan_make(struct msg, 1);
    chan(chan(char)) ch = chan_make(chan(char), 1);
    struct large *l = gc_new(struct large), *m = gc_new(struct large);
    struct msg msg = {.n = 0};

    chan_send(cc, -3);
    EXPECT_EQ(t, chan_recv(cc), -3);
    chan_send(c7, (struct seven){"sixsix"});
    struct seven s = chan_recv(c7);
    EXPECT_STR(t, "sixsix", s.c);
    chan_send(cw, (struct wide){.a = {1, 2, 3, 4, 5, 6, 7, 8}});
    EXPECT_EQ(t, chan_recv(cw).a[7], 8);
    chan_send(cd, 1.5);
    EXPECT(t, chan_recv(cd) == 1.5);
    l->a[0] = 5;
    l->a[8191] = 6;
    chan_send(cl, *l);
    l->a[0] = 7; /* copied in */
    chan_send(cl, *l);
    EXPECT(t, chan_recv_ok(cl, *m));
    EXPECT_EQ(t, m->a[0], 5);
    EXPECT_EQ(t, m->a[8191], 6);
    EXPECT(t, chan_recv_ok(cl, *m));
    EXPECT_EQ(t, m->a[0], 7);
    struct node *n = gc_new(struct node);
    n->n = 9;
    chan_send(cm, (struct msg){.node = n, .n = 4});
    EXPECT(t, chan_recv_ok(cm, msg));
    EXPECT_EQ(t, msg.node->n, 9);
    EXPECT_EQ(t, msg.n, 4);
    chan_send(ch, cc);
    EXPECT(t, chan_recv(ch) == cc);
}

struct two_words {
    uint64_t a, b;
};

static void wait_for_two_words(struct rt_chan *c, struct two_words *got, struct rt_waitgroup *wg)
{
    *got = (struct two_words){1, 2};
    got->a += rt_chan_recv_elem(c, got);
    rt_wg_done(wg);
}

/* Who was waiting when the channel was closed gets zeroes; what was taken leaves zeroes behind [chan.5]. */
TEST(chan, what_is_gone_is_zero)
{
    chan(struct two_words) c = chan_make(struct two_words, 3);
    const uint64_t *slots = (const uint64_t *)(const void *)chan_raw(c)->slots;
    struct rt_waitgroup wg = {0};
    struct two_words got = {0, 0};

    for (uint64_t i = 1; i <= 3; i++)
        chan_send(c, (struct two_words){i, i});
    for (unsigned i = 0; i < 3; i++)
        got = chan_recv(c);
    EXPECT_EQ(t, got.b, 3);
    for (unsigned i = 0; i < 6; i++)
        EXPECT_EQ(t, slots[i], 0);

    rt_wg_add(&wg, 1);
    go(wait_for_two_words, chan_raw(c), &got, &wg);
    while (list_empty(&chan_raw(c)->waits[RT_SELECT_RECV]))
        rt_sleep(100000);
    chan_close(c);
    rt_wg_wait(&wg);
    EXPECT_EQ(t, got.a, 0);
    EXPECT_EQ(t, got.b, 0);
}

TEST(chan, zero_size_elements_are_counted)
{
    chan(struct empty) c = chan_make(struct empty, 1000000000000);
    struct empty e = {};

    for (int i = 0; i < 1000; i++)
        chan_send(c, e);
    EXPECT_EQ(t, chan_len(c), 1000);
    for (int i = 0; i < 999; i++)
        e = chan_recv(c);
    chan_close(c);
    EXPECT(t, chan_recv_ok(c, e));
    EXPECT(t, !chan_recv_ok(c, e));
    chan_verify(chan_raw(c));
}

static void make_ints(int64_t n)
{
    (void)chan_make(int, n);
}

static void close_int(chan(int) c)
{
    chan_close(c);
}

static void send_int(chan(int) c, int x)
{
    chan_send(c, x);
}

TEST(chan, misuse_panics_with_go_s_texts)
{
    chan(int) c = chan_make(int, 1);
    chan(int) nil = NULL;

    expect_panic(t, catch_panic(make_ints, -1), "makechan: size out of range");
    expect_panic(t, catch_panic(make_ints, INT64_MAX), "makechan: size out of range");
    expect_panic(t, catch_panic(make_ints, INT64_C(1) << 58), "makechan: size out of range");
    expect_panic(t, catch_panic(close_int, nil), "close of nil channel");
    chan_close(c);
    expect_panic(t, catch_panic(close_int, c), "close of closed channel");
    expect_panic(t, catch_panic(send_int, c, 1), "send on closed channel");
    bool caught = false;
    struct rt_panic *e = catch_panic(send_int, c, 1);
    caught = e != NULL && e->kind == RT_PANIC_CLOSED_CHANNEL;
    EXPECT(t, caught);
    chan_verify(chan_raw(c)); /* no lock left behind */
}

TEST(chan, nil_channel_is_never_ready)
{
    chan(int) nil = NULL;
    int x;

    EXPECT_EQ(t, chan_len(nil), 0);
    EXPECT_EQ(t, chan_cap(nil), 0);
    EXPECT(t, !chan_try_send(nil, 1));
    EXPECT(t, !chan_try_recv(nil, x));
    EXPECT(t, !chan_closed(nil));
}

TEST(chan, range_ends_when_closed_and_drained)
{
    chan(int) c = chan_make(int, 10);
    int sum = 0, turns = 0;

    for (int i = 1; i <= 10; i++)
        chan_send(c, i);
    chan_close(c);
    chan_range (v, c) {
        if (v == 3)
            continue;
        if (v == 8)
            break;
        sum += v;
        turns++;
    }
    EXPECT_EQ(t, sum, 1 + 2 + 4 + 5 + 6 + 7);
    EXPECT_EQ(t, turns, 6);
    EXPECT_EQ(t, chan_len(c), 2);
}

static int evaluations;
static chan(int) evaluated(chan(int) c)
{
    evaluations++;
    return c;
}

TEST(chan, arguments_are_evaluated_once)
{
    chan(int) c = chan_make(int, 100);
    int x[3] = {0}, i = 0, v = 0;

    evaluations = 0;
    chan_send(evaluated(c), v++);
    x[0] = chan_recv(evaluated(c));
    chan_send(evaluated(c), v++);
    chan_recv_ok(evaluated(c), x[++i]);
    chan_try_send(evaluated(c), v++);
    chan_try_recv(evaluated(c), x[++i]);
    EXPECT_EQ(t, evaluations, 6);
    EXPECT_EQ(t, v, 3);
    EXPECT_EQ(t, i, 2);
    EXPECT(t, x[0] == 0 && x[1] == 1 && x[2] == 2);
    chan_close(c);
    chan_range (y, evaluated(c))
        (void)y;
    EXPECT_EQ(t, evaluations, 7);
}

/* ---- Several ---- */

static void echo(chan(int) in, chan(int) out)
{
    chan_range (v, in)
        chan_send(out, v + 1);
    chan_close(out);
}

TEST(chan, values_are_handed_over)
{
    chan(int) a = chan_make(int, 0), b = chan_make(int, 0);
    int x;

    go(echo, a, b);
    for (int i = 0; i < 1000; i++) {
        chan_send(a, i);
        EXPECT_EQ(t, chan_recv(b), i + 1);
    }
    chan_close(a);
    EXPECT(t, !chan_recv_ok(b, x));
}

/* A sender that waits has its value taken straight from its frame, and in order, when the ring is
 * full. */
TEST(chan, senders_wait_in_order_behind_a_full_ring)
{
    for (int cap = 0; cap < 4; cap++) {
        chan(int) c = chan_make(int, cap);
        for (int i = 0; i < cap + 5; i++) {
            go(send_int, c, i);
            if (i < cap)
                while (chan_len(c) <= (size_t)i)
                    rt_yield();
            else
                until_waiting(t, chan_raw(c), RT_SELECT_SEND, (size_t)(i - cap + 1));
        }
        EXPECT_EQ(t, chan_len(c), cap);
        for (int i = 0; i < cap + 5; i++)
            EXPECT_EQ(t, chan_recv(c), i);
        chan_verify(chan_raw(c));
    }
}

struct fifo {
    gc(chan(int)) c;
    gc(int *) got;
    struct rt_waitgroup wg;
};

static void recv_nth(struct fifo *f, int i)
{
    f->got[i] = chan_recv(f->c);
    rt_wg_done(&f->wg);
}

static void send_nth(struct fifo *f, int i)
{
    chan_send(f->c, i);
    rt_wg_done(&f->wg);
}

/* Let one more goroutine come to wait [chan.3]. */
static void until_changed(struct rt_chan *c, uint32_t version)
{
    while (load_relaxed(&c->version) == version)
        rt_yield();
}

/* Whoever waited first is served first, also among 10,000. */
TEST_OPTS(chan, ten_thousand_waiters_are_served_in_order, .need_mib = 128)
{
    enum { N = 10000 };
    struct fifo f = {.c = chan_make(int, 0), .got = gc_make(int, N)};

    rt_wg_add(&f.wg, N);
    for (int i = 0; i < N; i++) {
        uint32_t version = chan_raw(f.c)->version;
        go(recv_nth, &f, i);
        until_changed(chan_raw(f.c), version);
    }
    until_waiting(t, chan_raw(f.c), RT_SELECT_RECV, N);
    for (int i = 0; i < N; i++)
        chan_send(f.c, i);
    rt_wg_wait(&f.wg);
    for (int i = 0; i < N; i++)
        REQUIRE(t, f.got[i] == i);

    rt_wg_add(&f.wg, N);
    for (int i = 0; i < N; i++) {
        uint32_t version = chan_raw(f.c)->version;
        go(send_nth, &f, i);
        until_changed(chan_raw(f.c), version);
    }
    until_waiting(t, chan_raw(f.c), RT_SELECT_SEND, N);
    for (int i = 0; i < N; i++)
        REQUIRE(t, chan_recv(f.c) == i);
    rt_wg_wait(&f.wg);
    chan_verify(chan_raw(f.c));
}

struct closing {
    gc(chan(int)) c;
    struct rt_waitgroup wg;
    int zeros, panics, wrong;
};

static void recv_closed(struct closing *k)
{
    int x = 5;
    bool ok = chan_recv_ok(k->c, x);

    __atomic_fetch_add(!ok && x == 0 ? &k->zeros : &k->wrong, 1, __ATOMIC_SEQ_CST);
    rt_wg_done(&k->wg);
}

static void send_closed(struct closing *k)
{
    struct rt_panic *e = catch_panic(send_int, k->c, 1);
    bool right = e != NULL && strcmp(e->message, "send on closed channel") == 0;

    __atomic_fetch_add(right ? &k->panics : &k->wrong, 1, __ATOMIC_SEQ_CST);
    rt_wg_done(&k->wg);
}

TEST_OPTS(chan, close_wakes_all_receivers, .need_mib = 64)
{
    enum { N = 1000 };
    struct closing k = {.c = chan_make(int, 2)};

    rt_wg_add(&k.wg, N);
    for (int i = 0; i < N; i++)
        go(recv_closed, &k);
    until_waiting(t, chan_raw(k.c), RT_SELECT_RECV, N);
    chan_close(k.c);
    rt_wg_wait(&k.wg);
    EXPECT_EQ(t, k.zeros, N);
    EXPECT_EQ(t, k.wrong, 0);
    chan_verify(chan_raw(k.c));
}

TEST_OPTS(chan, close_makes_all_senders_panic, .need_mib = 64)
{
    enum { N = 1000 };
    struct closing k = {.c = chan_make(int, 2)};

    chan_send(k.c, 10);
    chan_send(k.c, 11);
    rt_wg_add(&k.wg, N);
    for (int i = 0; i < N; i++)
        go(send_closed, &k);
    until_waiting(t, chan_raw(k.c), RT_SELECT_SEND, N);
    chan_close(k.c);
    rt_wg_wait(&k.wg);
    EXPECT_EQ(t, k.panics, N);
    EXPECT_EQ(t, k.wrong, 0);
    EXPECT_EQ(t, chan_recv(k.c), 10); /* what was in the ring is still there, and nothing else */
    EXPECT_EQ(t, chan_recv(k.c), 11);
    EXPECT_EQ(t, chan_recv(k.c), 0);
    chan_verify(chan_raw(k.c));
}

struct traffic {
    struct rt_waitgroup senders, receivers;
    uint64_t sum_in, sum_out, n_out;
};

static void producer(struct traffic *f, chan(long) c, int n, uint64_t seed)
{
    struct rng r = {seed};
    uint64_t sum = 0;

    for (int i = 0; i < n; i++) {
        long v = (long)(rng_next(&r) >> 8);
        sum += (uint64_t)v;
        chan_send(c, v);
        if (v % 16 == 0)
            rt_yield();
    }
    __atomic_fetch_add(&f->sum_in, sum, __ATOMIC_SEQ_CST);
    rt_wg_done(&f->senders);
}

static void consumer(struct traffic *f, chan(long) c)
{
    uint64_t sum = 0, n = 0;

    chan_range (v, c) {
        sum += (uint64_t)v;
        n++;
        if (v % 32 == 0)
            rt_yield();
    }
    __atomic_fetch_add(&f->sum_out, sum, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&f->n_out, n, __ATOMIC_SEQ_CST);
    rt_wg_done(&f->receivers);
}

/* Nothing is lost or doubled, whatever the capacity and the number of cores. */
TEST(chan, many_to_many)
{
    enum { EACH = 2000, P = 5, C = 3 };
    static struct traffic f;

    for (int cap = 0; cap <= 16; cap = cap * 2 + 1) {
        chan(long) c = chan_make(long, cap);
        f = (struct traffic){.sum_in = 0};
        rt_wg_add(&f.senders, P);
        rt_wg_add(&f.receivers, C);
        for (int i = 0; i < P; i++)
            go(producer, &f, c, EACH, rng_next(&t->rng));
        for (int i = 0; i < C; i++)
            go(consumer, &f, c);
        rt_wg_wait(&f.senders);
        chan_close(c);
        rt_wg_wait(&f.receivers);
        EXPECT_EQ(t, f.n_out, P * EACH);
        EXPECT_EQ(t, f.sum_in, f.sum_out);
        chan_verify(chan_raw(c));
    }
}

/* ---- Against a sequential model ---- */

/*
 * A few goroutines do random operations on two channels, plain ones and selects over both; each notes when it was called
 * and when it returned, by a shared counter. Then a search looks for an order that respects those times and
 * that two plain queues could have shown. Without buffers a send and a receive are one step together.
 */

#define MODEL_GOROUTINES 3
#define MODEL_OPS 5
#define MODEL_CHANS 2
#define MODEL_CAP_MAX 2

enum model_kind { M_SEND, M_RECV, M_TRY_SEND, M_TRY_RECV, M_LEN, M_CLOSE };

struct model_op {
    enum model_kind kind;
    bool by_select; /* on whichever can go on */
    int chan;       /* on which, or which it was */
    int value;      /* sent, received, or the length */
    int result;     /* 1 done, 0 closed (receive), 2 would wait, 3 panic */
    uint32_t called, returned;
};

struct model {
    gc(chan(int)) c[MODEL_CHANS];
    int cap;
    uint32_t clock;
    struct model_op ops[MODEL_GOROUTINES][MODEL_OPS];
    struct rt_waitgroup wg;
};

struct model_state {
    int done[MODEL_GOROUTINES];
    struct {
        int queue[MODEL_CAP_MAX];
        int n;
        bool closed;
    } chan[MODEL_CHANS];
};

static void try_send_int(chan(int) c, struct model_op *op)
{
    op->result = chan_try_send(c, op->value) ? 1 : 2;
}

/* Case `which` went on. */
static void model_chosen(struct model_op *op, int which, int result)
{
    op->chan = which;
    op->result = result;
}

static void select_try_send(struct model *m, struct model_op *op)
{
    go_select {
        on_send (m->c[0], op->value)
            model_chosen(op, 0, 1);
        on_send (m->c[1], op->value)
            model_chosen(op, 1, 1);
        on_default
            op->result = 2;
    }
}

static void model_select(struct model *m, struct model_op *op)
{
    bool ok;
    int x = 0;

    switch (op->kind) {
    case M_SEND:
        go_select {
            on_send (m->c[1], op->value)
                model_chosen(op, 1, 1);
            on_send (m->c[0], op->value)
                model_chosen(op, 0, 1);
        }
        break;
    case M_RECV:
        go_select {
            on_recv_ok (x, ok, m->c[0])
                model_chosen(op, 0, ok);
            on_recv_ok (x, ok, m->c[1])
                model_chosen(op, 1, ok);
        }
        op->value = x;
        break;
    case M_TRY_SEND:
        catch_panic(select_try_send, m, op);
        break;
    default:
        go_select {
            on_recv_ok (x, ok, m->c[0])
                model_chosen(op, 0, ok);
            on_recv_ok (x, ok, m->c[1])
                model_chosen(op, 1, ok);
            on_default
                op->result = 2;
        }
        op->value = x;
        break;
    }
}

static void model_act(struct model *m, struct model_op *op)
{
    chan(int) c = m->c[op->chan];
    struct rt_chan_word w;
    int x = 0;

    op->result = 3;
    if (op->by_select) {
        model_select(m, op);
        return;
    }
    switch (op->kind) {
    case M_SEND:
        chan_send(c, op->value);
        op->result = 1;
        break;
    case M_RECV:
        op->result = chan_recv_ok(c, x);
        op->value = x;
        break;
    case M_TRY_SEND:
        catch_panic(try_send_int, c, op);
        break;
    case M_TRY_RECV:
        w = rt_chan_try_recv_word(chan_raw(c));
        op->result = (int)w.ok;
        op->value = (int)w.word;
        break;
    case M_LEN:
        op->value = (int)chan_len(c);
        op->result = 1;
        break;
    case M_CLOSE:
        if (catch_panic(close_int, c) == NULL)
            op->result = 1;
        break;
    }
}

static void model_run(struct model *m, int g)
{
    for (int i = 0; i < MODEL_OPS; i++) {
        struct model_op *op = &m->ops[g][i];
        op->called = __atomic_add_fetch(&m->clock, 1, __ATOMIC_SEQ_CST);
        model_act(m, op);
        op->returned = __atomic_add_fetch(&m->clock, 1, __ATOMIC_SEQ_CST);
        if (op->value % 3 == 0)
            rt_yield();
    }
    rt_wg_done(&m->wg);
}

/* Could queue number `which` do this now, with this result? Then it does. */
static bool model_step_on(const struct model *m, struct model_state *s, const struct model_op *op,
                          int which)
{
    typeof(s->chan[0]) *q = &s->chan[which];

    switch (op->kind) {
    case M_SEND:
    case M_TRY_SEND:
        if (op->result == 3)
            return q->closed;
        if (q->closed || (op->result == 2) != (q->n == m->cap))
            return false;
        if (op->result == 1)
            q->queue[q->n++] = op->value;
        return true;
    case M_RECV:
    case M_TRY_RECV:
        if (op->result != 1)
            return q->n == 0 && (op->result == 0) == q->closed;
        if (q->n == 0 || q->queue[0] != op->value)
            return false;
        q->n--;
        for (int i = 0; i < q->n; i++)
            q->queue[i] = q->queue[i + 1];
        return true;
    case M_LEN:
        return op->value == q->n;
    case M_CLOSE:
        if ((op->result == 3) != q->closed)
            return false;
        q->closed = true;
        return true;
    }
    return false;
}

/* A select waits if both would; it panics if either does. */
static bool model_step(const struct model *m, struct model_state *s, const struct model_op *op)
{
    if (op->by_select && op->result == 2)
        return model_step_on(m, s, op, 0) && model_step_on(m, s, op, 1);
    if (op->by_select && op->result == 3)
        return model_step_on(m, s, op, 0) || model_step_on(m, s, op, 1);
    return model_step_on(m, s, op, op->chan);
}

/* Nothing that is still to come had returned before op was called. */
static bool model_minimal(const struct model *m, const struct model_state *s,
                          const struct model_op *op)
{
    for (int g = 0; g < MODEL_GOROUTINES; g++)
        for (int i = s->done[g]; i < MODEL_OPS; i++)
            if (m->ops[g][i].returned < op->called)
                return false;
    return true;
}

static bool model_search(const struct model *m, struct model_state s)
{
    bool over = true;

    for (int g = 0; g < MODEL_GOROUTINES; g++) {
        if (s.done[g] == MODEL_OPS)
            continue;
        over = false;
        const struct model_op *op = &m->ops[g][s.done[g]];
        struct model_state next = s;
        next.done[g]++;
        if (!model_minimal(m, &s, op))
            continue;
        struct model_state both = next;
        if (model_step(m, &next, op) && model_search(m, next))
            return true;
        if (m->cap > 0 || (op->kind != M_SEND && op->kind != M_TRY_SEND) || op->result != 1 ||
            s.chan[op->chan].closed)
            continue;
        for (int h = 0; h < MODEL_GOROUTINES; h++) { /* a send and a receive at once */
            if (h == g || s.done[h] == MODEL_OPS)
                continue;
            const struct model_op *to = &m->ops[h][s.done[h]];
            if ((to->kind != M_RECV && to->kind != M_TRY_RECV) || to->result != 1 ||
                to->value != op->value || to->chan != op->chan || !model_minimal(m, &s, to))
                continue;
            both.done[h]++;
            if (model_search(m, both))
                return true;
            both.done[h]--;
        }
    }
    return over;
}

static void model_print(struct test *t, const struct model *m)
{
    static const char *const names[] = {"send", "recv", "try_send", "try_recv", "len", "close"};

    for (int g = 0; g < MODEL_GOROUTINES; g++)
        for (int i = 0; i < MODEL_OPS; i++) {
            const struct model_op *op = &m->ops[g][i];
            test_note(t, "goroutine %d: %u to %u: %s%s on %d: %d -> %d", g, op->called,
                      op->returned, op->by_select ? "select " : "", names[op->kind], op->chan,
                      op->value, op->result);
        }
}

/*
 * blocking: as many sends as receives in such an order that none waits for ever: the first sends what the second,
 * who looks at both channels, receives.
 */
static void model_history(struct test *t, int cap, bool blocking)
{
    struct model m = {.c = {chan_make(int, cap), chan_make(int, cap)}, .cap = cap};
    struct model_state start = {0};

    for (int g = 0; g < MODEL_GOROUTINES; g++)
        for (int i = 0; i < MODEL_OPS; i++) {
            enum model_kind kind = M_TRY_SEND + (enum model_kind)rng_below(&t->rng, 3);
            if (rng_below(&t->rng, 24) == 0 && !blocking)
                kind = M_CLOSE;
            if (blocking)
                kind = g == 0 ? M_SEND : g == 1 ? M_RECV : M_LEN;
            m.ops[g][i] = (struct model_op){
                .kind = kind,
                .by_select = kind == M_RECV || (kind < M_LEN && rng_below(&t->rng, 2) != 0),
                .chan = (int)rng_below(&t->rng, 2),
                .value = g * MODEL_OPS + i + 1,
            };
        }
    rt_wg_add(&m.wg, MODEL_GOROUTINES);
    for (int g = 0; g < MODEL_GOROUTINES; g++)
        go(model_run, &m, g);
    rt_wg_wait(&m.wg);
    if (!model_search(&m, start)) {
        model_print(t, &m);
        test_fail(t, __FILE__, __LINE__, "no order explains this history (capacity %d)", cap);
    }
}

TEST(chan, histories_are_those_of_queues)
{
    for (int i = 0; i < 600; i++) {
        model_history(t, i % (MODEL_CAP_MAX + 1), i % 4 == 0);
        if (t->failures > 0)
            break;
    }
}

/* ---- Costs ---- */

/* Instructions of one turn, by the clock that counts them. */
#define COST(n, ...)                                                                               \
    __extension__({                                                                                \
        int64_t cost_start = rt_nanotime();                                                        \
        for (int cost_i = 0; cost_i < (n); cost_i++)                                               \
            __VA_ARGS__;                                                                           \
        (rt_nanotime() - cost_start) / (n);                                                        \
    })

TEST_OPTS(chan, cost_of_buffered_send_and_receive, .icount_only = true)
{
    chan(long) c = chan_make(long, 8);
    int64_t n = COST(1000, {
        chan_send(c, 1);
        chan_recv(c);
    });

    test_note(t, "%lld instructions", (long long)n);
    EXPECT_LE(t, n, TEST_BY_COMPILER(70, 78));
}

static void ponger(chan(long) in, chan(long) out)
{
    chan_range (v, in)
        chan_send(out, v);
}

TEST_OPTS(chan, cost_of_a_round_trip, .icount_only = true)
{
    chan(long) a = chan_make(long, 0), b = chan_make(long, 0);
    unsigned procs = rt_gomaxprocs(1);

    go(ponger, a, b);
    chan_send(a, 0);
    chan_recv(b);
    int64_t n = COST(1000, {
        chan_send(a, 1);
        chan_recv(b);
    });
    chan_close(a);
    rt_gomaxprocs(procs);
    test_note(t, "%lld instructions", (long long)n);
    EXPECT_LE(t, n, 440); /* the goal is 300; more than half of it is parking and waking */
}
