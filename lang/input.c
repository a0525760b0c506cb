/*
 * lang/input.c - lines of console input for goroutines, and the key that prints all goroutines.
 *
 * The interrupt line's function moves bytes from the device into a ring, on a scheduler stack, and
 * readies the reader. A reader that finds the ring empty looks at the device itself before it
 * waits. What has no room in the ring stays in the device, which holds the sender up: nothing is
 * lost.
 *
 * THE KEY. One byte (knob infokey, Ctrl-T as on BSD terminals) is no input: it asks for the stacks
 * of all goroutines. A goroutine of its own prints them, between two slices of whatever hogs the
 * cores. For its sake the line is attached before main begins.
 *
 * LOCKING. One reader at a time (reader_lock, a mutex: the others park). ring_lock (rank TIMER, a
 * leaf here) makes one writer of the two that move bytes into the ring.
 * ORDERING. `tail` is released by the writer after the bytes, acquired by the reader. `waiter` is
 * taken by a swap: by the writer, who then owes a ready(), or back by the reader.
 */
#include <arch/arch.h>
#include <lang/input.h>
#include <lang/traceback.h>
#include <lib/atomic.h>
#include <lib/knobs.h>
#include <lib/spinlock.h>
#include <rt/goroutine.h>
#include <rt/print.h>
#include <rt/sync.h>
#include <sched/sched.h>

#define RING 4096u
#define POLL_NS INT64_C(10000000) /* where the device raises no interrupt */
#define CTRL_D 4

static struct rt_mutex reader_lock;
static struct spinlock ring_lock = SPINLOCK_INIT(RANK_TIMER);
static char ring[RING];
static uint32_t head;            /* [a] the reader's */
static uint32_t tail;            /* [a] the writer's */
static struct goroutine *waiter; /* [a] */
static bool attached, polled;    /* guarded by reader_lock */
static uint32_t info_asked;      /* [a] somebody is about to print */

static void print_info(RT_UNUSED void *arg)
{
    store_release(&info_asked, 0); /* the key works again */
    traceback_print_all();
}

static void ask_for_info(void)
{
    if (swap_acq_rel(&info_asked, 1) == 0 &&
        goroutine_spawn_system(print_info, NULL, "infokey") == NULL)
        store_release(&info_asked, 0); /* no memory now: press it again */
}

static void drain(void)
{
    bool info = false;
    int c;

    spin_lock(&ring_lock);
    while (load_relaxed(&tail) - load_acquire(&head) < RING && (c = arch_console_get()) >= 0) {
        uint32_t t = load_relaxed(&tail);
        if (c == '\0')
            continue; /* a filler of whoever sends (arch/x86_64/serial.c) */
        if ((uint64_t)c == knobs.infokey) {
            info = true;
            continue;
        }
        ring[t % RING] = (char)c;
        store_release(&tail, t + 1);
    }
    spin_unlock(&ring_lock);
    if (info)
        ask_for_info();
}

static bool on_input(RT_UNUSED void *arg, RT_UNUSED uint64_t n)
{
    drain();
    if (load_relaxed(&tail) == load_acquire(&head))
        return true; /* the key, or a reader was quicker */
    struct goroutine *g = swap_acq_rel(&waiter, NULL);
    if (g != NULL)
        ready(g);
    return true;
}

static void wait_for_input(void)
{
    if (polled) {
        rt_sleep(POLL_NS);
        return;
    }
    irq_waiters_add(1);
    store_seq_cst(&waiter, goroutine_current());
    if (load_acquire(&tail) == load_relaxed(&head) || swap_acq_rel(&waiter, NULL) == NULL)
        park(WAIT_IO_WAIT); /* nothing yet, or the writer took us off and readies us */
    irq_waiters_add(-1);
}

static bool byte_there(void)
{
    if (load_acquire(&tail) == load_relaxed(&head))
        drain(); /* the device may hold what had no room, or what came before the line was
                    attached */
    return load_acquire(&tail) != load_relaxed(&head);
}

static int next_byte(void)
{
    while (!byte_there())
        wait_for_input();
    int c = (unsigned char)ring[load_relaxed(&head) % RING];
    store_release(&head, load_relaxed(&head) + 1);
    return c;
}

static void attach_locked(void)
{
    unsigned irq;

    if (attached)
        return;
    attached = true;
    polled = !arch_console_irq(&irq) || !irq_attach(irq, on_input, NULL);
}

void input_start(void)
{
    if (knobs.infokey == 0)
        return;
    rt_mutex_lock(&reader_lock);
    attach_locked();
    rt_mutex_unlock(&reader_lock);
}

ssize_t rt_read_line(char *buf, size_t size)
{
    static bool after_cr; /* a terminal sends CR, a file LF, some both */
    static bool ended;    /* the last byte was Ctrl-D, perhaps behind a line without a newline */
    size_t n = 0;
    bool some = false;
    int c = 0;

    rt_mutex_lock(&reader_lock);
    attach_locked();
    ended = ended && !byte_there();
    while (!ended && ((c = next_byte()) != '\n' || after_cr)) {
        bool skip = c == '\n';
        after_cr = c == '\r';
        ended = c == CTRL_D;
        if (after_cr || ended)
            break;
        some |= !skip;
        if (!skip && n + 1 < size)
            buf[n++] = (char)c;
    }
    if (size > 0)
        buf[n] = '\0';
    bool none = ended && !some;
    rt_mutex_unlock(&reader_lock);
    return none ? -1 : (ssize_t)n;
}
