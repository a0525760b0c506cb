/*
 * rt/select_for.h - the loop that go_select is, apart from rt/chan.h for one reason.
 *
 * A case finds its select by two fixed names, and a select inside a case must hide the outer one's. -Wshadow is
 * right to warn of such things in a program, and leaves macros of system headers alone.
 *
 * The body runs twice. Turn 1: each case notes its channel, direction and value, and no user code runs.
 * Then rt_select_run() chooses, and in turn 2 the chosen case alone runs. Both loops are left by break and by
 * continue alike.
 */
#pragma once
#pragma GCC system_header

#define RT_SELECT_FOR_                                                                             \
    for (int rt_select_turn_ = 0; rt_select_turn_ < 2; rt_select_turn_ = 2)                        \
        for (struct rt_select_frame rt_select_;                                                    \
             rt_select_turn_ == 0                                                                  \
                 ? (rt_select_.n = 0, rt_select_.default_id = 0, rt_select_turn_ = 1)              \
             : rt_select_turn_ == 1 ? (rt_select_run(&rt_select_), rt_select_turn_ = 2)            \
                                    : 0;)
