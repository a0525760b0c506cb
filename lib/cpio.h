/*
 * lib/cpio.h - reads cpio archives of the "newc" kind, which is how a loader that knows one initrd
 * hands over several files (tools/run.sh makes them).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cpio_file {
    const char *name; /* in the archive, ends with NUL */
    const void *data; /* in the archive, 4-aligned relative to its start */
    size_t bytes;
};

/* Do these bytes begin like an archive? */
bool cpio_is(const void *archive, size_t bytes);

/*
 * List the regular files of an archive, at most `max`. Directories and such are passed over.
 * Believes nothing: stops at the first entry that does not lie within the archive. Returns how many
 * were listed.
 */
size_t cpio_list(const void *archive, size_t bytes, struct cpio_file *files, size_t max);
