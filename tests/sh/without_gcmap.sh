#!/bin/sh
# An image that tools/gcmap never saw: no type has a pointer map, every word of every object is taken for a possible
# reference, and everything works all the same.
. tests/sh/common.inc
cat >"$tmp/mapless.c" <<'C'
#include <rt/rt.h>

struct node {
    gc(struct node *) left, right;
    unsigned long id;
};
struct wide {
    long pad[100];
    gc(struct node *) last;
};
static gc_root(struct node *, tree);
static gc_root(struct wide *, wide);
static gc_root(struct node *, array);

static struct node *make(unsigned depth)
{
    struct node *n = gc_new(struct node);
    n->id = 1;
    if (depth > 0) {
        gc_set(n->left, make(depth - 1));
        gc_set(n->right, make(depth - 1));
    }
    return n;
}
static unsigned long sum(const struct node *n)
{
    return n == NULL ? 0 : n->id + sum(n->left) + sum(n->right);
}
static unsigned long live(void)
{
    struct rt_mem_stats s;
    rt_gc();
    rt_read_mem_stats(&s);
    return (unsigned long)(s.mallocs - s.frees);
}
static RT_NOINLINE void plant(void)
{
    gc_set(tree.p, make(12));
    gc_set(wide.p, gc_new(struct wide));
    gc_set(wide.p->last, make(9));
    gc_set(array.p, gc_make(struct node, 1000));
    for (unsigned i = 0; i < 1000; i++)
        gc_set(array.p[i].right, make(2));
}
static RT_NOINLINE unsigned long count(void)
{
    unsigned long all = sum(tree.p) + sum(wide.p->last);
    for (unsigned i = 0; i < 1000; i++)
        all += sum(array.p[i].right);
    return all;
}

int main(void)
{
    struct rt_type *type = RT_TYPE(struct node);
    __asm__("" : "+r"(type));
    rt_printf("%s\n", type->kind == RT_TYPE_UNFILLED ? "without a map" : "with a map");
    unsigned long before = live();
    plant();
    for (unsigned i = 0; i < 5; i++) {
        rt_gc();
        gc_keep(make(8));
    }
    rt_printf("%lu nodes\n", count());
    gc_set(tree.p, NULL);
    gc_set(wide.p, NULL);
    gc_set(array.p, NULL);
    rt_printf("%s\n", live() < before + 3000 ? "collected" : "kept");
    return 0;
}
C

cp "$tmp/mapless.c" "$tmp/mapped.c"

runs() { # first line, program, setting of make
    says 0 '^16214 nodes$' ingot ENV=GODEBUG=clobberfree=1 APP="$tmp/$2.c" run ${3+"$3"} &&
        grep -q "^$1" "$tmp/says.log" && grep -q '^collected' "$tmp/says.log"
}
check "with maps" runs "with a map" mapped
check "without" runs "without a map" mapless GCMAP=
summary
