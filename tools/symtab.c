/*
 * tools/symtab.c - makes the symbol and line table that reports in the image read by lib/symbol.c.
 *
 *     symtab [--root DIR] -o TABLE IMAGE      write the table of IMAGE as raw bytes
 *     symtab [--root DIR] -S -o FILE.S IMAGE  the same as assembler text, for .symtab_rt
 *     symtab [--root DIR] --verify IMAGE      the table in IMAGE is the one that IMAGE needs
 *     symtab --lookup HEXADDRESS IMAGE        print what the table in IMAGE says of an address
 *
 * WHAT. Functions come from .symtab, lines from .debug_line, inlined calls from .debug_info. The
 * format stands in lib/symbol.h.
 *
 * THE LINK. The image is linked twice: first without a table, then with the object that comes of
 * -S. In the linker script .symtab_rt must be the last section that has an address, after .bss, in
 * a read-only segment of its own:
 *
 *     .symtab_rt : ALIGN(4096) {
 *         __symtab_start = .; KEEP(*(.symtab_rt)) __symtab_end = .;
 *     } :symtab
 *
 * so that nothing else moves in the second link (symbols that lie behind it, such as the image's
 * end, may only be used as addresses). --verify proves that: it makes the table again from the
 * second link and compares it with the one inside.
 *
 * INVARIANTS
 * [symtab.1] Each address inside a function of .symtab is covered by that function; between
 *            functions no more than padding is.
 * [symtab.2] The same image gives the same table, byte for byte.
 * [symtab.3] The inlined call at an address is the deepest one whose ranges hold it.
 *
 * REJECTED. Growing a section in the finished file: the linker's symbols for the image's end would
 * be wrong. A table made before the link: no final addresses.
 */
#include "tools/common/dwarf.h"
#include "tools/common/elf.h"
#include "tools/common/util.h"

#include <lib/symbol.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROWS_PER_BLOCK = 128, /* a lookup decodes up to that many */
    GAP_MAX = 64,         /* alignment after a function still counts as its */
};

struct bytes {
    uint8_t *data;
    size_t n, cap;
};

struct function {
    uint64_t start, end;
    const char *name;
    int rank; /* of several symbols at an address the lowest names it */
};

/* An inlined call, and an interval of code that is its. */
struct call {
    const char *name, *file;
    uint32_t line, outer; /* outer: index in calls + 1, 0 is none */
    uint32_t at;          /* offset in inlines + 1 once written */
};

struct interval {
    uint64_t low, high;
    uint32_t depth, call;
};

struct change { /* from addr on the innermost call is `call` - 1; 0 is none */
    uint64_t addr;
    uint32_t call;
};

struct names { /* text that is stored once */
    const char *text;
    uint32_t at;
};

struct table {
    struct elf *elf;
    struct dwarf dw;
    struct function *functions;
    size_t n_functions, cap_functions;
    struct call *calls;
    size_t n_calls, cap_calls;
    struct interval *intervals;
    size_t n_intervals, cap_intervals;
    struct change *changes;
    size_t n_changes, cap_changes;
    struct dwarf_row *rows;
    size_t n_rows;
    struct names *names; /* sorted by the pointer of the interned text */
    size_t n_names, cap_names;
    const char **files;
    size_t n_files, cap_files;
    struct bytes blocks, ops, inlines, text;
    size_t n_blocks, n_out_rows;
};

static void put8(struct bytes *b, unsigned value)
{
    UTIL_PUSH(b->data, b->n, b->cap) = (uint8_t)value;
}

static void put32(struct bytes *b, uint64_t value)
{
    if (value > UINT32_MAX)
        util_die("the image's code spans more than 4 GiB");
    for (int i = 0; i < 4; i++)
        put8(b, (unsigned)(value >> 8 * i) & 255);
}

static void put_uleb(struct bytes *b, uint64_t value)
{
    if (value > UINT32_MAX)
        util_die("the image's code spans more than 4 GiB");
    for (; value >= 128; value >>= 7)
        put8(b, (unsigned)(value & 127) | 128);
    put8(b, (unsigned)value);
}

static void put_sleb(struct bytes *b, int64_t value) /* zigzag, as lib/symbol.c reads it */
{
    put_uleb(b, (uint32_t)((uint32_t)value << 1 ^ (uint32_t)(value >> 31)));
}

/* Functions. */

