/*
 * tools/escape/solve.h - what each pointer of a program may point to.
 *
 * Each function has a graph. Its nodes are sets: what a register may point to, what the memory of
 * an object may hold. Its objects are the function's locals, what it allocates, symbols, and what
 * it was given: level 0 of parameter i is the object that the parameter points to, level 1 what
 * that one points to, level 2 everything behind. Two more stand for the rest of the world: the
 * object ANY (every global, everything that any other goroutine may know), and RETURN, a node.
 *
 * A function's summary says, in terms of its parameters alone, which pointers it puts where: "what
 * parameter 1 points to is stored in the object of parameter 0". A call repeats its callee's
 * summary in the graph of the caller, so what one caller passes is never mixed up with what another
 * does. Summaries only grow; solve() goes on until none does.
 *
 * Members of a struct are not told apart, but memory holds pointers and integers separately
 * (object.content), so that a length is not taken for the pointer beside it.
 */
#pragma once

#include "tools/escape/ir.h"
#include "tools/escape/set.h"

/* Of what a function was given: see above. INTEGERS: what integers in that memory point to. */
enum { INTEGERS = 3, LEVELS = 4 };

enum object_kind {
    OBJ_ANY,
    OBJ_SYMBOL, /* index: the symbol */
    OBJ_LOCAL,  /* index: in ir_func.locals */
    OBJ_COPY,   /* a parameter passed by value in memory; index: the parameter */
    OBJ_NEW,    /* allocated by a call; index: the op */
    OBJ_PACK,   /* the variable arguments of a call; index: the op */
    OBJ_GIVEN,  /* index: the parameter, level: see above */
};

struct object {
    uint8_t kind, level;
    uint32_t index;
    uint32_t content[2];       /* nodes: pointers, integers; IR_NONE: it has none */
    uint32_t home;             /* the node that points to it first */
    bool exported;             /* who called this function may see it */
    const struct model *model; /* OBJ_NEW: the runtime function that allocated it, or NULL */
};

/* One end of an entry of a summary. */
enum end_kind {
    END_PARAM,  /* as a source: objects of level `level`; as a destination: their memory */
    END_ANY,    /* index: as a source, nothing; as a destination the world's memory */
    END_NEW,    /* an object that the call made */
    END_RESULT, /* destination only */
    END_SYMBOL, /* source only */
};

struct end {
    uint8_t kind, level;
    uint32_t index;
};

struct pair {
    struct end from, to;
    uint8_t class; /* IR_WORD: stored as an integer; IR_POINTER; IR_WHOLE: as it was */
    struct summary *of;
};

struct edge {
    uint32_t to, op;         /* op: IR_NONE for what is not in the program's text */
    const struct pair *pair; /* op is a call: by this entry of the callee's summary */
};

struct use { /* what to do with each new object of a node */
    enum { USE_LOAD, USE_STORE, USE_CALL, USE_FUNCTION, USE_MOVE_POINTERS } kind;
    uint8_t class, flags;
    uint32_t node, op;
    const struct pair *pair;
    struct site *site;
    uint32_t param, level; /* USE_FUNCTION: tells site's callee what its parameter may call */
    struct summary *callee;
};

struct node {
    uint32_t *items; /* objects */
    uint32_t n_items, cap_items, n_done;
    struct edge *edges;
    uint32_t n_edges, cap_edges;
    struct use *uses;
    uint32_t n_uses, cap_uses;
    struct end outside; /* if is_outside: what the caller calls it */
    bool is_outside, is_queued;
    uint8_t outside_class;
};

/* One call, as it is made by one op. */
struct site {
    struct graph *graph;
    uint32_t op, result, integers; /* nodes, or IR_NONE; integers: those in the result */
    uint32_t *args, n_args;
    uint32_t *levels;     /* levels 1 to 3 of each argument, made when they are asked for */
    uint32_t pack, fresh; /* objects, IR_NONE until there */
    uint32_t pack_node, fresh_node;
    bool is_indirect;
    bool is_packed; /* made by the runtime, of what the program packed up for it */
    struct target {
        struct summary *summary;
        uint32_t n_applied;
    } * targets;
    uint32_t n_targets, cap_targets;
};

/* The functions that a parameter, or what is behind it, may be. */
struct callable {
    bool is_asked, any, unknown;
    uint32_t *symbols;
    uint32_t n, cap;
    struct site **sites; /* that call it */
    uint32_t n_sites, cap_sites;
    struct callable **passed; /* parameters of callees that get it */
    uint32_t n_passed, cap_passed;
};

struct summary {
    uint32_t symbol;
    struct graph *graph;       /* NULL: the body is not known */
    const struct model *model; /* of a function that the tool knows */
    struct pair **pairs;
    uint32_t n_pairs, cap_pairs;
    struct set seen; /* keys of pairs */
    struct site **callers;
    uint32_t n_callers, cap_callers;
    struct callable *callable; /* (n_params + 1) * LEVELS */
    uint32_t n_params;
};

struct graph {
    struct world *world;
    struct ir_func *func;
    struct summary *summary;
    struct node *nodes;
    uint32_t n_nodes, cap_nodes;
    struct object *objects;
    uint32_t n_objects, cap_objects;
    struct site **sites;
    uint32_t n_sites, cap_sites;
    uint32_t *queue;
    uint32_t n_queue, cap_queue;
    struct set members, linked; /* (node, object), (node, node) */
    struct set told;            /* (node, object) that callers know of */
    uint32_t *symbol_node;      /* small hash of symbol to node */
    uint32_t n_symbols, cap_symbols;
    uint32_t result, integers, any, pack; /* nodes */
    const char **captured;                /* names of the packed arguments that goroutines get */
    uint32_t n_captured, cap_captured;
    uint32_t *spawned; /* nodes: the packed arguments of each go() and wg_go() */
    uint32_t n_spawned, cap_spawned;
    bool is_built, is_queued;
};

struct world {
    struct ir_program *program;
    struct summary **summaries; /* by symbol, NULL until asked for */
    struct graph **queue;
    uint32_t n_queue, cap_queue, next_queue;
    struct site **open; /* indirect calls */
    uint32_t n_open, cap_open;
    uint64_t n_steps; /* items that arrived, uses and pairs that were applied: the work done */
    uint32_t *taken;  /* functions whose address is taken */
    uint32_t n_taken, cap_taken;
};

#define ANY_OBJECT 0

void solve(struct world *w, struct ir_program *program);

bool node_has(const struct graph *g, uint32_t node, uint32_t object);

/* ---- model.c: what is known about functions without a body ---- */

struct model {
    const char *name;    /* ends in '*': what begins like this */
    const char *effects; /* see model.c */
    const char *text; /* how a pointer that it takes away escapes: "captured by goroutine, go()" */
    const char *allocates; /* "gc_new(%s)": what its result is called; or NULL */
};

/* NULL if the tool does not know the function. has_body: the program has one for it. */
const struct model *model_find(const char *name, bool has_body);

struct effect {
    struct pair pair;
    unsigned n;         /* 0: a pair; else it is a call, of so many words: */
    struct end call[4]; /* function, arguments */
};
/* The next effect of a model's list, or false at its end. */
bool model_next(const char **effects, struct effect *out);
