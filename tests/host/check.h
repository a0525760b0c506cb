/*
 * tests/host/check.h - what a host test counts, draws and says: checks, groups of them, random
 * numbers from one seed (SEED=n repeats a run), the last line.
 */
#pragma once

#include <lib/rand.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK_UNUSED __attribute__((unused))
#define FAILURES_SHOWN 20

static unsigned long n_passed, n_failed;
static struct rng check_rng CHECK_UNUSED;

/* Count a check; say so if it failed. Returns ok. */
static CHECK_UNUSED __attribute__((format(printf, 2, 3))) bool checkf(bool ok, const char *fmt, ...)
{
    va_list ap;

    if (ok) {
        n_passed++;
    } else if (n_failed++ < FAILURES_SHOWN) {
        va_start(ap, fmt);
        printf("FAILED: ");
        vprintf(fmt, ap);
        printf("\n");
        va_end(ap);
    }
    return ok;
}

static CHECK_UNUSED bool check(bool ok, const char *what, const char *detail)
{
    return checkf(ok, "%s (%s)", what, detail);
}

/* The checks since the last group were these. */
static CHECK_UNUSED void group(const char *name)
{
    static unsigned long before;

    printf("  %-60s %lu checks, %lu failed so far\n", name, n_passed + n_failed - before, n_failed);
    before = n_passed + n_failed;
}

static CHECK_UNUSED uint64_t rand64(void)
{
    return rng_next(&check_rng);
}

static CHECK_UNUSED uint32_t rand32(void)
{
    return (uint32_t)(rand64() >> 32);
}

static CHECK_UNUSED unsigned below(unsigned n)
{
    return (unsigned)(rand64() % n);
}

/* Call it first: it says the seed. */
static CHECK_UNUSED void check_seed(void)
{
    const char *seed = getenv("SEED");

    check_rng.state = seed != NULL ? strtoull(seed, NULL, 0) : 1;
    printf("SEED=%llu\n", (unsigned long long)check_rng.state);
}

/* The last line; what main() returns. */
static CHECK_UNUSED int check_end(void)
{
    printf("%lu passed, %lu failed\n", n_passed, n_failed);
    return n_failed != 0;
}
