/*
 * tools/escape/solve.c - points-to sets by inclusion, one graph a function; see solve.h.
 *
 * HOW. An edge says: what is in this node is in that one too. Loads and stores become edges as soon
 * as it is known what their address points to. Nodes with news wait in a queue (propagate()). What
 * arrives in a node that the caller can see is an entry of the summary (note_outside()); entries
 * are repeated at each call site (apply_pair()), whose functions wait in the world's queue.
 *
 * INVARIANTS
 * [solve.1] Everything only grows: sets, edges, summaries, targets of calls. So the order of work
 *           decides how long it takes and not what comes out.
 * [solve.2] An object that is in the memory of ANY has its own memory there too, and may hold
 *           anything that ANY does.
 * [solve.3] A function that may be called by somebody who is not in the program (its address got
 *           out) may be handed any function to call.
 *
 * [solve.4] What was done is not done again: an item is moved along an edge once, a pair is applied
 *           once at each site. world.n_steps counts; the tests watch that it grows with the program.
 *
 * SOURCES. Andersen, Program Analysis and Specialization for C, 1994. Whaley and Rinard, OOPSLA
 * 1999 (objects of the caller as placeholders). Go, cmd/compile/internal/escape.
 */
#include "tools/escape/solve.h"

#include "tools/common/util.h"
#include "tools/escape/flow.h"

#include <string.h>

/* ---- Nodes, objects, edges ---- */

static void add_item(struct graph *g, uint32_t node, uint32_t object);

static uint32_t new_node(struct graph *g)
{
    (void)UTIL_PUSH(g->nodes, g->n_nodes, g->cap_nodes);
    g->nodes[g->n_nodes - 1] = (struct node){0};
    return g->n_nodes - 1;
}

bool node_has(const struct graph *g, uint32_t node, uint32_t object)
{
    return set_has(&g->members, pair_of(node, object));
}

static void queue_node(struct graph *g, uint32_t node)
{
    if (!g->nodes[node].is_queued) {
        g->nodes[node].is_queued = true;
        UTIL_PUSH(g->queue, g->n_queue, g->cap_queue) = node;
    }
}

static void queue_graph(struct graph *g)
{
    struct world *w = g->world;

    if (!g->is_queued) {
        g->is_queued = true;
        UTIL_PUSH(w->queue, w->n_queue, w->cap_queue) = g;
    }
}

static void add_edge(struct graph *g, uint32_t from, uint32_t to, uint32_t op,
                     const struct pair *pair)
{
    if (from == to || from == IR_NONE || to == IR_NONE || !set_add(&g->linked, pair_of(from, to)))
        return;
    struct node *n = &g->nodes[from];

    UTIL_PUSH(n->edges, n->n_edges, n->cap_edges) = (struct edge){to, op, pair};
    for (uint32_t i = 0; i < g->nodes[from].n_items; i++)
        add_item(g, to, g->nodes[from].items[i]);
}

static uint32_t new_object(struct graph *g, enum object_kind kind, uint32_t index, bool memory)
{
    struct object o = {
        .kind = kind, .index = index, .content = {IR_NONE, IR_NONE}, .home = IR_NONE};

    if (memory) {
        o.content[0] = new_node(g);
        o.content[1] = new_node(g);
    }
    UTIL_PUSH(g->objects, g->n_objects, g->cap_objects) = o;
    return g->n_objects - 1;
}

/* Variables of the whole program are part of ANY; what never changes is looked at itself. */
static uint32_t symbol_object(struct graph *g, uint32_t symbol);

static uint32_t symbol_node(struct graph *g, uint32_t symbol)
{
    if (g->n_symbols * 2 >= g->cap_symbols) {
        uint32_t cap = g->cap_symbols ? g->cap_symbols * 2 : 16;
        uint32_t *grown = util_alloc(cap * 2 * sizeof *grown);

        for (uint32_t i = 0; i < g->cap_symbols; i++) {
            if (!g->symbol_node[2 * i])
                continue;
            uint32_t h = g->symbol_node[2 * i] * 2654435761u;

            while (grown[2 * (h & (cap - 1))])
                h++;
            grown[2 * (h & (cap - 1))] = g->symbol_node[2 * i];
            grown[2 * (h & (cap - 1)) + 1] = g->symbol_node[2 * i + 1];
        }
        g->symbol_node = grown;
        g->cap_symbols = cap;
    }
    uint32_t h = (symbol + 1) * 2654435761u;

    for (;; h++) {
        uint32_t *slot = &g->symbol_node[2 * (h & (g->cap_symbols - 1))];

        if (slot[0] == symbol + 1)
            return slot[1];
        if (slot[0])
            continue;
        uint32_t node = new_node(g);

        slot[0] = symbol + 1;
        slot[1] = node;
        g->n_symbols++;
        add_item(g, node, symbol_object(g, symbol));
        return node;
    }
}

