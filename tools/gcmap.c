/*
 * tools/gcmap.c - writes exact pointer maps into a linked image; refuses what they can't describe.
 *
 *     gcmap IMAGE            fill the maps, in place
 *     gcmap --check IMAGE    only report; the image stays as it is
 *     gcmap --dump IMAGE     print each collected type with its map; the image stays as it is
 *     gcmap --pool FILE.S IMAGE   write a section rt_typemaps of the size that IMAGE needs; the
 *                                 image stays as it is
 *
 * WHAT. gc_new(T) leaves a static record in rt_types that ends in `T *witness[0]`. The compiler
 * describes that variable, and so T, in DWARF. For each record this tool walks T and writes which
 * words hold collected pointers. Roots (gc_root) lie in rt_roots; each has an entry in rt_rootdesc,
 * which names its record.
 *
 * WHAT A WORD IS. A pointer under a const is a collected one, for gc(T) is "const T": the const
 * may be on the pointer, on the array, or on the struct round it (a slice is gc(struct ints)). A
 * function pointer is data (but chan(T) is none, see is_channel()), and so is a volatile pointer
 * (gc_foreign), or one in a volatile struct. Any other pointer in a collected type is an error. A
 * word that is a pointer in one member of a union and data in another makes the whole type
 * conservative.
 *
 * INVARIANTS
 * [gcmap.1] A record that this tool does not understand keeps "unfilled": what is scanned too
 *           much is slow, what is scanned too little is lost.
 * [gcmap.2] With an error the image is not written.
 * [gcmap.3] The same types give the same maps, whatever the compiler, its level, the DWARF
 *           version.
 * [gcmap.4] Each variable in rt_roots has an entry in rt_rootdesc, or the image is refused.
 *
 * LAYOUT. As include/rt/gc.h: struct rt_type is 40 bytes, see the DESC_ offsets; struct
 * rt_root_desc begins with the address of its root. rt_typemaps is an array of uint64_t, zero at
 * first, where bitmaps of objects larger than 512 bytes are put.
 *
 * REJECTED. A map made by hand or by macros: it is wrong one day. Parsing C: the compiler has done
 * that.
 */
#include "tools/common/dwarf.h"
#include "tools/common/elf.h"
#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DESC_MASK = 0,
    DESC_SIZE = 8,
    DESC_ALIGN = 12,
    DESC_KIND = 14,
    DESC_MAP = 16,
    DESC_NAME = 24,
    DESC_BYTES = 40,
    ROOT_BYTES = 24, /* struct rt_root_desc */

    KIND_UNFILLED = 0,
    KIND_MASK = 1,
    KIND_NOSCAN = 2,
    KIND_BITMAP = 3,
    KIND_CONSERVATIVE = 4,

    WORD_DATA = 1,
    WORD_POINTER = 2,

    DEPTH_LIMIT = 64,
};

#define OBJECT_MAX (UINT64_C(1) << 28)

/* A range of the image between the linker's __start_NAME and __stop_NAME. */
struct area {
    uint64_t start, stop;
};

/* The words of an object, or of rt_roots, as a walk finds them. */
struct words {
    uint8_t *flags;
    uint64_t n;
    const char *type; /* whose, for messages */
};

struct type_key {
    const char *name; /* interned "struct node"; for an unnamed type unique */
    uint64_t bytes;
};

struct gcmap {
    struct elf elf;
    struct dwarf dw;
    struct area types, roots, rootdesc, typemaps;
    const char **errors, **notes;
    size_t n_errors, cap_errors, n_notes, cap_notes;
    struct type_key *collected;
    size_t n_collected, cap_collected;
    const char **dump;
    size_t n_dump, cap_dump;
    uint64_t *pool; /* the words of rt_typemaps */
    size_t n_pool, cap_pool;
};

static void error_add(struct gcmap *g, const char *text)
{
    text = util_intern(text);
    for (size_t i = 0; i < g->n_errors; i++)
        if (g->errors[i] == text)
            return;
    UTIL_PUSH(g->errors, g->n_errors, g->cap_errors) = text;
}

static struct area area_find(const struct elf *elf, const char *name)
{
    const struct elf_symbol *start = elf_symbol(elf, util_printf("__start_%s", name));
    const struct elf_symbol *stop = elf_symbol(elf, util_printf("__stop_%s", name));
    const struct elf_section *s = elf_section(elf, name);

