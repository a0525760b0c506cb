/*
 * tests/lang_panic.c - panic, recover, catch_panic: the rules of the Go specification's "Handling
 * panics".
 */
#include <tests/events.h>
#include <tests/test.h>
#include <rt/goroutine.h>
#include <rt/panic.h>
#include <rt/print.h>

static void boom(const char *text)
{
    panic("%s", text);
}

static void must_not_recover(void)
{
    struct rt_panic *e = recover();
    if (e != NULL)
        note_text("<wrongly recovered>");
}

static void recover_and_note(void)
{
    struct rt_panic *e = recover();
    note('[');
    note_text(e != NULL ? e->message : "nil");
    note(']');
}

/* ---- catch_panic ---- */

static void frames(int depth)
{
    defers;
    defer(note, 'a' + depth);
    if (depth == 4)
        boom("deep");
    frames(depth + 1);
    note('!');
}

TEST(panic, unwinds_frame_by_frame)
{
    reset();
    struct rt_panic *e = catch_panic(frames, 0);
    EXPECT_STR(t, events, "edcba");
    REQUIRE(t, e != NULL);
    EXPECT_STR(t, e->message, "deep");
    EXPECT_EQ(t, e->kind, RT_PANIC_USER);
    EXPECT(t, e->value == NULL);
    EXPECT(t, !e->is_runtime_error);
    EXPECT(t, e->pc != 0);
    EXPECT_EQ(t, e->fault_address, 0);
    EXPECT(t, catch_panic(note, 'x') == NULL);
}

static void catches_inside(int how)
{
    defers;
    defer(note, 'o');
    struct rt_panic *e = catch_panic(frames, 3);
    note(e != NULL ? 'c' : '-');
    if (how == 1)
        rt_repanic(e);
    if (how == 2)
        boom("other");
}

TEST(panic, catch_panic_nests)
{
    reset();
    EXPECT(t, catch_panic(catches_inside, 0) == NULL);
    EXPECT_STR(t, events, "edco");
    reset();
    struct rt_panic *e = catch_panic(catches_inside, 1);
    EXPECT_STR(t, events, "edco");
    REQUIRE(t, e != NULL);
    EXPECT_STR(t, e->message, "deep");
    EXPECT(t, e->repanicked);
    e = catch_panic(catches_inside, 2);
    REQUIRE(t, e != NULL);
    EXPECT_STR(t, e->message, "other");
}

/* ---- Texts ---- */

static void long_text(int n)
{
    static char text[3000];
    for (int i = 0; i < n; i++)
        text[i] = (char)('a' + i % 26);
    text[n] = 0;
    panic("%s", text);
}

static void local_text(void)
{
    char text[20];
    rt_snprintf(text, sizeof text, "lo%s", "cal");
    rt_panic(text, 0);
}

static void value(void *v)
{
    rt_panic_value(v);
}

static void formatted(void)
{
    panic("%d of %s: %5.2f", 3, "four", 2.5);
}

static RT_NOINLINE void overwrite_stack(void)
{
    volatile char junk[4000];
    for (unsigned i = 0; i < sizeof junk; i++)
        junk[i] = (char)i;
}

/* The message is a copy, whatever it was made from and however long it is. */
TEST(panic, messages)
{
    static const int lengths[] = {0, 1, 62, 63, 64, 65, 254, 255, 256, 510, 511, 512, 513, 2999};

    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct rt_panic *e = catch_panic(long_text, lengths[i]);
        REQUIRE(t, e != NULL);
        overwrite_stack();
        EXPECT_EQ(t, __builtin_strlen(e->message), lengths[i]);
        for (int k = 0; k < lengths[i]; k++)
            if (e->message[k] != 'a' + k % 26) {
                EXPECT_EQ(t, k, -1);
                break;
            }
    }
    struct rt_panic *e = catch_panic(local_text);
    overwrite_stack();
    EXPECT_STR(t, e->message, "local");
    e = catch_panic(formatted);
    EXPECT_STR(t, e->message, "3 of four:  2.50");
    e = catch_panic(value, &n_events);
    EXPECT(t, e->value == &n_events);
    EXPECT_EQ(t, __builtin_strncmp(e->message, "(void *) 0x", 11), 0);
    e = catch_panic(value, NULL);
    EXPECT_STR(t, e->message, "nil");
}