static int function_compare(const void *a, const void *b)
{
    const struct function *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank - y->rank;
    return strcmp(x->name, y->name);
}

static int symbol_rank(const struct elf_symbol *s)
{
    return (s->type != ELF_STT_FUNC) * 8 + (s->size == 0) * 4 + (s->bind == ELF_STB_LOCAL) * 2 +
           (s->name[0] == '_' && s->name[1] == '_');
}

static bool symbol_is_code(const struct elf *elf, const struct elf_symbol *s)
{
    if (s->type != ELF_STT_FUNC && s->type != ELF_STT_NOTYPE)
        return false;
    if (s->section == ELF_SHN_UNDEF || s->section >= elf->n_sections || !s->name[0] ||
        s->name[0] == '.' || s->name[0] == '$')
        return false;
    return elf_is_text(elf, s->value);
}

static void functions_read(struct table *t)
{
    const struct elf *elf = t->elf;
    size_t kept = 0;

    for (size_t i = 0; i < elf->n_symbols; i++) {
        const struct elf_symbol *s = &elf->symbols[i];

        if (symbol_is_code(elf, s) && s->value + s->size >= s->value)
            UTIL_PUSH(t->functions, t->n_functions, t->cap_functions) =
                (struct function){s->value, s->value + s->size, s->name, symbol_rank(s)};
    }
    if (t->n_functions == 0)
        return;
    qsort(t->functions, t->n_functions, sizeof *t->functions, function_compare);

    /* Drop other names of the same address, and labels inside a function. */
    for (size_t i = 0; i < t->n_functions; i++) {
        struct function *f = &t->functions[i], *last = kept ? &t->functions[kept - 1] : NULL;

        if (last && (f->start == last->start || (f->rank >= 8 && f->start < last->end)))
            continue;
        t->functions[kept++] = *f;
    }
    t->n_functions = kept;
    for (size_t i = 0; i < kept; i++) {
        struct function *f = &t->functions[i];
        const struct elf_section *section = elf_section_at(elf, f->start);
        uint64_t limit = section->addr + section->size;

        if (i + 1 < kept && f[1].start < limit)
            limit = f[1].start;
        if (f->end == f->start || f->end > limit || limit - f->end <= GAP_MAX)
            f->end = limit;
    }
}

/* Inlined calls. */

static void call_read(struct table *t, uint32_t index, uint32_t outer, uint32_t depth)
{
    struct dwarf *dw = &t->dw;
    const struct dwarf_die *die = &dw->dies[index];
    const char *name = dwarf_name(dw, index);
    struct dwarf_range *ranges;
    size_t n = dwarf_ranges(dw, index, &ranges);

    UTIL_PUSH(t->calls, t->n_calls, t->cap_calls) = (struct call){
        name ? name : "?", dwarf_file(dw, index, die->call_file), die->call_line, outer, 0};
    for (size_t i = 0; i < n; i++)
        if (elf_is_text(t->elf, ranges[i].low))
            UTIL_PUSH(t->intervals, t->n_intervals, t->cap_intervals) =
                (struct interval){ranges[i].low, ranges[i].high, depth, (uint32_t)t->n_calls};
}

static int interval_compare(const void *a, const void *b)
{
    const struct interval *x = a, *y = b;

    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return x->call < y->call ? -1 : x->call > y->call;
}

static void change_add(struct table *t, uint64_t addr, uint32_t call)
{
    if (t->n_changes && t->changes[t->n_changes - 1].addr == addr)
        t->changes[t->n_changes - 1].call = call;
    else
        UTIL_PUSH(t->changes, t->n_changes, t->cap_changes) = (struct change){addr, call};
}

/* Intervals, nested in one another, become the list of places where the innermost one changes. */
static void changes_make(struct table *t)
{
    struct interval *open = util_alloc((t->n_intervals + 1) * sizeof *open);
    size_t depth = 0;

    if (t->n_intervals)
        qsort(t->intervals, t->n_intervals, sizeof *t->intervals, interval_compare);
    for (size_t i = 0; i <= t->n_intervals; i++) {
        struct interval in =
            i < t->n_intervals ? t->intervals[i] : (struct interval){UINT64_MAX, UINT64_MAX, 0, 0};

        while (depth && open[depth - 1].high <= in.low) {
            depth--;
            change_add(t, open[depth].high, depth ? open[depth - 1].call : 0);
        }
        if (i == t->n_intervals)
            break;
        if (depth && in.high > open[depth - 1].high)
            in.high = open[depth - 1].high; /* not nested: keep to the order */
        change_add(t, in.low, in.call);
        open[depth++] = in;
    }
}

