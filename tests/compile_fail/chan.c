// What channels refuse.
#include <rt/rt.h>

struct point {
    double x, y;
};
struct big {
    long a[40];
};
struct empty {
};
struct node {
    gc(struct node *) next;
    gc(chan(struct node *)) in;
    int n;
};
struct msg {
    gc(struct node *) node;
    int n;
};
static gc_root(chan(int), root);

void fine(chan(int) c, chan(struct point) p, chan(struct big) b, chan(struct empty) e,
          chan(struct node *) n, chan(struct msg) m, chan(chan(int)) cc, struct node *node);
void fine(chan(int) c, chan(struct point) p, chan(struct big) b, chan(struct empty) e,
          chan(struct node *) n, chan(struct msg) m, chan(chan(int)) cc, struct node *node)
{
    struct big large = {{0}};
    struct empty nothing = {};
    struct msg msg = {.node = node};
    struct point pt;
    volatile int seen;
    int x;
    chan(int) same = c;

    c = chan_make(int, 3);
    same = c;
    gc_set(root.p, same);
    gc_set(node->in, n);
    chan_send(root.p, 1);
    chan_send(c, 'x');
    chan_send(p, (struct point){1, 2});
    chan_send(b, large);
    chan_send(e, nothing);
    chan_send(n, node->next);
    chan_send(node->in, NULL);
    chan_send(m, (struct msg){.node = node, .n = 2});
    chan_send(m, msg);
    chan_send(cc, c);
    chan_send(chan_recv(cc), chan_recv(c));
    pt = chan_recv(p);
    (void)pt;
    gc_set(node->next, chan_recv(n));
    struct msg got = chan_recv(m);
    (void)got;
    if (chan_recv_ok(m, msg) && chan_recv_ok(c, seen) && chan_try_recv(c, x) && chan_try_send(c, x))
        chan_close(c);
    chan_range (v, c)
        x = v;
    x = (int)(chan_len(c) + chan_cap(c)) + chan_closed(c);
    struct rt_select_case cases[1] = {{.chan = c, .elem = &x}};
    rt_select(cases, 1, false, NULL);
}

#ifdef CASE_1
// EXPECT: incompatible
chan(long) f(chan(int) c)
{
    return c;
}
#endif
#ifdef CASE_2
// EXPECT: incompatible
void f(chan(int) c)
{
    c = chan_make(unsigned, 0);
}
#endif
#ifdef CASE_3
// EXPECT: incompatible
void take(chan(struct point) c);
void f(chan(struct big) c)
{
    take(c);
}
#endif
#ifdef CASE_4
// EXPECT: incompatible
void f(chan(struct node *) c, struct point *p)
{
    chan_send(c, p);
}
#endif
#ifdef CASE_5
// EXPECT: integer.*without a cast|incompatible integer to pointer
void f(chan(struct node *) c)
{
    chan_send(c, 5);
}
#endif
#ifdef CASE_6
// EXPECT: pointer.*without a cast|incompatible pointer to integer
void f(chan(int) c)
{
    chan_send(c, "text");
}
#endif
#ifdef CASE_7
// EXPECT: incompatible|invalid initializer|initializing
void f(chan(struct point) c, struct big *b)
{
    chan_send(c, *b);
}
#endif
#ifdef CASE_8
// EXPECT: incompatible
void f(chan(int) c)
{
    long x;
    chan_recv_ok(c, x);
}
#endif
#ifdef CASE_9
// EXPECT: discards
void f(chan(struct node *) c, struct node *n)
{
    chan_recv_ok(c, n->next);
}
#endif
#ifdef CASE_10
// EXPECT: read-only|const
void f(chan(struct node *) c, struct node *n)
{
    n->next = chan_recv(c);
}
#endif
#ifdef CASE_11
// EXPECT: lvalue
void f(chan(int) c)
{
    chan_try_recv(c, 3);
}
#endif
#ifdef CASE_12
// EXPECT: not a function|called object
void f(int n)
{
    chan_send(n, 3);
}
#endif
#ifdef CASE_13
// EXPECT: read-only|const
void f(struct node *n, chan(struct node *) c)
{
    n->in = c;
}
#endif
#ifdef CASE_14
// EXPECT: must|chan\(struct node \*\), not
void f(void)
{
    (void)chan_make(gc(struct node *), 1);
}
#endif
#ifdef CASE_15
// EXPECT: too large
struct huge {
    char bytes[65537];
};
void f(void)
{
    (void)chan_make(struct huge, 1);
}
#endif
#ifdef CASE_16
// EXPECT: incompatible
void f(chan(struct node *) c)
{
    struct point *p = chan_recv(c);
    (void)p;
}
#endif
#ifdef CASE_17
// EXPECT: incompatible
void f(chan(struct point *) c, struct node *n)
{
    gc_set(n->in, c);
}
#endif
#ifdef CASE_18
// EXPECT: discards
void f(chan(char *) c, const char *s)
{
    chan_send(c, s);
}
#endif
#ifdef CASE_19
// EXPECT: discards
void f(chan(int) c)
{
    const int x = 0;
    chan_recv_ok(c, x);
}
#endif
#ifdef CASE_20
// EXPECT: incompatible
void f(chan(int) c)
{
    chan_try_send(c, (struct point){1, 2});
}
#endif
