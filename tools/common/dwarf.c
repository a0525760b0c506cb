/*
 * tools/common/dwarf.c - see dwarf.h.
 *
 * INVARIANTS
 * [dwarf.1] Every read goes through a struct reader, so nothing outside a section is touched.
 * [dwarf.2] Chains (type, origin) are followed at most CHAIN_MAX steps: a cyclic file ends the tool
 *           or gives "unknown", it does not hang it.
 * [dwarf.3] die->type and die->origin are DIE_NONE or less than n_dies once dwarf_open() returned.
 * SOURCES. DWARF 5 (February 2017), chapters 2, 3, 6.2, 7; DWARF 4 (June 2010). DW_AT and DW_FORM
 * numbers are those of their tables 7.5 and 7.6.
 */
#include "tools/common/dwarf.h"

#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 64, DEPTH_MAX = 512 };

enum {
    AT_location = 0x02,
    AT_name = 0x03,
    AT_byte_size = 0x0b,
    AT_bit_size = 0x0d,
    AT_stmt_list = 0x10,
    AT_low_pc = 0x11,
    AT_high_pc = 0x12,
    AT_comp_dir = 0x1b,
    AT_upper_bound = 0x2f,
    AT_abstract_origin = 0x31,
    AT_count = 0x37,
    AT_data_member_location = 0x38,
    AT_decl_file = 0x3a,
    AT_decl_line = 0x3b,
    AT_declaration = 0x3c,
    AT_specification = 0x47,
    AT_type = 0x49,
    AT_ranges = 0x55,
    AT_call_file = 0x58,
    AT_call_line = 0x59,
    AT_data_bit_offset = 0x6b,
    AT_str_offsets_base = 0x72,
    AT_addr_base = 0x73,
    AT_rnglists_base = 0x74,
    AT_dwo_name = 0x76,
    AT_alignment = 0x88,
    AT_GNU_dwo_name = 0x2130,
};

enum {
    FORM_addr = 0x01,
    FORM_block2 = 0x03,
    FORM_block4 = 0x04,
    FORM_data2 = 0x05,
    FORM_data4 = 0x06,
    FORM_data8 = 0x07,
    FORM_string = 0x08,
    FORM_block = 0x09,
    FORM_block1 = 0x0a,
    FORM_data1 = 0x0b,
    FORM_flag = 0x0c,
    FORM_sdata = 0x0d,
    FORM_strp = 0x0e,
    FORM_udata = 0x0f,
    FORM_ref_addr = 0x10,
    FORM_ref1 = 0x11,
    FORM_ref2 = 0x12,
    FORM_ref4 = 0x13,
    FORM_ref8 = 0x14,
    FORM_ref_udata = 0x15,
    FORM_indirect = 0x16,
    FORM_sec_offset = 0x17,
    FORM_exprloc = 0x18,
    FORM_flag_present = 0x19,
    FORM_strx = 0x1a,
    FORM_addrx = 0x1b,
    FORM_ref_sup4 = 0x1c,
    FORM_strp_sup = 0x1d,
    FORM_data16 = 0x1e,
    FORM_line_strp = 0x1f,
    FORM_ref_sig8 = 0x20,
    FORM_implicit_const = 0x21,
    FORM_loclistx = 0x22,
    FORM_rnglistx = 0x23,
    FORM_ref_sup8 = 0x24,
    FORM_strx1 = 0x25,
    FORM_strx4 = 0x28,
    FORM_addrx1 = 0x29,
    FORM_addrx4 = 0x2c,
};

enum { UT_compile = 1, UT_type, UT_partial, UT_skeleton, UT_split_compile, UT_split_type };

struct spec {
    uint16_t at, form;
    int64_t implicit;
};

struct abbrev {
    uint64_t code;
    uint16_t tag;
    bool children;
    uint32_t first, n; /* in abbrevs.specs */
};

struct abbrevs {
    struct abbrevs *next;
    uint64_t offset;
    struct abbrev *list;
    size_t n, cap;
    struct spec *specs;
    size_t n_specs, cap_specs;
};

/* What a form gave. */
enum kind {
    KIND_NONE,
    KIND_NUMBER,
    KIND_ADDR,
    KIND_TEXT,
    KIND_REF,
    KIND_BLOCK,
    KIND_OFFSET,
    KIND_INDEX
};

struct value {
    enum kind kind;
    uint64_t number; /* KIND_REF: offset in .debug_info */
    const char *text;
    struct reader block;
};

/* State of one pass over .debug_info. */
struct parse {
    struct dwarf *dw;
    struct reader info, abbrev, str, line_str, str_offsets, addr;
    struct abbrevs *abbrevs;
};

static const char *text_at(struct reader *section, uint64_t offset)
{
    reader_seek(section, offset);
    return reader_string(section);
}

static uint64_t at_index(struct reader *section, uint64_t base, uint64_t index, unsigned bytes)
{
    if (index > (uint64_t)(section->end - section->start))
        reader_fail(section, "index out of range");
    reader_seek(section, base);
    reader_skip(section, index * bytes);
    return reader_uint(section, bytes);
}

