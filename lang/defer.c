/*
 * lang/defer.c - the deferred calls of a function: run on the way out, and kept when there are
 * many.
 *
 * WHAT. rt/defer.h puts the first few calls into the function's own frame and runs a single one
 * inline. The rest is here: running several, and calls that do not fit (many, or large arguments),
 * which lie in pages of the goroutine.
 *
 * INVARIANTS
 * [defer.5] The pages of a goroutine are one stack of records: those of a newer frame lie above
 *           those of an older one, because a frame's calls are taken newest first, and a frame is
 *           dropped only when all its calls are taken. So taking a record gives back the space at
 *           the top.
 * [defer.6] A goroutine has a page only while a frame with RT_DEFER_OVERFLOW is linked: dropping
 *           such a frame frees the empty pages. Nothing is left when the goroutine ends.
 * [defer.7] A taken record's bytes stay as they are, and are scanned, until the next record is
 *           pushed or taken: its thunk may not have read its arguments yet. The invariants of
 *           frames are in rt/defer.h.
 *
 * LOCKING. None: only the goroutine itself comes here; the collector looks while it does not run.
 * REJECTED. Records on the collected heap, as Go had them first: 100,000 records would be garbage
 * that must be marked. A spare page for each goroutine: the page allocator's cache is that spare
 * already.
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

/* A call that is not in its frame. Sizes are multiples of 16, so arguments are aligned to 16. */
struct rt_defer_more {
    struct rt_defer_more *prev; /* the next older one of the same frame */
    rt_thunk_raw code;
    uintptr_t a, b; /* as in struct rt_defer_call */
    unsigned char args[];
};

struct defer_chunk {
    struct defer_chunk *prev; /* older page */
    uint32_t used;            /* bytes of the page, this header included */
    uint32_t
        scan_end; /* bytes that the collector looks at: used, and a record just taken [defer.7] */
    unsigned char records[];
};

_Static_assert(sizeof(struct rt_defer_more) % 16 == 0 && sizeof(struct defer_chunk) % 16 == 0,
               "alignment");
_Static_assert(sizeof(struct rt_defer_more) + sizeof(struct defer_chunk) + RT_DEFER_ARGS_MAX <=
                   PAGE_BYTES,
               "any record fits a page");

#ifdef __clang__
/* The classes that block literals name. Ours are only thunks; nobody looks at their class. */
extern void *_NSConcreteGlobalBlock[32], *_NSConcreteStackBlock[32];
void *_NSConcreteGlobalBlock[32], *_NSConcreteStackBlock[32];
#endif

/* Free empty pages at the top. */
static void chunks_trim(struct goroutine *g)
{
    struct defer_chunk *chunk;

    while ((chunk = g->defer_chunks) != NULL && chunk->used == sizeof *chunk) {
        g->defer_chunks = chunk->prev;
        page_free_one(chunk);
    }
}

static RT_COLD struct defer_chunk *chunks_grow(struct goroutine *g)
{
    struct defer_chunk *fresh = page_alloc_one(0);

    if (fresh == NULL)
        lang_panic_out_of_memory(PAGE_BYTES);
    fresh->prev = g->defer_chunks;
    fresh->used = fresh->scan_end = sizeof *fresh;
    g->defer_chunks = fresh;
    return fresh;
}

/* Give back the newest record's space; its page stays until the next trim [defer.7]. */
static inline void chunks_pop(struct goroutine *g, struct rt_defer_more *more)
{
    struct defer_chunk *chunk =
        (struct defer_chunk *)((uintptr_t)more & ~(uintptr_t)(PAGE_BYTES - 1));

    if (RT_UNLIKELY(chunk != g->defer_chunks))
        chunks_trim(g);
    ASSERT(chunk == g->defer_chunks); /* [defer.5] */
    chunk->scan_end = chunk->used;
    chunk->used = (uint32_t)((uintptr_t)more - (uintptr_t)chunk);
}

void *rt_defer_push(struct rt_defer_frame *frame, size_t args_bytes, rt_thunk_raw code, uintptr_t a,
                    uintptr_t b)
{
    struct goroutine *g = goroutine_current();
    struct defer_chunk *chunk = g->defer_chunks;
    size_t bytes = sizeof(struct rt_defer_more) + ((args_bytes + 15) & ~(size_t)15);

    if (RT_UNLIKELY(chunk == NULL || chunk->used + bytes > PAGE_BYTES))
        chunk = chunks_grow(g);
    struct rt_defer_more *more = (struct rt_defer_more *)(void *)((char *)chunk + chunk->used);
    chunk->used += (uint32_t)bytes;
    chunk->scan_end = chunk->used;
    if (args_bytes != 0)
        a = b = (uintptr_t)more->args;
    more->code = code;
    more->a = a;
    more->b = b;
    if (RT_UNLIKELY(!(frame->state & RT_DEFER_OVERFLOW))) {
        frame->more = NULL;
        frame->state |= RT_DEFER_OVERFLOW;
    }
    more->prev = frame->more;
    frame->more = more;
    return more->args;
}

bool defer_take_slow(struct goroutine *g, struct rt_defer_frame *frame, struct defer_taken *call)
{
    struct rt_defer_more *more = frame->more;

    if (more == NULL)
        return defer_take_inline(frame, call);
    frame->more = more->prev;
    chunks_pop(g, more);
    *call = (struct defer_taken){more->code, more->a, more->b, more->a != (uintptr_t)more->args};
    return true;
}

void defer_drop_frame(struct goroutine *g, struct rt_defer_frame *frame)
{
    ASSERT(g->defer_frames == frame);
    g->defer_frames = frame->link;
    if (RT_UNLIKELY(frame->state & RT_DEFER_OVERFLOW))
        chunks_trim(g); /* [defer.6] */
}

void rt_defer_run(struct rt_defer_frame *frame)
{
    struct goroutine *g = goroutine_current();

    if (frame->state & RT_DEFER_OVERFLOW) {
        for (struct rt_defer_more *more; (more = frame->more) != NULL;) {
            frame->more = more->prev;
            chunks_pop(g, more);
            more->code((void *)more->a, (void *)more->b);
        }
    }
    for (uint32_t n; (n = (uint32_t)frame->state) > 0;) {
        struct rt_defer_call *c = &frame->calls[n - 1];
        frame->state--;
        c->code((void *)c->a, (void *)c->b);
    }
    defer_drop_frame(g, frame);
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
    for (struct defer_chunk *chunk = g->defer_chunks; chunk != NULL; chunk = chunk->prev)
        scan(chunk->records, (const char *)chunk + chunk->scan_end);
}
