/*
 * gc/verify.c - checking the collector, and answering "what keeps this alive?".
 *
 * WHAT. After STW#2, with the world still stopped: every span is walked, and no black object may
 * point to a white one. By induction from the roots this says that everything reachable is black,
 * and it names the exact edge that went wrong. gccheckmark=1 first follows all references from the
 * globals once more, with marks of its own, and prints the path to an object that marking missed.
 * rt_why() uses the same walk.
 *
 * INVARIANTS
 * [verify.1] For each black slot: each word that its shape calls a pointer leads to no white slot.
 * [verify.2] Words of stacks are no proof: below the frames that were written lies what older calls
 *            left. They count for a goroutine that has not run since it was scanned, and not at all
 *            for others.
 * [verify.3] A span's slots, limit, shape and place in the page map agree.
 *
 * Memory for the walk is taken from the page allocator and given back; without enough of it the
 * walk says so.
 */
#include <gc/verify.h>
#include <gc/cycle.h>
#include <gc/mark.h>
#include <gc/special.h>
#include <gc/up.h>
#include <lib/bits.h>
#include <lib/knobs.h>
#include <lib/string.h>
#include <mm/page.h>
#include <rt/print.h>
#include <sched/stw.h>

extern const struct rt_root_desc __start_rt_rootdesc[], __stop_rt_rootdesc[];

/* ---- References of an object, one at a time ---- */

static bool elem_has(const struct rt_type *elem, size_t byte)
{
    if (elem->size < 8 || elem->size % 8 != 0)
        return true;
    return gc_word_refers(elem, byte / 8 % (elem->size / 8));
}

/* What a header says, or a large span in its place. */
struct layout {
    uintptr_t object;
    size_t bytes, prefix_bytes;
    bool prefix_scan;
    const struct rt_type *elem;
};

static struct layout layout_of(const struct gc_span *span, uint32_t slot)
{
    if (span->kind == GC_LARGE)
        return (struct layout){span->base, span->limit - span->base, span->prefix_bytes,
                               span->prefix_scan, *gc_large_elem(span)};
    uintptr_t start = gc_slot_address(span, slot);
    const struct gc_header *h = (const struct gc_header *)start;
    return (struct layout){start + h->offset, h->bytes, h->prefix_bytes, h->prefix_scan, h->elem};
}

/* Is the word at byte `at` of such an object a reference? */
static bool layout_has(const struct layout *o, size_t at)
{
    if (at + 8 > o->bytes)
        return false;
    if (at < o->prefix_bytes)
        return o->prefix_scan;
    return o->elem != NULL && elem_has(o->elem, at - o->prefix_bytes);
}

void gc_each_reference(const struct gc_span *span, uint32_t slot, gc_see_fn *see, void *ctx)
{
    if (span->kind == GC_HEADER || span->kind == GC_LARGE) {
        struct layout o = layout_of(span, slot);
        for (size_t at = 0; at < o.bytes; at += 8) {
            const uintptr_t *p = (const uintptr_t *)(o.object + at);
            if (layout_has(&o, at))
                see(ctx, p, *p);
        }
        return;
    }
    for (uint64_t mask = span->mask; mask != 0; mask &= mask - 1) {
        const uintptr_t *p = (const uintptr_t *)gc_slot_address(span, slot) + bit_lowest(mask);
        see(ctx, p, *p);
    }
}

bool gc_is_reference(const struct gc_span *span, uint32_t slot, uintptr_t where)
{
    if (span->kind == GC_HEADER || span->kind == GC_LARGE) {
        struct layout o = layout_of(span, slot);
        return where >= o.object && layout_has(&o, where - o.object);
    }
    return span->mask >> (where - gc_slot_address(span, slot)) / 8 % 64 & 1;
}

static const char *kind_name(const struct gc_span *span)
{
    static const char *const names[] = {"noscan", "typed", "headered", "large"};
    return names[span->kind];
}

static const char *type_name(const struct gc_span *span, uint32_t slot)
{
    const struct rt_type *elem = NULL;
    if (span->kind == GC_MASK)
        return gc_shapes[span->shape].name;
    if (span->kind == GC_LARGE)
        elem = *gc_large_elem(span);
    if (span->kind == GC_HEADER)
        elem = ((const struct gc_header *)gc_slot_address(span, slot))->elem;
    return elem != NULL ? elem->name : "bytes";
}

