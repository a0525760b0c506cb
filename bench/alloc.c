/*
 * bench/alloc.c - allocating, storing references, collecting.
 *
 * "Live" in a name: so much stays reachable all the time, in a ring in which each new object takes
 * the place of the oldest. Without it nothing stays. The collector runs as it does in a program,
 * and what it costs is in the figures: runs are long enough for several cycles.
 */
#include <bench/bench.h>

struct obj16 {
    gc(struct obj16 *) a, b;
};
struct obj64 {
    gc(struct obj64 *) a, b, c, d;
    uint64_t words[4];
};
struct obj512 {
    gc(struct obj512 *) next;
    uint64_t words[63];
};
struct plain64 {
    uint64_t words[8];
};

static gc_root(gc(void *) *, ring); /* of the benchmark that runs */
static gc_root(struct obj16 *, one);
static gc_root(struct obj16 *, two);

#define LIVE_BYTES (UINT64_C(16) << 20)

static void ring_drop(void)
{
    gc_set(ring.p, NULL);
}

BENCH_OPTS(Alloc16, .icount_n = 1000000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(gc_new(struct obj16));
}

BENCH_OPTS(Alloc64, .icount_n = 300000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(gc_new(struct obj64));
}

BENCH_OPTS(Alloc512, .icount_n = 50000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(gc_new(struct obj512));
}

BENCH_OPTS(AllocPlain64, .icount_n = 300000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(gc_new(struct plain64));
}

/* An array of 1 KiB without pointers, of a length that the compiler does not know. */
BENCH_OPTS(AllocBytes1K, .icount_n = 30000)
{
    size_t n = 1024;

    for (uint64_t i = 0; i < b->n; i++) {
        __asm__("" : "+r"(n));
        bench_keep(gc_bytes(n));
    }
}

/* A large object: its own run of pages. */
BENCH_OPTS(AllocBytes64K, .icount_n = 1000)
{
    size_t n = 65536;

    for (uint64_t i = 0; i < b->n; i++) {
        __asm__("" : "+r"(n));
        bench_keep(gc_bytes(n));
    }
}

#define ALLOC_LIVE(T)                                                                              \
    uint64_t slots = LIVE_BYTES / sizeof(T), at = 0;                                               \
    gc(void *) *r = gc_make_refs(void *, slots);                                                   \
                                                                                                   \
    gc_set(ring.p, r);                                                                             \
    for (uint64_t i = 0; i < slots; i++)                                                           \
        gc_set(r[i], gc_new(T));                                                                   \
    rt_gc();                                                                                       \
    bench_start(b);                                                                                \
    for (uint64_t i = 0; i < b->n; i++) {                                                          \
        gc_set(r[at], gc_new(T));                                                                  \
        if (++at == slots)                                                                         \
            at = 0;                                                                                \
    }                                                                                              \
    bench_stop(b);                                                                                 \
    ring_drop()

BENCH_OPTS(Alloc16Live16M, .icount_n = 3000000)
{
    ALLOC_LIVE(struct obj16);
}

BENCH_OPTS(Alloc64Live16M, .icount_n = 800000)
{
    ALLOC_LIVE(struct obj64);
}

/* ---- The barrier ---- */

BENCH(BarrierOff)
{
    gc_set(one.p, gc_new(struct obj16));
    gc_set(two.p, gc_new(struct obj16));
    struct obj16 *from = one.p, *to = two.p;

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        gc_set(from->a, to);
        __asm__ volatile("" ::: "memory");
    }
    bench_stop(b);
}

static volatile bool collecting_done;

static void collect_once(void)
{
    rt_gc();
    collecting_done = true;
}

