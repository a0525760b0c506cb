/*
 * tests/host/tools_escape.c - the reader of LLVM IR text (tools/escape/ir.c) on good and bad text.
 *
 * The samples are IR as clang 14 to 21 print it: those of 14 and 16 can be had from Debian's
 * compilers (tests/sh/escape.sh does); the forms of 17 to 21 are written after the LLVM language
 * reference. Each sample must give the same answer. Then every sample is broken, at random and
 * with a seed: the reader must take it, or refuse it with one line that names file and line; and
 * what it took must be solved and reported without a slip that the sanitizers see. Samples: typed, opaque, modern.
 */
#define main escape_main
#include "tools/escape.c"
#undef main

#include "tests/host/dies.h"
#include "tests/host/fuzz.h"
#include "tools/common/util.c"
#include "tools/escape/debug.c"
#include "tools/escape/flow.c"
#include "tools/escape/ir.c"
#include "tools/escape/model.c"
#include "tools/escape/set.c"
#include "tools/escape/solve.c"
#include "tools/escape/text.c"
#include "tools/escape/type.c"

/* The rest has names of its own for what ir.c calls by them too. */
#define found set_found
#include "tools/escape/lint.c"
#undef found
#include "tools/escape/report.c"

#define DEBUG_INFO                                                                                 \
    "!llvm.module.flags = !{!0}\n"                                                                 \
    "!0 = !{i32 2, !\"Debug Info Version\", i32 3}\n"                                              \
    "!1 = !DIFile(filename: \"a.c\", directory: \"/src\")\n"                                       \
    "!2 = distinct !DISubprogram(name: \"f\", scope: !1, file: !1, line: 3, type: !3)\n"           \
    "!3 = !DISubroutineType(types: !4)\n"                                                          \
    "!4 = !{null}\n"                                                                               \
    "!5 = !DILocalVariable(name: \"x\", scope: !2, file: !1, line: 4)\n"                           \
    "!6 = !DILocation(line: 4, column: 9, scope: !2)\n"                                            \
    "!7 = !DILocation(line: 5, column: 5, scope: !2)\n"                                            \
    "!8 = !DILocalVariable(name: \"y\", scope: !2, file: !1, line: 4)\n"

/* In each, f() has two locals: x is returned, or gets into a global; y goes to a call that keeps off. */
static const char typed[] =
    "; ModuleID = 'a.c'\nsource_filename = \"a.c\"\n"
    "target datalayout = \"e-m:e-i64:64\"\n"
    "%struct.s = type { i32*, i64, [4 x i8], %union.u }\n%union.u = type { i64 }\n"
    "%struct.fwd = type opaque\n"
    "@g = internal global i32* null, align 8, !dbg !9\n"
    "@.str = private unnamed_addr constant [3 x i8] c\"a\\22\\00\", align 1\n"
    "@t = constant { i8*, void (i32*)* } { i8* getelementptr inbounds ([3 x i8], [3 x i8]* @.str, "
    "i32 0, i32 0), void (i32*)* @h }, section \"rt_types\", align 8\n"
    "@al = weak alias i32*, i32** @g\n"
    "define dso_local i32* @f(%struct.s* noundef byval(%struct.s) align 8 %0, i32 %1, ...) #0 "
    "!dbg !2 {\n"
    "  %3 = alloca i32, align 4\n  %4 = alloca i32, align 4\n"
    "  call void @llvm.dbg.declare(metadata i32* %3, metadata !5, metadata !DIExpression()), !dbg "
    "!6\n"
    "  call void @llvm.dbg.declare(metadata i32* %4, metadata !8, metadata !DIExpression()), !dbg "
    "!6\n"
    "  %5 = bitcast i32* %4 to i8*, !dbg !7\n"
    "  call void @quiet(i8* noundef %5), !dbg !7\n"
    "  %6 = getelementptr inbounds %struct.s, %struct.s* %0, i32 0, i32 1\n"
    "  %7 = load i64, i64* %6, align 8\n  %8 = icmp ne i64 %7, 0\n"
    "  br i1 %8, label %9, label %10\n\n"
    "9:                                                ; preds = %2\n"
    "  switch i32 %1, label %10 [\n    i32 1, label %9\n    i32 2, label %10\n  ]\n\n"
    "10:                                               ; preds = %9, %2\n"
    "  %11 = phi i32* [ %3, %9 ], [ null, %2 ]\n"
    "  %12 = select i1 %8, i32* %11, i32* %3\n"
    "  %13 = cmpxchg weak i32** @g, i32* null, i32* %12 acq_rel monotonic, align 8\n"
    "  %14 = extractvalue { i32*, i1 } %13, 0\n"
    "  callbr void asm sideeffect \"nop ${1:l}\", \"r,i,~{memory}\"(i64 %7, i8* "
    "blockaddress(@f, %15)) #1\n          to label %15 [label %10], !dbg !7, !srcloc !4\n\n"
    "15:                                               ; preds = %10\n"
    "  ret i32* %12, !dbg !7\n}\n\n"
    "declare void @llvm.dbg.declare(metadata, metadata, metadata) #2\n"
    "declare !dbg !3 dso_local void @quiet(i8* nocapture noundef) #2\n"
    "declare void @h(i32*)\n"
    "attributes #0 = { noinline nounwind \"frame-pointer\"=\"all\" }\n" DEBUG_INFO
    "!9 = !DIGlobalVariableExpression(var: !10, expr: !DIExpression())\n"
    "!10 = distinct !DIGlobalVariable(name: \"g\", scope: !1, file: !1, line: 1, type: !3)\n";

