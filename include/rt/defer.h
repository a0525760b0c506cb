/*
 * rt/defer.h - how defers, defer() and defers_returning() work. Programs read rt/panic.h instead.
 *
 * A function that defers has a struct rt_defer_frame on its own stack. The first defer() that is
 * reached links it into the goroutine, and notes in it the point to which the function comes back
 * when one of its deferred calls has recovered a panic: then the remaining deferred calls run and
 * the function returns to its caller. The frame holds the first few deferred calls; the others lie
 * in pages of the goroutine (lang/defer.c).
 *
 * [defer.1] The compiler sees that coming back as a jump out of the defer() statement, so it keeps
 *           what the epilogue needs, and it sees a return of 0 (or of the named result), so that no
 *           caller is compiled in the belief that the function always returns 7, or never returns.
 *           On that path nothing of the function's own is read but the frame and a volatile result:
 *           no stale local can be.
 * [defer.2] A function that defers, or calls recover(), is never inlined or cloned: a static
 *           variable holds the address of one of its labels. So "called directly by a deferred
 *           function" can be told from frames.
 * [defer.3] Call records are first written, then counted; the frame is linked when it is valid. So
 *           a fault between any two instructions finds no half-made record.
 * [defer.4] A record is taken off before its call is made: what panics in a deferred call never
 *           runs it again.
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

/* Further calls are in the goroutine's pages, `base` is valid. */
#define RT_DEFER_OVERFLOW (UINT64_C(1) << 32)
#define RT_DEFER_CATCH (UINT64_C(1) << 33) /* catch_panic(): no calls, panics end here */

struct rt_defer_record;
struct rt_defer_frame {
    struct rt_defer_frame *link;  /* the next older one of this goroutine */
    struct rt_defer_point point;  /* where to go on after a recovery */
    uint64_t state;               /* number of calls[] in use, and flags */
    struct rt_defer_record *base; /* further calls lie above it in the goroutine's pages */
    struct rt_panic *caught;      /* catch_panic(): its result */
    struct rt_defer_call calls[RT_DEFER_INLINE];
};

/*
 * The function's own view: how many calls it has made, which the compiler can follow (no callee
 * changes it). 0: the frame is not linked. RT_DEFER_INLINE + 1: some are in the goroutine's pages.
 */
struct rt_defer_local {
    struct rt_defer_frame *frame;
    unsigned n;
    bool b_used; /* calls[0].b has been set */
};

/* lang/defer.c: the out-of-line parts. */
void rt_defer_run(struct rt_defer_frame *frame);       /* all calls, last in first out; unlinks */
void rt_defer_recovered(struct rt_defer_frame *frame); /* the same, after a recovery */
void rt_defer_overflow(struct rt_defer_frame *frame);  /* its further calls go to the pages: */
void rt_defer_push_one(rt_thunk_raw code, uintptr_t a);
void rt_defer_push_two(rt_thunk_raw code, uintptr_t a, uintptr_t b);
void *rt_defer_push_args(rt_thunk_raw code, size_t bytes); /* returns where the arguments go */

static RT_ALWAYS_INLINE void rt_defer_unlink(struct rt_defer_frame *frame)
{
    *rt_defer_frames() = frame->link;
}

