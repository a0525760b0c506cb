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
 *
 * [lint.1] What a call of this function allocates is in nobody's hands before that: a store or a call
 *          that control can't get to from there does not store it. (What an earlier call of the
 *          function left in memory is the callers': to them it is behind a parameter.)
 */
#include "tools/escape/report.h"

#include "tools/common/util.h"
#include "tools/escape/flow.h"

#include <string.h>

/* A plain store as a caller sees it. */
struct plain {
    struct end value, place;   /* END_PARAM; or END_NEW: collected, END_ANY: not on a stack */
    const struct graph *graph; /* where it is written */
    uint32_t op;
    uint32_t store;    /* number of that op among all that were passed up */
    const char *where; /* the place, if it is known: "global 'g'" */
};

/* A set of objects of one graph. */
struct found {
    uint32_t *objects;
    uint32_t n, cap;
};

/*
 * One graph as the lint looks at it. An object counts as held by a node if it came there by a way
 * that can be followed: not because both got into the memory of ANY, where everything meets.
 */
struct view {
    const struct graph *graph;
    struct set *reached;        /* of each node: the objects that came by such a way */
    bool *is_followed;          /* objects whose ways are in `reached` */
    const struct site **makers; /* of each object: the call that it is new in, or NULL */
    struct arguments {          /* of each site: found once, as nothing here changes any more */
        struct found *found;    /* 2 of each argument: itself, what it points to */
        uint32_t *n_done;       /* of each target: stores of its list that were judged */
    } * sites;
    struct plain *plains; /* what is passed up from here */
    uint32_t n_plains, cap_plains;
    struct set passed; /* keys of these */
    bool gives_new;    /* it hands out collected memory */
    bool is_queued;
};

struct lint {
    struct world *world;
    struct view *views; /* by symbol of the function */
    unsigned findings;
    struct set stores;   /* number of its graph's symbol, and op: each is reported once */
    struct view **queue; /* whose callees have news */
    uint32_t n_queue, cap_queue;
    uint32_t n_stores;
    uint32_t *nodes; /* scratch of follow() */
    uint32_t cap_nodes;
};

static void find(struct found *f, uint32_t object)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (f->objects[i] == object)
            return;
    UTIL_PUSH(f->objects, f->n, f->cap) = object;
}

/* Where an object gets, from the node that held it first. */
static void follow(struct lint *l, struct view *v, uint32_t object)
{
    const struct graph *g = v->graph;
    uint32_t home = g->objects[object].home, n = 0;

    v->is_followed[object] = true;
    if (home == IR_NONE || home == g->any)
        return;
    set_add(&v->reached[home], object);
    UTIL_PUSH(l->nodes, n, l->cap_nodes) = home;
    while (n) {
        const struct node *node = &g->nodes[l->nodes[--n]];

        for (uint32_t k = 0; k < node->n_edges; k++) {
            uint32_t to = node->edges[k].to;

            l->world->n_steps++;
            if (to != g->any && node_has(g, to, object) && set_add(&v->reached[to], object))
                UTIL_PUSH(l->nodes, n, l->cap_nodes) = to;
        }
    }
}

/* Is anything done with it that matters here? */
static bool is_looked_at(const struct object *o)
{
    return o->kind == OBJ_NEW || o->kind == OBJ_LOCAL || o->kind == OBJ_SYMBOL ||
           o->kind == OBJ_COPY || (o->kind == OBJ_GIVEN && o->level < 2);
}

static void find_node(struct lint *l, struct found *out, struct view *v, uint32_t node)
{
    const struct graph *g = v->graph;

    for (uint32_t i = 0; node != IR_NONE && i < g->nodes[node].n_items; i++) {
        uint32_t o = g->nodes[node].items[i];

        l->world->n_steps++;
        if (!is_looked_at(&g->objects[o]))
            continue;
        if (!v->is_followed[o])
            follow(l, v, o);
        if (set_has(&v->reached[node], o))
            find(out, o);
    }
}

/* What argument `i` of site `s` holds; level 1: what is in the memory of that. */
static const struct found *find_argument(struct lint *l, struct view *v, uint32_t s, uint32_t i,
                                         unsigned level)
{
    static const struct found nothing;
    const struct graph *g = v->graph;
    const struct site *site = g->sites[s];
    struct arguments *a = &v->sites[s];

    if (i >= site->n_args)
        return &nothing;
    if (!a->found) {
        a->found = util_alloc(2 * site->n_args * sizeof *a->found);
        for (uint32_t k = 0; k < site->n_args; k++) {
            struct found *direct = &a->found[2 * k];

            find_node(l, direct, v, site->args[k]);
            for (uint32_t o = 0; o < direct->n; o++)
                find_node(l, direct + 1, v, g->objects[direct->objects[o]].content[0]);
        }
    }
    return &a->found[2 * i + level];
}

