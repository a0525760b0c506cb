/*
 * escape/closure.c - 2. The environment of a closure.
 *
 * A closure in C is a function and a pointer to its variables. They are often allocated "because
 * the closure may live on". This one does not: each() keeps nothing, and the report says of the
 * environment: does not escape: could live on the stack.
 * Cure: new_local(), or a plain local and its address.
 */
#include "patterns.h"

struct closure {
    void (*fn)(void *env, int v);
    gc(void *) env;
};

struct env {
    long sum;
    int least;
};

static void each(const int *a, size_t n, const struct closure *c)
{
    for (size_t i = 0; i < n; i++)
        c->fn(c->env, a[i]);
}

static void add(void *context, int v)
{
    struct env *env = context;

    if (v >= env->least)
        env->sum += v;
}

long closure_heap(const int *a, size_t n)
{
    struct env *env = gc_new(struct env);

    env->least = 3;
    each(a, n, &(struct closure){add, env});
    return env->sum;
}

long closure_stack(const int *a, size_t n)
{
    struct env *env = new_local(struct env);

    env->least = 3;
    each(a, n, &(struct closure){add, env});
    return env->sum;
}
