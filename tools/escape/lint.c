/*
 * tools/escape/lint.c - stores of collected pointers that by-pass the write barrier.
 *
 * gc(T) makes a plain store to a declared field an error of the compiler. What remains is what types
 * can't see: a store through an integer, a void ** or a union, a memcpy(), assembly, a global that is
 * no gc_root, a local that other goroutines can reach. On the solved graphs that is a question of
 * sets: may this plain store put a pointer that came from gc_new() and its kin into memory that is
 * not this goroutine's own stack?
 *
 * When the value or the place is a parameter's, the callers decide: the store is passed up to them
 * (struct plain), as summaries are, until it meets an allocation and a place, or main().
 */
#include "tools/escape/report.h"

#include "tools/common/util.h"

#include <string.h>

/* A plain store as a caller sees it. */
struct plain {
    struct end value, place;   /* END_PARAM; or END_NEW: collected, END_ANY: not on a stack */
    const struct graph *graph; /* where it is written */
    uint32_t op;
    const char *where; /* the place, if it is known: "global 'g'" */
};

struct plains {
    struct plain *all;
    uint32_t n, cap;
};

struct lint {
    struct world *world;
    struct plains *of; /* by symbol of the function */
    bool *gives_new;   /* functions that hand out collected memory */
    unsigned findings;
    struct plain *reported; /* each store once, whoever calls */
    uint32_t n_reported, cap_reported;
};

/*
 * Which objects a node holds by a way that can be followed: not because both got into the memory of
 * ANY, where everything meets. One bit for each of the graph's objects that the lint looks at.
 */
struct flow {
    const struct graph *graph;
    uint32_t *object; /* the objects looked at */
    uint32_t n, cap;
    uint8_t **reaches; /* for each of them, a flag for each node */
};

/* A set of objects of one graph. */
struct found {
    uint32_t *objects;
    uint32_t n, cap;
};

static void find(struct found *f, uint32_t object)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (f->objects[i] == object)
            return;
    UTIL_PUSH(f->objects, f->n, f->cap) = object;
}

static uint8_t *follow(const struct graph *g, uint32_t object)
{
    uint8_t *seen = util_alloc(g->n_nodes + 1);
    uint32_t *queue = util_alloc(g->n_nodes * sizeof *queue), n = 0;

    if (g->objects[object].home == IR_NONE || g->objects[object].home == g->any)
        return seen;
    queue[n++] = g->objects[object].home;
    seen[queue[0]] = true;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = &g->nodes[queue[i]];

        for (uint32_t k = 0; k < node->n_edges; k++) {
            uint32_t to = node->edges[k].to;

            if (to == g->any || seen[to] || !node_has(g, to, object))
                continue;
            seen[to] = true;
            queue[n++] = to;
        }
    }
    return seen;
}

/* Is anything done with it that matters here? */
static bool is_looked_at(const struct object *o)
{
    return o->kind == OBJ_NEW || o->kind == OBJ_LOCAL || o->kind == OBJ_SYMBOL ||
           o->kind == OBJ_COPY || (o->kind == OBJ_GIVEN && o->level < 2);
}

static struct flow flow_of(const struct graph *g)
{
    struct flow f = {.graph = g};

    f.reaches = util_alloc((g->n_objects + 1) * sizeof *f.reaches);
    return f;
}

static void find_node(struct found *out, struct flow *f, uint32_t node)
{
    const struct graph *g = f->graph;

    for (uint32_t i = 0; node != IR_NONE && i < g->nodes[node].n_items; i++) {
        uint32_t o = g->nodes[node].items[i];

        if (!is_looked_at(&g->objects[o]))
            continue;
        if (!f->reaches[o])
            f->reaches[o] = follow(g, o);
        if (f->reaches[o][node])
            find(out, o);
    }
}

static struct found find_argument(struct flow *f, const struct site *site, uint32_t i,
                                  unsigned level)
{
    struct found direct = {0}, behind = {0};

    if (i < site->n_args)
        find_node(&direct, f, site->args[i]);
    for (uint32_t k = 0; level && k < direct.n; k++)
        find_node(&behind, f, f->graph->objects[direct.objects[k]].content[0]);
    return level ? behind : direct;
}

static bool is_collected(const struct lint *l, const struct graph *g, uint32_t object)
{
    const struct object *o = &g->objects[object];

    if (o->kind != OBJ_NEW)
        return false;
    if (o->model)
        return true;
    for (uint32_t i = 0; i < g->n_sites; i++) {
        const struct site *site = g->sites[i];

        for (uint32_t k = 0; site->fresh == object && k < site->n_targets; k++)
            if (l->gives_new[site->targets[k].summary->symbol])
                return true;
    }
    return false;
}

static const struct model *site_model(const struct site *site)
{
    return site->n_targets == 1 ? site->targets[0].summary->model : NULL;
}

