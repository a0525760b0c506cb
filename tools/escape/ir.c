/*
 * tools/escape/ir.c - reads LLVM IR text; see ir.h.
 *
 * HOW. One pass over the text, one instruction a line. Constants are not understood but searched:
 * what matters of `getelementptr inbounds ([4 x i8], [4 x i8]* @s, i32 0, i32 0)` is that it is made
 * of @s. Metadata stays text until somebody asks for a node (debug.c).
 *
 * SOURCES. llvm.org LangRef of LLVM 14 to 21.
 */
#include "tools/escape/parse.h"

#include "tools/common/util.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- Symbols ---- */

static uint32_t symbol(struct parse *ps, struct span s)
{
    uint32_t next = ps->program->n_symbols, n = names_get(&ps->symbols, s, next);

    if (n == next)
        UTIL_PUSH(ps->program->symbols, ps->program->n_symbols, ps->program->cap_symbols) =
            (struct ir_symbol){
                .name = intern(s), .file = ps->file, .alias = IR_NONE, .variable = IR_NONE};
    return n;
}

/* ---- Attributes, linkage ---- */

struct attributes {
    bool by_value, no_capture, result, indirect;
    bool is_local, is_weak;
};

static const char value_words[] =
    "null undef poison true false none getelementptr bitcast inttoptr asm ptrtoint "
    "blockaddress zeroinitializer no_cfi addrspacecast add sub xor trunc select "
    "icmp splat c dso_local_equivalent mul shl ptrauth";
static const char type_words[] =
    "void ptr float double half bfloat fp128 x86_fp80 label opaque ppc_fp128 "
    "x86_mmx x86_amx target token metadata";

static bool is_type_word(struct span w)
{
    return is_one_of(w, type_words) ||
           (w.len > 1 && w.text[0] == 'i' && strspn(w.text + 1, "0123456789") >= w.len - 1);
}

/* Skips attributes and the like: words that are neither types nor values, with their arguments. */
static struct attributes attributes(struct parse *ps)
{
    struct attributes a = {0};

    for (;;) {
        blank(ps);
        const char *start = ps->p;

        if (*ps->p == '"') {
            skip_string(ps);
            if (take_char(ps, '=') && *ps->p == '"')
                skip_string(ps);
            continue;
        }
        if (strncmp(ps->p, "!dbg !", 6) == 0) { /* declare !dbg !7 dso_local ... */
            ps->p += 6;
            number(ps);
            continue;
        }
        struct span w = word(ps);

        if (!w.len || !isalpha((unsigned char)*w.text) || is_one_of(w, value_words) ||
            is_type_word(w)) {
            ps->p = start;
            return a;
        }
        a.by_value |= is(w, "byval") || is(w, "byref");
        a.result |= is(w, "sret");
        a.no_capture |= is(w, "nocapture");
        a.indirect |= is(w, "elementtype");
        a.is_local |= is(w, "internal") || is(w, "private");
        a.is_weak |= is(w, "weak") || is(w, "weak_odr") || is(w, "linkonce") ||
                     is(w, "linkonce_odr") || is(w, "available_externally") || is(w, "common") ||
                     is(w, "extern_weak");
        blank(ps);
        if (*ps->p == '(') {
            a.no_capture |= is(w, "captures") && strncmp(ps->p, "(none)", 6) == 0;
            skip_brackets(ps);
        } else if (isdigit((unsigned char)*ps->p) && (is(w, "align") || is(w, "cc"))) {
            number(ps);
        }
    }
}

/* ---- Operands ---- */

static uint32_t new_reg(struct parse *ps)
{
    uint32_t reg = ps->func->n_regs++;

    if (reg >= ps->cap_notes) {
        uint32_t cap = ps->cap_notes ? ps->cap_notes * 2 : 256;

        ps->notes =
            util_grow(ps->notes, ps->cap_notes * sizeof *ps->notes, cap * sizeof *ps->notes);
        ps->cap_notes = cap;
    }
    ps->notes[reg] = (struct reg_note){0};
    return reg;
}

static uint32_t reg_of(struct parse *ps, struct span s)
{
    uint32_t next = ps->func->n_regs, reg = names_get(&ps->regs, s, next);

    if (reg == next)
        new_reg(ps);
    return reg;
}

static struct ir_op *emit(struct parse *ps, enum ir_kind kind, uint8_t class, uint32_t dst)
{
    struct ir_func *f = ps->func;
    struct ir_op *op = &UTIL_PUSH(f->ops, f->n_ops, f->cap_ops);

    *op = (struct ir_op){.kind = kind,
                         .class = class,
                         .dst = dst,
                         .a = IR_NONE,
                         .b = IR_NONE,
                         .extra = IR_NONE,
                         .loc = IR_NONE,
                         .block = ps->block};
    return op;
}

static void emit_copy(struct parse *ps, uint8_t class, uint32_t dst, ir_ref a, uint8_t flags)
{
    if (a == IR_NONE || class == IR_NOTHING)
        return;
    struct ir_op *op = emit(ps, IR_COPY, class, dst);

    op->a = a;
    op->flags = flags;
}

static bool is_mixed(const struct parse *ps, uint32_t type)
{
    return class_of(ps, type) == IR_WHOLE && !is_pure(ps, type, 0);
}

