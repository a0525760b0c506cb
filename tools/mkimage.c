/*
 * tools/mkimage.c - makes the flashable image: one raw disk that boots by UEFI and by BIOS.
 *
 *     mkimage -o IMAGE --mbr F --stage2 F --efi F [--cmdline TEXT] [--size BYTES]
 *             KERNEL.elf [MODULE...]
 *     mkimage --set-cmdline IMAGE TEXT     another command line for a finished image
 *     mkimage --list IMAGE                 what is in it; also checks all checksums
 *
 * WHAT. boot/image.h shows what lies where. The kernel is flattened: its loadable segments as they
 * lie in memory, so that a loader only has to read it to one place. Without --size the image is as
 * small as FAT32 allows, which is 34 MiB.
 *
 * INVARIANTS
 * [mkimage.1] Equal arguments and files give equal bytes: no clock, no chance. What has to be
 * unique (disk and partition ids, the volume's number) is made from the checksums of the content.
 * [mkimage.2] All that a loader reads has its checksum in the manifest, which has one itself; the
 * second stage's is in the MBR.
 */
#include "tools/common/elf.h"
#include "tools/common/fat.h"
#include "tools/common/util.h"

#include <arch/bootinfo.h>
#include <boot/crc.h>
#include <boot/image.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_BYTES_MAX (UINT64_C(1) << 30)
#define GPT_ENTRIES 128u
#define GPT_SECTORS 33u /* header and entries */
#define ALIGN_SECTORS 2048u

_Static_assert(BOOT_IMAGE_MODULES_MAX + 1 <= BOOT_MODULES_MAX, "the framebuffer is one more");

static const uint8_t type_esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const uint8_t type_bios[16] = {0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e,
                                      0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49};

/* Files beside the modules: each has to be in the manifest, or to be it. */
struct parts {
    const char *mbr, *stage2, *efi, *kernel, *cmdline;
    const char *const *modules;
    size_t n_modules;
    uint64_t size; /* of the image; 0: as small as may be */
};

