/*
 * lib/knobs.c - the boot command line's knobs: one table, one parser.
 *
 * WHAT. The X-macro KNOBS becomes a table of names, kinds, limits and offsets into struct knobs. A
 * word is looked up in it and its value parsed by kind. Text for errors is put together by hand
 * here, since this runs before anything else and must not need the formatter to say why it stopped.
 *
 * INVARIANTS
 * [knobs.1] A knob is changed only by a value that is wholly valid; an error leaves it as it was.
 * [knobs.2] A key that begins with GO, or a word in GODEBUG, either names a knob or is an error: a
 *           misspelt knob that is silently the program's environment would be believed to work.
 */
#include <lib/knobs.h>

#include <lib/char.h>
#include <string.h>

enum knob_kind { KNOB_NUM, KNOB_NUM_OFF, KNOB_BYTES_OFF, KNOB_BOOL, KNOB_WORD };

struct knob {
    const char *name;
    const char *const *words; /* KNOB_WORD: spellings, by value */
    uint64_t min, max;        /* KNOB_WORD: max is the last value */
    uint16_t offset;          /* in struct knobs */
    uint8_t where;
    uint8_t kind;
};

#define KNOB_SPELLING(id, spelling) spelling,
static const char *const knob_traceback_words[] = {KNOB_WORDS_traceback(KNOB_SPELLING)};
static const char *const knob_gcmode_words[] = {KNOB_WORDS_gcmode(KNOB_SPELLING)};
static const char *const knob_exit_words[] = {KNOB_WORDS_exit(KNOB_SPELLING)};
static const char *const knob_on_panic_words[] = {KNOB_WORDS_on_panic(KNOB_SPELLING)};
static const char *const knob_cpu_relax_words[] = {KNOB_WORDS_cpu_relax(KNOB_SPELLING)};
static const char *const knob_tick_words[] = {KNOB_WORDS_tick(KNOB_SPELLING)};
static const char *const knob_console_words[] = {KNOB_WORDS_console(KNOB_SPELLING)};

