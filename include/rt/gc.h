/*
 * rt/gc.h - collected memory: allocation, typed references, roots, the write barrier.
 *
 * Memory that nothing refers to any more is found and reused by itself. In return, the collector
 * must know where references are:
 *   - on a stack and in registers: everywhere, nothing to do;
 *   - in a collected object: a field that may refer to a collected object is declared gc(T).
 *     Reading it is a plain read; a plain store to it does not compile, gc_set(obj->field, value)
 *     stores;
 *   - in a global: static gc_root(T, name), read as name.p, stored by gc_set(name.p, value);
 *   - in any other memory: nowhere. rt_alloc() memory may not hold references.
 * A pointer into the middle of an object keeps it alive. Objects arrive zeroed and never move.
 *
 * A variable whose address another goroutine can get at (a local of yours that you hand out, say)
 * counts as shared memory: a reference in it must be gc() too, and be written by gc_set.
 *
 * Sizes are in bytes unless said. Every call here may be made by any goroutine, and not by an
 * interrupt handler. All names have an rt_ form (rt_gc_new; that of gc(T) is rt_ref(T));
 * -DRT_NO_SHORT_NAMES leaves out the short ones.
 */
#pragma once

#include <rt/barrier.h>
#include <rt/compiler.h>
#ifndef INGOT_HOST
#include <rt/cstring.h>
#else
#include <string.h>
#endif

/* Misuse must not compile: these are mistakes with references, not matters of taste. */
#ifndef RT_INTERNAL
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#pragma GCC diagnostic error "-Wint-conversion"
#pragma GCC diagnostic error "-Wcast-qual"
#if defined(__clang__)
#pragma GCC diagnostic error "-Wincompatible-pointer-types-discards-qualifiers"
#pragma GCC diagnostic error "-Wcompare-distinct-pointer-types"
#else
#pragma GCC diagnostic error "-Wdiscarded-qualifiers"
#pragma GCC diagnostic error "-Wdiscarded-array-qualifiers"
#endif
#endif

/* ---- What a type looks like to the collector ---- */

/*
 * Each place that allocates has a record of its own in section rt_types: size and alignment are
 * written by the compiler, the pointer map by tools/gcmap.c after the link, from the debug
 * information of the typed witness that follows the record. A record that no tool filled (kind 0)
 * means: every word may be a pointer.
 */

enum rt_type_kind {
    RT_TYPE_UNFILLED = 0,     /* no tool ran: as conservative */
    RT_TYPE_MASK = 1,         /* ptrmask: bit i is set if the i-th word is a pointer; size <= 512 */
    RT_TYPE_NOSCAN = 2,       /* no pointers */
    RT_TYPE_BITMAP = 3,       /* map: the same as a bitmap, 64 words to a uint64_t */
    RT_TYPE_CONSERVATIVE = 4, /* every word, by decision (a union, say) */
};

struct rt_type {
    uint64_t ptrmask;
    uint32_t size;
    uint16_t align;
    uint8_t kind; /* enum rt_type_kind */
    uint8_t flags;
    const uint64_t *map;
    const char *name;
    /* The allocator's: where this core's free slots of this shape are; 1 + the first entry in its
     * table of array shapes. 0: ask. */
    uint32_t shape;
    uint32_t array_shape;
};
_Static_assert(sizeof(struct rt_type) == 40, "tools/gcmap.c knows this layout");

#define RT_TYPE_RECORD_(T)                                                                         \
    struct {                                                                                       \
        struct rt_type type;                                                                       \
        __typeof__(T) *witness[0];                                                                 \
    }