static uint32_t symbol_object(struct graph *g, uint32_t symbol)
{
    const struct ir_symbol *s = &g->world->program->symbols[symbol];
    uint32_t o = new_object(g, OBJ_SYMBOL, symbol, false);

    if (s->func)
        return o;
    bool fixed = s->is_constant || (s->section && strcmp(s->section, "rt_types") == 0) ||
                 strncmp(s->name, "_NSConcrete", 11) == 0; /* the class of a block */

    if (!fixed) {
        g->objects[o].content[0] = g->objects[o].content[1] = g->any;
    } else if (s->n_refs) {
        uint32_t content = new_node(g);

        g->objects[o].content[0] = content;
        for (uint32_t i = 0; i < s->n_refs; i++)
            if (s->refs[i] != symbol)
                add_edge(g, symbol_node(g, s->refs[i]), content, IR_NONE, NULL);
    }
    return o;
}

static uint32_t ref_node(struct graph *g, ir_ref ref)
{
    if (ref == IR_NONE)
        return IR_NONE;
    return IR_IS_SYM(ref) ? symbol_node(g, IR_INDEX(ref)) : IR_INDEX(ref);
}

/* ---- Summaries ---- */

static uint64_t end_key(struct end e)
{
    return (uint64_t)e.kind << 28 | (uint64_t)e.level << 26 | (e.index & 0x3ffffff);
}

static struct summary *summary_of(struct world *w, uint32_t symbol);

static void add_pair(struct summary *s, struct end from, struct end to, uint8_t class)
{
    if (from.kind == END_ANY && to.kind == END_ANY)
        return;
    uint64_t key = end_key(from) << 32 | end_key(to) << 1 | (class == IR_WORD);

    if (!set_add(&s->seen, key))
        return;
    struct pair *pair = util_alloc(sizeof *pair);

    *pair = (struct pair){from, to, class, s};
    UTIL_PUSH(s->pairs, s->n_pairs, s->cap_pairs) = pair;
    for (uint32_t i = 0; i < s->n_callers; i++)
        queue_graph(s->callers[i]->graph);
}

static void let_out(struct summary *s);

/* Object `o` got into node `node`, which callers can see. */
static void note_outside(struct graph *g, uint32_t node, uint32_t object)
{
    struct end from = {0}, to = g->nodes[node].outside;
    struct object *o = &g->objects[object];

    switch ((enum object_kind)o->kind) {
    case OBJ_ANY:
        from.kind = END_ANY;
        break;
    case OBJ_SYMBOL: {
        const struct ir_symbol *s = &g->world->program->symbols[o->index];

        /* What others know already is no news to them; but it may be called now. */
        if (to.kind == END_ANY) {
            if (s->func)
                let_out(summary_of(g->world, o->index));
            return;
        }
        if (o->content[0] == g->any)
            from.kind = END_ANY;
        else if (s->func || o->content[0] != IR_NONE)
            from = (struct end){END_SYMBOL, 0, o->index};
        else
            return; /* a text */
        break;
    }
    case OBJ_GIVEN:
        from = (struct end){END_PARAM, o->level, o->index};
        break;
    case OBJ_LOCAL:
    case OBJ_COPY:
    case OBJ_NEW:
    case OBJ_PACK:
        from.kind = END_NEW;
        if (to.kind == END_ANY) { /* [solve.2] */
            uint32_t pointers = o->content[0], integers = o->content[1];

            add_edge(g, pointers, g->any, IR_NONE, NULL);
            add_edge(g, integers, g->any, IR_NONE, NULL);
            add_item(g, pointers, ANY_OBJECT);
            return;
        }
        if (!o->exported) {
            o->exported = true;
            for (unsigned i = 0; i < 2; i++) {
                uint32_t content = g->objects[object].content[i];
                struct node *n = &g->nodes[content];

                n->is_outside = true;
                n->outside = (struct end){.kind = END_NEW};
                n->outside_class = i ? IR_WORD : IR_POINTER;
                for (uint32_t k = 0; k < g->nodes[content].n_items; k++)
                    note_outside(g, content, g->nodes[content].items[k]);
            }
        }
        break;
    }
    add_pair(g->summary, from, to, g->nodes[node].outside_class);
}

/* An object that was in a node from the start: for callers it is no news that it is there. */
static void add_first_item(struct graph *g, uint32_t node, uint32_t object)
{
    if (!set_add(&g->members, pair_of(node, object)))
        return;
    struct node *n = &g->nodes[node];

    UTIL_PUSH(n->items, n->n_items, n->cap_items) = object;
    if (g->objects[object].home == IR_NONE)
        g->objects[object].home = node;
    queue_node(g, node);
}

static void add_item(struct graph *g, uint32_t node, uint32_t object)
{
    if (node == IR_NONE)
        return;
    add_first_item(g, node, object);
    if (g->nodes[node].is_outside && set_add(&g->told, pair_of(node, object)))
        note_outside(g, node, object);
}

