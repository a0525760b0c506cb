/*
 * tests/test.h - the in-guest test harness.
 *
 * TEST(suite, name) { ... } registers a case through a section of pointers (compilers pad structs
 * there). The body gets `struct test *t`. EXPECT_* notes a failure and goes on; REQUIRE_* ends the
 * case. A case that needs more than the smallest machine says so: TEST_OPTS(suite, name, .need_mib
 * = 64) { ... }. The runner (tests/runner.c) runs each case in order, on a goroutine of its own,
 * prints KTAP and the last line `N passed, N failed`, and leaves with status 0 only if all that was
 * selected passed. TEST_DIES(suite, name, status, says) { ... } is a case that must end the whole
 * run: with that exit status, after printing what each line of `says` (extended regular
 * expressions, in this order) matches. It gets a boot of its own from tools/testrun.c. Randomness:
 * rng_next(&t->rng); seeded from seed= and the case's name, so that one failing case replays.
 */
#pragma once

#include <lib/rand.h>
#include <rt/compiler.h>

#pragma GCC diagnostic ignored "-Wsign-compare" /* EXPECT_EQ(t, n, 5) with an unsigned n */

struct test {
    const struct test_case *tc;
    struct rng rng;
    uint64_t seed;
    unsigned failures;
    const char *skipped; /* reason, if test_skip() was called */
};

struct test_case {
    const char *suite, *name, *file;
    int line; /* cases run in the order of files and lines */
    void (*fn)(struct test *t);
    unsigned need_mib;  /* skipped (and listed) where the machine has less RAM; 0: runs in 8 MiB */
    unsigned need_cpus; /* 0: any */
    unsigned timeout_s; /* the watchdog names it after that; 0: 30 */
    bool stress;        /* only under `make stress` */
    bool icount_only;   /* measures instructions: only where the clock counts this core's (ICOUNT=1
                           SMP=1) */
    const char *dies_says; /* TEST_DIES: what it prints, and ... */
    int dies_status;       /* ... how it ends */
};

#define TEST_OPTS(suite_, name_, ...)                                                              \
    static void test_##suite_##_##name_(struct test *t);                                           \
    static const struct test_case test_case_##suite_##_##name_ = {.suite = #suite_,                \
                                                                  .name = #name_,                  \
                                                                  .file = __FILE__,                \
                                                                  .line = __LINE__,                \
                                                                  .fn = test_##suite_##_##name_,   \
                                                                  __VA_ARGS__};                    \
    static const struct test_case *const test_ptr_##suite_##_##name_ RT_SECTION("rt_tests")        \
        RT_USED = &test_case_##suite_##_##name_;                                                   \
    static void test_##suite_##_##name_(RT_UNUSED struct test *t)
#define TEST(suite, name) TEST_OPTS(suite, name, .stress = false)
#define TEST_DIES(suite, name, status, says)                                                       \
    TEST_OPTS(suite, name, .dies_status = (status), .dies_says = (says))

/* Notes a failure of the running case with file and line; returns nothing, never stops. */
void test_fail(struct test *t, const char *file, int line, const char *fmt, ...) RT_PRINTF(4, 5);
/* Ends the running case (it counts as skipped, with the reason, not as passed). */
RT_NORETURN void test_skip(struct test *t, const char *why);
RT_NORETURN void test_abort(struct test *t); /* after a failure: leaves the case */
void test_note(struct test *t, const char *fmt, ...) RT_PRINTF(2, 3); /* a `# ...` line */
/* How often a case repeats what differs only by random numbers and luck: n times, or a third of that
 * in a short run on more than two cpus, which share the cores of a small host. */
unsigned test_rounds(unsigned n);
/* Overwrites what calls left on the stack below, so that no old word keeps an object. */
void test_scrub_stack(void);
int64_t test_free_pages(void); /* of the page allocator; signed, for differences */
void test_shuffle(struct test *t, void *array, size_t n, size_t elem_bytes);

#define EXPECT(t, cond)                                                                            \
    do {                                                                                           \
        if (!(cond))                                                                               \
            test_fail((t), __FILE__, __LINE__, "expected: %s", #cond);                             \
    } while (0)
#define REQUIRE(t, cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            test_fail((t), __FILE__, __LINE__, "required: %s", #cond);                             \
            test_abort(t);                                                                         \
        }                                                                                          \
    } while (0)
/* The array stays in the frame, whole: to an optimizer even a volatile one may shrink to what is
 * used. */
#define TEST_KEEP_FRAME(array) __asm__ volatile("" : : "r"(array) : "memory")

/* Figures are goals for gcc's code; clang's takes a few instructions more here and there. */
#ifdef __clang__
#define TEST_BY_COMPILER(gcc, clang) (clang)
#else
#define TEST_BY_COMPILER(gcc, clang) (gcc)
#endif

#define TEST_COMPARE(t, a, op, b)                                                                  \
    do {                                                                                           \
        __typeof__((a) + 0) test_a_ = (a);                                                         \
        __typeof__((b) + 0) test_b_ = (b);                                                         \
        if (!(test_a_ op test_b_))                                                                 \
            test_fail((t), __FILE__, __LINE__, "expected %s %s %s: %lld and %lld (%#llx, %#llx)",  \
                      #a, #op, #b, (long long)test_a_, (long long)test_b_,                         \
                      (unsigned long long)test_a_, (unsigned long long)test_b_);                   \
    } while (0)
#define EXPECT_EQ(t, a, b) TEST_COMPARE(t, a, ==, b)
#define EXPECT_NE(t, a, b) TEST_COMPARE(t, a, !=, b)
#define EXPECT_LE(t, a, b) TEST_COMPARE(t, a, <=, b)
#define EXPECT_GE(t, a, b) TEST_COMPARE(t, a, >=, b)
#define EXPECT_STR(t, a, b) test_expect_str((t), __FILE__, __LINE__, #a, (a), (b))
void test_expect_str(struct test *t, const char *file, int line, const char *what, const char *got,
                     const char *want);
