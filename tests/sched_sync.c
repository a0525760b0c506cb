/*
 * tests/sched_sync.c - mutex, rwmutex, cond, wait group, once, semaphore, pool: exclusion, order,
 * fairness, misuse.
 */
#include <tests/test.h>
#include <gc/cycle.h>
#include <lib/bits.h>
#include <rt/rt.h>
#include <sched/sync.h>

/* Until n goroutines wait in the queue. */
static void until_queued(struct rt_sync_queue *q, size_t n)
{
    for (size_t seen = SIZE_MAX; seen != n;) {
        rt_yield();
        seen = 0;
        sync_queue_lock(q);
        for (struct sync_waiter *w = q->first; w != NULL; w = w->next)
            seen++;
        sync_queue_unlock(q);
    }
}

/* ---- Mutex ---- */

struct guarded {
    struct rt_mutex m;
    struct rt_rwmutex rw;
    struct rt_waitgroup wg;
    uint64_t a, b; /* always equal outside the lock */
    unsigned wrong, inside;
};

static void add_under_mutex(struct guarded *g, int turns)
{
    for (int i = 0; i < turns; i++) {
        rt_mutex_lock(&g->m);
        if (g->a != g->b)
            g->wrong++;
        g->a++;
        if (i % 64 == 0)
            rt_yield(); /* being descheduled inside must not hurt */
        g->b++;
        rt_mutex_unlock(&g->m);
    }
    rt_wg_done(&g->wg);
}

TEST(mutex, excludes)
{
    enum { G = 8, TURNS = 3000 };
    struct guarded g = {.a = 0};

    rt_wg_add(&g.wg, G);
    for (int i = 0; i < G; i++)
        go(add_under_mutex, &g, TURNS);
    rt_wg_wait(&g.wg);
    EXPECT_EQ(t, g.wrong, 0);
    EXPECT_EQ(t, g.a, G * TURNS);
    EXPECT_EQ(t, g.m.state, 0);
    EXPECT(t, g.m.queue.first == NULL && g.m.queue.count == 0);
}

TEST(mutex, trylock)
{
    struct rt_mutex m = {0};

    EXPECT(t, rt_mutex_trylock(&m));
    EXPECT(t, !rt_mutex_trylock(&m));
    rt_mutex_unlock(&m);
    EXPECT(t, rt_mutex_trylock(&m));
    rt_mutex_unlock(&m);
}

static void lock_and_note(struct rt_mutex *m, int *order, int *n, int me, struct rt_waitgroup *wg)
{
    rt_mutex_lock(m);
    order[(*n)++] = me;
    rt_mutex_unlock(m);
    rt_wg_done(wg);
}

TEST(mutex, waiters_come_in_order)
{
    enum { N = 50 };
    struct rt_mutex m = {0};
    struct rt_waitgroup wg = {0};
    int order[N], n = 0;

    rt_mutex_lock(&m);
    rt_wg_add(&wg, N);
    for (int i = 0; i < N; i++) {
        go(lock_and_note, &m, order, &n, i, &wg);
        until_queued(&m.queue, (size_t)i + 1);
    }
    rt_sleep(2000000); /* all starve, so the lock is handed over */
    rt_mutex_unlock(&m);
    rt_wg_wait(&wg);
    EXPECT_EQ(t, n, N);
    unsigned late = 0; /* the first may race with nobody; after it the queue rules */
    for (int i = 0; i < N; i++)
        late += order[i] != i;
    EXPECT_EQ(t, late, 0);
}

/* Who was woken and found the lock taken again waits at the front, not behind those that came after it. */
TEST(mutex, who_lost_to_a_newcomer_is_next)
{
    struct rt_mutex m = {0};
    struct rt_waitgroup wg = {0};
    int order[2], n = 0, procs = rt_gomaxprocs(1);

    rt_mutex_lock(&m);
    rt_wg_add(&wg, 2);
    for (int i = 0; i < 2; i++) {
        go(lock_and_note, &m, order, &n, i, &wg);
        until_queued(&m.queue, (size_t)i + 1);
    }
    rt_mutex_unlock(&m); /* wakes the first; it runs when we wait */
    rt_mutex_lock(&m);
    until_queued(&m.queue, 2);
    rt_mutex_unlock(&m);
    rt_wg_wait(&wg);
    rt_gomaxprocs(procs);
    EXPECT_EQ(t, order[0], 0);
    EXPECT_EQ(t, order[1], 1);
}

