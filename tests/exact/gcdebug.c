/*
 * tests/exact/gcdebug.c - GODEBUG=gcstress=N and clobberfree=1 do what they say. argv[1] says which.
 */
#include <rt/rt.h>
#include <string.h>

struct node {
    gc(struct node *) next;
    unsigned long id;
};

static gc_root(struct node *, list);

static unsigned long cycles(void)
{
    struct rt_mem_stats s;
    rt_read_mem_stats(&s);
    return (unsigned long)s.num_gc;
}

/* A collection at every third allocation, and the program does not notice. */
static void stress(void)
{
    unsigned long before = cycles(), sum = 0;
    chan(struct node *) c = chan_make(struct node *, 3);

    for (unsigned long i = 0; i < 600; i++) {
        struct node *n = gc_new(struct node);
        n->id = i;
        chan_send(c, n);
        n = chan_recv(c);
        gc_set(n->next, list.p);
        gc_set(list.p, n);
        gc_keep(gc_bytes(i % 100 + 1));
    }
    for (struct node *n = list.p; n != NULL; n = n->next)
        sum += n->id;
    rt_printf("sum %lu, %s\n", sum,
              cycles() - before >= 390 ? "at least 390 collections" : "too few collections");
}

static RT_NOINLINE unsigned long make_and_forget(bool keep)
{
    struct node *n = gc_new(struct node);
    n->id = 42;
    if (keep) {
        gc_set(n->next, list.p);
        gc_set(list.p, n);
    }
    return ~(unsigned long)n; /* the collector does not see through that */
}

/* Overwrite what the call left below us. */
static RT_NOINLINE void scrub(void)
{
    unsigned long junk[100];
    for (unsigned i = 0; i < 100; i++)
        *(volatile unsigned long *)&junk[i] = 0;
}

/*
 * So many that most lie in spans that no core holds: those are swept by rt_gc(). And so many stay
 * alive that each span has one: a page that is given back says nothing about its objects any more.
 */
enum { N = 5000, ALIVE = 50 };

static void clobber(void)
{
    unsigned long *hidden = gc_bytes(N * sizeof(hidden[0]));
    unsigned dead = 0;

    for (unsigned i = 0; i < N; i++)
        hidden[i] = make_and_forget(i % ALIVE == 0);
    scrub();
    rt_gc();
    for (unsigned i = 0; i < N; i++) {
        const struct node *n = (const struct node *)~hidden[i];
        dead += n->id == 0xdeaddeaddeaddead;
    }
    rt_printf("%s\n", dead >= N / 2 && list.p->id == 42 ? "dead objects say so"
                                                        : "dead objects look alive");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "stress") == 0)
        stress();
    else
        clobber();
    return 0;
}