static struct summary *summary_of(struct world *w, uint32_t symbol)
{
    struct summary *s = w->summaries[symbol];

    if (s)
        return s;
    const struct ir_symbol *sym = &w->program->symbols[symbol];

    s = w->summaries[symbol] = util_alloc(sizeof *s);
    s->symbol = symbol;
    s->n_params = sym->func ? sym->func->n_params : 0;
    s->callable = util_alloc((s->n_params + 1) * LEVELS * sizeof *s->callable);
    s->model = model_find(sym->name, sym->func && sym->func->defined);
    if (sym->func && sym->func->defined) {
        s->graph = util_alloc(sizeof *s->graph);
        s->graph->world = w;
        s->graph->func = sym->func;
        s->graph->summary = s;
        queue_graph(s->graph);
    } else if (!s->model) { /* unknown: takes everything, gives anything */
        for (uint32_t i = 0; i <= s->n_params; i++) {
            bool keeps_off = i < s->n_params && sym->func->params[i].no_capture;

            add_pair(s, (struct end){END_PARAM, keeps_off, i}, (struct end){.kind = END_ANY},
                     IR_POINTER);
            add_pair(s, (struct end){.kind = END_ANY}, (struct end){END_PARAM, 0, i}, IR_POINTER);
        }
        add_pair(s, (struct end){.kind = END_ANY}, (struct end){.kind = END_RESULT}, IR_POINTER);
    }
    return s;
}

/* ---- Call sites ---- */

static void add_use(struct graph *g, uint32_t node, struct use use);
static void add_target(struct site *site, uint32_t symbol);

/*
 * The node of argument i (level 0), of what it points to (level 1), of everything behind that
 * (level 2), of what integers on the way point to. The parameter behind the last is the pack of the
 * variable ones.
 */
static uint32_t arg_level(struct site *site, const struct summary *callee, uint32_t i,
                          unsigned level)
{
    struct graph *g = site->graph;

    if (callee && !callee->model && i == callee->n_params)
        i = site->n_args;
    else if (i >= site->n_args)
        return IR_NONE;
    uint32_t arg = i == site->n_args ? site->pack_node : site->args[i];

    if (level == 0 || arg == IR_NONE)
        return arg;
    uint32_t *nodes = &site->levels[(LEVELS - 1) * i];

    if (!nodes[0]) {
        struct use load = {.kind = USE_LOAD, .class = IR_WHOLE, .op = site->op};
        struct use integers = {.kind = USE_MOVE_POINTERS, .flags = 1, .op = site->op};
        uint32_t first = new_node(g), second = new_node(g), third = new_node(g);

        nodes[0] = first;
        nodes[1] = second;
        nodes[2] = integers.node = third;
        load.node = first;
        add_use(g, arg, load);
        load.node = second;
        add_use(g, first, load);
        add_use(g, second, load);
        add_use(g, arg, integers);
        add_use(g, first, integers);
        add_use(g, second, integers);
        add_use(g, third, load);
    }
    return nodes[level - 1];
}

static uint32_t fresh_node(struct site *site)
{
    struct graph *g = site->graph;

    if (site->fresh == IR_NONE) {
        site->fresh_node = new_node(g);
        site->fresh = new_object(g, OBJ_NEW, site->op, true);
        add_item(g, site->fresh_node, site->fresh);
    }
    return site->fresh_node;
}

static uint32_t end_node(struct site *site, const struct summary *callee, struct end e)
{
    struct graph *g = site->graph;

    switch ((enum end_kind)e.kind) {
    case END_PARAM:
        return e.index == IR_NONE ? g->pack : arg_level(site, callee, e.index, e.level);
    case END_NEW:
        return fresh_node(site);
    case END_SYMBOL:
        return symbol_node(g, e.index);
    case END_ANY:
        return g->any;
    case END_RESULT:
        return site->result;
    }
    return IR_NONE;
}

static void apply_pair(struct site *site, const struct pair *pair)
{
    struct graph *g = site->graph;
    uint32_t op = site->op;
    uint32_t from = end_node(site, pair->of, pair->from);

    g->world->n_steps++;
    if (from == IR_NONE)
        return;
    switch ((enum end_kind)pair->to.kind) {
    case END_RESULT:
        add_edge(g, from, pair->class == IR_WORD ? site->integers : site->result, op, pair);
        break;
    case END_ANY:
        add_edge(g, from, g->any, op, pair);
        break;
    case END_NEW:
        fresh_node(site);
        add_edge(g, from, g->objects[site->fresh].content[pair->class == IR_WORD], op, pair);
        break;
    case END_PARAM: {
        uint32_t address = arg_level(site, pair->of, pair->to.index, pair->to.level);
        struct use use = {
            .kind = USE_STORE, .class = pair->class, .node = from, .op = op, .pair = pair};

        if (address == IR_NONE)
            break;
        if (pair->class == IR_WHOLE) { /* bytes: pointers stay pointers, integers integers */
            uint32_t source = arg_level(site, pair->of, pair->from.index, pair->from.level - 1u);

            for (unsigned i = 0; i < 2; i++) {
                uint32_t through = new_node(g);

                add_use(g, source,
                        (struct use){.kind = USE_MOVE_POINTERS,
                                     .flags = (uint8_t)i,
                                     .node = through,
                                     .op = op,
                                     .pair = pair});
                use.class = i ? IR_WORD : IR_POINTER;
                use.node = through;
                add_use(g, address, use);
            }
        } else {
            add_use(g, address, use);
        }
        break;
    }
    case END_SYMBOL:
        break;
    }
}

