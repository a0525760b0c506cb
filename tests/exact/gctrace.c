/*
 * tests/exact/gctrace.c - GODEBUG=gctrace=1 prints one line for each collection, as Go's newest does, and gctrace=2 a
 * second one with the stops in ns.
 */
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    long pad[7];
};
static gc_root(struct node *, list);

enum { NODES = 8 << 20 >> 6 }; /* 8 MiB of them */

static unsigned long cycles(void)
{
    struct rt_mem_stats s;
    rt_read_mem_stats(&s);
    return (unsigned long)s.num_gc;
}

/* GOGC is off when it begins. With an argument, its second collection begins in the fifth second. */
int main(int argc, char **argv)
{
    (void)argv;
    for (unsigned i = 0; i < NODES; i++) {
        struct node *n = gc_new(struct node);
        gc_set(n->next, list.p);
        gc_set(list.p, n);
    }
    rt_gc();
    rt_gc_set_percent(100);
    if (argc > 1)
        rt_sleep(INT64_C(5000000000) - rt_nanotime());
    rt_gc();
    while (cycles() < 3) /* one that nobody asked for */
        for (unsigned i = 0; i < 1000; i++)
            gc_keep(gc_new(struct node));
    rt_gc_set_percent(-1);
    gc_set(list.p, NULL);
    rt_gc(); /* the third has ended, too */
    rt_printf("%lu collections\n", cycles());
    return 0;
}
