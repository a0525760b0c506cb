/*
 * lib/char.h - characters by class, as the "C" locale has them: for whatever reads text.
 */
#pragma once

#include <rt/compiler.h>

static RT_ALWAYS_INLINE bool char_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The value of a digit in any base up to 36, of either case; 99 for anything else. */
static RT_ALWAYS_INLINE unsigned char_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : 99;
}
