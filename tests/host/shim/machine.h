/*
 * tests/host/shim/machine.h - what the code under test calls: fatal(), the slow half of a lock; and
 * RAM.
 *
 * EXPECT_FATAL(part, statement) runs the statement, which must end in a fatal() whose text contains
 * `part`; true if it did. Locks and counts that it held stay as they were: start afresh afterwards.
 */
#pragma once

#include <lib/fatal.h>
#include <lib/spinlock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static jmp_buf host_fatal_jump RT_UNUSED;
static bool host_fatal_expected RT_UNUSED;
static char host_fatal_text[512] RT_UNUSED;

void fatal(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(host_fatal_text, sizeof(host_fatal_text), fmt, args);
    va_end(args);
    if (host_fatal_expected)
        longjmp(host_fatal_jump, 1);
    printf("unexpected fatal: %s\n", host_fatal_text);
    fflush(stdout);
    abort();
}

#define EXPECT_FATAL(part, ...)                                                                    \
    ({                                                                                             \
        host_fatal_text[0] = 0;                                                                    \
        host_fatal_expected = true;                                                                \
        if (setjmp(host_fatal_jump) == 0) {                                                        \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        host_fatal_expected = false;                                                               \
        strstr(host_fatal_text, (part)) != NULL;                                                   \
    })

void spin_lock_slow(struct spinlock *l)
{
    while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

#ifdef RT_DEBUG
void spin_debug_acquire(struct spinlock *l)
{
    (void)l;
}

void spin_debug_acquired(struct spinlock *l)
{
    l->owner = (uint16_t)(host_cpu + 1);
}

void spin_debug_release(struct spinlock *l)
{
    if (l->owner != host_cpu + 1)
        fatal("lock: released by another cpu");
    l->owner = 0;
}
#endif

/* Zeroed memory at a physical address, page-aligned; a touch outside such ranges is a crash. */
static inline void host_ram(paddr_t base, uint64_t bytes)
{
    if (host_direct_base == 0) {
        uint64_t align = UINT64_C(1) << 30;
        void *window = mmap(NULL, HOST_DIRECT_BYTES + align, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (window == MAP_FAILED) {
            perror("no window for the RAM");
            abort();
        }
        host_direct_base = ((uintptr_t)window + align - 1) & ~(align - 1);
    }
    if (base + bytes > HOST_DIRECT_BYTES ||
        mmap((void *)(host_direct_base + base), bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
        perror("no RAM");
        abort();
    }
}
