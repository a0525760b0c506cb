/*
 * tools/common/util.c - see util.h.
 *
 * INVARIANTS
 * [util.1] Each block from util_alloc() is linked in `blocks`, so that a test which leaves a tool
 * by longjmp from util_die_hook loses nothing.
 */
#include "tools/common/util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *util_program = "tool";
void (*util_die_hook)(const char *message);

struct block {
    struct block *next, *prev;
    _Alignas(16) unsigned char bytes[];
};

static struct block blocks = {&blocks, &blocks};

struct text {
    struct text *next;
    char bytes[];
};

static struct text **texts;
static size_t n_texts, n_buckets;

void util_die(const char *fmt, ...)
{
    char message[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (util_die_hook)
        util_die_hook(message);
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", util_program, message);
    exit(1);
}

static void block_link(struct block *block)
{
    block->next = blocks.next;
    block->prev = &blocks;
    block->next->prev = block;
    blocks.next = block;
}

void *util_alloc(size_t bytes)
{
    struct block *block = NULL;

    if (bytes < SIZE_MAX / 2)
        block = calloc(1, sizeof *block + bytes);
    if (!block)
        util_die("out of memory (%zu bytes)", bytes);
    block_link(block);
    return block->bytes;
}

void *util_grow(void *old, size_t old_bytes, size_t new_bytes)
{
    if (!old)
        return util_alloc(new_bytes);

    struct block *block = (struct block *)((unsigned char *)old - offsetof(struct block, bytes));
    block->prev->next = block->next;
    block->next->prev = block->prev;

    struct block *grown = realloc(block, sizeof *grown + new_bytes);
    if (!grown) {
        block_link(block);
        util_die("out of memory (%zu bytes)", new_bytes);
    }
    block_link(grown);
    if (new_bytes > old_bytes)
        memset(grown->bytes + old_bytes, 0, new_bytes - old_bytes);
    return grown->bytes;
}

void util_free_all(void)
{
    while (blocks.next != &blocks) {
        struct block *block = blocks.next;

        blocks.next = block->next;
        free(block);
    }
    blocks.prev = &blocks;
    texts = NULL;
    n_texts = n_buckets = 0;
}

char *util_printf(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        util_die("can't format \"%s\"", fmt);

    char *out = util_alloc((size_t)len + 1);
    va_start(args, fmt);
    vsnprintf(out, (size_t)len + 1, fmt, args);
    va_end(args);
    return out;
}

static size_t text_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32);
}

static void texts_rehash(void)
{
    size_t n = n_buckets ? n_buckets * 2 : 1024;
    struct text **table = util_alloc(n * sizeof *table);

    for (size_t i = 0; i < n_buckets; i++) {
        for (struct text *text = texts[i], *next; text; text = next) {
            size_t slot = text_hash(text->bytes) & (n - 1);

            next = text->next;
            text->next = table[slot];
            table[slot] = text;
        }
    }
    texts = table;
    n_buckets = n;
}

const char *util_intern(const char *text)
{
    if (n_texts >= n_buckets)
        texts_rehash();

    struct text **slot = &texts[text_hash(text) & (n_buckets - 1)];
    for (struct text *t = *slot; t; t = t->next)
        if (strcmp(t->bytes, text) == 0)
            return t->bytes;

    size_t len = strlen(text);
    struct text *added = util_alloc(sizeof *added + len + 1);
    memcpy(added->bytes, text, len + 1);
    added->next = *slot;
    *slot = added;
    n_texts++;
    return added->bytes;
}

/* Take "." and ".." and empty components out of `path`, in place. */
static void path_normalise(char *path)
{
    bool absolute = path[0] == '/';
    char *out = path + absolute, *in = out, *floor = out;

    while (*in) {
        size_t len = strcspn(in, "/");

        if (len == 2 && in[0] == '.' && in[1] == '.') {
            if (out > floor) {
                for (out--; out > floor && out[-1] != '/'; out--)
                    ;
            } else if (!absolute) { /* above the start: nothing to take back */
                memmove(out, "../", 3);
                out += 3;
                floor = out;
            }
        } else if (len != 0 && !(len == 1 && in[0] == '.')) {
            memmove(out, in, len);
            out += len;
            *out = in[len]; /* '/' or the end; in >= out, so nothing unread is lost */
            if (in[len])
                out++;
        }
        in += len + (in[len] == '/');
    }
    if (out > path + absolute && out[-1] == '/')
        out--;
    *out = '\0';
}

const char *util_path(const char *root, const char *dir, const char *file)
{
    /* One spare byte: "../" may be written where ".." stood at the end. */
    char *path = file[0] == '/' || !dir || !dir[0] ? util_printf("%s%c", file, 0)
                                                   : util_printf("%s/%s%c", dir, file, 0);
    size_t len = strlen(root);

    path_normalise(path);
    if (len && strncmp(path, root, len) == 0 && path[len] == '/')
        path += len + 1;
    return util_intern(path);
}

uint8_t *util_read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t cap = 0, n = 0;
    struct stat st;

    if (!file)
        util_die("%s: %s", path, strerror(errno));
    if (fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode)) {
        fclose(file);
        util_die("%s: is a directory", path);
    }
    if (fstat(fileno(file), &st) == 0 && st.st_size > 0)
        cap = (size_t)st.st_size + 1;
    else
        cap = 1 << 16;
    data = util_alloc(cap);
    for (;;) {
        size_t got = fread(data + n, 1, cap - n, file);

        n += got;
        if (got == 0)
            break;
        if (n == cap) {
            data = util_grow(data, cap, cap * 2);
            cap *= 2;
        }
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        util_die("%s: can't be read", path);
    *bytes = n;
    return data;
}

void util_write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");

    if (!file)
        util_die("%s: %s", path, strerror(errno));
    bool failed = fwrite(data, 1, bytes, file) != bytes;
    if (fclose(file) != 0 || failed)
        util_die("%s: can't be written: %s", path, strerror(errno));
}