#define KNOB_ENTRY_N(in, called, field, kinds, def, least, most, help)                             \
    {.name = called,                                                                               \
     .min = least,                                                                                 \
     .max = most,                                                                                  \
     .offset = offsetof(struct knobs, field),                                                      \
     .where = in,                                                                                  \
     .kind = KNOB_##kinds},
#define KNOB_ENTRY_W(in, called, field, list, def, help)                                           \
    {.name = called,                                                                               \
     .words = knob_##list##_words,                                                                 \
     .max = sizeof(knob_##list##_words) / sizeof(knob_##list##_words[0]) - 1,                      \
     .offset = offsetof(struct knobs, field),                                                      \
     .where = in,                                                                                  \
     .kind = KNOB_WORD},
static const struct knob knob_table[] = {KNOBS(KNOB_ENTRY_N, KNOB_ENTRY_W)};
#define N_KNOBS (sizeof(knob_table) / sizeof(knob_table[0]))

/* Apart from the table, so that an image that never lists its knobs does not carry them. */
#define KNOB_HELP_N(where, name, field, kind, def, min, max, help) help,
#define KNOB_HELP_W(where, name, field, words, def, help) help,
static const char *const knob_help[] = {KNOBS(KNOB_HELP_N, KNOB_HELP_W)};
_Static_assert(sizeof(enum knob_gcmode) == sizeof(unsigned),
               "knob_store() writes enums as unsigned");

#define KNOB_DEFAULT_N(where, name, field, kind, def, min, max, help) .field = def,
#define KNOB_DEFAULT_W(where, name, field, words, def, help) .field = def,
#define KNOBS_DEFAULT                                                                              \
    {                                                                                              \
        KNOBS(KNOB_DEFAULT_N, KNOB_DEFAULT_W)                                                      \
    }
const struct knobs knobs_default = KNOBS_DEFAULT;
struct knobs knobs = KNOBS_DEFAULT;
struct cmdline knobs_cmdline = {.env = ""};

/* ---- Text ---- */

/* A text being put together in a buffer of `bytes`; what does not fit is dropped, the NUL stays. */
struct text {
    char *at;
    size_t bytes, used;
};

static void text_char(struct text *t, char c)
{
    if (t->used + 1 < t->bytes) {
        t->at[t->used++] = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
        t->at[t->used] = 0;
    }
}

static struct text text_init(char *at, size_t bytes)
{
    if (bytes != 0)
        at[0] = 0;
    return (struct text){at, bytes, 0};
}

static void text_add_n(struct text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text_char(t, s[i]);
}

static void text_add(struct text *t, const char *s)
{
    text_add_n(t, s, strlen(s));
}

/* At most as much of a user's word as leaves room for the reason behind it. */
static void text_add_word(struct text *t, const char *s, size_t n)
{
    text_add_n(t, s, n < 64 ? n : 64);
    if (n > 64)
        text_add(t, "...");
}

static void text_add_num(struct text *t, uint64_t v)
{
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    while (n != 0)
        text_char(t, digits[--n]);
}

/* ---- Values ---- */

static void knob_store(struct knobs *k, const struct knob *knob, uint64_t v)
{
    char *field = (char *)k + knob->offset;

    if (knob->kind == KNOB_WORD)
        memcpy(field, &(unsigned){(unsigned)v}, sizeof(unsigned));
    else if (knob->kind == KNOB_BOOL)
        memcpy(field, &(bool){v != 0}, sizeof(bool));
    else
        memcpy(field, &v, sizeof(v));
}

static uint64_t knob_load(const struct knobs *k, const struct knob *knob)
{
    const char *field = (const char *)k + knob->offset;
    unsigned word;
    bool flag;
    uint64_t v;

    if (knob->kind == KNOB_WORD) {
        memcpy(&word, field, sizeof(word));
        return word;
    }
    if (knob->kind == KNOB_BOOL) {
        memcpy(&flag, field, sizeof(flag));
        return flag;
    }
    memcpy(&v, field, sizeof(v));
    return v;
}

static bool text_is(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(s, word, n) == 0;
}

/*
 * The number that begins s: returns how many characters it takes, 0 if there is none. *too_big
 * is set when it needs more than 64 bits.
 */
static size_t parse_number(const char *s, size_t n, uint64_t *v, bool *too_big)
{
    bool hex = n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && char_digit(s[2]) < 16;
    unsigned base = hex ? 16 : 10;
    size_t i = hex ? 2 : 0;

    *v = 0;
    for (; i < n && char_digit(s[i]) < base; i++) {
        if (__builtin_mul_overflow(*v, (uint64_t)base, v) ||
            __builtin_add_overflow(*v, (uint64_t)char_digit(s[i]), v))
            *too_big = true;
    }
    return i;
}

/* The power of two that a size's unit means; 64 if it is no unit. */
static unsigned parse_unit(const char *s, size_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};

    if (n == 0)
        return 0;
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (text_is(s, n, units[i]))
            return 10 * i;
    return 64;
}

/* Go's older names of some words. */
static bool knob_parse_number_word(const struct knob *knob, const char *s, size_t n, uint64_t *v)
{
    static const uint8_t by_number[] = {TRACEBACK_NONE, TRACEBACK_ALL, TRACEBACK_SYSTEM};

    if (knob->words != knob_traceback_words || n != 1 || s[0] < '0' || s[0] > '2')
        return false;
    *v = by_number[s[0] - '0'];
    return true;
}

/* Parse a value of the knob's kind. On failure the reason is appended to *why. */
static bool knob_parse_value(const struct knob *knob, const char *s, size_t n, uint64_t *v,
                             struct text *why)
{
    bool too_big = false;
    size_t used;

    if (knob->kind == KNOB_WORD) {
        if (knob_parse_number_word(knob, s, n, v))
            return true;
        for (*v = 0; *v <= knob->max; ++*v)
            if (text_is(s, n, knob->words[*v]))
                return true;
        text_add(why, "not one of");
        for (uint64_t i = 0; i <= knob->max; i++) {
            text_add(why, i == 0 ? " " : ", ");
            text_add(why, knob->words[i]);
        }
        return false;
    }

    if ((knob->kind == KNOB_NUM_OFF || knob->kind == KNOB_BYTES_OFF) && text_is(s, n, "off")) {
        *v = KNOB_OFF;
        return true;
    }
    used = parse_number(s, n, v, &too_big);
    if (knob->kind == KNOB_BYTES_OFF) {
        unsigned shift = used == 0 ? 64 : parse_unit(s + used, n - used);

        if (shift == 64) {
            text_add(why, "not a size such as 64MiB, or \"off\"");
            return false;
        }
        too_big |= *v > UINT64_MAX >> shift;
        *v <<= shift;
    } else if (used == 0 || used != n) {
        text_add(why, knob->kind == KNOB_BOOL      ? "not 0 or 1"
                      : knob->kind == KNOB_NUM_OFF ? "not a number or \"off\""
                                                   : "not a number");
        return false;
    }
    if (too_big || *v < knob->min || *v > knob->max) {
        text_add(why, "not from ");
        text_add_num(why, knob->min);
        text_add(why, " to ");
        text_add_num(why, knob->max);
        return false;
    }
    return true;
}

/* ---- Names ---- */

static const struct knob *knob_find(enum knob_where where, const char *name, size_t n)
{
    for (size_t i = 0; i < N_KNOBS; i++)
        if ((knob_table[i].where & where) != 0 && text_is(name, n, knob_table[i].name))
            return &knob_table[i];
    return NULL;
}

#define EDIT_MAX 32 /* characters of a word that are compared */

/* Levenshtein's distance: insertions, deletions and replacements that make b of a. */
static unsigned edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    uint8_t row[EDIT_MAX + 1];

    na = na < EDIT_MAX ? na : EDIT_MAX;
    nb = nb < EDIT_MAX ? nb : EDIT_MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = (uint8_t)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned diagonal = row[0]; /* of the row before */

        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned replace = diagonal + (a[i - 1] != b[j - 1]);
            unsigned other = 1u + (row[j] < row[j - 1] ? row[j] : row[j - 1]);

            diagonal = row[j];
            row[j] = (uint8_t)(replace < other ? replace : other);
        }
    }
    return row[nb];
}

