/*
 * tools/escape/report.c - which locals and allocations outlive their function, and why.
 *
 * An object escapes if a pointer to it may be in the result, in the memory of ANY, in memory that
 * the caller gave, or in an object that escapes. The reason that is printed is the shortest way
 * from the place where its address is taken to there, searched along the edges of the solved graph;
 * where it leads through a call, it goes on inside the callee.
 *
 * main() is special: when it returns the program ends, so nothing outlives its outermost locals.
 */
#include "tools/escape/report.h"

#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>

/* ---- Lines ---- */

struct line {
    struct ir_place place;
    const char *text;
};

static struct line *lines;
static size_t n_lines, cap_lines;

void report_line(struct ir_place place, const char *text)
{
    UTIL_PUSH(lines, n_lines, cap_lines) = (struct line){place, util_intern(text)};
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->place.path ? x->place.path : "", y->place.path ? y->place.path : "");

    order = order ? order : compare_numbers(x->place.line, y->place.line);
    order = order ? order : compare_numbers(x->place.column, y->place.column);
    return order ? order : strcmp(x->text, y->text);
}

const char *place_text(struct ir_place place)
{
    if (!place.path)
        return "an unknown place";
    return util_printf("%s:%u:%u", place.path, place.line, place.column);
}

void report_print(void)
{
    if (n_lines)
        qsort(lines, n_lines, sizeof *lines, compare_lines);
    for (size_t i = 0; i < n_lines; i++)
        if (i == 0 || compare_lines(&lines[i - 1], &lines[i]) != 0)
            printf("%s: %s\n", place_text(lines[i].place), lines[i].text);
    lines = NULL;
    n_lines = cap_lines = 0;
}

/* ---- Names ---- */

static const struct ir_symbol *symbol_at(const struct graph *g, uint32_t symbol)
{
    return &g->world->program->symbols[symbol];
}

static const char *func_name(const struct graph *g)
{
    const char *name = ir_meta_text(g->func->file, g->func->subprogram, "name");

    return name ? name : symbol_at(g, g->func->symbol)->name;
}

struct ir_place op_place(const struct graph *g, uint32_t op)
{
    return op == IR_NONE ? (struct ir_place){0} : ir_place_of(g->func->file, g->func->ops[op].loc);
}

/* The name in the record of rt/gc.h's RT_TYPE(T) that is an argument of this call. */
static const char *type_argument(const struct graph *g, uint32_t op)
{
    const struct ir_call *call = &g->func->calls[g->func->ops[op].extra];

    for (uint32_t i = 0; i < call->n_args; i++) {
        ir_ref ref = call->args[i].ref;

        if (!IR_IS_REG(ref) && !IR_IS_SYM(ref))
            continue;
        const struct node *n = IR_IS_REG(ref) ? &g->nodes[IR_INDEX(ref)] : NULL;

        for (uint32_t k = 0; k < (n ? n->n_items : 1); k++) {
            uint32_t symbol = IR_INDEX(ref);

            if (n && g->objects[n->items[k]].kind != OBJ_SYMBOL)
                continue;
            if (n)
                symbol = g->objects[n->items[k]].index;
            const struct ir_symbol *s = symbol_at(g, symbol);

            if (!s->section || strcmp(s->section, "rt_types") != 0)
                continue;
            for (uint32_t j = 0; j < s->n_refs; j++)
                if (symbol_at(g, s->refs[j])->text)
                    return util_printf("%.*s", (int)strcspn(symbol_at(g, s->refs[j])->text, "\\"),
                                       symbol_at(g, s->refs[j])->text);
        }
    }
    return "?";
}

static const char *param_name(const struct graph *g, uint32_t param)
{
    /* A parameter is stored into its variable first: the local whose variable has this number. */
    for (uint32_t i = 0; i < g->func->n_locals; i++) {
        const struct ir_local *l = &g->func->locals[i];

        for (uint32_t k = 0; l->variable != IR_NONE && k < g->func->n_ops; k++) {
            const struct ir_op *op = &g->func->ops[k];

            if (op->kind == IR_STORE && op->a == IR_REG(g->func->ops[l->op].dst) &&
                param < g->func->n_params && op->b == IR_REG(g->func->params[param].reg))
                return ir_meta_text(g->func->file, l->variable, "name");
        }
    }
    return NULL;
}

