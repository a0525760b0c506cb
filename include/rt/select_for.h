/*
 * rt/select_for.h - the loop that go_select is, apart from rt/chan.h for one reason.
 *
 * A case finds its select by two fixed names, and a select inside a case must hide the outer one's.
 * -Wshadow is right to warn of such things in a program, and leaves macros of system headers alone.
 *
 * The body runs twice. Turn 1: each case notes its channel and value in the frame and no user code
 * runs. Then rt_select_run() chooses, and in turn 2 the chosen case alone runs. Cases are counted
 * in both turns alike; the counters are not seen by anybody else, so a compiler makes constants of
 * them, clang only if it is told to write both turns out, and if no case holds an `asm goto` (such
 * as gc_set()). Both loops are left by break and by continue alike.
 */
#pragma once
#pragma GCC system_header

#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* "not unrolled": then it is a loop, no harm */
#define RT_SELECT_BOTH_TURNS_ _Pragma("clang loop unroll_count(2)")
#else
#define RT_SELECT_BOTH_TURNS_
#endif

#define RT_SELECT_FOR_                                                                             \
    for (__attribute__((unused)) int rt_select_turn_ = 0, rt_select_at_ = 0, rt_select_shape_ = 0, \
                                     rt_select_chosen_ = 0;                                        \
         rt_select_turn_ < 2; rt_select_turn_ = 2)                                                 \
    RT_SELECT_BOTH_TURNS_ for (struct rt_select_frame rt_select_;                                  \
                               rt_select_turn_ == 0 ? (rt_select_turn_ = 1)                        \
                               : rt_select_turn_ == 1                                              \
                                   ? (rt_select_chosen_ =                                          \
                                          rt_select_run(&rt_select_, (uint32_t)(rt_select_shape_ | \
                                                                                rt_select_at_)),   \
                                      rt_select_at_ = 0, rt_select_turn_ = 2)                      \
                                   : 0;)
