#include "across.h"

static int *items[10];
static size_t n_items;
static long counted;

void registry_add(int *item)
{
    items[n_items++] = item;
}

void registry_count(const int *item)
{
    counted += *item;
}

void registry_walk(void (*fn)(int *, void *), void *context)
{
    for (size_t i = 0; i < n_items; i++)
        fn(items[i], context);
}

void registry_walk_all(void (*fn)(int *, void *), void *context)
{
    for (size_t i = 0; i < n_items; i++)
        fn(items[i], context);
}

int *bounce(int *p, int n)
{
    return n == 0 ? p : bounce_back(p, n - 1);
}
