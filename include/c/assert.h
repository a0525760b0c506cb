/*
 * assert.h - the C header. A failed assertion is a fatal error of the program; no defer runs,
 * nothing recovers.
 *
 * May be included again after NDEBUG has changed, as C wants.
 */
#include <rt/compiler.h>

RT_NORETURN void rt_fatal(const char *fmt, ...) RT_PRINTF(1, 2);

#ifndef static_assert
#define static_assert _Static_assert
#endif

#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition)                                                                          \
    (RT_LIKELY(condition)                                                                          \
         ? (void)0                                                                                 \
         : rt_fatal("%s:%d: %s: assertion failed: %s", __FILE__, __LINE__, __func__, #condition))
#endif
