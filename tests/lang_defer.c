/*
 * tests/lang_defer.c - deferred calls: order, arguments, how many, and what a recovered function
 * returns.
 */
#include <tests/events.h>
#include <tests/test.h>
#include <rt/panic.h>

/* What fn takes it gives back. Others take and give pages meanwhile, but not in each of ten runs. */
static void expect_no_leak(struct test *t, void (*fn)(struct test *t, long arg), long arg)
{
    int64_t more = 1;

    for (unsigned i = 0; i < 10 && more > 0; i++) {
        int64_t before = test_free_pages();
        fn(t, arg);
        more = before - test_free_pages();
    }
    EXPECT_LE(t, more, 0);
}

/* ---- Order ---- */

static int plain(int how)
{
    defers;
    note('b');
    defer(note, '1');
    if (how == 1)
        return 11;
    defer(note, '2');
    for (int i = 0; i < 2; i++) {
        defer(note, 'x' + i);
        if (how == 2 && i == 1)
            return 12;
    }
    if (how == 3) {
        defer(note, 'n');
    }
    note('e');
    return 13;
}

/* Last in, first out; on every way out; a statement that is not reached adds nothing. */
TEST(defer, runs_last_in_first_out)
{
    static const struct {
        int how, result;
        const char *events;
    } cases[] = {{1, 11, "b1"}, {2, 12, "byx21"}, {3, 13, "benyx21"}, {0, 13, "beyx21"}};

    for (unsigned i = 0; i < 4; i++) {
        reset();
        EXPECT_EQ(t, plain(cases[i].how), cases[i].result);
        EXPECT_STR(t, events, cases[i].events);
    }
}

static void no_defer_reached(bool reach)
{
    defers;
    if (reach)
        defer(note, 'r');
}

TEST(defer, frame_without_calls)
{
    reset();
    no_defer_reached(false);
    EXPECT_STR(t, events, "");
    no_defer_reached(true);
    EXPECT_STR(t, events, "r");
}

static void arguments_now(void)
{
    defers;
    int c = 'a';
    void (*fn)(int) = note;

    defer(fn, c);
    c = 'b';
    fn = NULL;
    defer(note, c);
    note(c + 1);
}

/* Function and arguments are evaluated by the statement, not when the call is made. */
TEST(defer, arguments_are_evaluated_now)
{
    reset();
    arguments_now();
    EXPECT_STR(t, events, "cba");
}

/* ---- All kinds of arguments ---- */

struct pair {
    long a, b;
};
struct block {
    int v[40];
};

static uint64_t seen;

static void mix(uint64_t x)
{
    seen = seen * 1000003 + x;
}

static void take_none(void)
{
    mix(1);
}
static void take_char(signed char c)
{
    mix((uint64_t)c);
}
static void take_short(unsigned short s)
{
    mix(s);
}
static void take_bool(_Bool b)
{
    mix(b);
}
static void take_double(double d)
{
    mix((uint64_t)(int64_t)(d * 8));
}
static void take_float_int(float f, int i)
{
    mix((uint64_t)(f * 4) + (uint64_t)i);
}
static void take_pair(struct pair p)
{
    mix((uint64_t)(p.a - p.b));
}
static void take_block(struct block b, int i)
{
    mix((uint64_t)b.v[i]);
}
static int take_two(int *p, long n)
{
    mix((uint64_t)(*p + n));
    return 1;
}
static struct block take_six(int a, long b, void *c, double d, unsigned char e, unsigned f)
{
    mix((uint64_t)a + (uint64_t)b + (c != NULL) + (uint64_t)d + e + f);
    return (struct block){{0}};
}