/* The integers of this value, if they are known apart. */
static ir_ref integers_of(const struct parse *ps, ir_ref v)
{
    uint32_t integers = IR_IS_REG(v) ? ps->notes[IR_INDEX(v)].integers : 0;

    return integers ? IR_REG(integers - 1) : IR_NONE;
}

/* A register for the integers of dst, IR_NONE if dst's type has no pointers beside them. */
static uint32_t new_integers(struct parse *ps, uint32_t dst, uint32_t type)
{
    if (dst == IR_NONE || !is_mixed(ps, type))
        return IR_NONE;
    uint32_t reg = new_reg(ps);

    ps->notes[dst].integers = reg + 1;
    return reg;
}

struct found {
    uint32_t *symbols;
    uint32_t n, cap;
    bool from_integer;
};

/* Step over a constant; note the symbols in it. */
static void constant(struct parse *ps, struct found *found)
{
    unsigned depth = 0;

    blank(ps);
    if (*ps->p == '!') { /* metadata as a value */
        ps->p++;
        if (*ps->p == '"')
            skip_string(ps);
        while (is_name_char(*ps->p))
            ps->p++;
        if (*ps->p == '(' || *ps->p == '{')
            skip_brackets(ps);
        return;
    }
    if (*ps->p == '-' || *ps->p == '+' || isdigit((unsigned char)*ps->p)) {
        while (is_name_char(*ps->p) || *ps->p == '+')
            ps->p++;
        return;
    }
    for (;;) {
        switch (*ps->p) {
        case '\0':
        case '\n':
        case ',':
        case ')':
        case ']':
        case '}':
            if (depth == 0)
                fail(ps, "a value is missing");
            if (*ps->p == '\0' || *ps->p == '\n')
                fail(ps, "a bracket is not closed");
            if (*ps->p++ == ',')
                continue;
            if (--depth == 0)
                return;
            continue;
        case '>':
            ps->p++;
            if (depth == 0)
                fail(ps, "a bracket is not opened");
            if (--depth == 0)
                return;
            continue;
        case '(':
        case '[':
        case '{':
        case '<':
            ps->p++;
            depth++;
            continue;
        case '"':
            skip_string(ps);
            if (depth == 0)
                return;
            continue;
        case '%':
            (void)name(ps);
            continue;
        case '@': {
            uint32_t s = symbol(ps, name(ps));

            UTIL_PUSH(found->symbols, found->n, found->cap) = s;
            if (depth == 0)
                return;
            continue;
        }
        }
        if (!isalpha((unsigned char)*ps->p) && *ps->p != '_') {
            ps->p++;
            continue;
        }
        struct span w = word(ps);

        if (is(w, "blockaddress")) {
            blank(ps);
            if (*ps->p == '(')
                skip_brackets(ps);
            if (depth == 0)
                return;
        }
        found->from_integer |= is(w, "inttoptr");
        if (depth == 0 && (is(w, "null") || is(w, "undef") || is(w, "poison") || is(w, "true") ||
                           is(w, "false") || is(w, "none") || is(w, "zeroinitializer")))
            return;
    }
}

static ir_ref value(struct parse *ps)
{
    struct found found = {0};

    blank(ps);
    if (*ps->p == '%')
        return IR_REG(reg_of(ps, name(ps)));
    if (*ps->p == '@')
        return IR_SYM(symbol(ps, name(ps)));
    constant(ps, &found);
    if (found.n == 1)
        return IR_SYM(found.symbols[0]);
    if (found.n == 0 && !found.from_integer)
        return IR_NONE;
    uint32_t reg = new_reg(ps);

    if (found.n == 0)
        emit(ps, IR_UNKNOWN, IR_POINTER, reg);
    for (uint32_t i = 0; i < found.n; i++)
        emit_copy(ps, IR_POINTER, reg, IR_SYM(found.symbols[i]), 0);
    return IR_REG(reg);
}

/* `T v`: a value with its type. */
static ir_ref typed_value(struct parse *ps, uint32_t *type)
{
    *type = parse_type(ps, 0);
    return value(ps);
}

/* ---- Control flow ---- */

static uint32_t block_of(struct parse *ps, struct span s)
{
    struct ir_func *f = ps->func;
    uint32_t next = f->n_blocks, n = names_get(&ps->labels, s, next);

    if (n == next)
        UTIL_PUSH(f->blocks, f->n_blocks, f->cap_blocks) = (struct ir_block){0};
    return n;
}

static void label(struct parse *ps)
{
    if (!take(ps, "label") || *ps->p != '%')
        fail(ps, "a label is missing");
    uint32_t to = block_of(ps, name(ps));
    struct ir_block *b = &ps->func->blocks[ps->block];

    UTIL_PUSH(b->next, b->n_next, b->cap_next) = to;
}

/* Everything in [ ... ]: `label %a, label %b` or `i32 1, label %a  i32 2, label %b`. */
static void label_list(struct parse *ps)
{
    expect(ps, '[');
    for (;;) {
        blank_lines(ps);
        if (take_char(ps, ']'))
            return;
        if (!at_word(ps, "label")) {
            uint32_t type;

            typed_value(ps, &type);
            expect(ps, ',');
        }
        label(ps);
        take_char(ps, ',');
    }
}

/* ---- Instructions ---- */

