/*
 * escape/boxing.c - 3. A value in an interface.
 *
 * A pair of a table of functions and a pointer stands for "anything that can do this" (Go's
 * interface). The pointer wants an object to point to, so a small value gets a box of its own. As
 * long as the pair is only passed down, the box may lie on the stack.
 * Cure: point to the variable that is there anyway.
 */
#include "patterns.h"

struct ops {
    long (*value)(const void *self);
};

struct any {
    const struct ops *ops;
    gc(const void *) self;
};

static long number_value(const void *self)
{
    return *(const long *)self;
}

static const struct ops number_ops = {number_value};

static long twice(struct any a)
{
    return 2 * a.ops->value(a.self);
}

long boxing_heap(long i)
{
    long *box = gc_new(long);

    *box = i;
    return twice((struct any){&number_ops, box});
}

long boxing_stack(long i)
{
    return twice((struct any){&number_ops, &i});
}
