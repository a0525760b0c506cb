/*
 * gc/report.c - the heap by shape, for the report of a program that ran out of memory.
 *
 * Uses no memory but a few static words and its own stack, and no lock: the figures of a moving
 * heap may be a little wrong, which is better than none. Prints the shapes that hold most, and what
 * the page allocator has left.
 */
#include <gc/cycle.h>
#include <gc/report.h>
#include <lib/bits.h>
#include <mm/page.h>
#include <rt/print.h>

#define LINES 12u

struct usage {
    uint64_t bytes, objects;
};
static struct usage usage[GC_SHAPES]; /* by shape; the large ones are 0 */
static size_t request;                /* [a] the last one that failed */
static uint32_t busy;                 /* [a] somebody is writing a report */

static void count_span(const struct gc_span *span)
{
    struct usage *u = &usage[span->shape < GC_SHAPES ? span->shape : 0];
    uint32_t n = span->n_slots;

    for (uint32_t first = 0; first < span->n_slots; first += 64)
        n -= gc_count_slots(gc_free_slots(span, first));
    u->objects += n;
    u->bytes += n * gc_slot_size(span);
}

static void print_shape(unsigned i)
{
    const struct gc_shape *s = &gc_shapes[i];
    const char *what = i == 0                 ? "large objects"
                       : s->kind == GC_NOSCAN ? "without pointers"
                       : s->kind == GC_HEADER ? "arrays and large types"
                       : s->name != NULL      ? s->name
                                              : "?";
    rt_printf("%12lu bytes in %9lu objects", (unsigned long)usage[i].bytes,
              (unsigned long)usage[i].objects);
    if (i != 0)
        rt_printf(" of %5u: %s\n", gc_classes[s->class].bytes, what);
    else
        rt_printf(": %s\n", what);
}

void gc_report_request(size_t bytes)
{
    store_relaxed(&request, bytes);
}

void gc_report_out_of_memory(void)
{
    if (swap_acq_rel(&busy, 1))
        return;
    for (unsigned i = 0; i < GC_SHAPES; i++)
        usage[i] = (struct usage){0, 0};
    size_t end = gc_span_index_end();
    for (size_t unit = 0; unit < end; unit++) {
        const struct gc_span *span = gc_span_at_index(unit);
        if (span != NULL)
            count_span(span);
    }
    rt_printf("out of memory: no room for %lu bytes; heap %lu bytes in spans, %lu of descriptors; "
              "largest free run %lu pages\n",
              (unsigned long)load_relaxed(&request), (unsigned long)gc_heap_in_use,
              (unsigned long)gc_meta_bytes, (unsigned long)page_largest_free_run());
    for (unsigned line = 0; line < LINES; line++) {
        unsigned most = 0;
        for (unsigned i = 1; i < GC_SHAPES; i++)
            if (usage[i].bytes > usage[most].bytes)
                most = i;
        if (usage[most].bytes == 0)
            break;
        print_shape(most);
        usage[most].bytes = 0;
    }
    store_release(&busy, 0);
}
