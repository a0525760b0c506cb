/*
 * tools/escape/debug.c - debug information: nodes of metadata are read when somebody asks.
 */
#include "tools/escape/parse.h"

#include "tools/common/util.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Behind `key: ` in the node's own brackets; NULL if it is not there. */
static const char *meta_find(const struct ir_file *f, uint32_t node, const char *key)
{
    if (node >= f->n_meta || f->meta[node] == 0)
        return NULL;
    const char *c = f->text + f->meta[node];
    size_t len = strlen(key);

    for (; *c && *c != '\n'; c++) {
        if (*c == '"') {
            for (c++; *c && *c != '"' && *c != '\n'; c++)
                ;
            if (*c != '"')
                return NULL;
        } else if (strncmp(c, key, len) == 0 && c[len] == ':' && (c[-1] == '(' || c[-1] == ' ')) {
            for (c += len + 1; *c == ' '; c++)
                ;
            return c;
        }
    }
    return NULL;
}

/* The value of `key` in a node, as a number; 0 if it has none. */
static uint64_t meta_number(const struct ir_file *f, uint32_t node, const char *key)
{
    const char *c = meta_find(f, node, key);

    return c && isdigit((unsigned char)*c) ? strtoull(c, NULL, 10) : 0;
}

uint32_t ir_meta_ref(const struct ir_file *f, uint32_t node, const char *key)
{
    const char *c = meta_find(f, node, key);

    if (!c || *c != '!' || !isdigit((unsigned char)c[1]))
        return IR_NONE;
    unsigned long long n = strtoull(c + 1, NULL, 10);

    return n < f->n_meta ? (uint32_t)n : IR_NONE;
}

const char *ir_meta_text(const struct ir_file *f, uint32_t node, const char *key)
{
    const char *c = meta_find(f, node, key);

    if (!c || *c != '"')
        return NULL;
    return intern((struct span){c + 1, (uint32_t)strcspn(c + 1, "\"\n")});
}

/* Is the node a !DI..., say "DILexicalBlock"? */
static bool meta_is(const struct ir_file *f, uint32_t node, const char *kind)
{
    if (node >= f->n_meta || f->meta[node] == 0)
        return false;
    const char *c = f->text + f->meta[node];

    if (strncmp(c, "distinct ", 9) == 0)
        c += 9;
    return *c == '!' && strncmp(c + 1, kind, strlen(kind)) == 0 && c[1 + strlen(kind)] == '(';
}

/* The working directory: what lies below it is named from there. */
static const char *here(void)
{
    static char path[4096];

    if (!*path && !getcwd(path, sizeof path))
        strcpy(path, "/");
    return path;
}

struct ir_place ir_place_of(const struct ir_file *f, uint32_t loc)
{
    struct ir_place place = {0};
    unsigned hops = 0;

    /* An inlined piece is where it was inlined. */
    while (ir_meta_ref(f, loc, "inlinedAt") != IR_NONE && hops++ < DEPTH_MAX)
        loc = ir_meta_ref(f, loc, "inlinedAt");
    if (!meta_is(f, loc, "DILocation"))
        return place;
    place.line = (uint32_t)meta_number(f, loc, "line");
    place.column = (uint32_t)meta_number(f, loc, "column");
    uint32_t file = ir_meta_ref(f, ir_meta_ref(f, loc, "scope"), "file");

    const char *name = ir_meta_text(f, file, "filename");
    const char *dir = ir_meta_text(f, file, "directory");

    if (name)
        place.path = util_path(here(), dir ? dir : "", name);
    return place;
}
