/*
 * lib/string.c - memory and string functions, among them those that compilers call unasked.
 *
 * WHAT. Copies and fills up to 16 bytes are two overlapping accesses; longer ones 8-byte words, the
 * last one overlapping; long ones the machine's string instructions where those are good: bytes on
 * machines with ERMS, words for fills everywhere. No vector registers: emulators are slow at them.
 *
 * INVARIANTS
 * [string.1] No loop here may be recognised by a compiler as the very function it implements.
 *            KEEP_LOOP hides the pointer's next value, which stops that and costs no instruction.
 * [string.2] Everything is in USER_FAULT_TEXT, helpers are inlined into it, so that a fault on a
 *            bad pointer is the program's.
 * [string.3] A copy reads its last word before it writes anything: overlapping areas come out
 *            right.
 */
#include <lib/string.h>
#include <arch/bulk.h>

bool string_use_erms;

#define KEEP_LOOP(pointer) __asm__ volatile("" : "+r"(pointer))
#define LONG_COPY 512 /* bytes from which a string instruction's start-up cost pays */

/* Any bytes, at any address, of any type. */
typedef uint64_t __attribute__((may_alias, aligned(1))) any64;
typedef uint32_t __attribute__((may_alias, aligned(1))) any32;
typedef uint16_t __attribute__((may_alias, aligned(1))) any16;

/* At most 16 bytes: every load before any store. */
static RT_ALWAYS_INLINE void copy_short(char *d, const char *s, size_t n)
{
    if (n >= 8) {
        uint64_t head = *(const any64 *)s, tail = *(const any64 *)(s + n - 8);
        *(any64 *)d = head;
        *(any64 *)(d + n - 8) = tail;
    } else if (n >= 4) {
        uint32_t head = *(const any32 *)s, tail = *(const any32 *)(s + n - 4);
        *(any32 *)d = head;
        *(any32 *)(d + n - 4) = tail;
    } else if (n >= 2) {
        uint16_t head = *(const any16 *)s, tail = *(const any16 *)(s + n - 2);
        *(any16 *)d = head;
        *(any16 *)(d + n - 2) = tail;
    } else if (n == 1) {
        *d = *s;
    }
}

/* More than 16 bytes, upwards; dst may overlap src from below. */
static RT_ALWAYS_INLINE void copy_up(char *d, const char *s, size_t n)
{
    char *d_last = d + n - 8;
    uint64_t last = *(const any64 *)(s + n - 8); /* [string.3] */

    for (; n > 32; n -= 32, d += 32, s += 32) {
        uint64_t w0 = ((const any64 *)s)[0], w1 = ((const any64 *)s)[1];
        uint64_t w2 = ((const any64 *)s)[2], w3 = ((const any64 *)s)[3];
        KEEP_LOOP(d);
        ((any64 *)d)[0] = w0;
        ((any64 *)d)[1] = w1;
        ((any64 *)d)[2] = w2;
        ((any64 *)d)[3] = w3;
    }
    for (; n > 8; n -= 8, d += 8, s += 8) {
        KEEP_LOOP(d);
        *(any64 *)d = *(const any64 *)s;
    }
    *(any64 *)d_last = last;
}

/* More than 16 bytes, downwards; dst may overlap src from above. */
static RT_ALWAYS_INLINE void copy_down(char *d, const char *s, size_t n)
{
    uint64_t first = *(const any64 *)s; /* [string.3] */

    for (char *to = d + n; n > 8; n -= 8) {
        to -= 8;
        KEEP_LOOP(to);
        *(any64 *)to = *(const any64 *)(s + n - 8);
    }
    *(any64 *)d = first;
}

USER_FAULT_TEXT void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    if (n <= 16)
        copy_short(dst, src, n);
    else if (n >= LONG_COPY && string_use_erms)
        arch_copy_bytes(dst, src, n);
    else
        copy_up(dst, src, n);
    return dst;
}

USER_FAULT_TEXT void *memmove(void *dst, const void *src, size_t n)
{
    uintptr_t distance = (uintptr_t)dst - (uintptr_t)src; /* below n: dst starts within src */

    if (n <= 16)
        copy_short(dst, src, n);
    else if (distance < n)
        copy_down(dst, src, n);
    else if (n >= LONG_COPY && string_use_erms && 0 - distance >= 64)
        arch_copy_bytes(dst, src, n);
    else
        copy_up(dst, src, n);
    return dst;
}

USER_FAULT_TEXT void *memset(void *dst, int byte, size_t n)
{
    uint64_t word = 0x0101010101010101u * (unsigned char)byte;
    char *d = dst;

    if (n < 8) {
        if (n >= 4) {
            *(any32 *)d = (uint32_t)word;
            *(any32 *)(d + n - 4) = (uint32_t)word;
        } else if (n > 0) {
            d[0] = (char)word;
            d[n / 2] = (char)word;
            d[n - 1] = (char)word;
        }
        return dst;
    }
    if (n >= LONG_COPY && string_use_erms) {
        arch_fill_bytes(d, (unsigned char)byte, n);
        return dst;
    }
    *(any64 *)(d + n - 8) = word;
    if (n >= LONG_COPY) {
        size_t skip = 8 - ((uintptr_t)d & 7); /* to a multiple of 8 */

        *(any64 *)d = word;
        arch_fill_words(d + skip, word, (n - skip) / 8);
        return dst;
    }
    for (; n > 8; n -= 8, d += 8) {
        KEEP_LOOP(d);
        *(any64 *)d = word;
    }
    return dst;
}

