// What collected memory refuses: stores that go round gc_set, wrong types, copies of what holds
// references.
#include <rt/rt.h>

struct other {
    gc(struct other *) next;
};
struct node {
    gc(struct node *) left, right;
    gc(struct node *) kids[4];
    int key;
};
struct outer {
    int before;
    struct node in;
};
slice_type(int, ints);
struct box {
    gc(struct ints) items;
};
static gc_root(struct node *, head);
static gc_root_array(struct node *, table, 8);

struct node *fine(struct node *q, struct box *b, struct ints s, char *bytes);
struct node *fine(struct node *q, struct box *b, struct ints s, char *bytes)
{
    struct node *n = gc_new(struct node), *m = rt_try_new(struct node);
    gc(struct node *) *refs = gc_make_refs(struct node *, 4);
    int numbers[4];

    gc_set(n->left, q);
    gc_set(n->kids[1], n->left);
    gc_set(head.p, table.p[2]);
    gc_set(table.p[2], NULL);
    gc_set(refs[1], n);
    gc_copy(m, n, 1);
    gc_copy(refs, refs + 1, 3);
    gc_copy(n->kids, &n->kids[1], 2);
    gc_copy(&b->items, &s, 1);
    memcpy(numbers, bytes, sizeof numbers);
    memmove(numbers + 1, numbers, 8);
    memset(bytes, 0, 3);
    if (gc_cas(n->right, NULL, q))
        return gc_swap(n->right, NULL);
    gc_keep(m);
    return n->left ? n->left->right : head.p;
}

#ifdef CASE_1
// EXPECT: read-only|const-qualified
void f(struct node *n, struct node *q)
{
    n->left = q;
}
#endif

#ifdef CASE_2
// EXPECT: read-only|const-qualified
void f(struct node *n, struct node *q)
{
    n->kids[2] = q;
}
#endif

#ifdef CASE_3
// EXPECT: read-only|const-qualified
void f(struct outer *o, struct node *q)
{
    o->in.left = q;
}
#endif

#ifdef CASE_4
// EXPECT: read-only|const-qualified
void f(struct node *a, struct node *b)
{
    *a = *b;
}
#endif

#ifdef CASE_5
// EXPECT: read-only|const-qualified
void f(struct node *n)
{
    n->left++;
}
#endif

#ifdef CASE_6
// EXPECT: read-only|const-qualified
void f(struct node *n)
{
    n->left += 1;
}
#endif

#ifdef CASE_7
// EXPECT: read-only|const-qualified
void f(struct node *q)
{
    head.p = q;
}
#endif

#ifdef CASE_8
// EXPECT: read-only|const-qualified
void f(struct node *q)
{
    table.p[3] = q;
}
#endif

#ifdef CASE_9
// EXPECT: read-only|const-qualified
void f(struct node *q)
{
    gc(struct node *) *r = gc_make_refs(struct node *, 3);
    r[0] = q;
}
#endif

#ifdef CASE_10
// EXPECT: read-only|const-qualified
void f(struct box *b, struct ints s)
{
    b->items = s;
}
#endif

#ifdef CASE_11
// EXPECT: read-only|const-qualified
void f(struct box *b)
{
    b->items.len = 3;
}
#endif

#ifdef CASE_12
// EXPECT: qualifier
void f(struct node *n)
{
    struct node **p = &n->left;
    (void)p;
}
#endif

#ifdef CASE_13
// EXPECT: qualifier
void f(struct node *n)
{
    struct node **p = (struct node **)&n->left;
    (void)p;
}
#endif

#ifdef CASE_14
// EXPECT: qualifier
void take(struct node **p);
void f(struct node *n)
{
    take(&n->left);
}
#endif

#ifdef CASE_15
// EXPECT: incompatible
void f(struct node *n, struct other *q)
{
    gc_set(n->left, q);
}
#endif

#ifdef CASE_16
// EXPECT: incompatible
void f(struct node *n, int *q)
{
    gc_set(n->left, q);
}
#endif

#ifdef CASE_17
// EXPECT: integer|incompatible
void f(struct node *n, long q)
{
    gc_set(n->left, q);
}
#endif

#ifdef CASE_18
// EXPECT: a reference is a pointer
void f(struct node *n)
{
    gc_set(n->key, 3);
}
#endif

#ifdef CASE_19
// EXPECT: a reference is a pointer
void f(struct box *b, struct ints s)
{
    gc_set(b->items, s);
}
#endif

#ifdef CASE_20
// EXPECT: incompatible
void f(struct node *n)
{
    struct other *o = gc_new(struct node);
    (void)o;
    (void)n;
}
#endif

#ifdef CASE_21
// EXPECT: incompatible
void f(void)
{
    struct node *n = gc_make(struct other, 3);
    (void)n;
}
#endif

#ifdef CASE_22
// EXPECT: gc_make_refs
void f(void)
{
    gc_keep(gc_make(struct node *, 3));
}
#endif

#ifdef CASE_23
// EXPECT: wants a pointer type
void f(void)
{
    gc_keep(gc_make_refs(struct node, 3));
}
#endif

#ifdef CASE_24
// EXPECT: read-only|const-qualified
void f(struct node *a, struct node *b)
{
    memcpy(a, b, sizeof *a);
}
#endif

#ifdef CASE_25
// EXPECT: read-only|const-qualified
void f(struct node *a)
{
    memset(a, 0, sizeof *a);
}
#endif

#ifdef CASE_26
// EXPECT: read-only|const-qualified
void f(struct node *a, struct node *b)
{
    memmove(&a->kids[1], &b->kids[0], 16);
}
#endif

#ifdef CASE_27
// EXPECT: incompatible|distinct
void f(struct node *a, struct other *b)
{
    gc_copy(a, b, 1);
}
#endif

#ifdef CASE_28
// EXPECT: incompatible
void f(struct node *n, struct other *q)
{
    (void)gc_swap(n->left, q);
}
#endif

#ifdef CASE_29
// EXPECT: incompatible
void f(struct node *n, struct other *q)
{
    (void)gc_cas(n->left, NULL, q);
}
#endif

#ifdef CASE_30
// EXPECT: qualifier|address argument|incompatible|const
void f(struct node *n, struct node *q)
{
    __atomic_store_n(&n->left, q, __ATOMIC_RELAXED);
}
#endif

#ifdef CASE_31
// EXPECT: qualifier|incompatible|const
void f(struct node *n, struct node *q)
{
    (void)__atomic_exchange_n(&n->left, q, __ATOMIC_RELAXED);
}
#endif

#ifdef CASE_32
// EXPECT: incomplete
void f(void)
{
    gc_keep(gc_new(struct unknown));
}
#endif
