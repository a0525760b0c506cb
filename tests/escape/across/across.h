#pragma once
#include <rt/rt.h>

struct item {
    gc_foreign(int *) value;
    int n;
};

void registry_add(int *item);
void registry_count(const int *item);
void registry_walk(void (*fn)(int *, void *), void *context);
void registry_walk_all(void (*fn)(int *, void *), void *context);
int *bounce(int *p, int n);
int *bounce_back(int *p, int n);
struct item *item_make(int n);
