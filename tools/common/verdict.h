/*
 * tools/common/verdict.h - judges what a run printed and how it ended.
 *
 * Plain functions over text and exit status, so that tests/host/tools_testrun.c can show each of
 * them refusing: a report that is cut off, a wrong count, a wrong status, a hole in the numbering.
 * Text is what came over the serial line; carriage returns are ignored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct verdict {
    bool ok;
    unsigned passed, failed, skipped;
    char why[400]; /* if !ok: one line */
};

/*
 * A KTAP report of tests/runner.c, complete and consistent: version, one plan, results numbered 1
 * to N, no name twice, the last line with the right counts, status 0 exactly if nothing failed,
 * else 1. allow_empty   a plan of 0 is fine (a pattern that selects nothing here) A run that ended
 * early counts its failed case, by name, and all that never ran as one more.
 */
struct verdict verdict_ktap(const char *text, int status, bool allow_empty);

/* A host program whose last line is `N passed, N failed`; status 0 exactly if nothing failed. */
struct verdict verdict_counts(const char *text, int status);

/* A run that must end with want_status after lines that match each line of `says`, in
 * that order. */
struct verdict verdict_dies(const char *text, int status, const char *says, int want_status);

/*
 * Output that must be `expect`, line by line. In an expected line {{...}} holds an extended regular
 * expression; a line that is just ... stands for any number of lines.
 */
struct verdict verdict_exact(const char *text, int status, const char *expect, int want_status);

/* Name of the case that was running when `text` ends: the last `# run NAME`; "" if none. */
void verdict_running(const char *text, char *name, size_t size);
