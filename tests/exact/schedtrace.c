/* GODEBUG=schedtrace: Go's line at once, and then every so many milliseconds. */
#include <rt/rt.h>

int main(void)
{
    rt_sleep(150000000);
    rt_puts("done");
    return 0;
}