static void hog(struct rt_mutex *m, const bool *stop, struct rt_waitgroup *wg)
{
    while (!*(const volatile bool *)stop) {
        rt_mutex_lock(m);
        for (int64_t end = rt_nanotime() + 100000; rt_nanotime() < end;)
            ;
        rt_mutex_unlock(m);
    }
    rt_wg_done(wg);
}

/* A goroutine that never lets go for long can't keep others out: each of 20 turns is got within a
 * bounded time. */
TEST(mutex, nobody_starves)
{
    struct rt_mutex m = {0};
    struct rt_waitgroup wg = {0};
    bool stop = false;
    int64_t worst = 0;

    rt_wg_add(&wg, 2);
    go(hog, &m, &stop, &wg);
    go(hog, &m, &stop, &wg);
    for (int i = 0; i < 20; i++) {
        rt_sleep(100000);
        int64_t start = rt_nanotime();
        rt_mutex_lock(&m);
        int64_t waited = rt_nanotime() - start;
        if (waited > worst)
            worst = waited;
        rt_mutex_unlock(&m);
    }
    stop = true;
    rt_wg_wait(&wg);
    test_note(t, "longest wait %lld us", (long long)worst / 1000);
    EXPECT_LE(t, worst, 500000000);
}

#define TURNS 10u
#define HOG_ROUNDS 30000u /* of 50 us: 150 slices, and a turn takes about three */

static void hog_rounds(struct rt_mutex *m, uint32_t *turns, uint32_t *rounds,
                       struct rt_waitgroup *wg)
{
    for (; load_relaxed(turns) < TURNS && *rounds < HOG_ROUNDS; ++*rounds) {
        rt_mutex_lock(m);
        for (int64_t end = rt_nanotime() + 50000; rt_nanotime() < end;)
            ;
        rt_mutex_unlock(m);
    }
    rt_wg_done(wg);
}

/* Who waits for long is handed the lock, though the hog, on the same cpu, is always there first [mutex.1]. */
TEST(mutex, is_handed_over_to_who_starves)
{
    unsigned old = rt_gomaxprocs(1);
    uint32_t turns = 0, rounds = 0;
    struct rt_mutex m = {0};
    struct rt_waitgroup wg = {0};

    rt_wg_add(&wg, 1);
    go(hog_rounds, &m, &turns, &rounds, &wg);
    while (load_relaxed(&turns) < TURNS) {
        rt_mutex_lock(&m);
        add_relaxed(&turns, 1);
        rt_mutex_unlock(&m);
        rt_yield();
    }
    rt_wg_wait(&wg);
    rt_gomaxprocs(old);
    test_note(t, "%u rounds for %u turns", rounds, TURNS);
    EXPECT_LE(t, rounds, HOG_ROUNDS - 1);
}

static void unlock_twice(struct test *t)
{
    struct rt_mutex m = {0};

    (void)t;
    rt_mutex_lock(&m);
    rt_mutex_unlock(&m);
    rt_mutex_unlock(&m);
}

TEST_DIES(mutex, unlock_of_unlocked_is_fatal, 2, "^fatal error: sync: unlock of unlocked mutex$")
{
    unlock_twice(t);
}

TEST_DIES(rwmutex, runlock_of_unlocked_is_fatal, 2,
          "^fatal error: sync: RUnlock of unlocked RWMutex$")
{
    struct rt_rwmutex rw = {0};

    rt_rwmutex_runlock(&rw);
}