static const char opaque[] =
    "source_filename = \"a.c\"\n"
    "%struct.s = type { ptr, i64, [4 x i8] }\n"
    "@g = global ptr null, align 8\n"
    "define dso_local ptr @f(ptr noundef byval(%struct.s) align 8 %s, i32 %n, ...) #0 !dbg !2 {\n"
    "entry:\n"
    "  %x = alloca i32, align 4\n  %y = alloca i32, align 4\n"
    "  call void @llvm.dbg.declare(metadata ptr %x, metadata !5, metadata !DIExpression()), !dbg "
    "!6\n"
    "  call void @llvm.dbg.declare(metadata ptr %y, metadata !8, metadata !DIExpression()), !dbg "
    "!6\n"
    "  call void @quiet(ptr noundef %y), !dbg !7\n"
    "  %len = getelementptr inbounds %struct.s, ptr %s, i32 0, i32 1\n"
    "  %0 = load i64, ptr %len, align 8\n  %tobool = icmp ne i64 %0, 0\n"
    "  br i1 %tobool, label %if.then, label %if.end\n\n"
    "if.then:                                          ; preds = %entry\n"
    "  store atomic ptr %x, ptr @g seq_cst, align 8, !dbg !7\n"
    "  %1 = atomicrmw volatile xchg ptr @g, ptr null acq_rel, align 8\n"
    "  br label %if.end\n\n"
    "if.end:                                           ; preds = %if.then, %entry\n"
    "  %agg = insertvalue { ptr, i64 } poison, ptr %x, 0\n"
    "  %back = extractvalue { ptr, i64 } %agg, 0\n"
    "  ret ptr %back, !dbg !7\n}\n"
    "declare void @llvm.dbg.declare(metadata, metadata, metadata)\n"
    "declare void @quiet(ptr nocapture noundef readonly) #1\n" DEBUG_INFO;

/* Debug records, captures(), new flags of instructions and new attributes. */
static const char modern[] =
    "source_filename = \"a.c\"\n"
    "%struct.s = type { ptr, i64, [4 x i8] }\n"
    "@g = dso_local local_unnamed_addr global ptr null, align 8, !dbg !2\n"
    "define dso_local nonnull ptr @f(ptr dead_on_unwind noalias writable sret(%struct.s) align 8 "
    "captures(address, read_provenance) initializes((0, 8)) %s, i32 noundef range(i32 0, 9) %n, "
    "double nofpclass(nan inf) %d) local_unnamed_addr #0 !dbg !2 {\n"
    "entry:\n"
    "  %x = alloca i32, align 4\n  %y = alloca i32, align 4\n"
    "    #dbg_declare(ptr %x, !5, !DIExpression(), !6)\n"
    "    #dbg_declare(ptr %y, !8, !DIExpression(), !6)\n"
    "    #dbg_value(i32 %n, !8, !DIExpression(), !6)\n"
    "  call void @quiet(ptr noundef nonnull %y), !dbg !7\n"
    "  %len = getelementptr inbounds nuw %struct.s, ptr %s, i32 0, i32 1\n"
    "  %0 = load i64, ptr %len, align 8\n"
    "  %c = icmp samesign ugt i64 %0, 4\n  %t = trunc nuw nsw i64 %0 to i32\n"
    "  %z = zext nneg i32 %t to i64\n  %o = or disjoint i64 %z, 1\n"
    "  %v = add <4 x i32> zeroinitializer, splat (i32 1)\n"
    "  %q = getelementptr nusw nuw i8, ptr %x, i64 %o\n"
    "  %u = uitofp nneg i32 %t to double\n"
    "  br i1 %c, label %a, label %b, !dbg !7\n\n"
    "a:                                                ; preds = %entry\n"
    "  store ptr %x, ptr @g, align 8, !dbg !7\n  br label %b\n\n"
    "b:                                                ; preds = %a, %entry\n"
    "  %r = freeze ptr %x\n"
    "  %two = call { ptr, i64 } @two(ptr %x, double 1.0)\n"
    "  store { ptr, i64 } %two, ptr @g\n"
    "  %i = extractvalue { ptr, i64 } %two, 1\n  %s = lshr i64 %i, 8\n"
    "  %byte = trunc i64 %s to i8\n  %wide = zext i8 %byte to i64\n  %l = shl i64 %wide, 8\n"
    "  ret ptr %r, !dbg !7\n}\n"
    "declare { ptr, i64 } @two(ptr, double)\n"
    "declare void @quiet(ptr noundef captures(none)) memory(argmem: read)\n" DEBUG_INFO;

