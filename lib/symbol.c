/*
 * lib/symbol.c - see symbol.h, which also has the table's format.
 *
 * INVARIANTS
 * [symbol.1] No byte is read that was not checked to be in the table: cursor_u8() checks each byte
 *            of the streams, view_open() the header's offsets, view_text() that a text ends in it.
 * [symbol.2] Every loop ends: a block's ops end with their bytes, a chain of inlines goes to
 *            strictly lower offsets.
 * [symbol.3] What a stopped core can look at is never written: the table is read-only.
 *
 * REJECTED. DWARF in the image: ten times the size, and a parser that must not fault. Full
 * addresses beside full lines, for binary search alone: three times the size.
 */
#include <lib/symbol.h>

struct symtab_view {
    const unsigned char *bytes;
    uint64_t base, end;
    uint32_t n_blocks, blocks_at, ops_at, inlines_at, files_at, text_at, size;
};

struct cursor {
    const unsigned char *at, *end;
    bool bad;
};

/* What the ops describe. */
struct state {
    uint64_t addr;
    uint64_t function_start;
    uint32_t function_at; /* name's offset in text, + 1; 0 is no function */
    uint32_t inline_at;   /* + 1 */
    uint32_t file, line;
};

static uint32_t get32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* Reports are rare: small code counts, not fast code. */
#define SMALL __attribute__((noinline, cold))

static SMALL bool view_open(const void *bytes, size_t size, struct symtab_view *t)
{
    const unsigned char *b = bytes;
    static const char magic[8] = SYMTAB_MAGIC;

    if (!b || size < sizeof(struct symtab_header))
        return false;
    for (unsigned i = 0; i < sizeof magic; i++)
        if (b[i] != (unsigned char)magic[i])
            return false;
    t->bytes = b;
    t->size = get32(b + offsetof(struct symtab_header, bytes));
    t->base = get64(b + offsetof(struct symtab_header, base));
    t->end = get64(b + offsetof(struct symtab_header, end));
    t->n_blocks = get32(b + offsetof(struct symtab_header, n_blocks));
    t->blocks_at = get32(b + offsetof(struct symtab_header, blocks_at));
    t->ops_at = get32(b + offsetof(struct symtab_header, ops_at));
    t->inlines_at = get32(b + offsetof(struct symtab_header, inlines_at));
    t->files_at = get32(b + offsetof(struct symtab_header, files_at));
    t->text_at = get32(b + offsetof(struct symtab_header, text_at));
    return t->size <= size && t->blocks_at >= sizeof(struct symtab_header) &&
           t->blocks_at <= t->ops_at && t->ops_at <= t->inlines_at &&
           t->inlines_at <= t->files_at && t->files_at <= t->text_at && t->text_at < t->size &&
           t->n_blocks <= (t->ops_at - t->blocks_at) / 8 && b[t->size - 1] == 0;
}

static unsigned char cursor_u8(struct cursor *c)
{
    if (c->at == c->end) {
        c->bad = true;
        return 0;
    }
    return *c->at++;
}

static SMALL uint32_t cursor_uleb(struct cursor *c)
{
    uint32_t value = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        unsigned char byte = cursor_u8(c);

        value |= (uint32_t)(byte & 127) << (shift < 32 ? shift : 31);
        if (!(byte & 128))
            return value;
    }
    c->bad = true;
    return 0;
}

static uint32_t cursor_sleb(struct cursor *c) /* zigzag: the sign is the lowest bit */
{
    uint32_t value = cursor_uleb(c);

    return value >> 1 ^ -(value & 1);
}

static const char *view_text(const struct symtab_view *t, uint32_t at)
{
    /* [symbol.1] */
    return at < t->size - t->text_at ? (const char *)t->bytes + t->text_at + at : "?";
}

static SMALL const char *view_file(const struct symtab_view *t, uint32_t file)
{
    if (file == 0 || file > (t->text_at - t->files_at) / 4)
        return "?";
    return view_text(t, get32(t->bytes + t->files_at + (file - 1) * 4));
}

/* One record of the inlines; its chain goes down [symbol.2]. */
struct inlined {
    uint32_t outer_at, name, call_file, call_line;
};

static SMALL bool inlined_read(const struct symtab_view *t, uint32_t inline_at, struct inlined *out)
{
    uint32_t bytes = t->files_at - t->inlines_at;

    if (inline_at == 0 || inline_at > bytes)
        return false;

    const unsigned char *records = t->bytes + t->inlines_at;
    struct cursor c = {records + inline_at - 1, records + bytes, false};
    uint32_t back = cursor_uleb(&c);

    out->outer_at = back && back < inline_at ? inline_at - back : 0;
    out->name = cursor_uleb(&c);
    out->call_file = cursor_uleb(&c);
    out->call_line = cursor_uleb(&c);
    return !c.bad;
}