/* The `!dbg !N` that this line ends in. */
static uint32_t line_loc(struct parse *ps)
{
    for (;; ps->p++) {
        if (*ps->p == '"') {
            skip_string(ps);
            ps->p--;
        } else if (*ps->p == '\0' || *ps->p == '\n') {
            return IR_NONE;
        } else if (strncmp(ps->p, "!dbg !", 6) == 0 && isdigit((unsigned char)ps->p[6])) {
            ps->p += 6;
            uint64_t n = number(ps);

            return n < IR_NONE ? (uint32_t)n : IR_NONE;
        }
    }
}

/* `metadata i8** %x, metadata !12, ...` or `ptr %x, !12, ...`: x is variable 12. */
static void declare_variable(struct parse *ps)
{
    struct ir_func *f = ps->func;
    uint32_t type = parse_type(ps, 0);

    if (ps->types->all[type].kind == T_OTHER && *ps->p != '!')
        type = parse_type(ps, 0);
    if (*ps->p != '%') /* optimised away */
        return;
    uint32_t reg = reg_of(ps, name(ps));

    expect(ps, ',');
    take(ps, "metadata");
    expect(ps, '!');
    uint32_t variable = (uint32_t)number(ps), loc = IR_NONE;

    expect(ps, ',');
    take(ps, "metadata");
    if (*ps->p == '!') {
        struct found none = {0};

        constant(ps, &none);
        if (take_char(ps, ',') && take_char(ps, '!') && isdigit((unsigned char)*ps->p))
            loc = (uint32_t)number(ps);
    }
    if (loc == IR_NONE)
        loc = line_loc(ps);
    if (ps->notes[reg].local) {
        struct ir_local *local = &f->locals[ps->notes[reg].local - 1];

        local->variable = variable;
        local->loc = loc;
    }
    for (uint32_t i = 0; i < f->n_params; i++) {
        if (f->params[i].reg == reg) {
            f->params[i].variable = variable;
            f->params[i].loc = loc;
        }
    }
}

/* No instruction in the text of an inline assembly: blanks, comments, escapes of \n and \t. */
static bool is_empty_asm(struct span s)
{
    for (uint32_t i = 0; i < s.len; i++) {
        if (s.text[i] == '\\' && i + 2 < s.len && s.text[i + 1] == '0')
            i += 2;
        else if (s.text[i] == '#')
            while (i < s.len && s.text[i] != '\\')
                i++;
        else if (s.text[i] != ' ')
            return false;
    }
    return true;
}

static struct span string(struct parse *ps)
{
    blank(ps);
    if (*ps->p != '"')
        fail(ps, "a text is missing");
    const char *start = ps->p + 1;

    skip_string(ps);
    return (struct span){start, (uint32_t)(ps->p - 1 - start)};
}

/* Arguments of a call, behind the opening bracket. */
static void arguments(struct parse *ps, struct ir_call *call)
{
    uint32_t n = 0, cap = 0;

    while (!take_char(ps, ')')) {
        uint32_t type = parse_type(ps, 0);
        struct attributes a = attributes(ps);
        struct ir_arg arg = {.ref = IR_NONE,
                             .class = class_of(ps, type),
                             .by_value = a.by_value,
                             .indirect = a.indirect};

        if (arg.class == IR_NOTHING && *ps->p != '!' && *ps->p != '%')
            typed_value(ps, &type); /* metadata i8* %x */
        else
            arg.ref = value(ps);
        UTIL_PUSH(call->args, n, cap) = arg;
        call->n_args = n;
        if (!take_char(ps, ',') && *ps->p != ')')
            fail(ps, "')' is missing");
    }
}

static void instruction_call(struct parse *ps, uint32_t dst)
{
    struct ir_func *f = ps->func;
    struct ir_call call = {.callee = IR_NONE, .integers = IR_NONE};

    attributes(ps);
    skip_addrspace(ps);
    uint32_t type = parse_type(ps, 0);

    if (ps->types->all[type].kind == T_FUNC) {
        call.is_variadic = ps->types->all[type].is_variadic;
        type = ps->types->all[type].elem;
    }
    call.ret = class_of(ps, type);
    if (take(ps, "asm")) {
        while (*ps->p != '"') {
            struct span w = word(ps);

            if (!w.len)
                fail(ps, "a text is missing");
            blank(ps);
        }
        call.asm_empty = is_empty_asm(string(ps));
        expect(ps, ',');
        string(ps);
    } else if (strncmp(ps->p, "@llvm.dbg.", 10) == 0) {
        bool declares = strncmp(ps->p, "@llvm.dbg.declare", 17) == 0;

        name(ps);
        expect(ps, '(');
        if (declares)
            declare_variable(ps);
        return;
    } else {
        call.callee = value(ps);
        if (call.callee == IR_NONE) {
            uint32_t reg = new_reg(ps);

            emit(ps, IR_UNKNOWN, IR_POINTER, reg);
            call.callee = IR_REG(reg);
        }
    }
    expect(ps, '(');
    arguments(ps, &call);
    uint32_t integers = new_integers(ps, dst, type);

    if (integers != IR_NONE)
        call.integers = IR_REG(integers);
    struct ir_op *op = emit(ps, IR_CALL, call.ret, dst);

    op->extra = f->n_calls;
    UTIL_PUSH(f->calls, f->n_calls, f->cap_calls) = call;
}

