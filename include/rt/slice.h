/*
 * rt/slice.h - slices: a window on an array that knows its length, and grows.
 *
 *     slice_type(int, ints);                     declares struct ints { int *p; size_t len, cap; }
 *     slice_type(gc(struct node *), nodes);      a slice of references
 *     struct ints s = {0};                       empty, and ready to use
 *     s = append(s, 1, 2, 3);  at(s, i) += 1;  struct ints t = sub(s, 1, 3);
 *     slice_range (i, v, s) { ... }
 * The elements lie on the collected heap (or wherever p was pointed to); slices share them, as in
 * Go. In a collected struct a slice is a field gc(struct ints) items, written by
 * gc_copy(&obj->items, &s, 1).
 * Panics: "index out of range [5] with length 3", "slice bounds out of range [:11] with capacity
 * 10", and so on, each after "runtime error: ".
 */
#pragma once

#include <rt/call.h>
#include <rt/gc.h>

#define rt_slice_type(T, name)                                                                     \
    struct name {                                                                                  \
        __typeof__(T) *p;                                                                          \
        size_t len, cap;                                                                           \
    }

/* at(s, i): the i-th element, an lvalue; a panic unless 0 <= i < s.len. Each argument is evaluated
 * once. */
#define rt_at(s, i) RT_AT_(RT_UNIQUE(rt_at_), s, i)

/* sub(s, lo, hi): elements lo to hi - 1, sharing memory. 0 <= lo <= hi <= s.cap, as in Go; else a
 * panic. */
#define rt_sub(s, lo, hi) RT_SUB_(RT_UNIQUE(rt_sub_), s, lo, hi)

/*
 * s = append(s, v...): s with the values behind it: in place if the capacity is there, else in a
 * new array. The values are of the element's type, or braced initialisers of it.
 */
#define rt_append(s, ...) RT_APPEND_(RT_UNIQUE(rt_append_), s, __VA_ARGS__)

/* slice_range (i, v, s) { ... } declares size_t i and a copy v of each element; s is evaluated
 * once. */
#define rt_slice_range(i, v, s) RT_SLICE_RANGE_(RT_UNIQUE(rt_range_), i, v, s)

/* ---- How ---- */

RT_NORETURN RT_COLD void rt_panic_index(int64_t index, size_t len);
RT_NORETURN RT_COLD void rt_panic_slice(int64_t lo, int64_t hi, size_t cap);

/* Any slice, as the runtime sees it: the same three fields. */
struct rt_slice_any {
    void *p;
    size_t len, cap;
};

/* *s gets room for n more elements: the same array, or a larger copy. Returns the place of the
 * first new one. */
void *rt_slice_grow(struct rt_slice_any *s, size_t n, struct rt_type *elem);

#define RT_AT_(id, s, i) RT_AT_II_(id, s, i)
#define RT_AT_II_(id, s, i)                                                                        \
    (*__extension__({                                                                              \
        __auto_type id##_s = (s);                                                                  \
        __auto_type id##_i = (i);                                                                  \
        if (RT_UNLIKELY((uint64_t)id##_i >= id##_s.len))                                           \
            rt_panic_index((int64_t)id##_i, id##_s.len);                                           \
        id##_s.p + id##_i;                                                                         \
    }))

#define RT_SUB_(id, s, lo, hi) RT_SUB_II_(id, s, lo, hi)
#define RT_SUB_II_(id, s, lo, hi)                                                                  \
    __extension__({                                                                                \
        __auto_type id##_s = (s);                                                                  \
        uint64_t id##_lo = (uint64_t)(lo);                                                         \
        uint64_t id##_hi = (uint64_t)(hi);                                                         \
        if (RT_UNLIKELY(id##_hi > id##_s.cap || id##_lo > id##_hi))                                \
            rt_panic_slice((int64_t)id##_lo, (int64_t)id##_hi, id##_s.cap);                        \
        if (id##_lo < id##_s.cap) /* [slice.1] in lang/slice.c */                                  \
            id##_s.p += id##_lo;                                                                   \
        id##_s.len = id##_hi - id##_lo;                                                            \
        id##_s.cap -= id##_lo;                                                                     \
        id##_s;                                                                                    \
    })

#define RT_APPEND_(id, s, ...) RT_APPEND_II_(id, s, __VA_ARGS__)
#define RT_APPEND_II_(id, s, ...)                                                                  \
    __extension__({                                                                                \
        __auto_type id##_s = (s);                                                                  \
        __typeof__(*id##_s.p) id##_v[] = {__VA_ARGS__};                                            \
        struct rt_slice_any id##_any = {(void *)(uintptr_t)id##_s.p, id##_s.len, id##_s.cap};      \
        size_t id##_n = sizeof(id##_v) / sizeof(id##_v[0]);                                        \
        if (RT_UNLIKELY(id##_any.cap - id##_any.len < id##_n))                                     \
            rt_slice_grow(&id##_any, id##_n, RT_TYPE(__typeof__(*id##_s.p)));                      \
        id##_s.p = (__typeof__(id##_s.p))id##_any.p;                                               \
        RT_SLICE_STORE_(id##_s.p + id##_s.len, id##_v, sizeof(id##_v));                            \
        id##_s.len += id##_n;                                                                      \
        id##_s.cap = id##_any.cap;                                                                 \
        id##_s;                                                                                    \
    })

/* Small numbers are stored; what may be or hold a reference is copied through the barrier. */
#define RT_SLICE_STORE_(dst, src, bytes)                                                           \
    do {                                                                                           \
        if (__builtin_classify_type(*(src)) == 5 || __builtin_classify_type(*(src)) >= 12)         \
            rt_gc_copy_bytes((void *)(uintptr_t)(dst), (src), (bytes));                            \
        else                                                                                       \
            __builtin_memcpy((void *)(uintptr_t)(dst), (src), (bytes));                            \
    } while (0)

#define RT_SLICE_RANGE_(id, i, v, s) RT_SLICE_RANGE_II_(id, i, v, s)
#define RT_SLICE_RANGE_II_(id, i, v, s)                                                            \
    for (__typeof__(s) id##_s = (s), *id##_once = &id##_s; id##_once; id##_once = 0)               \
        for (size_t i = 0; id##_once; id##_once = 0)                                               \
            for (RT_SLICE_VALUE_(id##_s.p) v;                                                      \
                 i < id##_s.len && (__builtin_memcpy(&v, &id##_s.p[i], sizeof(v)), 1); i++)

/* The type of *p; for references without their const. */
#define RT_SLICE_VALUE_(p)                                                                         \
    __typeof__(__builtin_choose_expr(__builtin_classify_type(*(p)) == 5, 1 ? *(p) : *(p), *(p)))

#ifndef RT_NO_SHORT_NAMES
#define slice_type(T, name) rt_slice_type(T, name)
#define at(s, i) rt_at(s, i)
#define sub(s, lo, hi) rt_sub(s, lo, hi)
#define append(s, ...) rt_append(s, __VA_ARGS__)
#define slice_range(i, v, s) rt_slice_range(i, v, s)
#endif