static struct value read_form(struct parse *p, const struct dwarf_unit *unit, struct reader *r,
                              unsigned form, int64_t implicit)
{
    struct value v = {KIND_NUMBER, 0, NULL, *r};

    for (unsigned i = 0; form == FORM_indirect; i++) {
        form = (unsigned)reader_uleb(r);
        if (i == 8 || form == FORM_implicit_const)
            reader_fail(r, "bad indirect form");
    }
    switch (form) {
    case FORM_addr:
        v.kind = KIND_ADDR;
        v.number = reader_uint(r, unit->addr_bytes);
        break;
    case FORM_data1:
    case FORM_flag:
        v.number = reader_u8(r);
        break;
    case FORM_data2:
        v.number = reader_uint(r, 2);
        break;
    case FORM_data4:
        v.number = reader_uint(r, 4);
        break;
    case FORM_data8:
        v.number = reader_uint(r, 8);
        break;
    case FORM_data16:
        v.kind = KIND_BLOCK;
        v.block = reader_take(r, 16);
        break;
    case FORM_sdata:
        v.number = (uint64_t)reader_sleb(r);
        break;
    case FORM_udata:
        v.number = reader_uleb(r);
        break;
    case FORM_implicit_const:
        v.number = (uint64_t)implicit;
        break;
    case FORM_flag_present:
        v.number = 1;
        break;
    case FORM_sec_offset:
        v.kind = KIND_OFFSET;
        v.number = reader_uint(r, unit->offset_bytes);
        break;
    case FORM_string:
        v.kind = KIND_TEXT;
        v.text = reader_string(r);
        break;
    case FORM_strp:
        v.kind = KIND_TEXT;
        v.text = text_at(&p->str, reader_uint(r, unit->offset_bytes));
        break;
    case FORM_line_strp:
        v.kind = KIND_TEXT;
        v.text = text_at(&p->line_str, reader_uint(r, unit->offset_bytes));
        break;
    case FORM_strx:
    case FORM_strx1:
    case FORM_strx1 + 1:
    case FORM_strx1 + 2:
    case FORM_strx4:
        v.kind = KIND_TEXT;
        v.number = form == FORM_strx ? reader_uleb(r) : reader_uint(r, form - FORM_strx1 + 1);
        if (unit->str_offsets_base)
            v.text = text_at(&p->str, at_index(&p->str_offsets, unit->str_offsets_base, v.number,
                                               unit->offset_bytes));
        break; /* else: the unit's first die, read before its base is known; read again after */
    case FORM_addrx:
    case FORM_addrx1:
    case FORM_addrx1 + 1:
    case FORM_addrx1 + 2:
    case FORM_addrx4:
        v.kind = KIND_ADDR;
        v.number = form == FORM_addrx ? reader_uleb(r) : reader_uint(r, form - FORM_addrx1 + 1);
        if (unit->addr_base)
            v.number = at_index(&p->addr, unit->addr_base, v.number, unit->addr_bytes);
        break;
    case FORM_rnglistx:
    case FORM_loclistx:
        v.kind = KIND_INDEX;
        v.number = reader_uleb(r);
        break;
    case FORM_ref1:
    case FORM_ref2:
    case FORM_ref4:
    case FORM_ref8:
        v.kind = KIND_REF;
        v.number = unit->offset + reader_uint(r, 1u << (form - FORM_ref1));
        break;
    case FORM_ref_udata:
        v.kind = KIND_REF;
        v.number = unit->offset + reader_uleb(r);
        break;
    case FORM_ref_addr:
        v.kind = KIND_REF;
        v.number = reader_uint(r, unit->offset_bytes);
        break;
    case FORM_exprloc:
    case FORM_block:
        v.kind = KIND_BLOCK;
        v.block = reader_take(r, reader_uleb(r));
        break;
    case FORM_block1:
        v.kind = KIND_BLOCK;
        v.block = reader_take(r, reader_u8(r));
        break;
    case FORM_block2:
        v.kind = KIND_BLOCK;
        v.block = reader_take(r, reader_uint(r, 2));
        break;
    case FORM_block4:
        v.kind = KIND_BLOCK;
        v.block = reader_take(r, reader_uint(r, 4));
        break;
    case FORM_ref_sig8:
        util_die("%s: type units are not read: build without -fdebug-types-section", r->path);
    case FORM_ref_sup4:
    case FORM_ref_sup8:
    case FORM_strp_sup:
        util_die("%s: supplementary debug files are not read", r->path);
    default:
        reader_fail(r, "unknown form");
    }
    return v;
}

static struct abbrevs *abbrevs_read(struct parse *p, uint64_t offset)
{
    for (struct abbrevs *a = p->abbrevs; a; a = a->next)
        if (a->offset == offset)
            return a;

    struct abbrevs *a = util_alloc(sizeof *a);
    struct reader *r = &p->abbrev;