const char *object_name(const struct graph *g, uint32_t object)
{
    const struct object *o = &g->objects[object];
    const struct ir_func *f = g->func;
    const char *name = NULL;

    switch ((enum object_kind)o->kind) {
    case OBJ_SYMBOL:
        name = symbol_at(g, o->index)->name;
        return util_printf(symbol_at(g, o->index)->func ? "%s()" : "global '%s'", name);
    case OBJ_LOCAL:
        name = ir_meta_text(f->file, f->locals[o->index].variable, "name");
        if (name)
            return util_printf("'%s'", name);
        return f->ops[f->locals[o->index].op].flags & IR_DYNAMIC ? "memory of alloca()"
                                                                 : "a compound literal";
    case OBJ_COPY:
        name = ir_meta_text(f->file, f->params[o->index].variable, "name");
        return name ? util_printf("'%s'", name) : "a parameter";
    case OBJ_NEW:
        if (o->model && strcmp(o->model->name, "rt_slice_grow") == 0)
            return "append()";
        if (o->model && strchr(o->model->allocates, '%'))
            return util_printf(o->model->allocates, type_argument(g, o->index));
        return o->model ? o->model->allocates : "a new object";
    case OBJ_GIVEN:
        name = param_name(g, o->index);
        return name ? util_printf("parameter '%s'", name)
                    : util_printf("parameter %u", o->index + 1);
    case OBJ_PACK:
        return "variable arguments";
    case OBJ_ANY:
        break;
    }
    return "memory that others know";
}

/* ---- Reasons ---- */

enum way_out { STAYS, IS_RETURNED, IS_SHARED, IS_IN_PARAMETER, IS_HELD };

struct reason {
    enum way_out how;
    uint32_t holder;    /* IS_IN_PARAMETER, IS_HELD: the object whose memory it is in */
    struct edge *steps; /* the way there */
    uint32_t n_steps;
};

/* What each object's memory nodes belong to, and which objects escape. */
struct study {
    struct graph *g;
    uint32_t *owner; /* node to 1 + object whose memory it is */
    uint8_t *out;    /* object to enum way_out */
};

static bool is_own(const struct object *o)
{
    return o->kind == OBJ_LOCAL || o->kind == OBJ_COPY || o->kind == OBJ_NEW || o->kind == OBJ_PACK;
}

static struct study study_begin(struct graph *g)
{
    struct study s = {.g = g,
                      .owner = util_alloc(g->n_nodes * sizeof *s.owner),
                      .out = util_alloc(g->n_objects + 1)};
    bool again = true;

    for (uint32_t i = 0; i < g->n_objects; i++)
        for (unsigned k = 0; k < 2; k++)
            if (g->objects[i].content[k] != IR_NONE && g->objects[i].content[k] != g->any)
                s.owner[g->objects[i].content[k]] = i + 1;
    while (again) {
        again = false;
        for (uint32_t i = 0; i < g->n_nodes; i++) {
            uint8_t how = i == g->result ? IS_RETURNED : i == g->any ? IS_SHARED : STAYS;

            if (s.owner[i] && g->objects[s.owner[i] - 1].kind == OBJ_GIVEN)
                how = IS_IN_PARAMETER;
            else if (s.owner[i] && s.out[s.owner[i] - 1])
                how = IS_HELD;
            for (uint32_t k = 0; how && k < g->nodes[i].n_items; k++) {
                uint32_t o = g->nodes[i].items[k];

                if (is_own(&g->objects[o]) && !s.out[o]) {
                    s.out[o] = how;
                    again = true;
                }
            }
        }
    }
    return s;
}

/*
 * A callee moves what it finds behind a parameter into the memory of the same parameter: what was
 * moved was in there before, so this is not how it came there.
 */
