#include "shop.h"

static const struct item *seen[16];
static size_t n_seen;

void audit(const struct item *i)
{
    seen[n_seen++ & 15] = i;
}

long flat(const struct item *i, void *context)
{
    return i->price + *(long *)context;
}

long tracked(const struct item *i, void *context)
{
    audit(i);
    return i->price + (context != NULL);
}