    a->offset = offset;
    a->next = p->abbrevs;
    p->abbrevs = a;
    reader_seek(r, offset);
    for (uint64_t code; (code = reader_uleb(r)) != 0;) {
        struct abbrev entry = {.code = code, .first = (uint32_t)a->n_specs};

        entry.tag = (uint16_t)reader_uleb(r);
        entry.children = reader_u8(r) != 0;
        for (;;) {
            struct spec spec = {0};

            spec.at = (uint16_t)reader_uleb(r);
            spec.form = (uint16_t)reader_uleb(r);
            if (spec.form == FORM_implicit_const)
                spec.implicit = reader_sleb(r);
            if (spec.at == 0 && spec.form == 0)
                break;
            UTIL_PUSH(a->specs, a->n_specs, a->cap_specs) = spec;
            entry.n++;
        }
        UTIL_PUSH(a->list, a->n, a->cap) = entry;
    }
    return a;
}

static const struct abbrev *abbrev_find(const struct abbrevs *a, uint64_t code)
{
    if (code - 1 < a->n && a->list[code - 1].code == code)
        return &a->list[code - 1];
    for (size_t i = 0; i < a->n; i++)
        if (a->list[i].code == code)
            return &a->list[i];
    return NULL;
}

/* A variable's place, if it is one fixed address. */
static void set_location(struct parse *p, const struct dwarf_unit *unit, struct dwarf_die *die,
                         struct reader expr)
{
    uint8_t op = expr.at < expr.end ? reader_u8(&expr) : 0;

    if (op == 0x03) /* DW_OP_addr */
        die->addr = reader_uint(&expr, unit->addr_bytes);
    else if ((op == 0xa1 || op == 0xfb) && unit->addr_base) /* DW_OP_addrx, DW_OP_GNU_addr_index */
        die->addr = at_index(&p->addr, unit->addr_base, reader_uleb(&expr), unit->addr_bytes);
    else
        return;
    if (expr.at == expr.end)
        die->has |= DIE_ADDR;
}

static void set_high_pc(struct dwarf_die *die, const struct value *v)
{
    die->high = v->number;
    die->has |= v->kind == KIND_ADDR ? DIE_HIGH_PC : DIE_HIGH_LEN;
}

static void set_member_at(struct dwarf_die *die, struct value *v)
{
    die->has |= DIE_MEMBER_AT;
    if (v->kind != KIND_BLOCK) {
        die->member_at = v->number;
    } else if (reader_u8(&v->block) == 0x23) { /* DW_OP_plus_uconst */
        die->member_at = reader_uleb(&v->block);
    } else {
        die->has &= (uint16_t)~DIE_MEMBER_AT;
    }
}

/* An attribute of a unit's first die that concerns the whole unit. */
static void unit_attribute(struct dwarf_unit *unit, unsigned at, const struct value *v)
{
    switch (at) {
    case AT_str_offsets_base:
        unit->str_offsets_base = v->number;
        break;
    case AT_addr_base:
        unit->addr_base = v->number;
        break;
    case AT_rnglists_base:
        unit->rnglists_base = v->number;
        break;
    case AT_stmt_list:
        unit->line_offset = v->number;
        break;
    case AT_comp_dir:
        unit->comp_dir = v->text;
        break;
    case AT_name:
        unit->name = v->text;
        break;
    case AT_dwo_name:
    case AT_GNU_dwo_name:
        util_die("split debug information is not read: build without -gsplit-dwarf");
    }
}

static void die_attribute(struct parse *p, const struct dwarf_unit *unit, struct dwarf_die *die,
                          unsigned at, struct value *v)
{
    switch (at) {
    case AT_name:
        die->name = v->text;
        break;
    case AT_type: /* an offset for now; dwarf_open() makes it an index */
        die->type = v->kind == KIND_REF ? (uint32_t)v->number : DIE_NONE;
        break;
    case AT_abstract_origin:
    case AT_specification:
        die->origin = v->kind == KIND_REF ? (uint32_t)v->number : DIE_NONE;
        break;
    case AT_location:
        if (v->kind == KIND_BLOCK)
            set_location(p, unit, die, v->block);
        break;
    case AT_low_pc:
        die->addr = v->number;
        die->has |= DIE_LOW_PC;
        break;
    case AT_high_pc:
        set_high_pc(die, v);
        break;
    case AT_ranges:
        die->ranges = v->number;
        die->has |= DIE_RANGES;
        if (v->kind == KIND_INDEX)
            die->has |= DIE_RANGES_X;
        break;
    case AT_byte_size:
        if (v->kind == KIND_NUMBER) {
            die->bytes = v->number;
            die->has |= DIE_BYTE_SIZE;
        }
        break;
    case AT_upper_bound:
    case AT_count:
        if (v->kind == KIND_NUMBER) {
            die->count = v->number + (at == AT_upper_bound);
            die->has |= DIE_COUNT;
        }
        break;
    case AT_data_member_location:
        set_member_at(die, v);
        break;
    case AT_bit_size:
    case AT_data_bit_offset:
        die->has |= DIE_BITFIELD;
        break;
    case AT_declaration:
        if (v->number)
            die->has |= DIE_DECLARATION;
        break;
    case AT_alignment:
        die->alignment = (uint32_t)v->number;
        die->has |= DIE_ALIGNMENT;
        break;
    case AT_decl_file:
        die->decl_file = (uint32_t)v->number;
        break;
    case AT_decl_line:
        die->decl_line = (uint32_t)v->number;
        break;
    case AT_call_file:
        die->call_file = (uint32_t)v->number;
        break;
    case AT_call_line:
        die->call_line = (uint32_t)v->number;
        break;
    }
}

