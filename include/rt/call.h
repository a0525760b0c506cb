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
 * function or a function-like macro; `extra` is passed through untouched. RT_CALL_RAW(sink, extra,
 * fn, args...) the same with  void (*thunk)(void *args, void *args_again),  to be called with the
 * same pointer twice: it saves clang one hop.
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
        RT_CALL_HOLD_##count(id, RT_CALL_HEAD_##kind, RT_CALL_FILL_##kind(id), __VA_ARGS__);       \
        sink(extra, RT_CALL_THUNK_##kind(id), &id##_args, sizeof(id##_args),                       \
             (uintptr_t)id##_args.fn);                                                             \
    })

#define RT_CALL_HOLD_0(id, head, fill, f)                                                          \
    __auto_type id##_f = (f);                                                                      \
    struct id##_s {                                                                                \
        head __typeof__(id##_f) fn;                                                                \
    };                                                                                             \
    RT_CALL_BODY_(id, (id##_q->fn()));                                                             \
    struct id##_s id##_args = {fill id##_f}
#define RT_CALL_HOLD_1(id, head, fill, f, a)                                                       \
    __auto_type id##_f = (f);                                                                      \
    __auto_type id##_1 = (a);                                                                      \
    struct id##_s {                                                                                \
        head __typeof__(id##_f) fn;                                                                \
        __typeof__(id##_1) a1;                                                                     \
    };                                                                                             \
    RT_CALL_BODY_(id, (id##_q->fn(id##_q->a1)));                                                   \
    struct id##_s id##_args = {fill id##_f, id##_1}
#define RT_CALL_HOLD_2(id, head, fill, f, a, b)                                                    \
    __auto_type id##_f = (f);                                                                      \
    __auto_type id##_1 = (a);                                                                      \
    __auto_type id##_2 = (b);                                                                      \
    struct id##_s {                                                                                \
        head __typeof__(id##_f) fn;                                                                \
        __typeof__(id##_1) a1;                                                                     \
        __typeof__(id##_2) a2;                                                                     \
    };                                                                                             \
    RT_CALL_BODY_(id, (id##_q->fn(id##_q->a1, id##_q->a2)));                                       \
    struct id##_s id##_args = {fill id##_f, id##_1, id##_2}
#define RT_CALL_HOLD_3(id, head, fill, f, a, b, c)                                                 \
    __auto_type id##_f = (f);                                                                      \
    __auto_type id##_1 = (a);                                                                      \
    __auto_type id##_2 = (b);                                                                      \
    __auto_type id##_3 = (c);                                                                      \
    struct id##_s {                                                                                \
        head __typeof__(id##_f) fn;                                                                \
        __typeof__(id##_1) a1;                                                                     \
        __typeof__(id##_2) a2;                                                                     \
        __typeof__(id##_3) a3;                                                                     \
    };                                                                                             \
    RT_CALL_BODY_(id, (id##_q->fn(id##_q->a1, id##_q->a2, id##_q->a3)));                           \
    struct id##_s id##_args = {fill id##_f, id##_1, id##_2, id##_3}
#define RT_CALL_HOLD_4(id, head, fill, f, a, b, c, d)                                              \
    __auto_type id##_f = (f);                                                                      \
    __auto_type id##_1 = (a);                                                                      \
    __auto_type id##_2 = (b);                                                                      \
    __auto_type id##_3 = (c);                                                                      \
    __auto_type id##_4 = (d);                                                                      \
    struct id##_s {                                                                                \
        head __typeof__(id##_f) fn;                                                                \
        __typeof__(id##_1) a1;                                                                     \
        __typeof__(id##_2) a2;                                                                     \
        __typeof__(id##_3) a3;                                                                     \
        __typeof__(id##_4) a4;                                                                     \
    };                                                                                             \
    RT_CALL_BODY_(id, (id##_q->fn(id##_q->a1, id##_q->a2, id##_q->a3, id##_q->a4)));               \
    struct id##_s id##_args = {fill id##_f, id##_1, id##_2, id##_3, id##_4}
#define RT_CALL_HOLD_5(id, head, fill, f, a, b, c, d, e)                                           \
    __auto_type id##_f = (f);                                                                      \
    __auto_type id##_1 = (a);                                                                      \
    __auto_type id##_2 = (b);                                                                      \
    __auto_type id##_3 = (c);                                                                      \
    __auto_type id##_4 = (d);                                                                      \
    __auto_type id##_5 = (e);                                                                      \
    struct id##_s {                                                                                \
        head __typeof__(id##_f) fn;                                                                \
        __typeof__(id##_1) a1;                                                                     \
        __typeof__(id##_2) a2;                                                                     \
        __typeof__(id##_3) a3;                                                                     \
        __typeof__(id##_4) a4;                                                                     \
        __typeof__(id##_5) a5;                                                                     \
    };                                                                                             \
    RT_CALL_BODY_(id, (id##_q->fn(id##_q->a1, id##_q->a2, id##_q->a3, id##_q->a4, id##_q->a5)));   \
    struct id##_s id##_args = {fill id##_f, id##_1, id##_2, id##_3, id##_4, id##_5}
#define RT_CALL_HOLD_6(id, head, fill, f, a, b, c, d, e, g)                                        \
    __auto_type id##_f = (f);                                                                      \
    __auto_type id##_1 = (a);                                                                      \
    __auto_type id##_2 = (b);                                                                      \
    __auto_type id##_3 = (c);                                                                      \
    __auto_type id##_4 = (d);                                                                      \
    __auto_type id##_5 = (e);                                                                      \
    __auto_type id##_6 = (g);                                                                      \
    struct id##_s {                                                                                \
        head __typeof__(id##_f) fn;                                                                \
        __typeof__(id##_1) a1;                                                                     \
        __typeof__(id##_2) a2;                                                                     \
        __typeof__(id##_3) a3;                                                                     \
        __typeof__(id##_4) a4;                                                                     \
        __typeof__(id##_5) a5;                                                                     \
        __typeof__(id##_6) a6;                                                                     \
    };                                                                                             \
    RT_CALL_BODY_(                                                                                 \
        id, (id##_q->fn(id##_q->a1, id##_q->a2, id##_q->a3, id##_q->a4, id##_q->a5, id##_q->a6))); \
    struct id##_s id##_args = {fill id##_f, id##_1, id##_2, id##_3, id##_4, id##_5, id##_6}
#define RT_CALL_HOLD_MANY(id, head, fill, ...)                                                     \
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
