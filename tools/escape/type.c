/*
 * tools/escape/type.c - types of LLVM IR.
 *
 * Each is stored once (type_intern()), so equal types have equal numbers; pointers are all alike,
 * typed or not. What the analysis asks of a type: can a pointer be in it (class_of(), is_pure()),
 * and what is its n-th member (type_inside()).
 */
#include "tools/escape/parse.h"

#include "tools/common/util.h"

#include <ctype.h>
#include <string.h>

static bool types_equal(const struct ir_types *types, const struct type *a, const struct type *b)
{
    if (a->kind != b->kind || a->is_variadic != b->is_variadic || a->bits != b->bits ||
        a->n != b->n || a->kind == T_NAMED)
        return false;
    if (a->kind != T_NAMED && a->elem != b->elem)
        return false;
    if (a->kind != T_STRUCT && a->kind != T_FUNC)
        return true;
    return a->n == 0 || memcmp(types->members + a->first, types->members + b->first,
                               a->n * sizeof *types->members) == 0;
}

static uint32_t type_intern(struct parse *ps, struct type t)
{
    struct ir_types *types = ps->types;
    uint32_t h = t.kind * 31u + t.bits * 17u + t.elem * 1009u + t.n * 131u;

    if (t.kind == T_STRUCT || t.kind == T_FUNC)
        for (uint32_t i = 0; i < t.n; i++)
            h = h * 16777619u + types->members[t.first + i];
    h = (h ^ h >> 15) % 4096;
    for (uint32_t i = types->buckets[h]; i; i = types->all[i - 1].hash_next)
        if (types_equal(types, &types->all[i - 1], &t))
            return i - 1;
    t.hash_next = types->buckets[h];
    UTIL_PUSH(types->all, types->n, types->cap) = t;
    if (t.kind != T_NAMED)
        types->buckets[h] = types->n;
    return types->n - 1;
}

uint32_t type_named(struct parse *ps, struct span s)
{
    uint32_t next = ps->types->n, number_of = names_get(&ps->named_types, s, next);

    if (number_of == next)
        type_intern(ps, (struct type){.kind = T_NAMED,
                                      .elem = IR_NONE,
                                      .name = intern(s),
                                      .is_union = s.len > 5 && memcmp(s.text, "union.", 6) == 0});
    return number_of;
}

/* A list of types up to `close`; their numbers are put behind each other in types->members. */
static void type_list(struct parse *ps, struct type *t, char close, unsigned depth)
{
    uint32_t own[16], *list = own, n = 0, cap = 16;

    blank(ps);
    while (*ps->p != close) {
        if (strncmp(ps->p, "...", 3) == 0) {
            ps->p += 3;
            t->is_variadic = true;
            blank(ps);
            break;
        }
        if (n == cap) {
            uint32_t *more = util_alloc(cap * 2 * sizeof *more);

            memcpy(more, list, n * sizeof *list);
            list = more;
            cap *= 2;
        }
        list[n++] = parse_type(ps, depth + 1);
        if (!take_char(ps, ','))
            break;
    }
    expect(ps, close);
    t->first = ps->types->n_members;
    t->n = n;
    for (uint32_t i = 0; i < n; i++)
        UTIL_PUSH(ps->types->members, ps->types->n_members, ps->types->cap_members) = list[i];
}