static const struct {
    const char *name, *text;
} samples[] = {{"typed", typed}, {"opaque", opaque}, {"modern", modern}};

/* Reads, links, solves: NULL, or the complaint. */
static const char *run(const char *name, const char *text, size_t bytes, struct world *w)
{
    static struct ir_program program;

    util_die_hook = on_die;
    program = (struct ir_program){0};
    *w = (struct world){0};
    if (setjmp(died))
        return said;
    char *copy = util_alloc(bytes + 1);

    memcpy(copy, text, bytes);
    ir_read(&program, name, copy, bytes);
    ir_link(&program);
    solve(w, &program);
    return NULL;
}

static bool escapes(const struct world *w, const char *variable)
{
    for (uint32_t i = 0; i < w->program->n_funcs; i++) {
        struct graph *g = w->summaries[w->program->funcs[i]->symbol]->graph;
        struct study s = study_begin(g);

        for (uint32_t o = 0; o < g->n_objects; o++)
            if (g->objects[o].kind == OBJ_LOCAL && strcmp(object_name(g, o), variable) == 0)
                return s.out[o] != STAYS;
    }
    CHECK(false, "no variable %s", variable);
    return false;
}

static void samples_are_read(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct world w;
        const char *why = run(samples[i].name, samples[i].text, strlen(samples[i].text), &w);

        CHECK(why == NULL, "%s: %s", samples[i].name, why);
        if (why != NULL)
            continue;
        CHECK(escapes(&w, "'x'"), "%s", samples[i].name);
        CHECK(!escapes(&w, "'y'"), "%s", samples[i].name);
        CHECK(w.program->n_funcs == 1);
        struct ir_place place = ir_place_of(w.program->files[0], 7);

        CHECK(place.path && strcmp(place.path, "/src/a.c") == 0 && place.line == 5 &&
              place.column == 5);
        util_free_all();
    }
}

