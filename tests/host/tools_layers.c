/*
 * tests/host/tools_layers.c - tools/layers.c on small texts, good and bad, and on a tree of files.
 */
#define main layers_main
#include "tools/layers.c"
#undef main

#include "tools/common/util.c"
#include "tests/host/check.h"
#include "tests/host/tempdir.h"

static char findings[4096];

static void collect(const char *finding)
{
    size_t len = strlen(findings);

    snprintf(findings + len, sizeof findings - len, "%s\n", finding);
}

/* `path` with this text gives exactly these findings. */
static void expect(const char *path, const char *text, const char *wanted)
{
    findings[0] = '\0';
    check_text("/nonexistent", path, util_printf("%s", text));
    checkf(strcmp(findings, wanted) == 0, "%s: %s\n  wanted: %s\n  got:    %s", path, text, wanted,
           findings);
}

static void edges_are_judged(void)
{
    expect("sched/runq.c", "#include <lib/list.h>\n#include <mm/page.h>\n#include <rt/chan.h>\n",
           "");
    expect("sched/runq.c", "#include <lib/list.h>\n\n#include <lang/chan.h>\n",
           "sched/runq.c:3: sched/ may not include lang/chan.h\n");
    expect("lib/list.h", "#include <mm/page.h>\n",
           "lib/list.h:1: lib/ may not include mm/page.h\n");
    expect("lib/fatal.c", "#include <arch/arch.h>\n#include <arch/bootinfo.h>\n", "");
    expect("lib/fatal.c", "#include <arch/x86_64/apic.h>\n",
           "lib/fatal.c:1: lib/ may not include arch/x86_64/apic.h\n");
    expect("arch/arch.h", "#include <arch_impl.h>\n#include <arch/x86_64/arch_bulk.h>\n", "");
    expect("arch/arch.h", "#include <lib/list.h>\n",
           "arch/arch.h:1: arch/ may not include lib/list.h\n");
    expect("arch/arch.h", "#include <arch/x86_64/apic.h>\n",
           "arch/arch.h:1: arch/ may not include arch/x86_64/apic.h\n");
    expect("arch/x86_64/arch_impl.h", "#include <lib/list.h>\n",
           "arch/x86_64/arch_impl.h:1: arch/x86_64/ may not include lib/list.h\n");
    expect("arch/x86_64/trap.c", "#include <lib/fatal.h>\n#include <mm/page.h>\n",
           "arch/x86_64/trap.c:2: arch/x86_64/ may not include mm/page.h\n");
    expect("include/rt/chan.h", "#include <rt/compiler.h>\n#include <stddef.h>\n", "");
    expect("include/rt/chan.h", "#include <lib/list.h>\n",
           "include/rt/chan.h:1: include/rt/ may not include lib/list.h\n");
    expect("gc/mark.c", "#include <lang/panic.h>\n",
           "gc/mark.c:1: gc/ may not include lang/panic.h\n");
    expect("lang/chan.c", "#include <tests/test.h>\n",
           "lang/chan.c:1: lang/ may not include tests/test.h\n");
    expect("tests/lang_chan.c", "#include <tests/test.h>\n#include <lang/chan.h>\n", "");
    expect("examples/hello/main.c", "#include <rt/rt.h>\n#include <stdio.h>\n", "");
    expect("examples/hello/main.c", "#include <lib/list.h>\n#include <examples/hello/own.h>\n",
           "examples/hello/main.c:1: examples/ may not include lib/list.h\n");
    expect("examples/hello/main.c", "#include <examples/other/own.h>\n",
           "examples/hello/main.c:1: examples/ may not include examples/other/own.h\n");
    expect("tests/host/lib_list.c", "#include <lib/list.c>\n#include <stdio.h>\n", "");
    expect("mm/a.c", "#include \"../lang/chan.h\"\n#include \"own.h\"\n",
           "mm/a.c:1: mm/ may not include lang/chan.h\n");
    expect("mm/a.c", "#include <mm/../lang/chan.h>\n",
           "mm/a.c:1: mm/ may not include lang/chan.h\n");
}