static bool moves_inside(const struct edge *e)
{
    const struct pair *p = e->pair;

    return p && p->from.kind == END_PARAM && p->to.kind == END_PARAM && p->from.level > 0 &&
           p->from.index == p->to.index;
}

/* Breadth first from where the object's address comes from to where it gets out; if `wanted` is not
 * STAYS, in that way only; not along moves within one argument's memory unless `moves`. */
static struct reason search(const struct study *s, uint32_t object, enum way_out wanted, bool moves)
{
    const struct graph *g = s->g;
    struct reason r = {0};
    uint32_t *queue = util_alloc(g->n_nodes * sizeof *queue), n = 0, best = IR_NONE;
    struct back {
        uint32_t from;
        const struct edge *edge;
    } *back = util_alloc(g->n_nodes * sizeof *back);
    bool *seen = util_alloc(g->n_nodes + 1);

    if (g->objects[object].home == IR_NONE)
        return r;
    queue[n++] = g->objects[object].home;
    seen[queue[0]] = true;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = queue[i], owner = s->owner[node];
        enum way_out how = node == g->result                                   ? IS_RETURNED
                           : node == g->any                                    ? IS_SHARED
                           : owner && g->objects[owner - 1].kind == OBJ_GIVEN  ? IS_IN_PARAMETER
                           : owner && s->out[owner - 1] && owner - 1 != object ? IS_HELD
                                                                               : STAYS;

        if (how != STAYS && wanted != STAYS && how != wanted && how != IS_HELD)
            continue;
        if (how != STAYS && (best == IR_NONE || how != IS_HELD)) {
            best = node;
            r.how = how;
            r.holder = owner ? owner - 1 : 0;
        }
        if (how != STAYS && how != IS_HELD)
            break;
        for (uint32_t k = 0; k < g->nodes[node].n_edges; k++) {
            const struct edge *e = &g->nodes[node].edges[k];

            if (seen[e->to] || !node_has(g, e->to, object) ||
                (e->to == g->any && e->op == IR_NONE) || (!moves && moves_inside(e)))
                continue;
            seen[e->to] = true;
            back[e->to] = (struct back){node, e};
            queue[n++] = e->to;
        }
    }
    if (best == IR_NONE)
        return r;
    for (uint32_t node = best; back[node].edge; node = back[node].from)
        r.n_steps++;
    r.steps = util_alloc((r.n_steps + 1) * sizeof *r.steps);
    uint32_t left = r.n_steps;

    for (uint32_t node = best; back[node].edge; node = back[node].from)
        r.steps[--left] = *back[node].edge;
    return r;
}

static struct reason reason_of(const struct study *s, uint32_t object, enum way_out wanted)
{
    struct reason r = search(s, object, wanted, false);

    return r.how == STAYS ? search(s, object, wanted, true) : r;
}

/* The object of the callee's graph that an entry of its summary begins with. */
static uint32_t given_object(const struct graph *g, struct end from)
{
    for (uint32_t i = 0; i < g->n_objects; i++)
        if (from.kind == END_PARAM && g->objects[i].kind == OBJ_GIVEN &&
            g->objects[i].index == from.index && g->objects[i].level == from.level)
            return i;
    return IR_NONE;
}

static const char *callee_name(const struct edge *e, const struct world *w)
{
    return w->program->symbols[e->pair->of->symbol].name;
}

/* The first variable that this may be the address of, or IR_NONE. */
static uint32_t symbol_of(const struct graph *g, ir_ref address)
{
    if (IR_IS_SYM(address))
        return IR_INDEX(address);
    for (uint32_t i = 0; IR_IS_REG(address) && i < g->nodes[IR_INDEX(address)].n_items; i++) {
        const struct object *o = &g->objects[g->nodes[IR_INDEX(address)].items[i]];

        if (o->kind == OBJ_SYMBOL)
            return o->index;
    }
    return IR_NONE;
}