static void call_all(bool deferred)
{
    static int five = 5;
    struct pair p = {90, 7};
    struct block b = {{0}};
    b.v[39] = 77;

    if (deferred) {
        defers_returning();
        defer(take_six, -1, 20, &five, 2.75f, 300, 9);
        defer(take_two, &five, 600);
        defer(take_block, b, 39);
        defer(take_pair, p);
        defer(take_float_int, 2.5, -3);
        defer(take_double, 3);
        defer(take_double, -1.5);
        defer(take_bool, 17);
        defer(take_short, -1);
        defer(take_char, 200);
        defer(take_none);
        b.v[39] = 0;
        p.a = 0;
    } else {
        take_none();
        take_char((signed char)200);
        take_short((unsigned short)-1);
        take_bool(17);
        take_double(-1.5);
        take_double(3);
        take_float_int(2.5, -3);
        take_pair(p);
        take_block(b, 39);
        take_two(&five, 600);
        take_six(-1, 20, &five, 2.75f, (unsigned char)300, 9);
    }
}

/* Arguments are converted as in a call, whatever their types. */
TEST(defer, converts_arguments_as_a_call_does)
{
    seen = 0;
    call_all(false);
    uint64_t want = seen;
    seen = 0;
    call_all(true);
    EXPECT_EQ(t, seen, want);
}

/* ---- Many ---- */

static long expected_next;
static bool in_order;

static void count_down(long i)
{
    in_order &= i == --expected_next;
}

static void count_down_block(struct block b, long i)
{
    in_order &= i == --expected_next && b.v[3] == i;
}

static RT_NOINLINE void many(long n, bool large)
{
    defers;
    for (long i = 0; i < n; i++) {
        struct block b;
        b.v[3] = (int)i;
        if (large && i % 3 == 0)
            defer(count_down_block, b, i);
        else
            defer(count_down, i);
    }
    expected_next = n;
}

static void many_of_each(struct test *t, long large)
{
    static const long counts[] = {0, 1, 2, 3, 4, 5, 100, 1000, 100000};

    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        in_order = true;
        many(counts[i], large);
        EXPECT(t, in_order);
        EXPECT_EQ(t, expected_next, 0);
    }
}

/* Any number in one function, also mixed with arguments too large for the frame; the memory goes
 * back [defer.6]. */
TEST_OPTS(defer, a_hundred_thousand_in_one_loop, .need_mib = 32)
{
    many(100, true); /* the stack grows */
    expect_no_leak(t, many_of_each, false);
    expect_no_leak(t, many_of_each, true);
}

static RT_NOINLINE long recurse(long depth, bool leave_by_panic)
{
    defers;
    for (int i = 0; i < 5; i++)
        defer(count_down, depth * 5 + i);
    if (depth == 99) {
        expected_next = 500;
        if (leave_by_panic)
            panic("bottom");
        return 0;
    }
    return 1 + recurse(depth + 1, leave_by_panic);
}

static void recurse_and_leave(struct test *t, long by_panic)
{
    in_order = true;
    struct rt_panic *e = catch_panic(recurse, 0, by_panic);
    EXPECT_EQ(t, e != NULL, by_panic);
    EXPECT(t, in_order);
    EXPECT_EQ(t, expected_next, 0);
}

/* Many frames with more calls than fit: their records are one stack [defer.5], on return and on
 * panic. */
TEST(defer, overflowing_frames_nest)
{
    catch_panic(recurse, 0, true); /* the stack grows */
    expect_no_leak(t, recurse_and_leave, false);
    expect_no_leak(t, recurse_and_leave, true);
}

static void defers_many(long i)
{
    count_down(i);
    if (i % 7 == 0) {
        long saved = expected_next;
        many(2 + i % 11, i % 2 == 0);
        in_order &= expected_next == 0;
        expected_next = saved;
    }
}

static RT_NOINLINE void deferred_calls_defer(long n)
{
    defers;
    for (long i = 0; i < n; i++)
        defer(defers_many, i);
    expected_next = n;
}

static void defer_and_defer(struct test *t, long n)
{
    in_order = true;
    deferred_calls_defer(n);
    EXPECT(t, in_order);
    EXPECT_EQ(t, expected_next, 0);
}

/* A deferred call that defers many itself reuses the space of its own record, once it has read it
 * [defer.7]. */