static struct view *view_of(const struct lint *l, const struct graph *g)
{
    return &l->views[g->func->symbol];
}

static void look_at(struct lint *l, const struct graph *g)
{
    struct view *v = view_of(l, g);

    v->graph = g;
    v->reached = util_alloc((g->n_nodes + 1) * sizeof *v->reached);
    v->is_followed = util_alloc(g->n_objects + 1);
    v->makers = util_alloc((g->n_objects + 1) * sizeof *v->makers);
    v->sites = util_alloc((g->n_sites + 1) * sizeof *v->sites);
    for (uint32_t i = 0; i < g->n_sites; i++) {
        if (g->sites[i]->fresh != IR_NONE)
            v->makers[g->sites[i]->fresh] = g->sites[i];
        v->sites[i].n_done = util_alloc((g->sites[i]->n_targets + 1) * sizeof(uint32_t));
    }
}

static bool is_collected(const struct lint *l, const struct graph *g, uint32_t object)
{
    const struct object *o = &g->objects[object];
    const struct site *maker = o->kind == OBJ_NEW ? view_of(l, g)->makers[object] : NULL;

    if (o->kind == OBJ_NEW && o->model)
        return true;
    for (uint32_t k = 0; maker && k < maker->n_targets; k++)
        if (l->views[maker->targets[k].summary->symbol].gives_new)
            return true;
    return false;
}

static const struct model *site_model(const struct site *site)
{
    return site->n_targets == 1 ? site->targets[0].summary->model : NULL;
}

static bool is_uncollected(const struct lint *l, const struct graph *g, uint32_t object)
{
    const struct site *maker = view_of(l, g)->makers[object];
    const struct model *m = maker ? site_model(maker) : NULL;

    return m && strcmp(m->name, "rt_alloc") == 0;
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
        return is_uncollected(l, g, object) ? "memory of rt_alloc()" : NULL;
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

    if (!set_add(&l->stores, pair_of(p->graph->func->symbol, p->op)))
        return;
    if (is_waived(place))
        return;
    l->findings++;
    report_line(place, util_printf("warning: %s is stored in %s without the write barrier%s", what,
                                   where, called));
}

/* Callers judge it. */
static void pass_up(struct lint *l, const struct graph *g, struct plain plain)
{
    struct view *v = view_of(l, g);
    const struct summary *s = l->world->summaries[g->func->symbol];
    struct end ends[2] = {plain.value, plain.place};
    uint64_t key = plain.store;

    for (unsigned i = 0; i < 2; i++)
        key = key << 16 | (ends[i].index & 0x1fff) << 3 | (ends[i].level & 1u) << 2 |
              (ends[i].kind == END_PARAM);
    if (!set_add(&v->passed, key))
        return;
    UTIL_PUSH(v->plains, v->n_plains, v->cap_plains) = plain;
    for (uint32_t i = 0; i < s->n_callers; i++) {
        struct view *caller = view_of(l, s->callers[i]->graph);

        if (caller->is_queued)
            continue;
        caller->is_queued = true;
        UTIL_PUSH(l->queue, l->n_queue, l->cap_queue) = caller;
    }
}

/* Judge one store of any of `values` to any of `places`, all of graph g, by op `at`; IR_NONE: at any
 * time. */
static void judge(struct lint *l, const struct graph *g, const struct found *values,
                  bool value_known, const struct found *places, const char *place_known,
                  const struct plain *origin, uint32_t at, const char *called)
{
    for (uint32_t i = 0; i < values->n + value_known; i++) {
        struct end value = {.kind = END_NEW};
        const char *what = "a collected pointer";

        if (i < values->n) {
            const struct object *o = &g->objects[values->objects[i]];

            if (o->kind == OBJ_GIVEN)
                value = (struct end){END_PARAM, o->level, o->index};
            else if (is_collected(l, g, values->objects[i]) &&
                     (at == IR_NONE ||
                      follows(g, g->objects[values->objects[i]].index, at))) /* [lint.1] */
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
                    (struct plain){value, place, origin->graph, origin->op, origin->store,
                                   place.kind == END_ANY ? where : NULL});
        }
    }
}

