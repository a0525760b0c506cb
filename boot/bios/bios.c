/*
 * boot/bios/bios.c - the second stage: loads by the BIOS's disk extensions (int 13h, function 42h).
 *
 * WHAT. Finds the EFI system partition in the GPT, or in the GPT's copy at the end of the image;
 * reads files of its FAT32 file system; takes the memory map from int 15h, function E820h. All
 * sectors pass through a bounce buffer of 64 sectors below 1 MiB, because the BIOS reaches no
 * further.
 *
 * INVARIANTS
 * [bios.1] Every number that comes from the disk is checked against the size of what it points
 * into; a chain of clusters is followed no further than the file is long. [bios.2] fw_alloc() gives
 * out memory that E820 calls RAM and no other entry overlaps, above 1 MiB: all that the BIOS, its
 * data area and this program use lies below.
 *
 * The RSDP is not looked for: the runtime does that (acpi.c) when the start info has none.
 *
 * SOURCES. Phoenix, BIOS Enhanced Disk Drive Specification 3.0. Microsoft, FAT32 File System
 * Specification 1.03. UEFI 2.10, chapter 5 (GPT). ACPI 6.4, chapter 15 (E820).
 */
#include <boot/loader.h>
#include <boot/crc.h>

/* stage2.S */
struct bios_regs {
    uint32_t eax, ebx, ecx, edx, esi, edi;
    uint16_t flags, zero;
};
extern struct bios_regs bios_regs;
extern const struct boot_stage2_patch stage2_patch;
void bios_int(unsigned vector);
_Noreturn void bios_leave(uint32_t entry, uint32_t start_info);
_Noreturn void bios_main(uint32_t drive);

#define FLAG_CARRY 1u
#define BOUNCE ((uint8_t *)0x10000)
#define BOUNCE_SECTORS 64u

static uint32_t drive_number;

/* ---- Console: COM1, which the MBR has set up, and the screen ---- */

#define COM1 0x3f8

static void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

void fw_put(const char *text)
{
    for (; *text != '\0'; text++) {
        for (unsigned tries = 0; tries < 65536 && !(in8(COM1 + 5) & 0x20); tries++)
            ;
        out8(COM1, (uint8_t)*text);
        bios_regs.eax = 0x0e00 | (uint8_t)*text;
        bios_regs.ebx = 7;
        bios_int(0x10);
    }
}

_Noreturn void fw_stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* ---- Sectors ---- */

static void copy(void *to, const void *from, size_t n)
{
    __builtin_memcpy(to, from, n);
}

struct disk_packet {
    uint8_t bytes, zero;
    uint16_t sectors, offset, segment;
    uint64_t lba;
};

/* Read up to BOUNCE_SECTORS sectors into the bounce buffer. */
static void sectors_bounce(uint64_t lba, uint32_t n)
{
    /* The BIOS wants it below 64 KiB, where the stack is, and bss is not. */
    struct disk_packet packet = {16, 0, (uint16_t)n, 0, (uint16_t)((uintptr_t)BOUNCE >> 4), lba};

    for (int tries = 0;; tries++) {
        bios_regs.eax = 0x4200;
        bios_regs.edx = drive_number;
        bios_regs.esi = (uintptr_t)&packet;
        bios_int(0x13);
        if (!(bios_regs.flags & FLAG_CARRY))
            return;
        if (tries == 3)
            loader_fail("the BIOS can't read %u sectors at %X: its error is %x", n, lba,
                        bios_regs.eax >> 8 & 255);
        packet.sectors = (uint16_t)n; /* it may have put there how far it got */
        bios_regs.eax = 0;
        bios_regs.edx = drive_number;
        bios_int(0x13);
    }
}

static void sectors_read(uint64_t lba, uint32_t n, uint8_t *to)
{
    while (n > 0) {
        uint32_t k = n < BOUNCE_SECTORS ? n : BOUNCE_SECTORS;

        sectors_bounce(lba, k);
        copy(to, BOUNCE, k * BOOT_SECTOR);
        lba += k;
        n -= k;
        to += k * BOOT_SECTOR;
    }
}

/* ---- GPT
 * ------------------------------------------------------------------------------------------------
 */

struct gpt_header {
    uint64_t magic;
    uint32_t revision, bytes, crc, zero;
    uint64_t lba, other_lba, first_lba, last_lba;
    uint8_t disk[16];
    uint64_t entries_lba;
    uint32_t n_entries, entry_bytes, entries_crc;
};

