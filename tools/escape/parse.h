/*
 * tools/escape/parse.h - what the parts of the reader of IR text share: text.c type.c ir.c debug.c.
 *
 * [ir.1] The text ends in a NUL, and nothing steps over one: every loop stops there.
 * [ir.2] Whatever the text says, indices into tables are checked where they are made.
 */
#pragma once

#include "tools/escape/ir.h"

enum { DEPTH_MAX = 100 }; /* of types in types, scopes in scopes */

enum type_kind { T_VOID, T_INT, T_FLOAT, T_POINTER, T_ARRAY, T_STRUCT, T_NAMED, T_FUNC, T_OTHER };

struct type {
    uint8_t kind;
    bool is_variadic;  /* T_FUNC */
    bool is_union;     /* T_NAMED */
    uint8_t pure;      /* T_NAMED: 1 yes, 2 no, 0 not known yet */
    uint32_t bits;     /* T_INT, T_FLOAT */
    uint32_t elem;     /* of an array; what a function returns; the body of a named type */
    uint32_t first, n; /* members in `members`; their number in an array */
    uint32_t hash_next;
    const char *name; /* T_NAMED */
};

struct ir_types {
    struct type *all;
    uint32_t n, cap;
    uint32_t *members;
    uint32_t n_members, cap_members;
    uint32_t buckets[4096];
};

/* A piece of the text. */
struct span {
    const char *text;
    uint32_t len;
};

/* Names of one kind (registers, labels, symbols, types) and their numbers. */
struct names {
    struct name {
        const char *text;
        uint32_t len, value;
    } * slots;
    uint32_t n, size;
};

struct parse {
    struct ir_program *program;
    struct ir_types *types;
    struct ir_file *file;
    const char *p;
    struct names symbols, named_types;

    struct ir_func *func;
    struct names regs, labels;
    uint32_t block;
    struct reg_note {
        uint32_t local;     /* an alloca: 1 + its index */
        uint32_t int_field; /* points to an integer member of this type, 1 + number */
        uint32_t integers;  /* of a struct with pointers: 1 + register of what its integers hold */
        uint32_t widened;   /* zext of something narrow: 1 + register */
        bool from_pointer;  /* ptrtoint */
        bool shifted;       /* right, by bytes: what is cut off now is a piece of it */
    } * notes;
    uint32_t cap_notes;
};

/* ---- text.c ---- */

/* Ends the tool, or the test: "file:line: ...". */
_Noreturn void fail(const struct parse *ps, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void blank(struct parse *ps);
bool is_name_char(char c);
void skip_line(struct parse *ps);
/* Blanks, ends of lines, comments. */
void blank_lines(struct parse *ps);
bool at_word(const struct parse *ps, const char *word);
/* Take `word` if it comes next. */
bool take(struct parse *ps, const char *word);
bool take_char(struct parse *ps, char c);
void expect(struct parse *ps, char c);
void skip_string(struct parse *ps);
/* From an opening bracket to behind its closing one. */
void skip_brackets(struct parse *ps);
uint64_t number(struct parse *ps);
/* A name behind its % or @, quoted or not. */
struct span name(struct parse *ps);
struct span word(struct parse *ps);
bool is(struct span s, const char *text);
/* Is it one of the words of this list? They stand between single blanks. */
bool is_one_of(struct span s, const char *list);
const char *intern(struct span s);
void names_clear(struct names *names);
/* The number of a name; a new one gets `fresh`. */
uint32_t names_get(struct names *names, struct span s, uint32_t fresh);

/* ---- type.c ---- */

uint32_t type_named(struct parse *ps, struct span s);
uint32_t parse_type(struct parse *ps, unsigned depth);
uint8_t class_of(const struct parse *ps, uint32_t type);
/* No pointer in it, and no union that may hold one. */
bool is_pure(const struct parse *ps, uint32_t type, unsigned depth);
/* Member `index` of a struct, or an element of an array; IR_NONE if there is no such one. */
uint32_t type_inside(const struct parse *ps, uint32_t type, uint64_t index);
void skip_addrspace(struct parse *ps);
