/* The status that a program ends with is the one that tools/run.sh ends with. */
#include <rt/rt.h>
#include <stdlib.h>

static void leave(int status)
{
    rt_exit(status);
}

int main(int argc, char **argv)
{
    int status = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;

    if (argc > 2) { /* from a goroutine that is not main */
        go(leave, status);
        for (;;)
            rt_yield();
    }
    return status;
}
