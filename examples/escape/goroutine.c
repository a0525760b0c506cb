/*
 * escape/goroutine.c - 5. The argument of a goroutine.
 *
 * The address of a local in go() is the classic bug of C with threads, and the report says so:
 *     warning: address of local 'j' outlives goroutine_heap: captured by goroutine, go() at ...
 * So a job is allocated for each goroutine.
 * Cure: go() copies its arguments to the new goroutine's stack, structs too: pass the job itself.
 */
#include "patterns.h"

struct job {
    gc(chan(long)) results;
    long n;
};

static void work_on(struct job *j)
{
    chan(long) results = j->results;

    chan_send(results, j->n * j->n);
}

static void work(chan(long) results, long n)
{
    chan_send(results, n * n);
}

long goroutine_heap(chan(long) results, long i)
{
    struct job *j = gc_new(struct job);

    gc_set(j->results, results);
    j->n = i;
    go(work_on, j);
    return chan_recv(results);
}

long goroutine_stack(chan(long) results, long i)
{
    go(work, results, i);
    return chan_recv(results);
}
