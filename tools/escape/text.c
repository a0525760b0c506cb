/*
 * tools/escape/text.c - characters, words, names: the lower half of the reader of IR text.
 *
 * IR is read a line at a time, without a lexer: what may come next is always known. take() steps
 * over a word if it is there, expect() insists; fail() names the line.
 */
#include "tools/escape/parse.h"

#include "tools/common/util.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

_Noreturn void fail(const struct parse *ps, const char *fmt, ...)
{
    char what[256];
    unsigned line = 1;
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    for (char *c = what; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
    for (const char *c = ps->file->text; c < ps->p && *c; c++)
        line += *c == '\n';
    util_die("%s:%u: %s", ps->file->path, line, what);
}

void blank(struct parse *ps)
{
    while (*ps->p == ' ' || *ps->p == '\t')
        ps->p++;
}

bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == '$';
}

void skip_line(struct parse *ps)
{
    const char *end = strchr(ps->p, '\n');

    ps->p = end ? end + 1 : ps->p + strlen(ps->p);
}

/* Blanks, ends of lines, comments. */
void blank_lines(struct parse *ps)
{
    for (;;) {
        blank(ps);
        if (*ps->p == '\n' || *ps->p == '\r')
            ps->p++;
        else if (*ps->p == ';')
            skip_line(ps);
        else
            return;
    }
}

bool at_word(const struct parse *ps, const char *word)
{
    size_t len = strlen(word);

    return strncmp(ps->p, word, len) == 0 && !is_name_char(ps->p[len]);
}

/* Take `word` if it comes next. */
bool take(struct parse *ps, const char *word)
{
    blank(ps);
    if (!at_word(ps, word))
        return false;
    ps->p += strlen(word);
    blank(ps);
    return true;
}

bool take_char(struct parse *ps, char c)
{
    blank(ps);
    if (*ps->p != c)
        return false;
    ps->p++;
    blank(ps);
    return true;
}

void expect(struct parse *ps, char c)
{
    if (!take_char(ps, c))
        fail(ps, "'%c' is missing", c);
}

void skip_string(struct parse *ps)
{
    for (ps->p++; *ps->p != '"'; ps->p++)
        if (!*ps->p || *ps->p == '\n')
            fail(ps, "a text without its closing quote");
    ps->p++;
}

/* From an opening bracket to behind its closing one. */
void skip_brackets(struct parse *ps)
{
    unsigned depth = 0;

    do {
        switch (*ps->p) {
        case '\0':
            fail(ps, "a bracket is not closed");
        case '"':
            skip_string(ps);
            continue;
        case '(':
        case '[':
        case '{':
        case '<':
            depth++;
            break;
        case ')':
        case ']':
        case '}':
        case '>':
            depth--;
            break;
        }
        ps->p++;
    } while (depth);
}

uint64_t number(struct parse *ps)
{
    uint64_t value = 0;

    blank(ps);
    if (!isdigit((unsigned char)*ps->p))
        fail(ps, "a number is missing");
    for (; isdigit((unsigned char)*ps->p); ps->p++)
        value = value * 10 + (uint64_t)(*ps->p - '0');
    return value;
}

/* A name behind its % or @, quoted or not. */
struct span name(struct parse *ps)
{
    struct span s;
    const char *start;

    ps->p++;
    if (*ps->p == '"') {
        start = ps->p + 1;
        skip_string(ps);
        if (strncmp(start, "\\01", 3) == 0) /* an __asm__ name, taken as it stands */
            start += 3;
        s = (struct span){start, (uint32_t)(ps->p - 1 - start)};
    } else {
        for (start = ps->p; is_name_char(*ps->p); ps->p++)
            ;
        s = (struct span){start, (uint32_t)(ps->p - start)};
    }
    if (!s.len)
        fail(ps, "a name is missing");
    return s;
}

struct span word(struct parse *ps)
{
    const char *start = ps->p;

    while (isalnum((unsigned char)*ps->p) || *ps->p == '_' || *ps->p == '.')
        ps->p++;
    return (struct span){start, (uint32_t)(ps->p - start)};
}

bool is(struct span s, const char *text)
{
    return strlen(text) == s.len && memcmp(s.text, text, s.len) == 0;
}

/* Is it one of the words of this list? They stand between single blanks. */
bool is_one_of(struct span s, const char *list)
{
    for (const char *next; *list; list = next) {
        size_t len = strcspn(list, " ");

        if (len == s.len && memcmp(list, s.text, len) == 0)
            return true;
        next = list + len + (list[len] == ' ');
    }
    return false;
}

const char *intern(struct span s)
{
    return util_intern(util_printf("%.*s", (int)s.len, s.text));
}

static uint32_t hash_of(struct span s)
{
    uint32_t h = 2166136261u;

    for (uint32_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.text[i]) * 16777619u;
    return h;
}

void names_clear(struct names *names)
{
    if (names->n)
        memset(names->slots, 0, names->size * sizeof *names->slots);
    names->n = 0;
}

/* The number of a name; a new one gets `fresh`. */
uint32_t names_get(struct names *names, struct span s, uint32_t fresh)
{
    if (names->n * 2 >= names->size) {
        struct names grown = {0};

        grown.size = names->size ? names->size * 2 : 64;
        grown.slots = util_alloc(grown.size * sizeof *grown.slots);
        for (uint32_t i = 0; i < names->size; i++)
            if (names->slots[i].text)
                names_get(&grown, (struct span){names->slots[i].text, names->slots[i].len},
                          names->slots[i].value);
        *names = grown;
    }
    for (uint32_t i = hash_of(s);; i++) {
        struct name *slot = &names->slots[i & (names->size - 1)];

        if (!slot->text) {
            *slot = (struct name){s.text, s.len, fresh};
            names->n++;
            return fresh;
        }
        if (slot->len == s.len && memcmp(slot->text, s.text, s.len) == 0)
            return slot->value;
    }
}