void gc_print_slot(const char *what, const struct gc_span *span, uint32_t slot)
{
    rt_printf("%s %#lx (%s, %s, %lu bytes, epoch %u)\n", what,
              (unsigned long)gc_slot_address(span, slot), type_name(span, slot), kind_name(span),
              (unsigned long)gc_slot_size(span), gc_epochs(span)[slot]);
}

/* ---- The check after STW#2 ---- */

static bool is_white(uintptr_t word)
{
    uint32_t slot;
    const struct gc_span *span = gc_slot_at(word, &slot);
    return span != NULL && gc_epochs(span)[slot] == gc_epoch_also && gc_epoch != gc_epoch_also;
}

static void check_edge(void *ctx, const uintptr_t *where, uintptr_t word)
{
    const struct gc_edge *from = ctx;
    uint32_t slot;

    if (!is_white(word))
        return;
    const struct gc_span *to = gc_slot_at(word, &slot);
    gc_print_slot("gc: lost object: black", from->span, from->slot);
    rt_printf("  at offset %lu\n",
              (unsigned long)((uintptr_t)where - gc_slot_address(from->span, from->slot)));
    gc_print_slot("  points to white", to, slot);
    fatal("gc: a black object points to a white one [verify.1]");
}

static void check_span(const struct gc_span *span)
{
    ASSERT(span->n_slots >= 1 && span->base % GC_UNIT_BYTES == 0); /* [verify.3] */
    ASSERT(span->limit <= span->base + (uintptr_t)span->n_units * GC_UNIT_BYTES);
    ASSERT(span->kind == gc_shapes[span->shape].kind);
    if (span->kind != GC_LARGE) {
        ASSERT(span->limit == span->base + (uintptr_t)span->n_units * GC_UNIT_BYTES ||
               gc_epochs(span)[span->n_slots] == 0); /* [span.5] */
        ASSERT(span->slot_bytes == gc_classes[gc_shapes[span->shape].class].bytes);
        ASSERT(span->limit == span->base + (uintptr_t)span->n_slots * span->slot_bytes);
    }
    if (span->kind == GC_NOSCAN)
        return;
    struct gc_edge from = {.span = span};
    for (; from.slot < span->n_slots; from.slot++)
        if (gc_epochs(span)[from.slot] == gc_epoch)
            gc_each_reference(span, from.slot, check_edge, &from);
}

static void check_root_word(const struct rt_root_desc *d, const uintptr_t *where)
{
    uint32_t slot;
    if (!is_white(*where))
        return;
    const struct gc_span *to = gc_slot_at(*where, &slot);
    rt_printf("gc: lost object: global at %p (%s)\n", (const void *)where, d->type->name);
    gc_print_slot("  points to white", to, slot);
    fatal("gc: a root points to a white object [verify.1]");
}

static void checkmark_stw(void);

void gc_verify_stw(void)
{
    if (knobs.gccheckmark)
        checkmark_stw(); /* first: it knows the path, not only the last edge */
    size_t end = gc_span_index_end();
    for (size_t unit = 0; unit < end; unit++) {
        const struct gc_span *span = gc_span_at_index(unit);
        if (span != NULL)
            check_span(span);
    }
    for (const struct rt_root_desc *d = __start_rt_rootdesc; d < __stop_rt_rootdesc; d++)
        for (size_t at = 0; at + 8 <= d->count * d->type->size; at += 8)
            if (elem_has(d->type, at))
                check_root_word(d, (const uintptr_t *)((uintptr_t)d->address + at));
}

/* ---- Following everything from the roots ---- */

#define WHY_NOTHING UINT32_MAX

/* How an object was reached. */
struct node {
    uintptr_t slot_address;
    uint32_t parent;  /* index of the node; WHY_NOTHING: a root */
    uint32_t offset;  /* in the parent, of the word; a root: number in root_kinds */
    uintptr_t detail; /* a root: address of the word, or the goroutine's id */
};

enum root_kind { ROOT_GLOBAL, ROOT_STACK, ROOT_REGISTERS, ROOT_RUNTIME };

#define BLOCK_PAGES 4u
#define NODES_IN_BLOCK ((BLOCK_PAGES * PAGE_BYTES) / sizeof(struct node))

struct walk {
    uint64_t *seen; /* a bit for each 8 bytes of the heap's range */
    size_t seen_pages;
    struct node **blocks; /* one page of pointers to blocks of nodes */
    uint32_t n_nodes;
    uint32_t next; /* first node whose references were not looked at */
    bool short_of_memory;
    uintptr_t wanted; /* stop at this slot; 0: none */
    uintptr_t own_sp; /* where the caller's stack begins to count */
    uint32_t found;
    uint32_t from;            /* while looking at a node's references */
    enum root_kind root_kind; /* while looking at roots */
    uintptr_t root_detail;
};

