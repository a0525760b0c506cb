/*
 * lib/assert.h - the ASSERT ladder: who checks what, in which build.
 *
 * ASSERT        O(1), on in every build: the state it guards would corrupt memory.
 * DEBUG_ASSERT  on hot paths: debug and stress builds only (RT_DEBUG).
 * *_verify()    walks a whole structure: tests and stress builds call it.
 * A failed assertion is the runtime's own fault and ends in fatal() (lib/fatal.h). What a program
 * does wrong is a panic instead (lang/panic.c).
 */
#pragma once

#include <lib/fatal.h>

#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (RT_UNLIKELY(!(cond)))                                                                  \
            fatal("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__);                      \
    } while (0)

#ifdef RT_DEBUG
#define DEBUG_ASSERT(cond) ASSERT(cond)
#else
#define DEBUG_ASSERT(cond) ((void)sizeof((cond) ? 1 : 0))
#endif