static const char *stored_where(const struct graph *g, ir_ref address)
{
    uint32_t symbol = symbol_of(g, address);

    if (symbol == IR_NONE)
        return "stored where others can see it";
    return util_printf("stored in global '%s'", symbol_at(g, symbol)->name);
}

/* "sent to a channel", "stored by gc_set() in global 'head'" */
static const char *model_text(const struct graph *g, const struct edge *e)
{
    const struct pair *pair = e->pair;
    const struct ir_op *op = &g->func->ops[e->op];
    uint32_t symbol = IR_NONE;

    if (op->kind == IR_CALL && pair->to.kind == END_PARAM && pair->to.level == 0 &&
        pair->to.index < g->func->calls[op->extra].n_args)
        symbol = symbol_of(g, g->func->calls[op->extra].args[pair->to.index].ref);
    return symbol == IR_NONE ? pair->of->model->text
                             : util_printf("%s in global '%s'", pair->of->model->text,
                                           symbol_at(g, symbol)->name);
}

static const char *cause(struct study *s, uint32_t object, enum way_out wanted, unsigned depth,
                         unsigned verbose);

/* The last step, in words; what is inside a callee is looked up there. */
static const char *last_step(struct study *s, const struct reason *r, unsigned depth,
                             unsigned verbose)
{
    const struct graph *g = s->g;
    const struct edge *e = r->n_steps ? &r->steps[r->n_steps - 1] : NULL;
    const struct ir_op *op = e && e->op != IR_NONE ? &g->func->ops[e->op] : NULL;
    const char *at = place_text(op_place(g, e ? e->op : IR_NONE));

    if (op && e->pair && e->pair->of->graph && !e->pair->of->model && depth < 8) {
        struct graph *callee = e->pair->of->graph;
        uint32_t inner = given_object(callee, e->pair->from);

        if (inner != IR_NONE && r->how == IS_SHARED) {
            struct study deeper = study_begin(callee);

            return util_printf("%s (called at %s)",
                               cause(&deeper, inner, IS_SHARED, depth + 1, verbose), at);
        }
    }
    switch (r->how) {
    case IS_RETURNED:
        return util_printf("returned at %s", at);
    case IS_IN_PARAMETER:
        if (op && e->pair && e->pair->of->model && e->pair->of->model->text)
            return util_printf("%s at %s, in memory of %s", e->pair->of->model->text, at,
                               object_name(g, r->holder));
        if (op && e->pair)
            return util_printf("stored by %s() at %s, in memory of %s", callee_name(e, g->world),
                               at, object_name(g, r->holder));
        return util_printf("stored at %s, in memory of %s", at, object_name(g, r->holder));
    case IS_HELD:
        return util_printf("kept in %s at %s, which escapes: %s", object_name(g, r->holder), at,
                           depth < 8 ? cause(s, r->holder, STAYS, depth + 1, verbose) : "...");
    case IS_SHARED:
        if (op && op->kind == IR_STORE && !e->pair)
            return util_printf("%s at %s", stored_where(g, op->a), at);
        if (op && e->pair && e->pair->of->model && e->pair->of->model->text)
            return util_printf("%s at %s", model_text(g, e), at);
        if (op && e->pair)
            return util_printf("passed to %s(), which the tool does not know, at %s",
                               callee_name(e, g->world), at);
        if (op && op->kind == IR_CALL && g->func->calls[op->extra].callee == IR_NONE)
            return util_printf("handed to assembly at %s", at);
        if (op && op->kind == IR_CALL)
            return util_printf("passed to a function that can't be told at %s", at);
        return util_printf("shared at %s", at);
    case STAYS:
        break;
    }
    return "kept";
}