static void inlines_read(struct table *t)
{
    const struct dwarf *dw = &t->dw;
    struct {
        uint32_t end, call;
    } open[256];
    size_t depth = 0;

    for (uint32_t i = 0; i < dw->n_dies; i++) {
        while (depth && i >= open[depth - 1].end)
            depth--;
        if (dw->dies[i].tag == DW_TAG_subprogram) /* one within another starts anew */
            depth = 0;
        if (dw->dies[i].tag != DW_TAG_inlined_subroutine || depth == 256)
            continue;
        call_read(t, i, depth ? open[depth - 1].call : 0, (uint32_t)depth);
        open[depth].end = dw->dies[i].end;
        open[depth++].call = (uint32_t)t->n_calls;
    }
    changes_make(t);
}

/* Text. */

static int names_by_tail(const void *a, const void *b)
{
    const struct names *x = a, *y = b;
    size_t i = strlen(x->text), k = strlen(y->text);

    while (i && k)
        if (x->text[--i] != y->text[--k])
            return (unsigned char)x->text[i] < (unsigned char)y->text[k] ? 1 : -1;
    return i == k ? 0 : i > k ? -1 : 1; /* longer first: the shorter is its end */
}

static int names_by_text(const void *a, const void *b)
{
    return strcmp(((const struct names *)a)->text, ((const struct names *)b)->text);
}

static void name_add(struct table *t, const char *text)
{
    UTIL_PUSH(t->names, t->n_names, t->cap_names) = (struct names){text, 0};
}

static int text_pointer_compare(const void *a, const void *b)
{
    return names_by_text(a, b);
}

/* Store all names, each once, one that is the end of another inside that one. */
static void names_store(struct table *t)
{
    const char *last = "";
    size_t kept = 0;

    if (t->n_names == 0)
        name_add(t, "?");
    qsort(t->names, t->n_names, sizeof *t->names, names_by_tail);
    for (size_t i = 0; i < t->n_names; i++) {
        size_t len = strlen(t->names[i].text), last_len = strlen(last);

        if (i && last_len >= len && strcmp(last + last_len - len, t->names[i].text) == 0) {
            t->names[i].at = (uint32_t)(t->text.n - 1 - len);
            continue;
        }
        last = t->names[i].text;
        t->names[i].at = (uint32_t)t->text.n;
        for (size_t k = 0; k <= len; k++)
            put8(&t->text, (unsigned char)last[k]);
    }
    qsort(t->names, t->n_names, sizeof *t->names, text_pointer_compare);
    for (size_t i = 0; i < t->n_names; i++)
        if (i == 0 || strcmp(t->names[i].text, t->names[kept - 1].text) != 0)
            t->names[kept++] = t->names[i];
    t->n_names = kept;
}

static uint32_t name_at(const struct table *t, const char *text)
{
    struct names key = {text, 0};
    struct names *found = bsearch(&key, t->names, t->n_names, sizeof key, names_by_text);

    return found ? found->at : 0;
}

static uint32_t file_number(struct table *t, const char *file)
{
    if (!file || strcmp(file, "?") == 0)
        return 0;
    for (size_t i = t->n_files; i-- > 0;)
        if (t->files[i] == file) /* interned */
            return (uint32_t)i + 1;
    UTIL_PUSH(t->files, t->n_files, t->cap_files) = file;
    return (uint32_t)t->n_files;
}

/* Rows. */

struct row {
    uint64_t addr;
    const struct function *function; /* NULL: none */
    uint32_t call, file, line;
};

static int addr_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* All addresses at which something may change, each once. */
static uint64_t *edges_make(struct table *t, size_t *n)
{
    uint64_t *edges =
        util_alloc((2 * t->n_functions + t->n_rows + t->n_changes + 1) * sizeof *edges);
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < t->n_functions; i++) {
        edges[count++] = t->functions[i].start;
        edges[count++] = t->functions[i].end;
    }
    for (size_t i = 0; i < t->n_rows; i++)
        edges[count++] = t->rows[i].addr;
    for (size_t i = 0; i < t->n_changes; i++)
        edges[count++] = t->changes[i].addr;
    qsort(edges, count, sizeof *edges, addr_compare);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || edges[i] != edges[kept - 1])
            edges[kept++] = edges[i];
    *n = kept;
    return edges;
}