static struct site *new_site(struct graph *g, uint32_t op, uint32_t n_args, uint32_t result)
{
    struct site *site = util_alloc(sizeof *site);

    *site = (struct site){.graph = g,
                          .op = op,
                          .result = result,
                          .integers = IR_NONE,
                          .n_args = n_args,
                          .pack = IR_NONE,
                          .fresh = IR_NONE,
                          .pack_node = IR_NONE,
                          .fresh_node = IR_NONE};
    site->args = util_alloc((n_args + 1) * sizeof *site->args);
    site->levels = util_alloc((n_args + 1) * (LEVELS - 1) * sizeof *site->levels);
    UTIL_PUSH(g->sites, g->n_sites, g->cap_sites) = site;
    return site;
}

/* A call that a model makes, of what it was given. */
static void model_call(struct site *site, const struct effect *e)
{
    struct graph *g = site->graph;
    struct site *inner = new_site(g, site->op, e->n - 1, new_node(g));

    for (uint32_t i = 0; i < inner->n_args; i++)
        inner->args[i] = arg_level(site, NULL, e->call[i + 1].index, e->call[i + 1].level);
    inner->is_packed = true;
    add_use(g, arg_level(site, NULL, e->call[0].index, e->call[0].level),
            (struct use){.kind = USE_CALL, .site = inner});
}

static void apply_model(struct site *site, struct summary *s, const struct model *model)
{
    const char *effects = model->effects;
    struct effect e;

    while (model_next(&effects, &e)) {
        if (e.n == 0) {
            struct pair *pair = util_alloc(sizeof *pair);

            *pair = e.pair;
            pair->of = s;
            apply_pair(site, pair);
            if (e.pair.from.kind == END_NEW && model->allocates)
                site->graph->objects[site->fresh].model = model;
        } else {
            model_call(site, &e);
        }
    }
}

/* What may this call's parameters call? */
static void tell_functions(struct site *site, struct summary *callee, uint32_t param,
                           uint32_t level)
{
    uint32_t node = arg_level(site, callee, param, level);

    if (node != IR_NONE)
        add_use(site->graph, node,
                (struct use){.kind = USE_FUNCTION,
                             .site = site,
                             .param = param,
                             .level = level,
                             .callee = callee});
}

static bool variadic_rest(const struct ir_func *f, const struct site *site)
{
    return f && (f->is_variadic || !f->defined) && site->n_args > f->n_params;
}

static void add_summary(struct site *site, struct summary *s)
{
    struct world *w = site->graph->world;
    const struct ir_func *f = w->program->symbols[s->symbol].func;

    for (uint32_t i = 0; i < site->n_targets; i++)
        if (site->targets[i].summary == s)
            return;
    if (!s->model && variadic_rest(f, site) && site->pack == IR_NONE) {
        struct graph *g = site->graph;

        site->pack = new_object(g, OBJ_PACK, site->op, true);
        site->pack_node = new_node(g);
        add_item(g, site->pack_node, site->pack);
        for (uint32_t i = f->n_params; i < site->n_args; i++)
            add_edge(g, site->args[i], g->objects[site->pack].content[0], site->op, NULL);
    }
    UTIL_PUSH(site->targets, site->n_targets, site->cap_targets) = (struct target){s, 0};
    if (s->model) {
        apply_model(site, s, s->model);
        return;
    }
    UTIL_PUSH(s->callers, s->n_callers, s->cap_callers) = site;
    for (uint32_t i = 0; i <= s->n_params; i++)
        for (uint32_t level = 0; level < LEVELS; level++)
            if (s->callable[i * LEVELS + level].is_asked)
                tell_functions(site, s, i, level);
    queue_graph(site->graph);
}

