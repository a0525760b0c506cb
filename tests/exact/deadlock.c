/*
 * tests/exact/deadlock.c - when nothing can ever run again, the program ends with Go's words; and
 * not before.
 */
#include <rt/rt.h>
#include <string.h>

static struct rt_mutex m;

static void locks(void)
{
    rt_mutex_lock(&m);
}

static void waits_for_ever(chan(int) c)
{
    chan_recv(c);
}

static void sleeps_then_sends(chan(int) c)
{
    rt_sleep(300000000);
    chan_send(c, 7);
}

static bool is(const char *what, char **argv)
{
    return strcmp(what, argv[1]) == 0;
}

int main(int argc, char **argv)
{
    chan(int) c = chan_make(int, 0);

    if (argc < 2)
        return 1;
    if (is("recv", argv))
        chan_recv(c);
    if (is("two", argv)) {
        go(waits_for_ever, c);
        rt_yield();
        chan_send((chan(int))NULL, 1);
    }
    if (is("mutex", argv)) {
        rt_mutex_lock(&m);
        go(locks);
        rt_mutex_lock(&m);
    }
    if (is("goexit", argv)) {
        go(waits_for_ever, c);
        rt_goexit();
    }
    if (is("sleeper", argv)) { /* no false alarm: somebody sleeps */
        go(sleeps_then_sends, c);
        rt_printf("got %d\n", chan_recv(c));
    }
    if (is("timer", argv)) { /* nor while a timer is pending */
        chan_recv(rt_after(300000000));
        rt_printf("in time\n");
    }
    if (is("line", argv)) { /* nor while somebody waits for an interrupt */
        char text[16];
        rt_printf("read %d\n", (int)rt_read_line(text, sizeof text));
    }
    return 0;
}