/* Join the three lists: one row for each place where function, call, file or line changes. */
static struct row *rows_join(struct table *t, size_t *n)
{
    size_t n_edges, cap = 0, function = 0, line = 0, change = 0;
    uint64_t *edges = edges_make(t, &n_edges);
    struct row *out = NULL, last = {0};

    *n = 0;
    for (size_t i = 0; i < n_edges; i++) {
        struct row row = {.addr = edges[i]};

        while (function < t->n_functions && t->functions[function].end <= row.addr)
            function++;
        while (line < t->n_rows && t->rows[line].addr <= row.addr)
            line++;
        while (change < t->n_changes && t->changes[change].addr <= row.addr)
            change++;
        if (function < t->n_functions && t->functions[function].start <= row.addr) {
            const struct dwarf_row *source = line ? &t->rows[line - 1] : NULL;

            row.function = &t->functions[function];
            if (source && source->file) {
                row.file = file_number(t, source->file);
                row.line = source->line;
            }
            if (change)
                row.call = t->changes[change - 1].call;
            /* "No line": the one before is nearest, where it is of the same call. */
            if (row.line == 0 && last.function == row.function && last.call == row.call) {
                row.file = last.file;
                row.line = last.line;
            }
        }
        if (*n && row.function == last.function && row.call == last.call && row.file == last.file &&
            row.line == last.line)
            continue;
        if (*n == 0 && !row.function)
            continue;
        UTIL_PUSH(out, *n, cap) = last = row;
    }
    return out;
}

/* Write the records of the inlined calls in use; those round a call go first [symbol.2]. */
static void call_write(struct table *t, uint32_t call)
{
    struct call *c = call ? &t->calls[call - 1] : NULL;

    if (!c || c->at)
        return;
    call_write(t, c->outer);

    uint32_t at = (uint32_t)t->inlines.n + 1;
    put_uleb(&t->inlines, c->outer ? at - t->calls[c->outer - 1].at : 0);
    put_uleb(&t->inlines, name_at(t, c->name));
    put_uleb(&t->inlines, file_number(t, c->file));
    put_uleb(&t->inlines, c->line);
    c->at = at;
}

static uint32_t call_at(const struct table *t, uint32_t call)
{
    return call ? t->calls[call - 1].at : 0;
}

static void block_write(struct table *t, const struct row *row, uint64_t base)
{
    if (t->n_blocks++)
        put8(&t->ops, SYMTAB_OP_END);
    put32(&t->blocks, row->addr - base);
    put32(&t->blocks, t->ops.n);
    put_uleb(&t->ops, row->function ? name_at(t, row->function->name) + 1 : 0);
    put_uleb(&t->ops, row->function ? row->addr - row->function->start : 0);
    put_uleb(&t->ops, call_at(t, row->call));
    put_uleb(&t->ops, row->file);
    put_uleb(&t->ops, row->line);
}

/* Ops from one row to the next. */
static void row_write(struct table *t, struct row last, const struct row *row)
{
    struct bytes *ops = &t->ops;
    uint64_t delta = row->addr - last.addr;

    if (!row->function) {
        put8(ops, SYMTAB_OP_NONE);
        last.file = last.line = 0;
    } else if (row->function != last.function) {
        put8(ops, SYMTAB_OP_FUNCTION);
        put_uleb(ops, name_at(t, row->function->name));
        last.call = 0;
    }
    if (row->function && row->call != last.call) {
        uint32_t outer = last.call ? t->calls[last.call - 1].outer : 0;

        if (last.call && row->call == outer) {
            put8(ops, SYMTAB_OP_OUTER);
            last.file = file_number(t, t->calls[last.call - 1].file);
            last.line = t->calls[last.call - 1].line;
        } else {
            put8(ops, SYMTAB_OP_INLINE);
            put_sleb(ops, (int64_t)call_at(t, row->call) - call_at(t, last.call));
        }
    }
    if (row->file != last.file) {
        put8(ops, SYMTAB_OP_FILE);
        put_uleb(ops, row->file);
    }

    int64_t lines = (int32_t)(row->line - last.line);
    if (lines < SYMTAB_LINE_MIN || lines >= SYMTAB_LINE_MIN + SYMTAB_LINES) {
        put8(ops, SYMTAB_OP_LINE);
        put_sleb(ops, lines);
        lines = 0;
    }
    if (delta >= SYMTAB_ADDRS) {
        put8(ops, SYMTAB_OP_ADVANCE);
        put_uleb(ops, delta - (SYMTAB_ADDRS - 1));
        delta = SYMTAB_ADDRS - 1;
    }
    put8(ops,
         SYMTAB_ROW_MIN + (unsigned)delta * SYMTAB_LINES + (unsigned)(lines - SYMTAB_LINE_MIN));
}

