/*
 * stoptimes - how long does the collector stop the program? A monitor with an alarm.
 *
 *     make run APP=examples/stoptimes ARGS="200 500"     200 collections; alarm above 500 us
 *
 * rt_gc_on_stop() names two functions that are called just before and just after the stops of a
 * collection, in a goroutine, never inside a stop: they may allocate, print and send. Here the
 * second one raises an alarm by a channel, without waiting (chan_try_send), and main watches while
 * two goroutines make garbage.
 */
#include <rt/rt.h>

#define KEEP 20000

struct node {
    gc(struct node *) next;
    char payload[48];
};

static gc_root(chan(int64_t), alarms);
static int64_t limit_ns = 1000000;
static int n_begun, n_ended; /* one collection at a time: no lock needed */

static void before_stop(void)
{
    n_begun++;
}

static void after_stop(int64_t pause_ns)
{
    n_ended++;
    if (pause_ns > limit_ns)
        chan_try_send(alarms.p, pause_ns);
}

/* Lists that live for a while: something to mark, something to sweep. */
static void churn(chan(int) stop)
{
    while (!chan_closed(stop)) {
        struct node *list = NULL;

        for (int i = 0; i < KEEP; i++) {
            struct node *n = gc_new(struct node);

            gc_set(n->next, list);
            list = n;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    uint64_t collections = argc > 1 ? strtoul(argv[1], NULL, 10) : 50;
    chan(int) stop = chan_make(int, 0);
    struct rt_ticker *ticker = rt_ticker_make(20000000);
    struct rt_mem_stats m = {0};
    int n_alarms = 0;

    if (argc > 2)
        limit_ns = atol(argv[2]) * 1000;
    gc_set(alarms.p, chan_make(int64_t, 16));
    rt_gc_on_stop(before_stop, after_stop);
    for (int i = 0; i < 2; i++)
        go(churn, stop);

    while (m.num_gc < collections) {
        int64_t pause = 0;

        go_select {
            on_recv (pause, alarms.p) {
                n_alarms++;
                rt_printf("alarm: a stop of %lld us\n", (long long)pause / 1000);
            }
            on_recv_drop (ticker->c)
                rt_read_mem_stats(&m);
        }
    }
    chan_close(stop);
    rt_gc_on_stop(NULL, NULL);

    static int64_t pauses[256];
    size_t n = rt_gc_pauses(pauses, 256);

    if (n == 0)
        panic("no stop was recorded");
    qsort(pauses, n, sizeof pauses[0], by_value);
    rt_printf("%zu collections, %zu KiB live at the last\n", (size_t)m.num_gc,
              (size_t)m.heap_live_bytes >> 10);
    rt_printf("the last %zu stops: p50 %lld us, p99 %lld us, worst %lld us\n", n,
              (long long)pauses[n / 2] / 1000, (long long)pauses[n * 99 / 100] / 1000,
              (long long)pauses[n - 1] / 1000);
    rt_printf("hooks %s; %d alarms above %lld us\n",
              n_begun - n_ended <= 1 && n_ended > 0 ? "balance" : "don't balance", n_alarms,
              (long long)limit_ns / 1000);
    return 0;
}
