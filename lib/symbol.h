/*
 * lib/symbol.h - from a code address to function, file and line, for reports.
 *
 * The table is made by tools/symtab.c after the link and lies in the section .symtab_rt, the last
 * of the image. Without it (the first link, or a stripped image) everything is "?".
 *
 * Context: any, also NMI and fatal reports: no lock, no allocation, nothing is written but *out.
 * The table is believed nowhere: one that is damaged gives "?" or a wrong name, never a fault or a
 * hang.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol {
    const char *name; /* function; "?" if unknown */
    uintptr_t offset; /* of pc in the function that the machine called; 0 if that is unknown */
    const char *file; /* "?" if unknown */
    unsigned line;    /* 0 if unknown */
    bool inlined; /* `name` has no frame of its own: symbol_outer() gives the function round it */
    uint32_t inline_at, function_at; /* places in the table, for symbol_outer() */
};

/*
 * What is at `pc`: the innermost function, inlined ones included. For a return address pass one
 * less, or a call that does not return is taken for the line, or the function, behind it. Returns
 * false, and "?" in *out, if no function is known there. About 1,500 instructions.
 */
bool symbol_lookup(uintptr_t pc, struct symbol *out);

/*
 * From an inlined function to the one round it: *sym becomes that name, and file and line of the
 * call.
 *
 *     for (bool more = symbol_lookup(pc, &sym); more; more = symbol_outer(&sym))
 *         print one line
 *
 * Returns false, and changes nothing, once *sym is the function that has the frame.
 */
bool symbol_outer(struct symbol *sym);

/* Is the table there, and its checksum right? Walks all of it: for tests and for a line at boot. */
bool symbol_table_ok(void);

/* The same over a table in memory, for tests. */
bool symbol_lookup_in(const void *table, size_t bytes, uintptr_t pc, struct symbol *out);
bool symbol_outer_in(const void *table, size_t bytes, struct symbol *sym);
bool symbol_table_ok_in(const void *table, size_t bytes);

/*
 * THE TABLE, little-endian, as tools/symtab.c writes it:
 *
 *   header | blocks | ops | inlines | files | text
 *
 * text     names and paths, each ends in NUL; the last byte is NUL
 * files    uint32_t offsets in text; file number n is entry n - 1, and 0 is "unknown"
 * inlines  one record for each inlined call: uleb steps back to the record of the call round it
 *          (0: none), uleb name in text, uleb file number of the call, uleb line of the call
 * blocks   {uint32_t address - base, uint32_t offset in ops}, by address; a block ends where the
 *          next one begins
 * ops      a block's state at its first address: uleb name + 1 (0: no function), uleb distance
 *          from the function's start, uleb inline (offset in inlines + 1; 0: none), uleb file
 *          number, uleb line. Then ops that change the state; those from SYMTAB_ROW_MIN on end a
 *          row: the state holds from the row's address on.
 */
struct symtab_header {
    char magic[8];
    uint32_t bytes;     /* of the whole table */
    uint32_t checksum;  /* symtab_checksum() of what follows the header */
    uint64_t base, end; /* code addresses covered: [base, end) */
    uint32_t n_blocks;
    uint32_t blocks_at, ops_at, inlines_at, files_at, text_at; /* offsets in the table, ascending */
};

#define SYMTAB_MAGIC "INGSYM\1"

enum {
    SYMTAB_OP_END,      /* the block's last */
    SYMTAB_OP_ADVANCE,  /* uleb: adds to the next row's address */
    SYMTAB_OP_LINE,     /* sleb: adds to the line */
    SYMTAB_OP_FILE,     /* uleb: file number */
    SYMTAB_OP_FUNCTION, /* uleb name: a function starts at the next row; no inline */
    SYMTAB_OP_NONE,     /* no function from the next row on */
    SYMTAB_OP_INLINE,   /* sleb: adds to the inline; its file and line come by their own ops */
    SYMTAB_OP_OUTER,    /* to the inline round this one; file and line become those of the call */
    SYMTAB_ROW_MIN,     /* this + (address delta * SYMTAB_LINES + line delta - SYMTAB_LINE_MIN) */
    SYMTAB_LINES = 8,
    SYMTAB_LINE_MIN = -3,
    SYMTAB_ADDRS = (256 - SYMTAB_ROW_MIN) / SYMTAB_LINES, /* address deltas 0 to this - 1 */
};

static inline uint32_t symtab_checksum(const unsigned char *bytes, size_t n)
{
    uint32_t hash = 0x811c9dc5; /* FNV-1a */

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x01000193;
    return hash;
}
