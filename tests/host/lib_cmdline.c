/*
 * tests/host/lib_cmdline.c - splitting the command line, and the knobs on it.
 */
#include <lib/cmdline.c>
#include <lib/knobs.c>
#include <tests/host/fuzz.h>

static struct cmdline cl;
static char why[KNOBS_WHY_BYTES];

/* [cmdline.1] What holds for any text in any buffer; everything is read, so that ASan sees it. */
static void check_split(const char *wrong, const char *name, const char *buf, size_t bytes)
{
    const char *word = cl.env;

    for (size_t i = 0; i < cl.n_env; i++) {
        CHECK(word >= buf && word < buf + bytes, "word %zu is outside", i);
        word += strlen(word) + 1;
    }
    if (cl.argv == NULL) {
        CHECK(wrong != NULL && cl.argc == 0 && cl.n_env == 0, "no argv");
        return;
    }
    CHECK(cl.argc >= 1 && strcmp(cl.argv[0], name) == 0, "argv[0]");
    CHECK(cl.argv[cl.argc] == NULL, "argv's end");
    for (int i = 0; i < cl.argc; i++) {
        CHECK(cl.argv[i] >= buf && cl.argv[i] + strlen(cl.argv[i]) < (char *)cl.argv, "argv[%d]",
              i);
        CHECK(i == 0 || cl.argv[i] > cl.argv[i - 1], "order");
    }
    if (wrong != NULL) /* [cmdline.2] */
        CHECK(cl.argc == 1 && cl.n_env == 0, "half a line");
}

/* Split and parse in blocks of exactly the given sizes. */
static size_t fuzz_line(const char *text, size_t len, size_t bytes, size_t why_bytes)
{
    char *copy = malloc(len + 1), *buf = malloc(bytes + 1), *reason = malloc(why_bytes + 1);
    struct knobs k = knobs_default;
    const char *wrong;
    size_t errors = 0;

    memcpy(copy, text, len);
    copy[len] = 'x'; /* no NUL: len is what counts */
    wrong = cmdline_split(&cl, "prog", copy, len, buf, bytes);
    check_split(wrong, "prog", buf, bytes);
    if (wrong == NULL) {
        errors = knobs_parse(&k, &cl, reason, why_bytes);
        if (why_bytes != 0)
            CHECK((errors == 0) == (reason[0] == 0) || why_bytes == 1, "%zu errors, %s", errors,
                  reason);
        CHECK(k.gctrace <= 2 && (k.gogc <= INT32_MAX || k.gogc == KNOB_OFF), "range");
        CHECK(k.gomaxprocs <= 65536 && k.tick <= TICK_OFF && k.exit <= EXIT_REBOOT, "range");
    }
    cmdline_getenv(&cl, "GOGC");
    free(copy);
    free(buf);
    free(reason);
    return errors;
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    fuzz_line((const char *)data + 2, size - 2, data[0] * 17u, data[1]);
    return 0;
}
#else

static char buf[KNOBS_BUF_BYTES];

static const char *split(const char *text)
{
    return cmdline_split(&cl, "prog", text, strlen(text), buf, sizeof(buf));
}

/* The line must split into these words: environment first, then arguments after "--", NULL at the
 * end. */
static void expect_words(const char *text, const char *const *want)
{
    const char *word, *wrong = split(text);
    int i = 1;

    CHECK(wrong == NULL, "%s: %s", text, wrong);
    for (word = cl.env; *want != NULL && strcmp(*want, "--") != 0; want++) {
        CHECK(strcmp(word, *want) == 0, "%s: \"%s\", not \"%s\"", text, word, *want);
        word += strlen(word) + 1;
    }
    if (*want != NULL)
        for (want++; *want != NULL; want++, i++)
            CHECK(i < cl.argc && strcmp(cl.argv[i], *want) == 0, "%s: argv[%d]", text, i);
    CHECK(i == cl.argc, "%s: argc %d", text, cl.argc);
}
#define EXPECT_WORDS(text, ...) expect_words(text, (const char *const[]){__VA_ARGS__, NULL})

