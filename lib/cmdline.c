/*
 * lib/cmdline.c - splits the boot command line into words.
 *
 * WHAT. One pass over the text. Words are laid down from the start of the buffer, pointers to
 * arguments from its end downwards; the line is too long when they meet. At the end the pointers
 * are turned round, so that argv stands in order.
 *
 * INVARIANTS
 * [cmdline.1] to <= low at every moment: a byte or pointer is stored only after room was found.
 * [cmdline.2] Nothing is cut off: a line that does not fit is refused as a whole, since half a line
 *             would run a program with knobs that nobody asked for.
 */
#include <lib/cmdline.h>

#include <lib/char.h>
#include <stdint.h>
#include <string.h>

struct splitter {
    const char *at, *end; /* what is left of the text */
    char *to;             /* next byte of a word */
    char **low;           /* the last pointer pushed */
    bool full;
};

static void split_put(struct splitter *s, char c)
{
    if (s->full || s->to >= (char *)s->low) {
        s->full = true;
        return;
    }
    *s->to++ = c;
}

static void split_push(struct splitter *s, char *word)
{
    if (s->full || (uintptr_t)s->low - (uintptr_t)s->to < sizeof(char *)) {
        s->full = true;
        return;
    }
    *--s->low = word;
}

/* Copy what stands between quotes, s->at being behind the opening one. False if it never closes. */
static bool split_quoted(struct splitter *s, char quote)
{
    while (s->at < s->end) {
        char c = *s->at++;

        if (c == quote)
            return true;
        if (c == '\\' && quote == '"' && s->at < s->end && (*s->at == '"' || *s->at == '\\'))
            c = *s->at++;
        split_put(s, c);
    }
    return false;
}

/* Copy one word and its NUL; *bare says that it had no quotes. False if a quote never closes. */
static bool split_word(struct splitter *s, bool *bare)
{
    *bare = true;
    while (s->at < s->end && !char_is_space(*s->at)) {
        char c = *s->at++;

        if (c == '"' || c == '\'') {
            *bare = false;
            if (!split_quoted(s, c))
                return false;
        } else {
            split_put(s, c);
        }
    }
    split_put(s, 0);
    return true;
}

static const char *split_all(struct splitter *s, struct cmdline *cl)
{
    bool args = false;

    for (;;) {
        char *word = s->to;
        bool bare;

        while (s->at < s->end && char_is_space(*s->at))
            s->at++;
        if (s->at == s->end)
            return NULL;
        if (!split_word(s, &bare))
            return "a quote is not closed";
        if (s->full)
            return "too long";
        if (!args && bare && strcmp(word, "--") == 0) {
            args = true;
            s->to = word;
        } else if (args) {
            split_push(s, word);
        } else {
            cl->n_env++;
        }
    }
}

const char *cmdline_split(struct cmdline *cl, const char *name, const char *text, size_t len,
                          void *buf, size_t buf_bytes)
{
    uintptr_t top = ((uintptr_t)buf + buf_bytes) & ~(uintptr_t)(sizeof(char *) - 1);
    struct splitter s = {.at = text, .to = buf, .low = (char **)top};
    size_t name_len = strlen(name);
    const char *wrong;
    char **only_name;

    *cl = (struct cmdline){.env = ""};
    if (buf_bytes < 4 * sizeof(char *) || name_len > buf_bytes - 4 * sizeof(char *))
        return "the buffer is too small for the program's name";
    for (s.end = text; (size_t)(s.end - text) < len && *s.end != 0;)
        s.end++;

    split_push(&s, NULL); /* takes the place of argv[argc] */
    split_push(&s, buf);
    only_name = s.low;
    memcpy(s.to, name, name_len + 1);
    s.to += name_len + 1;
    cl->env = s.to;

    wrong = split_all(&s, cl);
    if (wrong == NULL && s.full)
        wrong = "too long";
    if (wrong != NULL) {
        cl->env = "";
        cl->n_env = 0;
        s.low = only_name;
    }

    /* Pushed were NULL, name, first, ..., last: downwards. Turn round all but the NULL. */
    cl->argv = s.low;
    cl->argc = (int)((char **)top - s.low) - 1;
    for (int i = 0, j = cl->argc - 1; i < j; i++, j--) {
        char *swap = cl->argv[i];

        cl->argv[i] = cl->argv[j];
        cl->argv[j] = swap;
    }
    return wrong;
}

const char *cmdline_getenv(const struct cmdline *cl, const char *key)
{
    size_t key_len = strlen(key);
    const char *found = NULL;
    const char *word = cl->env;

    for (size_t i = 0; i < cl->n_env; i++, word += strlen(word) + 1)
        if (key_len != 0 && strncmp(word, key, key_len) == 0 && word[key_len] == '=')
            found = word + key_len + 1;
    return found;
}
