// What go_select refuses.
#include <rt/rt.h>

struct point {
    double x, y;
};
struct wide {
    long a[9];
};
struct node {
    gc(struct node *) next;
    int n;
};

int fine(chan(int) c, chan(struct point) p, chan(struct node *) n, struct node *node);
int fine(chan(int) c, chan(struct point) p, chan(struct node *) n, struct node *node)
{
    int x = 0;
    bool ok;
    struct node *got;

    go_select {
        on_recv (x, c) {
            go_select {
                on_send (c, x) {
                    break;
                }
                on_default {
                }
            }
        }
        on_recv_ok (got, ok, n) {
            gc_set(node->next, got);
            return ok;
        }
        on_recv (node->n, c) {
            return 1;
        }
        on_recv_drop (p) {
            return 2;
        }
        on_send (p, (struct point){1, 2}) {
            return 3;
        }
        on_send (n, node->next) {
            return 4;
        }
        on_default {
            return 5;
        }
    }
    return x;
}

#ifdef CASE_1
// EXPECT: discards
void f(chan(struct node *) c, struct node *n)
{
    go_select {
        on_recv (n->next, c) {
        }
    }
}
#endif
#ifdef CASE_2
// EXPECT: incompatible
void f(chan(int) c)
{
    long x;
    go_select {
        on_recv (x, c) {
        }
    }
}
#endif
#ifdef CASE_3
// EXPECT: incompatible
void f(chan(struct node *) c, struct point *p)
{
    go_select {
        on_send (c, p) {
        }
    }
}
#endif
#ifdef CASE_4
// EXPECT: up to 64 bytes
void f(chan(struct wide) c, struct wide w)
{
    go_select {
        on_send (c, w) {
        }
    }
}
#endif
#ifdef CASE_5
// EXPECT: up to 64 bytes
void f(chan(struct wide) c)
{
    struct wide w;
    go_select {
        on_recv (w, c) {
        }
    }
}
#endif
#ifdef CASE_6
// EXPECT: rt_select_
void f(chan(int) c)
{
    int x;
    on_recv (x, c) {
    }
}
#endif
#ifdef CASE_7
// EXPECT: incompatible
void f(chan(struct point *) c)
{
    struct node *n;
    bool ok;
    go_select {
        on_recv_ok (n, ok, c) {
        }
    }
}
#endif
#ifdef CASE_8
// EXPECT: lvalue
void f(chan(int) c)
{
    go_select {
        on_recv (3, c) {
        }
    }
}
#endif
#ifdef CASE_9
// EXPECT: discards
void f(chan(char *) c, const char *s)
{
    go_select {
        on_send (c, s) {
        }
    }
}
#endif
#ifdef CASE_10
// EXPECT: not a function|called object
void f(int n)
{
    go_select {
        on_recv_drop (n) {
        }
    }
}
#endif
#ifdef CASE_11
// EXPECT: incompatible|invalid initializer|initializing
void f(chan(struct point) c)
{
    go_select {
        on_send (c, 3) {
        }
    }
}
#endif
