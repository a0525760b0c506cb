/*
 * lib/cpio.c - reads cpio archives.
 *
 * SOURCES. Linux Documentation/driver-api/early-userspace/buffer-format.rst: an entry is a header
 * of 110 bytes, all digits (magic 070701 or 070702, then 13 fields of 8 hexadecimal digits), the
 * name with its NUL, padding to 4 bytes, the data, padding to 4 bytes; the last entry is called
 * TRAILER!!!.
 */
#include <lib/cpio.h>
#include <lib/char.h>
#include <lib/string.h>

#define HEADER_BYTES 110u
#define TYPE_MASK 0170000u
#define TYPE_REGULAR 0100000u

enum field { FIELD_MODE = 1, FIELD_FILESIZE = 6, FIELD_NAMESIZE = 11 };

/* One header field; false if it isn't hexadecimal. */
static bool field_read(const char *header, enum field which, size_t *value)
{
    const char *digit = header + 6 + 8 * (size_t)which;

    *value = 0;
    for (int i = 0; i < 8; i++) {
        unsigned n = char_digit(digit[i]);
        if (n > 15)
            return false;
        *value = *value << 4 | n;
    }
    return true;
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

bool cpio_is(const void *archive, size_t bytes)
{
    return bytes >= HEADER_BYTES &&
           (memcmp(archive, "070701", 6) == 0 || memcmp(archive, "070702", 6) == 0);
}

size_t cpio_list(const void *archive, size_t bytes, struct cpio_file *files, size_t max)
{
    const char *base = archive;
    size_t n = 0, at = 0;

    while (n < max && at < bytes && cpio_is(base + at, bytes - at)) {
        const char *header = base + at, *name = header + HEADER_BYTES;
        size_t mode, file_bytes, name_bytes;

        if (!field_read(header, FIELD_MODE, &mode) ||
            !field_read(header, FIELD_FILESIZE, &file_bytes) ||
            !field_read(header, FIELD_NAMESIZE, &name_bytes))
            break;
        /* Fields are below 2^32, so these sums can't wrap. */
        size_t data_at = at + padded(HEADER_BYTES + name_bytes);
        if (name_bytes == 0 || data_at + file_bytes > bytes || name[name_bytes - 1] != '\0')
            break;
        if (strcmp(name, "TRAILER!!!") == 0)
            break;
        if ((mode & TYPE_MASK) == TYPE_REGULAR)
            files[n++] = (struct cpio_file){name, base + data_at, file_bytes};
        at = data_at + padded(file_bytes);
    }
    return n;
}
