/*
 * tests/lang_recover.c - each rule of the Go specification on defer, panic and recover, by itself,
 * and all of them at once in many goroutines, between preemptions and collections.
 *
 * A rule is a function that notes one letter for each thing that happens; what it must have noted
 * stands in the table. Nothing is shared between two runs of a rule, so any number may run side by
 * side.
 * SOURCES. The Go specification ("Defer statements", "Handling panics", "Run-time panics"); the
 * rules that Go's own test/recover.go, recover1.go to recover4.go and issues 5406, 8047, 14965 and
 * 34968 there check, as far as C has the construct: no closures, no methods by value, no deferred
 * builtins.
 */
#include <tests/sched_common.h>

#include <rt/panic.h>

struct log {
    char text[96];
    unsigned n;
    int depth;
};

static RT_NOINLINE void note(struct log *l, int c)
{
    if (l->n + 1 < sizeof l->text) {
        l->text[l->n++] = (char)c;
        l->text[l->n] = 0;
    }
}

/* ---- What rules are made of ---- */

/* Deferred: '-' nothing recovered, else the first letter of the message. */
static void recovers(struct log *l)
{
    struct rt_panic *e = recover();
    note(l, e != NULL ? e->message[0] : '-');
}

static void recovers_twice(struct log *l)
{
    recovers(l); /* not a deferred function here: no */
    struct rt_panic *e = recover();
    note(l, e != NULL ? e->message[0] : '-');
    note(l, recover() != NULL ? '!' : '-');
}

static void panics_a(struct log *l)
{
    note(l, 'A');
    panic("a");
}
static void panics_b(struct log *l)
{
    note(l, 'B');
    panic("b%d", l->depth); /* text of its own, on the collected heap */
}
static void panics_c(struct log *l)
{
    note(l, 'C');
    panic("c");
}

/* Runs body(l) below a function that recovers whatever comes. */
static RT_NOINLINE void guarded(struct log *l, void (*body)(struct log *))
{
    defers;
    defer(recovers, l);
    body(l);
    note(l, '.');
}

/* ---- Defer statements ---- */

static void last_in_first_out(struct log *l)
{
    defers;
    for (int i = 0; i < 6; i++)
        defer(note, l, '0' + i);
    note(l, 'x');
}

static void evaluated_at_the_statement(struct log *l)
{
    defers;
    int c = 'a';
    defer(note, l, c);
    c = 'b';
    defer(note, l, c);
    note(l, 'c');
}

static void sees_through_a_pointer(struct log *l, volatile int *c)
{
    note(l, *c);
}

static RT_NOINLINE void later_value(struct log *l, volatile int *c)
{
    defers;
    *c = 'a';
    defer(sees_through_a_pointer, l, c);
    *c = 'b';
    panic("x");
}

static void pointers_see_later_values(struct log *l)
{
    volatile int c = 0;
    catch_panic(later_value, l, &c);
}

static RT_NOINLINE int returns_a_number(struct log *l)
{
    defers;
    defer(note, l, 'd');
    note(l, 'r');
    return 5;
}

static void after_the_result(struct log *l)
{
    note(l, '0' + returns_a_number(l));
}

static RT_NOINLINE void null_function(struct log *l)
{
    defers;
    void (*volatile fn)(struct log *) = NULL;
    defer(note, l, '1');
    defer(fn, l); /* Go: the call panics, not the statement */
    note(l, 's');
}

static void a_null_function_panics_when_called(struct log *l)
{
    guarded(l, null_function);
}

static RT_NOINLINE void defers_and_panics(struct log *l)
{
    defers;
    defer(note, l, '1');
    defer(note, l, '2');
    panic("x");
}

static void runs_on_panic(struct log *l)
{
    guarded(l, defers_and_panics);
}

static void deferred_in_turn(struct log *l)
{
    defers;
    defer(note, l, 'b');
    note(l, 'a');
}

static void deferred_calls_defer(struct log *l)
{
    defers;
    defer(note, l, 'c');
    defer(deferred_in_turn, l);
}

/* ---- recover ---- */

static void nil_without_a_panic(struct log *l)
{
    recovers(l);
    defers;
    defer(recovers, l);
}

static void stops_a_panic(struct log *l)
{
    guarded(l, panics_a);
    note(l, 'k');
}

static void only_once(struct log *l)
{
    defers;
    defer(recovers, l);
    defer(recovers_twice, l);
    panics_a(l);
}