TEST_DIES(rwmutex, unlock_of_unlocked_is_fatal, 2,
          "^fatal error: sync: Unlock of unlocked RWMutex$")
{
    struct rt_rwmutex rw = {0};

    rt_rwmutex_unlock(&rw);
}

TEST_OPTS(mutex, cost_when_free, .icount_only = true)
{
    struct rt_mutex m = {0};
    int64_t start = rt_nanotime();

    for (int i = 0; i < 1000; i++) {
        rt_mutex_lock(&m);
        rt_mutex_unlock(&m);
    }
    int64_t n = (rt_nanotime() - start) / 1000;
    test_note(t, "%lld instructions", (long long)n);
    EXPECT_LE(t, n, 15);
}

/* ---- Reader/writer ---- */

static void rw_worker(struct guarded *g, int turns, uint64_t seed)
{
    struct rng r = {seed};

    for (int i = 0; i < turns; i++) {
        if (rng_below(&r, 4) == 0) {
            rt_rwmutex_lock(&g->rw);
            if (g->a != g->b || load_relaxed(&g->inside) != 0)
                g->wrong++;
            g->a++;
            if (i % 32 == 0)
                rt_yield();
            g->b++;
            rt_rwmutex_unlock(&g->rw);
        } else {
            rt_rwmutex_rlock(&g->rw);
            add_acq_rel(&g->inside, 1);
            if (load_relaxed(&g->a) != load_relaxed(&g->b))
                add_acq_rel(&g->wrong, 1);
            if (i % 32 == 0)
                rt_yield();
            sub_acq_rel(&g->inside, 1);
            rt_rwmutex_runlock(&g->rw);
        }
    }
    rt_wg_done(&g->wg);
}

TEST(rwmutex, many_readers_or_one_writer)
{
    enum { G = 8 };
    struct guarded g = {.a = 0};

    rt_wg_add(&g.wg, G);
    for (int i = 0; i < G; i++)
        go(rw_worker, &g, 2000, rng_next(&t->rng));
    rt_wg_wait(&g.wg);
    EXPECT_EQ(t, g.wrong, 0);
    EXPECT_EQ(t, g.a, g.b);
    EXPECT_EQ(t, g.rw.readers, 0);
    EXPECT_EQ(t, g.rw.leaving, 0);
}

static void rw_note(struct rt_rwmutex *rw, bool writes, char *order, unsigned *n, char me,
                    struct rt_waitgroup *wg)
{
    if (writes)
        rt_rwmutex_lock(rw);
    else
        rt_rwmutex_rlock(rw);
    order[add_acq_rel(n, 1)] = me;
    if (writes)
        rt_rwmutex_unlock(rw);
    else
        rt_rwmutex_runlock(rw);
    rt_wg_done(wg);
}

/* A writer that waits goes before readers that came after it; they go before the next writer. */
TEST(rwmutex, writers_are_preferred_and_readers_not_starved)
{
    struct rt_rwmutex rw = {0};
    struct rt_waitgroup wg = {0};
    char order[8] = {0};
    unsigned n = 0;

    rt_rwmutex_rlock(&rw);
    EXPECT(t, rt_rwmutex_tryrlock(&rw));
    EXPECT(t, !rt_rwmutex_trylock(&rw));
    rt_wg_add(&wg, 4);
    go(rw_note, &rw, true, order, &n, 'W', &wg);
    until_queued(&rw.writer_waits, 1);
    EXPECT(t, !rt_rwmutex_tryrlock(&rw));
    go(rw_note, &rw, false, order, &n, 'r', &wg);
    until_queued(&rw.readers_wait, 1);
    go(rw_note, &rw, false, order, &n, 'r', &wg);
    until_queued(&rw.readers_wait, 2);
    go(rw_note, &rw, true, order, &n, 'w', &wg);
    until_queued(&rw.writers.queue, 1);
    EXPECT_EQ(t, n, 0);
    rt_rwmutex_runlock(&rw);
    rt_rwmutex_runlock(&rw);
    rt_wg_wait(&wg);
    EXPECT_STR(t, "Wrrw", order);
    EXPECT(t, rt_rwmutex_trylock(&rw));
    EXPECT(t, !rt_rwmutex_tryrlock(&rw));
    rt_rwmutex_unlock(&rw);
}

