/*
 * pingpong - two goroutines and an unbuffered channel: what does a round trip cost?
 *
 *     make run APP=examples/pingpong SMP=1 ARGS=1000000
 *
 * A send on an unbuffered channel waits for its receiver, so the two take turns. On one core each
 * turn is a switch from one stack to the other inside the program; no system call, no interrupt.
 */
#include <rt/rt.h>

static void pong(chan(int) ping, chan(int) back)
{
    chan_range (ball, ping)
        chan_send(back, ball + 1);
    chan_close(back);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 100000;
    chan(int) ping = chan_make(int, 0), back = chan_make(int, 0);
    int ball = 0;

    go(pong, ping, back);

    int64_t start = rt_nanotime();

    for (int i = 0; i < rounds; i++) {
        chan_send(ping, ball);
        ball = chan_recv(back);
    }

    int64_t ns = rt_nanotime() - start;

    chan_close(ping);
    rt_printf("%d rounds, the ball says %d\n", rounds, ball);
    rt_printf("%lld ns a round\n", (long long)(rounds > 0 ? ns / rounds : 0));
    return ball == rounds ? 0 : 1;
}
