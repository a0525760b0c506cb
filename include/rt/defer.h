/*
 * rt/defer.h - how defers, defer() and defers_returning() work. Programs read rt/panic.h instead.
 *
 * A function that defers has a struct rt_defer_frame on its own stack, linked into the goroutine.
 * The frame holds the first few deferred calls; the others lie in pages of the goroutine
 * (lang/defer.c). It also holds the point to which the function comes back when one of its deferred
 * calls has recovered a panic: then the remaining deferred calls run and the function returns to
 * its caller.
 *
 * [defer.1] The compiler sees that coming back as a jump out of the `defers` statement, so it keeps
 * what the epilogue needs, and it sees a return of 0 (or of the named result), so that no caller is
 * compiled in the belief that the function always returns 7, or never returns. On that path nothing
 * of the function's own is read but the frame and a volatile result: no stale local can be.
 * [defer.2] A function that defers, or calls recover(), is never inlined or cloned: a static
 * variable holds the address of one of its labels. So "called directly by a deferred function" can
 * be told from frames. [defer.3] Call records are first counted, then linked; a fault between any
 * two instructions finds a frame that is either not linked or valid. [defer.4] A record is taken
 * off before its call is made: what panics in a deferred call never runs it again.
 */
#pragma once

#include <rt/call.h>
#include <rt/defer_x86_64.h>

#define RT_DEFER_INLINE 3    /* calls that fit the frame */
#define RT_DEFER_ARG_WORDS 5 /* of one of them: the function and four words of arguments */
#define RT_DEFER_ARGS_MAX 2048

/*
 * code(a, b): the function itself if its arguments are at most two words, else a thunk, and a = b =
 * args; that is how recover() tells one from the other.
 */
struct rt_defer_call {
    rt_thunk_raw code;
    uintptr_t a, b;
    uintptr_t args[RT_DEFER_ARG_WORDS];
};

#define RT_DEFER_OVERFLOW                                                                          \
    (UINT64_C(1) << 32) /* further calls are in the goroutine's pages, `more` is valid */
#define RT_DEFER_CATCH (UINT64_C(1) << 33) /* catch_panic(): no calls, panics end here */

struct rt_defer_more;
struct rt_defer_frame {
    struct rt_defer_frame *link; /* the next older one of this goroutine */
    struct rt_defer_point point; /* where to go on after a recovery */
    uint64_t state;              /* number of calls[] in use, and flags */
    struct rt_defer_more *more;  /* newest call in the goroutine's pages */
    struct rt_panic *caught;     /* catch_panic(): its result */
    struct rt_defer_call calls[RT_DEFER_INLINE];
};

/*
 * The function's own view: how many calls it has made, which the compiler can follow (no callee
 * changes it). RT_DEFER_INLINE + 1: some are in the goroutine's pages.
 */
struct rt_defer_local {
    struct rt_defer_frame *frame;
    unsigned n;
};

/* lang/defer.c: the out-of-line parts. */
void rt_defer_run(struct rt_defer_frame *frame);       /* all calls, last in first out; unlinks */
void rt_defer_recovered(struct rt_defer_frame *frame); /* the same, after a recovery */
void *rt_defer_push(struct rt_defer_frame *frame, size_t args_bytes, rt_thunk_raw code, uintptr_t a,
                    uintptr_t b); /* returns where the arguments go */

static RT_ALWAYS_INLINE void rt_defer_unlink(struct rt_defer_frame *frame)
{
    *rt_defer_frames() = frame->link;
}

static RT_ALWAYS_INLINE void rt_defer_enter(struct rt_defer_frame *frame)
{
    struct rt_defer_frame **top = rt_defer_frames();

    frame->link = *top;
    *(volatile uint64_t *)&frame->state = 0;
    __atomic_store_n(top, frame, __ATOMIC_RELAXED); /* [defer.3] */
    __asm__ volatile("" ::: "memory");
}

/* Every way out of the function but a panic. */
static RT_ALWAYS_INLINE void rt_defer_leave(struct rt_defer_local *here)
{
    struct rt_defer_frame *frame = here->frame;

    if (here->n > 1) {
        rt_defer_run(frame);
        return;
    }
    rt_defer_unlink(frame);
    if (here->n == 1) { /* the only one: with the frame gone it needs no taking off [defer.4] */
        __asm__ volatile("" ::: "memory");
        frame->calls[0].code((void *)frame->calls[0].a, (void *)frame->calls[0].b);
    }
}

static RT_ALWAYS_INLINE struct rt_defer_call *rt_defer_slot(struct rt_defer_local *here)
{
    return &here->frame->calls[here->n];
}

static RT_ALWAYS_INLINE void rt_defer_commit(struct rt_defer_local *here)
{
    *(volatile uint64_t *)&here->frame->state = ++here->n;
    __asm__ volatile("" ::: "memory");
}