static void calls_recovers(struct log *l)
{
    recovers(l);
}

static RT_NOINLINE void helper_below(struct log *l)
{
    defers;
    defer(calls_recovers, l);
    panics_a(l);
}

static void not_in_a_helper(struct log *l)
{
    guarded(l, helper_below);
}

static void defers_recovers(struct log *l)
{
    defers;
    defer(recovers, l);
}

static RT_NOINLINE void deferred_deeper(struct log *l)
{
    defers;
    defer(defers_recovers, l);
    panics_a(l);
}

/* A deferred call of a deferred call runs because that one returns, not because of the panic. */
static void not_one_level_deeper(struct log *l)
{
    guarded(l, deferred_deeper);
}

struct wide {
    long v[4];
};

static void recovers_wide(struct log *l, struct wide w, double d)
{
    struct rt_panic *e = recover();
    note(l, e != NULL && w.v[3] == 3 && d == 0.5 ? e->message[0] : '-');
}

/* Whatever way the arguments went: the words themselves, a thunk in the frame, one in a page. */
static void through_any_thunk(struct log *l)
{
    defers;
    struct wide w = {{0, 1, 2, 3}};
    for (int i = 0; i < 4; i++)
        defer(note, l, '0' + i);
    defer(recovers_wide, l, w, 0.5);
    panics_a(l);
}

static void large_frame_recovers(struct log *l)
{
    volatile char room[3000];
    TEST_KEEP_FRAME(room);
    room[0] = room[2999] = 'r';
    struct rt_panic *e = recover();
    note(l, e != NULL ? e->message[0] : '-');
    note(l, room[2999]);
}

static RT_NOINLINE void large_frame_panics(struct log *l)
{
    volatile char room[5000];
    TEST_KEEP_FRAME(room);
    room[0] = room[4999] = 'p';
    panics_a(l);
    note(l, room[0]);
}

static void with_large_frames(struct log *l)
{
    defers;
    defer(large_frame_recovers, l);
    large_frame_panics(l);
}

static void (*volatile chosen)(struct log *) = recovers;

static void through_a_pointer(struct log *l)
{
    defers;
    defer(chosen, l);
    panics_a(l);
}

static RT_NOINLINE int fails(struct log *l)
{
    volatile int result = 3;
    defers_returning(result);
    defer(recovers, l);
    result = 7;
    panics_a(l);
    return 9;
}

static void the_named_result(struct log *l)
{
    note(l, '0' + fails(l));
}

static RT_NOINLINE void recover_first(struct log *l)
{
    defers;
    defer(note, l, '1');
    defer(recovers, l);
    defer(note, l, '2');
    panics_a(l);
    note(l, '!');
}

static void the_others_run_too(struct log *l)
{
    recover_first(l);
    note(l, 'k');
}

/* Go's recover4.go: a fault inside memcpy, on a stack that deferred calls then use. */
static struct wide *volatile nowhere;

static RT_NOINLINE void copies_nothing(struct log *l)
{
    struct wide w;
    memcpy(&w, nowhere, sizeof w);
    note(l, (int)w.v[0]);
}

static void faults_too(struct log *l)
{
    guarded(l, copies_nothing);
    note(l, 'k');
}

/* ---- Panics on panics ---- */

static RT_NOINLINE void replaced(struct log *l)
{
    defers;
    defer(panics_c, l);
    defer(panics_b, l);
    panics_a(l);
}

static void the_newest_is_recovered(struct log *l)
{
    guarded(l, replaced);
    recovers(l);
}

static void guards_a_panic(struct log *l)
{
    guarded(l, panics_b);
}

static RT_NOINLINE void nested(struct log *l)
{
    defers;
    defer(guards_a_panic, l);
    panics_a(l);
}

/* A panic that begins and ends inside a deferred call leaves the outer one as it was. */
static void an_inner_one_is_separate(struct log *l)
{
    guarded(l, nested);
}

static void recovers_then_panics(struct log *l)
{
    recovers(l);
    struct rt_panic *e = recover();
    note(l, e != NULL ? e->message[0] : '-');
    panics_b(l);
}

static RT_NOINLINE void replaced_after_recovery(struct log *l)
{
    defers;
    defer(note, l, '1');
    defer(recovers_then_panics, l);
    panics_a(l);
}

static void panic_after_recover(struct log *l)
{
    guarded(l, replaced_after_recovery);
}