/* Could this function be called with these arguments? */
static bool fits(const struct site *site, const struct ir_func *f)
{
    if (f->is_block)
        return false; /* a thunk: build_packed() makes its call */
    if (site->is_packed)
        return f->n_params == site->n_args || (f->is_variadic && f->n_params <= site->n_args);
    const struct ir_op *op = &site->graph->func->ops[site->op];
    const struct ir_call *call = &site->graph->func->calls[op->extra];

    if (call->is_variadic || f->is_variadic)
        return f->n_params <= call->n_args || call->is_variadic;
    if (f->n_params != call->n_args || (f->ret >= IR_WORD) != (call->ret >= IR_WORD))
        return false;
    for (uint32_t i = 0; i < f->n_params; i++)
        if ((f->params[i].class >= IR_WORD) != (call->args[i].class >= IR_WORD))
            return false;
    return true;
}

static void add_target(struct site *site, uint32_t symbol)
{
    const struct ir_func *f = site->graph->world->program->symbols[symbol].func;

    if (f && fits(site, f))
        add_summary(site, summary_of(site->graph->world, symbol));
}

/* Somebody unknown chose the function. */
static void add_any_target(struct site *site)
{
    struct world *w = site->graph->world;

    for (uint32_t i = 0; i < w->n_taken; i++)
        add_target(site, w->taken[i]);
}

static void callable_add(struct callable *c, uint32_t symbol)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->symbols[i] == symbol)
            return;
    UTIL_PUSH(c->symbols, c->n, c->cap) = symbol;
    for (uint32_t i = 0; i < c->n_sites; i++) {
        add_target(c->sites[i], symbol);
        queue_graph(c->sites[i]->graph);
    }
    for (uint32_t i = 0; i < c->n_passed; i++)
        callable_add(c->passed[i], symbol);
}

static void callable_any(struct callable *c)
{
    if (c->any)
        return;
    c->any = true;
    for (uint32_t i = 0; i < c->n_sites; i++) {
        add_any_target(c->sites[i]);
        queue_graph(c->sites[i]->graph);
    }
    for (uint32_t i = 0; i < c->n_passed; i++)
        callable_any(c->passed[i]);
}

/* [solve.3] */
static void let_out(struct summary *s)
{
    for (uint32_t i = 0; i < (s->n_params + 1) * LEVELS; i++)
        callable_any(&s->callable[i]);
}

/* Functions that callers hand over in this parameter matter from now on. */
static struct callable *ask_callers(struct graph *g, const struct object *given)
{
    struct summary *s = g->summary;
    struct callable *c = &s->callable[given->index * LEVELS + given->level];

    if (c->is_asked)
        return c;
    c->is_asked = true;
    for (uint32_t i = 0; i < s->n_callers; i++) {
        tell_functions(s->callers[i], s, given->index, given->level);
        queue_graph(s->callers[i]->graph);
    }
    return c;
}

/* May the program call this, which came by a parameter? */
static bool is_callable(const struct graph *g, const struct object *o)
{
    return o->kind == OBJ_GIVEN &&
           !(o->index < g->func->n_params && g->func->params[o->index].is_float);
}

/* An indirect call finds that it may call this. */
static void use_call(struct graph *g, struct site *site, const struct object *o)
{
    if (o->kind == OBJ_SYMBOL) {
        add_target(site, o->index);
    } else if (o->kind == OBJ_ANY) {
        add_any_target(site);
    } else if (is_callable(g, o)) {
        struct callable *c = ask_callers(g, o);

        for (uint32_t i = 0; i < c->n_sites; i++)
            if (c->sites[i] == site)
                return;
        UTIL_PUSH(c->sites, c->n_sites, c->cap_sites) = site;
        for (uint32_t i = 0; i < c->n; i++)
            add_target(site, c->symbols[i]);
        if (c->any)
            add_any_target(site);
    }
}

/* A call hands this to a parameter whose functions matter. */
static void use_function(struct graph *g, const struct use *use, const struct object *o)
{
    struct callable *c = &use->callee->callable[use->param * LEVELS + use->level];

    if (o->kind == OBJ_SYMBOL) {
        if (g->world->program->symbols[o->index].func)
            callable_add(c, o->index);
    } else if (o->kind == OBJ_ANY) {
        callable_any(c);
    } else if (is_callable(g, o)) {
        struct callable *own = ask_callers(g, o);

        for (uint32_t i = 0; i < own->n_passed; i++)
            if (own->passed[i] == c)
                return;
        UTIL_PUSH(own->passed, own->n_passed, own->cap_passed) = c;
        for (uint32_t i = 0; i < own->n; i++)
            callable_add(c, own->symbols[i]);
        if (own->any)
            callable_any(c);
    }
}

/* ---- Solving one graph ---- */

