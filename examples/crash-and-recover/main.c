/*
 * crash-and-recover - a supervisor whose workers may do anything, and the program goes on.
 *
 *     make run APP=examples/crash-and-recover
 *
 * Each job runs in a goroutine of its own, below catch_panic(): a bad pointer, a division by zero,
 * endless recursion, an index out of range and a plain panic() all become a value that the
 * supervisor reads. Deferred calls run on the way, so locks and files are given back.
 */
#include <rt/rt.h>

struct account {
    gc(struct account *) next;
    long balance;
};

static struct rt_mutex lock;
static long transfers;

static void bad_pointer(void)
{
    struct account *volatile missing = NULL;
    transfers += missing->balance;
}

static void bad_division(void)
{
    volatile long people = 0;
    transfers += 100 / people;
}

static long dig(volatile long *above)
{
    volatile long here = *above + 1;
    return here < 0 ? 0 : dig(&here) + here;
}

static void bad_recursion(void)
{
    volatile long top = 0;
    transfers += dig(&top);
}

slice_type(long, longs);

static void bad_index(void)
{
    struct longs s = {0};
    s = append(s, 10, 20, 30);
    transfers += at(s, 5);
}

static void bad_mood(void)
{
    panic("no more than %d transfers today", 3);
}

static void fine(void)
{
    transfers++;
}

/* The lock is given back whatever the job does. */
static void locked(void (*job)(void))
{
    defers;
    rt_mutex_lock(&lock);
    defer(rt_mutex_unlock, &lock);
    job();
}

struct result {
    gc_foreign(const char *) name;
    gc(struct rt_panic *) panic;
};

static void worker(const char *name, void (*job)(void), chan(struct result) results)
{
    struct result r = {.name = name, .panic = catch_panic(locked, job)};
    chan_send(results, r);
}

/* The same by hand: a deferred function that recovers decides what its function returns. */
static void give_up(volatile int *status)
{
    struct rt_panic *e = recover();
    if (e != NULL) {
        rt_printf("recovered: %s\n", e->message);
        *status = -1;
    }
}

static int careful(void (*job)(void))
{
    volatile int status = 0;
    defers_returning(status);
    defer(give_up, &status);
    locked(job);
    return 1;
}

int main(void)
{
    static const struct {
        const char *name;
        void (*job)(void);
    } jobs[] = {{"pointer", bad_pointer}, {"division", bad_division}, {"recursion", bad_recursion},
                {"index", bad_index},     {"mood", bad_mood},         {"fine", fine}};
    chan(struct result) results = chan_make(struct result, 0);

    for (unsigned i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        go(worker, jobs[i].name, jobs[i].job, results);
        struct result r = chan_recv(results);
        rt_printf("%-10s %s\n", r.name, r.panic != NULL ? r.panic->message : "done");
    }
    rt_printf("careful: %d and %d\n", careful(bad_pointer), careful(fine));
    rt_printf("%ld transfers, and the lock is %s\n", transfers,
              rt_mutex_trylock(&lock) ? "free" : "held");
}
