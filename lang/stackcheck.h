/*
 * lang/stackcheck.h - reports pointers into a goroutine's own stack that it hands out, in debug
 * builds.
 *
 * A local whose address is in the collected heap, in a channel or in another goroutine's hands is a
 * dangling pointer once its function has returned, and shared memory until then (rt/gc.h). `make
 * escape` finds such places before the program runs (docs/escape.md); this finds them where they
 * happen: rt_gc_store_word() and its kin (rt/barrier.h), sends, and with GODEBUG=stackcheck=2 go().
 * A report is a warning, once for each place.
 *
 * Each call here is made by the function that the program called, so that its return address is the
 * place.
 */
#pragma once

#include <lang/chan.h>
#include <sched/goroutine.h>

#ifdef RT_DEBUG

/* The newest report, for tests. */
struct stackcheck_report {
    unsigned number;   /* how many there were */
    const char *done;  /* "stored in collected memory", ... */
    const char *owner; /* the function whose local it is */
    uintptr_t pc;      /* behind the call that did it */
    uintptr_t address; /* what was handed out */
};
extern struct stackcheck_report stackcheck_last;

/* [pc] sends an element of that type: a report for each reference to the goroutine's own stack. */
void stackcheck_elem(const struct rt_type *type, const void *elem, uintptr_t pc);

/* At the head of a function that sends for the program. */
static RT_ALWAYS_INLINE void stackcheck_send(const struct rt_chan *c, const void *elem)
{
    if (c != NULL)
        stackcheck_elem(c->elem, elem, (uintptr_t)__builtin_return_address(0));
}
#else
static RT_ALWAYS_INLINE void stackcheck_send(RT_UNUSED const struct rt_chan *c,
                                             RT_UNUSED const void *elem)
{
}
#endif