USER_FAULT_TEXT int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;

    for (; n >= 8 && *(const any64 *)p == *(const any64 *)q; n -= 8, p += 8, q += 8)
        KEEP_LOOP(p);
    for (; n > 0; n--, p++, q++) {
        KEEP_LOOP(p);
        if (*p != *q)
            return *p - *q;
    }
    return 0;
}

USER_FAULT_TEXT void *memchr(const void *s, int byte, size_t n)
{
    for (const unsigned char *p = s; n > 0; n--, p++) {
        KEEP_LOOP(p);
        if (*p == (unsigned char)byte)
            return (void *)(uintptr_t)p;
    }
    return NULL;
}

/* By aligned words, which may reach past the text but never into another page. */
__attribute__((no_sanitize("address"))) USER_FAULT_TEXT size_t strlen(const char *s)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    const char *p = s;

    for (; (uintptr_t)p & 7; p++) {
        KEEP_LOOP(p);
        if (*p == 0)
            return (size_t)(p - s);
    }
    for (;; p += 8) {
        KEEP_LOOP(p);
        uint64_t word = *(const any64 *)p;
        uint64_t zeros = (word - ones) & ~word & highs; /* the lowest bit: the first zero byte */
        if (zeros != 0)
            return (size_t)(p - s) + (size_t)__builtin_ctzll(zeros) / 8;
    }
}

USER_FAULT_TEXT size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    for (; n < max && s[n] != 0; n++)
        KEEP_LOOP(s);
    return n;
}

USER_FAULT_TEXT int strcmp(const char *a, const char *b)
{
    for (; *a == *b && *a != 0; a++, b++)
        KEEP_LOOP(a);
    return (unsigned char)*a - (unsigned char)*b;
}

USER_FAULT_TEXT int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        KEEP_LOOP(a);
        if (*a != *b || *a == 0)
            return (unsigned char)*a - (unsigned char)*b;
    }
    return 0;
}

USER_FAULT_TEXT char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++) {
        KEEP_LOOP(s);
        if (*s == 0)
            return NULL;
    }
    return (char *)(uintptr_t)s;
}

USER_FAULT_TEXT char *strrchr(const char *s, int c)
{
    const char *found = NULL;

    for (;; s++) {
        KEEP_LOOP(s);
        if (*s == (char)c)
            found = s;
        if (*s == 0)
            return (char *)(uintptr_t)found;
    }
}

USER_FAULT_TEXT char *strstr(const char *s, const char *part)
{
    size_t n = strlen(part);

    if (n == 0)
        return (char *)(uintptr_t)s;
    while ((s = strchr(s, *part)) != NULL && strncmp(s, part, n) != 0)
        s++;
    return (char *)(uintptr_t)s;
}

/* How many characters of s are all in the set, or (in == false) all out of it. */
static RT_ALWAYS_INLINE size_t span(const char *s, const char *set, bool in)
{
    uint64_t members[4] = {0};
    size_t n = 0;

    for (; *set != 0; set++)
        members[(unsigned char)*set / 64] |= 1ull << ((unsigned char)*set % 64);
    for (; s[n] != 0; n++) {
        unsigned char c = (unsigned char)s[n];
        if ((members[c / 64] >> (c % 64) & 1) != in)
            break;
    }
    return n;
}

USER_FAULT_TEXT size_t strspn(const char *s, const char *set)
{
    return span(s, set, true);
}

USER_FAULT_TEXT size_t strcspn(const char *s, const char *set)
{
    return span(s, set, false);
}

USER_FAULT_TEXT char *strpbrk(const char *s, const char *set)
{
    s += strcspn(s, set);
    return *s != 0 ? (char *)(uintptr_t)s : NULL;
}

USER_FAULT_TEXT char *strtok_r(char *restrict s, const char *restrict separators,
                               char **restrict state)
{
    if (s == NULL)
        s = *state;
    s += strspn(s, separators);
    char *end = s + strcspn(s, separators);

    *state = end;
    if (s == end)
        return NULL;
    if (*end != 0) {
        *end = 0;
        *state = end + 1;
    }
    return s;
}

USER_FAULT_TEXT char *strcpy(char *restrict dst, const char *restrict src)
{
    return memcpy(dst, src, strlen(src) + 1);
}

USER_FAULT_TEXT char *strncpy(char *restrict dst, const char *restrict src, size_t n)
{
    size_t used = strnlen(src, n);

    memcpy(dst, src, used);
    memset(dst + used, 0, n - used);
    return dst;
}

USER_FAULT_TEXT char *strcat(char *restrict dst, const char *restrict src)
{
    strcpy(dst + strlen(dst), src);
    return dst;
}

USER_FAULT_TEXT char *strncat(char *restrict dst, const char *restrict src, size_t n)
{
    size_t used = strnlen(src, n);
    char *end = dst + strlen(dst);

    memcpy(end, src, used);
    end[used] = 0;
    return dst;
}