    if (start && stop && start->value <= stop->value)
        return (struct area){start->value, stop->value};
    if (s && (s->flags & ELF_SHF_ALLOC) && s->addr + s->size >= s->addr)
        return (struct area){s->addr, s->addr + s->size};
    return (struct area){0, 0};
}

static bool area_has(const struct area *area, uint64_t addr)
{
    return addr >= area->start && addr < area->stop;
}

/* Types. */

static bool is_aggregate(unsigned tag)
{
    return tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

/* The definition of a struct that is only declared in this unit; itself if there is none. */
static uint32_t definition_of(const struct gcmap *g, uint32_t type)
{
    const struct dwarf_die *die = &g->dw.dies[type];

    if (!is_aggregate(die->tag) || !(die->has & DIE_DECLARATION) || !die->name)
        return type;
    for (uint32_t i = 0; i < g->dw.n_dies; i++) {
        const struct dwarf_die *other = &g->dw.dies[i];

        if (other->tag == die->tag && !(other->has & DIE_DECLARATION) && other->name &&
            strcmp(other->name, die->name) == 0)
            return i;
    }
    return type;
}

static struct type_key key_of(const struct gcmap *g, uint32_t type)
{
    const struct dwarf_die *die = &g->dw.dies[type = definition_of(g, type)];
    uint64_t bytes = 0;

    dwarf_sizeof(&g->dw, type, &bytes);
    return (struct type_key){util_intern(die->name ? dwarf_type_name(&g->dw, type)
                                                   : util_printf("unnamed %u", die->offset)),
                             bytes};
}

static bool is_collected(const struct gcmap *g, uint32_t type)
{
    struct type_key key = key_of(g, type);

    for (size_t i = 0; i < g->n_collected; i++)
        if (g->collected[i].name == key.name && g->collected[i].bytes == key.bytes)
            return true;
    return false;
}

/* Remember that objects of this type live on the collected heap. Only structs: an int * proves
 * nothing. */
static void collected_add(struct gcmap *g, uint32_t type)
{
    type = dwarf_strip(&g->dw, type, true);
    if (type != DIE_NONE && is_aggregate(g->dw.dies[type].tag) && !is_collected(g, type))
        UTIL_PUSH(g->collected, g->n_collected, g->cap_collected) = key_of(g, type);
}

/*
 * chan(T) is `T *(*)(struct rt_chan *)`: a pointer to a function for C's type checking only. In
 * truth it points to a collected channel.
 */
static bool is_channel(const struct gcmap *g, uint32_t function)
{
    const struct dwarf *dw = &g->dw;

    for (uint32_t i = function + 1; i < dw->dies[function].end; i = dw->dies[i].end) {
        if (dw->dies[i].tag != DW_TAG_formal_parameter)
            continue;
        uint32_t type = dwarf_strip(dw, dw->dies[i].type, true);
        if (type == DIE_NONE || dw->dies[type].tag != DW_TAG_pointer_type)
            return false;
        type = dwarf_strip(dw, dw->dies[type].type, true);
        return type != DIE_NONE && dw->dies[type].name &&
               strcmp(dw->dies[type].name, "rt_chan") == 0;
    }
    return false;
}

/* The function type that a pointer's target is, or DIE_NONE. */
static uint32_t function_of(const struct gcmap *g, uint32_t type)
{
    type = dwarf_strip(&g->dw, type, true);
    return type != DIE_NONE && g->dw.dies[type].tag == DW_TAG_subroutine_type ? type : DIE_NONE;
}

/* A pointer type's name, as the program says it. */
static const char *pointer_name(const struct gcmap *g, uint32_t pointer)
{
    uint32_t function = function_of(g, g->dw.dies[pointer].type);

    if (function == DIE_NONE || !is_channel(g, function))
        return dwarf_type_name(&g->dw, pointer);

    uint32_t result = dwarf_strip(&g->dw, g->dw.dies[function].type, true);
    if (result != DIE_NONE && g->dw.dies[result].tag == DW_TAG_pointer_type)
        result = g->dw.dies[result].type;
    return util_printf("chan(%s)", dwarf_type_name(&g->dw, result));
}

static void words_mark(struct words *w, uint64_t offset, uint64_t bytes, unsigned flag)
{
    if (bytes == 0 || offset / 8 >= w->n)
        return;

    uint64_t last = bytes > w->n * 8 - offset ? w->n - 1 : (offset + bytes - 1) / 8;
    for (uint64_t i = offset / 8; i <= last; i++)
        w->flags[i] |= (uint8_t)flag;
}

/* Where a walk is: what the fields on the way here said. */
struct path {
    uint64_t offset;
    bool collected;        /* a const was passed */
    bool foreign;          /* gc_foreign was passed */
    uint32_t owner, field; /* the struct and its member, DIE_NONE at the top */
    unsigned depth;
};

static void walk(struct gcmap *g, uint32_t type, struct path at, struct words *w);

static void plain_pointer(struct gcmap *g, uint32_t type, const struct path *at,
                          const struct words *w)
{
    const char *field = dwarf_name(&g->dw, at->field);
    const char *of = pointer_name(g, type);

    error_add(
        g, util_printf("%s: field '%s' of %s is a plain pointer (%s) in collected %s: "
                       "declare it gc(%s), or gc_foreign(%s) if it never holds a collected pointer",
                       dwarf_where(&g->dw, at->field), field ? field : "(unnamed)",
                       dwarf_type_name(&g->dw, at->owner), of, w->type, of, of));
}

static void walk_pointer(struct gcmap *g, uint32_t type, const struct path *at, struct words *w)
{
    uint32_t target = g->dw.dies[type].type, function = function_of(g, target);

    /* Without a field round it, it is a channel's element or the like: the runtime stores it. */
    if (at->collected || at->field == DIE_NONE) {
        if (at->offset % 8 != 0) {
            const char *field = at->field == DIE_NONE ? NULL : dwarf_name(&g->dw, at->field);

            error_add(
                g, util_printf("%s: field '%s' of %s lies at offset %llu: a collected pointer must "
                               "be aligned",
                               dwarf_where(&g->dw, at->field), field ? field : "(unnamed)", w->type,
                               (unsigned long long)at->offset));
            return;
        }
        words_mark(w, at->offset, 8, WORD_POINTER);
        collected_add(g, target);
    } else {
        words_mark(w, at->offset, 8, WORD_DATA);
        if (!at->foreign && (function == DIE_NONE || is_channel(g, function)))
            plain_pointer(g, type, at, w);
    }
}

static void walk_members(struct gcmap *g, uint32_t type, const struct path *at, struct words *w)
{
    for (uint32_t i = type + 1; i < g->dw.dies[type].end; i = g->dw.dies[i].end) {
        const struct dwarf_die *member = &g->dw.dies[i];
        struct path next = *at;

        if (member->tag != DW_TAG_member)
            continue;
        if (member->has & DIE_BITFIELD)
            continue; /* no pointer can be there */
        next.offset += member->member_at;
        next.owner = type;
        next.field = i;
        walk(g, member->type, next, w);
    }
}

/* Number of elements; a flexible or zero-length tail has none. */
static uint64_t element_count(const struct gcmap *g, uint32_t array)
{
    uint64_t total = 1;
    bool any = false;

    for (uint32_t i = array + 1; i < g->dw.dies[array].end; i++) {
        const struct dwarf_die *die = &g->dw.dies[i];

        if (die->tag != DW_TAG_subrange_type)
            continue;
        any = true;
        if (!(die->has & DIE_COUNT) || __builtin_mul_overflow(total, die->count, &total))
            return 0;
    }
    return any ? total : 0;
}

static void walk_array(struct gcmap *g, uint32_t type, struct path at, struct words *w)
{
    uint32_t element = g->dw.dies[type].type;
    uint32_t bare = dwarf_strip(&g->dw, element, true);
    uint64_t count = element_count(g, type), bytes = 0;

    if (bare == DIE_NONE || count == 0 || !dwarf_sizeof(&g->dw, element, &bytes) || bytes == 0)
        return;

    unsigned tag = g->dw.dies[bare].tag;
    if (tag == DW_TAG_base_type || tag == DW_TAG_enumeration_type) {
        uint64_t total;

        if (__builtin_mul_overflow(count, bytes, &total))
            total = UINT64_MAX;
        words_mark(w, at.offset, total, WORD_DATA);
        return;
    }
    for (uint64_t i = 0; i < count && at.offset / 8 < w->n; i++, at.offset += bytes)
        walk(g, element, at, w);
}

static void walk(struct gcmap *g, uint32_t type, struct path at, struct words *w)
{
    uint64_t bytes;

    for (unsigned i = 0; type != DIE_NONE && i < DEPTH_LIMIT; i++) {
        unsigned tag = g->dw.dies[type].tag;

        if (tag == DW_TAG_const_type)
            at.collected = true;
        else if (tag == DW_TAG_volatile_type)
            at.foreign = true;
        else if (tag != DW_TAG_typedef && tag != DW_TAG_restrict_type && tag != DW_TAG_atomic_type)
            break;
        type = g->dw.dies[type].type;
    }
    if (type == DIE_NONE || at.offset / 8 >= w->n)
        return;
    if (at.depth++ > DEPTH_LIMIT)
        util_die("%s: %s is nested too deeply", g->elf.path, w->type);
    type = definition_of(g, type);
    switch (g->dw.dies[type].tag) {
    case DW_TAG_pointer_type:
        walk_pointer(g, type, &at, w);
        break;
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
        walk_members(g, type, &at, w);
        break;
    case DW_TAG_array_type:
        walk_array(g, type, at, w);
        break;
    default:
        if (dwarf_sizeof(&g->dw, type, &bytes))
            words_mark(w, at.offset, bytes, WORD_DATA);
    }
}

/* Maps. */

static uint64_t word_bits(const struct words *w, uint64_t from)
{
    uint64_t bits = 0;

    for (uint64_t i = 0; i < 64 && from + i < w->n; i++)
        bits |= (uint64_t)((w->flags[from + i] & WORD_POINTER) != 0) << i;
    return bits;
}

/*
 * Index in the pool of a bitmap with these bits: one that is there already, or a new one. The pool
 * is collected here and written into the image, or into an assembler file, at the end.
 */
static uint64_t pool_put(struct gcmap *g, const struct words *w)
{
    uint64_t need = (w->n + 63) / 64;

    for (uint64_t at = 0; at + need <= g->n_pool; at++) {
        uint64_t same = 0;

        while (same < need && g->pool[at + same] == word_bits(w, same * 64))
            same++;
        if (same == need)
            return at;
    }
    for (uint64_t i = 0; i < need; i++)
        UTIL_PUSH(g->pool, g->n_pool, g->cap_pool) = word_bits(w, i * 64);
    return g->n_pool - need;
}

static void pool_write(struct gcmap *g)
{
    uint64_t room = (g->typemaps.stop - g->typemaps.start) / 8;
    uint8_t *pool = room ? elf_at(&g->elf, g->typemaps.start, room * 8) : NULL;

    if (g->n_pool == 0)
        return;
    if (!pool || g->n_pool > room)
        util_die(
            "%s: rt_typemaps has room for %llu words, but the bitmaps of objects above 512 bytes "
            "need %llu: enlarge rt_typemap_pool, or link the result of --pool",
            g->elf.path, (unsigned long long)(pool ? room : 0), (unsigned long long)g->n_pool);
    for (uint64_t i = 0; i < g->n_pool; i++)
        elf_put(pool + i * 8, 8, g->pool[i]);
}

static void pool_write_assembler(const struct gcmap *g, const char *path)
{
    char *text = util_printf("/* Made by tools/gcmap.c: room for the bitmaps of large objects. */\n"
                             "    .section rt_typemaps, \"a\", @progbits\n    .balign 8\n"
                             "    .zero %llu\n"
                             "    .section .note.GNU-stack, \"\", @progbits\n",
                             (unsigned long long)g->n_pool * 8);

    util_write_file(path, text, strlen(text));
}

static const char *string_at(const struct elf *elf, uint64_t addr)
{
    const struct elf_section *s = elf_section_at(elf, addr);
    const uint8_t *text = elf_at(elf, addr, 1);

    return text && memchr(text, 0, s->size - (addr - s->addr)) ? (const char *)text : NULL;
}

static unsigned words_kind(const struct words *w, bool *conflict)
{
    unsigned all = 0;

    *conflict = false;
    for (uint64_t i = 0; i < w->n; i++) {
        all |= w->flags[i];
        *conflict |= (w->flags[i] & (WORD_DATA | WORD_POINTER)) == (WORD_DATA | WORD_POINTER);
    }
    if (*conflict)
        return KIND_CONSERVATIVE;
    if (!(all & WORD_POINTER))
        return KIND_NOSCAN;
    return w->n <= 64 ? KIND_MASK : KIND_BITMAP;
}

static void dump_add(struct gcmap *g, const char *name, uint64_t bytes, unsigned align,
                     unsigned kind, const struct words *w)
{
    static const char *const names[] = {"unfilled", "mask", "noscan", "bitmap", "conservative"};
    char *text = util_printf("%s: %llu bytes, align %u, %s", name, (unsigned long long)bytes, align,
                             names[kind]);

    if (kind == KIND_MASK || kind == KIND_BITMAP)
        for (uint64_t i = 0; i < (w->n + 63) / 64; i++)
            text = util_printf("%s %llx", text, (unsigned long long)word_bits(w, i * 64));
    UTIL_PUSH(g->dump, g->n_dump, g->cap_dump) = util_intern(text);
}

/* The T of a descriptor's `T *witness[0]`; DIE_NONE if the variable has no such member. */
static uint32_t witness_of(const struct gcmap *g, uint32_t variable, bool *found)
{
    const struct dwarf *dw = &g->dw;
    uint32_t type = dwarf_strip(dw, dwarf_type(dw, variable), true);

    *found = false;
    if (type == DIE_NONE || !is_aggregate(dw->dies[type].tag))
        return DIE_NONE;
    for (uint32_t i = type + 1; i < dw->dies[type].end; i = dw->dies[i].end) {
        uint32_t array, pointer;

        if (dw->dies[i].tag != DW_TAG_member || !dw->dies[i].name ||
            strcmp(dw->dies[i].name, "witness") != 0)
            continue;
        array = dwarf_strip(dw, dw->dies[i].type, true);
        if (array == DIE_NONE || dw->dies[array].tag != DW_TAG_array_type)
            continue;
        pointer = dwarf_strip(dw, dw->dies[array].type, true);
        if (pointer == DIE_NONE || dw->dies[pointer].tag != DW_TAG_pointer_type)
            continue;
        *found = true;
        return dw->dies[pointer].type;
    }
    return DIE_NONE;
}

static void descriptor_fill(struct gcmap *g, uint32_t variable, uint64_t addr)
{
    uint8_t *desc = elf_at(&g->elf, addr, DESC_BYTES);
    bool has_witness, conflict;
    uint32_t type = witness_of(g, variable, &has_witness);
    uint64_t bytes, stated;

    if (!desc)
        util_die("%s: the descriptor at 0x%llx is not in the file", g->elf.path,
                 (unsigned long long)addr);
    if (!has_witness)
        return; /* the runtime's own: its kind is set by hand */
    stated = elf_get(desc + DESC_SIZE, 4);

    const char *name = string_at(&g->elf, elf_get(desc + DESC_NAME, 8));
    if (!name)
        name = dwarf_type_name(&g->dw, type);
    if (type == DIE_NONE || !dwarf_sizeof(&g->dw, type, &bytes)) {
        uint32_t bare = dwarf_strip(&g->dw, type, true);

        if (bare == DIE_NONE || !dwarf_sizeof(&g->dw, definition_of(g, bare), &bytes))
            return; /* no such type in DWARF: stays conservative [gcmap.1] */
    }
    if (bytes != stated)
        util_die("%s: the descriptor of %s says %llu bytes, DWARF says %llu", g->elf.path, name,
                 (unsigned long long)stated, (unsigned long long)bytes);
    if (bytes > OBJECT_MAX)
        util_die("%s: %s is larger than %llu bytes", g->elf.path, name,
                 (unsigned long long)OBJECT_MAX);

    struct words w = {util_alloc(bytes / 8 + 2), (bytes + 7) / 8, name};
    struct path top = {.owner = DIE_NONE, .field = DIE_NONE};
    walk(g, type, top, &w);
    collected_add(g, type);

    unsigned kind = words_kind(&w, &conflict);
    elf_put(desc + DESC_MASK, 8, kind == KIND_MASK ? word_bits(&w, 0) : 0);
    elf_put(desc + DESC_MAP, 8, kind == KIND_BITMAP ? g->typemaps.start + pool_put(g, &w) * 8 : 0);
    desc[DESC_KIND] = (uint8_t)kind;
    dump_add(g, name, bytes, (unsigned)elf_get(desc + DESC_ALIGN, 2), kind, &w);
}

static void descriptors_fill(struct gcmap *g)
{
    uint64_t bytes = g->types.stop - g->types.start;
    bool *done =
        util_alloc(bytes / 8 + 1); /* by address: an inlined function describes its record again */

    for (uint32_t i = 0; i < g->dw.n_dies; i++) {
        const struct dwarf_die *die = &g->dw.dies[i];
        uint64_t at = die->addr - g->types.start;

        if (die->tag != DW_TAG_variable || !(die->has & DIE_ADDR) ||
            !area_has(&g->types, die->addr) || done[at / 8])
            continue;
        descriptor_fill(g, i, die->addr);
        done[at / 8] = true;
    }
    for (uint64_t at = 0; bytes % DESC_BYTES == 0 && at < bytes; at += DESC_BYTES) {
        const uint8_t *desc = elf_at(&g->elf, g->types.start + at, DESC_BYTES);
        const char *name = desc ? string_at(&g->elf, elf_get(desc + DESC_NAME, 8)) : NULL;

        if (desc && !done[at / 8] && desc[DESC_KIND] == KIND_UNFILLED)
            UTIL_PUSH(g->notes, g->n_notes, g->cap_notes) = util_intern(
                util_printf("note: %s has no debug information: it is scanned conservatively",
                            name ? name : "a record in rt_types"));
    }
}

/* Does some entry of rt_rootdesc name the root at addr? */
static bool root_is_described(const struct gcmap *g, uint64_t addr)
{
    for (uint64_t at = g->rootdesc.start; at < g->rootdesc.stop; at += ROOT_BYTES) {
        const uint8_t *entry = elf_at(&g->elf, at, ROOT_BYTES);

        if (entry && elf_get(entry, 8) == addr)
            return true;
    }
    return false;
}

/* Roots get their maps as records like any other; here they are only judged. */
static void roots_check(struct gcmap *g)
{
    for (uint32_t i = 0; i < g->dw.n_dies; i++) {
        const struct dwarf_die *die = &g->dw.dies[i];
        struct path at = {.owner = DIE_NONE, .field = DIE_NONE};
        uint64_t bytes;

        if (die->tag != DW_TAG_variable || !(die->has & DIE_ADDR) ||
            !area_has(&g->roots, die->addr))
            continue;
        uint32_t type = dwarf_type(&g->dw, i);
        const char *name = dwarf_name(&g->dw, i);
        name = name ? name : "(unnamed)";
        if (!dwarf_sizeof(&g->dw, type, &bytes) || bytes > OBJECT_MAX)
            continue;
        struct words w = {util_alloc(bytes / 8 + 2), (bytes + 7) / 8, util_printf("root %s", name)};
        walk(g, type, at, &w);
        if (!root_is_described(g, die->addr))
            error_add(
                g,
                util_printf("%s: global '%s' is in rt_roots, but no entry in rt_rootdesc names it: "
                            "declare it gc_root",
                            dwarf_where(&g->dw, i), name));
    }
}

/* Globals. */

/* Has the type that qualifier on its outside, under typedefs? Volatile is gc_foreign(). */
static bool is_qualified(const struct gcmap *g, uint32_t type, unsigned qualifier)
{
    for (unsigned i = 0; type != DIE_NONE && i < DEPTH_LIMIT; i++, type = g->dw.dies[type].type) {
        unsigned tag = g->dw.dies[type].tag;

        if (tag == qualifier)
            return true;
        if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type &&
            tag != DW_TAG_restrict_type)
            return false;
    }
    return false;
}