static void apply_use(struct graph *g, const struct use *use, uint32_t object)
{
    struct object o = g->objects[object];

    g->world->n_steps++;
    bool pointers = use->class == IR_POINTER || use->class == IR_WHOLE;

    switch (use->kind) {
    case USE_LOAD:
        if (!(use->flags & IR_INT_FIELD) || pointers)
            add_edge(g, o.content[0], use->node, use->op, use->pair);
        add_edge(g, o.content[1], use->node, use->op, use->pair);
        break;
    case USE_STORE:
        add_edge(g, use->node, o.content[!pointers], use->op, use->pair);
        break;
    case USE_MOVE_POINTERS:
        add_edge(g, o.content[use->flags], use->node, use->op, use->pair);
        break;
    case USE_CALL:
        use_call(g, use->site, &o);
        break;
    case USE_FUNCTION:
        use_function(g, use, &o);
        break;
    }
}

static void add_use(struct graph *g, uint32_t node, struct use use)
{
    if (node == IR_NONE)
        return;
    struct node *n = &g->nodes[node];

    UTIL_PUSH(n->uses, n->n_uses, n->cap_uses) = use;
    for (uint32_t i = 0; i < g->nodes[node].n_items; i++)
        apply_use(g, &use, g->nodes[node].items[i]);
}

static void propagate(struct graph *g)
{
    while (g->n_queue) {
        uint32_t node = g->queue[--g->n_queue];

        g->nodes[node].is_queued = false;
        while (g->nodes[node].n_done < g->nodes[node].n_items) {
            uint32_t object = g->nodes[node].items[g->nodes[node].n_done++];

            g->world->n_steps += g->nodes[node].n_edges;
            for (uint32_t i = 0; i < g->nodes[node].n_edges; i++)
                add_item(g, g->nodes[node].edges[i].to, object);
            for (uint32_t i = 0; i < g->nodes[node].n_uses; i++) {
                struct use use = g->nodes[node].uses[i];

                apply_use(g, &use, object);
            }
        }
    }
}

/* ---- Building one graph ---- */

static void set_outside(struct graph *g, uint32_t node, struct end end, uint8_t class)
{
    g->nodes[node].is_outside = true;
    g->nodes[node].outside = end;
    g->nodes[node].outside_class = class;
}

static void build_given(struct graph *g, uint32_t param, uint32_t node)
{
    uint32_t given[LEVELS];

    for (unsigned level = 0; level < LEVELS; level++) {
        uint32_t o = given[level] = new_object(g, OBJ_GIVEN, param, true);
        struct end end = {END_PARAM, (uint8_t)level, param};

        g->objects[o].level = (uint8_t)level;
        set_outside(g, g->objects[o].content[0], end, IR_POINTER);
        set_outside(g, g->objects[o].content[1], end, IR_WORD);
    }
    for (unsigned level = 0; level < LEVELS; level++) {
        add_first_item(g, g->objects[given[level]].content[0], given[level < 2 ? level + 1 : 2]);
        add_first_item(g, g->objects[given[level]].content[1], given[INTEGERS]);
    }
    if (param < g->func->n_params && g->func->params[param].by_value) {
        uint32_t copy = new_object(g, OBJ_COPY, param, true);

        add_item(g, g->objects[copy].content[0], given[1]);
        add_item(g, g->objects[copy].content[1], given[INTEGERS]);
        add_item(g, node, copy);
    } else {
        add_item(g, node, given[0]);
    }
}

/*
 * Assembly may do anything with a pointer in a register, but not with what it is only told to read
 * or write; that holds its inputs afterwards. Without an instruction it hands inputs on.
 */
static void build_asm(struct graph *g, uint32_t op, const struct ir_call *call)
{
    uint32_t result = g->func->ops[op].dst, inputs = new_node(g);

    for (uint32_t i = 0; i < call->n_args; i++) {
        uint32_t arg = ref_node(g, call->args[i].ref);

        if (arg == IR_NONE || call->args[i].class < IR_WORD)
            continue;
        if (call->args[i].indirect)
            add_use(g, arg,
                    (struct use){.kind = USE_STORE, .class = IR_POINTER, .node = inputs, .op = op});
        else
            add_edge(g, arg, inputs, op, NULL);
    }
    add_edge(g, inputs, result, op, NULL);
    if (!call->asm_empty) {
        add_edge(g, inputs, g->any, op, NULL);
        add_edge(g, g->any, result, op, NULL);
    }
}