static bool is_uncollected(const struct graph *g, uint32_t object)
{
    for (uint32_t i = 0; i < g->n_sites; i++) {
        const struct model *m = site_model(g->sites[i]);

        if (g->sites[i]->fresh == object && m && strcmp(m->name, "rt_alloc") == 0)
            return true;
    }
    return false;
}

/* Does a goroutine that this function starts get its address? */
static bool is_handed_over(const struct graph *g, uint32_t object)
{
    for (uint32_t i = 0; i < g->n_spawned; i++) {
        const struct node *args = &g->nodes[g->spawned[i]];

        for (uint32_t k = 0; k < args->n_items; k++)
            if (g->objects[args->items[k]].content[0] != IR_NONE &&
                node_has(g, g->objects[args->items[k]].content[0], object))
                return true;
    }
    return false;
}

/* Memory that the barrier must know about: what to call it, or NULL. */
static const char *guarded(const struct lint *l, const struct graph *g, uint32_t object)
{
    const struct object *o = &g->objects[object];
    const struct ir_symbol *symbol = &l->world->program->symbols[o->index];

    switch ((enum object_kind)o->kind) {
    case OBJ_SYMBOL:
        return symbol->func || symbol->is_constant ? NULL : object_name(g, object);
    case OBJ_NEW:
        if (is_collected(l, g, object))
            return object_name(g, object);
        return is_uncollected(g, object) ? "memory of rt_alloc()" : NULL;
    case OBJ_LOCAL:
    case OBJ_COPY:
        return is_handed_over(g, object)
                   ? util_printf("%s, which another goroutine can reach,", object_name(g, object))
                   : NULL;
    default:
        return NULL;
    }
}

/* Somebody has thought about it: "no barrier: why" stands on the line of the store or above it. */
static bool is_waived(struct ir_place place)
{
    FILE *f = place.path ? fopen(place.path, "r") : NULL;
    char line[512];
    bool found = false;

    for (uint32_t n = 1; f && n <= place.line && fgets(line, sizeof line, f);
         n += strchr(line, '\n') != NULL)
        found |= n + 1 >= place.line && strstr(line, "no barrier: ") != NULL;
    if (f)
        fclose(f);
    return found;
}

static void report(struct lint *l, const struct plain *p, const char *what, const char *where,
                   const char *called)
{
    struct ir_place place = op_place(p->graph, p->op);

    for (uint32_t i = 0; i < l->n_reported; i++)
        if (l->reported[i].graph == p->graph && l->reported[i].op == p->op)
            return;
    UTIL_PUSH(l->reported, l->n_reported, l->cap_reported) = *p;
    if (is_waived(place))
        return;
    l->findings++;
    report_line(place, util_printf("warning: %s is stored in %s without the write barrier%s", what,
                                   where, called));
}

static void pass_up(struct lint *l, const struct graph *g, struct plain plain)
{
    struct plains *list = &l->of[g->func->symbol];

    for (uint32_t i = 0; i < list->n; i++) {
        const struct plain *p = &list->all[i];

        if (memcmp(&p->value, &plain.value, sizeof p->value) == 0 &&
            memcmp(&p->place, &plain.place, sizeof p->place) == 0 && p->graph == plain.graph &&
            p->op == plain.op)
            return;
    }
    UTIL_PUSH(list->all, list->n, list->cap) = plain;
}

/* Judge one store of any of `values` to any of `places`, all of graph g. */
static void judge(struct lint *l, const struct graph *g, const struct found *values,
                  bool value_known, const struct found *places, const char *place_known,
                  const struct plain *origin, const char *called)
{
    for (uint32_t i = 0; i < values->n + value_known; i++) {
        struct end value = {.kind = END_NEW};
        const char *what = "a collected pointer";

        if (i < values->n) {
            const struct object *o = &g->objects[values->objects[i]];

            if (o->kind == OBJ_GIVEN)
                value = (struct end){END_PARAM, o->level, o->index};
            else if (is_collected(l, g, values->objects[i]))
                what = object_name(g, values->objects[i]);
            else
                continue;
        }
        for (uint32_t k = 0; k < places->n + !!place_known; k++) {
            const char *where = place_known;
            struct end place = {.kind = END_ANY};

            if (k < places->n) {
                const struct object *o = &g->objects[places->objects[k]];

                if (o->kind == OBJ_GIVEN)
                    place = (struct end){END_PARAM, o->level, o->index};
                else
                    where = guarded(l, g, places->objects[k]);
                if (o->kind != OBJ_GIVEN && !where)
                    continue;
                if (i < values->n && values->objects[i] == places->objects[k])
                    continue; /* an object keeps itself alive no longer than it lives */
            }
            if (value.kind == END_NEW && place.kind == END_ANY) {
                report(l, origin, what, where, called);
                return;
            }
            pass_up(l, g,
                    (struct plain){value, place, origin->graph, origin->op,
                                   place.kind == END_ANY ? where : NULL});
        }
    }
}

