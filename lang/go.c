/*
 * lang/go.c - the go statement and the other calls of rt/goroutine.h; once and wg_go, which need
 * deferred calls.
 *
 * A go statement arrives as a thunk and a struct of arguments (rt/call.h). The struct is copied to
 * the base of the new stack, so the collector finds references in it with the rest of that stack.
 * wg_go puts a head before it.
 */
#include <arch/arch.h>
#include <gc/alloc.h>
#include <gc/up.h>
#include <lib/assert.h>
#include <lib/atomic.h>
#include <rt/goroutine.h>
#include <rt/panic.h>
#include <rt/sync.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define GO_ARGS_MAX 512

void sched_up_no_memory(unsigned step, size_t bytes)
{
    if (!gc_find_memory(step))
        lang_panic_out_of_memory(bytes);
}

struct sleeper {
    struct timer timer;
    struct goroutine *g;
};

static void sleep_over(struct timer *t)
{
    /* the last, so that of equal times the goroutines run in the order of the timers */
    ready_last(container_of(t, struct sleeper, timer)->g);
}

void rt_sleep(int64_t ns)
{
    struct sleeper s = {.g = goroutine_current()};
    int64_t when;

    if (ns <= 0) {
        rt_yield();
        return;
    }
    if (__builtin_add_overflow(arch_nanotime(), ns, &when))
        when = INT64_MAX;
    for (unsigned step = 0; RT_UNLIKELY(!timer_start(&s.timer, when, sleep_over)); step++)
        sched_up_no_memory(step, sizeof(s.timer));
    park(WAIT_SLEEP);
}

uint64_t rt_goid(void)
{
    return goroutine_current()->id;
}

size_t rt_num_goroutine(void)
{
    return goroutine_count();
}

unsigned rt_num_cpu(void)
{
    return arch_cpu_count();
}

unsigned rt_gomaxprocs(unsigned n)
{
    return n == 0 ? sched_procs() : sched_set_procs(n);
}

int64_t rt_nanotime(void)
{
    return arch_nanotime();
}

/* ---- wg_go ---- */

struct wg_head {
    struct rt_waitgroup *wg;
    rt_thunk thunk;
};
_Static_assert(sizeof(struct wg_head) % 16 == 0, "what follows keeps its alignment");
_Static_assert(sizeof(struct wg_head) + RT_WG_GO_ARGS_MAX <= GO_ARGS_MAX,
               "both fit a go statement");

static void wg_entry(void *args)
{
    struct wg_head *head = args;

    rt_defers_returning();
    rt_defer(rt_wg_done, head->wg);
    head->thunk(head + 1);
}

void rt_wg_go_spawn(struct rt_waitgroup *wg, rt_thunk thunk, const void *args, size_t bytes,
                    uintptr_t entry_pc)
{
    struct {
        struct wg_head head;
        char args[RT_WG_GO_ARGS_MAX];
    } RT_ALIGNED(16) call;

    ASSERT(bytes <= sizeof(call.args));
    sched_up_spawn_args(args, bytes, (uintptr_t)__builtin_return_address(0));
    call.head = (struct wg_head){wg, thunk};
    __builtin_memcpy(call.args, args, bytes);
    rt_wg_add(wg, 1);
    for (unsigned step = 0;
         goroutine_spawn(wg_entry, &call, sizeof(call.head) + bytes, NULL, entry_pc,
                         (uintptr_t)__builtin_return_address(0)) == NULL;) {
        if (gc_find_memory(step++))
            continue;
        rt_wg_done(wg);
        lang_panic_out_of_memory(0);
    }
}

/* ---- once ---- */

static void once_done(struct rt_once *once)
{
    store_release(&once->done, 1); /* partner: rt_once_call_() */
    rt_mutex_unlock(&once->running);
}

void rt_once_run(struct rt_once *once, rt_thunk thunk, void *args)
{
    rt_defers_returning();
    rt_mutex_lock(&once->running);
    rt_defer(once_done, once);
    if (!once->done)
        thunk(args);
}
