/*
 * tools/layers.c - refuses an #include that points upwards.
 *
 *     layers [ROOT]      check every .c, .h and .S file below ROOT (default: the current directory)
 *
 * WHAT. The order, lowest first:
 *
 *     include/rt, include/c   the public API; includes nothing of ours but itself
 *     boot                    loaders, and what they share with the runtime; nothing of ours but
 *                             itself
 *     arch/NAME.h             the contract with the machine; may include the port's arch_*.h
 *     lib                     may not include a port
 *     arch/PORT               mm  sched  gc  lang  tests and bench
 *     examples                programs: only <rt/...>, C headers and files of their own folder
 *     tools, tests/host       run on the host: anything below tests
 *
 * A file may include its own layer and lower ones. In the runtime a header that is not ours must be
 * one that a freestanding compiler has, or one of include/c. Portable layers may not ask for the
 * machine by #if. Findings are printed as `file:line: sched/ may not include lang/chan.h`, and the
 * status is 1.
 *
 * INVARIANTS
 * [layers.1] Text in comments and strings is not looked at; both branches of an #if are.
 * [layers.2] A file in a folder that is no layer is a finding too, so that no folder escapes.
 */
#include "tools/common/util.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum layer {
    LAYER_API,
    LAYER_ARCH_API,
    LAYER_LIB,
    LAYER_PORT,
    LAYER_MM,
    LAYER_SCHED,
    LAYER_GC,
    LAYER_LANG,
    LAYER_TESTS,
    LAYER_EXAMPLES,
    LAYER_HOST,
    LAYER_NONE,
};

static const struct {
    const char *prefix;
    enum layer layer;
} folders[] = {
    /* the longest prefix first */
    {"tests/host/", LAYER_HOST},
    {"tests/compile_fail/", LAYER_EXAMPLES},
    {"examples/escape/", LAYER_API}, /* its patterns are measured, too: bench/escape.c */
    {"include/rt/", LAYER_API},
    {"include/c/", LAYER_API},
    {"lib/", LAYER_LIB},
    {"mm/", LAYER_MM},
    {"sched/", LAYER_SCHED},
    {"gc/", LAYER_GC},
    {"lang/", LAYER_LANG},
    {"tests/", LAYER_TESTS},
    {"bench/", LAYER_TESTS},
    {"examples/", LAYER_EXAMPLES},
    {"tools/", LAYER_HOST},
    {"docs/", LAYER_EXAMPLES},
    {"models/", LAYER_HOST},
    {"boot/", LAYER_API},
};

/* What gcc and clang provide without a library. */
static const char *const freestanding[] = {
    "float.h",     "iso646.h",    "limits.h",    "stdalign.h",  "stdarg.h",
    "stdatomic.h", "stdbool.h",   "stddef.h",    "stdint.h",    "stdnoreturn.h",
    "cpuid.h",     "immintrin.h", "x86intrin.h", "emmintrin.h", "xmmintrin.h",
};

static unsigned n_findings;
static void (*report_hook)(const char *finding); /* tests collect them here */