static void test_split(void)
{
    fuzz_group("cmdline: words, quotes and the program's arguments");
    EXPECT_WORDS("", "--");
    EXPECT_WORDS(" \t ", "--");
    EXPECT_WORDS("a=1  b=2\tc=3\n", "a=1", "b=2", "c=3");
    EXPECT_WORDS("a=1 -- x y", "a=1", "--", "x", "y");
    EXPECT_WORDS("-- -- --x", "--", "--", "--x");
    EXPECT_WORDS("--", "--");
    EXPECT_WORDS("a=\"b c\" d='e \" f' -- \"g h\"i 'j'", "a=b c", "d=e \" f", "--", "g hi", "j");
    EXPECT_WORDS("a=\"\\\"\\\\\\n\" b=\\n '--'=1", "a=\"\\\\n", "b=\\n", "--=1");
    EXPECT_WORDS("-- '' \"\" a''b", "--", "", "", "ab");
    EXPECT_WORDS("-- it\"'\"s", "--", "it's");
    CHECK(split("'--' -- x") == NULL && cl.n_env == 1 && cl.argc == 2, "a quoted -- is a word");
    CHECK(split("a='b") != NULL && strstr(split("a='b"), "quote") != NULL, "open quote");
    CHECK(split("a=\"b\\\"") != NULL && cl.argc == 1, "open quote");
    CHECK(cmdline_split(&cl, "prog", "a=1 b=2", 3, buf, sizeof(buf)) == NULL && cl.n_env == 1,
          "len");
    CHECK(cmdline_split(&cl, "prog", "a=1\0 b=2", 8, buf, sizeof(buf)) == NULL && cl.n_env == 1,
          "NUL");

    fuzz_group("cmdline: the last of several values is found");
    split("A=1 A=3 AB=2 =4 -- A=5");
    CHECK(strcmp(cmdline_getenv(&cl, "A"), "3") == 0, "A");
    CHECK(strcmp(cmdline_getenv(&cl, "AB"), "2") == 0, "AB");
    CHECK(cmdline_getenv(&cl, "B") == NULL && cmdline_getenv(&cl, "") == NULL, "absent");
}

/* Random words, quoted at random, come back as they were. */
static void test_round_trip(void)
{
    static const char alphabet[] = "ab=-'\"\\ \tZ\n,";
    char words[20][20], line[2000];

    fuzz_group("cmdline: what was quoted comes back");
    for (int round = 0; round < 20000; round++) {
        size_t n = fuzz_below(20), at = 0;

        memcpy(line, "-- ", 4);
        at = 3;
        for (size_t i = 0; i < n; i++) {
            size_t len = fuzz_below(19);

            if (len == 0)
                at += (size_t)sprintf(line + at, "''");
            for (size_t j = 0; j < len; j++) {
                char c = words[i][j] = alphabet[fuzz_below(sizeof(alphabet) - 1)];

                if (c == '\'' || (fuzz_below(3) == 0 && c != '"' && c != '\\'))
                    at += (size_t)sprintf(line + at, "\"%c\"", c);
                else if (c == '\\' && fuzz_below(2) == 0)
                    at += (size_t)sprintf(line + at, "\"\\\\\"");
                else
                    at += (size_t)sprintf(line + at, "'%c'", c);
            }
            words[i][len] = 0;
            line[at++] = ' ';
        }
        line[at] = 0;
        CHECK(split(line) == NULL && cl.argc == (int)n + 1, "%s", line);
        for (size_t i = 0; i < n && cl.argc == (int)n + 1; i++)
            CHECK(strcmp(cl.argv[i + 1], words[i]) == 0, "%s: %s", line, words[i]);
    }
}

static void test_long(void)
{
    static char line[40000];
    char *small;

    fuzz_group("cmdline: long lines fit whole or are refused");
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "a=", 2);
    line[10000] = 0;
    CHECK(split(line) == NULL && cl.n_env == 1 && strlen(cl.env) == 10000, "10,000 characters");
    line[10000] = 'x';
    CHECK(split(line) != NULL && strstr(split(line), "too long") != NULL && cl.argc == 1, "40,000");
    CHECK(knobs_init("prog", line, strlen(line), why, sizeof(why)) == 1, "refused");
    CHECK(strstr(why, "too long (39999 characters; room for 16384, ") == why, "%s", why);

    strcpy(line, "-- ");
    for (size_t i = 3; i < 10000; i += 2)
        memcpy(line + i, "a ", 3);
    CHECK(split(line) != NULL && strcmp(split(line), "too long") == 0, "many arguments");

    /* Every size of buffer, from too small to enough: none is overrun, one refuses or all
     * is there. */
    strcpy(line, "k=v x='y z' -- one two 'thr ee' \"f\\\"our\"");
    for (size_t bytes = 0; bytes < 160; bytes++) {
        for (size_t skew = 0; skew < 8; skew++) {
            small = malloc(bytes + skew + 1);
            const char *wrong = cmdline_split(&cl, "prog", line, strlen(line), small + skew, bytes);

            check_split(wrong, "prog", small + skew, bytes);
            if (wrong == NULL)
                CHECK(cl.argc == 5 && strcmp(cl.argv[4], "f\"our") == 0, "%zu", bytes);
            CHECK(wrong == NULL || bytes < 110, "%zu should do", bytes);
            free(small);
        }
    }
}

