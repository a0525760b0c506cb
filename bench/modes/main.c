/*
 * bench/modes/main.c - one workload for the four modes of the collector (gcmode=): how long are its stops?
 *
 * 16 MiB live in a list, 1,000 goroutines parked in frames of some depth, one that allocates and rearranges references. Run by
 * bench/modes.sh, which counts instructions. Prints one line: stops, median, worst, all of them, and the whole run.
 */
#include <rt/rt.h>

enum { LIVE = 16 << 20, PARKED = 1000, DEPTH = 10, ROUNDS = 400000, SLOTS = 1024 };

struct node {
    gc(struct node *) next, other;
    long pad[6];
};
static gc_root(struct node *, live);
static gc_root_array(struct node *, slots, SLOTS);

static RT_NOINLINE void park_deep(chan(int) c, unsigned depth)
{
    struct node *mine = gc_new(struct node);
    if (depth > 0)
        park_deep(c, depth - 1);
    else
        (void)chan_recv(c);
    gc_keep(mine);
}

static void work(void)
{
    for (unsigned long i = 0; i < ROUNDS; i++) {
        struct node *n = gc_new(struct node);
        gc_set(n->next, slots.p[i * 7 % SLOTS]);
        gc_set(n->other, live.p);
        if (i % 16 == 0)
            gc_set(n->next, NULL); /* or all of it would live */
        gc_set(slots.p[i % SLOTS], n);
    }
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

int main(void)
{
    chan(int) c = chan_make(int, 0);
    int64_t begin = rt_nanotime(), pauses[200];

    for (unsigned i = 0; i < LIVE / sizeof(struct node); i++) {
        struct node *n = gc_new(struct node);
        gc_set(n->next, live.p);
        gc_set(live.p, n);
    }
    for (unsigned i = 0; i < PARKED; i++)
        go(park_deep, c, DEPTH);
    rt_sleep(10000000);
    work();
    for (unsigned i = 0; i < 5; i++)
        rt_gc();
    size_t n = rt_gc_pauses(pauses, 200);
    int64_t sum = 0, took = rt_nanotime() - begin;
    for (size_t i = 0; i < n; i++)
        sum += pauses[i];
    qsort(pauses, n, sizeof pauses[0], by_length);
    rt_printf("%8zu %12ld %12ld %12ld %14ld\n", n, (long)pauses[n / 2], (long)pauses[n - 1],
              (long)sum, (long)took);
    return 0;
}