TEST(defer, deferred_calls_may_defer)
{
    expect_no_leak(t, defer_and_defer, 400);
}

/* ---- The collector ---- */

struct box {
    gc(struct box *) link;
    long value;
};
struct boxes {
    struct box *box[6];
};
static long boxes_lost;

static void open_box(struct box *b)
{
    boxes_lost += b->value != 42;
}

static void open_boxes(struct boxes s, long i)
{
    for (unsigned k = 0; k < 6; k++)
        boxes_lost += s.box[k]->value != 42 + i;
}

static RT_NOINLINE struct box *make_box(long value)
{
    struct box *b = gc_new(struct box);
    b->value = value;
    return b;
}

/* Other objects take the place of what was freed. */
static RT_NOINLINE void collect_and_reuse(void)
{
    rt_gc();
    for (int i = 0; i < 3000; i++)
        make_box(13);
}

static RT_NOINLINE void defer_boxes(bool leave_by_panic)
{
    defers;
    for (long i = 0; i < 300; i++) {
        struct boxes s;
        for (unsigned k = 0; k < 6; k++)
            s.box[k] = make_box(42 + i);
        if (i % 60 == 0)
            defer(open_boxes, s, i);
        s = (struct boxes){{NULL}};
        defer(open_box, make_box(42));
    }
    collect_and_reuse();
    defer(collect_and_reuse);
    if (leave_by_panic)
        panic("on");
}

/* What only a deferred call refers to stays, in the frame and in the goroutine's pages. [defer.8] */
TEST(defer, records_are_roots)
{
    boxes_lost = 0;
    defer_boxes(false);
    EXPECT(t, catch_panic(defer_boxes, true) != NULL);
    EXPECT_EQ(t, boxes_lost, 0);
}

/* ---- What a recovered function returns ---- */

static void swallow(void)
{
    recover();
}

static void boom(void)
{
    panic("boom");
}

#define RETURNS(name, type, value)                                                                 \
    static RT_NOINLINE type name(bool p)                                                           \
    {                                                                                              \
        defers;                                                                                    \
        defer(swallow);                                                                            \
        if (p)                                                                                     \
            boom();                                                                                \
        return value;                                                                              \
    }
RETURNS(returns_int, int, 7)
RETURNS(returns_long, long, -7)
RETURNS(returns_bool, bool, true)
RETURNS(returns_double, double, 7.5)
RETURNS(returns_float, float, 2.5f)
RETURNS(returns_pointer, char *, events)

static int void_passed;
static RT_NOINLINE void returns_void(bool p)
{
    defers;
    defer(swallow);
    if (p)
        boom();
    void_passed++;
}

static RT_NOINLINE int never_returns_by_itself(void)
{
    defers;
    defer(swallow);
    panic("always");
}

/* Under plain `defers`: 0, 0.0, false, NULL. */
TEST(defer, recovered_function_returns_zero)
{
    EXPECT_EQ(t, returns_int(false), 7);
    EXPECT_EQ(t, returns_int(true), 0);
    EXPECT_EQ(t, returns_long(false), -7);
    EXPECT_EQ(t, returns_long(true), 0);
    EXPECT_EQ(t, returns_bool(false), true);
    EXPECT_EQ(t, returns_bool(true), false);
    EXPECT(t, returns_double(false) == 7.5);
    EXPECT(t, returns_double(true) == 0.0);
    EXPECT(t, returns_float(false) == 2.5f);
    EXPECT(t, returns_float(true) == 0.0f);
    EXPECT(t, returns_pointer(false) == events);
    EXPECT(t, returns_pointer(true) == NULL);
    void_passed = 0;
    returns_void(false);
    returns_void(true);
    EXPECT_EQ(t, void_passed, 1);
    EXPECT_EQ(t, never_returns_by_itself() + 1, 1);
}

static RT_NOINLINE int named(int how)
{
    volatile int result = 1;
    defers_returning(result);
    defer(swallow);
    if (how == 0)
        return 5;
    if (how == 1)
        boom();
    result = 2;
    if (how == 2)
        boom();
    for (int i = 0; i < 100; i++)
        result = result + i;
    if (how == 3)
        boom();
    return 6;
}