static void names_collect(struct table *t, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < t->n_functions; i++)
        name_add(t, t->functions[i].name);
    for (size_t i = 0; i < n; i++) {
        for (uint32_t call = rows[i].call; call; call = t->calls[call - 1].outer) {
            name_add(t, t->calls[call - 1].name);
            file_number(t, t->calls[call - 1].file);
        }
    }
    for (size_t i = 0; i < t->n_files; i++)
        name_add(t, t->files[i]);
    names_store(t);
}

static struct bytes table_join(struct table *t, uint64_t base, uint64_t end)
{
    const struct bytes *parts[] = {&t->blocks, &t->ops, &t->inlines, NULL, &t->text};
    struct bytes files = {0}, out = {0};
    uint32_t at[5];

    for (size_t i = 0; i < t->n_files; i++)
        put32(&files, name_at(t, t->files[i]));
    parts[3] = &files;
    for (size_t i = 0; i < sizeof(struct symtab_header); i++)
        put8(&out, 0);
    for (int i = 0; i < 5; i++) {
        at[i] = (uint32_t)out.n;
        for (size_t k = 0; k < parts[i]->n; k++)
            put8(&out, parts[i]->data[k]);
        if (out.n > UINT32_MAX / 2)
            util_die("the table exceeds 2 GiB");
    }

    struct symtab_header *where = NULL;
    memcpy(out.data, SYMTAB_MAGIC, sizeof where->magic);
    elf_put(out.data + offsetof(struct symtab_header, bytes), 4, out.n);
    elf_put(out.data + offsetof(struct symtab_header, checksum), 4,
            symtab_checksum(out.data + sizeof *where, out.n - sizeof *where));
    elf_put(out.data + offsetof(struct symtab_header, base), 8, base);
    elf_put(out.data + offsetof(struct symtab_header, end), 8, end);
    elf_put(out.data + offsetof(struct symtab_header, n_blocks), 4, t->n_blocks);
    for (int i = 0; i < 5; i++)
        elf_put(out.data + offsetof(struct symtab_header, blocks_at) + 4 * (size_t)i, 4, at[i]);
    return out;
}

/* The table of an image. */
static struct bytes symtab_make(struct table *t, struct elf *elf, const char *root)
{
    size_t n;

    *t = (struct table){.elf = elf};
    dwarf_open(&t->dw, elf, root);
    functions_read(t);
    t->rows = dwarf_rows(&t->dw, &t->n_rows);
    inlines_read(t);

    struct row *rows = rows_join(t, &n);
    uint64_t base = n ? rows[0].addr : 0;
    uint64_t end = t->n_functions ? t->functions[t->n_functions - 1].end : 0;

    names_collect(t, rows, n);
    for (size_t i = 0; i < n; i++)
        call_write(t, rows[i].call);
    for (size_t i = 0; i < n; i++) {
        if (i % ROWS_PER_BLOCK == 0)
            block_write(t, &rows[i], base);
        else
            row_write(t, rows[i - 1], &rows[i]);
    }
    put8(&t->ops, SYMTAB_OP_END);
    t->n_out_rows = n;
    return table_join(t, base, end);
}

static uint64_t text_bytes(const struct elf *elf)
{
    uint64_t total = 0;

    for (size_t i = 0; i < elf->n_sections; i++)
        if ((elf->sections[i].flags & ELF_SHF_EXEC) && (elf->sections[i].flags & ELF_SHF_ALLOC))
            total += elf->sections[i].size;
    return total;
}

static void print_figures(const struct table *t, const struct bytes *out)
{
    uint64_t text = text_bytes(t->elf);

    printf(
        "symtab: %zu bytes, %.1f %% of %llu bytes of code: %zu functions, %zu rows in %zu bytes, "
        "%zu inlined calls in %zu, index %zu, text %zu\n",
        out->n, text ? 100.0 * (double)out->n / (double)text : 0.0, (unsigned long long)text,
        t->n_functions, t->n_out_rows, t->ops.n, t->n_calls, t->inlines.n, t->blocks.n, t->text.n);
}

