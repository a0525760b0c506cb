/*
 * tools/monitor.c - talks to a running machine from outside.
 *
 *     monitor SOCKET COMMAND...     SOCKET is what QMP= of tools/run.sh names
 *
 * COMMAND is a line for QEMU's monitor ("system_reset", "inject-nmi", "info registers"), whose answer is
 * printed, or
 *     screen            print the text on the screen, as the letters of lib/font.c read it
 *     wait TEXT         look at the screen until it shows TEXT; status 1 after 60 seconds
 *     quit              end the machine
 * A letter that is none of ours is printed as a box: \177.
 */
#include "tools/common/qmp.h"
#include "tools/common/util.h"

#include <lib/font.c>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ZOOM_MAX = 9, WAIT_S = 60 };

struct picture {
    unsigned width, height;
    const uint8_t *rgb;
};

/* A binary PPM file. */
static struct picture picture_read(const char *path)
{
    struct picture p = {0};
    unsigned most;
    int n = 0;
    size_t bytes;
    char *text = (char *)util_read_file(path, &bytes);

    if (sscanf(text, "P6 %u %u %u%n", &p.width, &p.height, &most, &n) != 3 || most != 255 ||
        p.width > 100000 || p.height > 100000 ||
        bytes < (size_t)n + 1 + (size_t)3 * p.width * p.height)
        util_die("%s: no picture", path);
    p.rgb = (const uint8_t *)text + n + 1;
    return p;
}

static bool lit(const struct picture *p, unsigned x, unsigned y)
{
    return p->rgb[3 * ((size_t)y * p->width + x) + 1] >= 128;
}

/* The letter whose top left pixel is there; 0 if it is none. */
static char letter(const struct picture *p, unsigned zoom, unsigned x, unsigned y)
{
    for (unsigned c = FONT_FIRST; c <= 0x7f; c++) {
        bool same = true;
        for (unsigned i = 0; same && i < FONT_HEIGHT * zoom; i++)
            for (unsigned k = 0; same && k < FONT_WIDTH * zoom; k++)
                same = lit(p, x + k, y + i) ==
                       (font_row((unsigned char)c, i / zoom) >> (7 - k / zoom) & 1);
        if (same)
            return (char)c;
    }
    return 0;
}

/* All text of the picture, at the zoom that explains most of its letters. */
static const char *picture_text(const struct picture *p)
{
    const char *best = "";
    size_t best_letters = 0;

    for (unsigned zoom = 1; zoom <= ZOOM_MAX; zoom++) {
        char *out = NULL;
        size_t n = 0, cap = 0, letters = 0;

        for (unsigned y = 0; y + FONT_HEIGHT * zoom <= p->height; y += FONT_HEIGHT * zoom) {
            for (unsigned x = 0; x + FONT_WIDTH * zoom <= p->width; x += FONT_WIDTH * zoom) {
                char c = letter(p, zoom, x, y);
                letters += c > ' ' && c < 0x7f ? zoom * zoom : 0;
                UTIL_PUSH(out, n, cap) = c != 0 ? c : 0x7f;
            }
            while (n > 0 && out[n - 1] == ' ')
                n--;
            UTIL_PUSH(out, n, cap) = '\n';
        }
        while (n > 1 && out[n - 1] == '\n' && out[n - 2] == '\n')
            n--;
        UTIL_PUSH(out, n, cap) = '\0';
        if (letters > best_letters) {
            best_letters = letters;
            best = out;
        }
    }
    return best;
}

static const char *screen_text(void)
{
    char path[] = "/tmp/monitor.XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0)
        util_die("no temporary file");
    close(fd);
    const char *said = qmp_monitor(util_printf("screendump %s", path), 0);
    if (*said != '\0' && *said != '\r' && *said != '\n')
        util_die("%s", said);
    struct picture p = picture_read(path);
    unlink(path);
    return picture_text(&p);
}

int main(int argc, char **argv)
{
    util_program = "monitor";
    if (argc < 3) {
        fprintf(stderr, "usage: monitor SOCKET COMMAND...\n");
        return 2;
    }
    qmp_connect(argv[1]);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "screen") == 0) {
            fputs(screen_text(), stdout);
        } else if (strcmp(argv[i], "wait") == 0 && i + 1 < argc) {
            const char *want = argv[++i];
            for (int tries = 0; strstr(screen_text(), want) == NULL; tries++) {
                if (tries == 4 * WAIT_S)
                    util_die("the screen does not show \"%s\":\n%s", want, screen_text());
                usleep(250000);
            }
        } else if (strcmp(argv[i], "quit") == 0) {
            qmp_quit();
            return 0;
        } else {
            fputs(qmp_monitor(argv[i], 0), stdout);
        }
    }
    return 0;
}
