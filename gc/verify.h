/*
 * gc/verify.h - objects as checks and reports see them, and the checks after a cycle.
 */
#pragma once

#include <gc/heap.h>

/* World stopped, marking just ended: walk every span, no black object may point to a white one
 * (knob gccheckmark: and all that globals lead to is black). */
void gc_verify_stw(void);

/* Calls see(ctx, address of the word, word) for each word of a slot that may be a pointer. */
typedef void gc_see_fn(void *ctx, const uintptr_t *where, uintptr_t word);
void gc_each_reference(const struct gc_span *span, uint32_t slot, gc_see_fn *see, void *ctx);
/* Is the aligned word at `where`, inside this slot, one of those? */
bool gc_is_reference(const struct gc_span *span, uint32_t slot, uintptr_t where);

/* A line: what, address, type, kind, size, epoch. */
void gc_print_slot(const char *what, const struct gc_span *span, uint32_t slot);

/* For callbacks: whose reference it is. */
struct gc_edge {
    const struct gc_span *span;
    uint32_t slot;
};
