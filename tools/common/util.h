/*
 * tools/common/util.h - what every host tool needs: failing with one line, memory that is freed at
 * the end, text that is stored once, whole files.
 *
 * A tool reads its input, says what it found and ends; it frees nothing in between. All memory
 * comes from util_alloc(), so that a test may run a tool's code thousands of times in one process
 * and give everything back by util_free_all(). Exit status: 0 nothing to complain about, 1 findings
 * or bad input, 2 wrong usage.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Name that messages begin with; main() sets it. */
extern const char *util_program;

/* When set, util_die() hands its message here instead of ending the process; it must not return. */
extern void (*util_die_hook)(const char *message);

/* Print "program: message" on stderr and end with status 1. */
_Noreturn void util_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory; never NULL. */
void *util_alloc(size_t bytes);

/* Grow an array that came from util_alloc(), or NULL; the new part is zeroed. */
void *util_grow(void *old, size_t old_bytes, size_t new_bytes);

/* Give back everything that util_alloc() handed out, and forget the stored texts. */
void util_free_all(void);

/* printf into memory from util_alloc(). */
char *util_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The one stored copy of a text: equal texts give equal pointers. */
const char *util_intern(const char *text);

/*
 * Path `file` as seen from `root`, a directory without a slash at its end: "." and ".." are taken
 * out, and a path below root loses that prefix. A relative file is meant to be below `dir`. The
 * result is interned.
 */
const char *util_path(const char *root, const char *dir, const char *file);

/* Whole file; ends the tool if it can't be read. */
uint8_t *util_read_file(const char *path, size_t *bytes);

/* Replace the file's content; ends the tool if that fails. The mode of an existing file stays. */
void util_write_file(const char *path, const void *data, size_t bytes);

/* Append to an array: UTIL_PUSH(rows, n_rows, cap_rows) = row; */
#define UTIL_PUSH(array, n, cap)                                                                   \
    (*((n) == (cap) ? ((array) = util_grow((array), (cap) * sizeof *(array),                       \
                                           ((cap) ? (cap)*2 : 16) * sizeof *(array)),              \
                       (cap) = (cap) ? (cap)*2 : 16)                                               \
                    : 0,                                                                           \
       &(array)[(n)++]))