static void write_assembler(const char *path, const struct bytes *out)
{
    FILE *file = fopen(path, "w");

    if (!file)
        util_die("%s: can't be written", path);
    fprintf(file, "/* Made by tools/symtab.c. */\n"
                  "    .section .symtab_rt, \"a\", @progbits\n    .balign 16\n");
    for (size_t i = 0; i < out->n; i += 32) {
        fprintf(file, "    .byte ");
        for (size_t k = i; k < out->n && k < i + 32; k++)
            fprintf(file, "%s%u", k > i ? "," : "", out->data[k]);
        fprintf(file, "\n");
    }
    fprintf(file, "    .section .note.GNU-stack, \"\", @progbits\n");
    if (fclose(file) != 0)
        util_die("%s: can't be written", path);
}

static int verify(const struct elf *elf, const struct bytes *made)
{
    const struct elf_section *s = elf_section(elf, ".symtab_rt");

    if (!s || !s->data || s->size < sizeof(struct symtab_header))
        util_die("%s: no table in .symtab_rt", elf->path);
    if (!(s->flags & ELF_SHF_ALLOC))
        util_die("%s: .symtab_rt has no address in the image", elf->path);
    if (s->size < made->n || memcmp(s->data, made->data, made->n) != 0)
        util_die("%s: the table in .symtab_rt is not that of this image: code moved between the "
                 "two links, or the options differ",
                 elf->path);
    for (size_t i = 0; i < elf->n_sections; i++)
        if ((elf->sections[i].flags & ELF_SHF_ALLOC) && &elf->sections[i] != s &&
            elf->sections[i].size && elf->sections[i].addr > s->addr)
            util_die("%s: section %s lies behind .symtab_rt, which must be the last", elf->path,
                     elf->sections[i].name);
    return 0;
}

static void print_lookup(const struct elf *elf, const char *text)
{
    const struct elf_section *s = elf_section(elf, ".symtab_rt");
    uintptr_t pc = (uintptr_t)strtoull(text, NULL, 16);
    struct symbol sym;

    if (!s || !s->data)
        util_die("%s: no table in .symtab_rt", elf->path);
    symbol_lookup_in(s->data, s->size, pc, &sym);
    do
        printf("%s%s+0x%llx %s:%u", pc ? text : "", sym.inlined ? " (inlined) " : " ",
               (unsigned long long)sym.offset, sym.file, sym.line),
            printf(" %s\n", sym.name);
    while (symbol_outer_in(s->data, s->size, &sym));
}

static int usage(void)
{
    fprintf(stderr, "usage: symtab [--root DIR] [-q] [-S] -o OUTPUT IMAGE\n"
                    "       symtab [--root DIR] --verify IMAGE\n"
                    "       symtab --lookup HEXADDRESS IMAGE\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *output = NULL, *image = NULL, *root = NULL, *lookup = NULL;
    bool assembler = false, check = false, quiet = false;
    char cwd[4096];
    struct elf elf;
    struct table t;

    util_program = "symtab";
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "-o") == 0 && more)
            output = argv[++i];
        else if (strcmp(argv[i], "--root") == 0 && more)
            root = argv[++i];
        else if (strcmp(argv[i], "--lookup") == 0 && more)
            lookup = argv[++i];
        else if (strcmp(argv[i], "-S") == 0)
            assembler = true;
        else if (strcmp(argv[i], "-q") == 0)
            quiet = true;
        else if (strcmp(argv[i], "--verify") == 0)
            check = true;
        else if (argv[i][0] == '-' || image)
            return usage();
        else
            image = argv[i];
    }
    if (!image || (output != NULL) + check + (lookup != NULL) != 1)
        return usage();
    if (!root)
        root = getcwd(cwd, sizeof cwd) ? cwd : "";
    elf_open(&elf, image);
    if (lookup) {
        print_lookup(&elf, lookup);
        return 0;
    }

    struct bytes out = symtab_make(&t, &elf, root);
    if (check)
        return verify(&elf, &out);
    if (!quiet)
        print_figures(&t, &out);
    if (assembler)
        write_assembler(output, &out);
    else
        util_write_file(output, out.data, out.n);
    return 0;
}
