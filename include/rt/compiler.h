/*
 * rt/compiler.h - attributes and lock annotations: one meaning on gcc and clang.
 *
 * Public headers and the runtime share it. Everything here vanishes, or has the same effect, on
 * both compilers; code above never asks which compiler it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_NORETURN _Noreturn
#define RT_NOINLINE __attribute__((noinline))
#define RT_ALWAYS_INLINE inline __attribute__((always_inline))
#define RT_COLD __attribute__((cold, noinline))
#define RT_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define RT_MUST_USE __attribute__((warn_unused_result))
#define RT_LIKELY(x) __builtin_expect(!!(x), 1)
#define RT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define RT_SECTION(name) __attribute__((section(name)))
#define RT_USED __attribute__((used))
#define RT_WEAK __attribute__((weak))
#define RT_ALIGNED(n) __attribute__((aligned(n)))
#define RT_UNUSED __attribute__((unused))

/* Joins after expansion, and a name that no other line of this file has. */
#define RT_CAT_(a, b) a##b
#define RT_CAT(a, b) RT_CAT_(a, b)
#define RT_UNIQUE(name) RT_CAT(name, __COUNTER__)

/*
 * clang's thread-safety analysis (make lint); empty elsewhere. In C it cannot name a sibling field,
 * so fields carry a letter for their guard instead (docs/locking.md).
 */
#if defined(__clang__) && !defined(RT_NO_LOCK_ANNOTATIONS)
#define RT_TSA(x) __attribute__((x))
#else
#define RT_TSA(x)
#endif
#define CAPABILITY(name) RT_TSA(capability(name))
#define GUARDED_BY(lock) RT_TSA(guarded_by(lock))
#define REQUIRES(...) RT_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) RT_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRES(...) RT_TSA(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRES(...) RT_TSA(try_acquire_capability(__VA_ARGS__))
#define RELEASES(...) RT_TSA(release_capability(__VA_ARGS__))
#define NO_LOCK_ANALYSIS RT_TSA(no_thread_safety_analysis)