/* What follows a call that may go on in several places. */
static void call_targets(struct parse *ps, bool invokes)
{
    const char *mark = ps->p;

    /* function attributes, operand bundles */
    while (*ps->p && !at_word(ps, "to")) {
        if (*ps->p == '"')
            skip_string(ps);
        else if (*ps->p == '[')
            skip_brackets(ps);
        else
            ps->p++;
    }
    if (!take(ps, "to")) {
        ps->p = mark;
        fail(ps, "'to label' is missing");
    }
    label(ps);
    if (invokes) {
        if (!take(ps, "unwind"))
            fail(ps, "'unwind' is missing");
        label(ps);
    } else {
        label_list(ps);
    }
}

static void instruction_alloca(struct parse *ps, uint32_t dst)
{
    struct ir_func *f = ps->func;

    take(ps, "inalloca");
    take(ps, "swifterror");
    uint32_t type = parse_type(ps, 0);
    struct ir_op *op = emit(ps, IR_ALLOCA, IR_POINTER, dst);
    uint32_t index = f->n_ops - 1;

    if (dst == IR_NONE)
        fail(ps, "an alloca without a name");
    op->extra = f->n_locals;
    UTIL_PUSH(f->locals, f->n_locals, f->cap_locals) =
        (struct ir_local){.op = index,
                          .variable = IR_NONE,
                          .loc = IR_NONE,
                          .is_array = ps->types->all[type].kind == T_ARRAY};
    ps->notes[dst].local = f->n_locals;
    while (take_char(ps, ',')) {
        if (*ps->p == '!' || at_word(ps, "align") || at_word(ps, "addrspace"))
            break;
        if (typed_value(ps, &type) != IR_NONE)
            f->ops[index].flags |= IR_DYNAMIC;
    }
}

static void instruction_gep(struct parse *ps, uint32_t dst)
{
    uint32_t note = 0;

    attributes(ps);
    uint32_t source = parse_type(ps, 0), inner = source, type;

    expect(ps, ',');
    ir_ref base = typed_value(ps, &type);
    bool first = true, members = false;
    ir_ref null_index = IR_NONE;

    while (take_char(ps, ',')) {
        if (*ps->p == '!')
            break;
        take(ps, "inrange");
        uint32_t index_type = parse_type(ps, 0);
        uint64_t n = isdigit((unsigned char)*ps->p) ? strtoull(ps->p, NULL, 10) : 0;
        ir_ref index = value(ps);

        if (class_of(ps, index_type) == IR_WORD && base == IR_NONE)
            null_index = index;
        if (!first && inner != IR_NONE) {
            inner = type_inside(ps, inner, n);
            members = true;
        }
        first = false;
    }
    if (inner != IR_NONE && is_pure(ps, inner, 0)) {
        bool mixed = members && !is_pure(ps, source, 0);

        if (mixed || (IR_IS_REG(base) && ps->notes[IR_INDEX(base)].int_field == source + 1))
            note = inner + 1;
    }
    emit_copy(ps, class_of(ps, type) == IR_WHOLE ? IR_WHOLE : IR_POINTER, dst,
              base == IR_NONE ? null_index : base, IR_ADDRESS);
    if (dst != IR_NONE)
        ps->notes[dst].int_field = note;
}

static void instruction_load(struct parse *ps, uint32_t dst)
{
    while (take(ps, "atomic") || take(ps, "volatile"))
        ;
    uint32_t type = parse_type(ps, 0), address_type;

    expect(ps, ',');
    ir_ref address = typed_value(ps, &address_type);
    struct ir_op *op = emit(ps, IR_LOAD, class_of(ps, type), dst);

    op->a = address;
    if (IR_IS_REG(address) && ps->notes[IR_INDEX(address)].int_field == type + 1)
        op->flags = IR_INT_FIELD;
    uint32_t integers = new_integers(ps, dst, type);

    if (integers == IR_NONE)
        return;
    op = emit(ps, IR_LOAD, IR_WORD, integers);
    op->a = address;
    op->flags = IR_INT_FIELD;
}

static void emit_store(struct parse *ps, uint8_t class, ir_ref address, ir_ref stored)
{
    struct ir_op *op = emit(ps, IR_STORE, class, IR_NONE);

    op->a = address;
    op->b = stored;
}

static void instruction_store(struct parse *ps)
{
    uint32_t type, address_type;

    while (take(ps, "atomic") || take(ps, "volatile"))
        ;
    ir_ref stored = typed_value(ps, &type);

    expect(ps, ',');
    ir_ref address = typed_value(ps, &address_type);

    emit_store(ps, class_of(ps, type), address, stored);
    if (integers_of(ps, stored) != IR_NONE)
        emit_store(ps, IR_WORD, address, integers_of(ps, stored));
}

static void instruction_exchange(struct parse *ps, uint32_t dst, bool compares)
{
    uint32_t type;

    while (take(ps, "weak") || take(ps, "volatile"))
        ;
    if (!compares)
        word(ps);
    ir_ref address = typed_value(ps, &type);

    expect(ps, ',');
    ir_ref stored = typed_value(ps, &type);

    if (compares) {
        expect(ps, ',');
        stored = typed_value(ps, &type);
    }
    emit(ps, IR_LOAD, class_of(ps, type), dst)->a = address;
    emit_store(ps, class_of(ps, type), address, stored);
}