static void set_result(volatile int *result, int value)
{
    *result = value;
}

static RT_NOINLINE int set_by_deferred(void)
{
    volatile int result = 1;
    defers_returning(result);
    defer(set_result, &result, 42);
    defer(swallow);
    boom();
    return 3;
}

static RT_NOINLINE struct block returns_struct(bool p)
{
    volatile struct block result = {{0}};
    defers_returning(result);
    defer(swallow);
    result.v[39] = 9;
    if (p)
        boom();
    result.v[39] = 10;
    return *(struct block *)(uintptr_t)&result;
}

static RT_NOINLINE double returns_named_double(void)
{
    volatile double result = 0.25;
    defers_returning(result);
    defer(swallow);
    result = 0.5;
    boom();
    return 1;
}

/* Under defers_returning(): the variable as it is when all deferred calls have run. */
TEST(defer, recovered_function_returns_its_result)
{
    EXPECT_EQ(t, named(0), 5);
    EXPECT_EQ(t, named(1), 1);
    EXPECT_EQ(t, named(2), 2);
    EXPECT_EQ(t, named(3), 2 + 4950);
    EXPECT_EQ(t, named(4), 6);
    EXPECT_EQ(t, set_by_deferred(), 42);
    EXPECT_EQ(t, returns_struct(true).v[39], 9);
    EXPECT_EQ(t, returns_struct(false).v[39], 10);
    EXPECT(t, returns_named_double() == 0.5);
}

static RT_NOINLINE long churn(long a, long b, long c, long d, long e, long f)
{
    defers;
    defer(swallow);
    /* many values that live in registers and on the stack here, none of which may matter after the
     * recovery */
    long x[8] = {a, b, c, d, e, f, a ^ b, c ^ d};
    for (long i = 0; i < (f & 31) + 3; i++)
        for (int k = 0; k < 8; k++)
            x[k] = x[k] * 31 + x[(k + 3) & 7] + i;
    if ((x[0] ^ x[5]) & 1)
        boom();
    long sum = 0;
    for (int k = 0; k < 8; k++)
        sum ^= x[k];
    return sum | 1;
}

/* The caller's registers are as if the function had returned by itself: values kept across the call
 * survive. */
TEST(defer, callers_registers_survive_a_recovery)
{
    unsigned recovered = 0;

    for (int round = 0; round < 200; round++) {
        long a = (long)rng_next(&t->rng), b = (long)rng_next(&t->rng), c = (long)rng_next(&t->rng);
        long d = (long)rng_next(&t->rng), e = (long)rng_next(&t->rng), f = (long)rng_next(&t->rng);
        long want = (a ^ (b << 1)) + (c ^ (d << 1)) + (e ^ (f << 1));
        long r1 = churn(a, b, c, d, e, f);
        long r2 = churn(f, e, d, c, b, a);
        long got = (a ^ (b << 1)) + (c ^ (d << 1)) + (e ^ (f << 1));
        EXPECT_EQ(t, got, want);
        recovered += (r1 == 0) + (r2 == 0);
        EXPECT_EQ(t, r1 == 0 || (r1 & 1), 1);
    }
    EXPECT(t, recovered > 50 && recovered < 350);
}

static void again(int *left)
{
    if (--*left > 0 && recover() != NULL)
        note('r');
}

static RT_NOINLINE int recovers_then_runs_the_rest(void)
{
    defers;
    int left = 5;
    defer(note, '1');
    defer(note, '2');
    defer(again, &left);
    defer(note, '4');
    defer(note, '5');
    note('b');
    boom();
    return 1;
}

/* "Any functions deferred before it are then run, and its execution terminates by returning to its
 * caller." */
TEST(defer, the_rest_runs_after_a_recovery)
{
    reset();
    EXPECT_EQ(t, recovers_then_runs_the_rest(), 0);
    EXPECT_STR(t, events, "b54r21");
}