/* ---- recover: where it works ---- */

static RT_NOINLINE struct rt_panic *helper(void)
{
    return recover();
}

/* static and small: an optimizer would like to inline it into its caller */
static struct rt_panic *small_helper(void)
{
    return recover();
}

static void indirectly(int unused)
{
    (void)unused;
    if (helper() != NULL || small_helper() != NULL)
        note_text("<recovered by a helper>");
}

static void indirectly_double(double unused)
{
    (void)unused;
    if (helper() != NULL || small_helper() != NULL)
        note_text("<recovered by a helper>");
}

static void twice(double with_thunk)
{
    (void)with_thunk;
    struct rt_panic *e = recover();
    note(e != NULL ? '1' : '0');
    e = recover();
    note(e != NULL ? '1' : '0');
}

static void directly(void)
{
    defers;
    defer(must_not_recover); /* runs last */
    defer(twice, 1.0);       /* through a thunk */
    defer(indirectly, 1);
    defer(indirectly_double, 1.0);
    boom("x");
}

/* Only when called by the deferred function itself [panic.3]; a second time it is nil. */
TEST(recover, only_directly_in_a_deferred_function)
{
    reset();
    EXPECT(t, recover() == NULL);
    directly();
    EXPECT_STR(t, events, "10");
    struct rt_panic *e = catch_panic(recover_and_note);
    EXPECT(t, e == NULL);
    EXPECT_STR(t, events, "10[nil]");
}

static void without_panic(void)
{
    defers;
    defer(recover_and_note);
    defer(twice, 2.0);
}

TEST(recover, is_nil_without_a_panic)
{
    reset();
    without_panic();
    EXPECT_STR(t, events, "00[nil]");
}

static void inner_defers(void)
{
    defers;
    defer(must_not_recover); /* run by a return, not by the panic */
    note('i');
}

static void calls_inner(void)
{
    inner_defers();
    note('c');
}

static void inner_while_panicking(void)
{
    defers;
    defer(recover_and_note);
    defer(calls_inner);
    boom("outer");
}

/* A deferred call that runs because its function returns sees no panic, even while one is in
 * progress. */
TEST(recover, not_in_a_deferred_call_of_a_returning_function)
{
    reset();
    inner_while_panicking();
    EXPECT_STR(t, events, "ic[outer]");
}

static void defers_recoverer(void)
{
    defers;
    defer(must_not_recover);
    defer(must_not_recover);
}

static void two_deep(void)
{
    defers;
    defer(recover_and_note);
    defer(defers_recoverer);
    boom("two");
}

TEST(recover, not_one_level_deeper)
{
    reset();
    two_deep();
    EXPECT_STR(t, events, "[two]");
}

/* ---- Panics in deferred calls ---- */

static void boom_deferred(const char *text)
{
    note('p');
    boom(text);
}

static void replaces(void)
{
    defers;
    defer(recover_and_note);
    defer(boom_deferred, "third");
    defer(note, 'n');
    defer(boom_deferred, "second");
    boom("first");
}

/* The newer panic goes on with the calls that are left; the older one is gone when it is
 * recovered [panic.2]. */
TEST(panic, a_deferred_panic_replaces)
{
    reset();
    replaces();
    EXPECT_STR(t, events, "pnp[third]");
}

static void recovers_inside(void)
{
    defers;
    defer(recover_and_note);
    boom("inner");
}

static void inner_panic_recovered(void)
{
    defers;
    defer(recover_and_note);
    defer(recovers_inside);
    defer(note, 'n');
    boom("outer");
}