static uint32_t type_base(struct parse *ps, unsigned depth)
{
    static const struct {
        const char *word;
        struct type type;
    } plain[] = {
        {"void", {.kind = T_VOID}},
        {"ptr", {.kind = T_POINTER}},
        {"float", {.kind = T_FLOAT, .bits = 32}},
        {"double", {.kind = T_FLOAT, .bits = 64}},
        {"half", {.kind = T_FLOAT, .bits = 16}},
        {"bfloat", {.kind = T_FLOAT, .bits = 16}},
        {"fp128", {.kind = T_FLOAT, .bits = 128}},
        {"x86_fp80", {.kind = T_FLOAT, .bits = 80}},
        {"ppc_fp128", {.kind = T_FLOAT, .bits = 128}},
        {"x86_mmx", {.kind = T_FLOAT, .bits = 64}},
        {"x86_amx", {.kind = T_OTHER}},
        {"label", {.kind = T_OTHER}},
        {"metadata", {.kind = T_OTHER}},
        {"token", {.kind = T_OTHER}},
        {"opaque", {.kind = T_OTHER}},
    };
    struct type t = {0};

    if (depth > DEPTH_MAX)
        fail(ps, "types are nested too deep");
    blank(ps);
    switch (*ps->p) {
    case '%':
        return type_named(ps, name(ps));
    case '[':
    case '<':
        if (ps->p[1] == '{') {
            ps->p++;
            uint32_t packed = type_base(ps, depth + 1);
            expect(ps, '>');
            return packed;
        }
        char close = *ps->p == '[' ? ']' : '>';
        ps->p++;
        if (take(ps, "vscale") && !take(ps, "x"))
            fail(ps, "'x' is missing");
        t.kind = T_ARRAY;
        t.n = (uint32_t)number(ps);
        if (!take(ps, "x"))
            fail(ps, "'x' is missing");
        t.elem = parse_type(ps, depth + 1);
        expect(ps, close);
        return type_intern(ps, t);
    case '{':
        ps->p++;
        t.kind = T_STRUCT;
        type_list(ps, &t, '}', depth);
        return type_intern(ps, t);
    case 'i':
        if (isdigit((unsigned char)ps->p[1])) {
            ps->p++;
            t.kind = T_INT;
            t.bits = (uint32_t)number(ps);
            return type_intern(ps, t);
        }
    }
    struct span w = word(ps);

    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (is(w, plain[i].word))
            return type_intern(ps, plain[i].type);
    if (is(w, "target")) {
        skip_brackets(ps);
        return type_intern(ps, (struct type){.kind = T_OTHER});
    }
    ps->p = w.text;
    fail(ps, "a type is missing before \"%.20s\"", w.text);
}

void skip_addrspace(struct parse *ps)
{
    if (take(ps, "addrspace")) {
        expect(ps, '(');
        number(ps);
        expect(ps, ')');
    }
}

uint32_t parse_type(struct parse *ps, unsigned depth)
{
    uint32_t t = type_base(ps, depth);

    for (unsigned n = 0;; n++) {
        if (n > DEPTH_MAX)
            fail(ps, "types are nested too deep");
        skip_addrspace(ps);
        if (take_char(ps, '*')) {
            t = type_intern(ps, (struct type){.kind = T_POINTER});
        } else if (take_char(ps, '(')) {
            struct type f = {.kind = T_FUNC, .elem = t};

            type_list(ps, &f, ')', depth);
            t = type_intern(ps, f);
        } else {
            return t;
        }
    }
}

uint8_t class_of(const struct parse *ps, uint32_t type)
{
    const struct type *t = &ps->types->all[type];

    switch (t->kind) {
    case T_INT:
        return t->bits < 64 ? IR_NARROW : t->bits < 128 ? IR_WORD : IR_WHOLE;
    case T_FLOAT:
        return t->bits < 64 ? IR_NARROW : t->bits == 64 ? IR_WORD : IR_WHOLE;
    case T_POINTER:
        return IR_POINTER;
    case T_ARRAY:
    case T_STRUCT:
    case T_NAMED:
        return IR_WHOLE;
    default:
        return IR_NOTHING;
    }
}

/* No pointer in it, and no union that may hold one. */
bool is_pure(const struct parse *ps, uint32_t type, unsigned depth)
{
    struct type *t = &ps->types->all[type];

    if (depth > DEPTH_MAX)
        return false;
    switch (t->kind) {
    case T_INT:
    case T_FLOAT:
        return true;
    case T_ARRAY:
        return is_pure(ps, t->elem, depth + 1);
    case T_NAMED:
        if (!t->pure)
            t->pure = !t->is_union && t->elem != IR_NONE && is_pure(ps, t->elem, depth + 1) ? 1 : 2;
        return t->pure == 1;
    case T_STRUCT:
        for (uint32_t i = 0; i < t->n; i++)
            if (!is_pure(ps, ps->types->members[t->first + i], depth + 1))
                return false;
        return true;
    default:
        return false;
    }
}

/* Member `index` of a struct, or an element of an array; IR_NONE if there is no such one. */
uint32_t type_inside(const struct parse *ps, uint32_t type, uint64_t index)
{
    const struct type *t = &ps->types->all[type];

    if (t->kind == T_NAMED && t->elem != IR_NONE)
        t = &ps->types->all[t->elem];
    if (t->kind == T_ARRAY)
        return t->elem;
    if (t->kind == T_STRUCT && index < t->n)
        return ps->types->members[t->first + index];
    return IR_NONE;
}
