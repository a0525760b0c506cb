/*
 * escape/returned.c - 1. A result by address.
 *
 * `struct point p; return &p;` would be a dangling pointer, and the report says so:
 *     warning: address of local 'p' outlives middle_new: returned at ...
 * So the object is allocated, and the report says that it must be: escapes to heap: returned.
 * Cure: return the struct itself, or let the caller say where it goes; the caller knows how long it
 * is needed.
 */
#include "patterns.h"

struct point {
    double x, y;
};

static struct point *middle_new(double x, double y)
{
    struct point *p = gc_new(struct point);

    p->x = x / 2;
    p->y = y / 2;
    return p;
}

static struct point middle(double x, double y)
{
    return (struct point){x / 2, y / 2};
}

double returned_heap(int i)
{
    struct point *p = middle_new(i, i + 1);

    return p->x + p->y;
}

double returned_stack(int i)
{
    struct point p = middle(i, i + 1);

    return p.x + p.y;
}