/* A panic that begins and is recovered inside a deferred call does not touch the one that
 * runs it. */
TEST(panic, an_inner_panic_is_recovered_inside)
{
    reset();
    inner_panic_recovered();
    EXPECT_STR(t, events, "n[inner][outer]");
}

static void recover_then_panic(void)
{
    struct rt_panic *e = recover();
    note('r');
    panic("again: %s", e->message);
}

static void recover_then_repanic(void)
{
    struct rt_panic *e = recover();
    note('R');
    rt_repanic(e);
}

static void recovered_then_panics(bool same)
{
    defers;
    defer(note, '1');
    if (same)
        defer(recover_then_repanic);
    else
        defer(recover_then_panic);
    defer(note, '2');
    boom("first");
}

TEST(panic, panic_after_recover)
{
    reset();
    struct rt_panic *e = catch_panic(recovered_then_panics, false);
    EXPECT_STR(t, events, "2r1");
    EXPECT_STR(t, e->message, "again: first");
    reset();
    e = catch_panic(recovered_then_panics, true);
    EXPECT_STR(t, events, "2R1");
    EXPECT_STR(t, e->message, "first");
    EXPECT(t, e->repanicked);
}

static void boom_in_return(void)
{
    defers;
    defer(note, '1');
    defer(boom_deferred, "late");
    defer(note, '3');
    note('b');
}

static void single_boom_in_return(void)
{
    defers;
    defer(boom_deferred, "single");
}

/* A deferred call that panics while its function returns: the rest of them run, once each. */
TEST(panic, in_a_deferred_call_on_return)
{
    reset();
    struct rt_panic *e = catch_panic(boom_in_return);
    EXPECT_STR(t, events, "b3p1");
    EXPECT_STR(t, e->message, "late");
    reset();
    e = catch_panic(single_boom_in_return);
    EXPECT_STR(t, events, "p");
    EXPECT_STR(t, e->message, "single");
}

static int recursive_recovers;

static void maybe_recover(int depth)
{
    if (depth % 3 == 0 && recover() != NULL)
        recursive_recovers++;
}

static RT_NOINLINE void recursion(int depth)
{
    defers;
    defer(maybe_recover, depth);
    defer(note, 'a' + depth % 26);
    if (depth < 20)
        recursion(depth + 1);
    boom("each level");
}

/* Each level panics when the one below has been recovered or has unwound. */
TEST(panic, recursion)
{
    reset();
    recursive_recovers = 0;
    struct rt_panic *e = catch_panic(recursion, 0);
    EXPECT(t, e == NULL);
    EXPECT_STR(t, events, "utsrqponmlkjihgfedcba");
    EXPECT_EQ(t, recursive_recovers, 7);
}

/* ---- Lots ---- */

static void storm_step(uint64_t r, int depth);
static int storm_left; /* such nests can grow without end */

static void storm_deferred(uint64_t r, int depth)
{
    if (r & 1)
        recover();
    if ((r & 6) == 6)
        panic("deferred %d", depth);
    if ((r & 24) == 24 && depth < 12 && storm_left-- > 0)
        storm_step(r * UINT64_C(6364136223846793005) + 1, depth + 1);
}

static RT_NOINLINE void storm_step(uint64_t r, int depth)
{
    defers;
    for (uint64_t i = 0; i < (r >> 40) % 6; i++)
        defer(storm_deferred, (r >> (i * 5)) ^ (uint64_t)depth, depth);
    if ((r >> 50) % 3 == 0 && depth < 12 && storm_left-- > 0) {
        struct rt_panic *e =
            catch_panic(storm_step, r * UINT64_C(2862933555777941757) + 3, depth + 1);
        if (e != NULL && (r >> 55) % 2)
            rt_repanic(e);
    }
    if ((r >> 45) % 3 == 0)
        panic("step %d", depth);
}

