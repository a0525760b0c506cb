/*
 * tools/common/verdict.c - see verdict.h.
 *
 * INVARIANTS
 * [verdict.1] Nothing is taken on trust: a pass needs the plan, each result, the last line and the
 * status to agree. Whatever doesn't parse is a failure.
 */
#include "tools/common/verdict.h"

#include "tools/common/util.h"

#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void verdict_refuse(struct verdict *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The first reason stays. */
static void verdict_refuse(struct verdict *v, const char *fmt, ...)
{
    va_list ap;

    if (!v->ok)
        return;
    v->ok = false;
    va_start(ap, fmt);
    vsnprintf(v->why, sizeof v->why, fmt, ap);
    va_end(ap);
    if (v->failed == 0)
        v->failed = 1;
}

/* ---- Lines ---- */

struct lines {
    char **line;
    size_t n, cap;
};

/* Without carriage returns. A last line without its newline counts as a line. */
static struct lines split(const char *text)
{
    struct lines lines = {0};

    while (*text != '\0') {
        size_t len = strcspn(text, "\n"), kept = 0;
        char *line = util_alloc(len + 1);
        for (size_t i = 0; i < len; i++)
            if (text[i] != '\r')
                line[kept++] = text[i];
        UTIL_PUSH(lines.line, lines.n, lines.cap) = line;
        text += len + (text[len] == '\n');
    }
    return lines;
}

static bool matches(const char *pattern, const char *line)
{
    regex_t re;

    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        util_die("not a regular expression: %s", pattern);
    bool yes = regexec(&re, line, 0, NULL, 0) == 0;
    regfree(&re);
    return yes;
}

/* "12 passed, 0 failed", and nothing else on the line. */
static bool parse_counts(const char *line, unsigned *passed, unsigned *failed)
{
    int used = 0;

    return sscanf(line, "%u passed, %u failed%n", passed, failed, &used) == 2 && used > 0 &&
           line[used] == '\0';
}

void verdict_running(const char *text, char *name, size_t size)
{
    const char *at = NULL;

    for (const char *p = text; (p = strstr(p, "# run ")) != NULL; p++)
        if (p == text || p[-1] == '\n')
            at = p + strlen("# run ");
    snprintf(name, size, "%.*s", at != NULL ? (int)strcspn(at, "\r\n") : 0, at != NULL ? at : "");
}

/* ---- KTAP ---- */

struct ktap {
    struct verdict v;
    bool version, plan, end;
    unsigned n_planned, n_seen;
    struct lines names;
};

static void ktap_result(struct ktap *k, const char *line)
{
    bool ok = line[0] == 'o';
    const char *rest = line + (ok ? 3 : 7);
    char *after;
    unsigned long number = strtoul(rest, &after, 10);

    if (after == rest || *after != ' ') {
        verdict_refuse(&k->v, "not a result line: %s", line);
        return;
    }
    char *name = util_printf("%.*s", (int)strcspn(after + 1, " "), after + 1);
    const char *note = after + 1 + strlen(name);
    if (number != ++k->n_seen)
        verdict_refuse(&k->v, "result %lu (%s) where %u was due", number, name, k->n_seen);
    if (!k->plan)
        verdict_refuse(&k->v, "result %s comes before the plan", name);
    for (size_t i = 0; i < k->names.n; i++)
        if (strcmp(k->names.line[i], name) == 0)
            verdict_refuse(&k->v, "%s has two results", name);
    UTIL_PUSH(k->names.line, k->names.n, k->names.cap) = name;
    if (!ok) {
        k->v.failed++;
        if (k->v.why[0] == '\0')
            snprintf(k->v.why, sizeof k->v.why, "%s failed", name);
    } else if (strncmp(note, " # SKIP", 7) == 0) {
        k->v.skipped++;
    } else {
        k->v.passed++;
    }
}

static void ktap_line(struct ktap *k, const char *line)
{
    unsigned passed, failed;
    int used = 0;

    if (k->end) {
        verdict_refuse(&k->v, "something follows the last line: %s", line);
    } else if (strcmp(line, "KTAP version 1") == 0) {
        if (k->version)
            verdict_refuse(&k->v, "the machine started again in the middle of the run");
        k->version = true;
    } else if (!k->version) {
        return; /* boot messages */
    } else if (sscanf(line, "1..%u%n", &passed, &used) == 1 && line[used] == '\0') {
        if (k->plan)
            verdict_refuse(&k->v, "two plans");
        k->plan = true;
        k->n_planned = passed;
    } else if (strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0) {
        ktap_result(k, line);
    } else if (parse_counts(line, &passed, &failed)) {
        k->end = true;
        if (passed != k->v.passed || failed != k->v.failed)
            verdict_refuse(&k->v,
                           "the last line says %u passed, %u failed, but the results are %u and %u",
                           passed, failed, k->v.passed, k->v.failed);
    }
}

struct verdict verdict_ktap(const char *text, int status, bool allow_empty)
{
    struct ktap k = {.v.ok = true};
    struct lines lines = split(text);
    char running[128];

