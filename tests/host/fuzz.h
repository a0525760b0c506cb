/*
 * tests/host/fuzz.h - what the host tests of untrusted input share: checks, boot_complain(), a
 * pretended physical memory, and a seeded mutator that knows where the interesting fields are.
 *
 * A program includes the .c files under test and this header, calls fuzz_begin() first and returns
 * fuzz_end(). Random choices come from one seed, printed at the start; SEED=n repeats a run.
 * Loops run until FUZZ_SECONDS have passed (environment, default 2).
 *
 * [fuzz.1] phys_map() gives a copy of exactly the bytes asked for, in a block of their own, so the
 * address sanitizer stops a read of even one byte beyond them. The blocks live until phys_reset().
 *
 * Under -DLIBFUZZER there is no main: the program defines LLVMFuzzerTestOneInput instead. Build it
 * with clang and -fsanitize=address,undefined,fuzzer.
 */
#pragma once

#include <arch/bootinfo.h>
#include <lib/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Checks ---- */

static struct {
    uint64_t seed;
    double seconds;
    unsigned passed, failed; /* groups */
    const char *group;
    unsigned checks, wrong; /* in the group */
} fuzz __attribute__((unused));

static struct rng fuzz_rng __attribute__((unused));

#define CHECK(cond, ...)                                                                           \
    do {                                                                                           \
        fuzz.checks++;                                                                             \
        if (!(cond)) {                                                                             \
            if (fuzz.wrong++ < 5) {                                                                \
                printf("    %s:%d: %s", __FILE__, __LINE__, #cond);                                \
                printf("  " __VA_ARGS__);                                                          \
                printf("\n");                                                                      \
            }                                                                                      \
            fuzz_wrong();                                                                          \
        }                                                                                          \
    } while (0)

static inline void fuzz_wrong(void)
{
#ifdef LIBFUZZER
    abort(); /* that is how libFuzzer learns of it */
#endif
}

static inline void fuzz_group_end(void)
{
    if (fuzz.group == NULL)
        return;
    printf("%s %s (%u checks)\n", fuzz.wrong == 0 ? "ok  " : "FAIL", fuzz.group, fuzz.checks);
    fflush(stdout);
    if (fuzz.wrong == 0)
        fuzz.passed++;
    else
        fuzz.failed++;
    fuzz.group = NULL;
}

static inline void fuzz_group(const char *name)
{
    fuzz_group_end();
    fuzz.group = name;
    fuzz.checks = fuzz.wrong = 0;
}

static inline void fuzz_begin(void)
{
    const char *seed = getenv("SEED");
    const char *seconds = getenv("FUZZ_SECONDS");

    fuzz.seed = seed != NULL ? strtoull(seed, NULL, 0) : 1;
    fuzz.seconds = seconds != NULL ? atof(seconds) : 2;
    fuzz_rng = rng_split(fuzz.seed, 0);
    printf("seed %llu\n", (unsigned long long)fuzz.seed);
}

static inline int fuzz_end(void)
{
    fuzz_group_end();
    printf("%u passed, %u failed\n", fuzz.passed, fuzz.failed);
    return fuzz.failed != 0;
}

static inline double fuzz_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static inline uint32_t fuzz_below(uint32_t n)
{
    return rng_below(&fuzz_rng, n);
}

/* Numbers that break arithmetic, and now and then any number. */
static inline uint64_t fuzz_number(void)
{
    static const uint64_t edges[] = {0,          1,          2,          3,          7,
                                     8,          0x7f,       0x80,       0xff,       0x100,
                                     0xfff,      0x1000,     0x7fff,     0xffff,     0x10000,
                                     0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000,
                                     INT64_MAX,  1ull << 63, ~0ull - 15, ~0ull};
    uint64_t v = edges[fuzz_below(sizeof(edges) / sizeof(edges[0]))];

    switch (fuzz_below(4)) {
    case 0:
        return v;
    case 1:
        return v + fuzz_below(9) - 4;
    case 2:
        return fuzz_below(0x2000);
    default:
        return rng_next(&fuzz_rng) >> fuzz_below(64);
    }
}

/* ---- Complaints ---- */

static unsigned complaints __attribute__((unused));
static char complaint_last[512] __attribute__((unused));

/* The last complaint must contain `part`, and there must be `n` of them since
 * complaints_clear(). */
#define CHECK_COMPLAINTS(n, part)                                                                  \
    CHECK(complaints == (n) && strstr(complaint_last, part) != NULL, "%u complaints, last \"%s\"", \
          complaints, complaint_last)

static inline void complaints_clear(void)
{
    complaints = 0;
    complaint_last[0] = 0;
}

void boot_complain(const char *what, const char *why, ...)
{
    va_list args;
    size_t n = (size_t)snprintf(complaint_last, sizeof(complaint_last), "%s is bad: ", what);

    va_start(args, why);
    vsnprintf(complaint_last + n, sizeof(complaint_last) - n, why, args);
    va_end(args);
    complaints++;
    if (getenv("VERBOSE") != NULL)
        printf("boot: %s\n", complaint_last);
}

/* ---- Physical memory ---- */

#define PHYS_BYTES_MAX (1u << 20)
#define PHYS_BLOCKS_MAX 100000

static struct {
    uint64_t base; /* where `bytes` of memory are; nothing is readable elsewhere */
    size_t bytes;
    uint8_t *data;
    size_t n_blocks;
    void *blocks[PHYS_BLOCKS_MAX];
    size_t n_maps; /* calls: a bound on the work that bad data can cause */
} phys __attribute__((unused));

static inline const void *phys_reader_map(void *ctx, uint64_t paddr, size_t bytes)
{
    void *block;

    (void)ctx;
    phys.n_maps++;
    if (bytes == 0 || paddr < phys.base || paddr - phys.base >= phys.bytes ||
        bytes > phys.bytes - (paddr - phys.base))
        return NULL;
    if (phys.n_blocks == PHYS_BLOCKS_MAX) {
        printf("more than %d views of memory were asked for\n", PHYS_BLOCKS_MAX);
        abort();
    }
    block = malloc(bytes); /* [fuzz.1] */
    memcpy(block, phys.data + (paddr - phys.base), bytes);
    phys.blocks[phys.n_blocks++] = block;
    return block;
}

static const struct phys_reader fuzz_reader __attribute__((unused)) = {phys_reader_map, NULL};

/* Forget the views that were given out and make the memory `bytes` zeroes at `base`. */
static inline void phys_reset(uint64_t base, size_t bytes)
{
    while (phys.n_blocks != 0)
        free(phys.blocks[--phys.n_blocks]);
    if (phys.data == NULL)
        phys.data = malloc(PHYS_BYTES_MAX);
    memset(phys.data, 0, bytes);
    phys.base = base;
    phys.bytes = bytes;
    phys.n_maps = 0;
}

/* The host's view of a byte that a test wants to write. */
static inline uint8_t *phys_at(uint64_t paddr)
{
    return phys.data + (paddr - phys.base);
}

static inline void phys_put(uint64_t paddr, size_t width, uint64_t v)
{
    memcpy(phys_at(paddr), &v, width);
}

/* ---- Mutation ---- */

#define FIELDS_MAX 4096

/* The fields of the structures that a test built: what the mutator likes to hit. */
static struct {
    size_t n;
    struct {
        uint64_t paddr;
        uint8_t width;
    } at[FIELDS_MAX];
} fields __attribute__((unused));

/* Write a field and remember it. */
static inline void phys_field(uint64_t paddr, size_t width, uint64_t v)
{
    phys_put(paddr, width, v);
    if (fields.n < FIELDS_MAX) {
        fields.at[fields.n].paddr = paddr;
        fields.at[fields.n++].width = (uint8_t)width;
    }
}

/* Change something: mostly one field, to an edge, a neighbour, another field's value or an
 * address. */
static inline void phys_mutate(void)
{
    size_t i, j;
    uint64_t v = 0;

    if (fields.n == 0 || fuzz_below(8) == 0) {
        switch (fuzz_below(3)) {
        case 0: /* one bit anywhere */
            phys.data[fuzz_below((uint32_t)phys.bytes)] ^= (uint8_t)(1u << fuzz_below(8));
            return;
        case 1: /* less memory */
            phys.bytes -= fuzz_below((uint32_t)phys.bytes / 4 + 1);
            return;
        default: /* a piece of it somewhere else */
            i = fuzz_below((uint32_t)phys.bytes / 2);
            j = fuzz_below((uint32_t)phys.bytes / 2);
            memmove(phys.data + i, phys.data + j, fuzz_below(64));
            return;
        }
    }
    i = fuzz_below((uint32_t)fields.n);
    j = fuzz_below((uint32_t)fields.n);
    if (fields.at[i].paddr - phys.base + 8 > phys.bytes ||
        fields.at[j].paddr - phys.base + 8 > phys.bytes)
        return;
    memcpy(&v, phys_at(fields.at[i].paddr), fields.at[i].width);
    switch (fuzz_below(6)) {
    case 0:
        v += fuzz_below(5) - 2;
        break;
    case 1: /* another field's value */
        v = 0;
        memcpy(&v, phys_at(fields.at[j].paddr), fields.at[j].width);
        break;
    case 2: /* points at another field: cycles, overlaps */
        v = fields.at[j].paddr - fuzz_below(64);
        break;
    case 3: /* just at the end of memory */
        v = phys.base + phys.bytes - fuzz_below(80);
        break;
    default:
        v = fuzz_number();
        break;
    }
    phys_put(fields.at[i].paddr, fields.at[i].width, v);
}
