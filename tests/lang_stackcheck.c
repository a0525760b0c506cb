/*
 * tests/lang_stackcheck.c - a goroutine that hands out a pointer into its own stack is told so, in debug builds.
 */
#include <tests/test.h>

#ifdef RT_DEBUG
#include <lang/stackcheck.h>
#include <lib/knobs.h>
#include <rt/rt.h>

struct holder {
    gc(int *) p;
    int n;
};
struct message {
    uint64_t number;
    gc(int *) answer;
};
static gc_root(int *, global);

/* f(...) gives one report, of a local of `who` that is `what`; NULL: none. */
#define REPORTS(who, what, f, ...)                                                                 \
    do {                                                                                           \
        unsigned before_ = stackcheck_last.number;                                                 \
        const char *owner_ = (who);                                                                \
        f(__VA_ARGS__);                                                                            \
        EXPECT_EQ(t, stackcheck_last.number - before_, owner_ != NULL);                            \
        if (owner_ != NULL && stackcheck_last.number != before_) {                                 \
            EXPECT_STR(t, owner_, stackcheck_last.owner);                                          \
            EXPECT_STR(t, what, stackcheck_last.done);                                             \
        }                                                                                          \
    } while (0)

static RT_NOINLINE void stores(struct holder *h, int *p)
{
    gc_set(h->p, p);
}

static RT_NOINLINE void stores_own(struct holder *h)
{
    int local = 1;

    gc_set(h->p, &local);
    gc_set(h->p, NULL);
}

static RT_NOINLINE void stores_callers(struct holder *h)
{
    int local = 1;

    stores(h, &local);
    rt_gc_keep(&local);
}

static RT_NOINLINE void swaps(struct holder *h)
{
    int local = 1;

    (void)gc_swap(h->p, &local);
}

static RT_NOINLINE void compares(struct holder *h)
{
    int local = 1;

    (void)gc_cas(h->p, NULL, &local);
}

static RT_NOINLINE void stores_in_global(void)
{
    int local = 1;

    gc_set(global.p, &local);
    gc_set(global.p, NULL);
}

static RT_NOINLINE void stores_here(void)
{
    struct holder h = {0};
    int local = 1;

    gc_set(h.p, &local);
    rt_gc_keep(&h);
}

/* The place is the macro's line in the program, the owner the function whose local it is. */
TEST(stackcheck, a_store)
{
    struct holder *h = gc_new(struct holder);

    REPORTS("stores_own", "stored in collected memory", stores_own, h);
    REPORTS(NULL, "", stores_own, h); /* once for each place [own.2] */
    REPORTS("stores_callers", "stored in collected memory", stores_callers, h);
    REPORTS("swaps", "stored in collected memory", swaps, h);
    gc_set(h->p, NULL);
    REPORTS("compares", "stored in collected memory", compares, h);
    REPORTS("stores_in_global", "stored outside of its stack", stores_in_global);
    REPORTS(NULL, "", stores_here); /* [own.1] */
}

static RT_NOINLINE void sends(chan(int *) c)
{
    int local = 1;

    chan_send(c, &local);
    chan_recv(c);
}

static RT_NOINLINE void tries_to_send(chan(int *) c)
{
    int local = 1;

    if (chan_try_send(c, &local))
        chan_recv(c);
}

static RT_NOINLINE void selects(chan(int *) c)
{
    int local = 1;

    go_select {
        on_send (c, &local)
            chan_recv(c);
    }
}

static RT_NOINLINE void sends_struct(chan(struct message) c)
{
    int local = 1;

    chan_send(c, ((struct message){1, &local}));
    chan_recv(c);
}

/* A number is none, whatever it looks like [own.1]. */
static RT_NOINLINE void sends_number(chan(struct message) c)
{
    chan_send(c, ((struct message){(uintptr_t)__builtin_frame_address(0) - 8, NULL}));
    chan_recv(c);
}

static RT_NOINLINE void sends_collected(chan(int *) c)
{
    chan_send(c, gc_new(int));
    chan_recv(c);
}

TEST(stackcheck, a_send)
{
    chan(int *) c = chan_make(int *, 1);
    chan(struct message) m = chan_make(struct message, 1);

    REPORTS("sends", "sent on a channel", sends, c);
    REPORTS("tries_to_send", "sent on a channel", tries_to_send, c);
    REPORTS("selects", "sent on a channel", selects, c);
    REPORTS("sends_struct", "sent on a channel", sends_struct, m);
    REPORTS(NULL, "", sends_number, m);
    REPORTS(NULL, "", sends_collected, c);
}

static void done(struct rt_waitgroup *wg)
{
    rt_wg_done(wg);
}

static RT_NOINLINE void goes(void)
{
    struct rt_waitgroup wg = {0};

    rt_wg_add(&wg, 1);
    go(done, &wg);
    rt_wg_wait(&wg);
}

/* Waited for, so it is right, and usual: only stackcheck=2 says it. */
TEST(stackcheck, a_go)
{
    uint64_t level = knobs.stackcheck;

    REPORTS(NULL, "", goes);
    knobs.stackcheck = 2;
    REPORTS("goes", "captured by a goroutine", goes);
    knobs.stackcheck = level;
}
#endif