/* A list so long that marking it takes many time slices. */
static void make_list(uint64_t n)
{
    gc_set(two.p, NULL);
    for (uint64_t i = 0; i < n; i++) {
        struct obj16 *o = gc_new(struct obj16);
        gc_set(o->a, two.p);
        gc_set(two.p, o);
    }
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/*
 * While another goroutine collects: groups of 16 stores, less the loop round them, each timed; only
 * those count that found the barrier on before and after. The median group: one that was
 * interrupted says nothing about stores.
 */
BENCH_OPTS(BarrierOn, .once = true)
{
    enum { GROUP = 16, GROUPS = 4096, OBJECTS = 300 };
    static uint64_t took[GROUPS];
    size_t n = 0;
    uint64_t loop = UINT64_MAX;

    make_list(500000);
    gc(void *) *r = gc_make_refs(void *, OBJECTS);
    gc_set(ring.p, r);
    for (unsigned i = 0; i < OBJECTS; i++)
        gc_set(r[i], gc_new(struct obj16));
    struct obj16 *to = gc_new(struct obj16);
    for (unsigned round = 0; round < 100; round++) { /* the loop without its stores */
        uint64_t before = bench_now(b);
        for (unsigned k = 0; k < GROUP; k++)
            bench_keep(r[k]);
        uint64_t t = bench_now(b) - before;
        if (t < loop)
            loop = t;
    }
    for (unsigned round = 0; round < 20 && n < GROUPS; round++) {
        collecting_done = false;
        go(collect_once);
        while (!collecting_done && n < GROUPS) {
            if (!*(volatile uint8_t *)&rt_wb_on) {
                rt_yield();
                continue;
            }
            uint64_t before = bench_now(b);
            for (unsigned k = 0; k < GROUP; k++) {
                struct obj16 *from =
                    (struct obj16 *)(uintptr_t)r[k]; /* old objects, and grey or black ones */
                gc_set(from->a, to);
                __asm__ volatile("" ::: "memory");
            }
            uint64_t t = bench_now(b) - before;
            if (*(volatile uint8_t *)&rt_wb_on)
                took[n++] = t;
        }
        while (!collecting_done)
            rt_yield();
    }
    ring_drop();
    gc_set(two.p, NULL);
    if (n < 16) {
        bench_skip(b, "the barrier was never on");
        return;
    }
    qsort(took, n, sizeof took[0], compare_u64);
    bench_no_time(b);
    bench_metric(b, ((double)took[n / 2] - (double)loop) / GROUP,
                 b->icount ? "instr/store" : "ns/store");
}

BENCH(GcCopy16)
{
    struct obj64 *from = gc_new(struct obj64), *to = gc_make(struct obj64, 2);

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++)
        gc_copy(to, from, 1);
    bench_stop(b);
    gc_keep(to);
}

/* ---- Whole programs ---- */

struct tree {
    gc(struct tree *) left, right;
};

static struct tree *tree_make(unsigned depth)
{
    struct tree *t = gc_new(struct tree);

    if (depth > 0) {
        gc_set(t->left, tree_make(depth - 1));
        gc_set(t->right, tree_make(depth - 1));
    }
    return t;
}

static unsigned tree_check(const struct tree *t)
{
    return t->left == NULL ? 1 : 1 + tree_check(t->left) + tree_check(t->right);
}

static void trees_of_depth(unsigned depth, unsigned n, uint64_t *sum)
{
    uint64_t s = 0;

    for (unsigned i = 0; i < n; i++)
        s += tree_check(tree_make(depth));
    __atomic_fetch_add(sum, s, __ATOMIC_RELAXED);
}

static gc_root(struct tree *, long_lived);

/* The program of the benchmarks game, a goroutine for each depth; the figure is one whole run. */
static void binary_trees(struct bench *b, unsigned max_depth)
{
    struct rt_mem_stats before, after;
    static uint64_t sum;

    rt_read_mem_stats(&before);
    int64_t start_ns = rt_nanotime();
    for (uint64_t i = 0; i < b->n; i++) {
        struct rt_waitgroup *wg = rt_alloc(sizeof *wg);

        sum = tree_check(tree_make(max_depth + 1));
        gc_set(long_lived.p, tree_make(max_depth));
        for (unsigned depth = 4; depth <= max_depth; depth += 2)
            wg_go(wg, trees_of_depth, depth, 1u << (max_depth - depth + 4), &sum);
        rt_wg_wait(wg);
        sum += tree_check(long_lived.p);
        rt_free(wg);
    }
    int64_t took_ns = rt_nanotime() - start_ns;
    rt_read_mem_stats(&after);
    gc_set(long_lived.p, NULL);
    bench_metric(b,
                 100.0 * (double)(after.gc_cpu_ns - before.gc_cpu_ns) / (double)took_ns /
                     rt_gomaxprocs(0),
                 "gc-%cpu");
    bench_metric(b, (double)(after.num_gc - before.num_gc) / (double)b->n, "cycles/op");
}

BENCH_OPTS(BinaryTrees10, .icount_n = 3)
{
    binary_trees(b, 10);
}

