/*
 * mm/memmap.c - from what the firmware says about memory to what may be used.
 *
 * WHAT. Walks the address space from 0 to the limit in steps that end where any range begins or
 * ends. In between nothing changes, so one look at all ranges says whether a step is usable. Steps
 * that touch are joined, and only then rounded inwards to pages: two ranges that share a page give
 * it, if both are RAM.
 *
 * INVARIANTS
 * [memmap.1] A page is in the map iff each of its bytes is in some RAM range and in no other one.
 * [memmap.2] Ranges are sorted, aligned, not empty, and there is a gap between any two.
 * [memmap.3] There are at most n_raw + n_keep of them: each begins where a RAM range begins or
 * where another one ends. So the array can't overflow while the map is built.
 *
 * REJECTED. Sorting first: needs scratch memory as large as the input, when there is none yet. The
 * walk is quadratic, but firmware maps have ten entries, and 600 take a millisecond.
 * SOURCES. ACPI 6.5, 15 (address range types; overlapping ranges). Linux arch/x86/kernel/e820.c.
 */
#include <mm/memmap.h>

#include <lib/assert.h>
#include <lib/bits.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define LOW_RAM_END ((uint64_t)640 << 10) /* what lies above belongs to video memory and ROMs */

/* The input, so that the walk sees one list. */
struct sources {
    const struct boot_range *raw, *keep;
    size_t n_raw, n_keep;
    uint64_t limit;
};

static bool range_wraps(const struct boot_range *r)
{
    return r->bytes != 0 && r->base + (r->bytes - 1) < r->base;
}

/* The range cut to [0, limit); an empty one is [limit, limit). */
static struct mem_range range_clip(const struct boot_range *r, bool ram, uint64_t limit)
{
    struct mem_range none = {limit, limit};
    uint64_t last = range_wraps(r) ? UINT64_MAX : r->base + (r->bytes - 1);

    if (r->bytes == 0 || r->base >= limit || (ram && range_wraps(r)))
        return none;
    return (struct mem_range){r->base, last >= limit ? limit : last + 1};
}

/* Is [at, *next) usable? *next is set to where that may change. */
static bool step_usable(const struct sources *s, uint64_t at, uint64_t *next)
{
    bool ram = false, taken = false;

    *next = s->limit;
    for (size_t i = 0; i < s->n_raw + s->n_keep; i++) {
        const struct boot_range *r = i < s->n_raw ? &s->raw[i] : &s->keep[i - s->n_raw];
        bool is_ram = i < s->n_raw && r->type == BOOT_MEM_RAM;
        struct mem_range clip = range_clip(r, is_ram, s->limit);

        if (clip.base > at) {
            if (clip.base < *next)
                *next = clip.base;
        } else if (clip.end > at) {
            if (clip.end < *next)
                *next = clip.end;
            if (is_ram)
                ram = true;
            else
                taken = true;
        }
    }
    return ram && !taken;
}

/* ---- Oddities ---- */

struct oddity {
    size_t n;     /* how often */
    size_t first; /* which range */
};

static void oddity_count(struct oddity *odd, size_t i)
{
    if (odd->n++ == 0)
        odd->first = i;
}

static void oddity_say(const struct oddity *odd, const struct boot_range *raw, const char *what)
{
    if (odd->n != 0)
        boot_complain("memory map", "ranges %s: %zu, first entry %zu: %#lx, %#lx bytes, type %u",
                      what, odd->n, odd->first, raw[odd->first].base, raw[odd->first].bytes,
                      (unsigned)raw[odd->first].type);
}

static void memmap_judge(const struct sources *s)
{
    struct oddity empty = {0}, wraps = {0}, high = {0}, overlaps = {0};

    for (size_t i = 0; i < s->n_raw; i++) {
        const struct boot_range *r = &s->raw[i];
        bool ram = r->type == BOOT_MEM_RAM;
        struct mem_range a = range_clip(r, ram, s->limit);

        if (r->bytes == 0 && r->type != 0) /* all zero: a slot that the loader did not use */
            oddity_count(&empty, i);
        else if (range_wraps(r))
            oddity_count(&wraps, i);
        else if (ram && r->base + (r->bytes - 1) >= s->limit)
            oddity_count(&high, i);
        for (size_t j = 0; j < i; j++) {
            bool ram_too = s->raw[j].type == BOOT_MEM_RAM;
            struct mem_range b = range_clip(&s->raw[j], ram_too, s->limit);

            if ((ram || ram_too) && a.base < b.end && b.base < a.end) {
                oddity_count(&overlaps, i);
                break;
            }
        }
    }
    oddity_say(&empty, s->raw, "are empty");
    oddity_say(&wraps, s->raw, "wrap round the end of the address space");
    oddity_say(&high, s->raw, "are RAM above what can be addressed");
    oddity_say(&overlaps, s->raw, "overlap one before");
}

/* ---- Maps ---- */