static void build_call(struct graph *g, uint32_t op)
{
    const struct ir_func *f = g->func;
    const struct ir_call *call = &f->calls[f->ops[op].extra];
    struct world *w = g->world;

    if (call->callee == IR_NONE) {
        build_asm(g, op, call);
        return;
    }
    struct site *site = new_site(g, op, call->n_args, f->ops[op].dst);

    site->integers = ref_node(g, call->integers);

    for (uint32_t i = 0; i < call->n_args; i++)
        site->args[i] = call->args[i].class >= IR_WORD ? ref_node(g, call->args[i].ref) : IR_NONE;
    if (!IR_IS_SYM(call->callee)) {
        site->is_indirect = true;
        UTIL_PUSH(w->open, w->n_open, w->cap_open) = site;
        add_use(g, ref_node(g, call->callee), (struct use){.kind = USE_CALL, .site = site});
        return;
    }
    uint32_t symbol = IR_INDEX(call->callee);

    if (!w->program->symbols[symbol].func)
        return; /* called, and nowhere declared as a function */
    const char *name = w->program->symbols[symbol].name;
    bool grouped = strcmp(name, "rt_wg_go_spawn") == 0 && call->n_args == 5;
    bool spawns = grouped || (strcmp(name, "rt_go_spawn") == 0 && call->n_args == 5);

    if (spawns && site->args[2] != IR_NONE)
        UTIL_PUSH(g->spawned, g->n_spawned, g->cap_spawned) = site->args[2];
    if (grouped && local_of(f, call->args[0].ref) != IR_NONE &&
        is_waited_for(g, op, call->args[0].ref))
        return; /* as a call of its own, see build_packed() */
    if (spawns)
        UTIL_PUSH(g->captured, g->n_captured, g->cap_captured) =
            local_name(f, local_of(f, call->args[2].ref));
    add_summary(site, summary_of(w, symbol));
}

/*
 * The calls that RT_CALL (rt/call.h) and defer() pack up, unless a goroutine gets them: the
 * function is in the local PREFIX_f or PREFIX_fn, the arguments in PREFIX_1 and so on or PREFIX_x,
 * PREFIX_y. They are made as if at once.
 */
static void build_packed(struct graph *g)
{
    const struct ir_func *f = g->func;

    for (uint32_t i = 0; i < f->n_locals; i++) {
        const char *name = local_name(f, i), *letters = "123456";
        uint32_t args[6], n = 0;
        int prefix = 0;

        if (strncmp(name, "rt_call_", 8) != 0 && strncmp(name, "rt_defer_", 9) != 0)
            continue;
        const char *end = strrchr(name, '_');

        prefix = (int)(end - name);
        if (strcmp(end, "_fn") == 0)
            letters = "xy";
        else if (strcmp(end, "_f") != 0)
            continue;
        bool captured = false;

        for (uint32_t k = 0; k < g->n_captured; k++)
            captured |= strcmp(g->captured[k], util_printf("%.*s_args", prefix, name)) == 0;
        if (captured)
            continue;
        for (; letters[n]; n++) {
            const char *wanted = util_printf("%.*s_%c", prefix, name, letters[n]);
            uint32_t k = 0;

            while (k < f->n_locals && strcmp(local_name(f, k), wanted) != 0)
                k++;
            if (k == f->n_locals)
                break;
            args[n] = new_node(g);
            add_use(
                g, f->ops[f->locals[k].op].dst,
                (struct use){
                    .kind = USE_LOAD, .class = IR_POINTER, .node = args[n], .op = f->locals[i].op});
        }
        uint32_t op = f->locals[i].op, callee = new_node(g);

        for (uint32_t k = 0; k < f->n_ops; k++)
            if (f->ops[k].kind == IR_STORE && f->ops[k].a == IR_REG(f->ops[op].dst))
                op = k; /* this one has a place */
        struct site *site = new_site(g, op, n, new_node(g));

        memcpy(site->args, args, n * sizeof *args);
        site->is_packed = true;
        add_use(g, f->ops[f->locals[i].op].dst,
                (struct use){.kind = USE_LOAD, .class = IR_POINTER, .node = callee, .op = op});
        UTIL_PUSH(g->world->open, g->world->n_open, g->world->cap_open) = site;
        add_use(g, callee, (struct use){.kind = USE_CALL, .site = site});
    }
}

static void build(struct graph *g)
{
    const struct ir_func *f = g->func;

    g->is_built = true;
    for (uint32_t i = 0; i < f->n_regs; i++)
        new_node(g);
    g->any = new_node(g);
    g->result = new_node(g);
    g->integers = new_node(g);
    g->pack = new_node(g);
    uint32_t any = new_object(g, OBJ_ANY, 0, false);

    g->objects[any].content[0] = g->objects[any].content[1] = g->any;
    set_outside(g, g->any, (struct end){.kind = END_ANY}, IR_POINTER);
    set_outside(g, g->result, (struct end){.kind = END_RESULT}, IR_POINTER);
    set_outside(g, g->integers, (struct end){.kind = END_RESULT}, IR_WORD);
    add_item(g, g->any, any);
    for (uint32_t i = 0; i < f->n_params; i++)
        if (f->params[i].class >= IR_WORD)
            build_given(g, i, f->params[i].reg);
    if (f->is_variadic)
        build_given(g, f->n_params, g->pack);
    for (uint32_t i = 0; i < f->n_ops; i++) {
        const struct ir_op *op = &f->ops[i];

        if (op->class == IR_NOTHING && op->kind != IR_CALL)
            continue;
        switch ((enum ir_kind)op->kind) {
        case IR_ALLOCA:
            add_item(g, op->dst, new_object(g, OBJ_LOCAL, op->extra, true));
            break;
        case IR_COPY:
            add_edge(g, ref_node(g, op->a), op->dst, i, NULL);
            break;
        case IR_UNKNOWN:
            add_edge(g, g->any, op->dst, i, NULL);
            break;
        case IR_LOAD:
            add_use(g, ref_node(g, op->a),
                    (struct use){.kind = USE_LOAD,
                                 .class = op->class,
                                 .flags = op->flags,
                                 .node = op->dst,
                                 .op = i});
            break;
        case IR_STORE:
            if (op->b != IR_NONE)
                add_use(g, ref_node(g, op->a),
                        (struct use){.kind = USE_STORE,
                                     .class = op->class,
                                     .node = ref_node(g, op->b),
                                     .op = i});
            break;
        case IR_RET:
            add_edge(g, ref_node(g, op->a), g->result, i, NULL);
            add_edge(g, ref_node(g, op->b), g->integers, i, NULL);
            break;
        case IR_CALL:
            build_call(g, i);
            break;
        }
    }
    build_packed(g);
}

