/*
 * gcbench - the garbage collection benchmark of John Ellis, Pete Kovac and Hans Boehm.
 *
 *     make run APP=examples/gcbench              depth 16, as published; needs some 64 MB of heap
 *     make run APP=examples/gcbench ARGS=12      smaller
 *
 * It builds trees top down (each node is stored into an older one: work for the write barrier) and
 * bottom up (each points to older ones), while a large tree and a large array of doubles stay
 * alive.
 */
#include <rt/rt.h>

#define DEPTH_MIN 4

struct node {
    gc(struct node *) left, right;
    int i, j;
};

static long tree_size(int depth)
{
    return (1L << (depth + 1)) - 1;
}

static void populate(struct node *n, int depth)
{
    if (depth <= 0)
        return;
    gc_set(n->left, gc_new(struct node));
    gc_set(n->right, gc_new(struct node));
    populate(n->left, depth - 1);
    populate(n->right, depth - 1);
}

static struct node *make(int depth)
{
    struct node *n = gc_new(struct node);

    if (depth > 0) {
        gc_set(n->left, make(depth - 1));
        gc_set(n->right, make(depth - 1));
    }
    return n;
}

static long size_of(const struct node *n)
{
    return n == NULL ? 0 : 1 + size_of(n->left) + size_of(n->right);
}

static void time_construction(int depth, int depth_stretch)
{
    long n_trees = 2 * tree_size(depth_stretch) / tree_size(depth);
    int64_t start = rt_nanotime();

    for (long i = 0; i < n_trees; i++)
        populate(gc_new(struct node), depth);

    int64_t middle = rt_nanotime();

    for (long i = 0; i < n_trees; i++)
        make(depth);
    rt_printf("%6ld trees of depth %2d: top down %4d ms, bottom up %4d ms\n", n_trees, depth,
              (int)((middle - start) / 1000000), (int)((rt_nanotime() - middle) / 1000000));
}

int main(int argc, char **argv)
{
    int depth_max = argc > 1 ? atoi(argv[1]) : 16;
    int depth_stretch = depth_max + 2;
    size_t n_array = depth_max >= 16 ? 500000 : 5000;
    int64_t start = rt_nanotime();

    make(depth_stretch); /* so that the heap has its full size from the start */

    struct node *long_lived = gc_new(struct node);
    double *array = gc_make(double, n_array);

    populate(long_lived, depth_max);
    for (size_t i = 0; i < n_array; i++)
        array[i] = 1.0 / (double)(i + 1);

    for (int d = DEPTH_MIN; d <= depth_max; d += 2)
        time_construction(d, depth_stretch);

    if (size_of(long_lived) != tree_size(depth_max) || array[1000] != 1.0 / 1001)
        panic("the collector took what was still in use");

    struct rt_mem_stats m;

    rt_read_mem_stats(&m);
    rt_printf("done in %d ms, %d collections, worst stop %d us\n",
              (int)((rt_nanotime() - start) / 1000000), (int)m.num_gc,
              (int)(m.pause_max_ns / 1000));
    return 0;
}