uint64_t memmap_build(struct memmap *map, const struct boot_range *raw, size_t n_raw,
                      const struct boot_range *keep, size_t n_keep, uint64_t limit)
{
    struct sources s = {raw, keep, n_raw, n_keep, limit};
    size_t kept = 0;
    uint64_t next;

    ASSERT(n_raw <= BOOT_RANGES_MAX && n_keep <= MEMMAP_KEEP_MAX);
    ASSERT(limit != 0 && limit % MEMMAP_PAGE_BYTES == 0);
    memmap_judge(&s);

    map->n = 0;
    for (uint64_t at = 0; at < limit; at = next) {
        if (!step_usable(&s, at, &next))
            continue;
        if (map->n != 0 && map->ranges[map->n - 1].end == at)
            map->ranges[map->n - 1].end = next;
        else
            map->ranges[map->n++] = (struct mem_range){at, next}; /* [memmap.3] */
    }

    for (size_t i = 0; i < map->n; i++) {
        uint64_t base = align_up(map->ranges[i].base, MEMMAP_PAGE_BYTES);
        uint64_t end = align_down(map->ranges[i].end, MEMMAP_PAGE_BYTES);

        if (base < end)
            map->ranges[kept++] = (struct mem_range){base, end};
    }
    map->n = kept;
    return memmap_bytes(map);
}

static void memmap_delete(struct memmap *map, size_t i)
{
    map->n--;
    memmove(&map->ranges[i], &map->ranges[i + 1], (map->n - i) * sizeof(map->ranges[0]));
}

static void memmap_insert(struct memmap *map, size_t i, struct mem_range range)
{
    memmove(&map->ranges[i + 1], &map->ranges[i], (map->n - i) * sizeof(map->ranges[0]));
    map->ranges[i] = range;
    map->n++;
}

/* Take [base, end) out of the middle of range i. Returns the number of ranges that it
 * has become. */
static size_t memmap_cut(struct memmap *map, size_t i, uint64_t base, uint64_t end)
{
    struct mem_range *range = &map->ranges[i];
    struct mem_range front = {range->base, base < range->base ? range->base : base};
    struct mem_range back = {end > range->end ? range->end : end, range->end};
    uint64_t front_bytes = front.end - front.base, back_bytes = back.end - back.base;

    if (front_bytes != 0 && back_bytes != 0 && map->n == MEMMAP_RANGES_MAX) {
        boot_complain("memory map", "more than %u pieces; %#lx bytes are lost", MEMMAP_RANGES_MAX,
                      front_bytes < back_bytes ? front_bytes : back_bytes);
        if (front_bytes < back_bytes)
            front_bytes = 0;
        else
            back_bytes = 0;
    }
    if (front_bytes == 0 && back_bytes == 0) {
        memmap_delete(map, i);
        return 0;
    }
    *range = front_bytes != 0 ? front : back;
    if (front_bytes == 0 || back_bytes == 0)
        return 1;
    memmap_insert(map, i + 1, back);
    return 2;
}

void memmap_remove(struct memmap *map, uint64_t base, uint64_t end)
{
    size_t i = 0;

    if (base >= end)
        return;
    base = align_down(base, MEMMAP_PAGE_BYTES);
    end = end > UINT64_MAX - MEMMAP_PAGE_BYTES ? align_down(end, MEMMAP_PAGE_BYTES)
                                               : align_up(end, MEMMAP_PAGE_BYTES);
    while (i < map->n) {
        if (map->ranges[i].base < end && base < map->ranges[i].end)
            i += memmap_cut(map, i, base, end);
        else
            i++;
    }
}

uint64_t memmap_take_low(struct memmap *map, uint64_t bytes)
{
    uint64_t found = 0;

    bytes = align_up(bytes, MEMMAP_PAGE_BYTES);
    for (size_t i = 0; i < map->n; i++) {
        uint64_t base = map->ranges[i].base, end = map->ranges[i].end;

        if (base < MEMMAP_PAGE_BYTES)
            base = MEMMAP_PAGE_BYTES; /* page 0 holds the BIOS's vectors, and 0 means none */
        if (end > LOW_RAM_END)
            end = LOW_RAM_END;
        if (base < end && end - base >= bytes)
            found = end - bytes;
    }
    memmap_remove(map, 0, MIB);
    return found;
}

uint64_t memmap_bytes(const struct memmap *map)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < map->n; i++)
        bytes += map->ranges[i].end - map->ranges[i].base;
    return bytes;
}

bool memmap_has(const struct memmap *map, uint64_t base, uint64_t end)
{
    for (size_t i = 0; i < map->n; i++)
        if (base >= map->ranges[i].base && end <= map->ranges[i].end)
            return true; /* one range is enough [memmap.2] */
    return base >= end;
}

void memmap_verify(const struct memmap *map)
{
    ASSERT(map->n <= MEMMAP_RANGES_MAX);
    for (size_t i = 0; i < map->n; i++) { /* [memmap.2] */
        ASSERT(map->ranges[i].base % MEMMAP_PAGE_BYTES == 0);
        ASSERT(map->ranges[i].end % MEMMAP_PAGE_BYTES == 0);
        ASSERT(map->ranges[i].base < map->ranges[i].end);
        ASSERT(i == 0 || map->ranges[i - 1].end < map->ranges[i].base);
    }
}
