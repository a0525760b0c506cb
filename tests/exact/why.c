/*
 * tests/exact/why.c - rt_why(p) prints the path from a root to p, or that there is none.
 */
#include <rt/rt.h>
#include <string.h>

struct leaf {
    long number;
    gc(struct leaf *) next;
};
struct tree {
    gc(struct tree *) left;
    gc(struct leaf *) leaf;
    long pad[80]; /* more than a mask describes */
    gc(struct leaf *) late;
};
static gc_root(struct tree *, top);

/* Addresses that the collector does not see. */
static unsigned long hidden_leaf, hidden_lost;

static RT_NOINLINE void plant(void)
{
    struct tree *t = gc_new(struct tree);
    struct leaf *l = gc_new(struct leaf);
    gc_set(l->next, gc_new(struct leaf));
    gc_set(t->late, l);
    gc_set(top.p, t);
    hidden_leaf = ~(unsigned long)l->next;
    hidden_lost = ~(unsigned long)gc_new(struct leaf);
}

static RT_NOINLINE void scrub(void)
{
    unsigned long junk[200];
    for (unsigned i = 0; i < 200; i++)
        *(volatile unsigned long *)&junk[i] = 0;
}

static RT_NOINLINE void why(unsigned long hidden)
{
    rt_why((const void *)~hidden);
}

static void holds(chan(int) c)
{
    struct leaf *volatile mine = gc_new(struct leaf);
    hidden_leaf = ~(unsigned long)mine;
    (void)chan_recv(c);
    gc_keep(mine);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int number = 5;

    plant();
    scrub();
    if (strcmp(what, "global") == 0)
        why(hidden_leaf);
    if (strcmp(what, "stack") == 0) {
        chan(int) c = chan_make(int, 0);
        unsigned long before = hidden_leaf;
        go(holds, c);
        while (*(volatile unsigned long *)&hidden_leaf == before) /* its slice may end early */
            rt_yield();
        rt_yield();
        scrub();
        why(hidden_leaf);
        chan_close(c);
    }
    if (strcmp(what, "nothing") == 0)
        why(hidden_lost);
    if (strcmp(what, "no_object") == 0)
        rt_why(&number);
    return 0;
}
