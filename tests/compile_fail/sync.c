// What locks, timers and slices refuse.
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    int n;
};
struct point {
    double x, y;
};
slice_type(int, ints);
slice_type(gc(struct node *), nodes);
struct tree {
    gc(struct ints) numbers;
    gc(struct nodes) kids;
};

int fine(struct rt_mutex *m, struct rt_cond *c, struct rt_timer *t, struct ints s, struct nodes ns,
         struct node *n, struct tree *tree, void (*fn)(void *));
int fine(struct rt_mutex *m, struct rt_cond *c, struct rt_timer *t, struct ints s, struct nodes ns,
         struct node *n, struct tree *tree, void (*fn)(void *))
{
    int sum = 0;

    rt_cond_wait(c, m);
    rt_timer_start(t, 5, fn, n);
    s = append(s, 1, 2, 3);
    at(s, 0)++;
    s = sub(s, 0, 1);
    s = append(tree->numbers, 4);
    gc_copy(&tree->numbers, &s, 1);
    ns = append(ns, n, n->next, NULL);
    gc_set(at(ns, 0), n->next);
    gc_set(at(tree->kids, 0), n->next);
    gc_copy(&tree->kids, &ns, 1);
    slice_range (i, v, ns)
        sum += v->n + (int)i;
    slice_range (i, v, tree->numbers)
        sum += v + (int)i;
    return sum;
}

#ifdef CASE_1
// EXPECT: incompatible
void f(struct rt_mutex *m)
{
    rt_rwmutex_lock(m);
}
#endif
#ifdef CASE_2
// EXPECT: incompatible
void f(struct rt_cond *c, struct rt_rwmutex *m)
{
    rt_cond_wait(c, m);
}
#endif
#ifdef CASE_3
// EXPECT: incompatible
void run(int n);
void f(struct rt_timer *t)
{
    rt_timer_start(t, 5, run, NULL);
}
#endif
#ifdef CASE_4
// EXPECT: read-only|const
void f(struct nodes s, struct node *n)
{
    at(s, 0) = n;
}
#endif
#ifdef CASE_5
// EXPECT: incompatible
void f(struct nodes s, struct point *p)
{
    s = append(s, p);
}
#endif
#ifdef CASE_6
// EXPECT: incompatible|assigning
void f(struct ints s, struct nodes ns)
{
    ns = append(s, 1);
}
#endif
#ifdef CASE_7
// EXPECT: read-only|const
void f(struct tree *tree, struct ints s)
{
    tree->numbers = append(s, 1);
}
#endif
#ifdef CASE_8
// EXPECT: string literal|incompatible pointer to integer
void f(struct ints s)
{
    s = append(s, "text");
}
#endif
#ifdef CASE_9
// EXPECT: p.*a member|no member named|not a structure|request for member
void f(int *array)
{
    at(array, 0) = 1;
}
#endif