/* A call that needs no thunk: the function's parameters are the argument words. */
static RT_ALWAYS_INLINE void rt_defer_direct(struct rt_defer_local *here, rt_thunk_raw code,
                                             unsigned n_args, uintptr_t a, uintptr_t b)
{
    if (RT_LIKELY(here->n < RT_DEFER_INLINE)) {
        struct rt_defer_call *call = rt_defer_slot(here);
        call->code = code;
        call->a = a; /* also if there is none: it must not look like a thunk's */
        if (n_args > 1)
            call->b = b;
        rt_defer_commit(here);
    } else {
        here->n = RT_DEFER_INLINE + 1;
        rt_defer_push(here->frame, 0, code, a, b);
    }
}

/* A sink of RT_CALL_RAW: a call through its thunk. */
#define RT_DEFER_THUNK_(here, thunk, held, bytes, fn)                                              \
    __extension__({                                                                                \
        struct rt_defer_local *rt_local_ = (here);                                                 \
        rt_thunk_raw rt_code_ = (thunk);                                                           \
        _Static_assert((bytes) <= RT_DEFER_ARGS_MAX, "defer(): arguments too large");              \
        (void)(fn);                                                                                \
        if ((bytes) <= sizeof(rt_local_->frame->calls[0].args) &&                                  \
            _Alignof(__typeof__(*(held))) <= 8 && rt_local_->n < RT_DEFER_INLINE) {                \
            struct rt_defer_call *rt_slot_ = rt_defer_slot(rt_local_);                             \
            rt_slot_->code = rt_code_;                                                             \
            rt_slot_->a = rt_slot_->b = (uintptr_t)rt_slot_->args;                                 \
            *(__typeof__(held))(void *)rt_slot_->args = *(held);                                   \
            rt_defer_commit(rt_local_);                                                            \
        } else {                                                                                   \
            rt_local_->n = RT_DEFER_INLINE + 1;                                                    \
            *(__typeof__(held))rt_defer_push(rt_local_->frame, (bytes), rt_code_, 0, 0) = *(held); \
        }                                                                                          \
    })

/* May fn(a, b) be called with the argument words themselves? If the parameter types are exactly
 * theirs, each fits a general register and needs no extension, and the result, if any, comes in a
 * register. */
#define RT_DEFER_IS_WORD_(a)                                                                       \
    ((__builtin_classify_type(a) == 5 || __builtin_classify_type(a) == 1 ||                        \
      __builtin_classify_type(a) == 3) &&                                                          \
     sizeof(a) >= 4 && sizeof(a) <= 8)
#define RT_DEFER_RESULT_OK_(...)                                                                   \
    (__builtin_types_compatible_p(__typeof__(__VA_ARGS__), void) ||                                \
     __builtin_types_compatible_p(__typeof__(__VA_ARGS__), int) ||                                 \
     __builtin_types_compatible_p(__typeof__(__VA_ARGS__), _Bool))
#define RT_DEFER_WORD_(a) ((uintptr_t) __builtin_choose_expr(RT_DEFER_IS_WORD_(a), (a), 0))