/* V=2: one line for each step that somebody wrote. */
static const char *chain(const struct graph *g, const struct reason *r)
{
    char *text = util_printf("%s", "");
    const char *last = NULL;

    for (uint32_t i = 0; i < r->n_steps; i++) {
        const struct edge *e = &r->steps[i];

        if (e->op == IR_NONE)
            continue;
        const struct ir_op *op = &g->func->ops[e->op];
        const char *what = NULL;

        if (op->kind == IR_STORE && !e->pair) {
            what = "is stored";
            for (uint32_t o = 0; o < g->n_objects; o++)
                if ((g->objects[o].content[0] == e->to || g->objects[o].content[1] == e->to) &&
                    e->to != g->any)
                    what = g->objects[o].kind == OBJ_LOCAL && *object_name(g, o) != '\''
                               ? NULL /* on its way through an expression */
                               : util_printf("is stored in %s", object_name(g, o));
        } else if (op->kind == IR_RET) {
            what = "is returned";
        } else if (e->pair && e->to == op->dst) {
            what = util_printf("comes back from %s()", callee_name(e, g->world));
        } else if (e->pair) {
            what = util_printf("is passed to %s()", callee_name(e, g->world));
        }
        if (!what || strstr(what, "'rt_") || !op_place(g, e->op).path)
            continue;
        what = util_printf("\n\t%s: %s", place_text(op_place(g, e->op)), what);
        if (last && strcmp(what, last) == 0)
            continue;
        last = what;
        text = util_printf("%s%s", text, what);
    }
    return text;
}

/* Why the object escapes; with the steps of V=2 behind it, those in callees last. */
static const char *cause(struct study *s, uint32_t object, enum way_out wanted, unsigned depth,
                         unsigned verbose)
{
    static const char *steps;
    struct reason r = reason_of(s, object, wanted);

    if (depth == 0)
        steps = "";
    if (verbose >= 2)
        steps = util_printf("%s%s", steps, chain(s->g, &r));
    const char *text = last_step(s, &r, depth, verbose);

    return depth == 0 ? util_printf("%s%s", text, steps) : text;
}

/* ---- Scopes ---- */

static bool is_inside(const struct ir_file *f, uint32_t scope, uint32_t outer)
{
    for (unsigned hops = 0; scope != IR_NONE && hops < 200; hops++) {
        if (scope == outer)
            return true;
        scope = ir_meta_ref(f, scope, "scope");
    }
    return false;
}

static uint32_t op_scope(const struct graph *g, uint32_t op)
{
    return ir_meta_ref(g->func->file, g->func->ops[op].loc, "scope");
}

/* Can control come back to the op without leaving its block `{ ... }`? */
static bool is_repeated(const struct graph *g, uint32_t op)
{
    const struct ir_func *f = g->func;
    uint32_t start = f->ops[op].block, scope = op_scope(g, op), n = 0;
    bool *closed = util_alloc(f->n_blocks + 1); /* visited, or outside of the scope */
    uint32_t *stack = util_alloc((f->n_blocks + 1) * sizeof *stack);

    for (uint32_t i = 0; i < f->n_ops; i++)
        if (f->ops[i].loc != IR_NONE && f->ops[i].kind != IR_ALLOCA &&
            !is_inside(f->file, op_scope(g, i), scope))
            closed[f->ops[i].block] = true;
    stack[n++] = start;
    while (n) {
        const struct ir_block *b = &f->blocks[stack[--n]];

        for (uint32_t i = 0; i < b->n_next; i++) {
            if (b->next[i] == start)
                return true;
            if (closed[b->next[i]])
                continue;
            closed[b->next[i]] = true;
            stack[n++] = b->next[i];
        }
    }
    return false;
}

/* Is the allocation held by something that lives longer than the block that it is made in? */
static bool outlives_block(const struct graph *g, const uint32_t *owner, uint32_t object)
{
    uint32_t op = g->objects[object].index, scope = op_scope(g, op);
    bool repeated = is_repeated(g, op);

    if (scope == IR_NONE)
        return true;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        if (!owner[i] || !node_has(g, i, object))
            continue;
        const struct object *holder = &g->objects[owner[i] - 1];
        uint32_t inner = IR_NONE;

        if (holder->kind == OBJ_LOCAL) {
            uint32_t variable = g->func->locals[holder->index].variable;

            if (variable == IR_NONE)
                continue;
            inner = ir_meta_ref(g->func->file, variable, "scope");
        } else if (holder->kind == OBJ_NEW || holder->kind == OBJ_PACK) {
            inner = op_scope(g, holder->index);
        } else {
            continue;
        }
        if (repeated || !is_inside(g->func->file, inner, scope))
            return true;
    }
    return false;
}