static void repanics(struct log *l)
{
    struct rt_panic *e = recover();
    note(l, e->message[0]);
    rt_repanic(e);
}

static RT_NOINLINE void repanicked(struct log *l)
{
    defers;
    defer(repanics, l);
    panics_a(l);
}

static void the_same_again(struct log *l)
{
    guarded(l, repanicked);
}

static RT_NOINLINE void panics_on_return(struct log *l)
{
    defers;
    defer(note, l, '1');
    defer(panics_a, l);
    defer(note, l, '2');
    note(l, 'r');
}

static void in_a_deferred_call_on_return(struct log *l)
{
    guarded(l, panics_on_return);
}

/* Go issue 8047: recursion, each level replacing the panic of the one below. */
static RT_NOINLINE void recursive(struct log *l)
{
    if (l->depth-- == 0)
        panics_a(l);
    defers;
    defer(l->depth % 2 == 0 ? panics_b : panics_c, l);
    recursive(l);
}

static void replaced_again_and_again(struct log *l)
{
    l->depth = 5;
    guarded(l, recursive);
}

/* Go issue 14965: a deferred call that panics while another function's recovery is under way. */
static RT_NOINLINE void recovers_and_another_panics(struct log *l)
{
    defers;
    defer(panics_b, l);
    defer(recovers, l);
    panics_a(l);
}

static void after_a_recovery(struct log *l)
{
    guarded(l, recovers_and_another_panics);
}

static void overtaken_then_recovered(struct log *l)
{
    defers;
    defer(recovers, l); /* b, which overtook a */
    defer(note, l, '3');
    replaced_after_recovery(l);
}

static void catch_is_a_frame_too(struct log *l)
{
    struct rt_panic *e = catch_panic(replaced, l);
    note(l, e->message[0]);
    e = catch_panic(guarded, l, panics_a);
    note(l, e == NULL ? 'n' : '!');
}

/* ---- rt_goexit() ---- */

static void exits(struct log *l)
{
    note(l, 'x');
    rt_goexit();
}

static void in_a_goroutine(struct log *l, void (*body)(struct log *), chan(int) done)
{
    defers;
    defer(rt_chan_close_raw, chan_raw(done));
    defer(recovers, l);
    body(l);
    note(l, '!');
}

static void goroutine_of(struct log *l, void (*body)(struct log *))
{
    chan(int) done = chan_make(int, 0);
    go(in_a_goroutine, l, body, done);
    chan_recv(done);
}

static void goexit_is_no_panic(struct log *l)
{
    goroutine_of(l, exits);
}

static RT_NOINLINE void exits_then_panics(struct log *l)
{
    defers;
    defer(recovers, l);
    defer(panics_a, l);
    exits(l);
}

static void goexit_goes_on_after_a_recovered_panic(struct log *l)
{
    goroutine_of(l, exits_then_panics);
}

static RT_NOINLINE void panics_then_exits(struct log *l)
{
    defers;
    defer(recovers, l);
    defer(exits, l);
    panics_a(l);
}

/* Not a panic any more: it was overtaken, and nothing is left to recover. */
static void goexit_overtakes_a_panic(struct log *l)
{
    goroutine_of(l, panics_then_exits);
}

static RT_NOINLINE void exits_in_a_guard(struct log *l)
{
    defers;
    defer(note, l, '1');
    guarded(l, exits);
}

static void goexit_unwinds_all_frames(struct log *l)
{
    goroutine_of(l, exits_in_a_guard);
}

/* ---- The table ---- */