/* The last block that begins at or before addr; false if there is none. */
static bool block_find(const struct symtab_view *t, uint64_t addr, struct cursor *c,
                       uint64_t *start)
{
    const unsigned char *blocks = t->bytes + t->blocks_at;
    uint32_t low = 0, high = t->n_blocks;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (t->base + get32(blocks + (size_t)mid * 8) <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0)
        return false;

    const unsigned char *block = blocks + (size_t)(low - 1) * 8;
    uint32_t at = get32(block + 4), ops_bytes = t->inlines_at - t->ops_at;
    if (at >= ops_bytes)
        return false;
    *start = t->base + get32(block);
    *c = (struct cursor){t->bytes + t->ops_at + at, t->bytes + t->inlines_at, false};
    return true;
}

/* Apply one op to *next. Returns true when it ended a row. */
static SMALL bool op_apply(const struct symtab_view *t, struct cursor *c, unsigned char op,
                           struct state *next, bool *starts)
{
    struct inlined in;

    switch (op) {
    case SYMTAB_OP_ADVANCE:
        next->addr += cursor_uleb(c);
        return false;
    case SYMTAB_OP_LINE:
        next->line += cursor_sleb(c);
        return false;
    case SYMTAB_OP_FILE:
        next->file = cursor_uleb(c);
        return false;
    case SYMTAB_OP_FUNCTION:
        next->function_at = cursor_uleb(c) + 1;
        next->inline_at = 0;
        *starts = true;
        return false;
    case SYMTAB_OP_NONE:
        next->function_at = next->inline_at = next->file = next->line = 0;
        return false;
    case SYMTAB_OP_INLINE:
        next->inline_at += cursor_sleb(c);
        return false;
    case SYMTAB_OP_OUTER:
        if (!inlined_read(t, next->inline_at, &in))
            c->bad = true;
        else
            *next = (struct state){next->addr,  next->function_start, next->function_at,
                                   in.outer_at, in.call_file,         in.call_line};
        return false;
    }
    op -= SYMTAB_ROW_MIN;
    next->addr += op / SYMTAB_LINES;
    next->line += (uint32_t)(op % SYMTAB_LINES + SYMTAB_LINE_MIN);
    if (*starts)
        next->function_start = next->addr;
    *starts = false;
    return true;
}

/* The state at addr; false if the table does not say. */
static SMALL bool state_find(const struct symtab_view *t, uint64_t addr, struct state *now)
{
    struct cursor c;
    struct state next;
    bool starts = false;

    if (addr < t->base || addr >= t->end || !block_find(t, addr, &c, &next.addr))
        return false;
    next.function_at = cursor_uleb(&c);
    next.function_start = next.addr - cursor_uleb(&c);
    next.inline_at = cursor_uleb(&c);
    next.file = cursor_uleb(&c);
    next.line = cursor_uleb(&c);
    *now = next;
    for (;;) {
        unsigned char op = cursor_u8(&c);

        if (op == SYMTAB_OP_END || c.bad)
            return !c.bad && now->function_at != 0;
        if (op_apply(t, &c, op, &next, &starts)) {
            if (next.addr > addr)
                return !c.bad && now->function_at != 0;
            *now = next;
        }
    }
}

bool symbol_lookup_in(const void *bytes, size_t size, uintptr_t pc, struct symbol *out)
{
    struct symtab_view t;
    struct state now;
    struct inlined in;

    *out = (struct symbol){.name = "?", .file = "?"};
    if (!view_open(bytes, size, &t) || !state_find(&t, pc, &now))
        return false;
    out->offset = pc - now.function_start;
    out->file = view_file(&t, now.file);
    out->line = now.line;
    out->function_at = now.function_at - 1;
    out->name = view_text(&t, out->function_at);
    if (now.inline_at && inlined_read(&t, now.inline_at, &in)) {
        out->inlined = true;
        out->inline_at = now.inline_at;
        out->name = view_text(&t, in.name);
    }
    return true;
}

bool symbol_outer_in(const void *bytes, size_t size, struct symbol *sym)
{
    struct symtab_view t;
    struct inlined in, outer;

    if (!sym->inlined || !view_open(bytes, size, &t) || !inlined_read(&t, sym->inline_at, &in))
        return false;
    sym->file = view_file(&t, in.call_file);
    sym->line = in.call_line;
    sym->inlined = inlined_read(&t, in.outer_at, &outer);
    sym->inline_at = in.outer_at;
    sym->name = view_text(&t, sym->inlined ? outer.name : sym->function_at);
    return true;
}

bool symbol_table_ok_in(const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    struct symtab_view t;

    return view_open(bytes, size, &t) && get32(b + offsetof(struct symtab_header, checksum)) ==
                                             symtab_checksum(b + sizeof(struct symtab_header),
                                                             t.size - sizeof(struct symtab_header));
}

#ifndef INGOT_HOST
/* From the linker script: the section .symtab_rt, empty in the first link. */
extern const unsigned char __symtab_start[], __symtab_end[];

static size_t table_bytes(void)
{
    return (size_t)((uintptr_t)__symtab_end - (uintptr_t)__symtab_start);
}

bool symbol_lookup(uintptr_t pc, struct symbol *out)
{
    return symbol_lookup_in(__symtab_start, table_bytes(), pc, out);
}

bool symbol_outer(struct symbol *sym)
{
    return symbol_outer_in(__symtab_start, table_bytes(), sym);
}

bool symbol_table_ok(void)
{
    return symbol_table_ok_in(__symtab_start, table_bytes());
}
#endif
