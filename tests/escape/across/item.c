#include "across.h"

int *bounce_back(int *p, int n)
{
    return n == 0 ? NULL : bounce(p, n - 1);
}

struct item *item_make(int n)
{
    struct item *i = gc_new(struct item); //! gc_new escapes
    i->n = n;
    return i;
}