static struct walk *the_walk; /* for callbacks without a context; the world is stopped */

static struct node *node_at(const struct walk *w, uint32_t i)
{
    return &w->blocks[i / NODES_IN_BLOCK][i % NODES_IN_BLOCK];
}

static bool walk_begin(struct walk *w)
{
    *w = (struct walk){.found = WHY_NOTHING};
    w->seen_pages = (gc_heap_bytes / 64 + PAGE_BYTES - 1) / PAGE_BYTES + 1;
    w->seen = page_alloc(w->seen_pages, 1, PAGE_ZERO);
    w->blocks = page_alloc(1, 1, PAGE_ZERO);
    return w->seen != NULL && w->blocks != NULL;
}

static void walk_end(struct walk *w)
{
    for (size_t i = 0; w->blocks != NULL && i < PAGE_BYTES / sizeof(w->blocks[0]); i++)
        if (w->blocks[i] != NULL)
            page_free(w->blocks[i], BLOCK_PAGES);
    if (w->blocks != NULL)
        page_free(w->blocks, 1);
    if (w->seen != NULL)
        page_free(w->seen, w->seen_pages);
}

static void reach(struct walk *w, uintptr_t word, uint32_t parent, uint32_t offset,
                  uintptr_t detail)
{
    uint32_t slot;
    const struct gc_span *span = gc_slot_at(word, &slot);
    if (span == NULL || !gc_live_byte(gc_epochs(span)[slot]))
        return;
    uintptr_t address = gc_slot_address(span, slot);
    size_t bit = (address - ARCH_DIRECT_BASE) / 8;
    if (w->seen[bit / 64] >> (bit % 64) & 1)
        return;
    w->seen[bit / 64] |= UINT64_C(1) << (bit % 64);
    struct node **block = &w->blocks[w->n_nodes / NODES_IN_BLOCK];
    if (w->n_nodes / NODES_IN_BLOCK >= PAGE_BYTES / sizeof(w->blocks[0]) ||
        (*block == NULL && (*block = page_alloc(BLOCK_PAGES, 1, 0)) == NULL)) {
        w->short_of_memory = true;
        return;
    }
    *node_at(w, w->n_nodes) = (struct node){address, parent, offset, detail};
    if (address == w->wanted)
        w->found = w->n_nodes;
    w->n_nodes++;
}

static void walk_edge(void *ctx, const uintptr_t *where, uintptr_t word)
{
    struct walk *w = ctx;
    reach(w, word, w->from, (uint32_t)((uintptr_t)where - node_at(w, w->from)->slot_address), 0);
}

static void walk_root_words(const void *lo, const void *hi)
{
    struct walk *w = the_walk;
    for (const uintptr_t *p = lo; p < (const uintptr_t *)hi; p++)
        reach(w, *p, WHY_NOTHING, w->root_kind,
              w->root_detail != 0 ? w->root_detail : (uintptr_t)p);
}

static void walk_goroutine(struct walk *w, struct goroutine *g)
{
    uintptr_t sp = 0;
    const struct arch_frame *frame = NULL;

    w->root_kind = ROOT_STACK;
    w->root_detail = 0; /* each word's own address: print_root() finds the goroutine */
    for (unsigned i = 0; i < arch_cpu_count() && sp == 0; i++) {
        if (stw_running(i) != g)
            continue;
        frame = stw_frame(i);
        sp = frame != NULL ? arch_frame_sp(frame) : w->own_sp;
    }
    if (sp == 0 && g->preempted)
        frame = g->frame;
    if (sp == 0)
        sp = frame != NULL ? arch_frame_sp(frame) : arch_context_sp(&g->context);
    sp = gc_stack_from(g, sp);
    if (sp < g->stack_hi)
        walk_root_words((const void *)sp, (const void *)g->stack_hi);
    lang_scan_goroutine_roots(g, walk_root_words);
    w->root_kind = ROOT_REGISTERS;
    w->root_detail = g->id;
    if (frame != NULL)
        walk_root_words(frame, (const char *)frame + ARCH_FRAME_BYTES / 8 * 8);
}

