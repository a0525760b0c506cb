/*
 * lib/rseq.c - restartable ranges: the table and the search.
 *
 * WHAT. lib/rseq.h says what a range is. The linker's order is not by address (functions are split
 * and sorted), so the table is sorted once at boot.
 * LOCKING. None: it never changes after that.
 */
#include <lib/rseq.h>
#include <lib/assert.h>

extern const struct rseq_range __start_rt_rseq[], __stop_rt_rseq[];

static const struct rseq_range *rseq_table; /* [I] sorted by start; NULL before rseq_init() */

size_t rseq_count(void)
{
    return (size_t)(__stop_rt_rseq - __start_rt_rseq);
}

static void sift_down(struct rseq_range *t, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && t[child].start < t[child + 1].start)
            child++;
        if (t[i].start >= t[child].start)
            return;
        struct rseq_range tmp = t[i];
        t[i] = t[child];
        t[child] = tmp;
    }
}

void rseq_init(struct rseq_range *table)
{
    size_t n = rseq_count();
    for (size_t i = 0; i < n; i++)
        table[i] = __start_rt_rseq[i];
    for (size_t i = n / 2; i-- > 0;) /* heap sort: no worst case, no recursion */
        sift_down(table, i, n);
    for (size_t end = n; end-- > 1;) {
        struct rseq_range tmp = table[0];
        table[0] = table[end];
        table[end] = tmp;
        sift_down(table, 0, end);
    }
    for (size_t i = 1; i < n; i++)
        ASSERT(table[i - 1].end <= table[i].start);
    rseq_table = table;
}

static const struct rseq_range *rseq_find(uintptr_t pc)
{
    size_t n = rseq_count();
    if (rseq_table == NULL) {
        for (size_t i = 0; i < n; i++)
            if (pc - __start_rt_rseq[i].start < __start_rt_rseq[i].end - __start_rt_rseq[i].start)
                return &__start_rt_rseq[i];
        return NULL;
    }
    size_t lo = 0, hi = n; /* the answer, if any, is the last range that starts at or before pc */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rseq_table[mid].start <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0 || pc >= rseq_table[lo - 1].end)
        return NULL;
    return &rseq_table[lo - 1];
}

bool rseq_fixup(struct arch_frame *frame)
{
    const struct rseq_range *r = rseq_find(arch_frame_pc(frame));
    if (r == NULL || arch_frame_pc(frame) == r->start)
        return false;
    arch_frame_set_pc(frame, r->start);
    return true;
}
