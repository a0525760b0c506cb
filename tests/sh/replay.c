/*
 * tests/sh/replay.c - who did what when, in the order in which it happened: for replay.sh.
 *
 * Loops that call nothing, goroutines that contend for a mutex, that meet in selects and that spin
 * on each other: whatever is left to chance or to the cores' race shows in the order of the events.
 * Some are printed as they are, all go into two sums: with the times and without.
 */
#include <rt/rt.h>
#include <stdatomic.h>

#define EVENTS 6000u
#define PRINTED 200u

static struct event {
    int64_t at_ns;
    uint64_t n;
    const char *what;
    unsigned who;
} events[EVENTS];
static atomic_uint n_events, turn;
static struct rt_mutex mutex;

static void note(unsigned who, const char *what, uint64_t n)
{
    unsigned i = atomic_fetch_add(&n_events, 1);

    for (volatile unsigned work = 2000; work > 0; work--) {
    }
    if (i < EVENTS)
        events[i] = (struct event){rt_nanotime(), n, what, who};
}

static void hog(unsigned who)
{
    for (volatile uint64_t n = 1;; n++)
        if (n % 20000 == 0)
            note(who, "counts", n);
}

static void locker(unsigned who)
{
    for (uint64_t n = 0;; n++) {
        rt_mutex_lock(&mutex);
        note(who, "locks", n);
        if (n % 8 == who % 8)
            rt_yield();
        rt_mutex_unlock(&mutex);
    }
}

static void selector(unsigned who, chan(int) in, chan(int) out)
{
    for (uint64_t n = 0;; n++) {
        int got = 0;
        go_select {
            on_recv (got, in)
                note(who, "receives", (uint64_t)got);
            on_send (out, (int)who)
                note(who, "sends", n);
        }
    }
}

static void spinner(unsigned me)
{
    for (uint64_t n = 0;; n++) {
        while (atomic_load(&turn) % 2 != me % 2) {
        }
        note(me, "has the turn", n);
        atomic_fetch_add(&turn, 1);
    }
}

static uint64_t mix(uint64_t sum, uint64_t v)
{
    sum = (sum ^ v) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 32;
}

int main(void)
{
    chan(int) a = chan_make(int, 0);
    chan(int) b = chan_make(int, 1);

    for (unsigned i = 0; i < 2; i++) {
        go(selector, 10 + 2 * i, a, b);
        go(selector, 11 + 2 * i, b, a);
    }
    for (unsigned i = 0; i < 2; i++) {
        go(hog, 20 + i);
        go(locker, 30 + i);
        go(spinner, 40 + i);
    }
    while (atomic_load(&n_events) < EVENTS)
        rt_sleep(100000);
    uint64_t order = 0, all = 0;
    for (unsigned i = 0; i < EVENTS; i++) {
        struct event *e = &events[i];
        order = mix(mix(order, e->who), e->n);
        all = mix(mix(all, order), (uint64_t)e->at_ns);
        if (i % (EVENTS / PRINTED) == 0)
            rt_printf("%ld %u %s %lu\n", (long)e->at_ns, e->who, e->what, (unsigned long)e->n);
    }
    rt_printf("all %016lx\norder %016lx\n", (unsigned long)all, (unsigned long)order);
    return 0;
}
