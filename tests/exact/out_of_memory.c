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
    eat();
    gc_keep(pairs);
    return 0;
}
