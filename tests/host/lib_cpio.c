/*
 * tests/host/lib_cpio.c - archives as tools/run.sh makes them, and any damage to them.
 */
#include <lib/cpio.c>
#include <tests/host/fuzz.h>

static char archive[1024];
static size_t used;

static void put(const char *name, unsigned mode, const char *data)
{
    used +=
        (size_t)sprintf(archive + used,
                        "07070100000000%08x00000000000000000000000100000000%08x%032x%08zx%08x%s",
                        mode, (unsigned)strlen(data), 0, strlen(name) + 1, 0, name) +
        1;
    used = padded(used);
    memcpy(archive + used, data, strlen(data));
    used = padded(used + strlen(data));
}

static void make(void)
{
    memset(archive, 0, sizeof archive);
    used = 0;
    put("a", 0100444, "text");
    put("dir", 0040755, "");
    put("longer.name", 0100600, "five.");
    put("empty", 0100444, "");
    put("TRAILER!!!", 0, "");
}

static void test_good(void)
{
    struct cpio_file f[8];

    fuzz_group("cpio: the regular files of an archive");
    make();
    CHECK(cpio_is(archive, used) && !cpio_is(archive, 109) && !cpio_is("070703", 6), "is");
    CHECK(cpio_list(archive, used, f, 8) == 3, "three files");
    CHECK(strcmp(f[0].name, "a") == 0 && f[0].bytes == 4 && memcmp(f[0].data, "text", 4) == 0, "a");
    CHECK(strcmp(f[1].name, "longer.name") == 0 && f[1].bytes == 5, "name");
    CHECK(memcmp(f[1].data, "five.", 5) == 0, "data");
    CHECK(f[2].bytes == 0, "empty");
    CHECK(cpio_list(archive, used, f, 2) == 2, "no more than asked for");
}

/* Whatever is listed lies within the bytes given. */
static void test_damaged(void)
{
    fuzz_group("cpio: damaged archives");
    for (double end = fuzz_now() + fuzz.seconds; fuzz_now() < end;) {
        struct cpio_file f[8];

        make();
        for (size_t i = fuzz_below(4); i > 0; i--)
            archive[fuzz_below((uint32_t)used)] = "0f8F7x\xff"[fuzz_below(8)];

        size_t bytes = fuzz_below((uint32_t)used + 1);
        char *copy = malloc(bytes + 1); /* the sanitizer watches its end */
        memcpy(copy, archive, bytes);

        char *exact = realloc(copy, bytes > 0 ? bytes : 1);
        size_t n = cpio_list(exact, bytes, f, 8);

        for (size_t i = 0; i < n; i++) {
            const char *data = f[i].data;

            CHECK(data >= exact && f[i].bytes <= bytes && data + f[i].bytes <= exact + bytes, "%zu",
                  i);
            CHECK(f[i].name > exact && f[i].name + strlen(f[i].name) < exact + bytes, "%zu", i);
        }
        free(exact);
    }
}

int main(void)
{
    fuzz_begin();
    test_good();
    test_damaged();
    return fuzz_end();
}
