/*
 * release - three ways to give a resource back, and what each costs.
 *
 *     make run APP=examples/release
 *     ICOUNT=1 make run APP=examples/release      instruction counts
 *
 * By hand: cheapest, and forgotten on the path that nobody tested. defer: a few instructions more,
 * and it holds on every path, panics included. A finalizer: for what has no function to end in; it
 * runs late, once, in another goroutine, or never if the program ends first. So a finalizer is a
 * safety net below one of the others.
 */
#include <rt/rt.h>

#define ROUNDS 10000

/* A resource: something outside collected memory, of which there are few. */
static int in_use, most_in_use;
static _Atomic int given_back_late;

static void take(void)
{
    if (++in_use > most_in_use)
        most_in_use = in_use;
}

static void give_back(int *count)
{
    --*count;
}

static void work(int i)
{
    if (i == 7)
        panic("job %d is broken", i);
}

static void by_hand(int i)
{
    take();
    work(i); /* if this panics, the resource is lost */
    give_back(&in_use);
}

static void by_defer(int i)
{
    defers;
    take();
    defer(give_back, &in_use);
    work(i);
}

/* The handle is a collected object; when nobody refers to it any more, the resource goes back. */
struct handle {
    int number;
    bool open;
};

static void finalize(void *object)
{
    struct handle *h = object;
    if (h->open)
        given_back_late++;
}

static void by_finalizer(int i)
{
    struct handle *h = gc_new(struct handle);
    h->number = i;
    h->open = true;
    rt_set_finalizer(h, finalize);
    work(i);
}

static void measure(const char *name, void (*job)(int))
{
    in_use = most_in_use = 0;
    for (int i = 0; i < 10; i++)
        catch_panic(job, i); /* job 7 panics */
    int lost = in_use;
    int64_t start = rt_nanotime();
    for (int i = 0; i < ROUNDS; i++)
        job(100);
    rt_printf("%-10s %6ld ns each, %d lost in a panic\n", name,
              (long)(rt_nanotime() - start) / ROUNDS, lost);
}

int main(void)
{
    measure("by hand", by_hand);
    measure("defer", by_defer);
    measure("finalizer", by_finalizer);
    rt_gc();
    for (int i = 0; i < 1000 && given_back_late < ROUNDS; i++)
        rt_sleep(1000000);
    rt_printf("finalizers have given back %s\n", given_back_late >= ROUNDS ? "all" : "some");
}
