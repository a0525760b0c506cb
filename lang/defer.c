/*
 * lang/defer.c - the deferred calls of a function: run on the way out, and kept when there are
 * many.
 *
 * WHAT. rt/defer.h puts the first few calls into the function's own frame and runs a single one
 * inline. The rest is here: running several, and calls that do not fit (many, or large arguments),
 * which lie in pages of the goroutine: one stack of records, each behind its arguments.
 * g->defer_top is where the next one goes, g->defer_chunks the newest page.
 *
 * INVARIANTS
 * [defer.5] The records of a newer frame lie above those of an older one, because a frame's calls
 *           are taken newest first, and a frame is dropped only when all its calls are taken. So
 *           taking a record is setting g->defer_top back to where it was before, and a frame's
 *           records end where the top was at its first (`base`).
 * [defer.6] A goroutine has a page only while a frame with RT_DEFER_OVERFLOW is linked: dropping
 *           such a frame frees the pages above the top. Nothing is left when the goroutine ends.
 * [defer.7] A taken record's bytes stay as they are, and are scanned, until the next record is
 *           pushed or taken: its thunk may not have read its arguments yet.
 * [defer.8] The top is raised before a record is filled, so that the collector, who may look
 *           between any two instructions, finds its arguments.
 * The invariants of frames are in rt/defer.h.
 *
 * LOCKING. None: only the goroutine itself comes here; the collector looks while it does not run.
 * REJECTED. Records on the collected heap, as Go had them first: 100,000 records would be garbage
 * that must be marked. A spare page for each goroutine: the page allocator's cache is that spare
 * already. Freeing a page as soon as its last record is taken: two tests more for each.
 */
#include <gc/up.h>
#include <lang/defer.h>
#include <lib/assert.h>
#include <mm/page.h>

_Static_assert(offsetof(struct goroutine, defer_frames) == RT_GOROUTINE_DEFERS,
               "rt/defer_x86_64.h knows it");
_Static_assert(offsetof(struct rt_defer_frame, point) == 8 &&
                   offsetof(struct rt_defer_point, saved) == 24,
               "RT_DEFER_POINT_ stores there");

/* A call that is not in its frame; arguments for a thunk lie below it, in the same page. */
struct rt_defer_record {
    rt_thunk_raw code;
    uintptr_t a, b;                 /* as in struct rt_defer_call */
    struct rt_defer_record *before; /* the top before it was pushed */
};

/* The first record of a page lies one record behind its beginning. */
struct defer_chunk {
    struct defer_chunk *prev;       /* older page */
    struct rt_defer_record *before; /* the top when this page was added, in prev */
};

_Static_assert(sizeof(struct rt_defer_record) == 32 &&
                   sizeof(struct defer_chunk) <= sizeof(struct rt_defer_record),
               "a page is a whole number of records; arguments are aligned to 16");
_Static_assert(2 * sizeof(struct rt_defer_record) + RT_DEFER_ARGS_MAX <= PAGE_BYTES,
               "any record fits a page");

#ifdef __clang__
/* The classes that block literals name. Ours are only thunks; nobody looks at their class. */
extern void *_NSConcreteGlobalBlock[32], *_NSConcreteStackBlock[32];
void *_NSConcreteGlobalBlock[32], *_NSConcreteStackBlock[32];
#endif

/* The page of what lies just below `top`; NULL's is none. */
static struct defer_chunk *page_below(const struct rt_defer_record *top)
{
    return (struct defer_chunk *)(((uintptr_t)top - (top != NULL)) & ~(uintptr_t)(PAGE_BYTES - 1));
}

/* Bytes left in the page of `top`. A page's end looks like the beginning of the next. */
static size_t room_above(const struct rt_defer_record *top)
{
    return -(uintptr_t)top % PAGE_BYTES;
}

/* Free the pages above the top. */
static void chunks_trim(struct goroutine *g)
{
    struct defer_chunk *chunk;

    g->defer_taken = NULL; /* it may lie there */
    while ((chunk = g->defer_chunks) != page_below(g->defer_top)) {
        g->defer_chunks = chunk->prev;
        page_free_one(chunk);
    }
}

/* A page more; its first record's place. */
static RT_COLD struct rt_defer_record *chunks_grow(struct goroutine *g)
{
    chunks_trim(g);
    struct defer_chunk *fresh = page_alloc_one(0);
    if (fresh == NULL)
        lang_panic_out_of_memory(PAGE_BYTES);
    fresh->prev = g->defer_chunks;
    fresh->before = g->defer_top;
    g->defer_chunks = fresh;
    return (struct rt_defer_record *)(void *)fresh + 1;
}

void rt_defer_overflow(struct rt_defer_frame *frame)
{
    frame->base = goroutine_current()->defer_top;
    frame->state |= RT_DEFER_OVERFLOW;
}

/* Write all of `record` but its argument words; it ends the newest bytes of the pages. */
static inline void record_make(struct goroutine *g, struct rt_defer_record *record,
                               struct rt_defer_record *before, rt_thunk_raw code)
{
    record->before = before;
    g->defer_top = record + 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* [defer.8] */
    record->code = code;
}

