/* What can't run says so in one line and ends with status 1; what is only unusual runs. */
#include <rt/rt.h>

int main(void)
{
    rt_puts("running");
}