struct gpt_entry {
    uint32_t type[4], id[4];
    uint64_t first_lba, last_lba, flags;
    uint16_t name[36];
};

#define GPT_MAGIC UINT64_C(0x5452415020494645) /* "EFI PART" */
#define GPT_ENTRIES_MAX 128u

static struct {
    uint64_t lba, sectors;
} esp;

/* Find the EFI system partition in the table whose header is at `lba`; NULL, or what is wrong. */
static const char *gpt_read(uint64_t lba)
{
    static const uint32_t type_esp[4] = {0xc12a7328, 0x11d2f81f, 0xa0004bba, 0x3bc93ec9};
    struct gpt_header h;

    sectors_bounce(lba, 1);
    copy(&h, BOUNCE, sizeof h);
    if (h.magic != GPT_MAGIC || h.bytes < 92 || h.bytes > BOOT_SECTOR)
        return "is not there";
    __builtin_memset(BOUNCE + offsetof(struct gpt_header, crc), 0, 4);
    if (crc32(0, BOUNCE, h.bytes) != h.crc || h.lba != lba)
        return "is corrupted";
    if (h.n_entries > GPT_ENTRIES_MAX || h.entry_bytes != sizeof(struct gpt_entry))
        return "is of an unknown form";
    sectors_bounce(h.entries_lba, (h.n_entries * sizeof(struct gpt_entry) + 511) / BOOT_SECTOR);
    if (crc32(0, BOUNCE, h.n_entries * sizeof(struct gpt_entry)) != h.entries_crc)
        return "has corrupted entries";
    for (uint32_t i = 0; i < h.n_entries; i++) {
        struct gpt_entry e;

        copy(&e, BOUNCE + i * sizeof e, sizeof e);
        if (e.type[0] == type_esp[0] && e.type[1] == type_esp[1] && e.type[2] == type_esp[2] &&
            e.type[3] == type_esp[3] && e.first_lba <= e.last_lba) {
            esp.lba = e.first_lba;
            esp.sectors = e.last_lba - e.first_lba + 1;
            return NULL;
        }
    }
    return "has no EFI system partition";
}

/* ---- FAT32 ---- */

static struct {
    uint64_t fat_lba, data_lba;
    uint32_t cluster_sectors, n_clusters, root;
    uint32_t fat_cached; /* which sector of the FAT is in fat_sector, plus 1 */
} fs;
static uint8_t fat_sector[BOOT_SECTOR];
static struct {
    const char *path;
    uint32_t cluster, bytes;
} file;

static uint32_t get16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static void fat_open(void)
{
    uint8_t b[BOOT_SECTOR];

    sectors_read(esp.lba, 1, b);
    uint32_t reserved = get16(b + 14), n_fats = b[16], sectors = get32(b + 32);
    uint32_t fat_sectors = get32(b + 36);
    uint64_t data = reserved + (uint64_t)n_fats * fat_sectors;

    fs.cluster_sectors = b[13];
    if (b[510] != 0x55 || b[511] != 0xaa || get16(b + 11) != BOOT_SECTOR || get16(b + 22) != 0 ||
        fs.cluster_sectors == 0 || (fs.cluster_sectors & (fs.cluster_sectors - 1)) != 0 ||
        n_fats == 0 || reserved == 0 || sectors > esp.sectors || data >= sectors)
        loader_fail("the boot partition at sector %X holds no FAT32 file system", esp.lba);
    fs.fat_lba = esp.lba + reserved;
    fs.data_lba = esp.lba + data;
    fs.n_clusters = (sectors - (uint32_t)data) / fs.cluster_sectors;
    if (fs.n_clusters > fat_sectors * 128 - 2)
        fs.n_clusters = fat_sectors * 128 - 2;
    fs.root = get32(b + 44);
}

/* Is this the number of a cluster that exists? */
static bool cluster_good(uint32_t cluster)
{
    return cluster >= 2 && cluster - 2 < fs.n_clusters;
}

static uint32_t cluster_next(uint32_t cluster)
{
    uint32_t sector = cluster / 128;

    if (fs.fat_cached != sector + 1) {
        sectors_read(fs.fat_lba + sector, 1, fat_sector);
        fs.fat_cached = sector + 1;
    }
    return get32(fat_sector + cluster % 128 * 4) & 0x0fffffff;
}

static uint64_t cluster_lba(uint32_t cluster)
{
    return fs.data_lba + (uint64_t)(cluster - 2) * fs.cluster_sectors;
}

