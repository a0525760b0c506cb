/*
 * tools/escape/flow.c - what comes before what in one function; see flow.h.
 *
 * Points-to sets know no order. Two questions need one: is an allocation made before a store, and is a
 * goroutine gone when the function that started it returns. Both are asked of the graph of basic blocks,
 * where every branch may go either way. setjmp() adds ways that are not in it: then nothing is ruled out.
 *
 * WAITING. wg_go(&wg, ...) on a local wg is a plain call if every way from there to the end passes
 * rt_wg_wait(&wg), or if defer(rt_wg_wait, &wg) was made on every way to it. A panic and rt_goexit() are ends.
 * defer() keeps function and argument in locals whose names begin alike (rt/defer.h); so they are found.
 */
#include "tools/escape/flow.h"

#include "tools/common/util.h"

#include <string.h>

uint32_t local_of(const struct ir_func *f, ir_ref ref)
{
    for (uint32_t i = f->n_ops; i-- > 0 && IR_IS_REG(ref);) {
        if (f->ops[i].dst != IR_INDEX(ref))
            continue;
        if (f->ops[i].kind == IR_ALLOCA)
            return f->ops[i].extra;
        if (f->ops[i].kind != IR_COPY || !(f->ops[i].flags & IR_ADDRESS))
            return IR_NONE;
        ref = f->ops[i].a;
    }
    return IR_NONE;
}

const char *local_name(const struct ir_func *f, uint32_t local)
{
    uint32_t variable = local == IR_NONE ? IR_NONE : f->locals[local].variable;
    const char *name = ir_meta_text(f->file, variable, "name");

    return name ? name : "";
}

static const char *callee_of(const struct graph *g, const struct ir_op *op)
{
    ir_ref callee = op->kind == IR_CALL ? g->func->calls[op->extra].callee : IR_NONE;

    return IR_IS_SYM(callee) ? g->world->program->symbols[IR_INDEX(callee)].name : "";
}

/* Can control get from block `from` to one that is marked `goal`, not through one marked `closed`? Marks
 * what it passed as closed. */
static bool reaches(const struct ir_func *f, uint32_t from, const bool *goal, bool *closed)
{
    uint32_t *stack = util_alloc((f->n_blocks + 1) * sizeof *stack), n = 0;

    stack[n++] = from;
    while (n) {
        const struct ir_block *b = &f->blocks[stack[--n]];

        if (goal[b - f->blocks])
            return true;
        for (uint32_t i = 0; i < b->n_next; i++) {
            if (closed[b->next[i]])
                continue;
            closed[b->next[i]] = true;
            stack[n++] = b->next[i];
        }
    }
    return false;
}

/* Does it call setjmp()? Then there are ways that the blocks don't show. */
static bool jumps_back(const struct graph *g)
{
    for (uint32_t i = 0; i < g->func->n_ops; i++)
        if (strstr(callee_of(g, &g->func->ops[i]), "setjmp"))
            return true;
    return false;
}

bool follows(const struct graph *g, uint32_t first, uint32_t op)
{
    const struct ir_func *f = g->func;
    uint32_t from = f->ops[first].block, to = f->ops[op].block;

    if ((from == to && first < op) || jumps_back(g))
        return true;
    bool *goal = util_alloc(f->n_blocks + 1), *closed = util_alloc(f->n_blocks + 1);

    goal[to] = true;
    for (uint32_t i = 0; i < f->blocks[from].n_next; i++)
        if (reaches(f, f->blocks[from].next[i], goal, closed))
            return true;
    return false;
}

/* Has defer(rt_wg_wait, wg) been made on every way to this op? */
static bool is_wait_deferred(const struct graph *g, uint32_t op, ir_ref wg)
{
    const struct ir_func *f = g->func;

    for (uint32_t i = 0; i < f->n_ops; i++) {
        const struct ir_op *store = &f->ops[i];
        const char *name =
            store->kind == IR_STORE && store->b == wg ? local_name(f, local_of(f, store->a)) : "";

        if (strncmp(name, "rt_defer_", 9) != 0 || strcmp(strrchr(name, '_'), "_x") != 0)
            continue;
        const char *fn = util_printf("%.*sfn", (int)strlen(name) - 1, name);
        bool waits = false;

        for (uint32_t k = 0; k < f->n_ops; k++)
            waits |=
                f->ops[k].kind == IR_STORE && IR_IS_SYM(f->ops[k].b) &&
                strcmp(local_name(f, local_of(f, f->ops[k].a)), fn) == 0 &&
                strcmp(g->world->program->symbols[IR_INDEX(f->ops[k].b)].name, "rt_wg_wait") == 0;
        bool *goal = util_alloc(f->n_blocks + 1), *closed = util_alloc(f->n_blocks + 1);

        goal[f->ops[op].block] = closed[store->block] = true;
        if (waits && (store->block == f->ops[op].block ? i < op : !reaches(f, 0, goal, closed)))
            return true;
    }
    return false;
}

bool is_waited_for(const struct graph *g, uint32_t op, ir_ref wg)
{
    const struct ir_func *f = g->func;
    bool *waits = util_alloc(f->n_blocks + 1), *leaves = util_alloc(f->n_blocks + 1);
    uint32_t block = f->ops[op].block;

    if (is_wait_deferred(g, op, wg))
        return true;
    for (uint32_t i = 0; i < f->n_blocks; i++)
        leaves[i] = f->blocks[i].returns;
    /* What stands before the call in its own block is not on the way, unless it is a loop: and then
     * the call is made again. */
    for (uint32_t i = 0; i < f->n_ops; i++) {
        const struct ir_op *o = &f->ops[i];
        const char *name = callee_of(g, o);

        if (o->block == block && i < op)
            continue;
        if (strcmp(name, "rt_wg_wait") == 0 && f->calls[o->extra].n_args == 1 &&
            f->calls[o->extra].args[0].ref == wg)
            waits[o->block] = !leaves[o->block] || f->blocks[o->block].returns;
        else if (!waits[o->block] &&
                 (strcmp(name, "rt_goexit") == 0 || strcmp(name, "rt_panic") == 0 ||
                  strcmp(name, "rt_panic_value") == 0 || strcmp(name, "rt_repanic") == 0))
            leaves[o->block] = true;
    }
    if (waits[block])
        return true;
    return !reaches(f, block, leaves, waits);
}