/* ---- Decisions ---- */

static bool is_main(const struct graph *g)
{
    if (strcmp(symbol_at(g, g->func->symbol)->name, "main") != 0)
        return false;
    for (uint32_t i = 0; i < g->func->n_calls; i++) {
        ir_ref callee = g->func->calls[i].callee;

        if (IR_IS_SYM(callee) && strcmp(symbol_at(g, IR_INDEX(callee))->name, "rt_goexit") == 0)
            return false;
    }
    return true;
}

/* The op that first uses the address of this local as a value, or IR_NONE. */
static uint32_t address_taken_at(const struct graph *g, uint32_t reg)
{
    const struct ir_func *f = g->func;
    bool *same = util_alloc(f->n_regs + 1);

    same[reg] = true;
    for (uint32_t i = 0; i < f->n_ops; i++) {
        const struct ir_op *op = &f->ops[i];
        bool a = IR_IS_REG(op->a) && same[IR_INDEX(op->a)];

        if (op->kind == IR_COPY && a && op->dst != IR_NONE && (op->flags & IR_ADDRESS))
            same[op->dst] = true;
        else if ((op->kind == IR_COPY || op->kind == IR_RET) && a)
            return i;
        else if (op->kind == IR_STORE && IR_IS_REG(op->b) && same[IR_INDEX(op->b)])
            return i;
        if (op->kind != IR_CALL)
            continue;
        const struct ir_call *call = &f->calls[op->extra];
        bool intrinsic = IR_IS_SYM(call->callee) &&
                         strncmp(symbol_at(g, IR_INDEX(call->callee))->name, "llvm.", 5) == 0;

        for (uint32_t k = 0; k < call->n_args && !intrinsic && call->callee != IR_NONE; k++)
            if (IR_IS_REG(call->args[k].ref) && same[IR_INDEX(call->args[k].ref)] &&
                !call->args[k].by_value)
                return i;
    }
    return IR_NONE;
}

#define HIDDEN_DEFERS "function_has_no_defers_statement" /* rt/defer.h */

/* Variables of the runtime's macros, and results by address, are nobody's business. */
static bool is_hidden(const struct graph *g, const struct object *o)
{
    const char *name = NULL;

    if (o->kind == OBJ_LOCAL)
        name = ir_meta_text(g->func->file, g->func->locals[o->index].variable, "name");
    return name && (strncmp(name, "rt_", 3) == 0 || strcmp(name, HIDDEN_DEFERS) == 0);
}

/* Nothing outlives this: the program ends first. */
static bool lasts(const struct graph *g, const struct object *o)
{
    uint32_t variable = o->kind == OBJ_LOCAL  ? g->func->locals[o->index].variable
                        : o->kind == OBJ_COPY ? g->func->params[o->index].variable
                                              : IR_NONE;
    uint32_t scope = ir_meta_ref(g->func->file, variable, "scope");

    return is_main(g) && scope != IR_NONE && scope == g->func->subprogram;
}

static struct ir_place first_place(const struct graph *g, const struct reason *r)
{
    for (uint32_t i = 0; i < r->n_steps; i++) {
        struct ir_place place = op_place(g, r->steps[i].op);

        if (place.path && place.line)
            return place;
    }
    return (struct ir_place){0};
}

