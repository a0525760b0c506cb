/*
 * lib/sort.c - sorting and searching in arrays.
 *
 * WHAT. Quicksort by a median of three or nine, insertion sort for short runs, heapsort for a run
 * that partitions badly: O(n log n) comparisons on any input (introsort).
 *
 * INVARIANTS
 * [sort.1] The larger part of a partition is sorted by the loop, the smaller by recursion: at most
 *          log2(n) frames.
 * [sort.2] The array is a permutation of its input at each call of `compare`, which may leave by a
 *          panic.
 * [sort.3] A `compare` that contradicts itself gives some order, but no access outside the array.
 *
 * SOURCES. Musser, Software Practice and Experience 27(8), 1997 (introsort). Hoare, Computer J. 5,
 * 1962.
 */
#include <rt/cstring.h>
#include <lib/bits.h>
#include <stdbool.h>

#define SHORT_RUN 12
#define LONG_RUN 128

typedef uint64_t __attribute__((may_alias)) any_word;

struct sorter {
    size_t size; /* of an element, bytes */
    bool words;  /* elements are whole, aligned words */
    int (*compare)(const void *, const void *);
};

static void swap(const struct sorter *s, char *a, char *b)
{
    if (s->words) {
        for (size_t i = 0; i < s->size; i += 8) {
            any_word t = *(any_word *)(a + i);
            *(any_word *)(a + i) = *(any_word *)(b + i);
            *(any_word *)(b + i) = t;
        }
        return;
    }
    for (size_t i = 0; i < s->size; i++) {
        char t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

static bool less(const struct sorter *s, const char *a, const char *b)
{
    return s->compare(a, b) < 0;
}

static void insertion_sort(const struct sorter *s, char *base, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (char *p = base + i * s->size; p > base && less(s, p, p - s->size); p -= s->size)
            swap(s, p, p - s->size);
}

/* Let element i sink until no child of it is larger; n elements form the heap. */
static void sift_down(const struct sorter *s, char *base, size_t i, size_t n)
{
    while (2 * i + 1 < n) {
        size_t child = 2 * i + 1;

        if (child + 1 < n && less(s, base + child * s->size, base + (child + 1) * s->size))
            child++;
        if (!less(s, base + i * s->size, base + child * s->size))
            return;
        swap(s, base + i * s->size, base + child * s->size);
        i = child;
    }
}

static void heap_sort(const struct sorter *s, char *base, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(s, base, i, n);
    while (--n > 0) {
        swap(s, base, base + n * s->size);
        sift_down(s, base, 0, n);
    }
}

/* Put three elements in order among themselves. */
static void order(const struct sorter *s, char *a, char *b, char *c)
{
    if (less(s, b, a))
        swap(s, a, b);
    if (less(s, c, b)) {
        swap(s, b, c);
        if (less(s, b, a))
            swap(s, a, b);
    }
}

/*
 * To the front: the median of three elements, or in a long run of three such medians. They are at
 * the quarters, not at the ends, where a partition leaves what it moved out of the way.
 */
static void choose_pivot(const struct sorter *s, char *base, size_t n)
{
    char *low = base + n / 4 * s->size, *mid = base + n / 2 * s->size;
    char *high = mid + n / 4 * s->size;

    if (n >= LONG_RUN) {
        size_t step = n / 8 * s->size;

        order(s, low - step, low, low + step);
        order(s, mid - step, mid, mid + step);
        order(s, high - step, high, high + step);
    }
    order(s, low, mid, high);
    swap(s, base, mid);
}

/* Split around the pivot at the front; returns its final index. Both scans stop at equals: equal
 * elements end up in halves. */
static size_t partition(const struct sorter *s, char *base, size_t n)
{
    size_t lo = 0, hi = n;

    for (;;) {
        do
            lo++;
        while (lo < n && less(s, base + lo * s->size, base));
        do
            hi--;
        while (hi > 0 && less(s, base, base + hi * s->size));
        if (lo >= hi)
            break;
        swap(s, base + lo * s->size, base + hi * s->size);
    }
    swap(s, base, base + hi * s->size);
    return hi;
}

static void intro_sort(const struct sorter *s, char *base, size_t n, unsigned depth)
{
    while (n > SHORT_RUN) {
        if (depth-- == 0) {
            heap_sort(s, base, n);
            return;
        }
        choose_pivot(s, base, n);
        size_t mid = partition(s, base, n), after = n - mid - 1;
        char *upper = base + (mid + 1) * s->size;

        if (mid < after) { /* [sort.1] */
            intro_sort(s, base, mid, depth);
            base = upper;
            n = after;
        } else {
            intro_sort(s, upper, after, depth);
            n = mid;
        }
    }
    insertion_sort(s, base, n);
}

void qsort(void *base, size_t n, size_t elem_bytes, int (*compare)(const void *, const void *))
{
    struct sorter s = {elem_bytes, ((uintptr_t)base | elem_bytes) % 8 == 0, compare};

    if (n > 1 && elem_bytes > 0)
        intro_sort(&s, base, n, 2 * log2_ceil(n));
}

void *bsearch(const void *key, const void *base, size_t n, size_t elem_bytes,
              int (*compare)(const void *, const void *))
{
    const char *lo = base;

    while (n > 0) {
        const char *mid = lo + n / 2 * elem_bytes;
        int order = compare(key, mid);

        if (order == 0)
            return (void *)(uintptr_t)mid;
        if (order > 0) {
            lo = mid + elem_bytes;
            n--;
        }
        n /= 2;
    }
    return NULL;
}