static void process(struct graph *g)
{
    g->is_queued = false;
    if (!g->is_built)
        build(g);
    propagate(g);
    for (uint32_t i = 0; i < g->n_sites; i++) {
        struct site *site = g->sites[i];

        for (uint32_t k = 0; k < site->n_targets; k++) {
            struct summary *s = site->targets[k].summary;

            while (!s->model && site->targets[k].n_applied < s->n_pairs)
                apply_pair(site, s->pairs[site->targets[k].n_applied++]);
        }
    }
    propagate(g);
}

static void process_all(struct world *w)
{
    while (w->next_queue < w->n_queue) {
        struct graph *g = w->queue[w->next_queue++];

        process(g);
        if (w->next_queue > 4096 && w->next_queue * 2 > w->n_queue) {
            w->n_queue -= w->next_queue;
            memmove(w->queue, w->queue + w->next_queue, w->n_queue * sizeof(*w->queue));
            w->next_queue = 0;
        }
    }
}

/* ---- The program ---- */

/* Callees first: then most summaries are complete when they are used. */
static void visit(struct world *w, const struct ir_func *f, bool *seen)
{
    if (seen[f->symbol])
        return;
    seen[f->symbol] = true;
    for (uint32_t i = 0; i < f->n_calls; i++) {
        ir_ref callee = f->calls[i].callee;

        if (!IR_IS_SYM(callee))
            continue;
        const struct ir_symbol *s = &w->program->symbols[IR_INDEX(callee)];

        if (s->func && s->func->defined)
            visit(w, s->func, seen);
    }
    summary_of(w, f->symbol);
}

/* A call of something that nobody can be found for. */
static void call_unknown(struct site *site)
{
    struct graph *g = site->graph;

    for (uint32_t i = 0; i < site->n_args; i++) {
        add_edge(g, site->args[i], g->any, site->op, NULL);
        if (site->args[i] != IR_NONE)
            add_use(g, site->args[i],
                    (struct use){
                        .kind = USE_STORE, .class = IR_POINTER, .node = g->any, .op = site->op});
    }
    add_edge(g, g->any, site->result, site->op, NULL);
    queue_graph(g);
}

/* Nobody in the program hands over what is called here: somebody outside may. */
static void callable_unknown(struct callable *c)
{
    if (c->unknown)
        return;
    c->unknown = true;
    for (uint32_t i = 0; i < c->n_sites; i++)
        call_unknown(c->sites[i]);
    for (uint32_t i = 0; i < c->n_passed; i++)
        callable_unknown(c->passed[i]);
}

void solve(struct world *w, struct ir_program *program)
{
    bool *seen = util_alloc(program->n_symbols + 1);

    w->program = program;
    w->summaries = util_alloc((program->n_symbols + 1) * sizeof *w->summaries);
    for (uint32_t i = 0; i < program->n_symbols; i++)
        if (program->symbols[i].address_taken && program->symbols[i].alias == IR_NONE)
            UTIL_PUSH(w->taken, w->n_taken, w->cap_taken) = i;
    for (uint32_t i = 0; i < program->n_funcs; i++)
        visit(w, program->funcs[i], seen);
    process_all(w);

    for (uint32_t i = 0; i < program->n_symbols; i++) {
        struct summary *s = w->summaries[i];

        if (!s || !s->graph || s->n_callers || s->graph->func->is_block)
            continue;
        let_out(s);
        for (uint32_t k = 0; k < (s->n_params + 1) * LEVELS && !program->symbols[i].is_local; k++)
            callable_unknown(&s->callable[k]);
    }
    process_all(w);
    for (uint32_t i = 0; i < w->n_open; i++)
        if (!w->open[i]->n_targets)
            call_unknown(w->open[i]);
    process_all(w);
}
