/*
 * lib/cmdline.h - splits the boot command line into words.
 *
 *     KEY=VALUE KEY="a value" ... -- arg "an argument" ...
 *
 * Words before the first unquoted `--` are the environment (lib/knobs.h reads the knobs among
 * them); those after it are the program's arguments. White space separates words. Single quotes
 * keep everything up to the next single quote; in double quotes a backslash takes the next
 * character as it is if that is `"` or a backslash; elsewhere a backslash is a character like any
 * other. Quotes may begin and end inside a word and are removed. A later `--` is an ordinary
 * argument.
 *
 * No allocation: words are copied into the caller's buffer. Plain C, any context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cmdline {
    const char *env; /* n_env strings, one right after the other, each ended by NUL */
    size_t n_env;
    int argc;    /* at least 1 */
    char **argv; /* argv[0] is the program's name, argv[argc] is NULL */
};

/*
 * Split `text`, which ends after len characters or at a NUL, whichever comes first.
 *
 * name   becomes argv[0] (copied)
 * buf    holds the words and argv for as long as *cl is used; any alignment. It needs about
 *        len + strlen(name) + 8 bytes for each argument; 16 KiB take any sane line.
 *
 * Returns NULL, or what is wrong as a constant text; then *cl is an empty line whose argv is valid
 * only if buf could hold at least the name (argc is 1), else argc is 0 and argv NULL.
 */
const char *cmdline_split(struct cmdline *cl, const char *name, const char *text, size_t len,
                          void *buf, size_t buf_bytes);

/* The value of the last word KEY=VALUE whose key is `key`; NULL if there is none. */
const char *cmdline_getenv(const struct cmdline *cl, const char *key);