/*
 * Name of the collected type that a variable of this type can point to; NULL if there is none.
 * `unset`: the variable starts as zeros, so what is const in it is gc(T): nothing but gc_set() and
 * gc_copy() could make it useful.
 */
static const char *can_hold(const struct gcmap *g, uint32_t type, bool unset, bool is_const,
                            unsigned depth)
{
    uint32_t bare = dwarf_strip(&g->dw, type, true);
    const char *held = NULL;

    if (bare == DIE_NONE || depth > DEPTH_LIMIT || is_qualified(g, type, DW_TAG_volatile_type))
        return NULL;
    bare = definition_of(g, bare);
    is_const = is_const || is_qualified(g, type, DW_TAG_const_type);

    const struct dwarf_die *die = &g->dw.dies[bare];
    if (die->tag == DW_TAG_pointer_type) {
        uint32_t target = dwarf_strip(&g->dw, die->type, true);

        if (target != DIE_NONE && function_of(g, target) != DIE_NONE)
            return is_channel(g, target) ? pointer_name(g, bare) : NULL;
        if (target != DIE_NONE && is_aggregate(g->dw.dies[target].tag) && is_collected(g, target))
            return dwarf_type_name(&g->dw, target);
        return unset && is_const ? pointer_name(g, bare) : NULL;
    }
    if (die->tag == DW_TAG_array_type)
        return can_hold(g, die->type, unset, is_const, depth + 1);
    if (!is_aggregate(die->tag))
        return NULL;
    for (uint32_t i = bare + 1; i < die->end && !held; i = g->dw.dies[i].end)
        if (g->dw.dies[i].tag == DW_TAG_member)
            held = can_hold(g, g->dw.dies[i].type, unset, is_const, depth + 1);
    return held;
}

