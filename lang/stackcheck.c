/*
 * lang/stackcheck.c - a goroutine hands out a pointer into its own stack: said at once, with both
 * places.
 *
 * WHAT. Three gates: a reference stored by the barrier anywhere but on the storing goroutine's
 * stack; an element sent on a channel; the arguments of go(), if asked for, since a wait group on
 * main's stack is a common and correct argument. A report names the place, and the function whose
 * local it is: the innermost one whose frame ends above the address. It is a warning: a program
 * that waits until nobody uses the pointer any more is right.
 *
 * INVARIANTS
 * [own.1] No report for what is not wrong by itself: a store on one's own stack; a local of main(),
 *         which outlives everything; what the runtime does for itself; a word that the element's
 *         type does not call a pointer.
 * [own.2] A place is reported once.
 *
 * REJECTED. To keep what was handed out, and report it only if the frame ends before: the goroutine
 * that was handed a wait group may end later than its waiter goes on, and is right.
 */
#include <lang/stackcheck.h>

#ifdef RT_DEBUG
#include <gc/heap.h>
#include <lang/traceback.h>
#include <lib/knobs.h>
#include <lib/string.h>
#include <lib/symbol.h>
#include <rt/print.h>
#include <sched/sched.h>

#define PLACES_MAX 256u

struct stackcheck_report stackcheck_last;

static uintptr_t places[PLACES_MAX]; /* [a] reported already: the first ones are remembered */

/* A first time for that place [own.2]. */
static bool place_is_new(uintptr_t pc)
{
    for (unsigned i = 0; i < PLACES_MAX; i++) {
        uintptr_t at = load_relaxed(&places[i]);
        if (at == 0 && cas_acq_rel(&places[i], 0, pc))
            return true;
        if (load_relaxed(&places[i]) == pc)
            return false;
    }
    return false;
}

/* The function that `pc` is in and that has a frame; file and line where it stands. */
static struct symbol frame_symbol(uintptr_t pc)
{
    struct symbol s;

    symbol_lookup(pc - 1, &s);
    while (symbol_outer(&s))
        ;
    return s;
}

/* The line of the program: what macros of rt/ put there is left. */
static struct symbol place_symbol(uintptr_t pc)
{
    struct symbol s;

    symbol_lookup(pc - 1, &s);
    while (strncmp(s.name, "rt_", 3) == 0 && symbol_outer(&s))
        ;
    return s;
}

/* Whose local is that? A pc in that function, and its frame pointer. */
static uintptr_t find_owner(const struct goroutine *g, uintptr_t address, uintptr_t *frame)
{
    uintptr_t fp = (uintptr_t)__builtin_frame_address(0), pc = 0;

    while (goroutine_owns(g, fp) && fp + 16 <= address) {
        pc = ((const uintptr_t *)fp)[1];
        fp = ((const uintptr_t *)fp)[0];
    }
    *frame = fp;
    return pc;
}

static RT_NOINLINE void report(const struct goroutine *g, struct stackcheck_report r)
{
    uintptr_t frame, owner_pc = find_owner(g, r.address, &frame);
    struct symbol owner = frame_symbol(owner_pc), place = place_symbol(r.pc);

    if (g->id == 1 && strcmp(owner.name, "main") == 0)
        return; /* [own.1] */
    if (!place_is_new(r.pc))
        return;
    r.owner = owner.name;
    r.number = stackcheck_last.number + 1;
    stackcheck_last = r;
    rt_printf("%s:%u: warning: the address of a local of %s is %s\n"
              "\t%#lx, %ld bytes below the frame of %s, which is at %s:%u, in goroutine %lu\n",
              place.file, place.line, owner.name, r.done, (unsigned long)r.address,
              (long)(frame - r.address), owner.name, owner.file, owner.line, (unsigned long)g->id);
}

/* [pc] has handed out `address`: a report, if it is on the running goroutine's stack. */
static void stackcheck_word(uintptr_t address, const char *done, uintptr_t pc)
{
    struct goroutine *g = goroutine_current();

    if (g != NULL && goroutine_owns(g, address) && knobs.stackcheck != 0 && preempt_depth() == 0 &&
        traceback_is_program(pc))
        report(g, (struct stackcheck_report){.done = done, .pc = pc, .address = address});
}

void rt_stackcheck_store(const void *slot, const void *value)
{
    struct goroutine *g = goroutine_current();

    if (g == NULL || !goroutine_owns(g, (uintptr_t)value) || goroutine_owns(g, (uintptr_t)slot))
        return;
    stackcheck_word((uintptr_t)value,
                    gc_span_of((uintptr_t)slot) != NULL ? "stored in collected memory"
                                                        : "stored outside of its stack",
                    (uintptr_t)__builtin_return_address(0));
}

void stackcheck_elem(const struct rt_type *type, const void *elem, uintptr_t pc)
{
    if (knobs.stackcheck == 0 || (uintptr_t)elem % 8 != 0)
        return;
    for (size_t i = 0; i < type->size / 8; i++)
        if (gc_word_refers(type, i))
            stackcheck_word(((const uintptr_t *)elem)[i], "sent on a channel", pc);
}

void sched_up_spawn_args(const void *args, size_t bytes, uintptr_t pc)
{
    if (knobs.stackcheck >= 2)
        for (size_t i = 0; i < bytes / 8; i++)
            stackcheck_word(((const uintptr_t *)args)[i], "captured by a goroutine", pc);
}
#endif
