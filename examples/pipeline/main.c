/*
 * pipeline - stages joined by channels, and how to stop them half way.
 *
 *     make run APP=examples/pipeline ARGS=5
 *
 *     numbers -> square -> main
 *             -> square ->
 *
 * The first stage would count for ever. Main takes as much as it wants and then closes `cancel`; a
 * closed channel can be received from at once, by everybody, so each stage that waits in its
 * go_select wakes and ends. The wait group proves that none is left behind.
 */
#include <rt/rt.h>

static void numbers(chan(long) out, chan(int) cancel)
{
    for (long i = 1;; i++) {
        go_select {
            on_send (out, i) {
            }
            on_recv_drop (cancel)
                return;
        }
    }
}

static void square(chan(long) in, chan(long) out, chan(int) cancel)
{
    for (;;) {
        long n = 0;

        go_select {
            on_recv (n, in) {
            }
            on_recv_drop (cancel)
                return;
        }
        go_select {
            on_send (out, n * n) {
            }
            on_recv_drop (cancel)
                return;
        }
    }
}

int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 10;
    chan(long) in = chan_make(long, 0), out = chan_make(long, 0);
    chan(int) cancel = chan_make(int, 0);
    static struct rt_waitgroup stages;
    long sum = 0;

    wg_go(&stages, numbers, in, cancel);
    wg_go(&stages, square, in, out, cancel);
    wg_go(&stages, square, in, out, cancel);

    for (int i = 0; i < wanted; i++) {
        long n = chan_recv(out); /* two squarers: the order is chance */

        sum += n;
    }
    rt_printf("took %d squares; running: %zu goroutines\n", wanted, rt_num_goroutine());

    chan_close(cancel);
    rt_wg_wait(&stages);
    rt_printf("cancelled; running: %zu goroutine\n", rt_num_goroutine());
    return sum > 0 ? 0 : 1;
}