/* The nearest known name; GO-keys are compared with GO-keys only. */
static const char *knob_nearest(enum knob_where where, const char *name, size_t n)
{
    static const char godebug[] = "GODEBUG";
    const char *best = where == KNOB_IN_ENV ? godebug : NULL;
    unsigned best_distance =
        best != NULL ? edit_distance(name, n, best, sizeof(godebug) - 1) : 2 * EDIT_MAX;

    for (size_t i = 0; i < N_KNOBS; i++) {
        const char *known = knob_table[i].name;
        unsigned distance;

        if ((knob_table[i].where & where) == 0)
            continue;
        if (where == KNOB_IN_ENV && strncmp(known, "GO", 2) != 0)
            continue;
        distance = edit_distance(name, n, known, strlen(known));
        if (distance < best_distance) {
            best = known;
            best_distance = distance;
        }
    }
    return best;
}

/* ---- Words ---- */

struct knob_errors {
    size_t n;
    struct text first; /* why the first one is one */
    struct text none;  /* drops everything */
};

/* Begin the text of one more error: `<prefix><word>: `. */
static struct text *error_begin(struct knob_errors *e, const char *prefix, const char *word,
                                size_t n)
{
    struct text *why = e->n++ == 0 ? &e->first : &e->none;

    text_add(why, prefix);
    text_add_word(why, word, n);
    text_add(why, ": ");
    return why;
}

/* Length of s up to `c`, or to its end at n. */
static size_t length_to(const char *s, size_t n, char c)
{
    size_t i = 0;

    while (i < n && s[i] != c)
        i++;
    return i;
}

static void knob_set(struct knobs *k, const struct knob *knob, const char *prefix, const char *word,
                     size_t n, size_t name_len, struct knob_errors *errors)
{
    char reason[128];
    struct text why = text_init(reason, sizeof(reason));
    uint64_t v;

    if (knob_parse_value(knob, word + name_len + 1, n - name_len - 1, &v, &why))
        knob_store(k, knob, v); /* [knobs.1] */
    else
        text_add(error_begin(errors, prefix, word, n), reason);
}

