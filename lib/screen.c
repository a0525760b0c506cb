/*
 * lib/screen.c - a framebuffer as a console.
 *
 * WHAT. Letters are painted where the text stands. What stands where is kept in `shown`, since
 * reading a framebuffer is a hundred times slower than writing it: scrolling paints those letters
 * again that change, and moves by a quarter of the screen, so that a line costs four lines'
 * painting at most.
 *
 * INVARIANTS
 * [screen.1] Every pixel written lies inside the screen, also if two write at once: `column` and
 *            `line` are read once, and checked against the fixed numbers behind that.
 * [screen.2] shown[l][c] is the letter that is painted there; where nothing was painted, a space.
 *
 * REJECTED. Moving pixels (reads). One line at a time (a long text on a large screen is painted for
 * seconds). A blinking cursor, colours, a keyboard: this is for reading what a machine without a
 * serial port has to say.
 */
#include <lib/screen.h>

#include <lib/font.h>
#include <string.h>

#define PIXELS_MAX 16384u /* a side */
#define CELL_GREY 0x0700u /* on black */
#define CELL_BOX 0xfeu    /* in the font of VGA cards */

static volatile uint8_t *base;   /* [I] pixels; NULL: there are none */
static volatile uint16_t *cells; /* [I] or letters, that the machine paints by itself */
static uint32_t pitch, ink;      /* [I] bytes from one row to the next; a pixel of a letter */
static unsigned scale;           /* [I] pixels for a point of a letter, each way */
static unsigned n_columns, n_lines;
static unsigned column, line; /* where the next letter goes; column n_columns: the next line */
static char shown[SCREEN_LINES_MAX][SCREEN_COLUMNS_MAX];
static enum { TEXT, ESCAPE, SEQUENCE } state;

static bool colour_usable(struct boot_colour c)
{
    return c.bits >= 1 && c.bits <= 16 && c.shift + c.bits <= 32;
}

bool screen_usable(const struct boot_framebuffer *fb)
{
    return fb->magic == BOOT_FRAMEBUFFER_MAGIC && fb->version >= 1 && fb->paddr != 0 &&
           fb->pixel_bytes == 4 && fb->width >= FONT_WIDTH && fb->width <= PIXELS_MAX &&
           fb->height >= FONT_HEIGHT && fb->height <= PIXELS_MAX && fb->pitch_bytes % 4 == 0 &&
           fb->pitch_bytes >= 4 * fb->width && fb->pitch_bytes <= 8 * PIXELS_MAX &&
           fb->paddr <= UINT64_MAX - (uint64_t)fb->pitch_bytes * fb->height &&
           colour_usable(fb->red) && colour_usable(fb->green) && colour_usable(fb->blue);
}

/* `part` 256ths of the brightest that this colour can be. */
static uint32_t colour(struct boot_colour c, uint32_t part)
{
    return (((1u << c.bits) - 1) * part >> 8) << c.shift;
}

static void begin(void)
{
    column = line = 0;
    state = TEXT;
    memset(shown, ' ', sizeof shown);
}

void screen_open_text(volatile uint16_t *text, unsigned columns, unsigned lines)
{
    base = NULL;
    n_columns = columns;
    n_lines = lines;
    begin();
    cells = text;
    for (unsigned i = 0; i < columns * lines; i++)
        cells[i] = CELL_GREY | ' ';
}

void screen_open(const struct boot_framebuffer *fb, volatile void *pixels)
{
    base = NULL;
    cells = NULL;
    scale = 1;
    while (fb->width / (FONT_WIDTH * scale) > SCREEN_COLUMNS_MAX ||
           fb->height / (FONT_HEIGHT * scale) > SCREEN_LINES_MAX)
        scale++;
    pitch = fb->pitch_bytes;
    ink = colour(fb->red, 208) | colour(fb->green, 208) | colour(fb->blue, 208);
    n_columns = fb->width / (FONT_WIDTH * scale);
    n_lines = fb->height / (FONT_HEIGHT * scale);
    if (n_columns == 0 || n_lines == 0)
        return; /* long and narrow */
    begin();
    base = pixels;
    for (uint32_t y = 0; y < fb->height; y++) {
        volatile uint32_t *row = (volatile uint32_t *)(base + (size_t)y * pitch);
        for (uint32_t x = 0; x < fb->width; x++)
            row[x] = 0;
    }
}

/* Paint letter c at a place that is on the screen, if it isn't there already. */
static void paint(unsigned at_line, unsigned at_column, char c)
{
    if (shown[at_line][at_column] == c)
        return;
    shown[at_line][at_column] = c;
    if (cells != NULL) {
        cells[at_line * n_columns + at_column] =
            CELL_GREY | (c >= ' ' && c <= '~' ? (uint16_t)c : CELL_BOX);
        return;
    }
    volatile uint8_t *row =
        base + (size_t)at_line * FONT_HEIGHT * scale * pitch + at_column * FONT_WIDTH * scale * 4;
    for (unsigned y = 0; y < FONT_HEIGHT * scale; y++, row += pitch) {
        unsigned bits = font_row((unsigned char)c, y / scale);
        volatile uint32_t *pixel = (volatile uint32_t *)row;
        for (unsigned bit = 0x80; bit != 0; bit >>= 1)
            for (unsigned i = 0; i < scale; i++)
                *pixel++ = bits & bit ? ink : 0;
    }
}

/* Make room below; returns the first empty line. */
static unsigned scroll(void)
{
    unsigned by = (n_lines + 3) / 4;

    for (unsigned l = 0; l < n_lines; l++)
        for (unsigned c = 0; c < n_columns; c++)
            paint(l, c, l + by < n_lines ? shown[l + by][c] : ' ');
    return n_lines - by;
}

static void put_letter(char c)
{
    unsigned at = column, on = line;

    if (at >= n_columns) {
        at = 0;
        on++;
    }
    if (on >= n_lines)
        on = scroll();
    paint(on, at, c); /* [screen.1] */
    column = at + 1;
    line = on;
}

static void put_byte(char c)
{
    if (state == ESCAPE) {
        state = c == '[' ? SEQUENCE : TEXT;
        return;
    }
    if (state == SEQUENCE) { /* parameters, up to a letter */
        if (c >= '@' && c <= '~')
            state = TEXT;
        return;
    }
    switch (c) {
    case '\033':
        state = ESCAPE;
        return;
    case '\n':
        /* Beyond the last line nothing moves until a letter comes: no line is left empty. */
        line = (line >= n_lines ? scroll() : line) + 1;
        column = 0;
        return;
    case '\r':
        column = 0;
        return;
    case '\b':
        if (column > 0)
            column--;
        return;
    case '\t':
        column = (column / 8 + 1) * 8;
        return;
    }
    if ((c >= ' ' && c <= '~') || ((unsigned char)c & 0xc0) == 0xc0)
        put_letter(c);
}

void screen_put(const char *s, size_t n)
{
    if (base == NULL && cells == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        put_byte(s[i]);
}