/* ---- Condition ---- */

struct meeting {
    struct rt_mutex m;
    struct rt_cond c;
    struct rt_waitgroup wg;
    int order[100], n, tickets;
};

static void wait_for_ticket(struct meeting *k, int me)
{
    rt_mutex_lock(&k->m);
    rt_cond_wait(&k->c, &k->m);
    while (k->tickets == 0)
        rt_cond_wait(&k->c, &k->m);
    k->tickets--;
    k->order[k->n] = me;
    store_release(&k->n, k->n + 1); /* partner: the test, which looks without the lock */
    rt_mutex_unlock(&k->m);
    rt_wg_done(&k->wg);
}

TEST(cond, signal_wakes_in_order_and_broadcast_wakes_all)
{
    enum { N = 60 };
    struct meeting k = {.n = 0};

    rt_cond_signal(&k.c); /* nobody waits: nothing is remembered */
    rt_wg_add(&k.wg, N);
    for (int i = 0; i < N; i++) {
        go(wait_for_ticket, &k, i);
        until_queued(&k.c.queue, (size_t)i + 1);
    }
    for (int i = 0; i < N / 2; i++) {
        rt_mutex_lock(&k.m);
        k.tickets++;
        rt_cond_signal(&k.c);
        rt_mutex_unlock(&k.m);
        while (load_acquire(&k.n) != i + 1)
            rt_yield();
        EXPECT_EQ(t, k.order[i], i);
    }
    rt_mutex_lock(&k.m);
    k.tickets += N / 2;
    rt_mutex_unlock(&k.m);
    rt_cond_broadcast(&k.c);
    rt_wg_wait(&k.wg);
    EXPECT_EQ(t, k.n, N);
}

struct buffer {
    struct rt_mutex m;
    struct rt_cond not_full, not_empty;
    struct rt_waitgroup wg;
    uint64_t sum_in, sum_out;
    long items[5];
    size_t head, n;
};

static void put_many(struct buffer *b, int turns, uint64_t seed)
{
    struct rng r = {seed};

    for (int i = 0; i < turns; i++) {
        long v = (long)(rng_next(&r) >> 8);
        rt_mutex_lock(&b->m);
        while (b->n == ARRAY_LEN(b->items))
            rt_cond_wait(&b->not_full, &b->m);
        b->items[(b->head + b->n++) % ARRAY_LEN(b->items)] = v;
        b->sum_in += (uint64_t)v;
        rt_mutex_unlock(&b->m);
        rt_cond_signal(&b->not_empty);
    }
    rt_wg_done(&b->wg);
}

static void get_many(struct buffer *b, int turns)
{
    for (int i = 0; i < turns; i++) {
        rt_mutex_lock(&b->m);
        while (b->n == 0)
            rt_cond_wait(&b->not_empty, &b->m);
        b->sum_out += (uint64_t)b->items[b->head];
        b->head = (b->head + 1) % ARRAY_LEN(b->items);
        b->n--;
        rt_mutex_unlock(&b->m);
        rt_cond_signal(&b->not_full);
    }
    rt_wg_done(&b->wg);
}

TEST(cond, bounded_buffer)
{
    struct buffer b = {.n = 0};

    rt_wg_add(&b.wg, 8);
    for (int i = 0; i < 4; i++) {
        go(put_many, &b, 1500, rng_next(&t->rng));
        go(get_many, &b, 1500);
    }
    rt_wg_wait(&b.wg);
    EXPECT_EQ(t, b.n, 0);
    EXPECT_EQ(t, b.sum_in, b.sum_out);
}

/* ---- Wait group ---- */

static void wait_and_count(struct rt_waitgroup *wg, unsigned *n, struct rt_waitgroup *done)
{
    rt_wg_wait(wg);
    add_acq_rel(n, 1);
    rt_wg_done(done);
}

