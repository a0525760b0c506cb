/*
 * tests/exact/watchdog.c - watchdog=1 names a cpu that is stuck in a runtime section or with
 * interrupts off, and leaves one alone that merely never yields.
 */
#include <rt/rt.h>
#include <string.h>

static void spins(void)
{
    for (;;)
        __asm__ volatile("");
}

static void stuck_in_a_section(void)
{
    __asm__ volatile("incl %gs:percpu_preempt"); /* as preempt_off() */
    spins();
}

static void stuck_without_interrupts(void)
{
    __asm__ volatile("cli");
    spins();
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "section") == 0)
        go(stuck_in_a_section);
    else if (argc > 1 && strcmp(argv[1], "interrupts") == 0)
        go(stuck_without_interrupts);
    else
        go(spins);
    rt_sleep(4000000000);
    rt_printf("no complaint\n");
    return 0;
}
