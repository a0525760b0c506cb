/*
 * tools/common/dwarf.h - reads DWARF 4 and 5 of a linked image: entries, types, ranges, lines.
 *
 * dwarf_open() reads all of .debug_info into one array of entries ("dies") in file order, so that a
 * die's descendants are the ones up to die->end, and a reference is an index. Only the attributes
 * that our tools ask for are kept. gcc 12 and clang 14 are read, with LTO, which refers across
 * units. Not read: split DWARF, .debug_types, compressed sections; each is refused by name.
 */
#pragma once

#include "tools/common/elf.h"

enum {
    DW_TAG_array_type = 0x01,
    DW_TAG_enumeration_type = 0x04,
    DW_TAG_formal_parameter = 0x05,
    DW_TAG_lexical_block = 0x0b,
    DW_TAG_member = 0x0d,
    DW_TAG_pointer_type = 0x0f,
    DW_TAG_compile_unit = 0x11,
    DW_TAG_structure_type = 0x13,
    DW_TAG_subroutine_type = 0x15,
    DW_TAG_typedef = 0x16,
    DW_TAG_union_type = 0x17,
    DW_TAG_inlined_subroutine = 0x1d,
    DW_TAG_subrange_type = 0x21,
    DW_TAG_base_type = 0x24,
    DW_TAG_const_type = 0x26,
    DW_TAG_subprogram = 0x2e,
    DW_TAG_variable = 0x34,
    DW_TAG_volatile_type = 0x35,
    DW_TAG_restrict_type = 0x37,
    DW_TAG_unspecified_type = 0x3b,
    DW_TAG_partial_unit = 0x3c,
    DW_TAG_type_unit = 0x41,
    DW_TAG_atomic_type = 0x47,
};

/* Which attributes a die has: bits of dwarf_die.has. */
enum {
    DIE_ADDR = 1 << 0, /* a variable's fixed address */
    DIE_LOW_PC = 1 << 1,
    DIE_HIGH_PC = 1 << 2,  /* as an address */
    DIE_HIGH_LEN = 1 << 3, /* as a length from low_pc */
    DIE_RANGES = 1 << 4,
    DIE_RANGES_X = 1 << 5, /* an index, not an offset */
    DIE_BYTE_SIZE = 1 << 6,
    DIE_COUNT = 1 << 7, /* a subrange's number of elements */
    DIE_MEMBER_AT = 1 << 8,
    DIE_BITFIELD = 1 << 9,
    DIE_DECLARATION = 1 << 10,
    DIE_ALIGNMENT = 1 << 11,
};

#define DIE_NONE UINT32_MAX

struct dwarf_die {
    uint32_t offset; /* in .debug_info */
    uint32_t parent; /* index; DIE_NONE for a unit's first die */
    uint32_t end;    /* index after the last descendant */
    uint32_t unit;
    uint16_t tag;
    uint16_t has;
    uint32_t type;   /* index or DIE_NONE, as the next one */
    uint32_t origin; /* abstract_origin or specification */
    const char *name;
    uint64_t addr; /* variable: address. Code: low_pc */
    uint64_t high;
    uint64_t ranges;
    uint64_t bytes;     /* byte_size */
    uint64_t count;     /* subrange */
    uint64_t member_at; /* offset in the struct, bytes */
    uint32_t decl_file, decl_line, call_file, call_line;
    uint32_t alignment;
};

struct dwarf_unit {
    uint64_t offset, end; /* in .debug_info */
    uint32_t first, last; /* dies [first, last) */
    uint8_t version, addr_bytes, offset_bytes, kind;
    uint64_t str_offsets_base, addr_base, rnglists_base;
    uint64_t line_offset; /* UINT64_MAX: no line table */
    const char *name, *comp_dir;
    const char **files; /* of the line table, by DWARF's index; NULL until asked for */
    size_t n_files;
};

struct dwarf {
    const struct elf *elf;
    const char *root; /* directory that file names lose, see util_path() */
    struct dwarf_die *dies;
    size_t n_dies, cap_dies;
    struct dwarf_unit *units;
    size_t n_units, cap_units;
};

struct dwarf_range {
    uint64_t low, high;
};

/* A row of the line table: from addr on, the code is that of file:line. */
struct dwarf_row {
    uint64_t addr;
    const char *file; /* interned; NULL where a sequence ends */
    uint32_t line;    /* 0: the compiler names no line */
    uint32_t order;   /* position in the file, for sorting */
};

/* Read .debug_info. An image without it has no dies. root may be "". */
void dwarf_open(struct dwarf *dw, const struct elf *elf, const char *root);

/* Name of the die, or of what it stems from; NULL if it has none. */
const char *dwarf_name(const struct dwarf *dw, uint32_t die);

/* The type of the die, or of what it stems from; DIE_NONE is void. */
uint32_t dwarf_type(const struct dwarf *dw, uint32_t die);

/* The type without typedefs and, where drop_qualifiers, without const, volatile, restrict,
 * _Atomic. */
uint32_t dwarf_strip(const struct dwarf *dw, uint32_t type, bool drop_qualifiers);

/* Size of a type in bytes; false if it has none (void, incomplete, flexible array). */
bool dwarf_sizeof(const struct dwarf *dw, uint32_t type, uint64_t *bytes);

/* "struct node", "int *": a type as a person would write it. Never NULL. */
const char *dwarf_type_name(const struct dwarf *dw, uint32_t type);

/* Path of the file that a decl_file or call_file of the die names; NULL if unknown. */
const char *dwarf_file(struct dwarf *dw, uint32_t die, uint32_t file);

/* "file:line" of the die's declaration, following what it stems from. Never NULL. */
const char *dwarf_where(struct dwarf *dw, uint32_t die);

/* The code that the die covers. Returns the number of ranges; *ranges is theirs. Empty ones are
 * left out. */
size_t dwarf_ranges(const struct dwarf *dw, uint32_t die, struct dwarf_range **ranges);

/*
 * All line tables, sorted by address, of code that is in the image. Of several rows at an address
 * the last counts and is the only one kept; a sequence's end is kept unless another begins there.
 */
struct dwarf_row *dwarf_rows(struct dwarf *dw, size_t *n);
