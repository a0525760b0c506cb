/*
 * hello - the smallest program: one goroutine says hello, main waits for it.
 *
 *     make run APP=examples/hello ARGS=Isaac
 *
 * Main is a goroutine like any other, but when it returns the program is over, whatever the others
 * are doing. So it waits for a word from the one it started.
 */
#include <rt/rt.h>

static void greet(const char *whom, chan(int) done)
{
    rt_printf("hello, %s\n", whom);
    chan_send(done, 1);
}

int main(int argc, char **argv)
{
    chan(int) done = chan_make(int, 0);

    go(greet, argc > 1 ? argv[1] : "world", done);
    chan_recv(done);
    return 0;
}
