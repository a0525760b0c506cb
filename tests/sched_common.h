/*
 * tests/sched_common.h - what the tests of the scheduler share: waiting with a limit.
 */
#pragma once

#include <tests/test.h>

#include <lib/atomic.h>
#include <lib/string.h>
#include <rt/rt.h>
#include <sched/sched.h>

/* Sleep until `cond` holds, at most `seconds`; gives cond. */
#define WAIT_UNTIL(cond, seconds)                                                                  \
    ({                                                                                             \
        int64_t until_ = rt_nanotime() + (int64_t)(seconds)*1000000000;                            \
        while (!(cond) && rt_nanotime() < until_)                                                  \
            rt_sleep(200000);                                                                      \
        (bool)(cond);                                                                              \
    })