static unsigned report_local(struct study *s, uint32_t object, unsigned verbose)
{
    const struct graph *g = s->g;
    const struct object *o = &g->objects[object];
    const char *name = object_name(g, object);
    uint32_t reg = o->kind == OBJ_LOCAL ? g->func->ops[g->func->locals[o->index].op].dst
                                        : g->func->params[o->index].reg;
    bool named = *name == '\'';

    if (is_hidden(g, o))
        return 0;
    if (s->out[object] && !lasts(g, o)) {
        struct reason r = reason_of(s, object, STAYS);

        report_line(first_place(g, &r),
                    util_printf("warning: address of %s%s outlives %s: %s", named ? "local " : "",
                                name, func_name(g), cause(s, object, STAYS, 0, verbose)));
        return 1;
    }
    uint32_t op = verbose ? address_taken_at(g, reg) : IR_NONE;

    if (op == IR_NONE)
        return 0;
    const char *what = named ? util_printf("&%.*s", (int)strlen(name) - 2, name + 1) : name;

    if (s->out[object])
        report_line(op_place(g, op),
                    util_printf("%s is shared, and lasts as long as the program: %s", what,
                                cause(s, object, STAYS, 0, verbose)));
    else
        report_line(op_place(g, op), util_printf("%s does not escape", what));
    return 0;
}

static void report_new(struct study *s, uint32_t object, unsigned verbose)
{
    const struct graph *g = s->g;
    const char *name = object_name(g, object);
    bool fixed_size = strncmp(name, "gc_new", 6) == 0 || strncmp(name, "rt_try_new", 10) == 0;

    if (s->out[object])
        report_line(
            op_place(g, g->objects[object].index),
            util_printf("%s escapes to heap: %s", name, cause(s, object, STAYS, 0, verbose)));
    else if (fixed_size && !outlives_block(g, s->owner, object))
        report_line(op_place(g, g->objects[object].index),
                    util_printf("%s does not escape: could live on the stack", name));
    else
        report_line(op_place(g, g->objects[object].index),
                    util_printf("%s does not escape%s", name,
                                fixed_size ? ", but outlives its block" : ""));
}

/* For tests: one line for each object, where it is declared or made. */
static void verdict(struct study *s, uint32_t object)
{
    const struct graph *g = s->g;
    const struct object *o = &g->objects[object];
    const struct ir_file *file = g->func->file;
    const char *name = object_name(g, object);
    struct ir_place place = {0};

    if (o->kind == OBJ_NEW) {
        bool stays = !s->out[object];

        place = op_place(g, o->index);
        report_line(place, util_printf("%.*s %s", (int)strcspn(name, "("), name,
                                       !stays ? "escapes"
                                       : strncmp(name, "gc_new", 6) == 0 &&
                                               !outlives_block(g, s->owner, object)
                                           ? "stack"
                                           : "stays"));
        return;
    }
    if (is_hidden(g, o) || *name != '\'')
        return;
    place = ir_place_of(file, o->kind == OBJ_LOCAL ? g->func->locals[o->index].loc
                                                   : g->func->params[o->index].loc);
    report_line(place, util_printf("%.*s %s", (int)strlen(name) - 2, name + 1,
                                   s->out[object] && !lasts(g, o) ? "escapes" : "stays"));
}

unsigned report_escapes(struct world *w, unsigned verbose)
{
    unsigned warnings = 0;

    for (uint32_t i = 0; i < w->program->n_funcs; i++) {
        const struct ir_func *f = w->program->funcs[i];
        struct graph *g = w->summaries[f->symbol]->graph;

        /* What the headers bring along is the runtime's. */
        if (strncmp(w->program->symbols[f->symbol].name, "rt_", 3) == 0)
            continue;
        struct study s = study_begin(g);

        for (uint32_t o = 0; o < g->n_objects; o++) {
            bool is_new = g->objects[o].kind == OBJ_NEW && g->objects[o].model;

            if (verbose == REPORT_VERDICTS &&
                (is_new || g->objects[o].kind == OBJ_LOCAL || g->objects[o].kind == OBJ_COPY))
                verdict(&s, o);
            else if (g->objects[o].kind == OBJ_LOCAL || g->objects[o].kind == OBJ_COPY)
                warnings += report_local(&s, o, verbose);
            else if (is_new && verbose)
                report_new(&s, o, verbose);
        }
    }
    return warnings;
}