/* clang leaves the bases out where a unit is the only user of the section: then behind
 * the header. */
static void default_bases(struct dwarf_unit *unit)
{
    uint64_t header = unit->offset_bytes == 8 ? 16 : 8;

    if (unit->version < 5)
        return;
    if (!unit->str_offsets_base)
        unit->str_offsets_base = header;
    if (!unit->addr_base)
        unit->addr_base = header;
}

static void unit_dies(struct parse *p, struct dwarf_unit *unit, uint32_t unit_index,
                      struct abbrevs *abbrevs, struct reader r)
{
    struct dwarf *dw = p->dw;
    uint32_t open[DEPTH_MAX];
    size_t depth = 0;

    unit->first = (uint32_t)dw->n_dies;
    while (r.at < r.end) {
        uint64_t offset = reader_offset(&r);
        uint64_t code = reader_uleb(&r);

        if (code == 0) {
            if (depth)
                dw->dies[open[--depth]].end = (uint32_t)dw->n_dies;
            continue;
        }

        const struct abbrev *abbrev = abbrev_find(abbrevs, code);
        if (!abbrev)
            reader_fail(&r, "unknown abbreviation");

        struct dwarf_die die = {.offset = (uint32_t)offset, .parent = DIE_NONE, .unit = unit_index};
        bool first = dw->n_dies == unit->first;

        die.tag = abbrev->tag;
        die.type = die.origin = DIE_NONE;
        die.parent = depth ? open[depth - 1] : DIE_NONE;
        for (unsigned pass = first ? 0 : 1; pass < 2; pass++) {
            struct reader again = r;

            for (uint32_t i = 0; i < abbrev->n; i++) {
                const struct spec *spec = &abbrevs->specs[abbrev->first + i];
                struct value v = read_form(p, unit, &again, spec->form, spec->implicit);

                if (first)
                    unit_attribute(unit, spec->at, &v);
                if (pass)
                    die_attribute(p, unit, &die, spec->at, &v);
            }
            if (pass)
                r = again;
            else
                default_bases(unit);
        }
        die.end = (uint32_t)dw->n_dies + 1;
        UTIL_PUSH(dw->dies, dw->n_dies, dw->cap_dies) = die;
        if (abbrev->children) {
            if (depth == DEPTH_MAX)
                reader_fail(&r, "entries nested too deeply");
            open[depth++] = (uint32_t)dw->n_dies - 1;
        }
    }
    while (depth)
        dw->dies[open[--depth]].end = (uint32_t)dw->n_dies;
    unit->last = (uint32_t)dw->n_dies;
}

/* "length" of DWARF 7.4: sets the unit's offset size and returns a cursor over what follows. */
static struct reader read_length(struct reader *r, uint8_t *offset_bytes)
{
    uint64_t length = reader_uint(r, 4);

    *offset_bytes = 4;
    if (length == 0xffffffff) {
        *offset_bytes = 8;
        length = reader_uint(r, 8);
    }
    return reader_take(r, length);
}

static void unit_read(struct parse *p)
{
    struct dwarf *dw = p->dw;
    struct dwarf_unit unit = {.kind = UT_compile, .line_offset = UINT64_MAX};
    uint64_t abbrev_offset;

    unit.offset = reader_offset(&p->info);
    struct reader r = read_length(&p->info, &unit.offset_bytes);
    unit.end = reader_offset(&p->info);
    if (unit.end >= DIE_NONE)
        reader_fail(&p->info, "too large");
    unit.version = (uint8_t)reader_uint(&r, 2);
    if (unit.version < 2 || unit.version > 5)
        reader_fail(&r, "DWARF version other than 2 to 5");
    if (unit.version == 5) {
        unit.kind = reader_u8(&r);
        unit.addr_bytes = reader_u8(&r);
        abbrev_offset = reader_uint(&r, unit.offset_bytes);
    } else {
        abbrev_offset = reader_uint(&r, unit.offset_bytes);
        unit.addr_bytes = reader_u8(&r);
    }
    if (unit.addr_bytes != 8)
        reader_fail(&r, "address size other than 8");
    if (unit.kind == UT_type || unit.kind == UT_split_type)
        util_die("%s: type units are not read: build without -fdebug-types-section", r.path);
    if (unit.kind == UT_skeleton || unit.kind == UT_split_compile)
        util_die("%s: split debug information is not read: build without -gsplit-dwarf", r.path);

    uint32_t index = (uint32_t)dw->n_units;
    unit_dies(p, &unit, index, abbrevs_read(p, abbrev_offset), r);
    UTIL_PUSH(dw->units, dw->n_units, dw->cap_units) = unit;
}