TEST(waitgroup, releases_all_waiters_at_zero)
{
    enum { N = 200 };
    struct rt_waitgroup wg = {0}, done = {0};
    unsigned n = 0;

    rt_wg_wait(&wg); /* zero already */
    rt_wg_add(&wg, 2);
    rt_wg_add(&done, N);
    for (int i = 0; i < N; i++)
        go(wait_and_count, &wg, &n, &done);
    until_queued(&wg.queue, N);
    rt_wg_done(&wg);
    rt_yield();
    EXPECT_EQ(t, n, 0);
    rt_wg_done(&wg);
    rt_wg_wait(&done);
    EXPECT_EQ(t, n, N);
}

static void count_up(unsigned *n, unsigned by)
{
    add_acq_rel(n, by);
}

static void count_and_goexit(unsigned *n)
{
    add_acq_rel(n, 1);
    rt_goexit();
}

struct six_words {
    uint64_t w[6];
};
static void add_words(uint64_t *sum, struct six_words x)
{
    for (size_t i = 0; i < ARRAY_LEN(x.w); i++)
        __atomic_fetch_add(sum, x.w[i], __ATOMIC_SEQ_CST);
}

TEST(waitgroup, wg_go_is_done_on_return_and_on_goexit)
{
    struct rt_waitgroup wg = {0};
    unsigned n = 0;
    uint64_t sum = 0;

    for (int i = 0; i < 100; i++) {
        wg_go(&wg, count_up, &n, 1);
        wg_go(&wg, count_and_goexit, &n);
        wg_go(&wg, add_words, &sum, ((struct six_words){{1, 2, 3, 4, 5, 6}}));
    }
    rt_wg_wait(&wg);
    EXPECT_EQ(t, n, 200);
    EXPECT_EQ(t, sum, 2100);
}

static void negative(struct rt_waitgroup *wg)
{
    rt_wg_add(wg, 1);
    rt_wg_add(wg, -2);
}

TEST(waitgroup, misuse_panics)
{
    struct rt_waitgroup wg = {0}, misused = {.state = 1}; /* somebody waits, and the counter is 0 */
    struct rt_panic *e = catch_panic(negative, &wg);

    EXPECT(t, e != NULL);
    if (e != NULL)
        EXPECT_STR(t, "sync: negative WaitGroup counter", e->message);
    e = catch_panic(rt_wg_add, &misused, 1);
    EXPECT(t, e != NULL);
    if (e != NULL)
        EXPECT_STR(t, "sync: WaitGroup misuse: Add called concurrently with Wait", e->message);
}

/* ---- Once ---- */

static unsigned runs;
static bool finished;

static void slow_start(int by)
{
    for (int i = 0; i < 20; i++)
        rt_yield();
    runs += (unsigned)by;
    store_release(&finished, true);
}

static void use_once(struct rt_once *o, unsigned *early, struct rt_waitgroup *wg)
{
    once_do(o, slow_start, 1);
    if (!load_acquire(&finished))
        add_acq_rel(early, 1);
    rt_wg_done(wg);
}

static void start_and_panic(void)
{
    runs++;
    panic("no luck");
}

static void once_that_panics(struct rt_once *o)
{
    once_do(o, start_and_panic);
}

TEST(once, runs_once_and_all_wait_for_it)
{
    struct rt_once o = {0}, p = {0};
    struct rt_waitgroup wg = {0};
    unsigned early = 0;
    struct rt_panic *e;

    runs = 0;
    finished = false;
    rt_wg_add(&wg, 50);
    for (int i = 0; i < 50; i++)
        go(use_once, &o, &early, &wg);
    rt_wg_wait(&wg);
    EXPECT_EQ(t, runs, 1);
    EXPECT_EQ(t, early, 0);

    runs = 0;
    e = catch_panic(once_that_panics, &p);
    EXPECT(t, e != NULL);
    e = catch_panic(once_that_panics, &p); /* a panic counts as done */
    EXPECT(t, e == NULL);
    EXPECT_EQ(t, runs, 1);
}

