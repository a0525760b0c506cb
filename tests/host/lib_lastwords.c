/*
 * tests/host/lib_lastwords.c - a report that is kept over a restart: whole, once, or not at all.
 */
#include <lib/lastwords.c>
#include <tests/host/fuzz.h>

#define ROOM 512

static uint64_t memory[ROOM / 8];
static char printed[4 * ROOM];

int rt_printf(const char *format, ...)
{
    va_list args;
    size_t n = strlen(printed);

    va_start(args, format);
    vsnprintf(printed + n, sizeof printed - n, format, args);
    va_end(args);
    return 0;
}

/* The machine starts again: what does it print? */
static const char *restart(size_t bytes)
{
    printed[0] = 0;
    lastwords_open(memory, bytes);
    return printed;
}

static void add(const char *s)
{
    lastwords_add(s, strlen(s));
}

static void test_kept(void)
{
    fuzz_group("lastwords: kept over one restart, then forgotten");
    memset(memory, 0, sizeof memory);
    CHECK(*restart(ROOM) == 0, "nothing at first: %s", printed);
    CHECK(*restart(ROOM) == 0, "a run that ended well leaves nothing");
    add("fatal error: ");
    add("the\nend");
    CHECK(strstr(restart(ROOM), ":\nfatal error: the\nend\n") != NULL, "%s", printed);
    CHECK(*restart(ROOM) == 0, "printed once");
    add("first");
    restart(ROOM);
    add("second");
    CHECK(strstr(restart(ROOM), "second") && !strstr(printed, "first"), "%s", printed);
    for (int i = 0; i < ROOM; i++)
        add("0123456");
    CHECK(strlen(restart(ROOM)) > ROOM - 32 && strstr(printed, "01234560123"), "cut to the room");
    lastwords_open(NULL, 0);
    add("kept where there is still room");
}

static void test_damage(void)
{
    fuzz_group("lastwords: what is not whole is not printed [lastwords.1]");
    for (unsigned bit = 0; bit < 8 * (16 + 20); bit++) {
        memset(memory, 0, sizeof memory);
        restart(ROOM);
        add("twenty characters...");
        memory[bit / 64] ^= UINT64_C(1) << bit % 64;
        CHECK(*restart(ROOM) == 0, "bit %u: %s", bit, printed);
    }
    for (unsigned i = 0; i < 10000; i++) {
        for (size_t k = 0; k < ROOM / 8; k++)
            memory[k] = rng_next(&fuzz_rng);
        if (fuzz_below(2) != 0)
            memory[0] = MAGIC;
        if (fuzz_below(2) != 0)
            memory[1] = fuzz_number();
        CHECK(*restart(8 + 8 * fuzz_below(ROOM / 8)) == 0, "%s", printed);
    }
}

int main(void)
{
    fuzz_begin();
    test_kept();
    test_damage();
    return fuzz_end();
}