static uint32_t die_at(const struct dwarf *dw, uint32_t offset)
{
    size_t low = 0, high = dw->n_dies;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (dw->dies[mid].offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low < dw->n_dies && dw->dies[low].offset == offset ? (uint32_t)low : DIE_NONE;
}

void dwarf_open(struct dwarf *dw, const struct elf *elf, const char *root)
{
    struct parse p = {
        .dw = dw,
        .info = reader_of(elf, elf_section(elf, ".debug_info")),
        .abbrev = reader_of(elf, elf_section(elf, ".debug_abbrev")),
        .str = reader_of(elf, elf_section(elf, ".debug_str")),
        .line_str = reader_of(elf, elf_section(elf, ".debug_line_str")),
        .str_offsets = reader_of(elf, elf_section(elf, ".debug_str_offsets")),
        .addr = reader_of(elf, elf_section(elf, ".debug_addr")),
    };

    *dw = (struct dwarf){.elf = elf, .root = root};
    while (p.info.at < p.info.end)
        unit_read(&p);
    for (size_t i = 0; i < dw->n_dies; i++) { /* offsets become indices [dwarf.3] */
        struct dwarf_die *die = &dw->dies[i];

        if (die->type != DIE_NONE)
            die->type = die_at(dw, die->type);
        if (die->origin != DIE_NONE)
            die->origin = die_at(dw, die->origin);
    }
}

const char *dwarf_name(const struct dwarf *dw, uint32_t die)
{
    for (int i = 0; die != DIE_NONE && i < CHAIN_MAX; i++, die = dw->dies[die].origin)
        if (dw->dies[die].name)
            return dw->dies[die].name;
    return NULL;
}

uint32_t dwarf_type(const struct dwarf *dw, uint32_t die)
{
    for (int i = 0; die != DIE_NONE && i < CHAIN_MAX; i++, die = dw->dies[die].origin)
        if (dw->dies[die].type != DIE_NONE)
            return dw->dies[die].type;
    return DIE_NONE;
}

static bool is_qualifier(unsigned tag)
{
    return tag == DW_TAG_const_type || tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
           tag == DW_TAG_atomic_type;
}

uint32_t dwarf_strip(const struct dwarf *dw, uint32_t type, bool drop_qualifiers)
{
    for (int i = 0; type != DIE_NONE && i < CHAIN_MAX; i++) {
        unsigned tag = dw->dies[type].tag;

        if (tag != DW_TAG_typedef && !(drop_qualifiers && is_qualifier(tag)))
            return type;
        type = dw->dies[type].type;
    }
    return DIE_NONE;
}

/* Number of elements of an array type, all dimensions; false for a flexible one. */
static bool array_count(const struct dwarf *dw, uint32_t type, uint64_t *count)
{
    uint64_t total = 1;
    bool known = false;

    for (uint32_t i = type + 1; i < dw->dies[type].end; i++) {
        const struct dwarf_die *die = &dw->dies[i];

        if (die->tag != DW_TAG_subrange_type || die->parent != type)
            continue;
        if (!(die->has & DIE_COUNT) || __builtin_mul_overflow(total, die->count, &total))
            return false;
        known = true;
    }
    *count = total;
    return known;
}

static bool size_of(const struct dwarf *dw, uint32_t type, uint64_t *bytes, unsigned depth)
{
    uint64_t element, count;

    type = dwarf_strip(dw, type, true);
    if (type == DIE_NONE || depth > CHAIN_MAX)
        return false;

    const struct dwarf_die *die = &dw->dies[type];
    if (die->tag == DW_TAG_array_type && !(die->has & DIE_BYTE_SIZE))
        return array_count(dw, type, &count) && size_of(dw, die->type, &element, depth + 1) &&
               !__builtin_mul_overflow(element, count, bytes);
    if (die->tag == DW_TAG_pointer_type) {
        *bytes = die->has & DIE_BYTE_SIZE ? die->bytes : 8;
        return true;
    }
    *bytes = die->bytes;
    return (die->has & DIE_BYTE_SIZE) != 0;
}

bool dwarf_sizeof(const struct dwarf *dw, uint32_t type, uint64_t *bytes)
{
    return size_of(dw, type, bytes, 0);
}

static const char *type_name(const struct dwarf *dw, uint32_t type, unsigned depth)
{
    if (type == DIE_NONE)
        return "void";
    if (depth > 16)
        return "...";

    const struct dwarf_die *die = &dw->dies[type];
    uint64_t count;
    switch (die->tag) {
    case DW_TAG_structure_type:
        return util_printf("struct %s", die->name ? die->name : "(unnamed)");
    case DW_TAG_union_type:
        return util_printf("union %s", die->name ? die->name : "(unnamed)");
    case DW_TAG_enumeration_type:
        return util_printf("enum %s", die->name ? die->name : "(unnamed)");
    case DW_TAG_subroutine_type:
        return "function";
    case DW_TAG_pointer_type: {
        const char *to = type_name(dw, die->type, depth + 1);

        return util_printf("%s%s", to, to[strlen(to) - 1] == '*' ? "*" : " *");
    }
    case DW_TAG_array_type:
        if (array_count(dw, type, &count))
            return util_printf("%s[%llu]", type_name(dw, die->type, depth + 1),
                               (unsigned long long)count);
        return util_printf("%s[]", type_name(dw, die->type, depth + 1));
    case DW_TAG_const_type: {
        const char *of = type_name(dw, die->type, depth + 1);

        return util_printf(of[strlen(of) - 1] == '*' ? "%s const" : "const %s", of);
    }
    case DW_TAG_volatile_type:
        return util_printf("volatile %s", type_name(dw, die->type, depth + 1));
    case DW_TAG_restrict_type:
        return type_name(dw, die->type, depth + 1);
    case DW_TAG_atomic_type:
        return util_printf("_Atomic(%s)", type_name(dw, die->type, depth + 1));
    }
    return die->name && die->name[0] ? die->name : "(unnamed type)";
}

const char *dwarf_type_name(const struct dwarf *dw, uint32_t type)
{
    return type_name(dw, type, 0);
}

/* The header of a line table: its files, and where the program begins. */
struct line_header {
    unsigned version;
    uint8_t offset_bytes, min_inst, max_ops, opcode_base, line_range;
    int8_t line_base;
    uint8_t lengths[256];
    const char **files; /* by DWARF's index; [0] is NULL up to version 4 */
    size_t n_files, cap_files;
    struct reader program;
};

/* Version 5: a table of directories or files whose format stands before it. */
static size_t entries_v5(struct parse *p, struct line_header *h, struct reader *r,
                         const char ***names, uint64_t **dirs)
{
    struct dwarf_unit unit = {.offset_bytes = h->offset_bytes, .addr_bytes = 8};
    unsigned n_formats = reader_u8(r);
    uint64_t types[256], forms[256];

    for (unsigned i = 0; i < n_formats; i++) {
        types[i] = reader_uleb(r);
        forms[i] = reader_uleb(r);
    }

    uint64_t n = reader_uleb(r);
    if (n > (uint64_t)(r->end - r->at) || (n && n_formats == 0))
        reader_fail(r, "absurd number of files");
    *names = util_alloc((n + 1) * sizeof **names);
    *dirs = util_alloc((n + 1) * sizeof **dirs);
    for (uint64_t i = 0; i < n; i++) {
        for (unsigned k = 0; k < n_formats; k++) {
            struct value v = read_form(p, &unit, r, (unsigned)forms[k], 0);

            if (types[k] == 1) /* DW_LNCT_path */
                (*names)[i] = v.text;
            else if (types[k] == 2) /* DW_LNCT_directory_index */
                (*dirs)[i] = v.number;
        }
    }
    return n;
}

static void files_v5(struct parse *p, struct line_header *h, struct reader *r, const char *comp_dir)
{
    const char **dirs, **names;
    uint64_t *ignored, *dir_of;
    size_t n_dirs = entries_v5(p, h, r, &dirs, &ignored);
    size_t n = entries_v5(p, h, r, &names, &dir_of);

    for (size_t i = 0; i < n; i++) {
        const char *dir = dir_of[i] < n_dirs && dirs[dir_of[i]] ? dirs[dir_of[i]] : "";

        if (comp_dir && dir[0] != '/' && dir_of[i] != 0)
            dir = util_printf("%s/%s", comp_dir, dir);
        UTIL_PUSH(h->files, h->n_files, h->cap_files) =
            names[i] ? util_path(p->dw->root, dir, names[i]) : NULL;
    }
}

static void files_v4(struct parse *p, struct line_header *h, struct reader *r, const char *comp_dir)
{
    const char **dirs = NULL;
    size_t n_dirs = 0, cap_dirs = 0;

    UTIL_PUSH(dirs, n_dirs, cap_dirs) = comp_dir ? comp_dir : "";
    for (const char *dir; *(dir = reader_string(r));)
        UTIL_PUSH(dirs, n_dirs, cap_dirs) =
            dir[0] == '/' || !comp_dir ? dir : util_printf("%s/%s", comp_dir, dir);
    UTIL_PUSH(h->files, h->n_files, h->cap_files) = NULL;
    for (const char *name; *(name = reader_string(r));) {
        uint64_t dir = reader_uleb(r);

        reader_uleb(r); /* time */
        reader_uleb(r); /* size */
        UTIL_PUSH(h->files, h->n_files, h->cap_files) =
            util_path(p->dw->root, dir < n_dirs ? dirs[dir] : "", name);
    }
}

static struct line_header line_header_read(struct parse *p, uint64_t offset, const char *comp_dir)
{
    struct line_header h = {0};
    struct reader lines = reader_of(p->dw->elf, elf_section(p->dw->elf, ".debug_line"));

    reader_seek(&lines, offset);
    struct reader r = read_length(&lines, &h.offset_bytes);
    h.version = (unsigned)reader_uint(&r, 2);
    if (h.version < 2 || h.version > 5)
        reader_fail(&r, "line table version other than 2 to 5");
    if (h.version == 5)
        reader_skip(&r, 2); /* address and segment selector size */

    uint64_t header_bytes = reader_uint(&r, h.offset_bytes);
    struct reader after = r;
    reader_skip(&after, header_bytes);
    h.program = after;
    h.min_inst = reader_u8(&r);
    h.max_ops = h.version >= 4 ? reader_u8(&r) : 1;
    reader_skip(&r, 1); /* default_is_stmt: we keep all rows */
    h.line_base = (int8_t)reader_u8(&r);
    h.line_range = reader_u8(&r);
    h.opcode_base = reader_u8(&r);
    if (h.line_range == 0 || h.opcode_base == 0)
        reader_fail(&r, "bad line table header");
    for (unsigned i = 1; i < h.opcode_base; i++)
        h.lengths[i] = reader_u8(&r);
    if (h.version == 5)
        files_v5(p, &h, &r, comp_dir);
    else
        files_v4(p, &h, &r, comp_dir);
    return h;
}

static struct parse parse_for_lines(struct dwarf *dw)
{
    return (struct parse){
        .dw = dw,
        .str = reader_of(dw->elf, elf_section(dw->elf, ".debug_str")),
        .line_str = reader_of(dw->elf, elf_section(dw->elf, ".debug_line_str")),
    };
}

const char *dwarf_file(struct dwarf *dw, uint32_t die, uint32_t file)
{
    struct dwarf_unit *unit = &dw->units[dw->dies[die].unit];

    if (!unit->files && unit->line_offset != UINT64_MAX) {
        struct parse p = parse_for_lines(dw);
        struct line_header h = line_header_read(&p, unit->line_offset, unit->comp_dir);

        unit->files = h.files;
        unit->n_files = h.n_files;
    }
    return file < unit->n_files ? unit->files[file] : NULL;
}

const char *dwarf_where(struct dwarf *dw, uint32_t die)
{
    for (int i = 0; die != DIE_NONE && i < CHAIN_MAX; i++, die = dw->dies[die].origin) {
        const struct dwarf_die *d = &dw->dies[die];

        if (d->decl_line && dwarf_file(dw, die, d->decl_file))
            return util_printf("%s:%u", dwarf_file(dw, die, d->decl_file), d->decl_line);
    }
    return "?:?";
}

/* A list being filled by dwarf_ranges(). */
struct range_list {
    struct dwarf_range *list;
    size_t n, cap;
};

static void range_add(struct range_list *out, uint64_t low, uint64_t high)
{
    if (low < high)
        UTIL_PUSH(out->list, out->n, out->cap) = (struct dwarf_range){low, high};
}

static void ranges_v4(const struct dwarf *dw, const struct dwarf_die *die, uint64_t base,
                      struct range_list *out)
{
    struct reader r = reader_of(dw->elf, elf_section(dw->elf, ".debug_ranges"));

    reader_seek(&r, die->ranges);
    for (;;) {
        uint64_t low = reader_uint(&r, 8), high = reader_uint(&r, 8);

        if (low == 0 && high == 0)
            return;
        if (low == UINT64_MAX)
            base = high;
        else
            range_add(out, base + low, base + high);
    }
}

static void ranges_v5(const struct dwarf *dw, const struct dwarf_die *die, uint64_t base,
                      struct range_list *out)
{
    const struct dwarf_unit *unit = &dw->units[die->unit];
    struct reader r = reader_of(dw->elf, elf_section(dw->elf, ".debug_rnglists"));
    struct reader addr = reader_of(dw->elf, elf_section(dw->elf, ".debug_addr"));
    uint64_t offset = die->ranges, a, b;

    if (die->has & DIE_RANGES_X) {
        uint64_t lists =
            unit->rnglists_base ? unit->rnglists_base : (unit->offset_bytes == 8 ? 20 : 12);
        offset = lists + at_index(&r, lists, offset, unit->offset_bytes);
    }
    reader_seek(&r, offset);
    for (;;) {
        switch (reader_u8(&r)) {
        case 0: /* DW_RLE_end_of_list */
            return;
        case 1: /* base_addressx */
            base = at_index(&addr, unit->addr_base, reader_uleb(&r), 8);
            break;
        case 2: /* startx_endx */
            a = at_index(&addr, unit->addr_base, reader_uleb(&r), 8);
            b = at_index(&addr, unit->addr_base, reader_uleb(&r), 8);
            range_add(out, a, b);
            break;
        case 3: /* startx_length */
            a = at_index(&addr, unit->addr_base, reader_uleb(&r), 8);
            range_add(out, a, a + reader_uleb(&r));
            break;
        case 4: /* offset_pair */
            a = reader_uleb(&r);
            b = reader_uleb(&r);
            range_add(out, base + a, base + b);
            break;
        case 5: /* base_address */
            base = reader_uint(&r, 8);
            break;
        case 6: /* start_end */
            a = reader_uint(&r, 8);
            b = reader_uint(&r, 8);
            range_add(out, a, b);
            break;
        case 7: /* start_length */
            a = reader_uint(&r, 8);
            range_add(out, a, a + reader_uleb(&r));
            break;
        default:
            reader_fail(&r, "unknown range entry");
        }
    }
}

size_t dwarf_ranges(const struct dwarf *dw, uint32_t index, struct dwarf_range **ranges)
{
    const struct dwarf_die *die = &dw->dies[index];
    const struct dwarf_unit *unit = &dw->units[die->unit];
    const struct dwarf_die *first = &dw->dies[unit->first];
    uint64_t base = first->has & DIE_LOW_PC ? first->addr : 0;
    struct range_list out = {0};

    if (die->has & DIE_RANGES) {
        if (unit->version >= 5)
            ranges_v5(dw, die, base, &out);
        else
            ranges_v4(dw, die, base, &out);
    } else if ((die->has & DIE_LOW_PC) && (die->has & DIE_HIGH_PC)) {
        range_add(&out, die->addr, die->high);
    } else if ((die->has & DIE_LOW_PC) && (die->has & DIE_HIGH_LEN)) {
        range_add(&out, die->addr, die->addr + die->high);
    }
    *ranges = out.list;
    return out.n;
}

/* All rows read so far. */
struct row_list {
    struct dwarf_row *list;
    size_t n, cap;
    bool in_text; /* the running sequence's code is in the image, not dropped by the linker */
};

static void row_add(struct dwarf *dw, struct row_list *out, const struct line_header *h,
                    uint64_t addr, uint64_t file, uint64_t line, bool first, bool end)
{
    if (first)
        out->in_text = elf_is_text(dw->elf, addr);
    if (!out->in_text)
        return;

    const char *name = file < h->n_files && h->files[file] ? h->files[file] : "?";
    UTIL_PUSH(out->list, out->n, out->cap) = (struct dwarf_row){
        addr, end ? NULL : name, (uint32_t)(line > UINT32_MAX ? 0 : line), (uint32_t)out->n};
}

static void line_program(struct dwarf *dw, struct row_list *out, struct line_header *h)
{
    struct reader *r = &h->program;
    uint64_t addr = 0, file = 1, line = 1;
    uint64_t const_add = (uint64_t)((255 - h->opcode_base) / h->line_range) * h->min_inst;
    bool first = true;

    while (r->at < r->end) {
        uint8_t op = reader_u8(r);

        if (op >= h->opcode_base) {
            unsigned special = op - h->opcode_base;

            addr += (uint64_t)(special / h->line_range) * h->min_inst;
            line += (uint64_t)(int64_t)(h->line_base + (int)(special % h->line_range));
            row_add(dw, out, h, addr, file, line, first, false);
            first = false;
            continue;
        }
        switch (op) {
        case 0: { /* extended */
            struct reader ext = reader_take(r, reader_uleb(r));
            uint8_t code = ext.at < ext.end ? reader_u8(&ext) : 0;

            if (code == 1) { /* end_sequence */
                row_add(dw, out, h, addr, file, line, first, true);
                addr = 0;
                file = line = 1;
                first = true;
            } else if (code == 2) { /* set_address */
                addr = reader_uint(&ext, 8);
            }
            break;
        }
        case 1: /* copy */
            row_add(dw, out, h, addr, file, line, first, false);
            first = false;
            break;
        case 2: /* advance_pc */
            addr += reader_uleb(r) * h->min_inst;
            break;
        case 3: /* advance_line */
            line += (uint64_t)reader_sleb(r);
            break;
        case 4: /* set_file */
            file = reader_uleb(r);
            break;
        case 8: /* const_add_pc */
            addr += const_add;
            break;
        case 9: /* fixed_advance_pc */
            addr += reader_uint(r, 2);
            break;
        default: /* column, is_stmt and the like: nothing that we keep */
            for (unsigned i = 0; i < h->lengths[op]; i++)
                reader_uleb(r);
        }
    }
}

static int row_compare(const void *a, const void *b)
{
    const struct dwarf_row *x = a, *y = b;

    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    if (!x->file != !y->file)
        return x->file ? 1 : -1; /* an end goes before what begins there */
    return x->order < y->order ? -1 : x->order > y->order;
}

struct dwarf_row *dwarf_rows(struct dwarf *dw, size_t *n)
{
    struct parse p = parse_for_lines(dw);
    struct row_list out = {0};
    size_t kept = 0;

    for (size_t i = 0; i < dw->n_units; i++) {
        struct dwarf_unit *unit = &dw->units[i];
        bool seen = unit->line_offset == UINT64_MAX;

        for (size_t k = 0; k < i && !seen; k++)
            seen = dw->units[k].line_offset == unit->line_offset;
        if (seen)
            continue;
        struct line_header h = line_header_read(&p, unit->line_offset, unit->comp_dir);
        line_program(dw, &out, &h);
    }
    if (out.n)
        qsort(out.list, out.n, sizeof *out.list, row_compare);
    for (size_t i = 0; i < out.n; i++)
        if (i + 1 == out.n || out.list[i + 1].addr != out.list[i].addr)
            out.list[kept++] = out.list[i];
    *n = kept;
    return out.list;
}