static void instruction_cast(struct parse *ps, uint32_t dst, struct span op)
{
    uint32_t from;

    attributes(ps);
    ir_ref v = typed_value(ps, &from);

    if (!take(ps, "to"))
        fail(ps, "'to' is missing");
    uint8_t class = class_of(ps, parse_type(ps, 0)), was = class_of(ps, from);
    bool keeps = is(op, "bitcast") || is(op, "addrspacecast");
    bool converts = is_one_of(op, "fptrunc fpext fptoui fptosi uitofp sitofp");
    bool cuts = is(op, "trunc") && IR_IS_REG(v) && ps->notes[IR_INDEX(v)].shifted;

    if (keeps || cuts || (class >= IR_WORD && was >= IR_WORD && !converts))
        emit_copy(ps, class, dst, v, keeps ? IR_ADDRESS : 0);
    if (dst == IR_NONE)
        return;
    if (is(op, "zext") && was == IR_NARROW && IR_IS_REG(v))
        ps->notes[dst].widened = IR_INDEX(v) + 1;
    if (is(op, "ptrtoint"))
        ps->notes[dst].from_pointer = true;
    if (is(op, "inttoptr") && !(IR_IS_REG(v) && ps->notes[IR_INDEX(v)].from_pointer))
        emit(ps, IR_UNKNOWN, IR_POINTER, dst);
}

/*
 * Two operands of one type: pointers survive what people do to tag, align and hide them, and to
 * take them apart into bytes (a shift to the right by bytes, then trunc) and put them together (zext,
 * then a shift to the left). A hash of an address shifts it by less, and is none.
 */
static void instruction_arithmetic(struct parse *ps, uint32_t dst, struct span op)
{
    static const char kept[] = "add or and xor shl lshr ashr";
    uint32_t type;

    attributes(ps);
    ir_ref a = typed_value(ps, &type);

    expect(ps, ',');
    blank(ps);
    bool by_bytes = !isdigit((unsigned char)*ps->p) || strtoull(ps->p, NULL, 10) % 8 == 0;
    ir_ref b = value(ps);
    uint8_t class = class_of(ps, type);

    if (class < IR_WORD || dst == IR_NONE)
        return;
    if (is(op, "lshr") || is(op, "ashr"))
        ps->notes[dst].shifted = by_bytes;
    if (is(op, "shl") && IR_IS_REG(a) && ps->notes[IR_INDEX(a)].widened)
        emit_copy(ps, class, dst, IR_REG(ps->notes[IR_INDEX(a)].widened - 1), 0);
    if (is_one_of(op, kept)) {
        emit_copy(ps, class, dst, a, 0);
        emit_copy(ps, class, dst, b, 0);
    } else if (is(op, "sub") && !(IR_IS_REG(b) && ps->notes[IR_INDEX(b)].from_pointer)) {
        emit_copy(ps, class, dst, a, 0); /* the distance of two pointers is none */
    }
}

static void instruction_phi(struct parse *ps, uint32_t dst)
{
    attributes(ps);
    uint8_t class = class_of(ps, parse_type(ps, 0));

    do {
        expect(ps, '[');
        emit_copy(ps, class, dst, value(ps), 0);
        expect(ps, ',');
        if (*ps->p != '%')
            fail(ps, "a label is missing");
        name(ps);
        expect(ps, ']');
    } while (take_char(ps, ',') && *ps->p == '[');
}

static void instruction_select(struct parse *ps, uint32_t dst)
{
    uint32_t type;

    attributes(ps);
    typed_value(ps, &type);
    for (unsigned i = 0; i < 2; i++) {
        expect(ps, ',');
        ir_ref v = typed_value(ps, &type);

        emit_copy(ps, class_of(ps, type), dst, v, 0);
    }
}

static void instruction_extract(struct parse *ps, uint32_t dst)
{
    uint32_t type;
    ir_ref v = typed_value(ps, &type);
    uint32_t inner = type;

    while (take_char(ps, ',') && isdigit((unsigned char)*ps->p) && inner != IR_NONE)
        inner = type_inside(ps, inner, number(ps));
    uint8_t class = inner == IR_NONE ? IR_WHOLE : class_of(ps, inner);

    if (class == IR_WORD && integers_of(ps, v) != IR_NONE)
        v = integers_of(ps, v);
    if (class >= IR_WORD)
        emit_copy(ps, class, dst, v, 0);
}

/* insertvalue, insertelement, shufflevector, extractelement: the result is made of the operands. */
static void instruction_compose(struct parse *ps, uint32_t dst)
{
    do {
        uint32_t type;

        blank(ps);
        if (*ps->p == '!' || isdigit((unsigned char)*ps->p))
            break;
        ir_ref v = typed_value(ps, &type);

        emit_copy(ps, IR_WHOLE, dst, class_of(ps, type) >= IR_WORD ? v : IR_NONE, 0);
    } while (take_char(ps, ','));
}

static void instruction_return(struct parse *ps)
{
    uint32_t type = parse_type(ps, 0);
    uint8_t class = class_of(ps, type);

    ps->func->blocks[ps->block].returns = true;
    if (class < IR_WORD)
        return;
    ir_ref v = value(ps);
    struct ir_op *op = emit(ps, IR_RET, class, IR_NONE);

    op->a = v;
    op->b = integers_of(ps, v);
}

static void instruction_branch(struct parse *ps)
{
    uint32_t type;

    if (!at_word(ps, "label")) {
        typed_value(ps, &type);
        expect(ps, ',');
    }
    do {
        label(ps);
    } while (take_char(ps, ',') && *ps->p != '!');
}

