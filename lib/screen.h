/*
 * lib/screen.h - a framebuffer as a console: text that wraps, scrolls, and is only ever written.
 *
 * There is one. Whoever calls sees to it that calls do not overlap (lib/console.c); if they do all
 * the same, in a report, the picture suffers but nothing else does [screen.1].
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <boot/bootinfo.h>

/* The largest area of text, in letters; on a finer screen each point of a letter is several pixels
 * wide. */
#define SCREEN_COLUMNS_MAX 240u
#define SCREEN_LINES_MAX 100u

/* Can this be written to as it says? Nothing is believed but what is looked at here. */
bool screen_usable(const struct boot_framebuffer *fb);

/*
 * Clear the screen and begin at its top. `fb` is usable; `pixels` is where its first pixel is
 * mapped, up to pitch_bytes * height further on; best so that stores are combined.
 */
void screen_open(const struct boot_framebuffer *fb, volatile void *pixels);

/*
 * The same for a screen in text mode, as VGA cards have it: a letter and its colours in two bytes
 * each, no gap between lines. At most SCREEN_COLUMNS_MAX by SCREEN_LINES_MAX.
 */
void screen_open_text(volatile uint16_t *text, unsigned columns, unsigned lines);

/*
 * Write n bytes of text: \n, \r, \t and \b do what they do, escape sequences and other control
 * characters are left out, what is not ASCII is a box a letter. Nothing before screen_open().
 */
void screen_put(const char *s, size_t n);