static const struct rule {
    const char *name;
    void (*run)(struct log *);
    const char *want;
} rules[] = {
#define RULE(name, want)                                                                           \
    {                                                                                              \
#name, name, want                                                                          \
    }
    RULE(last_in_first_out, "x543210"),
    RULE(evaluated_at_the_statement, "cba"),
    RULE(pointers_see_later_values, "b"),
    RULE(after_the_result, "rd5"),
    RULE(a_null_function_panics_when_called, "s1r"),
    RULE(runs_on_panic, "21x"),
    RULE(deferred_calls_defer, "abc"),
    RULE(nil_without_a_panic, "--"),
    RULE(stops_a_panic, "Aak"),
    RULE(only_once, "A-a--"),
    RULE(not_in_a_helper, "A-a"),
    RULE(not_one_level_deeper, "A-a"),
    RULE(through_any_thunk, "Aa3210"),
    RULE(with_large_frames, "Aar"),
    RULE(through_a_pointer, "Aa"),
    RULE(the_named_result, "Aa7"),
    RULE(the_others_run_too, "A2a1k"),
    RULE(faults_too, "rk"),
    RULE(the_newest_is_recovered, "ABCc-"),
    RULE(an_inner_one_is_separate, "ABba"),
    RULE(panic_after_recover, "A-aB1b"),
    RULE(the_same_again, "Aaa"),
    RULE(in_a_deferred_call_on_return, "r2A1a"),
    RULE(replaced_again_and_again, "ABCBCBb"),
    RULE(after_a_recovery, "AaBb"),
    RULE(overtaken_then_recovered, "A-aB13b"),
    RULE(catch_is_a_frame_too, "ABCcAan"),
    RULE(goexit_is_no_panic, "x-"),
    RULE(goexit_goes_on_after_a_recovered_panic, "xAa-"),
    RULE(goexit_overtakes_a_panic, "Ax--"),
    RULE(goexit_unwinds_all_frames, "x-1-"),
};
#define N_RULES (sizeof rules / sizeof *rules)

/* Returns whether rule i held; *l is what happened. */
static bool holds(unsigned i, struct log *l)
{
    *l = (struct log){.n = 0};
    rules[i].run(l);
    return strcmp(l->text, rules[i].want) == 0;
}

/* Every rule, one by one. */
TEST(recover, rules_of_go)
{
    for (unsigned i = 0; i < N_RULES; i++) {
        struct log l;
        if (!holds(i, &l))
            test_fail(t, __FILE__, __LINE__, "%s: %s, and not %s", rules[i].name, l.text,
                      rules[i].want);
    }
}

/* ---- All at once ---- */

#define GOROUTINES 64

static struct {
    uint32_t broken[N_RULES]; /* [a] */
    uint32_t ended, steps;    /* [a] */
    uint64_t seed;            /* [I] */
} storm;

/* Between two instructions: now and then somebody else goes on. */
static bool at_a_step(struct arch_frame *frame)
{
    uint64_t h = (add_relaxed(&storm.steps, 1) + storm.seed) * RNG_GOLDEN;

    if (h >> 59 == 0)
        sched_preempt_irq(frame); /* may not return */
    if (goroutine_current()->entry_pc == 0)
        arch_frame_set_step(frame, false); /* the runtime's own did not ask for it [step.1] */
    return true;
}

static void stormer(uint64_t seed, unsigned rounds)
{
    struct rng r = {seed};

    for (unsigned i = 0; i < rounds; i++) {
        unsigned rule = rng_below(&r, N_RULES);
        bool step = rng_below(&r, 8) == 0;
        struct log l;
        if (step)
            arch_step_on();
        bool ok = holds(rule, &l);
        if (step)
            arch_step_off();
        if (!ok)
            add_relaxed(&storm.broken[rule], 1);
    }
    add_acq_rel(&storm.ended, 1);
}

/* In 64 goroutines, while memory is collected again and again, and preempted between any two
 * instructions: still each rule, and no goroutine leaves a record behind (sched asserts it when one
 * ends). */
static void run_storm(struct test *t, unsigned rounds, unsigned seconds)
{
    memset(&storm, 0, sizeof storm);
    storm.seed = rng_next(&t->rng);
    debugtrap_set(at_a_step);
    for (unsigned i = 0; i < GOROUTINES; i++)
        go(stormer, rng_next(&t->rng), rounds);
    unsigned collections = 0;
    for (int64_t end = rt_nanotime() + (int64_t)seconds * 1000000000;
         load_acquire(&storm.ended) < GOROUTINES && rt_nanotime() < end; collections++) {
        rt_gc();
        rt_sleep(1000000);
    }
    EXPECT_EQ(t, load_acquire(&storm.ended), GOROUTINES);
    debugtrap_set(NULL);
    for (unsigned i = 0; i < N_RULES; i++)
        if (storm.broken[i] != 0)
            test_fail(t, __FILE__, __LINE__, "%s failed %u times", rules[i].name, storm.broken[i]);
    test_note(t, "%u steps, %u collections", storm.steps, collections);
}

TEST_OPTS(recover, storm_of_rules, .need_mib = 32, .timeout_s = 60)
{
    run_storm(t, 40, 50);
}

TEST_OPTS(recover, long_storm_of_rules, .need_mib = 32, .stress = true, .timeout_s = 280)
{
    run_storm(t, 2000, 270);
}
