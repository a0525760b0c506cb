/*
 * tests/host/lib_screen.c - text on a framebuffer: painted into ordinary memory, and looked at.
 *
 * The memory of each screen is exactly as large as its description says, so that the address
 * sanitizer stops a pixel beyond it [screen.1]; what lies between the visible end of a row and the
 * next one must stay as it was.
 */
#include <lib/font.c>
#include <lib/screen.c>
#include <tests/host/fuzz.h>

static struct boot_framebuffer fb;
static uint8_t *memory;

static void open_screen(uint32_t width, uint32_t height, uint32_t gap_bytes)
{
    fb = (struct boot_framebuffer){.magic = BOOT_FRAMEBUFFER_MAGIC,
                                   .version = 1,
                                   .paddr = 0x80000000,
                                   .width = width,
                                   .height = height,
                                   .pitch_bytes = 4 * width + gap_bytes,
                                   .pixel_bytes = 4,
                                   .red = {16, 8},
                                   .green = {8, 8},
                                   .blue = {0, 8}};
    free(memory);
    memory = malloc((size_t)fb.pitch_bytes * height);
    memset(memory, 0xee, (size_t)fb.pitch_bytes * height);
    CHECK(screen_usable(&fb), "usable");
    screen_open(&fb, memory);
}

static void put(const char *s)
{
    screen_put(s, strlen(s));
}

static uint32_t pixel(unsigned x, unsigned y)
{
    uint32_t v;

    memcpy(&v, memory + (size_t)y * fb.pitch_bytes + 4 * x, 4);
    return v;
}

/* The letter that the pixels of a cell show, by comparing with all letters; 0 if it is none. */
static char letter_at(unsigned l, unsigned c)
{
    for (unsigned i = FONT_FIRST; i <= 0x7f; i++) {
        bool same = true;

        for (unsigned y = 0; same && y < FONT_HEIGHT * scale; y++)
            for (unsigned x = 0; same && x < FONT_WIDTH * scale; x++)
                same = pixel(c * FONT_WIDTH * scale + x, l * FONT_HEIGHT * scale + y) ==
                       ((font_row((unsigned char)i, y / scale) >> (7 - x / scale) & 1) ? ink : 0);
        if (same)
            return (char)i;
    }
    return 0;
}

/* Does line l show this text, and spaces behind it? */
static bool line_is(unsigned l, const char *text)
{
    size_t n = strlen(text);

    for (unsigned c = 0; c < n_columns; c++) {
        char want = c < n ? text[c] : ' ', have = letter_at(l, c);
        if (have != want) {
            printf("    line %u column %u shows '%c', not '%c'\n", l, c, have, want);
            return false;
        }
    }
    return true;
}

static void check_gap(void)
{
    for (uint32_t y = 0; y < fb.height; y++)
        for (uint32_t x = 4 * fb.width; x < fb.pitch_bytes; x++)
            CHECK(memory[(size_t)y * fb.pitch_bytes + x] == 0xee, "row %u: gap written", y);
}

static void test_font(void)
{
    fuzz_group("font: every letter is there, and no two are alike");
    for (unsigned a = FONT_FIRST; a <= 0x7f; a++) {
        unsigned points = 0;

        for (unsigned y = 0; y < FONT_HEIGHT; y++)
            points += (unsigned)__builtin_popcount(font_row((unsigned char)a, y));
        CHECK(a == ' ' ? points == 0 : points >= 2, "%c", a);
        for (unsigned y = 0; y < FONT_HEIGHT; y++)
            CHECK((font_row((unsigned char)a, y) & 1) == 0, "%c: column 7 parts letters", a);
        for (unsigned b = FONT_FIRST; b < a; b++) {
            bool same = true;
            for (unsigned y = 0; y < FONT_HEIGHT; y++)
                same = same && font_row((unsigned char)a, y) == font_row((unsigned char)b, y);
            CHECK(!same, "%c and %c", a, b);
        }
    }
    /* One letter, drawn here once more: bits are not mirrored, rows not upside down. */
    static const char *const f[FONT_HEIGHT] = {"",      "",  "######", "#", "#", "#",
                                               "#####", "#", "#",      "#", "#", "#"};
    for (unsigned y = 0; y < FONT_HEIGHT; y++)
        for (unsigned x = 0; x < FONT_WIDTH; x++)
            CHECK((font_row('F', y) >> (7 - x) & 1) ==
                      (f[y] != NULL && x >= 1 && x - 1 < strlen(f[y])),
                  "F at %u, %u", x, y);
    CHECK(font_row(0xe4, 2) == font_row(0x7f, 2) && font_row(3, 2) == font_row(0x7f, 2) &&
              font_row(0x7f, 2) == 0x7e,
          "what has no letter is a box");
}

static void test_text(void)
{
    fuzz_group("screen: text, wrapping, control characters");
    open_screen(85, 100, 12); /* 10 by 6 letters */
    CHECK(n_columns == 10 && n_lines == 6 && scale == 1, "size");
    CHECK(pixel(84, 99) == 0 && line_is(0, "") && line_is(5, ""), "black");
    put("Hello\nWorld, again");
    CHECK(line_is(0, "Hello") && line_is(1, "World, aga") && line_is(2, "in"), "wrap");
    CHECK(ink == 0xcfcfcf && pixel(1, 2) == ink && pixel(0, 2) == 0, "ink: %x", ink);
    put("\rIN\b\bo\tx\n");
    CHECK(line_is(2, "oN      x"), "return, backspace, tab");
    put("0123456789");
    put("\n");
    CHECK(line_is(3, "0123456789") && line_is(4, ""), "a full line and its newline are one line");
    put("\033[1;31mred\033[0m\001\177 \xc3\xa4");
    CHECK(line_is(4, "red \x7f"), "escapes and controls are left out, the rest is a box");
    check_gap();
}

