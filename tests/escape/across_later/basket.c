#include "shop.h"

void basket_add(struct basket *b, struct item *i)
{
    b->items[b->n++ & 7] = i;
}

struct item *basket_cheapest(const struct basket *b)
{
    struct item *best = NULL;
    for (size_t i = 0; i < b->n; i++)
        if (best == NULL || b->items[i]->price < best->price)
            best = b->items[i];
    return best;
}

long basket_total(const struct basket *b)
{
    long total = 0;
    for (size_t i = 0; i < b->n; i++)
        total += b->pricing != NULL ? b->pricing->of(b->items[i], b->pricing->context)
                                    : b->items[i]->price;
    return total;
}

void basket_checkout(struct basket *b, void (*done)(long, void *), void *context)
{
    done(basket_total(b), context);
    b->n = 0;
}
