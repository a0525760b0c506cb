#pragma once
#include <rt/rt.h>

struct item {
    gc_foreign(const char *) name;
    long price;
};

struct basket {
    gc_foreign(struct item *) items[8];
    size_t n;
    gc_foreign(const struct pricing *) pricing;
};

struct pricing {
    long (*of)(const struct item *, void *);
    void *context;
};

void basket_add(struct basket *b, struct item *i);
struct item *basket_cheapest(const struct basket *b);
long basket_total(const struct basket *b);
void basket_checkout(struct basket *b, void (*done)(long, void *), void *context);
void audit(const struct item *i);
long flat(const struct item *i, void *context);
long tracked(const struct item *i, void *context);
