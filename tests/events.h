/*
 * tests/events.h - what happened, in order, as text: one letter for each thing.
 */
#pragma once

static char events[512];
static unsigned n_events;

static inline void reset(void)
{
    n_events = 0;
    events[0] = 0;
}

static inline void note(int c)
{
    if (n_events + 1 < sizeof events) {
        events[n_events++] = (char)c;
        events[n_events] = 0;
    }
}

static inline void note_text(const char *s)
{
    while (*s != 0)
        note(*s++);
}