static void refusals_name_the_line(void)
{
    static const struct {
        const char *text, *complaint;
    } bad[] = {
        {"hello\n", "bad.ll:1: not LLVM IR: \"hello"},
        {"\n\ndefine void @f() {\n  frobnicate i32 1\n}\n",
         "bad.ll:4: instruction \"frobnicate\" is not known"},
        {"define void @f() {\n  ret void\n", "bad.ll:3: a function is not closed"},
        {"define void @f() {\n  %1 = load i32, i32* \n}\n", "bad.ll:2: a value is missing"},
        {"define void @f() {\n  br label 7\n}\n", "bad.ll:2: a label is missing"},
        {"define void @f() {\n  %1 = alloca\n}\n", "bad.ll:2: a type is missing"},
        {"define void @f(i32 {\n}\n", "bad.ll:1: "},
        {"@s = constant [2 x i8] c\"a\n", "bad.ll:1: a text without its closing quote"},
        {"@s = constant { i32 1\n", "bad.ll:1: "},
        {"define void @f() {\n ret void\n}\ndefine void @f() {\n ret void\n}\n",
         "bad.ll:4: @f is defined twice"},
        {"!99999999999 = !{}\n", "bad.ll:1: metadata !99999999999"},
        {"%t = type [1 x [1 x [1 x\n", "bad.ll:1: a type is missing"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct world w;
        const char *why = run("bad.ll", bad[i].text, strlen(bad[i].text), &w);

        CHECK(why != NULL && strncmp(why, bad[i].complaint, strlen(bad[i].complaint)) == 0,
              "wanted \"%s\", got \"%s\"", bad[i].complaint, why ? why : "nothing");
        util_free_all();
    }
    /* A NUL, and types nested without end. */
    struct world w;
    char deep[5000];

    CHECK(strstr(run("bad.ll", "target\0x", 8, &w) ? said : "", "a NUL in the text") != NULL);
    util_free_all();
    memset(deep, '{', sizeof deep);
    memcpy(deep, "%t = type ", 10);
    CHECK(strstr(run("bad.ll", deep, sizeof deep, &w) ? said : "", "nested too deep") != NULL);
    util_free_all();
}

/* One mutation: bytes changed, taken out, doubled, or a piece of another sample put in. */
static size_t mutate(char *text, size_t n, size_t cap)
{
    const char *other = samples[fuzz_below(3)].text;
    size_t at = fuzz_below((uint32_t)n), len = 1 + fuzz_below(fuzz_below(4) ? 8 : 200);
    size_t from = fuzz_below((uint32_t)strlen(other));

    if (len > n - at)
        len = n - at;
    switch (fuzz_below(5)) {
    case 0:
        text[at] = "%@!*(){}[]<>,\" \n=0123456789iptr#;c"[fuzz_below(34)];
        return n;
    case 1:
        memmove(text + at, text + at + len, n - at - len);
        return n - len;
    case 2:
        if (n + len > cap)
            return n;
        memmove(text + at + len, text + at, n - at);
        return n + len;
    case 3:
        if (len > strlen(other) - from)
            len = strlen(other) - from;
        if (len > n - at)
            len = n - at;
        memcpy(text + at, other + from, len);
        return n;
    default:
        text[at] = (char)(1 + fuzz_below(255));
        return n;
    }
}

static void broken_text_is_refused_or_read(void)
{
    static char text[16384];
    double until = fuzz_now() + fuzz.seconds;
    unsigned taken = 0, turned_down = 0;

    while (fuzz_now() < until || taken + turned_down < 300) {
        const char *sample = samples[fuzz_below(3)].text;
        size_t n = strlen(sample);
        struct world w;

        memcpy(text, sample, n);
        for (uint32_t i = 1 + fuzz_below(4); i > 0 && n > 0; i--)
            n = mutate(text, n, sizeof text);
        const char *why = run("a.ll", text, n, &w);

        if (why != NULL) {
            unsigned line = 0;

            turned_down++;
            CHECK(sscanf(why, "a.ll:%u: ", &line) == 1 && line > 0 && strchr(why, '\n') == NULL,
                  "%s", why);
        } else {
            taken++;
            report_escapes(&w, 2);
            report_barriers(&w);
            lines = NULL; /* nobody wants to read them */
            n_lines = cap_lines = 0;
        }
        util_free_all();
    }
    printf("%u read, %u refused\n", taken, turned_down);
    CHECK(taken > 10 && turned_down > 10);
}

/*
 * A program of n pieces, with no more between them than real ones have: functions that hand what they
 * allocate to a helper through another one, and groups of four that call each other.
 */
static const char *program_of(unsigned n)
{
    char *text = util_alloc(n * 1024 + 1024), *end = text;

    end +=
        sprintf(end, "declare ptr @rt_gc_alloc(ptr)\n@g = global ptr null\n"
                     "define void @put(ptr %%p, ptr %%v) {\n store ptr %%v, ptr %%p\n ret void\n}\n"
                     "define void @pass(ptr %%p, ptr %%v) {\n"
                     " call void @put(ptr %%p, ptr %%v)\n ret void\n}\n");
    for (unsigned i = 0; i < n; i++)
        end += sprintf(end,
                       "define void @f%u(ptr %%p, ptr %%q) {\n %%l = alloca ptr\n"
                       " %%n = call ptr @rt_gc_alloc(ptr null)\n"
                       " call void @pass(ptr %%l, ptr %%n)\n call void @pass(ptr %%p, ptr %%q)\n"
                       " %%v = load ptr, ptr %%l\n store ptr %%v, ptr @g\n"
                       " call void @f%u(ptr %%q, ptr %%l)\n call void @f%u(ptr %%p, ptr %%v)\n"
                       " ret void\n}\n",
                       i, i / 4 * 4 + (i + 1) % 4, i / 4 * 4 + (i + 2) % 4);
    return text;
}

/* [solve.4] */
static void work_grows_with_the_program(void)
{
    uint64_t steps[2];

    for (unsigned i = 0; i < 2; i++) {
        struct world w;
        const char *text = program_of(400u << i);
        const char *why = run("large.ll", text, strlen(text), &w);

        CHECK(why == NULL, "%s", why);
        CHECK(report_barriers(&w) > 0);
        lines = NULL;
        n_lines = cap_lines = 0;
        steps[i] = w.n_steps;
        printf("%u functions: %llu steps\n", 400u << i, (unsigned long long)w.n_steps);
        util_free_all();
    }
    CHECK(steps[1] < steps[0] * 5 / 2, "twice the program is %.1f times the work",
          (double)steps[1] / (double)steps[0]);
}

int main(void)
{
    fuzz_begin();
    fuzz_group("samples are read");
    samples_are_read();
    fuzz_group("refusals name the line");
    refusals_name_the_line();
    fuzz_group("work grows with the program");
    work_grows_with_the_program();
    fuzz_group("broken text is refused or read");
    broken_text_is_refused_or_read();
    return fuzz_end();
}