static struct knobs k;

static size_t parse(const char *text)
{
    k = knobs_default;
    if (split(text) != NULL)
        return 999;
    return knobs_parse(&k, &cl, why, sizeof(why));
}

#define EXPECT_ERROR(text, message)                                                                \
    do {                                                                                           \
        struct knobs before_;                                                                      \
        CHECK(parse(text) == 1 && strcmp(why, message) == 0, "got: %s", why);                      \
        memcpy(&before_, &knobs_default, sizeof(before_));                                         \
        CHECK(memcmp(&k, &before_, sizeof(k)) == 0, "a knob changed"); /* [knobs.1] */             \
    } while (0)

static void test_good_knobs(void)
{
    fuzz_group("knobs: every kind of value is taken");
    CHECK(parse("") == 0 && k.gogc == 100 && k.gomaxprocs == 0 && k.exit == EXIT_AUTO, "defaults");
    CHECK(k.gomemlimit == 0 && k.gotraceback == TRACEBACK_SINGLE && !k.clobberfree, "defaults");
    CHECK(parse("GOGC=50") == 0 && k.gogc == 50, "%s", why);
    CHECK(parse("GOGC=off GOMEMLIMIT=off") == 0 && k.gogc == KNOB_OFF && k.gomemlimit == KNOB_OFF,
          "%s", why);
    CHECK(parse("GOMEMLIMIT=12345") == 0 && k.gomemlimit == 12345, "%s", why);
    CHECK(parse("GOMEMLIMIT=7B") == 0 && k.gomemlimit == 7, "%s", why);
    CHECK(parse("GOMEMLIMIT=3KiB") == 0 && k.gomemlimit == 3072, "%s", why);
    CHECK(parse("GOMEMLIMIT=64MiB") == 0 && k.gomemlimit == 64ull << 20, "%s", why);
    CHECK(parse("GOMEMLIMIT=2GiB") == 0 && k.gomemlimit == 2ull << 30, "%s", why);
    CHECK(parse("GOMEMLIMIT=5TiB") == 0 && k.gomemlimit == 5ull << 40, "%s", why);
    CHECK(parse("GOMEMLIMIT=9223372036854775807") == 0 && k.gomemlimit == INT64_MAX, "%s", why);
    CHECK(parse("GOMAXPROCS=4 maxcpus=0x10") == 0 && k.gomaxprocs == 4 && k.maxcpus == 16, "%s",
          why);
    CHECK(parse("GOTRACEBACK=0") == 0 && k.gotraceback == TRACEBACK_NONE, "%s", why);
    CHECK(parse("GOTRACEBACK=1") == 0 && k.gotraceback == TRACEBACK_ALL, "%s", why);
    CHECK(parse("GOTRACEBACK=2") == 0 && k.gotraceback == TRACEBACK_SYSTEM, "%s", why);
    EXPECT_ERROR("GOTRACEBACK=3", "GOTRACEBACK=3: not one of none, single, all, system, crash");
    CHECK(parse("GOTRACEBACK=crash") == 0 && k.gotraceback == TRACEBACK_CRASH, "%s", why);
    CHECK(parse("GODEBUG=gctrace=1,schedtrace=1000,gcmode=hybrid,gccheckmark=1,gcstress=3") == 0 &&
              k.gctrace == 1 && k.schedtrace == 1000 && k.gcmode == GCMODE_HYBRID &&
              k.gccheckmark && k.gcverify && k.gcstress == 3,
          "%s", why);
    CHECK(parse("GODEBUG=clobberfree,,asyncpreemptoff=0,gcverify=0,seed=9,") == 0 &&
              k.clobberfree && !k.gcverify && !k.asyncpreemptoff && k.seed == 9,
          "%s", why);
    CHECK(parse("GODEBUG=") == 0 && parse("GODEBUG=,,,") == 0, "empty");
    CHECK(parse("GODEBUG=gctrace=1 GODEBUG=gcstress=2") == 0 && k.gctrace == 1 && k.gcstress == 2,
          "both");
    CHECK(parse("seed=0xdeadbeefcafe exit=acpi on_panic=halt cpu_relax=pause tick=on watchdog=5 "
                "console=com2") == 0 &&
              k.seed == 0xdeadbeefcafe && k.exit == EXIT_ACPI && k.on_panic == ON_PANIC_HALT &&
              k.cpu_relax == CPU_RELAX_PAUSE && k.tick == TICK_ON && k.watchdog == 5 &&
              k.console == CONSOLE_COM2,
          "%s", why);
    CHECK(parse("GOGC=1 GOGC=2") == 0 && k.gogc == 2, "the last holds");
    CHECK(parse("HOME=/ my_knob=x PATH= gogc=7 -- GOGX=1 word") == 0 && k.gogc == 100,
          "the program's own: %s", why);
    CHECK(strcmp(cmdline_getenv(&cl, "my_knob"), "x") == 0, "environment");
}