static void test_scroll(void)
{
    char text[32];

    fuzz_group("screen: scrolling [screen.2]");
    for (unsigned zoom = 1; zoom <= 2; zoom++) {
        open_screen(zoom == 1 ? 400 : 3000, zoom == 1 ? 16 * 8 : 32 * 8, 64);
        CHECK(scale == zoom && n_lines == 8, "scale %u, %u lines", scale, n_lines);
        for (int i = 0; i < 100; i++) {
            snprintf(text, sizeof text, "%sline %d", i == 0 ? "" : "\n", i);
            put(text);
        }
        /* 8 lines, in steps of 2: the last one holds line 99, as 99 % 2 == 7 % 2 */
        for (unsigned l = 0; l < 8; l++) {
            snprintf(text, sizeof text, "line %u", 92 + l);
            CHECK(line_is(l, text), "line %u", l);
        }
        put("\n\n\nx");
        CHECK(line_is(0, "line 96") && line_is(3, "line 99") && line_is(4, "") && line_is(5, "") &&
                  line_is(6, "x"),
              "empty lines stay");
        check_gap();
    }
    open_screen(100, 16, 0); /* a single line */
    put("one\ntwo\nthree");
    CHECK(line_is(0, "three"), "one line");
}

static void test_text_mode(void)
{
    uint16_t text[80 * 25 + 1];

    fuzz_group("screen: text mode");
    text[80 * 25] = 0x1234;
    screen_open_text(text, 80, 25);
    put("first\nsecond \001\xc3\xa4");
    CHECK(text[0] == 0x0766 && text[4] == 0x0774 && text[5] == 0x0720, "first line");
    CHECK(text[80] == 0x0773 && text[87] == 0x07fe && text[88] == 0x0720, "second, a box");
    for (int i = 0; i < 99; i++)
        put("\nx");
    CHECK(text[0] == 0x0778 && text[24 * 80] == 0x0720 && text[23 * 80] == 0x0778, "scrolls by 7");
    CHECK(text[80 * 25] == 0x1234, "beyond the end");
}

static void test_description(void)
{
    static const struct {
        const char *what;
        size_t offset, width;
        uint64_t v;
    } bad[] = {
        {"magic", offsetof(struct boot_framebuffer, magic), 4, 0},
        {"version", offsetof(struct boot_framebuffer, version), 4, 0},
        {"nowhere", offsetof(struct boot_framebuffer, paddr), 8, 0},
        {"wraps", offsetof(struct boot_framebuffer, paddr), 8, UINT64_MAX - 4096},
        {"no width", offsetof(struct boot_framebuffer, width), 4, 7},
        {"wider than a row", offsetof(struct boot_framebuffer, width), 4, 641},
        {"huge", offsetof(struct boot_framebuffer, width), 4, 0xffffffff},
        {"no height", offsetof(struct boot_framebuffer, height), 4, 15},
        {"high", offsetof(struct boot_framebuffer, height), 4, 0xffffffff},
        {"pitch", offsetof(struct boot_framebuffer, pitch_bytes), 4, 0x7ffffffc},
        {"odd pitch", offsetof(struct boot_framebuffer, pitch_bytes), 4, 2562},
        {"24 bits", offsetof(struct boot_framebuffer, pixel_bytes), 1, 3},
        {"colour", offsetof(struct boot_framebuffer, green), 1, 25},
        {"no colour", offsetof(struct boot_framebuffer, green) + 1, 1, 0},
    };

    fuzz_group("screen: a description that can't be is refused");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        open_screen(640, 480, 0);
        memcpy((char *)&fb + bad[i].offset, &bad[i].v, bad[i].width);
        CHECK(!screen_usable(&fb), "%s", bad[i].what);
    }
}

static void test_random(void)
{
    double end = fuzz_now() + fuzz.seconds;
    unsigned rounds = 0;

    fuzz_group("screen: any text on any screen stays on it [screen.1]");
    while (fuzz_now() < end || rounds < 20) {
        rounds++;
        open_screen(8 + fuzz_below(fuzz_below(8) == 0 ? 5000 : 300), 16 + fuzz_below(200),
                    4 * fuzz_below(9));
        for (unsigned i = 0; i < 200; i++) {
            char text[64];
            size_t n = fuzz_below(sizeof text);

            for (size_t k = 0; k < n; k++)
                text[k] = (char)(fuzz_below(3) == 0 ? fuzz_below(256) : 32 + fuzz_below(95));
            screen_put(text, n);
            if (fuzz_below(10) == 0) { /* as if two wrote at once */
                column = fuzz_below(300);
                line = fuzz_below(200);
            }
        }
        for (unsigned l = 0; base == memory && l < n_lines; l++) {
            unsigned c = fuzz_below(n_columns);
            char want = shown[l][c];
            CHECK(letter_at(l, c) == (want >= ' ' && want <= '~' ? want : 0x7f), "line %u", l);
        }
        check_gap();
    }
}

int main(void)
{
    fuzz_begin();
    test_font();
    test_text();
    test_scroll();
    test_text_mode();
    test_description();
    test_random();
    free(memory);
    return fuzz_end();
}
