/*
 * tools/common/fat.c - see fat.h.
 *
 * INVARIANTS
 * [fat.1] All copies of the table are equal after each call, and the free count in FSInfo is right.
 * [fat.2] A new file takes the first free clusters, so in a new file system it lies in one piece.
 *
 * SOURCES. Microsoft, FAT32 File System Specification 1.03.
 */
#include "tools/common/fat.h"

#include "tools/common/elf.h"
#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    RESERVED = 32,          /* boot sector, FSInfo, and their copies at 6 */
    CLUSTERS_LEAST = 65525, /* fewer would be FAT16 */
    CLUSTERS_MIN = 65600,
    CLUSTERS_GOOD = 1 << 20,
    CLUSTERS_MAX = 0x0ffffff0,
    SPARE_BYTES = 1 << 20, /* for who edits files there */
    LAST = 0x0fffffff,
    ATTR_LABEL = 8,
    ATTR_FOLDER = 0x10,
    ATTR_FILE = 0x20,
    DATE = 0x21, /* 1980-01-01 */
};

static uint64_t get(const uint8_t *at, unsigned bytes)
{
    return elf_get(at, bytes);
}

static void put(uint8_t *at, unsigned bytes, uint64_t v)
{
    elf_put(at, bytes, v);
}

static uint8_t *cluster_at(const struct fat *fat, uint32_t cluster)
{
    if (cluster < 2 || cluster - 2 >= fat->n_clusters)
        util_die("%s: its FAT leads to cluster %u, which does not exist", fat->name, cluster);
    return fat->base +
           ((uint64_t)fat->reserved + fat->n_fats * (uint64_t)fat->fat_sectors) * SECTOR +
           (uint64_t)(cluster - 2) * fat->cluster_bytes;
}

static uint32_t next_get(const struct fat *fat, uint32_t cluster)
{
    return (uint32_t)get(fat->base + fat->reserved * SECTOR + cluster * 4, 4) & 0x0fffffff;
}

static void next_put(struct fat *fat, uint32_t cluster, uint32_t next)
{
    for (uint32_t i = 0; i < fat->n_fats; i++)
        put(fat->base + ((uint64_t)fat->reserved + (uint64_t)i * fat->fat_sectors) * SECTOR +
                cluster * 4,
            4, next);
}

static uint32_t free_clusters(const struct fat *fat)
{
    uint32_t n = 0;

    for (uint32_t c = 2; c < fat->n_clusters + 2; c++)
        n += next_get(fat, c) == 0;
    return n;
}

uint64_t fat_free_bytes(const struct fat *fat)
{
    return (uint64_t)free_clusters(fat) * fat->cluster_bytes;
}

/* [fat.1] */
static void info_update(struct fat *fat)
{
    uint8_t *info = fat->base + SECTOR;
    uint32_t c = 2;

    while (c < fat->n_clusters + 1 && next_get(fat, c) != 0)
        c++;
    put(info, 4, 0x41615252);
    put(info + 484, 4, 0x61417272);
    put(info + 488, 4, free_clusters(fat));
    put(info + 492, 4, c);
    put(info + 508, 4, 0xaa550000);
    memcpy(fat->base + 7 * SECTOR, info, SECTOR);
}

/* A free cluster, zeroed, marked as the last of its chain. */
static uint32_t cluster_take(struct fat *fat, uint32_t from)
{
    for (uint32_t c = from; c < fat->n_clusters + 2; c++)
        if (next_get(fat, c) == 0) {
            next_put(fat, c, LAST);
            memset(cluster_at(fat, c), 0, fat->cluster_bytes);
            return c;
        }
    if (from > 2)
        return cluster_take(fat, 2);
    util_die("%s: out of space", fat->name);
}

static uint64_t fat_sectors_of(uint64_t clusters)
{
    return (clusters + 2 + SECTOR / 4 - 1) / (SECTOR / 4);
}

/* Sectors in a cluster: the fewest that keep the table at 4 MiB. */
static uint32_t per_cluster_of(uint64_t sectors)
{
    uint32_t per = 1;

    while (per < 64 && sectors > (uint64_t)per * CLUSTERS_GOOD)
        per *= 2;
    return per;
}

uint64_t fat_sectors_for(uint64_t bytes, size_t n)
{
    for (uint32_t per = 1;; per *= 2) {
        uint64_t clusters = (bytes + SPARE_BYTES) / (per * SECTOR) + 2 * n + 8;

        if (clusters < CLUSTERS_MIN)
            clusters = CLUSTERS_MIN;
        uint64_t sectors = RESERVED + 2 * fat_sectors_of(clusters) + clusters * per;
        uint64_t least = per == 1 ? 0 : (uint64_t)per / 2 * CLUSTERS_GOOD + 1; /* of this kind */
        if (sectors < least)
            sectors = least;
        if (per_cluster_of(sectors) == per)
            return sectors;
    }
}

