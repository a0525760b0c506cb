/*
 * workerpool - three workers, twelve jobs, and a time limit for each.
 *
 *     make run APP=examples/workerpool
 *
 * A job that takes too long is given up: go_select waits for the answer and for a timer, whichever
 * comes first. A goroutine can't be killed from outside, so the slow job runs on, but its channel
 * has room for the answer that nobody wants any more; it never blocks, and all of it is collected
 * once it has ended.
 */
#include <rt/rt.h>

#define WORKERS 3
#define JOBS 12
#define LIMIT_NS 300000000 /* 0.3 s */

struct job {
    int id, n;
};

struct result {
    int id;
    long value;
    bool in_time;
};

/* The naive way, which takes for ever when n is large. */
static long fibonacci(int n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static void compute(int n, chan(long) answer)
{
    chan_send(answer, fibonacci(n));
}

static void work(chan(struct job) jobs, chan(struct result) results)
{
    chan_range (job, jobs) {
        chan(long) answer = chan_make(long, 1);
        struct result r = {.id = job.id};

        go(compute, job.n, answer);
        go_select {
            on_recv (r.value, answer)
                r.in_time = true;
            on_recv_drop (rt_after(LIMIT_NS)) {
            }
        }
        chan_send(results, r);
    }
}

int main(void)
{
    chan(struct job) jobs = chan_make(struct job, JOBS);
    chan(struct result) results = chan_make(struct result, 0);
    struct result table[JOBS];

    for (int i = 0; i < WORKERS; i++)
        go(work, jobs, results);
    for (int i = 0; i < JOBS; i++)
        chan_send(jobs, {i, i % 6 == 5 ? 90 : 2 * i}); /* jobs 5 and 11 are hopeless */
    chan_close(jobs);

    for (int i = 0; i < JOBS; i++) {
        struct result r = chan_recv(results);

        table[r.id] = r;
    }
    for (int i = 0; i < JOBS; i++) {
        if (table[i].in_time)
            rt_printf("job %2d: %ld\n", i, table[i].value);
        else
            rt_printf("job %2d: given up after 0.3 s\n", i);
    }
    return 0;
}