static RT_ALWAYS_INLINE void rt_defer_link(struct rt_defer_frame *frame)
{
    struct rt_defer_frame **top = rt_defer_frames();

    frame->link = *top;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* [defer.3] */
    __atomic_store_n(top, frame, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Every way out of the function but a panic. */
static RT_ALWAYS_INLINE void rt_defer_leave(struct rt_defer_local *here)
{
    struct rt_defer_frame *frame = here->frame;

    if (here->n > 1)
        rt_defer_run(frame);
    if (here->n != 1)
        return;
    rt_defer_unlink(frame); /* the only call: without a frame it needs no taking off [defer.4] */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_constant_p(here->b_used) && !here->b_used)
        ((rt_thunk)(void (*)(void))frame->calls[0].code)((void *)frame->calls[0].a);
    else
        frame->calls[0].code((void *)frame->calls[0].a, (void *)frame->calls[0].b);
}

static RT_ALWAYS_INLINE void rt_defer_count(struct rt_defer_frame *frame, uint64_t n)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* [defer.3] */
    __atomic_store_n(&frame->state, n, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/*
 * The frame of a defer() statement: `fill` writes a record into `slot`, `push` one into the
 * goroutine's pages. `fits`: this call may lie in the frame.
 */
#define RT_DEFER_ADD_(here, fits, slot, fill, push)                                                \
    struct rt_defer_local *const rt_local_ = (here);                                               \
    const unsigned rt_n_ = rt_local_->n;                                                           \
    if (rt_n_ > RT_DEFER_INLINE) {                                                                 \
        push;                                                                                      \
    } else {                                                                                       \
        const bool rt_fits_ = (fits) && rt_n_ < RT_DEFER_INLINE;                                   \
        if (rt_fits_) {                                                                            \
            struct rt_defer_call *slot = &rt_defers_frame.calls[rt_n_];                            \
            fill;                                                                                  \
        }                                                                                          \
        if (rt_fits_ || rt_n_ == 0)                                                                \
            rt_defer_count(&rt_defers_frame, rt_n_ + rt_fits_);                                    \
        if (rt_n_ == 0) {                                                                          \
            RT_DEFER_POINT_(rt_defers_frame, rt_defers_recovered);                                 \
            rt_defer_link(&rt_defers_frame);                                                       \
        }                                                                                          \
        if (rt_fits_) {                                                                            \
            rt_local_->n = rt_n_ + 1;                                                              \
        } else {                                                                                   \
            rt_local_->n = RT_DEFER_INLINE + 1;                                                    \
            rt_defer_overflow(&rt_defers_frame);                                                   \
            push;                                                                                  \
        }                                                                                          \
    }

/* A call that needs no thunk: the function's parameters are the argument words. `a` is stored also
 * if there is none: it must not look like a thunk's. */
#define RT_DEFER_DIRECT_(here, fn, n_args, x, y)                                                   \
    __extension__({                                                                                \
        const rt_thunk_raw rt_code_ = (rt_thunk_raw)(uintptr_t)(fn);                               \
        const uintptr_t rt_a_ = (x), rt_b_ = (y);                                                  \
        RT_DEFER_ADD_(                                                                             \
            here, true, rt_slot_,                                                                  \
            {                                                                                      \
                rt_slot_->code = rt_code_;                                                         \
                rt_slot_->a = rt_a_;                                                               \
                if ((n_args) > 1)                                                                  \
                    rt_slot_->b = rt_b_;                                                           \
                if (rt_n_ == 0)                                                                    \
                    rt_local_->b_used = (n_args) > 1;                                              \
            },                                                                                     \
            (n_args) > 1 ? rt_defer_push_two(rt_code_, rt_a_, rt_b_)                               \
                         : rt_defer_push_one(rt_code_, rt_a_))                                     \
    })

/* A sink of RT_CALL_RAW: a call through its thunk. */
#define RT_DEFER_THUNK_(here, thunk, held, bytes, fn)                                              \
    __extension__({                                                                                \
        rt_thunk_raw rt_code_ = (thunk);                                                           \
        _Static_assert((bytes) <= RT_DEFER_ARGS_MAX, "defer(): arguments too large");              \
        (void)(fn);                                                                                \
        RT_DEFER_ADD_(                                                                             \
            here,                                                                                  \
            (bytes) <= sizeof(uintptr_t) * RT_DEFER_ARG_WORDS &&                                   \
                _Alignof(__typeof__(*(held))) <= 8,                                                \
            rt_slot_,                                                                              \
            {                                                                                      \
                rt_slot_->code = rt_code_;                                                         \
                rt_slot_->a = rt_slot_->b = (uintptr_t)rt_slot_->args;                             \
                *(__typeof__(held))(void *)rt_slot_->args = *(held);                               \
                if (rt_n_ == 0)                                                                    \
                    rt_local_->b_used = true;                                                      \
            },                                                                                     \
            *(__typeof__(held))rt_defer_push_args(rt_code_, bytes) = *(held))                      \
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
            RT_DEFER_DIRECT_(here, id##_fn, 0, 0, 0);                                              \
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
            RT_DEFER_DIRECT_(here, id##_fn, 1, RT_DEFER_WORD_(id##_x), 0);                         \
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
            RT_DEFER_DIRECT_(here, id##_fn, 2, RT_DEFER_WORD_(id##_x), RT_DEFER_WORD_(id##_y));    \
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
        __attribute__((cleanup(rt_defer_leave))) = {&rt_defers_frame, 0, false};                   \
    RT_KEEP_LABEL_(rt_defers_kept, rt_defers_recovered);                                           \
    if (0) {                                                                                       \
    rt_defers_recovered:                                                                           \
        rt_defer_recovered(&rt_defers_frame);                                                      \
        rt_here_.frame = &rt_defers_frame; /* read nothing that was kept meanwhile [defer.1] */    \
        rt_here_.n = 0;                                                                            \
        leave                                                                                      \
    }                                                                                              \
    (void)0

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
