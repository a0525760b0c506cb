/*
 * tests/exact/first_cycle.c - a program that allocates from its first instruction on has its first collection when the
 * heap reaches its least goal, 4 MiB, not when its slice ends.
 */
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    long pad[7];
};
static gc_root(struct node *, list);

int main(void)
{
    struct rt_mem_stats s;

    do {
        for (unsigned i = 0; i < 10000; i++) {
            struct node *n = gc_new(struct node);
            gc_set(n->next, list.p);
            gc_set(list.p, n);
        }
        rt_read_mem_stats(&s);
    } while (s.num_gc == 0);
    rt_printf("over after %s\n", s.total_alloc_bytes < 6 << 20 ? "less than 6 MiB" : "too much");
    return 0;
}