static void instruction_switch(struct parse *ps)
{
    uint32_t type;

    typed_value(ps, &type);
    expect(ps, ',');
    if (at_word(ps, "label"))
        label(ps);
    label_list(ps);
}

static void instruction(struct parse *ps)
{
    static const char casts[] =
        "bitcast addrspacecast ptrtoint inttoptr trunc zext sext fptrunc fpext fptoui "
        "fptosi uitofp sitofp ptrtoaddr";
    static const char arithmetic[] = "add sub or and xor shl lshr ashr mul udiv sdiv urem srem";
    static const char composing[] = "insertvalue insertelement shufflevector extractelement";
    static const char moves_nothing[] =
        "icmp fcmp fadd fsub fmul fdiv frem fneg fence unreachable resume landingpad "
        "cleanup catch filter";
    struct ir_func *f = ps->func;
    uint32_t dst = IR_NONE, first_op = f->n_ops;

    blank(ps);
    if (*ps->p == '#') { /* #dbg_declare(...) and its kin */
        bool declares = strncmp(ps->p, "#dbg_declare(", 13) == 0;

        if (strncmp(ps->p, "#dbg_", 5) != 0)
            fail(ps, "an instruction is missing");
        if (declares) {
            ps->p += 13;
            declare_variable(ps);
        }
        skip_line(ps);
        return;
    }
    if (*ps->p == '%') {
        dst = reg_of(ps, name(ps));
        expect(ps, '=');
    }
    (void)(take(ps, "tail") || take(ps, "musttail") || take(ps, "notail"));
    const char *start = ps->p;
    struct span op = word(ps);

    blank(ps);
    if (is(op, "call")) {
        instruction_call(ps, dst);
    } else if (is(op, "invoke") || is(op, "callbr")) {
        instruction_call(ps, dst);
        call_targets(ps, is(op, "invoke"));
    } else if (is(op, "alloca")) {
        instruction_alloca(ps, dst);
    } else if (is(op, "load")) {
        instruction_load(ps, dst);
    } else if (is(op, "store")) {
        instruction_store(ps);
    } else if (is(op, "getelementptr")) {
        instruction_gep(ps, dst);
    } else if (is_one_of(op, casts)) {
        instruction_cast(ps, dst, op);
    } else if (is(op, "freeze")) {
        uint32_t type;
        ir_ref v = typed_value(ps, &type);

        emit_copy(ps, class_of(ps, type), dst, v, 0);
    } else if (is_one_of(op, arithmetic)) {
        instruction_arithmetic(ps, dst, op);
    } else if (is(op, "phi")) {
        instruction_phi(ps, dst);
    } else if (is(op, "select")) {
        instruction_select(ps, dst);
    } else if (is(op, "extractvalue")) {
        instruction_extract(ps, dst);
    } else if (is_one_of(op, composing)) {
        instruction_compose(ps, dst);
    } else if (is(op, "cmpxchg") || is(op, "atomicrmw")) {
        instruction_exchange(ps, dst, is(op, "cmpxchg"));
    } else if (is(op, "va_arg")) {
        uint32_t type, area = new_reg(ps);
        ir_ref list = typed_value(ps, &type);

        expect(ps, ',');
        emit(ps, IR_LOAD, IR_POINTER, area)->a = list;
        emit(ps, IR_LOAD, class_of(ps, parse_type(ps, 0)), dst)->a = IR_REG(area);
    } else if (is(op, "ret")) {
        instruction_return(ps);
    } else if (is(op, "br")) {
        instruction_branch(ps);
    } else if (is(op, "switch") || is(op, "indirectbr")) {
        instruction_switch(ps);
    } else if (!is_one_of(op, moves_nothing)) {
        ps->p = start;
        fail(ps, "instruction \"%.*s\" is not known", (int)(op.len ? op.len : 1), start);
    }
    uint32_t loc = line_loc(ps);

    for (uint32_t i = first_op; i < f->n_ops; i++) {
        f->ops[i].loc = loc;
        if (f->ops[i].dst == IR_NONE && (f->ops[i].kind == IR_LOAD || f->ops[i].kind == IR_COPY))
            f->ops[i].class = IR_NOTHING; /* nobody looks at the result */
    }
    skip_line(ps);
}

/* ---- Functions ---- */

static void parameters(struct parse *ps, struct ir_func *f)
{
    expect(ps, '(');
    while (!take_char(ps, ')')) {
        if (strncmp(ps->p, "...", 3) == 0) {
            ps->p += 3;
            f->is_variadic = true;
            continue;
        }
        uint32_t type = parse_type(ps, 0);
        struct attributes a = attributes(ps);
        struct ir_param param = {.class = class_of(ps, type),
                                 .is_float = ps->types->all[type].kind == T_FLOAT,
                                 .by_value = a.by_value,
                                 .no_capture = a.no_capture,
                                 .result = a.result,
                                 .variable = IR_NONE,
                                 .loc = IR_NONE};

        blank(ps);
        if (*ps->p == '%') {
            param.reg = reg_of(ps, name(ps));
        } else {
            const char *unnamed = util_printf("%u", f->n_params);

            param.reg = reg_of(ps, (struct span){unnamed, (uint32_t)strlen(unnamed)});
        }
        UTIL_PUSH(f->params, f->n_params, f->cap_params) = param;
        if (!take_char(ps, ',') && *ps->p != ')')
            fail(ps, "')' is missing");
    }
}