/* What an instruction stores, or assembly is given. */
static void check_op(struct lint *l, struct view *v, uint32_t i)
{
    const struct graph *g = v->graph;
    const struct ir_func *f = g->func;
    const struct ir_op *op = &f->ops[i];
    const struct ir_call *call = op->kind == IR_CALL ? &f->calls[op->extra] : NULL;
    struct found values = {0}, places = {0};
    const char *known = NULL;

    if (op->kind == IR_STORE && op->class >= IR_WORD && IR_IS_REG(op->b) && op->a != IR_NONE) {
        find_node(l, &values, v, IR_INDEX(op->b));
        if (IR_IS_REG(op->a))
            find_node(l, &places, v, IR_INDEX(op->a));
        else
            known = util_printf("global '%s'", l->world->program->symbols[IR_INDEX(op->a)].name);
    } else if (call && call->callee == IR_NONE && !call->asm_empty) {
        for (uint32_t k = 0; k < call->n_args; k++)
            if (!call->args[k].indirect && IR_IS_REG(call->args[k].ref))
                find_node(l, &values, v, IR_INDEX(call->args[k].ref));
        known = "whatever the assembly here does with it";
    }
    if (values.n && (places.n || known))
        judge(l, g, &values, false, &places, known,
              &(struct plain){.graph = g, .op = i, .store = l->n_stores++}, i, "");
}

static void check_stores(struct lint *l, struct view *v)
{
    const struct graph *g = v->graph;

    for (uint32_t i = 0; i < g->func->n_ops; i++)
        check_op(l, v, i);
    for (uint32_t i = 0; i < g->n_sites; i++) {
        const struct model *m = site_model(g->sites[i]);

        if (m && (strncmp(m->name, "mem", 3) == 0 || strncmp(m->name, "llvm.mem", 8) == 0) &&
            strncmp(m->effects, "1'=*0", 5) == 0)
            judge(l, g, find_argument(l, v, i, 1, 1), false, find_argument(l, v, i, 0, 0), NULL,
                  &(struct plain){.graph = g, .op = g->sites[i]->op, .store = l->n_stores++},
                  g->sites[i]->op, "");
    }
}

/* Stores in callees that are news to this function, with what it hands them. */
static void check_calls(struct lint *l, struct view *v)
{
    static const struct found nothing;
    const struct graph *g = v->graph;

    for (uint32_t i = 0; i < g->n_sites; i++) {
        const struct site *site = g->sites[i];
        const char *called = NULL;

        for (uint32_t k = 0; k < site->n_targets; k++) {
            const struct summary *s = site->targets[k].summary;
            const struct view *callee = &l->views[s->symbol];

            l->world->n_steps++;
            while (!s->model && v->sites[i].n_done[k] < callee->n_plains) {
                const struct plain p = callee->plains[v->sites[i].n_done[k]++];
                const struct found *values = &nothing, *places = &nothing;

                l->world->n_steps++;
                if (p.value.kind == END_PARAM)
                    values = find_argument(l, v, i, p.value.index, p.value.level);
                if (p.place.kind == END_PARAM)
                    places = find_argument(l, v, i, p.place.index, p.place.level);
                if (!called)
                    called = util_printf(" (called at %s)", place_text(op_place(g, site->op)));
                judge(l, g, values, p.value.kind == END_NEW, places, p.where, &p,
                      site->is_packed ? IR_NONE : site->op, called);
            }
        }
    }
}

/* Functions whose result may be collected memory. */
static void find_givers(struct lint *l)
{
    const struct ir_program *p = l->world->program;

    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < p->n_funcs; i++) {
            struct view *v = &l->views[p->funcs[i]->symbol];
            const struct node *result = &v->graph->nodes[v->graph->result];

            for (uint32_t k = 0; k < result->n_items && !v->gives_new; k++)
                if (is_collected(l, v->graph, result->items[k]))
                    again = v->gives_new = true;
        }
    }
}

unsigned report_barriers(struct world *w)
{
    struct ir_program *p = w->program;
    struct lint l = {.world = w, .views = util_alloc((p->n_symbols + 1) * sizeof *l.views)};

    for (uint32_t i = 0; i < p->n_funcs; i++)
        look_at(&l, w->summaries[p->funcs[i]->symbol]->graph);
    find_givers(&l);
    for (uint32_t i = 0; i < p->n_funcs; i++)
        /* The barrier's own inline half, and the rest of the headers, are the runtime's. */
        if (!w->summaries[p->funcs[i]->symbol]->model)
            check_stores(&l, &l.views[p->funcs[i]->symbol]);
    while (l.n_queue) {
        struct view *v = l.queue[--l.n_queue];

        v->is_queued = false;
        check_calls(&l, v);
    }
    return l.findings;
}
