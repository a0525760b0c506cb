/*
 * tools/escape/ir.h - LLVM IR text as the analysis sees it: what moves pointers, and where.
 *
 * ir_read() reads one file of `clang -O1 -Xclang -disable-llvm-passes -g -S -emit-llvm`, clang 14
 * to 21: typed and opaque pointers, llvm.dbg.declare and #dbg_declare, nocapture and
 * captures(none). Files share one struct ir_program, whose symbols are linked as a linker would: by
 * name, those of internal linkage for each file apart.
 *
 * Every instruction becomes at most a few struct ir_op: a copy, a load, a store, a move of memory,
 * a call. What moves no pointer (comparisons, floating point) leaves nothing but the shape of the
 * control flow. Text that can't be read ends the tool by util_die("file:line: ...").
 *
 * CLASSES. How a value can hold a pointer: IR_NARROW is too narrow and may only be copied on, as
 * one byte of many; IR_WORD is an integer that a pointer fits in, or a double (interpreters box
 * pointers in NaNs); IR_WHOLE is a struct, array or vector. A struct in a register that has both
 * pointers and integers is two registers: all of it, and what its integers hold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IR_NONE UINT32_MAX

enum ir_class { IR_NOTHING, IR_NARROW, IR_WORD, IR_POINTER, IR_WHOLE };

/* An operand: none, a register of the function, or the address of a symbol. */
typedef uint32_t ir_ref;
#define IR_REG(n) ((ir_ref)(n) << 1)
#define IR_SYM(n) ((ir_ref)(n) << 1 | 1)
#define IR_IS_SYM(ref) ((ref) != IR_NONE && ((ref)&1))
#define IR_IS_REG(ref) ((ref) != IR_NONE && !((ref)&1))
#define IR_INDEX(ref) ((ref) >> 1)

enum ir_kind {
    IR_ALLOCA,  /* dst = address of a new local */
    IR_COPY,    /* dst = a, or something made of it */
    IR_LOAD,    /* dst = *a */
    IR_STORE,   /* *a = b */
    IR_CALL,    /* dst = calls[extra] */
    IR_RET,     /* return a; b: its integers */
    IR_UNKNOWN, /* dst = a pointer from nowhere: an integer constant, say */
};

enum {
    IR_INT_FIELD = 1, /* load: an integer member of a struct that has pointers too */
    IR_DYNAMIC = 2,   /* alloca: its size is known at run time only */
    IR_ADDRESS = 4,   /* copy: same object (cast, element, member), so no address is "taken" yet */
};

struct ir_op {
    uint8_t kind, class, flags;
    uint32_t dst; /* register or IR_NONE */
    ir_ref a, b;
    uint32_t extra; /* call: index in calls; alloca: index in locals */
    uint32_t loc;   /* metadata number of its !DILocation, or IR_NONE */
    uint32_t block;
};

struct ir_arg {
    ir_ref ref;
    uint8_t class;
    bool by_value; /* the callee gets a copy of *ref */
    bool indirect; /* of inline assembly: a memory operand */
};

struct ir_call {
    ir_ref callee; /* IR_NONE: inline assembly */
    struct ir_arg *args;
    uint32_t n_args;
    uint8_t ret;      /* class of the result */
    ir_ref integers;  /* register of the integers in the result, or IR_NONE */
    bool is_variadic; /* so says the type of the callee */
    bool asm_empty;   /* inline assembly without an instruction */
};

struct ir_local {
    uint32_t op;       /* the IR_ALLOCA */
    uint32_t variable; /* metadata number of its !DILocalVariable, or IR_NONE: a temporary */
    uint32_t loc;      /* of its declaration */
    bool is_array;
};

struct ir_block {
    uint32_t *next;
    uint32_t n_next, cap_next;
    bool returns;
};

struct ir_param {
    uint32_t reg;
    uint8_t class;
    bool by_value;
    bool is_float;          /* a double: it may hide a pointer, but no function that is called */
    bool no_capture;        /* the callee keeps no copy of the pointer */
    bool result;            /* sret: where a large result goes */
    uint32_t variable, loc; /* by_value: as in struct ir_local */
};

struct ir_func {
    struct ir_file *file;
    uint32_t symbol;
    uint32_t subprogram; /* metadata number, or IR_NONE */
    bool defined, is_variadic;
    bool is_block; /* the body of a block: a thunk of rt/call.h */
    uint8_t ret;
    struct ir_param *params;
    uint32_t n_params, cap_params;
    uint32_t n_regs;
    struct ir_op *ops;
    uint32_t n_ops, cap_ops;
    struct ir_call *calls;
    uint32_t n_calls, cap_calls;
    struct ir_local *locals;
    uint32_t n_locals, cap_locals;
    struct ir_block *blocks;
    uint32_t n_blocks, cap_blocks;
};

struct ir_symbol {
    const char *name;
    struct ir_file *file; /* of its definition, or of its first mention */
    struct ir_func *func; /* a function, defined or declared; else NULL */
    uint32_t alias;       /* of another symbol, or IR_NONE */
    bool is_local;        /* internal linkage */
    bool is_weak;         /* another definition may replace this one */
    bool defined;         /* a variable with an initialiser, or a function with a body */
    bool is_constant;     /* a variable that is never written */
    bool address_taken;   /* a function that is used as a value */
    const char *section;  /* or NULL */
    const char *text;     /* a string literal's bytes as they stand in the file, or NULL */
    uint32_t variable;    /* metadata number of its !DIGlobalVariableExpression, or IR_NONE */
    uint32_t *refs;       /* symbols in the initialiser */
    uint32_t n_refs, cap_refs;
};

struct ir_file {
    const char *path;
    char *text;
    size_t bytes;
    uint32_t *meta; /* offset in text of each numbered metadata node, 0: none */
    uint32_t n_meta, cap_meta;
    uint32_t n_lines;
    struct ir_program *program;
};

struct ir_program {
    struct ir_file **files;
    uint32_t n_files, cap_files;
    struct ir_symbol *symbols;
    uint32_t n_symbols, cap_symbols;
    struct ir_func **funcs; /* all that are defined */
    uint32_t n_funcs, cap_funcs;
    struct ir_types *types;
};

/* Adds a file. The text must end in a NUL that `bytes` does not count, and stay. */
void ir_read(struct ir_program *p, const char *path, char *text, size_t bytes);

/* After the last file: picks one definition for each symbol, notes whose address is taken. */
void ir_link(struct ir_program *p);

/* ---- Debug information; numbers of metadata, IR_NONE when there is none ---- */

/* The node that `key` of a node names, 17 for `key: !17`; IR_NONE if there is none. */
uint32_t ir_meta_ref(const struct ir_file *f, uint32_t node, const char *key);
/* A text without its quotes, interned; NULL if there is none. */
const char *ir_meta_text(const struct ir_file *f, uint32_t node, const char *key);

struct ir_place {
    const char *path; /* NULL: unknown */
    uint32_t line, column;
};

struct ir_place ir_place_of(const struct ir_file *f, uint32_t loc);