/* Is this line `name:`? */
static bool at_label(const struct parse *ps)
{
    const char *c = ps->p;

    if (*c == '"') {
        for (c++; *c && *c != '"' && *c != '\n'; c++)
            ;
        return *c == '"' && c[1] == ':';
    }
    while (is_name_char(*c))
        c++;
    return c > ps->p && *c == ':';
}

static void body(struct parse *ps)
{
    struct ir_func *f = ps->func;
    bool first = true;

    for (;;) {
        blank_lines(ps);
        if (*ps->p == '\0')
            fail(ps, "a function is not closed");
        if (*ps->p == '}') {
            ps->p++;
            break;
        }
        if (at_label(ps)) {
            ps->p--; /* as if behind a % */
            ps->block = block_of(ps, name(ps));
            skip_line(ps);
        } else if (strncmp(ps->p, "uselistorder", 12) == 0) {
            skip_line(ps);
        } else {
            if (first)
                ps->block = block_of(ps, (struct span){"", 0});
            instruction(ps);
        }
        first = false;
    }
    if (f->n_blocks == 0)
        fail(ps, "a function without a body");
}

static void function(struct parse *ps, bool defines)
{
    struct ir_func *f = util_alloc(sizeof *f);

    ps->func = f;
    names_clear(&ps->regs);
    names_clear(&ps->labels);
    struct attributes linkage = attributes(ps);
    uint32_t ret = parse_type(ps, 0);

    blank(ps);
    if (*ps->p != '@')
        fail(ps, "the name of a function is missing");
    f->symbol = symbol(ps, name(ps));
    struct ir_symbol *sym = &ps->program->symbols[f->symbol];

    f->file = ps->file;
    f->ret = class_of(ps, ret);
    f->defined = defines;
    f->subprogram = IR_NONE;
    f->is_block = strstr(sym->name, "_block_invoke") != NULL;
    parameters(ps, f);
    if (sym->func && sym->func->defined) {
        if (defines)
            fail(ps, "@%s is defined twice", sym->name);
        skip_line(ps);
        return;
    }
    sym->func = f;
    sym->is_local = linkage.is_local;
    sym->is_weak = linkage.is_weak;
    sym->defined = defines;
    if (!defines) {
        skip_line(ps);
        return;
    }
    while (*ps->p && *ps->p != '\n' && *ps->p != '{') {
        if (strncmp(ps->p, "!dbg !", 6) == 0) {
            ps->p += 6;
            f->subprogram = (uint32_t)number(ps);
        } else if (*ps->p == '"') {
            skip_string(ps);
        } else {
            ps->p++;
        }
    }
    expect(ps, '{');
    body(ps);
    UTIL_PUSH(ps->program->funcs, ps->program->n_funcs, ps->program->cap_funcs) = f;
}

/* ---- The file ---- */

static void variable(struct parse *ps)
{
    uint32_t n = symbol(ps, name(ps));
    struct found found = {0};

    expect(ps, '=');
    struct attributes a = {0};
    bool declared_only = false, constant_one = false, alias = false;

    for (;;) { /* everything up to `global`, `constant`, `alias`, `ifunc` */
        blank(ps);
        struct span w = word(ps);

        if (!w.len)
            fail(ps, "a variable is neither global nor constant");
        a.is_local |= is(w, "internal") || is(w, "private");
        a.is_weak |= is(w, "weak") || is(w, "weak_odr") || is(w, "linkonce") ||
                     is(w, "linkonce_odr") || is(w, "common") || is(w, "available_externally");
        declared_only |= is(w, "external") || is(w, "extern_weak");
        constant_one = is(w, "constant");
        alias = is(w, "alias") || is(w, "ifunc");
        if (constant_one || alias || is(w, "global"))
            break;
        blank(ps);
        if (*ps->p == '(')
            skip_brackets(ps);
    }
    parse_type(ps, 0);
    blank(ps);
    const char *text = *ps->p == 'c' && ps->p[1] == '"' ? ps->p + 2 : NULL;

    if (alias) {
        expect(ps, ',');
        parse_type(ps, 0);
        constant(ps, &found);
    } else if (!declared_only) {
        constant(ps, &found);
    }
    struct ir_symbol *sym = &ps->program->symbols[n];

    if (text)
        sym->text = intern((struct span){text, (uint32_t)(ps->p - 1 - text)});
    sym->is_local = a.is_local;
    sym->is_weak = a.is_weak;
    sym->defined = !declared_only;
    sym->is_constant = constant_one;
    if (alias && found.n == 1 && found.symbols[0] != n) {
        sym->alias = found.symbols[0];
    } else {
        sym->refs = found.symbols;
        sym->n_refs = found.n;
        sym->cap_refs = found.cap;
    }
    for (; *ps->p && *ps->p != '\n';) {
        if (strncmp(ps->p, "section \"", 9) == 0) {
            ps->p += 8;
            sym->section = intern(string(ps));
        } else if (strncmp(ps->p, "!dbg !", 6) == 0 && isdigit((unsigned char)ps->p[6])) {
            ps->p += 6;
            sym->variable = (uint32_t)number(ps);
        } else if (*ps->p == '"') {
            skip_string(ps);
        } else {
            ps->p++;
        }
    }
}