/* Random nests of all of it leave nothing behind: no frame, no panic, and the next one works. */
TEST(panic, storm)
{
    for (int i = 0; i < 2000; i++) {
        storm_left = 50;
        struct rt_panic *e = catch_panic(storm_step, rng_next(&t->rng), 0);
        if (e != NULL)
            EXPECT(t, e->message[0] == 's' || e->message[0] == 'd');
        if (i % 100 == 0) {
            reset();
            replaces();
            EXPECT_STR(t, events, "pnp[third]");
        }
    }
    EXPECT(t, recover() == NULL);
}

/* ---- What it costs ---- */

#define ROUNDS 1000

static volatile int cost_sink;

static RT_NOINLINE void callee(int *p)
{
    cost_sink = *p;
}

static RT_NOINLINE int plain_pair(int *p)
{
    cost_sink = 1;
    callee(p);
    return 1;
}

static RT_NOINLINE int deferred_pair(int *p)
{
    defers;
    defer(callee, p);
    cost_sink = 1;
    return 1;
}

static RT_NOINLINE int frame_only(int *p)
{
    defers;
    cost_sink = 1;
    callee(p);
    return 1;
}

static void deferred_loop(int *p, int n)
{
    defers;
    for (int i = 0; i < n; i++)
        defer(callee, p);
}

static void plain_loop(int *p, int n)
{
    for (int i = 0; i < n; i++)
        callee(p);
}

static void cost_recover(void)
{
    recover();
}

static RT_NOINLINE int panics_at(int depth)
{
    if (depth == -1)
        return 0;
    if (depth == 0)
        panic("x");
    return panics_at(depth - 1) + 1;
}

static RT_NOINLINE int descends(int depth)
{
    if (depth == 0)
        return cost_sink;
    return descends(depth - 1) + 1;
}

static RT_NOINLINE int recovers_from(int depth)
{
    defers;
    defer(cost_recover);
    return panics_at(depth);
}

static int *volatile cost_null;

static RT_NOINLINE int faults(void)
{
    defers;
    defer(cost_recover);
    return *cost_null;
}

static void catches_at(int depth)
{
    catch_panic(panics_at, depth);
}

#define COST(statement)                                                                            \
    ({                                                                                             \
        statement;                                                                                 \
        int64_t cost_from_ = rt_nanotime();                                                        \
        for (int cost_i_ = 0; cost_i_ < ROUNDS; cost_i_++)                                         \
            statement;                                                                             \
        (long)(rt_nanotime() - cost_from_) / ROUNDS;                                               \
    })

/* Figures to reach; one instruction is one nanosecond here. */
TEST_OPTS(panic, instructions, .icount_only = true)
{
    int x = 1;
    long plain = COST(plain_pair(&x)), frame = COST(frame_only(&x)),
         deferred = COST(deferred_pair(&x));
    long loop = COST(plain_loop(&x, 100)), deferred_in_loop = COST(deferred_loop(&x, 100));
    long shallow = COST(recovers_from(0)), deep = COST(recovers_from(50)) - COST(descends(50));
    long caught = COST(catches_at(0)), fault = COST(faults());

    test_note(t, "call pair %ld, in a frame +%ld, with defer +%ld", plain, frame - plain,
              deferred - plain);
    test_note(t, "defer in a loop, each: +%ld", (deferred_in_loop - loop) / 100);
    test_note(t, "panic and recover %ld, from 50 frames down %ld, catch_panic %ld", shallow, deep,
              caught);
    test_note(t, "fault to recovered panic %ld", fault);
#ifndef RT_DEBUG
    EXPECT_LE(t, frame - plain, 2);
    EXPECT_LE(t, deferred - plain, 28); /* 22, and 6 of -fstack-protector-strong */
    EXPECT_LE(t, (deferred_in_loop - loop) / 100, 30);
    EXPECT_LE(t, shallow, 400);
    EXPECT_LE(t, deep, 600);
    EXPECT_LE(t, fault, 1500);
#endif
}