/* `ran`: goroutines that have run in this cycle count too. */
static void walk_roots(struct walk *w, bool ran)
{
    w->root_kind = ROOT_GLOBAL;
    w->root_detail = 0;
    for (const struct rt_root_desc *d = __start_rt_rootdesc; d < __stop_rt_rootdesc; d++)
        for (size_t at = 0; at + 8 <= d->count * d->type->size; at += 8)
            if (elem_has(d->type, at))
                walk_root_words((const char *)d->address + at, (const char *)d->address + at + 8);
    if (!ran)
        return; /* [verify.2] */
    for (struct goroutine *g = goroutine_all(); g != NULL; g = g->all_next)
        if (g->state != G_DEAD && g != gc_controller) /* [roots.4] */
            walk_goroutine(w, g);
    w->root_kind = ROOT_RUNTIME;
    w->root_detail = 0;
    for (uint32_t step = 0; lang_scan_global_roots(step, walk_root_words);)
        step++;
    gc_special_each_root_stw(walk_root_words);
}

static void walk_all(struct walk *w, bool ran)
{
    the_walk = w;
    walk_roots(w, ran);
    for (; w->next < w->n_nodes && w->found == WHY_NOTHING; w->next++) {
        uint32_t slot;
        w->from = w->next;
        const struct gc_span *span = gc_slot_at(node_at(w, w->next)->slot_address, &slot);
        gc_each_reference(span, slot, walk_edge, w);
    }
    the_walk = NULL;
}

static void print_root(const struct node *n)
{
    unsigned long detail = (unsigned long)n->detail;

    rt_printf("  is kept alive by ");
    switch ((enum root_kind)n->offset) {
    case ROOT_GLOBAL:
        rt_printf("the global at %#lx\n", detail);
        return;
    case ROOT_STACK:
        for (const struct goroutine *g = goroutine_all(); g != NULL; g = g->all_next)
            if (goroutine_owns(g, detail))
                rt_printf(
                    "the stack of goroutine %lu, the word at %#lx (%lu bytes below its base)\n",
                    (unsigned long)g->id, detail, (unsigned long)g->stack_hi - detail);
        return;
    case ROOT_REGISTERS:
        rt_printf("a register of goroutine %lu\n", detail);
        return;
    case ROOT_RUNTIME:
        rt_printf("the runtime: a timer, a finalizer, a cleanup, a weak reference\n");
        return;
    }
}

#define PATH_MAX 40u /* lines of a path that are printed: the object's end and the root's */

static void print_path(const struct walk *w, uint32_t i)
{
    uint32_t length = 0, at = 0;
    for (uint32_t j = i; j != WHY_NOTHING; j = node_at(w, j)->parent)
        length++;
    for (;; at++) {
        const struct node *n = node_at(w, i);
        uint32_t slot;
        const struct gc_span *span = gc_slot_at(n->slot_address, &slot);
        bool show = at < PATH_MAX / 2 || at + PATH_MAX / 2 >= length;
        if (show)
            gc_print_slot(" ", span, slot);
        else if (at == PATH_MAX / 2)
            rt_printf("  ... %u more ...\n", length - PATH_MAX);
        if (n->parent == WHY_NOTHING) {
            print_root(n);
            return;
        }
        if (show)
            rt_printf("  is referred to at offset %u of\n", n->offset);
        i = n->parent;
    }
}

/* Everything that globals reach must be black: what is not is printed with its path. */
static void checkmark_stw(void)
{
    struct walk w;

    if (!walk_begin(&w))
        rt_printf("gc: gccheckmark: not enough memory to mark again\n");
    else
        walk_all(&w, false);
    for (uint32_t i = 0; i < w.n_nodes; i++) {
        if (!is_white(node_at(&w, i)->slot_address))
            continue;
        rt_printf("gc: checkmark found an unmarked object\n");
        print_path(&w, i);
        fatal("gc: checkmark found an unmarked object");
    }
    walk_end(&w);
}

void rt_why(const void *p)
{
    struct walk w;
    uint32_t slot;
    uintptr_t own_sp =
        (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(uintptr_t); /* p is below */

    stw_begin(STW_GC_OTHER);
    const struct gc_span *span = gc_slot_at((uintptr_t)p, &slot);
    if (span == NULL || !gc_live_byte(gc_epochs(span)[slot])) {
        rt_printf("%p is no collected object\n", p);
    } else if (!walk_begin(&w)) {
        rt_printf("rt_why: not enough memory to look\n");
        walk_end(&w);
    } else {
        w.own_sp = own_sp;
        w.wanted = gc_slot_address(span, slot);
        walk_all(&w, true);
        if (w.found != WHY_NOTHING)
            print_path(&w, w.found);
        else
            rt_printf("nothing keeps %p alive but, perhaps, a register of the caller%s\n", p,
                      w.short_of_memory ? " (not all was looked at)" : "");
        walk_end(&w);
    }
    stw_end();
}