/* Does the directory entry bear the name that stands at `path`, up to a slash or its end? */
static bool name_is(const uint8_t *entry, const char *path)
{
    for (int i = 0; i < 11; i++) {
        char want = ' ';

        if (i == 8 && *path == '.')
            path++;
        if (*path != '\0' && *path != '/' && *path != '.')
            want = *path++;
        if (entry[i] != (uint8_t)want)
            return false;
    }
    return *path == '\0' || *path == '/';
}

/* Look in the directory that begins at `cluster`; false if the name is not there. */
static bool directory_find(uint32_t cluster, const char *path, bool folder)
{
    for (uint32_t seen = 0; cluster_good(cluster) && seen < fs.n_clusters; seen++) {
        for (uint32_t s = 0; s < fs.cluster_sectors; s++) {
            uint8_t sector[BOOT_SECTOR];

            sectors_read(cluster_lba(cluster) + s, 1, sector);
            for (const uint8_t *e = sector; e < sector + BOOT_SECTOR; e += 32) {
                if (e[0] == 0)
                    return false;
                /* 8: the volume's label, and parts of long names */
                if ((e[11] & 8) != 0 || (e[11] >> 4 & 1) != folder || !name_is(e, path))
                    continue;
                file.cluster = get16(e + 20) << 16 | get16(e + 26);
                file.bytes = get32(e + 28);
                return true;
            }
        }
        cluster = cluster_next(cluster);
    }
    return false;
}

bool fw_open(const char *path, uint64_t *bytes)
{
    uint32_t cluster = fs.root;

    file.path = path;
    for (const char *at = path;; at++) {
        const char *end = at;

        while (*end != '\0' && *end != '/')
            end++;
        if (!directory_find(cluster, at, *end == '/'))
            return false;
        if (*end == '\0')
            break;
        cluster = file.cluster;
        at = end;
    }
    *bytes = file.bytes;
    return true;
}

/* Clusters that lie in a row are read together [bios.1]. */
void fw_read(void *to, uint64_t bytes)
{
    uint32_t cluster = file.cluster, left = (uint32_t)bytes;
    const uint32_t cluster_bytes = fs.cluster_sectors * BOOT_SECTOR;
    uint8_t *at = to;

    while (left > 0) {
        uint32_t first = cluster, n = 0, next = cluster;

        while (n < left && next == first + n / cluster_bytes) {
            if (!cluster_good(next))
                loader_fail("the file allocation table is corrupted: %s leads to cluster %x",
                            file.path, next);
            n += cluster_bytes;
            cluster = next;
            next = n < left ? cluster_next(cluster) : 0;
        }
        cluster = next;
        if (n > left)
            n = left;
        uint64_t lba = cluster_lba(first);
        sectors_read(lba, n / BOOT_SECTOR, at);
        if (n % BOOT_SECTOR != 0) {
            sectors_bounce(lba + n / BOOT_SECTOR, 1);
            copy(at + n / BOOT_SECTOR * BOOT_SECTOR, BOUNCE, n % BOOT_SECTOR);
        }
        at += n;
        left -= n;
    }
}

/* ---- Memory ---- */

#define PAGE 4096u

static struct {
    uint64_t base, bytes;
    uint32_t type, attributes;
} e820[LOADER_MEMORY_MAX];
static uint32_t n_e820;
static struct {
    uint32_t base, end; /* pages that are free */
} ram[64];
static uint32_t n_ram;

static void e820_read(void)
{
    uint8_t entry[24]; /* below 64 KiB, for the BIOS */

    bios_regs.ebx = 0;
    do {
        __builtin_memset(entry, 0, sizeof entry);
        entry[20] = 1; /* attributes: valid, if the BIOS leaves them alone */
        bios_regs.eax = 0xe820;
        bios_regs.ecx = sizeof entry;
        bios_regs.edx = 0x534d4150; /* "SMAP" */
        bios_regs.edi = (uintptr_t)entry;
        bios_int(0x15);
        if ((bios_regs.flags & FLAG_CARRY) || bios_regs.eax != 0x534d4150)
            break;
        copy(&e820[n_e820], entry, sizeof entry);
        if (bios_regs.ecx < 24 || (e820[n_e820].attributes & 1))
            n_e820++;
    } while (bios_regs.ebx != 0 && n_e820 < LOADER_MEMORY_MAX);
    if (n_e820 == 0)
        loader_fail("the BIOS gives no memory map (E820)");
}

