/*
 * tools/docblocks.c - takes the C code out of documents, so that a test can compile and run it.
 *
 *     docblocks OUTDIR FILE.md...
 *
 * A fenced block whose first line is ```c and that has a main() is a program. If the next fenced
 * block is ```output, that is what the program prints (an expect file: docs/testing.md); else it
 * must end with status 0. A block
 * ```c body is statements, ```c file is declarations and functions: these are compiled and not run.
 * What a body needs to be declared stands before it in a comment that readers don't see: <!--
 * given: ... -->, which holds for the document's bodies from there on. Other ```c blocks are left
 * alone.
 *
 * Writes OUTDIR/DOCUMENT_LINE.c, for a program with output also .expect, and prints a line for
 * each: "program NAME" or "compile NAME".
 */
#include "tools/common/util.h"

#include <ctype.h>
#include <string.h>

struct text {
    char *p;
    size_t len, cap;
};

static void add(struct text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        UTIL_PUSH(t->p, t->len, t->cap) = s[i];
}

static void add_text(struct text *t, const char *s)
{
    add(t, s, strlen(s));
}

static bool is_line(const char *line, size_t len, const char *what)
{
    return len == strlen(what) && memcmp(line, what, len) == 0;
}

static bool has_main(const struct text *block)
{
    for (size_t i = 0; i + 9 < block->len; i++) {
        if (memcmp(block->p + i, "int main(", 9) == 0)
            return true;
    }
    return false;
}

/* docs/for-c-programmers.md, line 12: for_c_programmers_12 */
static char *block_name(const char *path, size_t line)
{
    const char *slash = strrchr(path, '/');
    char *name = util_printf("%s", slash != NULL ? slash + 1 : path);

    *strrchr(name, '.') = '\0';
    for (char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c))
            *c = '_';
    }
    return util_printf("%s_%zu", name, line);
}

enum kind { BLOCK_OTHER, BLOCK_C, BLOCK_BODY, BLOCK_FILE, BLOCK_OUTPUT };

static enum kind kind_of(const char *line, size_t len)
{
    return is_line(line, len, "```c")        ? BLOCK_C
           : is_line(line, len, "```c body") ? BLOCK_BODY
           : is_line(line, len, "```c file") ? BLOCK_FILE
           : is_line(line, len, "```output") ? BLOCK_OUTPUT
                                             : BLOCK_OTHER;
}

/* Write a C block; returns its name if it is a program. */
static const char *emit(const char *dir, const char *path, size_t line, enum kind kind,
                        const struct text *block, const struct text *given)
{
    const char *name = block_name(path, line);
    bool program = kind == BLOCK_C && has_main(block);
    struct text out = {0};

    if (kind == BLOCK_C && !program)
        return NULL;
    if (kind == BLOCK_BODY) {
        add_text(&out, "#include <rt/rt.h>\n");
        add(&out, given->p, given->len);
        add_text(&out, util_printf("\nvoid body(void);\nvoid body(void)\n{\n#line %zu \"%s\"\n",
                                   line + 1, path));
    } else {
        add_text(&out, util_printf("#line %zu \"%s\"\n", line + 1, path));
    }
    add(&out, block->p, block->len);
    if (kind == BLOCK_BODY)
        add_text(&out, "}\n");
    util_write_file(util_printf("%s/%s.c", dir, name), out.p, out.len);
    printf("%s %s\n", program ? "program" : "compile", name);
    return program ? name : NULL;
}

static void document(const char *dir, const char *path)
{
    static const char given_mark[] = "<!-- given:";
    size_t bytes, number = 1, begun = 0;
    const char *at = (const char *)util_read_file(path, &bytes), *end = at + bytes;
    struct text block = {0}, given = {0};
    enum kind kind = BLOCK_OTHER;
    bool inside = false, in_given = false;
    const char *program = NULL; /* the last block, if it was one */

    for (; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = newline != NULL ? (size_t)(newline - at) : (size_t)(end - at);

        if (in_given) {
            in_given = !is_line(at, len, "-->");
            if (in_given)
                add_text(&given, util_printf("%.*s\n", (int)len, at));
        } else if (!inside && len >= sizeof given_mark - 1 &&
                   memcmp(at, given_mark, sizeof given_mark - 1) == 0) {
            in_given = true;
            given.len = 0;
        } else if (!inside && len >= 3 && memcmp(at, "```", 3) == 0) {
            inside = true;
            kind = kind_of(at, len);
            begun = number;
            block.len = 0;
        } else if (inside && is_line(at, len, "```")) {
            inside = false;
            if (kind == BLOCK_OUTPUT && program != NULL)
                util_write_file(util_printf("%s/%s.expect", dir, program), block.p, block.len);
            else if (kind == BLOCK_OUTPUT)
                util_die("%s:%zu: there is no program before this output", path, begun);
            program = kind == BLOCK_OTHER || kind == BLOCK_OUTPUT
                          ? NULL
                          : emit(dir, path, begun, kind, &block, &given);
        } else if (inside) {
            add_text(&block, util_printf("%.*s\n", (int)len, at));
        }
        at += len + 1;
    }
    if (inside || in_given)
        util_die("%s:%zu: this block has no end", path, begun);
}

int main(int argc, char **argv)
{
    util_program = "docblocks";
    if (argc < 3) {
        fprintf(stderr, "usage: docblocks OUTDIR FILE.md...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        document(argv[1], argv[i]);
    return 0;
}