static void report(const char *path, unsigned line, const char *what, const char *about)
{
    char *text = util_printf("%s:%u: %s %s", path, line, what, about);

    n_findings++;
    if (report_hook)
        report_hook(text);
    else
        printf("%s\n", text);
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Layer of a path from the root. */
static enum layer layer_of(const char *path)
{
    if (starts(path, "arch/")) {
        const char *rest = path + 5, *slash = strchr(rest, '/');

        return !slash || starts(slash, "/arch_") ? LAYER_ARCH_API : LAYER_PORT;
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (starts(path, folders[i].prefix))
            return folders[i].layer;
    return LAYER_NONE;
}

/* "sched/": the folder that a message names. */
static const char *folder_of(const char *path)
{
    const char *slash = strchr(path, '/');

    if (slash && (starts(path, "arch/") || starts(path, "include/") || starts(path, "tests/")) &&
        strchr(slash + 1, '/'))
        slash = strchr(slash + 1, '/');
    return slash ? util_printf("%.*s", (int)(slash - path + 1), path) : path;
}

static bool exists(const char *root, const char *path)
{
    struct stat st;

    return stat(util_printf("%s/%s", root, path), &st) == 0;
}

/*
 * Path from the root of what `path` includes as `name`, or NULL if it is no file of ours. A name
 * with a folder of ours counts as ours even if that file does not exist: the compiler says so, not
 * we.
 */
static const char *resolve(const char *root, const char *path, const char *name, bool quoted)
{
    const char *slash = strrchr(path, '/');
    char *beside = util_printf("%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name);

    if (quoted && (starts(name, "..") || !strchr(name, '/') || exists(root, beside)))
        return util_path("", "", beside);
    name = util_path("", "", name);
    if (starts(name, "rt/"))
        return util_printf("include/%s", name);
    if (layer_of(name) != LAYER_NONE)
        return name;
    if (starts(name, "arch_")) /* the port's, by -Iarch/PORT */
        return util_printf("arch/port/%s", name);
    if (exists(root, util_printf("include/c/%s", name)))
        return util_printf("include/c/%s", name);
    return NULL;
}

static bool is_freestanding(const char *name)
{
    for (size_t i = 0; i < sizeof freestanding / sizeof *freestanding; i++)
        if (strcmp(name, freestanding[i]) == 0)
            return true;
    return false;
}

/* May a file of layer `from` include one of layer `to`? */
static bool may_include(enum layer from, enum layer to, const char *path, const char *target)
{
    switch (from) {
    case LAYER_HOST:
        return to != LAYER_NONE;
    case LAYER_EXAMPLES: /* public headers, and what lies in the program's own folder or below it */
        return to == LAYER_API ||
               (to == LAYER_EXAMPLES &&
                starts(target, util_printf("%.*s", (int)strcspn(path + 9, "/") + 10, path)));
    case LAYER_ARCH_API:
        return to <= LAYER_ARCH_API;
    default:
        return to <= from;
    }
}

static void check_include(const char *root, const char *path, unsigned line, const char *name,
                          bool quoted)
{
    enum layer from = layer_of(path);
    const char *target = resolve(root, path, name, quoted);

    if (target) {
        if (!may_include(from, layer_of(target), path, target))
            report(path, line, util_printf("%s may not include", folder_of(path)),
                   starts(target, "include/rt/") ? target + 8 : target);
    } else if (from < LAYER_EXAMPLES && !is_freestanding(name)) {
        report(path, line, util_printf("%s may not include", folder_of(path)),
               util_printf("%s: neither ours nor a freestanding header", name));
    }
}

/* One line that begins with '#', its comments already blank. */
static void check_directive(const char *root, const char *path, unsigned line, const char *text)
{
    enum layer from = layer_of(path);

    text += strspn(text, " \t#");
    if (starts(text, "include") &&
        (text[7] == ' ' || text[7] == '\t' || text[7] == '<' || text[7] == '"')) {
        const char *at = text + 7 + strspn(text + 7, " \t");
        char close = *at == '<' ? '>' : '"';
        const char *end = *at == '<' || *at == '"' ? strchr(at + 1, close) : NULL;

        if (end)
            check_include(root, path, line, util_printf("%.*s", (int)(end - at - 1), at + 1),
                          close == '"');
        else if (from <= LAYER_LANG)
            report(path, line, "an include by macro can't be checked:", text);
    } else if (starts(text, "if") || starts(text, "elif")) {
        bool portable = from == LAYER_LIB || (from >= LAYER_MM && from <= LAYER_LANG);

        if (portable && (strstr(text, "__x86_64__") || strstr(text, "__aarch64__")))
            report(path, line, folder_of(path),
                   "is portable: what depends on the machine belongs into arch/PORT");
    }
}

/* Check a file's text, which is changed: comments become blanks. */
static void check_text(const char *root, const char *path, char *text)
{
    unsigned line = 1;
    bool line_start = true;

    for (char *at = text; *at;) {
        if (at[0] == '/' && at[1] == '*') {
            char *end = strstr(at + 2, "*/");

            for (char *stop = end ? end + 2 : at + strlen(at); at < stop; at++) {
                line += *at == '\n';
                *at = *at == '\n' ? '\n' : ' ';
            }
        } else if (at[0] == '/' && at[1] == '/') {
            while (*at && *at != '\n')
                *at++ = ' ';
        } else if (*at == '\n') {
            line++;
            line_start = true;
            at++;
        } else if (*at == '#' && line_start) {
            size_t len = strcspn(at, "\n");
            char *copy = util_printf("%.*s", (int)len, at);
            char *comment = strstr(copy, "//");

            if (comment)
                *comment = '\0';
            while ((comment = strstr(copy, "/*")) != NULL) {
                char *end = strstr(comment + 2, "*/");

                if (!end) { /* goes on in the next line */
                    len = (size_t)(comment - copy);
                    *comment = '\0';
                    break;
                }
                memset(comment, ' ', (size_t)(end + 2 - comment));
            }
            check_directive(root, path, line, copy);
            at += len;
            line_start = false;
        } else if (*at == '"' || *at == '\'') {
            char quote = *at++;

            while (*at && *at != quote && *at != '\n')
                at += 1 + (at[0] == '\\' && at[1] && at[1] != '\n');
            at += *at == quote;
            line_start = false;
        } else {
            line_start = line_start && (*at == ' ' || *at == '\t');
            at++;
        }
    }
}

static bool is_source(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0 || strcmp(dot, ".S") == 0);
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static unsigned check_folder(const char *root, const char *path)
{
    const char **names = NULL;
    size_t n = 0, cap = 0;
    unsigned n_files = 0;
    DIR *dir = opendir(util_printf("%s/%s", root, path));

    if (!dir)
        util_die("%s/%s: can't be read", root, path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            UTIL_PUSH(names, n, cap) = util_intern(entry->d_name);
    closedir(dir);
    if (n)
        qsort(names, n, sizeof *names, name_compare);
    for (size_t i = 0; i < n; i++) {
        const char *below = util_printf("%s%s%s", path, *path ? "/" : "", names[i]);
        struct stat st;
        size_t bytes;

        if (lstat(util_printf("%s/%s", root, below), &st) != 0)
            continue; /* another process just removed it */
        if (S_ISDIR(st.st_mode)) {
            if (strcmp(below, "build") != 0)
                n_files += check_folder(root, below);
            continue;
        }
        if (!S_ISREG(st.st_mode) || !is_source(names[i]))
            continue;
        n_files++;
        if (layer_of(below) == LAYER_NONE) {
            report(below, 1, folder_of(below), "is no layer that tools/layers.c knows");
            continue;
        }
        const uint8_t *data = util_read_file(util_printf("%s/%s", root, below), &bytes);
        check_text(root, below, util_printf("%.*s", (int)bytes, (const char *)data));
    }
    return n_files;
}

int main(int argc, char **argv)
{
    util_program = "layers";
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fprintf(stderr, "usage: layers [ROOT]\n");
        return 2;
    }
    unsigned n_files = check_folder(argc == 2 ? argv[1] : ".", "");
    printf("layers: %u files, %u findings\n", n_files, n_findings);
    return n_findings != 0;
}
