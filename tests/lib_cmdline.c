/*
 * tests/lib_cmdline.c - the command line and the knobs in the running image.
 *
 * The host test (tests/host/lib_cmdline.c) goes through every mistake. Here: the same code as the
 * image's compiler made it, and what this very boot was told.
 */
#include <tests/test.h>

#include <lib/knobs.h>
#include <lib/string.h>

static struct cmdline line;
static char why[KNOBS_WHY_BYTES];
static char buf[1024];

static size_t parse(struct knobs *k, const char *text)
{
    *k = knobs_default;
    why[0] = 0;
    if (cmdline_split(&line, "prog", text, strlen(text), buf, sizeof(buf)) != NULL)
        return SIZE_MAX;
    return knobs_parse(k, &line, why, sizeof(why));
}

TEST(cmdline, words_quotes_and_arguments)
{
    struct knobs k;

    REQUIRE(t, parse(&k, "GOGC=50 a=\"b c\" -- one 'two three' --") == 0);
    EXPECT_EQ(t, k.gogc, 50u);
    EXPECT_EQ(t, line.n_env, 2u);
    EXPECT_STR(t, cmdline_getenv(&line, "a"), "b c");
    REQUIRE(t, line.argc == 4);
    EXPECT_STR(t, line.argv[0], "prog");
    EXPECT_STR(t, line.argv[1], "one");
    EXPECT_STR(t, line.argv[2], "two three");
    EXPECT_STR(t, line.argv[3], "--");
    EXPECT(t, line.argv[4] == NULL);
}

/* A line that does not fit is refused as a whole [cmdline.2]. */
TEST(cmdline, too_long_is_refused)
{
    static char text[KNOBS_BUF_BYTES + 1];
    struct cmdline cl;

    memset(text, 'x', sizeof(text));
    text[1] = '=';
    EXPECT_STR(t, cmdline_split(&cl, "prog", text, sizeof(text), buf, sizeof(buf)), "too long");
    EXPECT_EQ(t, cl.n_env, 0u);
    EXPECT_EQ(t, cl.argc, 1);
    EXPECT(t, cmdline_split(&cl, "prog", text, 900, buf, sizeof(buf)) == NULL);
    EXPECT_EQ(t, strlen(cl.env), 900u);
}

TEST(knobs, values_of_every_kind)
{
    struct knobs k;

    EXPECT_EQ(t, parse(&k, "GOGC=off GOMEMLIMIT=64MiB GOTRACEBACK=all seed=0xfeed tick=off"), 0u);
    EXPECT(t, k.gogc == KNOB_OFF);
    EXPECT_EQ(t, k.gomemlimit, 64u << 20);
    EXPECT_EQ(t, (int)k.gotraceback, (int)TRACEBACK_ALL);
    EXPECT_EQ(t, k.seed, 0xfeedu);
    EXPECT_EQ(t, (int)k.tick, (int)TICK_OFF);
    EXPECT_EQ(t, parse(&k, "GODEBUG=gctrace=2,clobberfree,gcmode=stw"), 0u);
    EXPECT_EQ(t, k.gctrace, 2u);
    EXPECT(t, k.clobberfree);
    EXPECT_EQ(t, (int)k.gcmode, (int)GCMODE_STW);
}

/* A wrong word is named, and leaves its knob alone [knobs.1] [knobs.2]. */
TEST(knobs, mistakes_are_named)
{
    struct knobs k;

    EXPECT_EQ(t, parse(&k, "GOGC=abc"), 1u);
    EXPECT_STR(t, why, "GOGC=abc: not a number or \"off\"");
    EXPECT_EQ(t, k.gogc, knobs_default.gogc);
    EXPECT_EQ(t, parse(&k, "GOMAXPROC=1"), 1u);
    EXPECT_STR(t, why, "GOMAXPROC=1: unknown knob; the nearest is \"GOMAXPROCS\"");
    EXPECT_EQ(t, parse(&k, "GODEBUG=gctrase=1 exit=now"), 2u);
    EXPECT_STR(t, why, "GODEBUG=gctrase=1: unknown word; the nearest is \"gctrace\"");
    EXPECT_EQ(t, parse(&k, "loose"), 1u);
    EXPECT_STR(t, why, "loose: a word without '='; the program's arguments follow \"--\"");
}

/* What this boot was told: the globals are those that its own command line gives. */
TEST(knobs, this_boot)
{
    struct knobs k = knobs_default;
    char text[160];
    size_t n = 0;

    EXPECT_EQ(t, knobs_parse(&k, &knobs_cmdline, why, sizeof(why)), 0u);
    EXPECT_EQ(t, k.seed, knobs.seed);
    EXPECT_EQ(t, k.gogc, knobs.gogc);
    EXPECT_EQ(t, k.exit, knobs.exit);
    EXPECT_GE(t, knobs_cmdline.argc, 1);
    EXPECT(t, knobs_cmdline.argv[knobs_cmdline.argc] == NULL);
    EXPECT(t, knobs_getenv("no such key") == NULL);
    while (knobs_describe(&knobs, n, text, sizeof(text)))
        n++;
    EXPECT_GE(t, n, 20u);
}