void fat_format(struct fat *fat, const char *name, uint8_t *base, uint32_t sectors,
                uint32_t first_lba, uint32_t serial)
{
    uint32_t per_cluster = per_cluster_of(sectors), clusters = (sectors - RESERVED) / per_cluster;
    uint32_t table = (uint32_t)fat_sectors_of(clusters);
    clusters = sectors < RESERVED + 2 * table ? 0 : (sectors - RESERVED - 2 * table) / per_cluster;
    if (clusters < CLUSTERS_LEAST)
        util_die("%s: %u sectors are too few for FAT32", name, sectors);
    if (clusters > CLUSTERS_MAX)
        util_die("%s: %u sectors are too many for FAT32", name, sectors);

    uint8_t *b = base;
    memcpy(b, "\xeb\x58\x90INGOT1.0", 11);
    put(b + 11, 2, SECTOR);
    put(b + 13, 1, per_cluster);
    put(b + 14, 2, RESERVED);
    put(b + 16, 1, 2);
    put(b + 21, 1, 0xf8); /* a hard disk */
    put(b + 24, 2, 63);
    put(b + 26, 2, 255);
    put(b + 28, 4, first_lba);
    put(b + 32, 4, sectors);
    put(b + 36, 4, table);
    put(b + 44, 4, 2); /* the root's cluster */
    put(b + 48, 2, 1); /* FSInfo */
    put(b + 50, 2, 6); /* the copy of this sector */
    put(b + 64, 1, 0x80);
    put(b + 66, 1, 0x29);
    put(b + 67, 4, serial);
    memcpy(b + 71, "INGOT      FAT32   ", 19);
    memcpy(b + 90, "\xf4\xeb\xfd", 3); /* who starts it as code gets a halt */
    put(b + 510, 2, 0xaa55);
    memcpy(base + 6 * SECTOR, b, SECTOR);

    fat_open(fat, name, base, sectors);
    next_put(fat, 0, 0x0ffffff8);
    next_put(fat, 1, LAST);
    next_put(fat, 2, LAST);
    uint8_t *label = cluster_at(fat, 2);
    memcpy(label, "INGOT      ", 11);
    label[11] = ATTR_LABEL;
    put(label + 24, 2, DATE);
    info_update(fat);
}

void fat_open(struct fat *fat, const char *name, uint8_t *base, uint64_t sectors)
{
    const uint8_t *b = base;

    if (sectors < RESERVED || get(b + 510, 2) != 0xaa55 || get(b + 11, 2) != SECTOR ||
        get(b + 22, 2) != 0 || b[13] == 0 || b[16] == 0)
        util_die("%s: holds no FAT32 file system", name);
    *fat = (struct fat){.name = name,
                        .base = base,
                        .sectors = (uint32_t)get(b + 32, 4),
                        .reserved = (uint32_t)get(b + 14, 2),
                        .fat_sectors = (uint32_t)get(b + 36, 4),
                        .n_fats = b[16],
                        .cluster_bytes = b[13] * SECTOR,
                        .root = (uint32_t)get(b + 44, 4)};
    uint64_t data = fat->reserved + fat->n_fats * (uint64_t)fat->fat_sectors;
    if (fat->sectors > sectors || fat->reserved < 8 || data >= fat->sectors)
        util_die("%s: its FAT32 file system is larger than the partition", name);
    uint64_t clusters = (fat->sectors - data) / b[13],
             listed = (uint64_t)fat->fat_sectors * 128 - 2;
    fat->n_clusters = (uint32_t)(clusters < listed ? clusters : listed);
}

/* The first `n` characters of a name to the 11 of a directory entry. */
static void name_make(const char *part, size_t n, uint8_t name[11])
{
    const char *dot = memchr(part, '.', n);
    size_t stem = dot ? (size_t)(dot - part) : n, ext = dot ? n - stem - 1 : 0;

    if (stem == 0 || stem > 8 || ext > 3)
        util_die("%.*s: no name of 8.3 characters", (int)n, part);
    memset(name, ' ', 11);
    memcpy(name, part, stem);
    if (dot)
        memcpy(name + 8, dot + 1, ext);
}

/*
 * The entry with that name in the directory that begins at `cluster`. If it is not there, a free
 * one if `make` is set, else NULL.
 */
static uint8_t *entry_find(struct fat *fat, uint32_t cluster, const uint8_t name[11], bool make)
{
    uint8_t *free_entry = NULL;

    for (uint32_t seen = 0;; seen++) {
        uint8_t *at = cluster_at(fat, cluster);
        uint32_t next = next_get(fat, cluster);

        for (uint8_t *e = at; e < at + fat->cluster_bytes; e += 32) {
            if ((e[0] == 0 || e[0] == 0xe5) && free_entry == NULL)
                free_entry = e;
            if (e[0] == 0 && !make)
                return NULL;
            if (e[0] == 0)
                return free_entry;
            if (!(e[11] & ATTR_LABEL) && memcmp(e, name, 11) == 0)
                return e;
        }
        if (next >= 0x0ffffff8 || seen > fat->n_clusters) {
            if (!make || free_entry != NULL)
                return free_entry != NULL && make ? free_entry : NULL;
            next = cluster_take(fat, cluster);
            next_put(fat, cluster, next);
        }
        cluster = next;
    }
}

