/*
 * sieve - prime numbers out of a chain of goroutines.
 *
 *     make run APP=examples/sieve ARGS=25
 *
 * The first goroutine sends 2, 3, 4, ... into a channel. Whatever comes out of the chain's end is
 * prime, and gets a goroutine of its own at that end, which lets through only what that prime does
 * not divide:
 *
 *     generate -> [not 2 *] -> [not 3 *] -> [not 5 *] -> main
 *
 * Nobody stops the chain. When main returns, the machine is switched off.
 */
#include <rt/rt.h>

static void generate(chan(int) out)
{
    for (int i = 2;; i++)
        chan_send(out, i);
}

static void filter(chan(int) in, chan(int) out, int prime)
{
    chan_range (i, in) {
        if (i % prime != 0)
            chan_send(out, i);
    }
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 25;
    chan(int) chain = chan_make(int, 0);

    go(generate, chain);
    for (int i = 0; i < n; i++) {
        int prime = chan_recv(chain);
        chan(int) longer = chan_make(int, 0);

        rt_printf("%d\n", prime);
        go(filter, chain, longer, prime);
        chain = longer;
    }
    return 0;
}