static void test_bad_knobs(void)
{
    char line[300];

    fuzz_group("knobs: each mistake is named, and changes nothing [knobs.1] [knobs.2]");
    EXPECT_ERROR("GOGC=abc", "GOGC=abc: not a number or \"off\"");
    EXPECT_ERROR("GOGC=", "GOGC=: not a number or \"off\"");
    EXPECT_ERROR("GOGC=-1", "GOGC=-1: not a number or \"off\"");
    EXPECT_ERROR("GOGC=12x", "GOGC=12x: not a number or \"off\"");
    EXPECT_ERROR("GOGC=2147483648", "GOGC=2147483648: not from 0 to 2147483647");
    EXPECT_ERROR("GOGC=18446744073709551615",
                 "GOGC=18446744073709551615: not from 0 to 2147483647");
    EXPECT_ERROR("GOGC=18446744073709551716",
                 "GOGC=18446744073709551716: not from 0 to 2147483647");
    EXPECT_ERROR("GOMAXPROCS=0", "GOMAXPROCS=0: not from 1 to 65536");
    EXPECT_ERROR("GOMAXPROCS=off", "GOMAXPROCS=off: not a number");
    EXPECT_ERROR("GOMAXPROCS=0x", "GOMAXPROCS=0x: not a number");
    EXPECT_ERROR("GOMEMLIMIT=64MB", "GOMEMLIMIT=64MB: not a size such as 64MiB, or \"off\"");
    EXPECT_ERROR("GOMEMLIMIT=MiB", "GOMEMLIMIT=MiB: not a size such as 64MiB, or \"off\"");
    EXPECT_ERROR("GOMEMLIMIT=1.5GiB", "GOMEMLIMIT=1.5GiB: not a size such as 64MiB, or \"off\"");
    EXPECT_ERROR("GOMEMLIMIT=99999999TiB",
                 "GOMEMLIMIT=99999999TiB: not from 0 to 9223372036854775807");
    EXPECT_ERROR("GOMEMLIMIT=16777217TiB", /* 2^64 and a little: wraps if shifted carelessly */
                 "GOMEMLIMIT=16777217TiB: not from 0 to 9223372036854775807");
    EXPECT_ERROR("GOTRACEBACK=loud",
                 "GOTRACEBACK=loud: not one of none, single, all, system, crash");
    EXPECT_ERROR("GOTRACEBACK=al", "GOTRACEBACK=al: not one of none, single, all, system, crash");
    EXPECT_ERROR("GOCG=1", "GOCG=1: unknown knob; the nearest is \"GOGC\"");
    EXPECT_ERROR("GOMAXPROC=1", "GOMAXPROC=1: unknown knob; the nearest is \"GOMAXPROCS\"");
    EXPECT_ERROR("GODEBUGS=1", "GODEBUGS=1: unknown knob; the nearest is \"GODEBUG\"");
    EXPECT_ERROR("GOMEMLIMITS=1MiB",
                 "GOMEMLIMITS=1MiB: unknown knob; the nearest is \"GOMEMLIMIT\"");
    EXPECT_ERROR("GODEBUG=gctrase=1",
                 "GODEBUG=gctrase=1: unknown word; the nearest is \"gctrace\"");
    EXPECT_ERROR("GODEBUG=gogc=1", "GODEBUG=gogc=1: unknown word; the nearest is \"gcmode\"");
    EXPECT_ERROR("GODEBUG=gctrace=3", "GODEBUG=gctrace=3: not from 0 to 2");
    EXPECT_ERROR("GODEBUG=gctrace", "GODEBUG=gctrace: needs a value");
    EXPECT_ERROR("GODEBUG=clobberfree=yes", "GODEBUG=clobberfree=yes: not 0 or 1");
    EXPECT_ERROR("GODEBUG=clobberfree=2", "GODEBUG=clobberfree=2: not from 0 to 1");
    EXPECT_ERROR("GODEBUG=gcmode=fast",
                 "GODEBUG=gcmode=fast: not one of default, stw, insertion, hybrid");
    EXPECT_ERROR("GODEBUG=exit=halt", "GODEBUG=exit=halt: unknown word; the nearest is \"seed\"");
    EXPECT_ERROR("exit=now", "exit=now: not one of auto, qemu, acpi, halt, reboot");
    EXPECT_ERROR("seed=0", "seed=0: not from 1 to 18446744073709551614");
    EXPECT_ERROR("quiet", "quiet: a word without '='; the program's arguments follow \"--\"");
    EXPECT_ERROR("=1", "=1: no name before '='");
    EXPECT_ERROR("''", ": a word without '='; the program's arguments follow \"--\"");
    EXPECT_ERROR("'GOGC=\a\033'", "GOGC=??: not a number or \"off\"");
    CHECK(parse("GOGC=x GOMAXPROCS=y GODEBUG=z,w GOGC=7") == 4 && k.gogc == 7, "counted: %s", why);
    CHECK(strcmp(why, "GOGC=x: not a number or \"off\"") == 0, "the first is told: %s", why);

    memset(line, 'q', 299);
    memcpy(line, "GOGC=", 5);
    line[299] = 0;
    CHECK(parse(line) == 1 && strstr(why, "...: not a number or \"off\"") != NULL, "%s", why);
    memcpy(line, "GO", 2);
    memset(line + 2, 'q', 200);
    line[202] = '=';
    CHECK(parse(line) == 1 && strstr(why, "the nearest is \"GO") != NULL, "%s", why);
}

