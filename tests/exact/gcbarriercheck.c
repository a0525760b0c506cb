/*
 * tests/exact/gcbarriercheck.c - GODEBUG=gcbarriercheck=1 finds each kind of store that goes round
 * the barrier, and nothing in a program that has none. argv[1] says which.
 */
#include <rt/rt.h>
#include <string.h>

struct node {
    gc(struct node *) next;
    long number;
    gc(struct node *) kids[3];
};

static gc_root(struct node *, head);

/* What a cast can do and no C compiler can refuse. */
static void plain_store(const void *slot, void *value)
{
    *(void **)(uintptr_t)slot = value;
}

static void play(unsigned rounds)
{
    gc(struct node *) *refs = gc_make_refs(struct node *, 3000);
    chan(struct node *) c = chan_make(struct node *, 10);
    for (unsigned i = 0; i < rounds; i++) {
        struct node *n = gc_new(struct node);
        n->number = i;
        gc_set(n->next, i % 100 == 0 ? NULL : head.p);
        gc_set(head.p, n);
        gc_set(refs[i % 3000], n);
        gc_copy(&refs[i % 2000], &refs[i % 1000], 50);
        (void)gc_swap(n->kids[1], n);
        (void)gc_cas(n->kids[2], NULL, n->next);
        chan_send(c, n);
        (void)chan_recv(c);
    }
    rt_gc();
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "clean";
    gc(struct node *) *refs = gc_make_refs(struct node *, 20000);
    struct node *n = gc_new(struct node);

    play(20000);
    gc_set(head.p, n);
    if (strcmp(which, "field") == 0)
        plain_store(&n->kids[1], gc_new(struct node));
    if (strcmp(which, "array") == 0)
        plain_store(&refs[19999], n);
    if (strcmp(which, "deleted") == 0) {
        gc_set(n->next, gc_new(struct node));
        plain_store(&n->next, NULL);
    }
    if (strcmp(which, "repaired") ==
        0) { /* found by the next barrier on that word, before any collection */
        rt_gc_set_percent(-1);
        plain_store(&n->next, n);
        gc_set(n->next, NULL);
        rt_printf("not reached\n");
    }
    rt_gc();
    gc_keep(refs);
    rt_printf("nothing found\n");
    return 0;
}