#define RT_DEFER_0_(id, here, f)                                                                   \
    __extension__({                                                                                \
        __auto_type id##_fn = (f);                                                                 \
        if (RT_DEFER_RESULT_OK_(id##_fn()) &&                                                      \
            __builtin_types_compatible_p(__typeof__(id##_fn), __typeof__(id##_fn())(*)(void)))     \
            rt_defer_direct(here, (rt_thunk_raw)(uintptr_t)id##_fn, 0, 0, 0);                      \
        else                                                                                       \
            RT_CALL_RAW(RT_DEFER_THUNK_, here, id##_fn);                                           \
    })
#define RT_DEFER_1_(id, here, f, x)                                                                \
    __extension__({                                                                                \
        __auto_type id##_fn = (f);                                                                 \
        __auto_type id##_x = (x);                                                                  \
        if (RT_DEFER_RESULT_OK_(id##_fn(id##_x)) && RT_DEFER_IS_WORD_(id##_x) &&                   \
            __builtin_types_compatible_p(__typeof__(id##_fn),                                      \
                                         __typeof__(id##_fn(id##_x))(*)(__typeof__(id##_x))))      \
            rt_defer_direct(here, (rt_thunk_raw)(uintptr_t)id##_fn, 1, RT_DEFER_WORD_(id##_x), 0); \
        else                                                                                       \
            RT_CALL_RAW(RT_DEFER_THUNK_, here, id##_fn, id##_x);                                   \
    })
#define RT_DEFER_2_(id, here, f, x, y)                                                             \
    __extension__({                                                                                \
        __auto_type id##_fn = (f);                                                                 \
        __auto_type id##_x = (x);                                                                  \
        __auto_type id##_y = (y);                                                                  \
        if (RT_DEFER_RESULT_OK_(id##_fn(id##_x, id##_y)) && RT_DEFER_IS_WORD_(id##_x) &&           \
            RT_DEFER_IS_WORD_(id##_y) &&                                                           \
            __builtin_types_compatible_p(                                                          \
                __typeof__(id##_fn),                                                               \
                __typeof__(id##_fn(id##_x, id##_y))(*)(__typeof__(id##_x), __typeof__(id##_y))))   \
            rt_defer_direct(here, (rt_thunk_raw)(uintptr_t)id##_fn, 2, RT_DEFER_WORD_(id##_x),     \
                            RT_DEFER_WORD_(id##_y));                                               \
        else                                                                                       \
            RT_CALL_RAW(RT_DEFER_THUNK_, here, id##_fn, id##_x, id##_y);                           \
    })
#define RT_DEFER_3_(id, here, ...) RT_CALL_RAW(RT_DEFER_THUNK_, here, __VA_ARGS__)
#define RT_DEFER_4_(id, here, ...) RT_CALL_RAW(RT_DEFER_THUNK_, here, __VA_ARGS__)
#define RT_DEFER_5_(id, here, ...) RT_CALL_RAW(RT_DEFER_THUNK_, here, __VA_ARGS__)
#define RT_DEFER_6_(id, here, ...) RT_CALL_RAW(RT_DEFER_THUNK_, here, __VA_ARGS__)
#define RT_DEFER_MANY_(id, here, ...) RT_CALL_RAW(RT_DEFER_THUNK_, here, __VA_ARGS__)

#define RT_DEFER_(here, ...)                                                                       \
    RT_DEFER_I_(RT_UNIQUE(rt_defer_), here, RT_CALL_COUNT_(__VA_ARGS__), __VA_ARGS__)
#define RT_DEFER_I_(id, here, count, ...) RT_DEFER_II_(id, here, count, __VA_ARGS__)
#define RT_DEFER_II_(id, here, count, ...) RT_DEFER_##count##_(id, here, __VA_ARGS__)

/* A static variable that holds a label's address: its function is never inlined or cloned
 * [defer.2]. */
#define RT_KEEP_LABEL_(name, label) static const void *const name RT_USED = __extension__ && label

/*
 * Return 0 of whatever type the function has; from a void function, simply return, which compilers
 * mind until they are told not to. For a struct this does not compile: defers_returning(x) is for
 * that.
 */
#define RT_PRAGMA_(text) _Pragma(text)
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 14
#define RT_RETURN_ZERO_                                                                            \
    RT_PRAGMA_("GCC diagnostic push")                                                              \
    RT_PRAGMA_("GCC diagnostic ignored \"-Wreturn-mismatch\"")                                     \
    return 0;                                                                                      \
    RT_PRAGMA_("GCC diagnostic pop")
#else
/* gcc: only once the warning is on can it be turned off */
#define RT_RETURN_ZERO_                                                                            \
    RT_PRAGMA_("GCC diagnostic push")                                                              \
    RT_PRAGMA_("GCC diagnostic warning \"-Wreturn-type\"")                                         \
    RT_PRAGMA_("GCC diagnostic ignored \"-Wreturn-type\"")                                         \
    return 0;                                                                                      \
    RT_PRAGMA_("GCC diagnostic pop")
#endif

/* defer() looks for this name, so that without `defers` the error says what is missing. */
#define rt_here_ function_has_no_defers_statement

#define RT_DEFERS_(leave)                                                                          \
    struct rt_defer_frame rt_defers_frame;                                                         \
    struct rt_defer_local rt_here_                                                                 \
        __attribute__((cleanup(rt_defer_leave))) = {&rt_defers_frame, 0};                          \
    RT_KEEP_LABEL_(rt_defers_kept, rt_defers_recovered);                                           \
    RT_DEFER_POINT_(rt_defers_frame, rt_defers_recovered);                                         \
    if (0) {                                                                                       \
    rt_defers_recovered:                                                                           \
        rt_defer_recovered(&rt_defers_frame);                                                      \
        rt_here_.frame = &rt_defers_frame; /* read nothing that was kept meanwhile [defer.1] */    \
        rt_here_.n = 0;                                                                            \
        leave                                                                                      \
    }                                                                                              \
    rt_defer_enter(&rt_defers_frame)

/* defers_returning(x): x is the name of a volatile variable; defers_returning(): nothing, in a void
 * function. */
#define RT_RETURN_OF_(x) RT_RETURN_OF_I_(RT_RETURN_PROBE_##x, RT_RETURN_NAMED_, ~)(x)
#define RT_RETURN_OF_I_(...) RT_RETURN_OF_II_(__VA_ARGS__)
#define RT_RETURN_OF_II_(ignored, chosen, ...) chosen
#define RT_RETURN_PROBE_ ~, RT_RETURN_NOTHING_
#define RT_RETURN_NOTHING_(x) return;
#define RT_RETURN_NAMED_(x)                                                                        \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&(x)), volatile __typeof__(x) *),       \
                   "defers_returning(x): x must be a volatile variable");                          \
    return x;