static void metadata(struct parse *ps)
{
    struct ir_file *f = ps->file;
    const char *start = ps->p++;

    if (isdigit((unsigned char)*ps->p)) {
        uint64_t n = number(ps);

        if (n > f->bytes)
            fail(ps, "metadata !%llu: a number larger than the file", (unsigned long long)n);
        while (f->n_meta <= n)
            UTIL_PUSH(f->meta, f->n_meta, f->cap_meta) = 0;
        if (!take_char(ps, '='))
            fail(ps, "'=' is missing");
        f->meta[n] = (uint32_t)(ps->p - f->text);
    }
    if (ps->p == start + 1 && !is_name_char(*ps->p))
        fail(ps, "a name of metadata is missing");
    skip_line(ps);
}

static void top_level(struct parse *ps)
{
    static const char skipped[] =
        "source_filename target attributes module uselistorder uselistorder_bb deplibs";

    switch (*ps->p) {
    case '@':
        variable(ps);
        skip_line(ps);
        return;
    case '!':
        metadata(ps);
        return;
    case '$': /* comdat */
    case '^': /* summary */
        skip_line(ps);
        return;
    case '%': {
        uint32_t t = type_named(ps, name(ps));

        expect(ps, '=');
        if (!take(ps, "type"))
            fail(ps, "'type' is missing");
        if (!at_word(ps, "opaque")) {
            uint32_t inner = parse_type(ps, 0);

            if (inner != t)
                ps->types->all[t].elem = inner;
        }
        skip_line(ps);
        return;
    }
    }
    struct span w = word(ps);

    blank(ps);
    if (is(w, "define") || is(w, "declare")) {
        function(ps, is(w, "define"));
    } else if (is_one_of(w, skipped)) {
        skip_line(ps);
    } else {
        ps->p = w.text;
        fail(ps, "not LLVM IR: \"%.20s\"", w.text);
    }
}

void ir_read(struct ir_program *p, const char *path, char *text, size_t bytes)
{
    struct ir_file *f = util_alloc(sizeof *f);
    struct parse ps = {.program = p, .file = f, .p = text};

    *f = (struct ir_file){.path = path, .text = text, .bytes = bytes, .program = p};
    if (bytes >= UINT32_MAX)
        util_die("%s: larger than 4 GiB", path);
    if (!p->types)
        p->types = util_alloc(sizeof *p->types);
    ps.types = p->types;
    UTIL_PUSH(p->files, p->n_files, p->cap_files) = f;
    for (blank_lines(&ps); *ps.p; blank_lines(&ps))
        top_level(&ps);
    if ((size_t)(ps.p - text) != bytes)
        fail(&ps, "a NUL in the text");
}

/* ---- Linking ---- */

static int better(const struct ir_symbol *a, const struct ir_symbol *b)
{
    return (a->defined - b->defined) * 2 + (b->is_weak - a->is_weak);
}

static void take_address(struct ir_program *p, ir_ref ref)
{
    if (IR_IS_SYM(ref) && p->symbols[IR_INDEX(ref)].func)
        p->symbols[IR_INDEX(ref)].address_taken = true;
}

/* The symbol that a reference ends at; cycles of aliases end anywhere. */
static uint32_t resolve(const struct ir_program *p, uint32_t s)
{
    for (unsigned hops = 0; p->symbols[s].alias != IR_NONE && hops < DEPTH_MAX; hops++)
        s = p->symbols[s].alias;
    return s;
}

static ir_ref resolve_ref(const struct ir_program *p, ir_ref ref)
{
    return IR_IS_SYM(ref) ? IR_SYM(resolve(p, IR_INDEX(ref))) : ref;
}

void ir_link(struct ir_program *p)
{
    struct names by_name = {0};

    for (uint32_t i = 0; i < p->n_symbols; i++) {
        struct ir_symbol *s = &p->symbols[i];

        if (s->is_local || s->alias != IR_NONE)
            continue;
        struct span key = {s->name, (uint32_t)strlen(s->name)};
        uint32_t best = names_get(&by_name, key, i);

        if (best == i)
            continue;
        best = resolve(p, best);
        if (best != i && better(s, &p->symbols[best]) > 0)
            p->symbols[best].alias = i;
        else if (best != i)
            s->alias = best;
    }
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        struct ir_symbol *s = &p->symbols[i];

        for (uint32_t k = 0; k < s->n_refs; k++) {
            s->refs[k] = resolve(p, s->refs[k]);
            take_address(p, IR_SYM(s->refs[k]));
        }
    }
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->n_funcs; i++) {
        struct ir_func *f = p->funcs[i];

        if (resolve(p, f->symbol) != f->symbol)
            continue;
        p->funcs[kept++] = f;
        for (uint32_t k = 0; k < f->n_ops; k++) {
            f->ops[k].a = resolve_ref(p, f->ops[k].a);
            f->ops[k].b = resolve_ref(p, f->ops[k].b);
            take_address(p, f->ops[k].kind == IR_LOAD ? IR_NONE : f->ops[k].a);
            take_address(p, f->ops[k].b);
        }
        for (uint32_t k = 0; k < f->n_calls; k++) {
            struct ir_call *call = &f->calls[k];

            call->callee = resolve_ref(p, call->callee);
            for (uint32_t j = 0; j < call->n_args; j++) {
                call->args[j].ref = resolve_ref(p, call->args[j].ref);
                take_address(p, call->args[j].ref);
            }
        }
    }
    p->n_funcs = kept;
}