static void entry_make(uint8_t *e, const uint8_t name[11], uint8_t attr, uint32_t cluster,
                       size_t bytes)
{
    memset(e, 0, 32);
    memcpy(e, name, 11);
    e[11] = attr;
    put(e + 16, 2, DATE);
    put(e + 18, 2, DATE);
    put(e + 20, 2, cluster >> 16);
    put(e + 24, 2, DATE);
    put(e + 26, 2, cluster & 0xffff);
    put(e + 28, 4, bytes);
}

static uint32_t entry_cluster(const uint8_t *e)
{
    return (uint32_t)(get(e + 20, 2) << 16 | get(e + 26, 2));
}

static uint32_t folder_make(struct fat *fat, uint32_t parent, uint8_t *entry,
                            const uint8_t name[11])
{
    uint32_t cluster = cluster_take(fat, 2);
    uint8_t *at = cluster_at(fat, cluster);

    entry_make(entry, name, ATTR_FOLDER, cluster, 0);
    entry_make(at, (const uint8_t *)".          ", ATTR_FOLDER, cluster, 0);
    entry_make(at + 32, (const uint8_t *)"..         ", ATTR_FOLDER,
               parent == fat->root ? 0 : parent, 0);
    return cluster;
}

/* Walk to the entry of a path; name gets its last part. As entry_find(). */
static uint8_t *path_find(struct fat *fat, const char *path, uint8_t name[11], bool make)
{
    uint32_t folder = fat->root;

    for (;;) {
        size_t n = strcspn(path, "/");
        name_make(path, n, name);
        uint8_t *e = entry_find(fat, folder, name, make);

        if (path[n] == '\0' || e == NULL)
            return e;
        bool is_new = e[0] == 0 || e[0] == 0xe5;
        if (!is_new && !(e[11] & ATTR_FOLDER))
            util_die("%s: %.*s is no folder", fat->name, (int)n, path);
        folder = is_new ? folder_make(fat, folder, e, name) : entry_cluster(e);
        path += n + 1;
    }
}

void fat_write(struct fat *fat, const char *path, const void *data, size_t bytes)
{
    uint8_t name[11];
    uint8_t *e = path_find(fat, path, name, true);
    uint32_t first = 0, last = 0, n_old = 0;

    if (bytes > UINT32_MAX)
        util_die("%s: %s has %zu bytes; a file in FAT32 has at most %u", fat->name, path, bytes,
                 UINT32_MAX);
    if (e[0] != 0 && e[0] != 0xe5)
        for (uint32_t c = entry_cluster(e), next;
             c >= 2 && c < 0x0ffffff8 && n_old < fat->n_clusters; c = next, n_old++) {
            cluster_at(fat, c); /* checks it */
            next = next_get(fat, c);
            next_put(fat, c, 0);
        }
    if (bytes > fat_free_bytes(fat))
        util_die("%s: out of space: %s has %zu bytes, and %llu are free", fat->name, path, bytes,
                 (unsigned long long)fat_free_bytes(fat));
    for (size_t done = 0; done < bytes; done += fat->cluster_bytes) {
        uint32_t c = cluster_take(fat, last ? last : 2);
        size_t n = bytes - done < fat->cluster_bytes ? bytes - done : fat->cluster_bytes;

        memcpy(cluster_at(fat, c), (const uint8_t *)data + done, n);
        if (last)
            next_put(fat, last, c);
        else
            first = c;
        last = c;
    }
    entry_make(e, name, ATTR_FILE, first, bytes);
    info_update(fat);
}

uint8_t *fat_read(struct fat *fat, const char *path, size_t *bytes)
{
    uint8_t name[11];
    const uint8_t *e = path_find(fat, path, name, false);

    if (e == NULL || (e[11] & ATTR_FOLDER))
        return NULL;
    *bytes = get(e + 28, 4);
    if (*bytes > (uint64_t)fat->n_clusters * fat->cluster_bytes)
        util_die("%s: %s has %zu bytes, more than the partition", fat->name, path, *bytes);
    uint8_t *data = util_alloc(*bytes + 1);
    uint32_t c = entry_cluster(e);
    for (size_t done = 0; done < *bytes; done += fat->cluster_bytes, c = next_get(fat, c)) {
        size_t n = *bytes - done < fat->cluster_bytes ? *bytes - done : fat->cluster_bytes;
        memcpy(data + done, cluster_at(fat, c), n);
    }
    return data;
}

uint64_t fat_where(struct fat *fat, const char *path)
{
    uint8_t name[11];
    const uint8_t *e = path_find(fat, path, name, false);

    if (e == NULL || entry_cluster(e) == 0)
        return 0;
    return (uint64_t)(cluster_at(fat, entry_cluster(e)) - fat->base) / SECTOR;
}