static void host_headers_are_refused(void)
{
    expect("lib/print.c", "#include <stdio.h>\n",
           "lib/print.c:1: lib/ may not include stdio.h: neither ours nor a freestanding header\n");
    expect("lib/print.c", "#include <stdarg.h>\n#include <stdatomic.h>\n", "");
    expect("tests/lib_list.c", "#include <unistd.h>\n",
           "tests/lib_list.c:1: tests/ may not include unistd.h: neither ours nor a freestanding "
           "header\n");
}

static void only_directives_count(void)
{
    expect("mm/a.c", "/* #include <lang/a.h>\n#include <lang/b.h>\n*/\n// #include <lang/c.h>\n",
           "");
    expect("mm/a.c", "const char *s = \"/*\";\n#include <lang/a.h>\n",
           "mm/a.c:2: mm/ may not include lang/a.h\n");
    expect("mm/a.c", "int a = '\"';\n  #  include <lang/a.h> /* why\n#include <lang/b.h> */\n",
           "mm/a.c:2: mm/ may not include lang/a.h\n");
    expect("mm/a.c", "#/* x */include <lang/a.h>\n", "mm/a.c:1: mm/ may not include lang/a.h\n");
    expect("mm/a.c", "#if 0\n#include <lang/a.h>\n#endif\n",
           "mm/a.c:2: mm/ may not include lang/a.h\n"); /* [layers.1] */
    expect("mm/a.c", "#include HEADER\n",
           "mm/a.c:1: an include by macro can't be checked: include HEADER\n");
    expect("mm/a.c", "x #include <lang/a.h>\n#include\n#includes <lang/a.h>\n#", "");
    expect("mm/a.c", "#include <lang/a.h",
           "mm/a.c:1: an include by macro can't be checked: include "
           "<lang/a.h\n");
    expect("mm/a.c", "\"unfinished\n#include <lang/a.h>\n/* open",
           "mm/a.c:2: mm/ may not include "
           "lang/a.h\n");
}

static void portable_folders_do_not_ask(void)
{
    expect("gc/mark.c", "#ifdef __x86_64__\n#elif defined(__aarch64__)\n#endif\n",
           "gc/mark.c:1: gc/ is portable: what depends on the machine belongs into arch/PORT\n"
           "gc/mark.c:2: gc/ is portable: what depends on the machine belongs into arch/PORT\n");
    expect("arch/x86_64/cpu.c", "#ifdef __x86_64__\n#endif\n", "");
}

static void a_tree_is_walked(void)
{
    tempdir_make();
    if (system(
            util_printf("cd %s && mkdir -p sched/deep lang build odd && echo '#include <lang/a.h>' "
                        "| tee sched/deep/b.c build/c.c odd/d.h >lang/e.S && echo '#include "
                        "\"../../lang/e.S\"' >sched/deep/f.h && touch lang/a.h",
                        dir)) != 0)
        util_die("can't make a tree in %s", dir);
    findings[0] = '\0';
    char *args[] = {"layers", dir, NULL};
    int status = layers_main(2, args);
    const char *wanted = "odd/d.h:1: odd/ is no layer that tools/layers.c knows\n"
                         "sched/deep/b.c:1: sched/ may not include lang/a.h\n"
                         "sched/deep/f.h:1: sched/ may not include lang/e.S\n";
    checkf(status == 1 && strcmp(findings, wanted) == 0, "a tree: status %d, findings:\n%s", status,
           findings);
    tempdir_remove();
}

int main(void)
{
    report_hook = collect;
    edges_are_judged();
    host_headers_are_refused();
    only_directives_count();
    portable_folders_do_not_ask();
    a_tree_is_walked();
    util_free_all();
    return check_end();
}
