/*
 * tools/escape.c - where a program's variables live, and why: Go's `-gcflags=-m` for C on Ingot.
 *
 *     escape [-m | -mm | -t | -b] [-e] [-s] FILE.ll...
 *
 * Reads the LLVM IR of all files of a program (tools/escape/ir.h says how it is made) and prints a
 * warning for each local whose address outlives its function. -m prints every decision, -mm the
 * chain of reasons, too. -e: status 1 if there is a warning. -t is for tests (tests/sh/escape.sh).
 * -b: instead, the barrier lint: stores of collected pointers that by-pass gc_set().
 * -s: and how many steps the analysis took, on stderr, for tests that watch over its time.
 * docs/escape.md explains the rules.
 */
#include "tools/common/util.h"
#include "tools/escape/report.h"

#include <string.h>

static void usage(void)
{
    fprintf(stderr, "usage: escape [-m | -mm | -t | -b] [-e] [-s] FILE.ll...\n");
}

int main(int argc, char **argv)
{
    static struct ir_program program;
    static struct world world;
    unsigned verbose = 0, warnings;
    bool errors = false, barriers = false, steps = false;
    int i = 1;

    util_program = "escape";
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-m") == 0) {
            verbose = 1;
        } else if (strcmp(argv[i], "-mm") == 0) {
            verbose = 2;
        } else if (strcmp(argv[i], "-t") == 0) {
            verbose = REPORT_VERDICTS;
        } else if (strcmp(argv[i], "-b") == 0) {
            barriers = true;
        } else if (strcmp(argv[i], "-s") == 0) {
            steps = true;
        } else if (strcmp(argv[i], "-e") == 0) {
            errors = true;
        } else {
            usage();
            return 2;
        }
    }
    if (i == argc) {
        usage();
        return 2;
    }
    for (; i < argc; i++) {
        size_t bytes;
        char *text = (char *)util_read_file(argv[i], &bytes);

        text = util_grow(text, bytes, bytes + 1); /* ends in a NUL [ir.1] */
        ir_read(&program, argv[i], text, bytes);
    }
    ir_link(&program);
    solve(&world, &program);
    warnings = barriers ? report_barriers(&world) : report_escapes(&world, verbose);
    report_print();
    if (steps)
        fprintf(stderr, "%llu steps\n", (unsigned long long)world.n_steps);
    util_free_all();
    return errors && warnings ? 1 : 0;
}
