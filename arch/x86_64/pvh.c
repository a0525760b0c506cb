/*
 * arch/x86_64/pvh.c - reads the PVH start info, and believes nothing in it.
 *
 * WHAT. Copies numbers out of the loader's memory into struct boot_info. The judgement of memory
 * ranges is mm/memmap.c's; here a table only has to be readable and its count bearable.
 *
 * INVARIANTS
 * [pvh.1] Memory is read only through phys_map(), with the exact size that is then used, and each
 *         structure is copied out before it is looked at: no alignment is assumed.
 * [pvh.2] Every loop is bounded by a constant of ours, never by a count of theirs alone.
 * [pvh.3] After pvh_parse() cmdline and every module name are strings that end in readable memory.
 */
#include <arch/x86_64/pvh.h>

#include <boot/pvh.h>
#include <string.h>

#define PVH_TEXT_MAX (64u << 10) /* a text without NUL in so many bytes is no text */
#define PVH_TEXT_STEP 256u       /* it is searched in blocks that end at multiples of this */

#define PVH_V0_BYTES offsetof(struct pvh_start_info, memmap_paddr)

/* Copy one structure; false if it can't be read. */
static bool pvh_copy(void *to, const struct phys_reader *reader, uint64_t paddr, size_t bytes)
{
    const void *view = phys_map(reader, paddr, bytes);

    if (view == NULL)
        return false;
    memcpy(to, view, bytes);
    return true;
}

static void pvh_keep(struct boot_info *info, uint64_t base, uint64_t bytes)
{
    if (bytes != 0 && info->n_keep < BOOT_KEEP_MAX)
        info->keep[info->n_keep++] = (struct boot_range){base, bytes, BOOT_MEM_RESERVED};
}

/*
 * The string at paddr: its text, and its length without the NUL. "" if there is none (paddr 0),
 * and, after a complaint, if it can't be read to its end.
 */
static const char *pvh_text(struct boot_info *info, const struct phys_reader *reader,
                            const char *what, uint64_t paddr, size_t *len)
{
    size_t seen = 0;

    *len = 0;
    if (paddr == 0)
        return "";
    /* Block by block, so that a string just before unreadable memory is still found. */
    while (seen < PVH_TEXT_MAX) {
        uint64_t at = paddr + seen;
        size_t step = PVH_TEXT_STEP - (size_t)(at % PVH_TEXT_STEP);
        const char *block = phys_map(reader, at, step);
        size_t n = 0;

        if (block == NULL) {
            step = 1; /* the last readable bytes may end inside a block */
            block = phys_map(reader, at, step);
        }
        if (block == NULL) {
            boot_complain(what, "text at %#lx can't be read at %#lx; ignored", paddr, at);
            return "";
        }
        while (n < step && block[n] != 0)
            n++;
        if (n < step) {
            const char *text;

            *len = seen + n;
            /* This also refuses a text that goes round the end of the address space. */
            text = phys_map(reader, paddr, *len + 1);
            if (text == NULL || text[*len] != 0) {
                boot_complain(what, "text at %#lx can't be read as a whole; ignored", paddr);
                *len = 0;
                return "";
            }
            pvh_keep(info, paddr, *len + 1);
            return text;
        }
        seen += step;
    }
    boot_complain(what, "text at %#lx has no NUL within %u bytes; ignored", paddr, PVH_TEXT_MAX);
    return "";
}

static void pvh_parse_memmap(struct boot_info *info, const struct phys_reader *reader,
                             const struct pvh_start_info *start)
{
    uint32_t n = start->memmap_entries;

    if (start->memmap_paddr == 0 || n == 0) {
        boot_complain("memory map", "the start info has none");
        return;
    }
    if (n > BOOT_RANGES_MAX) {
        boot_complain("memory map", "it has %u entries; those after the first %u are ignored", n,
                      BOOT_RANGES_MAX);
        n = BOOT_RANGES_MAX;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = start->memmap_paddr + i * sizeof(struct pvh_memmap_entry);
        struct pvh_memmap_entry entry;

        if (at < start->memmap_paddr || !pvh_copy(&entry, reader, at, sizeof(entry))) {
            boot_complain("memory map", "entry %u of %u at %#lx can't be read", i, n, at);
            break;
        }
        info->ranges[info->n_ranges++] =
            (struct boot_range){entry.addr, entry.size, (enum boot_mem)entry.type};
    }
    pvh_keep(info, start->memmap_paddr, n * sizeof(struct pvh_memmap_entry));
}

static void pvh_parse_modules(struct boot_info *info, const struct phys_reader *reader,
                              const struct pvh_start_info *start)
{
    uint32_t n = start->nr_modules;

    if (n == 0)
        return;
    if (n > BOOT_MODULES_MAX) {
        boot_complain("module list", "it has %u modules; those after the first %u are ignored", n,
                      BOOT_MODULES_MAX);
        n = BOOT_MODULES_MAX;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = start->modlist_paddr + i * sizeof(struct pvh_module);
        struct pvh_module raw;
        struct boot_module *module = &info->modules[info->n_modules];
        size_t name_len;

        if (at < start->modlist_paddr || !pvh_copy(&raw, reader, at, sizeof(raw))) {
            boot_complain("module list", "module %u of %u at %#lx can't be read", i, n, at);
            break;
        }
        /* The data itself is not read here, so it may lie where the reader can't look yet. */
        if (raw.size != 0 && (raw.paddr == 0 || raw.paddr + (raw.size - 1) < raw.paddr)) {
            boot_complain("module list", "module %u at %#lx of %#lx bytes can't be; ignored", i,
                          raw.paddr, raw.size);
            continue;
        }
        module->paddr = raw.paddr;
        module->bytes = raw.size;
        module->name = pvh_text(info, reader, "module name", raw.cmdline_paddr, &name_len);
        pvh_keep(info, raw.paddr, raw.size);
        info->n_modules++;
    }
    pvh_keep(info, start->modlist_paddr, n * sizeof(struct pvh_module));
}

bool pvh_parse(struct boot_info *info, const struct phys_reader *reader, uint64_t start_paddr)
{
    struct pvh_start_info start = {0};

    memset(info, 0, sizeof(*info));
    info->cmdline = "";

    if (!pvh_copy(&start, reader, start_paddr, PVH_V0_BYTES)) {
        boot_complain("start info", "can't be read at %#lx", start_paddr);
        return false;
    }
    if (start.magic != PVH_MAGIC) {
        boot_complain("start info", "magic %#x at %#lx is not %#x", start.magic, start_paddr,
                      PVH_MAGIC);
        return false;
    }
    /* Versions only add fields at the end, so a later one is read as 1. */
    if (start.version >= 1 && !pvh_copy(&start, reader, start_paddr, sizeof(start))) {
        boot_complain("start info",
                      "version %u, but only %zu bytes can be read; taken as version 0",
                      start.version, PVH_V0_BYTES);
        start.version = 0;
    }
    pvh_keep(info, start_paddr, start.version >= 1 ? sizeof(start) : PVH_V0_BYTES);

    info->rsdp = start.rsdp_paddr;
    info->cmdline = pvh_text(info, reader, "command line", start.cmdline_paddr, &info->cmdline_len);
    if (start.version >= 1)
        pvh_parse_memmap(info, reader, &start);
    else
        boot_complain("memory map", "start info version 0 has none");
    pvh_parse_modules(info, reader, &start);
    return true;
}
