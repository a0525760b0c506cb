/*
 * echo - a server on the console: says again what you type.
 *
 *     make run APP=examples/echo          /quit or Ctrl-D ends it, /who shows all goroutines
 *
 * Reading a line parks one goroutine, not the machine: the ticker goes on counting meanwhile, and
 * an idle core sleeps until the serial port's interrupt. Each line is answered by a goroutine of
 * its own.
 */
#include <rt/rt.h>

static void read_lines(chan(char *) lines)
{
    char buf[256];

    while (rt_read_line(buf, sizeof buf) >= 0)
        chan_send(lines, gc_strdup(buf)); /* the buffer is used again, the copy is the receiver's */
    chan_close(lines);
}

static void answer(const char *line, int64_t seconds, chan(int) done)
{
    rt_printf("%s (after %lld s)\n", line, (long long)seconds);
    chan_send(done, 1);
}

int main(void)
{
    chan(char *) lines = chan_make(char *, 0);
    chan(int) done = chan_make(int, 0);
    struct rt_ticker *ticker = rt_ticker_make(1000000000);
    int64_t seconds = 0;

    rt_puts("echo: type a line; /who, /quit");
    go(read_lines, lines);
    for (;;) {
        char *line = NULL;
        bool ok = true;

        go_select {
            on_recv_ok (line, ok, lines) {
            }
            on_recv_drop (ticker->c)
                seconds++;
        }
        if (!ok || (line != NULL && strcmp(line, "/quit") == 0))
            break;
        if (line == NULL)
            continue;
        if (strcmp(line, "/who") == 0) {
            rt_print_goroutines();
            continue;
        }
        go(answer, line, seconds, done);
        chan_recv(done);
    }
    rt_puts("echo: bye");
    return 0;
}