/* One word inside GODEBUG. */
static void godebug_word(struct knobs *k, const char *word, size_t n, struct knob_errors *errors)
{
    size_t name_len = length_to(word, n, '=');
    const struct knob *knob = knob_find(KNOB_IN_GODEBUG, word, name_len);
    struct text *why;

    if (knob == NULL) { /* [knobs.2] */
        why = error_begin(errors, "GODEBUG=", word, n);
        text_add(why, "unknown word; the nearest is \"");
        text_add(why, knob_nearest(KNOB_IN_GODEBUG, word, name_len));
        text_add(why, "\"");
    } else if (name_len != n) {
        knob_set(k, knob, "GODEBUG=", word, n, name_len, errors);
    } else if (knob->kind == KNOB_BOOL) {
        knob_store(k, knob, 1);
    } else {
        why = error_begin(errors, "GODEBUG=", word, n);
        text_add(why, "needs a value");
    }
}

static void env_word(struct knobs *k, const char *word, struct knob_errors *errors)
{
    size_t n = strlen(word);
    size_t name_len = length_to(word, n, '=');
    const struct knob *knob;
    struct text *why;

    if (name_len == n) {
        why = error_begin(errors, "", word, n);
        text_add(why, "a word without '='; the program's arguments follow \"--\"");
        return;
    }
    if (name_len == 0) {
        why = error_begin(errors, "", word, n);
        text_add(why, "no name before '='");
        return;
    }
    if (text_is(word, name_len, "GODEBUG")) {
        for (size_t at = name_len + 1; at < n;) {
            size_t len = length_to(word + at, n - at, ',');

            if (len != 0)
                godebug_word(k, word + at, len, errors);
            at += len + 1;
        }
        return;
    }
    knob = knob_find(KNOB_IN_ENV, word, name_len);
    if (knob != NULL) {
        knob_set(k, knob, "", word, n, name_len, errors);
    } else if (strncmp(word, "GO", 2) == 0) { /* [knobs.2] */
        why = error_begin(errors, "", word, n);
        text_add(why, "unknown knob; the nearest is \"");
        text_add(why, knob_nearest(KNOB_IN_ENV, word, name_len));
        text_add(why, "\"");
    }
}

size_t knobs_parse(struct knobs *k, const struct cmdline *cl, char *why, size_t why_bytes)
{
    struct knob_errors errors = {.first = text_init(why, why_bytes)};
    const char *word = cl->env;

    for (size_t i = 0; i < cl->n_env; i++, word += strlen(word) + 1)
        env_word(k, word, &errors);
    return errors.n;
}

size_t knobs_init(const char *name, const char *text, size_t len, char *why, size_t why_bytes)
{
    static char buf[KNOBS_BUF_BYTES] __attribute__((aligned(16)));
    const char *wrong = cmdline_split(&knobs_cmdline, name, text, len, buf, sizeof(buf));

    if (wrong != NULL) {
        struct text t = text_init(why, why_bytes);

        text_add(&t, wrong);
        text_add(&t, " (");
        text_add_num(&t, len);
        text_add(&t, " characters; room for ");
        text_add_num(&t, sizeof(buf));
        text_add(&t, ", with 8 for each argument)");
        return 1;
    }
    return knobs_parse(&knobs, &knobs_cmdline, why, why_bytes);
}

const char *knobs_getenv(const char *key)
{
    return cmdline_getenv(&knobs_cmdline, key);
}

bool knobs_describe(const struct knobs *k, size_t i, char *line, size_t line_bytes)
{
    struct text t = text_init(line, line_bytes);
    const struct knob *knob = &knob_table[i];
    uint64_t v;

    if (i >= N_KNOBS)
        return false;
    v = knob_load(k, knob);
    if ((knob->where & KNOB_IN_ENV) == 0)
        text_add(&t, "GODEBUG=");
    text_add(&t, knob->name);
    text_add(&t, "=");
    if (knob->kind == KNOB_WORD)
        text_add(&t, knob->words[v]);
    else if (v == KNOB_OFF && knob->kind != KNOB_NUM)
        text_add(&t, "off");
    else
        text_add_num(&t, v);
    text_add(&t, "  ");
    text_add(&t, knob_help[i]);
    return true;
}