BENCH_OPTS(BinaryTrees16, .once = true, .wall_only = true, .long_only = true)
{
    binary_trees(b, 16);
}

/* GCBench (Ellis, Kovac, Boehm): trees top down and bottom up beside a long-lived tree
 * and array. */
struct gcnode {
    gc(struct gcnode *) left, right;
    int i, j;
};

static gc_root(struct gcnode *, gcb_tree);
static gc_root(double *, gcb_array);

static void gcb_populate(unsigned depth, struct gcnode *node)
{
    if (depth == 0)
        return;
    gc_set(node->left, gc_new(struct gcnode));
    gc_set(node->right, gc_new(struct gcnode));
    gcb_populate(depth - 1, node->left);
    gcb_populate(depth - 1, node->right);
}

static struct gcnode *gcb_make(unsigned depth)
{
    struct gcnode *left = NULL, *right = NULL;

    if (depth > 0) {
        left = gcb_make(depth - 1);
        right = gcb_make(depth - 1);
    }
    struct gcnode *node = gc_new(struct gcnode);
    gc_set(node->left, left);
    gc_set(node->right, right);
    return node;
}

BENCH_OPTS(GCBench, .once = true, .wall_only = true, .long_only = true)
{
    enum { STRETCH = 18, LONG_LIVED = 16, ARRAY = 500000, MIN = 4, MAX = 16 };

    bench_keep(gcb_make(STRETCH));
    gc_set(gcb_tree.p, gc_new(struct gcnode));
    gcb_populate(LONG_LIVED, gcb_tree.p);
    double *array = gc_make(double, ARRAY);
    gc_set(gcb_array.p, array);
    for (unsigned i = 0; i < ARRAY / 2; i++)
        array[i] = 1.0 / (i + 1);
    for (unsigned depth = MIN; depth <= MAX; depth += 2) {
        unsigned n = 2 * ((1u << (STRETCH + 1)) - 1) / ((1u << (depth + 1)) - 1);

        for (unsigned i = 0; i < n; i++) {
            struct gcnode *top = gc_new(struct gcnode);
            gcb_populate(depth, top);
            gc_keep(top);
        }
        for (unsigned i = 0; i < n; i++)
            bench_keep(gcb_make(depth));
    }
    gc_set(gcb_tree.p, NULL);
    gc_set(gcb_array.p, NULL);
}

/* ---- Marking ---- */

/*
 * A tree of 16-byte nodes in the order in which they were allocated, or as chance has it. A
 * function of its own: what it leaves on the stack must not keep the list of nodes alive.
 */
static RT_NOINLINE void mark_build(uint64_t n, bool shuffled)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;

    gc(void *) *nodes = gc_make_refs(void *, n);
    gc_set(ring.p, nodes);
    for (uint64_t i = 0; i < n; i++)
        gc_set(nodes[i], gc_new(struct obj16));
    if (shuffled)
        for (uint64_t i = n - 1; i > 0; i--) {
            uint64_t k = bench_random(&seed) % (i + 1);
            void *swap = nodes[i];
            gc_set(nodes[i], nodes[k]);
            gc_set(nodes[k], swap);
        }
    for (uint64_t i = 0; i < n; i++) {
        struct obj16 *node = nodes[i];
        if (2 * i + 1 < n)
            gc_set(node->a, nodes[2 * i + 1]);
        if (2 * i + 2 < n)
            gc_set(node->b, nodes[2 * i + 2]);
    }
    gc_set(one.p, nodes[0]);
    ring_drop();
}

static void mark_rate(struct bench *b, bool shuffled)
{
    uint64_t n = b->is_short || b->icount ? 200000 : 2000000;

    mark_build(n, shuffled);
    rt_gc();
    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++)
        rt_gc();
    bench_stop(b);
    gc_set(one.p, NULL);
    double bytes = (double)(n * sizeof(struct obj16));
    if (b->icount)
        bench_metric(b, (double)b->elapsed / (double)b->n / (double)n, "instr/object");
    else
        bench_metric(b, bytes * (double)b->n * 1e3 / (double)b->elapsed, "MB/s");
}

BENCH_OPTS(MarkInOrder, .icount_n = 2)
{
    mark_rate(b, false);
}

BENCH_OPTS(MarkShuffled, .icount_n = 2)
{
    mark_rate(b, true);
}

