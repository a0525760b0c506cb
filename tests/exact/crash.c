/*
 * Faults of a program that nobody recovers; argv[1] says which. One line in the middle of a report
 * is of no interest: registers of the fault.
 */
#include <rt/rt.h>

struct node {
    struct node *next;
    int values[4];
};

static struct node *nothing;
static int zero;
static volatile int sink;

static void deref(void)
{
    sink = nothing->values[2];
}

static void divide(void)
{
    sink = 100 / *(volatile int *)&zero;
}

static void wild(void)
{
    sink = *(volatile int *)0xffffc12345678000;
}

static void non_canonical(void)
{
    sink = *(volatile int *)0x1234567800000000;
}

static void call_null(void)
{
    void (*volatile fn)(void) = NULL;
    fn();
}

static void undefined(void)
{
    __asm__ volatile("ud2");
}

static void write_code(void)
{
    *(volatile char *)(uintptr_t)divide = 0;
}

static int deeper(volatile int *from_above)
{
    volatile int here[64];
    here[0] = *from_above + 1;
    if (here[0] == -1)
        return 0;
    return deeper(here) + here[0];
}

static void overflow(void)
{
    volatile int n = 0;
    sink = deeper(&n);
}

static void copy_to_null(void)
{
    memcpy(nothing, "text", 5);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } cases[] = {{"deref", deref},
                 {"divide", divide},
                 {"wild", wild},
                 {"non_canonical", non_canonical},
                 {"call_null", call_null},
                 {"undefined", undefined},
                 {"write_code", write_code},
                 {"overflow", overflow},
                 {"copy_to_null", copy_to_null}};

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0) {
            if (argc > 2) {
                struct rt_panic *e = catch_panic(cases[i].fn);
                rt_printf("caught %d: %s, address %#lx, pc %d\n", e->kind, e->message,
                          e->fault_address, e->pc != 0);
                e = catch_panic(cases[i].fn);
                rt_printf("again %d: %s\n", e->kind, e->message);
            } else {
                cases[i].fn();
            }
        }
    rt_printf("end\n");
}