static void check_stores(struct lint *l, const struct graph *g)
{
    const struct ir_func *f = g->func;
    struct flow flow = flow_of(g);

    for (uint32_t i = 0; i < f->n_ops; i++) {
        const struct ir_op *op = &f->ops[i];
        struct found values = {0}, places = {0};
        struct plain origin = {.graph = g, .op = i};

        if (op->kind == IR_STORE && op->class >= IR_WORD && IR_IS_REG(op->b) && op->a != IR_NONE) {
            find_node(&values, &flow, IR_INDEX(op->b));
            if (IR_IS_REG(op->a)) {
                find_node(&places, &flow, IR_INDEX(op->a));
                judge(l, g, &values, false, &places, NULL, &origin, "");
            } else {
                const struct ir_symbol *s = &l->world->program->symbols[IR_INDEX(op->a)];

                judge(l, g, &values, false, &places, util_printf("global '%s'", s->name), &origin,
                      "");
            }
        } else if (op->kind == IR_CALL && f->calls[op->extra].callee == IR_NONE &&
                   !f->calls[op->extra].asm_empty) {
            for (uint32_t k = 0; k < f->calls[op->extra].n_args; k++) {
                const struct ir_arg *arg = &f->calls[op->extra].args[k];

                if (!arg->indirect && IR_IS_REG(arg->ref))
                    find_node(&values, &flow, IR_INDEX(arg->ref));
            }
            judge(l, g, &values, false, &places, "whatever the assembly here does with it", &origin,
                  "");
        }
    }
    for (uint32_t i = 0; i < g->n_sites; i++) {
        const struct model *m = site_model(g->sites[i]);
        struct plain origin = {.graph = g, .op = g->sites[i]->op};

        if (!m || (strncmp(m->name, "mem", 3) != 0 && strncmp(m->name, "llvm.mem", 8) != 0) ||
            strncmp(m->effects, "1'=*0", 5) != 0)
            continue;
        struct found values = find_argument(&flow, g->sites[i], 1, 1),
                     places = find_argument(&flow, g->sites[i], 0, 0);

        judge(l, g, &values, false, &places, NULL, &origin, "");
    }
}

/* Stores in callees, with what this function hands them. */
static void check_calls(struct lint *l, const struct graph *g)
{
    struct flow flow = flow_of(g);

    for (uint32_t i = 0; i < g->n_sites; i++) {
        const struct site *site = g->sites[i];

        for (uint32_t k = 0; k < site->n_targets; k++) {
            const struct summary *s = site->targets[k].summary;
            struct plains *list = &l->of[s->symbol];

            for (uint32_t j = 0; !s->model && j < list->n; j++) {
                const struct plain p = list->all[j];
                struct found none = {0};
                struct found values = p.value.kind == END_PARAM
                                          ? find_argument(&flow, site, p.value.index, p.value.level)
                                          : none;
                struct found places = p.place.kind == END_PARAM
                                          ? find_argument(&flow, site, p.place.index, p.place.level)
                                          : none;

                judge(l, g, &values, p.value.kind == END_NEW, &places, p.where, &p,
                      util_printf(" (called at %s)", place_text(op_place(g, site->op))));
            }
        }
    }
}

unsigned report_barriers(struct world *w)
{
    struct ir_program *p = w->program;
    struct lint l = {.world = w,
                     .of = util_alloc((p->n_symbols + 1) * sizeof *l.of),
                     .gives_new = util_alloc(p->n_symbols + 1)};
    bool again = true;

    while (again) {
        again = false;
        for (uint32_t i = 0; i < p->n_funcs; i++) {
            const struct graph *g = w->summaries[p->funcs[i]->symbol]->graph;

            for (uint32_t k = 0; k < g->nodes[g->result].n_items && !l.gives_new[g->func->symbol];
                 k++)
                if (is_collected(&l, g, g->nodes[g->result].items[k]))
                    again = l.gives_new[g->func->symbol] = true;
        }
    }
    for (uint32_t i = 0; i < p->n_funcs; i++) {
        const struct graph *g = w->summaries[p->funcs[i]->symbol]->graph;

        /* The barrier's own inline half, and the rest of the headers, are the runtime's. */
        if (!w->summaries[p->funcs[i]->symbol]->model)
            check_stores(&l, g);
    }
    for (again = true; again;) {
        uint32_t before = 0, after = 0;

        for (uint32_t i = 0; i < p->n_symbols; i++)
            before += l.of[i].n;
        for (uint32_t i = 0; i < p->n_funcs; i++)
            check_calls(&l, w->summaries[p->funcs[i]->symbol]->graph);
        for (uint32_t i = 0; i < p->n_symbols; i++)
            after += l.of[i].n;
        again = after != before;
    }
    return l.findings;
}
