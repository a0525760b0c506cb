/*
 * The last words of an uncaught panic, in all their forms; argv[1] says which.
 */
#include <rt/rt.h>

static RT_NOINLINE void boom(const char *text)
{
    panic("%s", text);
}

static void note(const char *text)
{
    rt_printf("deferred: %s\n", text);
}

static void recover_then_panic(void)
{
    recover();
    panic("second,\ngoroutine 77 [running]:");
}

static void recover_then_repanic(void)
{
    rt_repanic(recover());
}

static void goexit(void)
{
    rt_goexit();
}

static void outer(void (*then)(void))
{
    defers;
    defer(note, "outer");
    defer(then);
    boom("first");
}

static RT_NOINLINE void second(void)
{
    boom("second");
}

static void third_in_second(void)
{
    defers;
    defer(boom, "third");
    boom("second");
}

static void in_goroutine(chan(int) never)
{
    boom("in a goroutine");
    chan_recv(never);
}

struct point {
    int x, y;
};

static void on_goexit(void)
{
    defers;
    defer(boom, "while exiting");
    rt_goexit();
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "plain";
    static struct point point = {1, 2};
    chan(int) never = chan_make(int, 0);

    rt_printf("%s\n", which);
    if (strcmp(which, "plain") == 0)
        boom("boom");
    if (strcmp(which, "replaced") == 0)
        outer(second);
    if (strcmp(which, "three") == 0)
        outer(third_in_second);
    if (strcmp(which, "recovered") == 0)
        outer(recover_then_panic);
    if (strcmp(which, "repanicked") == 0)
        outer(recover_then_repanic);
    if (strcmp(which, "value") == 0)
        rt_panic_value(&point);
    if (strcmp(which, "nil") == 0)
        rt_panic_value(NULL);
    if (strcmp(which, "goexit") == 0)
        outer(goexit);
    if (strcmp(which, "on_goexit") == 0)
        on_goexit();
    if (strcmp(which, "fatal") == 0)
        rt_fatal("all is %s", "lost");
    if (strcmp(which, "goroutine") == 0) {
        go(in_goroutine, never);
        chan_recv(never);
    }
    if (strcmp(which, "cores") == 0) { /* on all at once: one report */
        for (int i = 0; i < 100; i++)
            go(in_goroutine, never);
        chan_recv(never);
    }
    rt_printf("not reached\n");
}
