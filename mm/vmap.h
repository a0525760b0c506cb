/*
 * mm/vmap.h - large runs of memory that need not lie together: frames of 2 MiB, mapped one behind
 * the other.
 *
 * For requests that no free run of RAM can hold though there is enough RAM. The window's place is
 * its owner's choice (the collector wants it next to the direct map, so that one compare finds heap
 * addresses).
 */
#pragma once

#include <arch/arch.h>

#define VMAP_FRAME_BYTES ARCH_LARGE_BYTES

/* Once, at boot: the window is n_frames from `base` on, a multiple of one; nothing is mapped. */
void vmap_init(uintptr_t base, size_t n_frames);

/*
 * n_frames (not 0) frames, read and write, content anything. NULL: too few frames of RAM that are
 * free as a whole, or no run of the window that long; *stale then tells whether a flush would give
 * more of the latter (vmap_flushed_stw). A goroutine; takes a lock of rank STACK.
 */
RT_MUST_USE void *vmap_alloc(size_t n_frames, bool *stale);

/*
 * Give frames back, all or some of what was allocated: RAM at once, addresses after the next flush.
 * Nobody uses them any more; what a cpu's TLB still holds of them is never looked up. Preemption
 * off or not.
 */
void vmap_free(void *base, size_t n_frames);

/* The world is stopped, and each cpu reloads CR3 before it runs on: what was given back can be
 * used. */
void vmap_flushed_stw(void);