struct image {
    uint8_t *bytes;
    uint64_t sectors;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static struct boot_file describe(const void *data, size_t bytes)
{
    return (struct boot_file){.bytes = bytes, .crc = crc32(0, data, bytes)};
}

static const char *module_path(size_t i)
{
    char *path = util_printf("%s", BOOT_FILE_MODULE);

    path[BOOT_FILE_MODULE_DIGITS] = (char)('0' + i / 10);
    path[BOOT_FILE_MODULE_DIGITS + 1] = (char)('0' + i % 10);
    return path;
}

/* ---- The kernel ---- */

/* PVH's 32-bit entry: the note of type 18 of "Xen". */
static uint32_t kernel_entry(const struct elf *elf)
{
    const struct elf_section *note = elf_section(elf, ".note.pvh");

    if (note == NULL || note->size < 20 || elf_get(note->data, 4) != 4 ||
        elf_get(note->data + 8, 4) != 18 || memcmp(note->data + 12, "Xen", 4) != 0)
        util_die("%s: no PVH note: this is no image of ours", elf->path);
    return (uint32_t)elf_get(note->data + 16, 4);
}

/* Its bytes from its lowest address on; fills in the manifest. */
static uint8_t *kernel_flatten(struct boot_manifest *m, const char *path)
{
    struct elf elf;
    uint64_t base = UINT64_MAX, end = 0, file_end = 0;

    elf_open(&elf, path);
    if (elf.type != ELF_ET_EXEC)
        util_die("%s: is no executable", path);
    for (size_t i = 0; i < elf.n_segments; i++) {
        const struct elf_segment *s = &elf.segments[i];

        if (s->type != ELF_PT_LOAD || s->mem_bytes == 0)
            continue;
        if (s->paddr + s->mem_bytes < s->paddr || s->file_bytes > s->mem_bytes)
            util_die("%s: segment %zu goes round the end of memory", path, i);
        base = s->paddr < base ? s->paddr : base;
        end = s->paddr + s->mem_bytes > end ? s->paddr + s->mem_bytes : end;
        if (s->file_bytes != 0 && s->paddr + s->file_bytes > file_end)
            file_end = s->paddr + s->file_bytes;
    }
    if (file_end == 0)
        util_die("%s: has no bytes to load", path);
    if (end > KERNEL_BYTES_MAX)
        util_die("%s: too large: it needs memory up to %#llx, and %#llx is the limit", path,
                 (unsigned long long)end, (unsigned long long)KERNEL_BYTES_MAX);

    uint8_t *flat = util_alloc(file_end - base);
    for (size_t i = 0; i < elf.n_segments; i++) {
        const struct elf_segment *s = &elf.segments[i];

        if (s->type == ELF_PT_LOAD)
            memcpy(flat + (s->paddr - base), elf.data + s->offset, s->file_bytes);
    }
    m->kernel = describe(flat, file_end - base);
    m->kernel_paddr = base;
    m->kernel_memory_bytes = (end - base + 4095) & ~UINT64_C(4095);
    m->kernel_entry = kernel_entry(&elf);
    if (m->kernel_entry < base || m->kernel_entry >= file_end)
        util_die("%s: its PVH entry %#llx is not in it", path, (unsigned long long)m->kernel_entry);

    char *dot = util_printf("%s", base_name(path));
    size_t n = strlen(dot);
    if (n > 4 && strcmp(dot + n - 4, ".elf") == 0)
        dot[n - 4] = '\0';
    snprintf(m->program, sizeof m->program, "%s", dot);
    return flat;
}

/* ---- The command line ---- */

static const char *cmdline_text(const char *cmdline)
{
    for (const char *c = cmdline; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            util_die("the command line has a control character at byte %zu", (size_t)(c - cmdline));
    if (strlen(cmdline) > 4000)
        util_die("the command line has %zu bytes; 4000 are the most", strlen(cmdline));
    if (cmdline[strspn(cmdline, " ")] == '#')
        util_die("the command line begins with #: that would make it a comment");
    return util_printf(
        "# The command line: knobs (KEY=VALUE), then --, then the program's arguments.\n"
        "# Lines that begin with # don't count; line ends count as spaces.\n"
        "%s\n",
        cmdline);
}

static void cmdline_write(struct fat *fat, struct boot_manifest *m, const char *cmdline)
{
    const char *text = cmdline_text(cmdline);

    fat_write(fat, BOOT_FILE_CMDLINE, text, strlen(text));
    m->cmdline = describe(text, strlen(text));
}

static void manifest_write(struct fat *fat, struct boot_manifest *m)
{
    m->crc = 0;
    m->crc = crc32(0, m, sizeof *m);
    fat_write(fat, BOOT_FILE_MANIFEST, m, sizeof *m);
}

/* ---- Partition table ---- */

/* 16 bytes that follow from the manifest and `salt` [mkimage.1], in the form of a random GUID. */
static void guid_make(uint8_t guid[16], const struct boot_manifest *m, uint32_t salt)
{
    for (uint32_t i = 0; i < 4; i++)
        elf_put(guid + 4 * i, 4, crc32(crc32(salt * 4 + i + 1, m, sizeof *m), &i, sizeof i));
    guid[7] = (uint8_t)((guid[7] & 0x0f) | 0x40);
    guid[8] = (uint8_t)((guid[8] & 0x3f) | 0x80);
}

static void gpt_entry(uint8_t *e, const uint8_t type[16], const struct boot_manifest *m,
                      uint32_t salt, uint64_t first, uint64_t last, const char *name)
{
    memcpy(e, type, 16);
    guid_make(e + 16, m, salt);
    elf_put(e + 32, 8, first);
    elf_put(e + 40, 8, last);
    for (size_t i = 0; name[i]; i++)
        elf_put(e + 56 + 2 * i, 2, (unsigned char)name[i]);
}

static void gpt_header(uint8_t *h, const uint8_t disk[16], uint64_t at, uint64_t other,
                       uint64_t entries_at, uint64_t sectors, const uint8_t *entries)
{
    memcpy(h, "EFI PART", 8);
    elf_put(h + 8, 4, 0x10000);
    elf_put(h + 12, 4, 92);
    elf_put(h + 24, 8, at);
    elf_put(h + 32, 8, other);
    elf_put(h + 40, 8, 1 + GPT_SECTORS);
    elf_put(h + 48, 8, sectors - 1 - GPT_SECTORS);
    memcpy(h + 56, disk, 16);
    elf_put(h + 72, 8, entries_at);
    elf_put(h + 80, 4, GPT_ENTRIES);
    elf_put(h + 84, 4, 128);
    elf_put(h + 88, 4, crc32(0, entries, GPT_ENTRIES * 128));
    elf_put(h + 16, 4, crc32(0, h, 92));
}

static void gpt_write(struct image *image, const struct boot_manifest *m, uint64_t esp_sectors)
{
    uint8_t disk[16], *entries = image->bytes + 2 * BOOT_SECTOR;
    uint64_t last = image->sectors - 1;
    uint8_t *entries_copy = image->bytes + (last - GPT_SECTORS + 1) * BOOT_SECTOR;

    guid_make(disk, m, 0);
    /* The partition that people look at comes first. */
    gpt_entry(entries, type_esp, m, 1, BOOT_ESP_LBA, BOOT_ESP_LBA + esp_sectors - 1, "Ingot");
    gpt_entry(entries + 128, type_bios, m, 2, BOOT_STAGE2_LBA, BOOT_ESP_LBA - 1, "Ingot BIOS boot");
    memcpy(entries_copy, entries, GPT_ENTRIES * 128);
    gpt_header(image->bytes + BOOT_SECTOR, disk, 1, last, 2, image->sectors, entries);
    gpt_header(image->bytes + last * BOOT_SECTOR, disk, last, 1, last - GPT_SECTORS + 1,
               image->sectors, entries);
}

/* ---- Boot code ---- */

/* The protective MBR. Its one entry is marked active: some BIOSes boot nothing else. */
static void mbr_write(struct image *image, const char *path, const uint8_t *stage2,
                      size_t stage2_sectors, uint32_t disk_number)
{
    uint64_t rest = image->sectors - 1;
    size_t bytes;
    const uint8_t *code = util_read_file(path, &bytes);
    const struct boot_mbr_patch patch = {.stage2_lba = BOOT_STAGE2_LBA,
                                         .stage2_sectors = (uint16_t)stage2_sectors,
                                         .stage2_crc =
                                             crc32(0, stage2, stage2_sectors * BOOT_SECTOR)};

    if (bytes != 440)
        util_die("%s: has %zu bytes; an MBR's code has 440", path, bytes);
    memcpy(image->bytes, code, bytes);
    memcpy(image->bytes + BOOT_MBR_PATCH, &patch, sizeof patch);
    elf_put(image->bytes + 440, 4, disk_number);
    uint8_t *entry = image->bytes + 446;
    memcpy(entry, "\x80\x00\x02\x00\xee\xff\xff\xff", 8);
    elf_put(entry + 8, 4, 1);
    elf_put(entry + 12, 4, rest < UINT32_MAX ? rest : UINT32_MAX);
    elf_put(image->bytes + 510, 2, 0xaa55);
}

static size_t stage2_write(struct image *image, const char *path)
{
    size_t bytes;
    const uint8_t *code = util_read_file(path, &bytes);
    const struct boot_stage2_patch patch = {.gpt_copy_lba = image->sectors - 1};
    uint8_t *at = image->bytes + BOOT_STAGE2_LBA * BOOT_SECTOR;

    if (bytes < BOOT_SECTOR || bytes > STAGE2_SECTORS_MAX * BOOT_SECTOR)
        util_die("%s: has %zu bytes; a second stage has %u to %u", path, bytes, BOOT_SECTOR,
                 STAGE2_SECTORS_MAX * BOOT_SECTOR);
    memcpy(at, code, bytes);
    memcpy(at + BOOT_STAGE2_PATCH, &patch, sizeof patch);
    return (bytes + BOOT_SECTOR - 1) / BOOT_SECTOR;
}

/* ---- The whole ---- */

static void image_make(struct image *image, const struct parts *p)
{
    static struct boot_manifest m; /* static: no bytes of chance in it */
    const uint8_t *module_data[BOOT_IMAGE_MODULES_MAX];
    uint64_t bytes = sizeof m;
    size_t efi_bytes;

    m = (struct boot_manifest){.magic = BOOT_MANIFEST_MAGIC, .version = BOOT_MANIFEST_VERSION};
    if (p->n_modules > BOOT_IMAGE_MODULES_MAX)
        util_die("%zu modules; %d are the most", p->n_modules, BOOT_IMAGE_MODULES_MAX);
    const uint8_t *kernel = kernel_flatten(&m, p->kernel);
    const uint8_t *efi = util_read_file(p->efi, &efi_bytes);
    m.efi = describe(efi, efi_bytes);
    bytes += m.kernel.bytes + efi_bytes;
    for (size_t i = 0; i < p->n_modules; i++) {
        const char *name = base_name(p->modules[i]);
        size_t n;

        if (strlen(name) >= BOOT_NAME_BYTES)
            util_die("module %s: its name has more than %d characters", name, BOOT_NAME_BYTES - 1);
        module_data[i] = util_read_file(p->modules[i], &n);
        if (n > UINT32_MAX)
            util_die("module %s: too large: %zu bytes; a file in FAT32 has at most %u", name, n,
                     UINT32_MAX);
        m.modules[i].file = describe(module_data[i], n);
        memcpy(m.modules[i].name, name, strlen(name));
        bytes += n;
    }
    m.n_modules = (uint32_t)p->n_modules;

    uint64_t esp_sectors = fat_sectors_for(bytes, p->n_modules + 4);
    uint64_t least = (BOOT_ESP_LBA + esp_sectors + GPT_SECTORS + ALIGN_SECTORS - 1) /
                     ALIGN_SECTORS * ALIGN_SECTORS;
    image->sectors = p->size ? p->size / BOOT_SECTOR : least;
    if (image->sectors < least)
        util_die("out of space: an image of %llu bytes is asked for, and %llu are needed",
                 (unsigned long long)p->size, (unsigned long long)least * BOOT_SECTOR);
    esp_sectors = (image->sectors - BOOT_ESP_LBA - GPT_SECTORS) / 8 * 8;
    if (esp_sectors > UINT32_MAX)
        util_die("too large: %llu bytes", (unsigned long long)image->sectors * BOOT_SECTOR);
    image->bytes = util_alloc(image->sectors * BOOT_SECTOR);

    uint8_t id[16];
    struct fat fat;
    guid_make(id, &m, 3);
    fat_format(&fat, "the image", image->bytes + BOOT_ESP_LBA * BOOT_SECTOR, (uint32_t)esp_sectors,
               BOOT_ESP_LBA, (uint32_t)elf_get(id, 4));
    fat_write(&fat, BOOT_FILE_EFI, efi, efi_bytes);
    fat_write(&fat, BOOT_FILE_KERNEL, kernel, m.kernel.bytes);
    for (size_t i = 0; i < p->n_modules; i++)
        fat_write(&fat, module_path(i), module_data[i], m.modules[i].file.bytes);
    cmdline_write(&fat, &m, p->cmdline);
    manifest_write(&fat, &m);

    gpt_write(image, &m, esp_sectors);
    size_t n = stage2_write(image, p->stage2);
    mbr_write(image, p->mbr, image->bytes + BOOT_STAGE2_LBA * BOOT_SECTOR, n,
              (uint32_t)elf_get(id + 4, 4));
}

/* Write it with holes where it is zero. */
static void image_write(const struct image *image, const char *path)
{
    const size_t step = 64 << 10;
    static const uint8_t zero[64 << 10];
    uint64_t bytes = image->sectors * BOOT_SECTOR;
    char *temporary = util_printf("%s.new", path);
    FILE *f = fopen(temporary, "wb");
    bool ok = f != NULL;

    for (uint64_t at = 0; ok && at < bytes; at += step) {
        size_t n = bytes - at < step ? (size_t)(bytes - at) : step;

        if (memcmp(image->bytes + at, zero, n) == 0)
            continue;
        ok = fseeko(f, (off_t)at, SEEK_SET) == 0 && fwrite(image->bytes + at, 1, n, f) == n;
    }
    ok = ok && fflush(f) == 0 && ftruncate(fileno(f), (off_t)bytes) == 0;
    if (f != NULL && fclose(f) != 0)
        ok = false;
    if (!ok || rename(temporary, path) != 0)
        util_die("%s: %s", path, strerror(errno));
}

/* ---- A finished image ---- */

static void image_open(struct image *image, struct fat *fat, struct boot_manifest *m,
                       const char *path)
{
    size_t bytes, n;

    image->bytes = util_read_file(path, &bytes);
    image->sectors = bytes / BOOT_SECTOR;
    uint8_t *h = image->bytes + BOOT_SECTOR, *e = image->bytes + 2 * BOOT_SECTOR;
    if (image->sectors <= BOOT_ESP_LBA || memcmp(h, "EFI PART", 8) != 0 ||
        memcmp(e, type_esp, 16) != 0)
        util_die("%s: is no image made by mkimage", path);
    uint64_t first = elf_get(e + 32, 8), last = elf_get(e + 40, 8);
    if (first > last || last >= image->sectors)
        util_die("%s: its boot partition goes beyond its end", path);
    fat_open(fat, path, image->bytes + first * BOOT_SECTOR, last - first + 1);

    const uint8_t *data = fat_read(fat, BOOT_FILE_MANIFEST, &n);
    if (data == NULL || n != sizeof *m)
        util_die("%s: has no " BOOT_FILE_MANIFEST " of this version", path);
    memcpy(m, data, sizeof *m);
    uint32_t crc = m->crc;
    m->crc = 0;
    if (crc32(0, m, sizeof *m) != crc || m->magic != BOOT_MANIFEST_MAGIC ||
        m->version != BOOT_MANIFEST_VERSION || m->n_modules > BOOT_IMAGE_MODULES_MAX)
        util_die("%s: " BOOT_FILE_MANIFEST " is corrupted", path);
}

static void set_cmdline(const char *path, const char *cmdline)
{
    struct image image;
    struct fat fat;
    struct boot_manifest m;

    image_open(&image, &fat, &m, path);
    cmdline_write(&fat, &m, cmdline);
    manifest_write(&fat, &m);
    image_write(&image, path);
}

/* One line about a file: where it begins on the disk, what the manifest says, whether it is so. */
static bool list_file(const struct image *image, struct fat *fat, const char *path,
                      const struct boot_file *want, const char *what)
{
    size_t n = 0;
    const uint8_t *data = fat_read(fat, path, &n);
    bool ok = data != NULL && n == want->bytes && crc32(0, data, n) == want->crc;
    uint64_t sector = (uint64_t)(fat->base - image->bytes) / BOOT_SECTOR + fat_where(fat, path);

    printf("%-21s sector %7llu  %10llu bytes  crc %08x  %s%s\n", path, (unsigned long long)sector,
           (unsigned long long)want->bytes, (unsigned)want->crc, what,
           data == NULL ? ": MISSING"
           : ok         ? ""
                        : ": DIFFERS");
    return ok;
}

static int list(const char *path)
{
    struct image image;
    struct fat fat;
    struct boot_manifest m;
    bool ok;
    size_t n = 0;

    image_open(&image, &fat, &m, path);
    ok = list_file(&image, &fat, BOOT_FILE_EFI, &m.efi, "the UEFI loader");
    ok &= list_file(&image, &fat, BOOT_FILE_KERNEL, &m.kernel, m.program);
    for (uint32_t i = 0; i < m.n_modules; i++)
        ok &= list_file(&image, &fat, module_path(i), &m.modules[i].file, m.modules[i].name);
    struct boot_file whole = describe(fat_read(&fat, BOOT_FILE_MANIFEST, &n), sizeof m);
    ok &= list_file(&image, &fat, BOOT_FILE_MANIFEST, &whole, "checksums of all of these");
    list_file(&image, &fat, BOOT_FILE_CMDLINE, &m.cmdline, "may be edited");
    const uint8_t *text = fat_read(&fat, BOOT_FILE_CMDLINE, &n);
    printf("%s", text == NULL ? "" : (const char *)text);
    return ok ? 0 : 1;
}

static _Noreturn void usage(void)
{
    fprintf(stderr,
            "usage: mkimage -o IMAGE --mbr F --stage2 F --efi F [--cmdline TEXT] [--size BYTES] "
            "KERNEL.elf [MODULE...]\n"
            "       mkimage --set-cmdline IMAGE TEXT\n"
            "       mkimage --list IMAGE\n");
    exit(2);
}

int main(int argc, char **argv)
{
    struct parts p = {.cmdline = ""};
    const char *out = NULL;
    int i = 1;

    util_program = "mkimage";
    if (argc == 4 && strcmp(argv[1], "--set-cmdline") == 0) {
        set_cmdline(argv[2], argv[3]);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--list") == 0)
        return list(argv[2]);
    for (; i < argc && argv[i][0] == '-'; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        char *end = NULL;

        if (value == NULL)
            usage();
        if (strcmp(name, "-o") == 0)
            out = value;
        else if (strcmp(name, "--mbr") == 0)
            p.mbr = value;
        else if (strcmp(name, "--stage2") == 0)
            p.stage2 = value;
        else if (strcmp(name, "--efi") == 0)
            p.efi = value;
        else if (strcmp(name, "--cmdline") == 0)
            p.cmdline = value;
        else if (strcmp(name, "--size") == 0 && (p.size = strtoull(value, &end, 0)) != 0 &&
                 *end == '\0')
            ;
        else
            usage();
    }
    if (i == argc || !out || !p.mbr || !p.stage2 || !p.efi)
        usage();
    p.kernel = argv[i++];
    p.modules = (const char *const *)argv + i;
    p.n_modules = (size_t)(argc - i);

    struct image image;
    image_make(&image, &p);
    image_write(&image, out);
    return 0;
}
