/*
 * binarytrees - the benchmark game's test of allocators: many short-lived trees beside a long-lived
 * one.
 *
 *     make run APP=examples/binarytrees ARGS=16 ENV=GODEBUG=gctrace=1
 *
 * Each depth is a goroutine of its own. Nothing is freed by hand: a tree is dropped by forgetting
 * it.
 */
#include <rt/rt.h>

#define DEPTH_MIN 4
#define DEPTH_MAX 28

struct tree {
    gc(struct tree *) left, right;
};

static struct tree *make(int depth)
{
    struct tree *t = gc_new(struct tree);

    if (depth > 0) {
        gc_set(t->left, make(depth - 1));
        gc_set(t->right, make(depth - 1));
    }
    return t;
}

static long count(const struct tree *t)
{
    return t->left == NULL ? 1 : 1 + count(t->left) + count(t->right);
}

static void run(int depth, long n_trees, long *nodes)
{
    long sum = 0;

    for (long i = 0; i < n_trees; i++)
        sum += count(make(depth));
    *nodes = sum;
}

int main(int argc, char **argv)
{
    int depth_max = argc > 1 ? atoi(argv[1]) : 10;
    static long nodes[DEPTH_MAX + 1];
    static struct rt_waitgroup all;

    if (depth_max < DEPTH_MIN + 2 || depth_max >= DEPTH_MAX)
        depth_max = DEPTH_MIN + 2;

    rt_printf("stretch tree of depth %d\t check: %ld\n", depth_max + 1, count(make(depth_max + 1)));

    struct tree *long_lived = make(depth_max);

    for (int d = DEPTH_MIN; d <= depth_max; d += 2)
        wg_go(&all, run, d, 1L << (depth_max - d + DEPTH_MIN), &nodes[d]);
    rt_wg_wait(&all);
    for (int d = DEPTH_MIN; d <= depth_max; d += 2)
        rt_printf("%ld\t trees of depth %d\t check: %ld\n", 1L << (depth_max - d + DEPTH_MIN), d,
                  nodes[d]);

    rt_printf("long lived tree of depth %d\t check: %ld\n", depth_max, count(long_lived));
    return 0;
}