static RT_COLD void push_slow(rt_thunk_raw code, uintptr_t a, uintptr_t b)
{
    struct goroutine *g = goroutine_current();
    struct rt_defer_record *record = chunks_grow(g);

    record_make(g, record, g->defer_top, code);
    record->a = a;
    record->b = b;
}

void rt_defer_push_one(rt_thunk_raw code, uintptr_t a)
{
    struct goroutine *g = goroutine_current();
    struct rt_defer_record *top = g->defer_top;

    if (RT_UNLIKELY((uintptr_t)top % PAGE_BYTES == 0)) { /* room_above() for one record */
        push_slow(code, a, 0);
        return;
    }
    record_make(g, top, top, code);
    top->a = a;
}

void rt_defer_push_two(rt_thunk_raw code, uintptr_t a, uintptr_t b)
{
    struct goroutine *g = goroutine_current();
    struct rt_defer_record *top = g->defer_top;

    if (RT_UNLIKELY((uintptr_t)top % PAGE_BYTES == 0)) {
        push_slow(code, a, b);
        return;
    }
    record_make(g, top, top, code);
    top->a = a;
    top->b = b;
}

void *rt_defer_push_args(rt_thunk_raw code, size_t bytes)
{
    struct goroutine *g = goroutine_current();
    struct rt_defer_record *args = g->defer_top, *before = args;
    size_t n = (bytes + sizeof *args - 1) / sizeof *args;

    if (room_above(args) < (n + 1) * sizeof *args) {
        args = chunks_grow(g);
        before = g->defer_top;
    }
    record_make(g, args + n, before, code);
    args[n].a = args[n].b = (uintptr_t)args;
    return args;
}

/* Take the newest record of the pages. */
static inline struct rt_defer_record *take_newest(struct goroutine *g)
{
    struct rt_defer_record *record = g->defer_top - 1;

    g->defer_taken = record; /* [defer.7] */
    g->defer_top = record->before;
    return record;
}

bool defer_take_slow(struct goroutine *g, struct rt_defer_frame *frame, struct defer_taken *call)
{
    if (g->defer_top == frame->base)
        return defer_take_inline(frame, call);
    struct rt_defer_record *r = take_newest(g);
    bool direct = (r->a ^ (uintptr_t)r) >= PAGE_BYTES; /* no argument of a program's is in there */
    *call = (struct defer_taken){r->code, r->a, r->b, direct};
    return true;
}

void defer_drop_frame(struct goroutine *g, struct rt_defer_frame *frame)
{
    ASSERT(g->defer_frames == frame);
    g->defer_frames = frame->link;
    if (RT_UNLIKELY(frame->state & RT_DEFER_OVERFLOW)) {
        ASSERT(g->defer_top == frame->base); /* [defer.5] */
        chunks_trim(g);                      /* [defer.6] */
    }
}

static RT_NOINLINE void run_pages(struct rt_defer_frame *frame)
{
    struct goroutine *g = goroutine_current();

    while (g->defer_top != frame->base) {
        struct rt_defer_record *r = take_newest(g);
        r->code((void *)r->a, (void *)r->b);
    }
    frame->state &= ~RT_DEFER_OVERFLOW;
    chunks_trim(g); /* [defer.6] */
}

void rt_defer_run(struct rt_defer_frame *frame)
{
    if (RT_UNLIKELY(frame->state & RT_DEFER_OVERFLOW))
        run_pages(frame);
    uint64_t n = frame->state;
    for (struct rt_defer_call *c = &frame->calls[n]; n > 0;) {
        c--;
        frame->state = --n; /* [defer.4] */
        c->code((void *)c->a, (void *)c->b);
    }
    rt_defer_unlink(frame);
}

void rt_defer_recovered(struct rt_defer_frame *frame)
{
    struct goroutine *g = goroutine_current();

    if (RT_UNLIKELY(g->reserve_open))
        stack_close_reserve(g);
    if (RT_LIKELY(frame->state == 0))
        rt_defer_unlink(frame);
    else
        rt_defer_run(frame);
}

/*
 * What deferred calls refer to: those in frames are on the stack; these are not. Panics in progress
 * are on the stack too (lang/panic.c).
 */
void lang_scan_goroutine_roots(struct goroutine *g, void (*scan)(const void *lo, const void *hi))
{
    const struct rt_defer_record *top = g->defer_top, *taken = g->defer_taken;

    for (struct defer_chunk *chunk = g->defer_chunks; chunk != NULL; chunk = chunk->prev) {
        const struct rt_defer_record *first = (const struct rt_defer_record *)(void *)chunk + 1;
        const struct rt_defer_record *from = first;
        if (page_below(top) == chunk) {
            scan(first, top);
            from = top;
            top = chunk->before;
        }
        if (taken >= from && page_below(taken) == chunk) /* [defer.7] */
            scan(from, taken + 1);
    }
}