#define RT_TYPE_INIT_(T)                                                                           \
    {                                                                                              \
        .type = {.size = sizeof(T), .align = _Alignof(__typeof__(T)), .name = #T }                 \
    }

/* The record of T for this place: struct rt_type *. A function body only. */
#define RT_TYPE(T)                                                                                 \
    (__extension__({                                                                               \
        static RT_TYPE_RECORD_(T) rt_type_ RT_SECTION("rt_types") RT_ALIGNED(8) =                  \
            RT_TYPE_INIT_(T);                                                                      \
        &rt_type_.type;                                                                            \
    }))

/* The same at file scope, as a static object called `name`; use &name.type. */
#define RT_TYPE_DEFINE(T, name)                                                                    \
    static RT_TYPE_RECORD_(T) name RT_SECTION("rt_types") RT_ALIGNED(8) = RT_TYPE_INIT_(T)

/* ---- References ---- */

/*
 * gc(T) is T, const: that is all. Reading gives a T; storing is refused by the compiler. A field of
 * a struct type that itself holds references (a slice) is gc(struct ints) and is written by
 * gc_copy().
 */
#define rt_ref(T) __typeof__(__typeof__(T) const)

/* A pointer field or global that never holds a collected pointer: device memory, rt_alloc(), a
 * literal. It is volatile in the debug information, which is how gcmap knows it. */
#define rt_gc_foreign(T) __typeof__(__typeof__(T) volatile)

/* The type of an expression without const; and: is T a pointer type? */
#define RT_PLAIN_TYPE_(expr) __typeof__(1 ? (expr) : (expr))
#define RT_IS_POINTER_(expr)                                                                       \
    (__builtin_classify_type(expr) == 5 &&                                                         \
     __builtin_types_compatible_p(__typeof__(expr), RT_PLAIN_TYPE_(expr)))
#define RT_NO_POINTER_TYPE_(T)                                                                     \
    _Static_assert(!RT_IS_POINTER_(*(__typeof__(T) *)0),                                           \
                   "an array of references is gc_make_refs(T, n)")
#define RT_POINTER_TYPE_(T)                                                                        \
    _Static_assert(RT_IS_POINTER_(*(__typeof__(T) *)0), "gc_make_refs(T, n) wants a pointer type")
#define RT_REFERENCE_(slot)                                                                        \
    _Static_assert(RT_IS_POINTER_(slot),                                                           \
                   "a reference is a pointer; a struct is copied by gc_copy()")
#define RT_SLOT_(slot) ((void *)(uintptr_t) & (slot))

/*
 * gc_set(slot, value): the only way to store a reference. Each side is evaluated once.
 * The value may be a compound literal. Stores of whole words: a reader sees the old or the new
 * reference.
 */
#define rt_gc_set(slot, ...)                                                                       \
    __extension__({                                                                                \
        RT_REFERENCE_(slot);                                                                       \
        RT_PLAIN_TYPE_(slot) rt_set_value_ = (__VA_ARGS__);                                        \
        rt_gc_store_word(RT_SLOT_(slot), (void *)(uintptr_t)rt_set_value_);                        \
    })

/* T old = gc_swap(slot, value): exchange, atomically. */
#define rt_gc_swap(slot, ...)                                                                      \
    __extension__({                                                                                \
        RT_REFERENCE_(slot);                                                                       \
        RT_PLAIN_TYPE_(slot) rt_swap_value_ = (__VA_ARGS__);                                       \
        (RT_PLAIN_TYPE_(slot))(uintptr_t)                                                          \
            rt_gc_swap_word(RT_SLOT_(slot), (void *)(uintptr_t)rt_swap_value_);                    \
    })

/* bool ok = gc_cas(slot, expected, value): if slot holds `expected`, store; atomically. */
#define rt_gc_cas(slot, expected, ...)                                                             \
    __extension__({                                                                                \
        RT_REFERENCE_(slot);                                                                       \
        RT_PLAIN_TYPE_(slot) rt_cas_expected_ = (expected);                                        \
        RT_PLAIN_TYPE_(slot) rt_cas_value_ = (__VA_ARGS__);                                        \
        rt_gc_cas_word(RT_SLOT_(slot), (void *)(uintptr_t)rt_cas_expected_,                        \
                       (void *)(uintptr_t)rt_cas_value_);                                          \
    })

/*
 * gc_copy(dst, src, count): copy `count` elements of any type with gc() fields; the ranges may
 * overlap. dst and src are pointers to the same type. Not atomic as a whole; each reference is
 * copied as a word.
 */
#define rt_gc_copy(dst, src, count)                                                                \
    __extension__({                                                                                \
        __typeof__(*(dst)) *rt_copy_dst_ = (dst);                                                  \
        const __typeof__(*(dst)) *rt_copy_src_ = (src);                                            \
        rt_gc_copy_bytes((void *)(uintptr_t)rt_copy_dst_, rt_copy_src_,                            \
                         rt_gc_array_bytes((count), sizeof(*rt_copy_dst_)));                       \
    })

/* p's object is alive up to here, whatever the compiler thinks. */
#define rt_gc_keep(p) __asm__ volatile("" : : "r"(p) : "memory")

/* ---- Roots
 *     -----------------------------------------------------------------------------------------
 *     static gc_root(struct node *, head); head.p reads, gc_set(head.p, q) stores static
 *     gc_root_array(struct node *, table, 64); table.p[i]
 * Without `static` the name is global. `extern gc_root(T, name);` makes it known to other files; a
 * header that says so is followed, in the one file that defines it, by gc_root_define(name). */
struct rt_root_desc {
    void *address;
    uint64_t count;
    struct rt_type *type;
};

#define RT_ROOT_DESC_(T, name, n)                                                                  \
    RT_TYPE_DEFINE(T, RT_CAT(rt_root_type_of_, name));                                             \
    static const struct rt_root_desc RT_CAT(rt_root_desc_of_, name)                                \
        RT_USED RT_SECTION("rt_rootdesc")                                                          \
            RT_ALIGNED(8) = {RT_SLOT_(name), (n), &RT_CAT(rt_root_type_of_, name).type}
#define rt_gc_root(T, name)                                                                        \
    struct {                                                                                       \
        rt_ref(T) p;                                                                               \
    } name RT_SECTION("rt_roots");                                                                 \
    RT_ROOT_DESC_(rt_ref(T), name, 1)
#define rt_gc_root_array(T, name, n)                                                               \
    struct {                                                                                       \
        rt_ref(T) p[n];                                                                            \
    } name RT_SECTION("rt_roots");                                                                 \
    RT_ROOT_DESC_(rt_ref(T), name, (n))
#define rt_gc_root_define(name) __typeof__(name) name RT_SECTION("rt_roots")

/* ---- Allocation ---- */

/*
 * All results are zeroed and never NULL, but for rt_try_new(). Out of memory is a panic the program
 * may recover from, if memory for that was left; counts that can't be are `runtime error:
 * makeslice: len out of range`. Alignment: _Alignof(T) up to 64; else 16 from 16 bytes on, below
 * that 8.
 */
/* Larger objects are zeroed when they are handed out, not before. */
#define RT_GC_INLINE_ZERO_MAX 128

void *rt_gc_alloc(struct rt_type *type);     /* size <= RT_GC_INLINE_ZERO_MAX */
void *rt_gc_alloc_big(struct rt_type *type); /* any size */
void *rt_gc_try_alloc(struct rt_type *type); /* NULL: memory is short after a collection, too */
void *rt_gc_alloc_array(struct rt_type *elem, size_t n);
void *rt_gc_alloc_noscan(size_t bytes);
void *rt_gc_alloc_words(size_t n); /* n words, each scanned as a possible pointer */
void rt_gc_copy_bytes(void *dst, const void *src, size_t bytes);
size_t rt_gc_array_bytes(size_t n, size_t elem_bytes); /* the product; a panic if there is none */

/* struct node *n = gc_new(struct node); */
#define rt_gc_new(T)                                                                               \
    ((__typeof__(T) *)(sizeof(T) <= RT_GC_INLINE_ZERO_MAX ? rt_gc_alloc(RT_TYPE(T))                \
                                                          : rt_gc_alloc_big(RT_TYPE(T))))
#define rt_try_new(T) ((__typeof__(T) *)rt_gc_try_alloc(RT_TYPE(T)))

/*
 * struct node *n = new_local(struct node): zeroed, on the stack, gone at the end of the block that
 * it stands in. For what `make escape V=1` says "could live on the stack" of; anything that keeps
 * it longer gets a warning there, and a report at run time in BUILD=debug (docs/escape.md).
 */
#define rt_new_local(T) (&(__typeof__(T)){0})

/* T *a = gc_make(T, n): an array. T has no pointers, or is a struct with gc() fields. */
#define rt_gc_make(T, n)                                                                           \
    __extension__({                                                                                \
        RT_NO_POINTER_TYPE_(T);                                                                    \
        (__typeof__(T) *)rt_gc_alloc_array(RT_TYPE(T), (n));                                       \
    })

/* gc(T *) *refs = gc_make_refs(T *, n): an array of references. */
#define rt_gc_make_refs(T, n)                                                                      \
    __extension__({                                                                                \
        RT_POINTER_TYPE_(T);                                                                       \
        (rt_ref(T) *)rt_gc_alloc_words((n));                                                       \
    })

#define rt_gc_bytes(n) rt_gc_alloc_noscan((n))                           /* void *; never scanned */
#define rt_gc_conservative(n) ((rt_ref(void *) *)rt_gc_alloc_words((n))) /* n words */

char *rt_gc_strdup(const char *text);

/* Uncollected, 16-aligned, zeroed; NULL if a collection did not find enough memory either. */
void *rt_alloc(size_t bytes);
/* p (NULL: a new one) with room for so many bytes, perhaps elsewhere: its contents, cut if need be,
 * and what follows them is anything. NULL without memory: p is as it was. */
void *rt_realloc(void *p, size_t bytes);
void rt_free(void *p); /* what rt_alloc() gave, or NULL */

/* ---- Collections, statistics ---- */

void rt_gc(void);                   /* a full cycle; returns after the sweep */
int rt_gc_set_percent(int percent); /* GOGC; negative: off; returns the old one */
/* GOMEMLIMIT; returns the old one; negative only asks. */
int64_t rt_gc_set_memory_limit(int64_t bytes);

/*
 * Identities: mallocs - frees = objects on the heap (dead ones that the sweep has not reached
 * included); num_forced_gc <= num_gc; pause_max_ns <= pause_total_ns; stop_max_ns is the longest
 * single stop of any kind.
 */
struct rt_mem_stats {
    uint64_t total_alloc_bytes; /* ever allocated, in slot sizes */
    uint64_t mallocs, frees;    /* objects */
    uint64_t heap_live_bytes;   /* marked by the last cycle, and allocated since */
    uint64_t heap_in_use_bytes; /* in spans that hold objects */
    uint64_t heap_goal_bytes;   /* the next cycle should end before the heap is larger */
    uint64_t sys_bytes;         /* all memory that the runtime took from the machine */
    uint64_t stack_in_use_bytes;
    uint64_t num_gc, num_forced_gc;
    uint64_t gc_cpu_ns;                    /* all cores together, idle time not counted */
    uint64_t pause_total_ns, pause_max_ns; /* of the collector's stops */
    uint64_t stop_max_ns;
    uint64_t limiter_last_cycle; /* when the collector last reached half of the machine; 0: never */
    uint64_t goroutines;
};
void rt_read_mem_stats(struct rt_mem_stats *out);
size_t rt_gc_pauses(int64_t *ns, size_t max); /* the most recent stops, newest first; how many */

/* Called in a goroutine just before and just after every collection's stops, never inside them.
 * NULL: none. */
void rt_gc_on_stop(void (*begin)(void), void (*end)(int64_t pause_ns));

/* Print what keeps the object that p points into alive: a path from a root. To the console. */
void rt_why(const void *p);

/* ---- Finalizers, cleanups, weak references ---- */

/*
 * Rules are Go's: runtime.SetFinalizer, runtime.AddCleanup, weak.Pointer. A finalizer runs once, in
 * a goroutine that is there for all of them; the object is alive again while it runs, and is freed
 * by a later cycle if it is unreachable then. If A refers to B and both have finalizers, A's runs
 * first. An object that can reach itself is never finalized. Objects below 16 bytes without
 * pointers share no slot here, so theirs run too (not as in Go, where tiny objects may share).
 */
void rt_set_finalizer(void *obj, void (*fn)(void *obj)); /* obj is an object's start; NULL clears */

struct rt_cleanup {
    uint64_t id;
    uintptr_t object; /* disguised: it keeps nothing alive */
};
/* fn(arg) runs once obj is gone; arg must not lead to obj (fatal if it is obj). */
struct rt_cleanup rt_add_cleanup(void *obj, void (*fn)(void *arg), void *arg);
void rt_cleanup_stop(struct rt_cleanup *c);

struct rt_weak; /* a collected object itself: hold it in a gc(struct rt_weak *) */
/* The same one for the same pointer into the object, while that lives. Of NULL: NULL. */
struct rt_weak *rt_weak_make(void *obj);
/* That pointer; NULL once the finalizer is queued, or the object is gone. */
void *rt_weak_get(struct rt_weak *weak);

/* ---- memcpy and its kin refuse what holds references ---- */

/* A struct with gc() fields cannot be assigned to; the unevaluated assignment below says so. */
#define RT_BYTES_OF_(p)                                                                            \
    __typeof__(__builtin_choose_expr(__builtin_types_compatible_p(__typeof__((p) + 0), void *),    \
                                     (char *)0, (p) + 0))
#define RT_NO_REFERENCES_(p) ((void)sizeof(*(RT_BYTES_OF_(p))0 = *(RT_BYTES_OF_(p))0))
#ifndef RT_INTERNAL
#define memcpy(dst, src, n) (RT_NO_REFERENCES_(dst), (memcpy)((dst), (src), (n)))
#define memmove(dst, src, n) (RT_NO_REFERENCES_(dst), (memmove)((dst), (src), (n)))
#define memset(dst, byte, n) (RT_NO_REFERENCES_(dst), (memset)((dst), (byte), (n)))
#endif

#ifndef RT_NO_SHORT_NAMES
#define gc(T) rt_ref(T)
#define gc_foreign(T) rt_gc_foreign(T)
#define gc_new(T) rt_gc_new(T)
#define gc_make(T, n) rt_gc_make(T, n)
#define new_local(T) rt_new_local(T)
#define gc_make_refs(T, n) rt_gc_make_refs(T, n)
#define gc_bytes(n) rt_gc_bytes(n)
#define gc_conservative(n) rt_gc_conservative(n)
#define gc_set(slot, ...) rt_gc_set(slot, __VA_ARGS__)
#define gc_copy(dst, src, count) rt_gc_copy(dst, src, count)
#define gc_swap(slot, ...) rt_gc_swap(slot, __VA_ARGS__)
#define gc_cas(slot, expected, ...) rt_gc_cas(slot, expected, __VA_ARGS__)
#define gc_root(T, name) rt_gc_root(T, name)
#define gc_root_array(T, name, n) rt_gc_root_array(T, name, n)
#define gc_root_define(name) rt_gc_root_define(name)
#define gc_keep(p) rt_gc_keep(p)
#define gc_strdup(text) rt_gc_strdup(text)
#endif
