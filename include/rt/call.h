/*
 * rt/call.h - a call as a value: checked now, made later by somebody else.
 *
 * go(), defer(), catch_panic(), wg_go() and once_do() take a function and its arguments. RT_CALL
 * turns them into a thunk and a plain struct that holds the evaluated function and arguments, so
 * that copying the struct's bytes and calling thunk(copy) anywhere, any time later, is the call
 * itself.
 *
 * RT_CALL(sink, extra, fn, args...)     expands to an expression whose value is
 *     sink(extra, thunk, &args, sizeof args, fn_address)
 * with  void (*thunk)(void *args), `&args` a pointer to the struct (its true type, so that a sink
 * that is a macro may copy by assignment) and fn_address the function as uintptr_t. `sink` is a
 * function or a function-like macro; `extra` is passed through untouched.
 *
 * RT_CALL_RAW(sink, extra, fn, args...) is the same with
 *     void (*thunk)(void *args, void *args_again)
 * to be called with the same pointer twice: it saves clang one hop.
 *
 * What is checked. The call is written out inside the thunk, so every conversion is the one of a
 * call, and a wrong number or type of arguments does not compile. At most six arguments: a seventh
 * names RT_CALL_takes_at_most_6_arguments in the error. fn is a function or a function pointer,
 * evaluated once, first; the arguments follow from left to right. Each is held in its own type
 * after decay and converted when the call is made. Two limits follow: a bit-field needs a cast or a
 * unary +, and a null pointer is NULL, not a bare 0.
 *
 * How. gcc: a nested function that captures nothing, which from -Og on is an ordinary function (at
 * -O0 its address would be a trampoline on an executable stack: don't). clang: a block that
 * captures nothing (-fblocks); its body takes the block as a hidden first argument, so a thunk of
 * one argument goes through one adapter.
 */
#pragma once

#include <rt/compiler.h>

/* A call with the wrong types is an error from here on, not a warning. */
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#pragma GCC diagnostic error "-Wint-conversion"
#ifdef __clang__
#pragma GCC diagnostic error "-Wincompatible-pointer-types-discards-qualifiers"
#pragma GCC diagnostic error "-Wincompatible-function-pointer-types"
#else
#pragma GCC diagnostic error "-Wdiscarded-qualifiers"
#endif

typedef void (*rt_thunk)(void *args);
typedef void (*rt_thunk_raw)(void *args, void *args_again);

#define RT_CALL(sink, extra, ...)                                                                  \
    RT_CALL_I_(RT_UNIQUE(rt_call_), ONE, sink, extra, RT_CALL_COUNT_(__VA_ARGS__), __VA_ARGS__)
#define RT_CALL_RAW(sink, extra, ...)                                                              \
    RT_CALL_I_(RT_UNIQUE(rt_call_), RAW, sink, extra, RT_CALL_COUNT_(__VA_ARGS__), __VA_ARGS__)

/* ---- From here on: how ---- */

#define RT_CALL_COUNT_(...)                                                                        \
    RT_CALL_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 6, 5, 4, 3,   \
                  2, 1, 0, 0)
#define RT_CALL_PICK_(f, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, count, ...) count

#define RT_CALL_I_(id, kind, sink, extra, count, ...)                                              \
    RT_CALL_II_(id, kind, sink, extra, count, __VA_ARGS__)