/* Take [base, end) out of the free ranges: at most one of them is cut in two. */
static void ram_remove(uint64_t base, uint64_t end)
{
    for (uint32_t i = 0; i < n_ram; i++) {
        uint32_t old_end = ram[i].end;

        if (base >= old_end || end <= ram[i].base)
            continue;
        ram[i].end = base > ram[i].base ? (uint32_t)base : ram[i].base;
        if (end < old_end && n_ram < sizeof ram / sizeof *ram) {
            ram[n_ram].base = (uint32_t)end;
            ram[n_ram++].end = old_end;
        }
    }
}

/* [bios.2] */
static void ram_find(void)
{
    for (uint32_t i = 0; i < n_e820 && n_ram < sizeof ram / sizeof *ram; i++) {
        uint64_t base = e820[i].base, end = base + e820[i].bytes;

        if (e820[i].type != LOADER_RAM || end < base)
            continue;
        if (base < 1 << 20)
            base = 1 << 20;
        if (end > 0xfffff000)
            end = 0xfffff000;
        base = (base + PAGE - 1) & -(uint64_t)PAGE;
        end &= -(uint64_t)PAGE;
        if (base < end) {
            ram[n_ram].base = (uint32_t)base;
            ram[n_ram++].end = (uint32_t)end;
        }
    }
    for (uint32_t i = 0; i < n_e820; i++)
        if (e820[i].type != LOADER_RAM && e820[i].base < UINT64_C(1) << 32)
            ram_remove(e820[i].base & -(uint64_t)PAGE,
                       (e820[i].base + e820[i].bytes + PAGE - 1) & -(uint64_t)PAGE);
}

/* The kernel grows from below, everything else from above. */
uint64_t fw_alloc(uint64_t bytes, uint64_t limit)
{
    uint32_t best = 0;

    (void)limit; /* all of it is below 4 GiB */
    bytes = bytes == 0 ? PAGE : (bytes + PAGE - 1) & -(uint64_t)PAGE;
    for (uint32_t i = 0; i < n_ram; i++)
        if (ram[i].end - ram[i].base >= bytes && ram[i].end - (uint32_t)bytes > best)
            best = ram[i].end - (uint32_t)bytes;
    if (best != 0)
        ram_remove(best, best + bytes);
    return best;
}

bool fw_alloc_at(uint64_t paddr, uint64_t bytes)
{
    for (uint32_t i = 0; i < n_ram; i++)
        if (paddr >= ram[i].base && paddr + bytes <= ram[i].end) {
            ram_remove(paddr, paddr + bytes);
            return true;
        }
    return false;
}

/* ---- From beginning to end ---- */

void fw_check_itself(const struct boot_file *efi)
{
    (void)efi; /* this loader is not the one of that file; the MBR has checked it */
}

bool fw_framebuffer(struct boot_framebuffer *fb)
{
    (void)fb; /* the screen is in text mode */
    return false;
}

_Noreturn void fw_leave(struct loader_handoff *h, uint32_t entry)
{
    for (uint32_t i = 0; i < n_e820; i++)
        loader_memory_add(h, e820[i].base, e820[i].bytes, (enum loader_memory)e820[i].type);
    bios_leave(entry, (uintptr_t)&h->start);
}

/* Is address bit 20 alive? */
static bool a20_open(void)
{
    static volatile uint32_t low;
    volatile uint32_t *high = (volatile uint32_t *)((uintptr_t)&low + (1 << 20));

    low = 0x12345678;
    *high = 0x87654321;
    return low == 0x12345678;
}

static void a20_by_keyboard(void)
{
    static const uint8_t commands[][2] = {{0x64, 0xd1}, {0x60, 0xdf}, {0x64, 0xff}};

    for (unsigned i = 0; i < 3; i++) {
        for (unsigned tries = 0; tries < 65536 && (in8(0x64) & 2); tries++)
            ;
        out8(commands[i][0], commands[i][1]);
    }
    for (unsigned tries = 0; tries < 65536 && !a20_open(); tries++)
        ;
}

_Noreturn void bios_main(uint32_t drive)
{
    drive_number = drive;
    if (!a20_open())
        a20_by_keyboard();
    if (!a20_open())
        loader_fail("the A20 gate stays closed: every second MiB of memory can't be used");
    e820_read();
    ram_find();

    const char *wrong = gpt_read(1);
    if (wrong != NULL) {
        loader_say("the partition table at sector 1 %s; trying its copy at %X", wrong,
                   stage2_patch.gpt_copy_lba);
        wrong = gpt_read(stage2_patch.gpt_copy_lba);
        if (wrong != NULL)
            loader_fail("the copy of the partition table %s, too", wrong);
    }
    fat_open();
    loader_main();
}
