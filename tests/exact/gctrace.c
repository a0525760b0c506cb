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

/* Not in main: a word of its frame would keep the list. */
static __attribute__((noinline)) void build(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node *n = gc_new(struct node);
        gc_set(n->next, list.p);
        gc_set(list.p, n);
    }
}

/* After the last stop of the third collection: no more begin by themselves. */
static void on_end(int64_t pause_ns)
{
    static unsigned stops;

    (void)pause_ns;
    if (cycles() == 2 && ++stops == 2)
        rt_gc_set_percent(-1);
}

/* GOGC is off when it begins. With an argument, its second collection begins in the fifth second. */
int main(int argc, char **argv)
{
    (void)argv;
    build();
    rt_gc_on_stop(NULL, on_end);
    rt_gc();
    rt_gc_set_percent(100);
    if (argc > 1)
        rt_sleep(INT64_C(5000000000) - rt_nanotime());
    rt_gc();
    while (cycles() < 3) /* one that nobody asked for */
        for (unsigned i = 0; i < 1000; i++)
            gc_keep(gc_new(struct node));
    gc_set(list.p, NULL);
    rt_gc();
    rt_printf("%lu collections\n", cycles());
    return 0;
}