static int64_t collection_ns(unsigned cores)
{
    unsigned old = rt_gomaxprocs(cores);
    int64_t begin = rt_nanotime();

    rt_gc();
    int64_t took = rt_nanotime() - begin;
    rt_gomaxprocs(old);
    return took;
}

/* Follow a chain of places through 1 MiB. */
static void chase(const uint32_t *next)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < 3000000; i++)
        at = next[at];
    bench_keep(at);
}

static int64_t chases_ns(const uint32_t *next, unsigned goroutines)
{
    struct rt_waitgroup wg = {0};
    int64_t begin = rt_nanotime();

    for (unsigned k = 0; k < goroutines; k++)
        wg_go(&wg, chase, next);
    rt_wg_wait(&wg);
    return rt_nanotime() - begin;
}

enum { SCALING_ROUNDS = 9, PLACES = 1u << 18 };

static int64_t median_ns(int64_t took[static SCALING_ROUNDS])
{
    qsort(took, SCALING_ROUNDS, sizeof took[0], bench_by_value);
    return took[SCALING_ROUNDS / 2];
}

/*
 * The same tree marked by one core and by two: how much quicker is the whole collection? Beside it,
 * how much more two cores of this machine do than one if they have nothing to do with each other.
 * All in turns: what the host takes meanwhile, it takes from each.
 */
BENCH_OPTS(MarkScaling, .once = true, .need_cpus = 2, .need_mib = 256, .wall_only = true)
{
    uint64_t n = b->is_short ? 500000 : 2000000;

    mark_build(n, false);
    rt_gc();
    uint32_t *next = rt_alloc(PLACES * sizeof *next);
    for (uint32_t i = 0; i < PLACES; i++)
        next[i] = (i * 1664525 + 1013904223) % PLACES; /* one round through all */
    int64_t took[4][SCALING_ROUNDS];
    for (unsigned i = 0; i < SCALING_ROUNDS; i++) {
        took[0][i] = collection_ns(1);
        took[1][i] = collection_ns(2);
        took[2][i] = chases_ns(next, 1);
        took[3][i] = chases_ns(next, 2);
    }
    rt_free(next);
    int64_t by_one = median_ns(took[0]), by_two = median_ns(took[1]);
    int64_t chase_one = median_ns(took[2]), chase_two = median_ns(took[3]);
    gc_set(one.p, NULL);
    double bytes = (double)(n * sizeof(struct obj16));
    bench_no_time(b);
    bench_metric(b, bytes * 1e3 / (double)by_one, "MB/s-1-core");
    bench_metric(b, bytes * 1e3 / (double)by_two, "MB/s-2-cores");
    bench_metric(b, (double)by_one / (double)by_two, "x");
    bench_metric(b, 2 * (double)chase_one / (double)chase_two, "x-of-machine");
}

/* A list of ten million nodes: nothing to share and nothing to prefetch, and no recursion either. */
BENCH_OPTS(MarkList10M, .once = true, .need_mib = 500, .wall_only = true, .long_only = true)
{
    enum { NODES = 10000000 };
    uint64_t n = 0;

    make_list(NODES);
    int64_t took = collection_ns(rt_gomaxprocs(0));
    for (const struct obj16 *o = two.p; o != NULL; o = o->a)
        n++;
    gc_set(two.p, NULL);
    if (n != NODES)
        rt_fatal("bench: the list has lost nodes: %lu are left", (unsigned long)n);
    bench_no_time(b);
    bench_metric(b, (double)took / 1e6, "ms");
    bench_metric(b, (double)(NODES * sizeof(struct obj16)) * 1e3 / (double)took, "MB/s");
}

/* A full collection that finds nothing alive: what it costs to give back each of the dead. */
BENCH_OPTS(Sweep, .once = true)
{
    enum { ROUNDS = 3 };
    uint64_t n = b->is_short || b->icount ? 200000 : 2000000, spent = 0;
    int percent = rt_gc_set_percent(-1);

    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < n; i++)
            bench_keep(gc_new(struct obj16));
        uint64_t begun = bench_now(b);
        rt_gc();
        spent += bench_now(b) - begun;
    }
    rt_gc_set_percent(percent);
    bench_no_time(b);
    bench_metric(b, (double)spent / (double)(n * ROUNDS), b->icount ? "instr/object" : "ns/object");
}