static void check_globals(struct gcmap *g)
{
    for (uint32_t i = 0; i < g->dw.n_dies; i++) {
        const struct dwarf_die *die = &g->dw.dies[i];

        if (die->tag != DW_TAG_variable || !(die->has & DIE_ADDR) ||
            area_has(&g->roots, die->addr) || area_has(&g->types, die->addr) ||
            area_has(&g->rootdesc, die->addr))
            continue;

        const struct elf_section *s = elf_section_at(&g->elf, die->addr);
        if (!s || !(s->flags & ELF_SHF_WRITE))
            continue; /* what is read-only was filled by the linker */
        const char *held = can_hold(g, dwarf_type(&g->dw, i), s->type == ELF_SHT_NOBITS, false, 0);
        const char *name = dwarf_name(&g->dw, i);
        if (held)
            error_add(g, util_printf("%s: global '%s' can hold collected '%s': declare it gc_root",
                                     dwarf_where(&g->dw, i), name ? name : "(unnamed)", held));
    }
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_sorted(const char **lines, size_t n, FILE *to)
{
    if (n)
        qsort(lines, n, sizeof *lines, text_compare);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || lines[i] != lines[i - 1])
            fprintf(to, "%s\n", lines[i]);
}

/* Everything but reading the file and writing it back. */
static void gcmap_run(struct gcmap *g, const char *root)
{
    dwarf_open(&g->dw, &g->elf, root);
    g->types = area_find(&g->elf, "rt_types");
    g->roots = area_find(&g->elf, "rt_roots");
    g->rootdesc = area_find(&g->elf, "rt_rootdesc");
    g->typemaps = area_find(&g->elf, "rt_typemaps");
    descriptors_fill(g);
    roots_check(g);
    check_globals(g);
}

int main(int argc, char **argv)
{
    bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
    bool dump = argc == 3 && strcmp(argv[1], "--dump") == 0;
    bool pool = argc == 4 && strcmp(argv[1], "--pool") == 0;
    struct gcmap g = {0};
    char cwd[4096];

    util_program = "gcmap";
    if (argc != 2 + (check || dump) + 2 * pool || argv[argc - 1][0] == '-') {
        fprintf(stderr, "usage: gcmap [--check | --dump | --pool FILE.S] IMAGE\n");
        return 2;
    }
    elf_open(&g.elf, argv[argc - 1]);
    gcmap_run(&g, getcwd(cwd, sizeof cwd) ? cwd : "");
    if (dump)
        print_sorted(g.dump, g.n_dump, stdout);
    print_sorted(g.notes, g.n_notes, stderr);
    print_sorted(g.errors, g.n_errors, stderr);
    if (g.n_errors)
        return 1;
    if (pool)
        pool_write_assembler(&g, argv[2]);
    if (check || dump || pool)
        return 0;
    pool_write(&g);
    util_write_file(argv[1], g.elf.data, g.elf.size);
    return 0;
}