    for (size_t i = 0; i < lines.n; i++)
        ktap_line(&k, lines.line[i]);
    verdict_running(text, running, sizeof running);
    if (!k.version) {
        verdict_refuse(&k.v, "no report; status %d", status);
    } else if (!k.end) {
        if (running[0] != '\0' &&
            (k.names.n == 0 || strcmp(k.names.line[k.names.n - 1], running) != 0)) {
            k.v.failed++;
            verdict_refuse(&k.v, "the run ended in %s, status %d", running, status);
        } else {
            k.v.failed++;
            verdict_refuse(&k.v, "the run ended early%s%s, status %d",
                           running[0] != '\0' ? " after " : "", running, status);
        }
    } else if (!k.plan || k.n_seen != k.n_planned) {
        k.v.failed++;
        verdict_refuse(&k.v, "the plan is %u results, there are %u", k.n_planned, k.n_seen);
    }
    if (k.v.ok && k.n_planned == 0 && !allow_empty)
        verdict_refuse(&k.v, "no test ran");
    if (k.v.ok && k.v.failed != 0) {
        if (status != 1)
            snprintf(k.v.why, sizeof k.v.why, "tests failed, and the status is %d, not 1", status);
        k.v.ok = false;
    }
    if (k.v.ok && status != 0)
        verdict_refuse(&k.v, "all passed, but the status is %d", status);
    return k.v;
}

/* ---- The others ---- */

struct verdict verdict_counts(const char *text, int status)
{
    struct verdict v = {.ok = true};
    struct lines lines = split(text);

    if (lines.n == 0 || !parse_counts(lines.line[lines.n - 1], &v.passed, &v.failed)) {
        v.passed = v.failed = 0;
        verdict_refuse(&v, "no last line `N passed, N failed`; status %d", status);
    } else if (v.failed != 0) {
        verdict_refuse(&v, "%u failed", v.failed);
    } else if (status != 0) {
        verdict_refuse(&v, "nothing failed, but the status is %d", status);
    } else if (v.passed == 0) {
        verdict_refuse(&v, "nothing was tested");
    }
    return v;
}

struct verdict verdict_dies(const char *text, int status, const char *says, int want_status)
{
    struct verdict v = {.ok = true, .passed = 1};
    struct lines lines = split(text), want = split(says);
    size_t at = 0;

    for (size_t i = 0; i < want.n; i++) {
        while (at < lines.n && !matches(want.line[i], lines.line[at]))
            at++;
        if (at == lines.n) {
            verdict_refuse(&v, "it does not say%s: %s", i > 0 ? " (or not there)" : "",
                           want.line[i]);
            break;
        }
        at++;
    }
    if (status != want_status)
        verdict_refuse(&v, "status %d, not %d", status, want_status);
    if (!v.ok)
        v.passed = 0;
    return v;
}

/* An expected line as a regular expression: everything outside {{...}} is literal. */
static char *line_pattern(const char *line)
{
    char *out = util_alloc(2 * strlen(line) + 16), *p = out;

    *p++ = '^';
    while (*line != '\0') {
        const char *close;
        if (strncmp(line, "{{", 2) == 0 && (close = strstr(line, "}}")) != NULL) {
            while (close[2] == '}') /* the first belong to the expression: {{[0-9]{3}}} */
                close++;
            *p++ = '(';
            memcpy(p, line + 2, (size_t)(close - line - 2));
            p += close - line - 2;
            *p++ = ')';
            line = close + 2;
            continue;
        }
        if (strchr(".[]{}()*+?^$|\\", *line) != NULL)
            *p++ = '\\';
        *p++ = *line++;
    }
    *p++ = '$';
    *p = '\0';
    return out;
}

static bool exact_line(const char *want, const char *got)
{
    return strstr(want, "{{") != NULL ? matches(line_pattern(want), got) : strcmp(want, got) == 0;
}

/* *far is the furthest pair of lines that was reached, for the message. */
static bool exact_match(char **want, size_t n_want, char **got, size_t n_got, size_t at_want,
                        size_t at_got, size_t far[2])
{
    while (at_want < n_want && strcmp(want[at_want], "...") != 0) {
        if (at_got > far[1] || (at_got == far[1] && at_want > far[0])) {
            far[0] = at_want;
            far[1] = at_got;
        }
        if (at_got == n_got || !exact_line(want[at_want], got[at_got]))
            return false;
        at_want++;
        at_got++;
    }
    if (at_want == n_want) {
        if (at_got > far[1] || (at_got == far[1] && at_want > far[0])) {
            far[0] = at_want;
            far[1] = at_got;
        }
        return at_got == n_got;
    }
    for (size_t skip = at_got; skip <= n_got; skip++)
        if (exact_match(want, n_want, got, n_got, at_want + 1, skip, far))
            return true;
    return false;
}

struct verdict verdict_exact(const char *text, int status, const char *expect, int want_status)
{
    struct verdict v = {.ok = true, .passed = 1};
    struct lines got = split(text), want = split(expect);
    size_t far[2] = {0, 0};

    if (!exact_match(want.line, want.n, got.line, got.n, 0, 0, far))
        verdict_refuse(&v, "line %zu: expected %s%s%s, got %s%s%s", far[1] + 1,
                       far[0] < want.n ? "\"" : "", far[0] < want.n ? want.line[far[0]] : "the end",
                       far[0] < want.n ? "\"" : "", far[1] < got.n ? "\"" : "",
                       far[1] < got.n ? got.line[far[1]] : "the end", far[1] < got.n ? "\"" : "");
    if (status != want_status)
        verdict_refuse(&v, "status %d, not %d", status, want_status);
    if (!v.ok)
        v.passed = 0;
    return v;
}
