/*
 * boot/bios/disk.c - finds the boot partition and reads files from it.
 *
 * WHAT. The EFI system partition is the first of its type in the GPT, or in the GPT's copy at the
 * end of the image; its file system is FAT32. Clusters that lie in a row are read together, up to a
 * bounce buffer at a time.
 *
 * INVARIANTS
 * [disk.1] Every number that comes from the disk is checked against the size of what it points
 *          into; a chain of clusters is followed no further than the file is long, a folder's no
 *          further than there are clusters.
 *
 * SOURCES. Microsoft, FAT32 File System Specification 1.03. UEFI 2.10, chapter 5 (GPT).
 */
#include <boot/bios/disk.h>
#include <boot/crc.h>
#include <boot/loader.h>

static void copy(void *to, const void *from, size_t n)
{
    __builtin_memcpy(to, from, n);
}

static void sectors_read(uint64_t lba, uint32_t n, uint8_t *to)
{
    while (n > 0) {
        uint32_t k = n < BOUNCE_SECTORS ? n : BOUNCE_SECTORS;

        sectors_bounce(lba, k);
        copy(to, bounce, k * BOOT_SECTOR);
        lba += k;
        n -= k;
        to += k * BOOT_SECTOR;
    }
}

/* ---- GPT ---- */

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
    copy(&h, bounce, sizeof h);
    if (h.magic != GPT_MAGIC || h.bytes < 92 || h.bytes > BOOT_SECTOR)
        return "is not there";
    __builtin_memset(bounce + offsetof(struct gpt_header, crc), 0, 4);
    if (crc32(0, bounce, h.bytes) != h.crc || h.lba != lba)
        return "is corrupted";
    if (h.n_entries > GPT_ENTRIES_MAX || h.entry_bytes != sizeof(struct gpt_entry))
        return "is of an unknown form";
    sectors_bounce(h.entries_lba, (h.n_entries * sizeof(struct gpt_entry) + 511) / BOOT_SECTOR);
    if (crc32(0, bounce, h.n_entries * sizeof(struct gpt_entry)) != h.entries_crc)
        return "has corrupted entries";
    for (uint32_t i = 0; i < h.n_entries; i++) {
        struct gpt_entry e;

        copy(&e, bounce + i * sizeof e, sizeof e);
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

static void volume_open(void)
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
    fs.fat_cached = 0;
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

/* [disk.1] */
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
            copy(at + n / BOOT_SECTOR * BOOT_SECTOR, bounce, n % BOOT_SECTOR);
        }
        at += n;
        left -= n;
    }
}

void disk_open(uint64_t gpt_copy_lba)
{
    const char *wrong = gpt_read(1);
    if (wrong != NULL) {
        loader_say("the partition table at sector 1 %s; trying its copy at %X", wrong,
                   gpt_copy_lba);
        wrong = gpt_read(gpt_copy_lba);
        if (wrong != NULL)
            loader_fail("the copy of the partition table %s, too", wrong);
    }
    volume_open();
}