/* ---- Semaphore ---- */

/* One at a time, since each release waits for *n to grow: so that comes last. */
static void take_nth(struct rt_sema *s, int *order, unsigned *n, int me)
{
    rt_sema_acquire(s);
    order[load_relaxed(n)] = me;
    add_acq_rel(n, 1);
}

TEST(sema, counts_and_is_first_come_first_served)
{
    enum { N = 100 };
    struct rt_sema s = {0};
    int order[N];
    unsigned n = 0;

    EXPECT(t, !rt_sema_try_acquire(&s));
    rt_sema_init(&s, 2);
    rt_sema_acquire(&s);
    EXPECT(t, rt_sema_try_acquire(&s));
    EXPECT(t, !rt_sema_try_acquire(&s));
    for (int i = 0; i < N; i++) {
        go(take_nth, &s, order, &n, i);
        until_queued(&s.queue, (size_t)i + 1);
    }
    for (int i = 0; i < N; i++) {
        rt_sema_release(&s);
        while (load_acquire(&n) != (unsigned)i + 1)
            rt_yield();
        EXPECT_EQ(t, order[i], i);
    }
    rt_sema_release(&s);
    EXPECT_EQ(t, s.queue.count, 1);
}

/* ---- Pool ---- */

struct item {
    uint64_t owner;
};
static unsigned made;

static void *make_item(void)
{
    add_acq_rel(&made, 1);
    return gc_new(struct item);
}

static void use_pool(struct rt_pool *p, uint64_t me, unsigned *wrong, struct rt_waitgroup *wg)
{
    for (int i = 0; i < 500; i++) {
        struct item *x = rt_pool_get(p), *y = rt_pool_get(p);
        if (swap_acq_rel(&x->owner, me) != 0 || swap_acq_rel(&y->owner, me) != 0)
            add_acq_rel(wrong, 1);
        if (i % 16 == 0)
            rt_yield();
        if (swap_acq_rel(&x->owner, 0) != me || swap_acq_rel(&y->owner, 0) != me)
            add_acq_rel(wrong, 1);
        rt_pool_put(p, x);
        rt_pool_put(p, y);
    }
    rt_wg_done(wg);
}

/* Nobody gets what another still has, and most of it is used again. */
TEST(pool, gives_each_object_to_one)
{
    struct rt_pool p = {.make = make_item};
    struct rt_waitgroup wg = {0};
    unsigned wrong = 0;

    made = 0;
    rt_wg_add(&wg, 8);
    for (uint64_t i = 1; i <= 8; i++)
        go(use_pool, &p, i, &wrong, &wg);
    rt_wg_wait(&wg);
    EXPECT_EQ(t, wrong, 0);
    EXPECT_LE(t, made, 2000);
    rt_pool_put(&p, NULL);
}

TEST(pool, is_emptied_by_two_collections)
{
    struct rt_pool p = {.make = NULL};
    struct item *x = gc_new(struct item), *got;
    uint32_t before;

    EXPECT(t, rt_pool_get(&p) == NULL);
    do { /* until no other collection was under way, or wished for */
        rt_pool_put(&p, x);
        before = load_relaxed(&gc_cycle_number);
        rt_gc();
        got = rt_pool_get(&p);
    } while (load_relaxed(&gc_cycle_number) != before + 1);
    EXPECT(t, got == x); /* one collection is survived */
    rt_pool_put(&p, x);
    rt_gc();
    rt_gc();
    EXPECT(t, rt_pool_get(&p) == NULL);
    for (int i = 0; i < 4; i++)
        rt_gc(); /* its place has gone to others by now */
    do {
        before = load_relaxed(&gc_cycle_number);
        rt_pool_put(&p, x);
        got = rt_pool_get(&p);
    } while (load_relaxed(&gc_cycle_number) != before);
    EXPECT(t, got == x);
}
