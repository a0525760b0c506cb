/*
 * lib/lastwords.c - the last report, kept in memory over a warm restart.
 *
 * WHAT. A machine without somebody who watches its console restarts after a fatal error
 * (on_panic=reboot, or a watchdog), and its report would be gone. So it is also written to a fixed
 * place in memory. A restart without a loss of power leaves memory as it is, more often than not;
 * the next run finds the report, and prints it.
 *
 * INVARIANTS
 * [lastwords.1] What is printed was written by us, whole: the magic number is followed by one word
 *               of length and checksum, stored after the text, so a reset at any moment leaves what
 *               was there up to then.
 *
 * REJECTED. The firmware's variables (ACPI ERST, UEFI): not in every machine, and no place to go
 * from a machine that has just failed.
 */
#include <lib/lastwords.h>

#include <lib/atomic.h>
#include <lib/print.h>
#include <string.h>

#define MAGIC UINT64_C(0x7764726f77746c61)

struct lastwords {
    uint64_t magic;
    uint64_t sum_and_bytes; /* [lastwords.1] checksum << 32 | bytes of text */
    char text[];
};

static struct lastwords *words; /* [I] */
static size_t room_bytes;       /* [I] for text */

/* CRC-32, bit by bit: few bytes, rarely. */
static uint32_t checksum(uint32_t sum, const char *s, size_t n)
{
    while (n-- != 0) {
        sum ^= (unsigned char)*s++;
        for (int i = 0; i < 8; i++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
    }
    return sum;
}

void lastwords_open(void *room, size_t bytes)
{
    if (room == NULL || bytes < sizeof *words)
        return;
    words = room;
    room_bytes = bytes - sizeof *words;
    size_t n = (uint32_t)words->sum_and_bytes;
    if (words->magic == MAGIC && n != 0 && n <= room_bytes &&
        checksum(~0u, words->text, n) == words->sum_and_bytes >> 32) /* [lastwords.1] */
        rt_printf("boot: the run before this one ended so:\n%.*s\nboot: that was the run before\n",
                  (int)n, words->text);
    words->magic = 0;
}

void lastwords_add(const char *s, size_t n)
{
    if (words == NULL)
        return;
    uint64_t head = words->magic == MAGIC ? words->sum_and_bytes : (uint64_t)~0u << 32;
    size_t used = (uint32_t)head;
    if (n > room_bytes - used)
        n = room_bytes - used;
    memcpy(words->text + used, s, n);
    head = (uint64_t)checksum((uint32_t)(head >> 32), s, n) << 32 | (used + n);
    store_release(&words->sum_and_bytes, head); /* [lastwords.1]; partner: the next run */
    store_release(&words->magic, MAGIC);
}
