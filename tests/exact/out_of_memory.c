/*
 * tests/exact/out_of_memory.c - the last words of a program that used up all memory: the heap by shape.
 */
#include <rt/rt.h>
#include <string.h>

struct record {
    gc(struct record *) next;
    char text[200];
};
struct pair {
    gc(struct record *) a, b;
};
static gc_root(struct record *, records);

static void eat(void)
{
    for (;;) {
        struct record *r = gc_new(struct record);
        gc_set(r->next, records.p);
        gc_set(records.p, r);
    }
}

/* Short chains: in a single one, one dead word that names its head would keep all of it. */
static gc_root_array(struct record *, shelves, 1024);

/* rt_try_new() until it says that there is no more; how many. */
static RT_NOINLINE unsigned long try_all(void)
{
    unsigned long n = 0;

    for (struct record *r; (r = rt_try_new(struct record)) != NULL; n++) {
        gc_set(r->next, shelves.p[n % 1024]);
        gc_set(shelves.p[n % 1024], r);
    }
    for (unsigned i = 0; i < 1024; i++)
        gc_set(shelves.p[i], NULL);
    return n;
}

int main(int argc, char **argv)
{
    struct pair *pairs = gc_make(struct pair, 1000);

    if (argc > 1 && strcmp(argv[1], "large") == 0) {
        rt_printf("asking for 1 GiB\n");
        gc_keep(gc_bytes((size_t)1 << 30));
    }
    if (argc > 1 && strcmp(argv[1], "recovered") == 0) {
        struct rt_panic *e = catch_panic(eat);
        gc_set(records.p, NULL);
        rt_printf("recovered: %s\n", e->message);
        gc_keep(gc_bytes(1 << 20));
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "tried") == 0) {
        unsigned long first = try_all();
        rt_printf("%s MiB\n", first * sizeof(struct record) >> 20 >= 12 ? "at least 12" : "few");
        rt_printf("%s\n", try_all() >= first - first / 20 ? "and again" : "fewer now");
        return 0;
    }
    eat();
    gc_keep(pairs);
    return 0;
}
