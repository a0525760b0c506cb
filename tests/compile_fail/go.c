// What go, go_with, wg_go and once_do refuse.
#include <rt/rt.h>

struct point {
    double x, y;
};
struct node {
    gc(struct node *) next;
};

void none(void);
void two(int n, const char *s);
void number(double d);
void by_value(struct point p);
void on_node(struct node *n);
void on_chan(chan(int) c);
void six(int a, int b, int c, int d, int e, int f);
void write_to(char *s);
int not_void(int n);

void fine(struct node *n, chan(int) c, void (*fn)(int, const char *), struct rt_waitgroup *wg,
          struct rt_once *o);
void fine(struct node *n, chan(int) c, void (*fn)(int, const char *), struct rt_waitgroup *wg,
          struct rt_once *o)
{
    char text[] = "array";

    go(none);
    go(two, 1, "text");
    go(two, 'c', text);
    go(fn, 2, "pointer");
    go(number, 1);
    go(by_value, ((struct point){1, 2}));
    go(on_node, n);
    go(on_node, n->next);
    go(on_node, NULL);
    go(on_chan, c);
    go(six, 1, 2, 3, 4, 5, 6);
    go(not_void, 1);
    go_with(((struct rt_go_opts){.stack_bytes = 1 << 20, .name = "x"}), two, 1, "text");
    wg_go(wg, two, 1, "text");
    once_do(o, two, 1, "text");
}

#ifdef CASE_1
// EXPECT: too few arguments
void f(void)
{
    go(two, 1);
}
#endif
#ifdef CASE_2
// EXPECT: too many arguments
void f(void)
{
    go(none, 1);
}
#endif
#ifdef CASE_3
// EXPECT: integer.*without a cast|incompatible integer to pointer
void f(void)
{
    go(two, 1, 2);
}
#endif
#ifdef CASE_4
// EXPECT: incompatible|passing 'struct point'
void f(struct point p)
{
    go(number, p);
}
#endif
#ifdef CASE_5
// EXPECT: incompatible
void f(struct point *p)
{
    go(on_node, p);
}
#endif
#ifdef CASE_6
// EXPECT: incompatible
void f(chan(long) c)
{
    go(on_chan, c);
}
#endif
#ifdef CASE_7
// EXPECT: RT_CALL_takes_at_most_6_arguments
void f(void)
{
    go(six, 1, 2, 3, 4, 5, 6, 7);
}
#endif
#ifdef CASE_8
// EXPECT: discards
void f(const char *s)
{
    go(write_to, s);
}
#endif
#ifdef CASE_9
// EXPECT: called object|not a function
void f(int n)
{
    go(n, 1);
}
#endif
#ifdef CASE_10
// EXPECT: invalid use of void|variable has incomplete type|void expression|type 'void'|declared
// void
void f(void)
{
    go(not_void, none());
}
#endif
#ifdef CASE_11
// EXPECT: too few arguments
void f(void)
{
    go_with((struct rt_go_opts){.stack_bytes = 1 << 20}, two, 1);
}
#endif
#ifdef CASE_12
// EXPECT: invalid initializer|initializing 'const struct rt_go_opts'
void f(void)
{
    go_with(65536, two, 1, "text");
}
#endif
#ifdef CASE_13
// EXPECT: too many arguments
void f(struct rt_waitgroup *wg)
{
    wg_go(wg, none, 1);
}
#endif
#ifdef CASE_14
// EXPECT: incompatible
void f(struct rt_mutex *m)
{
    wg_go(m, none);
}
#endif
#ifdef CASE_15
// EXPECT: too few arguments
void f(struct rt_once *o)
{
    once_do(o, two, 1);
}
#endif
#ifdef CASE_16
// EXPECT: up to 512 bytes
struct large {
    char bytes[600];
};
void take(struct large l);
void f(struct large *l)
{
    go(take, *l);
}
#endif
#ifdef CASE_17
// EXPECT: undeclared|undefined identifier
void f(void)
{
    go(no_such_function, 1);
}
#endif