#define RT_CALL_II_(id, kind, sink, extra, count, ...)                                             \
    __extension__({                                                                                \
        RT_CALL_HOLD_##count(id, kind, __VA_ARGS__);                                               \
        sink(extra, RT_CALL_THUNK_##kind(id), &id##_args, sizeof(id##_args),                       \
             (uintptr_t)id##_args.fn);                                                             \
    })

/* What is written for each argument: m(id, its number, the argument). */
#define RT_CALL_EACH_0(m, id, ...)
#define RT_CALL_EACH_1(m, id, a) m(id, 1, a)
#define RT_CALL_EACH_2(m, id, a, b) RT_CALL_EACH_1(m, id, a) m(id, 2, b)
#define RT_CALL_EACH_3(m, id, a, b, c) RT_CALL_EACH_2(m, id, a, b) m(id, 3, c)
#define RT_CALL_EACH_4(m, id, a, b, c, d) RT_CALL_EACH_3(m, id, a, b, c) m(id, 4, d)
#define RT_CALL_EACH_5(m, id, a, b, c, d, e) RT_CALL_EACH_4(m, id, a, b, c, d) m(id, 5, e)
#define RT_CALL_EACH_6(m, id, a, b, c, d, e, f) RT_CALL_EACH_5(m, id, a, b, c, d, e) m(id, 6, f)
#define RT_CALL_EVALUATE_(id, n, x) __auto_type id##_##n = (x);
#define RT_CALL_FIELD_(id, n, x) __typeof__(id##_##n) a##n;
#define RT_CALL_FILLED_(id, n, x) , id##_##n

#define RT_CALL_PASS_0(q)
#define RT_CALL_PASS_1(q) q->a1
#define RT_CALL_PASS_2(q) RT_CALL_PASS_1(q), q->a2
#define RT_CALL_PASS_3(q) RT_CALL_PASS_2(q), q->a3
#define RT_CALL_PASS_4(q) RT_CALL_PASS_3(q), q->a4
#define RT_CALL_PASS_5(q) RT_CALL_PASS_4(q), q->a5
#define RT_CALL_PASS_6(q) RT_CALL_PASS_5(q), q->a6

#define RT_CALL_HOLD_(id, n, kind, f, ...)                                                         \
    __auto_type id##_f = (f);                                                                      \
    RT_CALL_EACH_##n(RT_CALL_EVALUATE_, id, __VA_ARGS__) struct id##_s {                           \
        RT_CALL_HEAD_##kind __typeof__(id##_f) fn;                                                 \
        RT_CALL_EACH_##n(RT_CALL_FIELD_, id, __VA_ARGS__)                                          \
    };                                                                                             \
    RT_CALL_BODY_(id, (id##_q->fn(RT_CALL_PASS_##n(id##_q))));                                     \
    struct id##_s id##_args = {RT_CALL_FILL_##kind(id)                                             \
                                   id##_f RT_CALL_EACH_##n(RT_CALL_FILLED_, id, __VA_ARGS__)}
#define RT_CALL_HOLD_0(id, kind, f) RT_CALL_HOLD_(id, 0, kind, f, )
#define RT_CALL_HOLD_1(id, ...) RT_CALL_HOLD_(id, 1, __VA_ARGS__)
#define RT_CALL_HOLD_2(id, ...) RT_CALL_HOLD_(id, 2, __VA_ARGS__)
#define RT_CALL_HOLD_3(id, ...) RT_CALL_HOLD_(id, 3, __VA_ARGS__)
#define RT_CALL_HOLD_4(id, ...) RT_CALL_HOLD_(id, 4, __VA_ARGS__)
#define RT_CALL_HOLD_5(id, ...) RT_CALL_HOLD_(id, 5, __VA_ARGS__)
#define RT_CALL_HOLD_6(id, ...) RT_CALL_HOLD_(id, 6, __VA_ARGS__)
#define RT_CALL_HOLD_MANY(id, ...)                                                                 \
    _Static_assert(0, "RT_CALL_takes_at_most_6_arguments");                                        \
    struct {                                                                                       \
        void (*fn)(void);                                                                          \
    } id##_args = {RT_CALL_takes_at_most_6_arguments}

#ifdef __clang__

/* The start of a block literal; a fixed ABI. The runtime defines the two class symbols that isa
 * names. */
struct rt_call_block {
    void *isa;
    int flags, reserved;
    rt_thunk_raw invoke;
};

#define RT_CALL_BODY_(id, call)                                                                    \
    void (^id##_body)(void *) = ^(void *id##_p) {                                                  \
      struct id##_s *id##_q = (struct id##_s *)id##_p;                                             \
      (void)call;                                                                                  \
    }
#define RT_CALL_THUNK_RAW(id) (((struct rt_call_block *)(void *)id##_body)->invoke)
#define RT_CALL_HEAD_RAW
#define RT_CALL_FILL_RAW(id)

#define RT_CALL_THUNK_ONE(id) rt_call_adapter
#define RT_CALL_HEAD_ONE rt_thunk_raw raw;
#define RT_CALL_FILL_ONE(id) RT_CALL_THUNK_RAW(id),

/* The thunk of one argument: the args struct begins with the real one. */
static inline void rt_call_adapter(void *args)
{
    (*(rt_thunk_raw *)args)(args, args);
}

#else

#define RT_CALL_BODY_(id, call)                                                                    \
    void id##_body(void *id##_p)                                                                   \
    {                                                                                              \
        struct id##_s *id##_q = (struct id##_s *)id##_p;                                           \
        (void)call;                                                                                \
    }
#define RT_CALL_THUNK_RAW(id) ((rt_thunk_raw)(void (*)(void))id##_body)
#define RT_CALL_HEAD_RAW
#define RT_CALL_FILL_RAW(id)

#define RT_CALL_THUNK_ONE(id) id##_body
#define RT_CALL_HEAD_ONE
#define RT_CALL_FILL_ONE(id)

#endif