static void test_describe(void)
{
    char line[200];
    size_t n = 0;
    bool gogc = false, mode = false;

    fuzz_group("knobs: the list says each value");
    CHECK(parse("GOGC=off GODEBUG=gcmode=stw") == 0, "%s", why);
    for (; knobs_describe(&k, n, line, sizeof(line)); n++) {
        gogc |= strncmp(line, "GOGC=off  collect", 17) == 0;
        mode |= strncmp(line, "GODEBUG=gcmode=stw  ", 20) == 0;
    }
    CHECK(n == N_KNOBS && line[0] == 0, "%zu", n);
    CHECK(gogc && mode, "lines");

    fuzz_group("knobs: the boot line sets the globals");
    CHECK(knobs.gogc == 100 && knobs_getenv("GOGC") == NULL, "before");
    CHECK(knobs_init("me", "GOGC=33 X=y -- p q", 18, why, sizeof(why)) == 0, "%s", why);
    CHECK(knobs.gogc == 33 && strcmp(knobs_getenv("X"), "y") == 0, "after");
    CHECK(knobs_cmdline.argc == 3 && strcmp(knobs_cmdline.argv[0], "me") == 0, "argv");
}

static void test_random(void)
{
    static const char *const pieces[] = {"GOGC=",       "GODEBUG=",
                                         "gctrace=",    "gcmode=",
                                         "off",         "GO",
                                         "GOMEMLIMIT=", "seed=",
                                         "exit=",       "--",
                                         " ",           "  ",
                                         ",",           "=",
                                         "'",           "\"",
                                         "\\",          "1",
                                         "99999",       "KiB",
                                         "TiB",         "0x",
                                         "stw",         "-1",
                                         "\t",          "a",
                                         "clobberfree", "maxcpus",
                                         "halt",        "GOX",
                                         "\x80",        "\n",
                                         "B=1",         "18446744073709551615"};
    double end = fuzz_now() + fuzz.seconds;
    unsigned rounds = 0, good = 0;

    fuzz_group("cmdline: random lines in random buffers stay within bounds");
    while (fuzz_now() < end) {
        char line[400];
        size_t len = 0, n = fuzz_below(30);

        while (n-- != 0) {
            const char *p = pieces[fuzz_below(sizeof(pieces) / sizeof(pieces[0]))];

            if (fuzz_below(10) == 0) {
                line[len++] = (char)rng_next(&fuzz_rng);
            } else if (len + strlen(p) < 390) {
                memcpy(line + len, p, strlen(p));
                len += strlen(p);
            }
            if (len >= 390)
                break;
        }
        good += fuzz_line(line, len, fuzz_below(2) ? 2000 : fuzz_below(200), fuzz_below(200)) == 0;
        rounds++;
    }
    printf("    %u lines, %u without an error\n", rounds, good);
}

int main(void)
{
    fuzz_begin();
    test_describe();
    test_split();
    test_round_trip();
    test_long();
    test_good_knobs();
    test_bad_knobs();
    test_random();
    return fuzz_end();
}
#endif
