/*
 * tests/host/tools_mkimage.c - flashable images: what mkimage writes is what the loaders read.
 *
 * WHAT. Makes images of a small ELF file and looks at them from the other side: partition tables and file
 * system field by field, then by boot/loader.c and boot/bios/disk.c themselves, compiled for the host, with
 * sectors read from the image. Then one sector after another is damaged: each time the loader must
 * stop with a line, or load exactly what it should; the sanitizers see the rest. elf2pe's output is
 * loaded and relocated as firmware does it, and run.
 */
#define main mkimage_main
#include "tools/mkimage.c"
#undef main
#define main elf2pe_main
#include "tools/elf2pe.c"
#undef main

#include "boot/bios/disk.c"
#include "boot/loader.c"
#include "tools/common/elf.c"
#include "tools/common/fat.c"
#include "tools/common/util.c"
#include "tests/host/check.h"
#include "tests/host/dies.h"
#include "tests/host/tempdir.h"

#include <setjmp.h>
#include <sys/mman.h>

#define CHECK(ok, what) checkf(ok, "line %d: %s", __LINE__, what)

/* Does `statement` end in util_die() with a message that has `text` in it? */
#define DIES(text, statement)                                                                      \
    do {                                                                                           \
        said[0] = '\0';                                                                            \
        if (setjmp(died) == 0) {                                                                   \
            statement;                                                                             \
        }                                                                                          \
        if (!CHECK(strstr(said, text) != NULL, text))                                              \
            printf("  said: %s\n", said);                                                          \
    } while (0)

/* ---- The firmware that loader.c and disk.c see ---- */

uint8_t bounce[BOUNCE_SECTORS * BOOT_SECTOR];
static const struct image *disk;
static jmp_buf left;
enum { RUNNING, STOPPED, STARTED };
static struct loader_handoff *handoff;
static uint32_t entered;
static char console[4096];
static void *blocks_given[64];
static size_t n_given;

void sectors_bounce(uint64_t lba, uint32_t n)
{
    if (lba + n > disk->sectors || n > BOUNCE_SECTORS)
        loader_fail("sector %X is beyond the disk", lba);
    memcpy(bounce, disk->bytes + lba * BOOT_SECTOR, n * BOOT_SECTOR);
}

void fw_put(const char *text)
{
    size_t n = strlen(console);

    snprintf(console + n, sizeof console - n, "%s", text);
}

_Noreturn void fw_stop(void)
{
    longjmp(left, STOPPED);
}

uint64_t fw_alloc(uint64_t bytes, uint64_t limit)
{
    (void)limit;
    if (n_given == sizeof blocks_given / sizeof *blocks_given)
        return 0;
    return (uintptr_t)(blocks_given[n_given++] = malloc(bytes ? bytes : 1));
}

/* A place far below what the host uses; the first two that the loader tries are "taken". */
#define PLACE_AT (KERNEL_AT + 2 * BOOT_KERNEL_STEP)
#define KERNEL_AT 0x4100000u
#define KERNEL_FILE 70000u
#define KERNEL_MEMORY 90112u

bool fw_alloc_at(uint64_t paddr, uint64_t bytes)
{
    if (paddr != PLACE_AT || bytes != KERNEL_MEMORY)
        return false;
    void *at = mmap((void *)(uintptr_t)paddr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(at, 0xee, bytes);
    return true;
}

void fw_check_itself(const struct boot_file *efi)
{
    (void)efi;
}

bool fw_framebuffer(struct boot_framebuffer *fb)
{
    *fb = (struct boot_framebuffer){.magic = BOOT_FRAMEBUFFER_MAGIC};
    return true;
}

_Noreturn void fw_leave(struct loader_handoff *h, uint32_t entry)
{
    loader_memory_add(h, 0, 4096, LOADER_RAM);
    loader_memory_add(h, 4096, 4096, LOADER_RAM);
    loader_memory_add(h, 8192, 4096, LOADER_NVS);
    loader_memory_add(h, 16384, 4096, LOADER_NVS);
    handoff = h;
    entered = entry;
    longjmp(left, STARTED);
}

/* Boot the image: STOPPED with a line on the console, or STARTED. */
static int boot(const struct image *image)
{
    int how;

    while (n_given > 0)
        free(blocks_given[--n_given]);
    disk = image;
    console[0] = '\0';
    how = setjmp(left);
    if (how == RUNNING) {
        disk_open(image->sectors - 1);
        loader_main();
    }
    return how;
}

/* ---- An image to look at ---- */

static uint8_t kernel_bytes[KERNEL_FILE], module_bytes[2][60000];
static const size_t module_sizes[2] = {60000, 0}; /* an empty one, too */
static const char *modules[BOOT_IMAGE_MODULES_MAX + 2];

static const char *path_of(const char *name)
{
    return util_printf("%s/%s", dir, name);
}

/* An ELF file with two segments, the second with bss, and the note that mkimage looks for. */
static void kernel_write(const char *name, uint32_t note_type)
{
    const uint32_t text = 0x10000, data_at = 0x11000, entry = KERNEL_AT + 24;
    static uint8_t file[KERNEL_FILE + 8192];
    uint8_t *ph = file + 64, *sh = file + 176, *note = file + 4096 + 100;

    memset(file, 0, sizeof file);
    memcpy(file,
           "\x7f"
           "ELF\2\1\1",
           7);
    elf_put(file + 16, 2, ELF_ET_EXEC);
    elf_put(file + 18, 2, 62);
    elf_put(file + 20, 4, 1);
    elf_put(file + 32, 8, 64);
    elf_put(file + 40, 8, 176);
    elf_put(file + 52, 2, 64);
    elf_put(file + 54, 2, 56);
    elf_put(file + 56, 2, 2);
    elf_put(file + 58, 2, 64);
    elf_put(file + 60, 2, 3);
    elf_put(file + 62, 2, 2);
    memcpy(file + 4096, kernel_bytes, KERNEL_FILE);
    elf_put(note, 4, 4);
    elf_put(note + 4, 4, 4);
    elf_put(note + 8, 4, note_type);
    memcpy(note + 12, "Xen", 4);
    elf_put(note + 16, 4, entry);
    memcpy(kernel_bytes, file + 4096, KERNEL_FILE);
    memcpy(file + 2048, "\0.note.pvh\0.strtab", 19);

    for (int i = 0; i < 2;
         i++, ph += 56) { /* [base, +64 KiB), and from a page further on the rest */
        elf_put(ph, 4, ELF_PT_LOAD);
        elf_put(ph + 4, 4, i ? ELF_PF_R | ELF_PF_W : ELF_PF_R | ELF_PF_X);
        elf_put(ph + 8, 8, 4096 + (i ? data_at : 0));
        elf_put(ph + 16, 8, 0xffffffff80000000 + KERNEL_AT + (i ? data_at : 0));
        elf_put(ph + 24, 8, KERNEL_AT + (i ? data_at : 0));
        elf_put(ph + 32, 8, i ? KERNEL_FILE - data_at : text);
        elf_put(ph + 40, 8, i ? KERNEL_MEMORY - 100 - data_at : text);
    }
    memset(kernel_bytes + text, 0, data_at - text); /* between them */
    sh += 64;
    elf_put(sh, 4, 1);
    elf_put(sh + 4, 4, 7); /* a note */
    elf_put(sh + 24, 8, 4096 + 100);
    elf_put(sh + 32, 8, 20);
    sh += 64;
    elf_put(sh, 4, 11);
    elf_put(sh + 4, 4, 3); /* strings */
    elf_put(sh + 24, 8, 2048);
    elf_put(sh + 32, 8, 19);
    util_write_file(path_of(name), file, sizeof file);
}

static struct parts parts_made(void)
{
    static uint8_t code[STAGE2_SECTORS_MAX * BOOT_SECTOR + 1];

    memset(code, 0xc3, sizeof code);
    for (size_t i = 0; i < KERNEL_FILE; i++)
        kernel_bytes[i] = (uint8_t)rand32();
    for (size_t i = 0; i < sizeof module_bytes[0]; i++)
        module_bytes[0][i] = (uint8_t)rand32();
    kernel_write("kernel.elf", 18);
    util_write_file(path_of("mbr"), code, 440);
    util_write_file(path_of("stage2"), code, 5000);
    util_write_file(path_of("large"), code, sizeof code);
    util_write_file(path_of("efi"), code, 9999);
    util_write_file(path_of("first.txt"), module_bytes[0], module_sizes[0]);
    util_write_file(path_of("empty"), module_bytes[1], module_sizes[1]);
    modules[0] = path_of("first.txt");
    modules[1] = path_of("empty");
    return (struct parts){.mbr = path_of("mbr"),
                          .stage2 = path_of("stage2"),
                          .efi = path_of("efi"),
                          .kernel = path_of("kernel.elf"),
                          .cmdline = "GOGC=50 -- one \"two three\"",
                          .modules = modules,
                          .n_modules = 2};
}

/* Is what the loader left exactly what went in? */
static bool loaded_right(const char *cmdline)
{
    const struct pvh_start_info *s = &handoff->start;
    const uint8_t *kernel = (const uint8_t *)(uintptr_t)PLACE_AT;
    bool ok =
        s->magic == PVH_MAGIC && s->version == 1 && s->nr_modules == 3 && entered == PLACE_AT + 24;

    ok = ok && memcmp(kernel, kernel_bytes, KERNEL_FILE) == 0;
    for (size_t i = KERNEL_FILE; ok && i < KERNEL_MEMORY; i++)
        ok = kernel[i] == 0;
    for (size_t i = 0; ok && i < 2; i++)
        ok = handoff->modules[i].size == module_sizes[i] &&
             memcmp((void *)(uintptr_t)handoff->modules[i].paddr, module_bytes[i],
                    module_sizes[i]) == 0 &&
             strcmp((char *)(uintptr_t)handoff->modules[i].cmdline_paddr, base_name(modules[i])) ==
                 0;
    ok = ok && strcmp(handoff->names[2], BOOT_FRAMEBUFFER_NAME) == 0 &&
         handoff->modules[2].size == sizeof(struct boot_framebuffer);
    return ok && (cmdline == NULL || strcmp((char *)(uintptr_t)s->cmdline_paddr, cmdline) == 0) &&
           s->memmap_entries == 3 && handoff->memory[0].size == 8192 &&
           handoff->memory[2].addr == 16384;
}

/* ---- The checks ---- */

/* UEFI 2.10, 5.2 and 5.3, field by field. */
static void partition_table(const struct image *image)
{
    const uint8_t *b = image->bytes, *e = b + 1024;
    uint64_t last = image->sectors - 1;

    CHECK(elf_get(b + 510, 2) == 0xaa55 && b[446] == 0x80 && b[450] == 0xee &&
              elf_get(b + 454, 4) == 1 && elf_get(b + 458, 4) == last,
          "protective MBR with one active entry over the whole disk");
    for (int copy = 0; copy < 2; copy++) {
        uint64_t at = copy ? last : 1;
        uint8_t h[92];

        memcpy(h, b + at * 512, 92);
        uint32_t crc = (uint32_t)elf_get(h + 16, 4);
        elf_put(h + 16, 4, 0);
        CHECK(crc32(0, h, 92) == crc && memcmp(h, "EFI PART", 8) == 0, "header's checksum");
        CHECK(elf_get(h + 24, 8) == at && elf_get(h + 32, 8) == (copy ? 1 : last),
              "header knows both places");
        const uint8_t *entries = b + elf_get(h + 72, 8) * 512;
        CHECK(crc32(0, entries, 128 * 128) == elf_get(h + 88, 4), "checksum of the entries");
        CHECK(memcmp(entries, e, 128 * 128) == 0, "the copy is one");
        CHECK(elf_get(h + 40, 8) == 34 && elf_get(h + 48, 8) == last - 33,
              "what partitions may use");
    }
    for (int i = 0; i < 2; i++)
        CHECK(elf_get(e + i * 128 + 32, 8) >= 34 && elf_get(e + i * 128 + 40, 8) <= last - 33 &&
                  elf_get(e + i * 128 + 32, 8) <= elf_get(e + i * 128 + 40, 8),
              "a partition lies where one may");
    CHECK(elf_get(e + 128 + 40, 8) < elf_get(e + 32, 8), "they don't overlap");
    CHECK(memcmp(e + 16, e + 144, 16) != 0 && memcmp(e + 16, b + 512 + 56, 16) != 0, "ids differ");
}

/* Every file has a chain of its own that ends; the free count is right; both tables agree. */
static void file_system(struct image *image)
{
    struct fat fat;
    struct boot_manifest m;
    const char *path = path_of("image");

    image_write(image, path);
    struct image copy;
    image_open(&copy, &fat, &m, path);
    CHECK(copy.sectors == image->sectors &&
              memcmp(copy.bytes, image->bytes, copy.sectors * 512) == 0,
          "written with holes, read back the same");
    const uint8_t *table = fat.base + fat.reserved * 512;
    CHECK(memcmp(table, table + fat.fat_sectors * 512, fat.fat_sectors * 512) == 0,
          "both tables agree [fat.1]");
    CHECK(elf_get(fat.base + 512 + 488, 4) == free_clusters(&fat), "FSInfo's free count [fat.1]");
    CHECK(memcmp(fat.base, fat.base + 6 * 512, 1024) == 0, "the copy of the boot sector");
    CHECK(fat.n_clusters >= 65525, "as many clusters as FAT32 must have");
}

static void reproducible(const struct parts *p, const struct image *image)
{
    struct image again, other;
    struct parts q = *p;

    image_make(&again, p);
    CHECK(again.sectors == image->sectors &&
              memcmp(again.bytes, image->bytes, again.sectors * 512) == 0,
          "equal input, equal bytes [mkimage.1]");
    q.cmdline = "other";
    image_make(&other, &q);
    CHECK(memcmp(other.bytes + 512 + 56, image->bytes + 512 + 56, 16) != 0,
          "other content, other id");
}

static void command_lines(struct image *image)
{
    char *longest = util_alloc(4001);
    struct fat fat;
    struct boot_manifest m;
    const char *path = path_of("image");
    struct image changed;

    memset(longest, 'x', 4000);
    const char *const texts[] = {"", "a", longest, "-- \xc3\xa4 'q' \"r\"", "x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        set_cmdline(path, texts[i]);
        image_open(&changed, &fat, &m, path);
        CHECK(boot(&changed) == STARTED && loaded_right(texts[i]), "set-cmdline");
        CHECK(strstr(console, "edited") == NULL, "which is no edit");
        CHECK(elf_get(fat.base + 512 + 488, 4) == free_clusters(&fat),
              "no cluster is lost [fat.1]");
    }

    /* What people do with an editor. */
    static const struct {
        const char *text, *cmdline;
    } edits[] = {
        {"# only a comment", ""},
        {"\xef\xbb\xbf"
         "a\r\nb\r\n\r\n  # c\n\td -- 'e'  f",
         "a b d -- 'e' f"},
        {"a#b # c", "a#b # c"},
        {"\n\n", ""},
        {"\xff\xfe"
         "a\0b",
         NULL},
        {"a\x01", NULL},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        fat_write(&fat, BOOT_FILE_CMDLINE, edits[i].text, strlen(edits[i].text));
        int how = boot(&changed);
        CHECK(edits[i].cmdline
                  ? how == STARTED && loaded_right(edits[i].cmdline) &&
                        strstr(console, "was edited; the command line is: ")
                  : how == STOPPED && strstr(console, "is no plain text; save it as UTF-8"),
              edits[i].text);
    }
    char *text = util_alloc(20000);
    memset(text, 'y', 20000);
    fat_write(&fat, BOOT_FILE_CMDLINE, text, 20000);
    CHECK(boot(&changed) == STOPPED && strstr(console, "are the most"), "a file that is too large");
    fat_write(&fat, BOOT_FILE_CMDLINE, text, 5000);
    CHECK(boot(&changed) == STOPPED && strstr(console, "is too long for a command line"),
          "a line too long");
    (void)image;
}

/* Files in pieces, folders of many clusters. */
static void fragments(struct image *image)
{
    struct fat fat;
    size_t n;
    static uint8_t bytes[40000];

    fat_open(&fat, "image", image->bytes + BOOT_ESP_LBA * 512, image->sectors - BOOT_ESP_LBA - 40);
    uint64_t room = fat_free_bytes(&fat);
    for (int i = 0; i < 60; i++)
        fat_write(&fat, util_printf("MANY/F%d.BIN", i), bytes, 700);
    for (int i = 0; i < 60; i += 2)
        fat_write(&fat, util_printf("MANY/F%d.BIN", i), bytes, 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rand32();
    fat_write(&fat, "MANY/PIECES.BIN", bytes, sizeof bytes);
    const uint8_t *back = fat_read(&fat, "MANY/PIECES.BIN", &n);
    CHECK(back && n == sizeof bytes && memcmp(back, bytes, n) == 0, "a file in pieces");

    uint64_t size;
    static uint8_t read[sizeof bytes];
    CHECK(boot(image) == STARTED, "still boots"); /* and opens the disk */
    CHECK(fw_open("MANY/PIECES.BIN", &size) && size == sizeof bytes, "the loader finds it");
    fw_read(read, size);
    CHECK(memcmp(read, bytes, sizeof bytes) == 0, "the loader reads it");
    CHECK(!fw_open("MANY/F60.BIN", &size) && !fw_open("NONE/X", &size) && !fw_open("MANY", &size) &&
              !fw_open("MANY/F1.BIN/X", &size),
          "what is not there is not found");
    DIES("out of space", fat_write(&fat, "BIG.BIN", util_alloc(room), room));
}

static void errors(const struct parts *good)
{
    struct parts p;
    struct image image;
    const char *const none[] = {path_of("nowhere")};
    const char *many[BOOT_IMAGE_MODULES_MAX + 1];

    p = *good, p.modules = none, p.n_modules = 1;
    DIES("nowhere: No such file", image_make(&image, &p));
    for (size_t i = 0; i <= BOOT_IMAGE_MODULES_MAX; i++)
        many[i] = modules[0];
    p = *good, p.modules = many, p.n_modules = BOOT_IMAGE_MODULES_MAX;
    image_make(&image, &p); /* as many as there may be */
    p.n_modules++;
    DIES("32 modules; 31 are the most", image_make(&image, &p));
    char *name = util_printf("%s/%065d", dir, 0);
    util_write_file(name, "", 0);
    p = *good, p.modules = (const char *const *)&name, p.n_modules = 1;
    DIES("more than 63 characters", image_make(&image, &p));
    p = *good, p.size = 20 << 20;
    DIES("out of space: an image of 20971520 bytes is asked for", image_make(&image, &p));
    p.size = 64 << 20;
    image_make(&image, &p);
    CHECK(image.sectors == 131072 && boot(&image) == STARTED,
          "an image of the size that is asked for");
    p = *good, p.mbr = good->stage2;
    DIES("an MBR's code has 440", image_make(&image, &p));
    p = *good, p.stage2 = path_of("large");
    DIES("a second stage has 512 to 32768", image_make(&image, &p));
    p = *good, p.kernel = good->mbr;
    DIES("not an ELF file", image_make(&image, &p));
    kernel_write("nonote.elf", 17);
    p = *good, p.kernel = path_of("nonote.elf");
    DIES("no PVH note", image_make(&image, &p));
    p = *good, p.cmdline = "a\nb";
    DIES("control character at byte 1", image_make(&image, &p));
    p.cmdline = util_printf("%04001d", 0);
    DIES("4001 bytes; 4000 are the most", image_make(&image, &p));
    p.cmdline = " # a";
    DIES("would make it a comment", image_make(&image, &p));
    DIES("is no image made by mkimage", set_cmdline(good->kernel, "x"));
    DIES("No such file", set_cmdline(path_of("nowhere"), "x"));
}

/* One damaged sector: the loader stops with a line, or what it loads is right. */
static void damage(struct image *image)
{
    unsigned stopped = 0, started = 0, wrong = 0;
    /* The tables, the folders and the files; nothing else is ever read. */
    uint64_t used = BOOT_ESP_LBA + 32 + 2 * 514 + (KERNEL_FILE + sizeof module_bytes) / 512 + 40;

    for (int round = 0; round < 1500; round++) {
        uint64_t lba = rand32() % 4 == 0   ? 1 + rand32() % 33
                       : rand32() % 4 == 0 ? BOOT_ESP_LBA + rand32() % 40
                                           : BOOT_ESP_LBA + rand32() % (used - BOOT_ESP_LBA);
        uint8_t was[512], *at = image->bytes + lba * 512;

        memcpy(was, at, 512);
        switch (rand32() % 4) {
        case 0:
            memset(at, 0, 512);
            break;
        case 1:
            memset(at, 0xff, 512);
            break;
        case 2:
            for (int i = 0; i < 512; i++)
                at[i] = (uint8_t)rand32();
            break;
        default: /* one bit, sometimes in a field that is a number */
            at[rand32() % (rand32() % 2 ? 512 : 64)] ^= (uint8_t)(1u << rand32() % 8);
        }
        int how = boot(image);
        bool line = strstr(console, "; stopped\r\n") != NULL;
        bool edited = strstr(console, "CMDLINE.TXT") != NULL;
        bool ok =
            how == STOPPED ? line : loaded_right(edited ? NULL : "GOGC=50 -- one \"two three\"");
        if (!ok) {
            printf("FAILED: sector %llu: %s\n", (unsigned long long)lba, console);
            wrong++;
        }
        how == STOPPED ? stopped++ : started++;
        memcpy(at, was, 512);
    }
    printf("%u damaged sectors stopped the loader with a line, %u did not matter\n", stopped,
           started);
    CHECK(wrong == 0 && stopped > 100 && started > 100, "each damaged sector");
}

/* ---- elf2pe ---- */

/* Load a PE as firmware does: headers, sections, relocations for where it lies. */
static uint8_t *pe_load(const uint8_t *pe, size_t bytes)
{
    const uint8_t *coff = pe + elf_get(pe + 0x3c, 4) + 4, *o = coff + 20;
    size_t image_bytes = elf_get(o + 56, 4);
    uint8_t *at = mmap(NULL, image_bytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const uint8_t *row = o + elf_get(coff + 16, 2);

    for (uint64_t i = 0; i < elf_get(coff + 2, 2); i++, row += 40) {
        uint64_t raw = elf_get(row + 16, 4), memory = elf_get(row + 8, 4),
                 rva = elf_get(row + 12, 4);

        if (!CHECK(elf_get(row + 20, 4) + raw <= bytes && rva + memory <= image_bytes &&
                       rva % 4096 == 0,
                   "a section lies in file and image"))
            return NULL;
        memcpy(at + rva, pe + elf_get(row + 20, 4), raw < memory ? raw : memory);
    }
    const uint8_t *reloc = at + elf_get(o + 152, 4), *end = reloc + elf_get(o + 156, 4);
    while (reloc < end) {
        uint64_t page = elf_get(reloc, 4), block = elf_get(reloc + 4, 4);

        for (const uint8_t *r = reloc + 8; r < reloc + block; r += 2)
            if (elf_get(r, 2) >> 12 == 10) {
                uint8_t *to = at + page + (elf_get(r, 2) & 0xfff);
                elf_put(to, 8, elf_get(to, 8) + (uintptr_t)at);
            }
        if (!CHECK(block >= 12 && block % 4 == 0, "a block of relocations"))
            return NULL;
        reloc += block;
    }
    return at;
}

static void pe_of(const char *cc)
{
    static const char source[] =
        "static long one(long x) { return x + 1; }\n"
        "static long two(long x) { return x * 2; }\n"
        "static long many[3000];\n"
        "static long (*const table[600])(long) = {[0] = one, [599] = two};\n"
        "static long *places[] = {&many[2999], &many[0]};\n"
        "long start(long x) { static volatile int i; *places[i] += x; return table[i](table[599 + "
        "i](many[2999])); }\n";
    size_t bytes;
    char *command = util_printf(
        "cd %s && %s -O1 -ffreestanding -fpie -fvisibility=hidden -fcf-protection=none "
        "-fno-stack-protector -fno-asynchronous-unwind-tables -nostdlib -pie "
        "-Wl,--no-dynamic-linker -Wl,-z,separate-code -Wl,-z,norelro -Wl,--build-id=none "
        "-Wl,-e,start pe.c -o pe.elf >pe.log 2>&1",
        dir, cc);

    util_write_file(path_of("pe.c"), source, sizeof source - 1);
    if (system(command) != 0) {
        printf("skip elf2pe with %s: it can't build one\n", cc);
        return;
    }
    struct elf elf;
    elf_open(&elf, path_of("pe.elf"));
    const uint8_t *pe = pe_make(&elf, &bytes);
    CHECK(elf_get(pe + OPTIONAL_AT + 68, 2) == 10, "is an EFI application");
    uint8_t *at = pe_load(pe, bytes);
#ifdef __x86_64__
    if (at != NULL) {
        long (*start)(long) = (long (*)(long))(uintptr_t)(at + elf_get(pe + OPTIONAL_AT + 16, 4));
        CHECK(start(20) == 41 && start(5) == 51, "runs where it was loaded");
    }
#endif
    DIES("is no position-independent executable", elf_open(&elf, path_of("kernel.elf"));
         pe_make(&elf, &bytes));
}

int main(void)
{
    struct image image;

    check_seed();
    tempdir_make();
    util_die_hook = on_die;
    if (setjmp(died)) {
        printf("FAILED: ended with: %s\n", said);
        return 1;
    }
    struct parts p = parts_made();
    image_make(&image, &p);
    partition_table(&image);
    file_system(&image);
    CHECK(boot(&image) == STARTED && loaded_right(p.cmdline), "the loader loads what went in");
    if (!CHECK(strcmp(console, "loader: starting kernel\r\n") == 0, "and says one line"))
        printf("  said: %s\n", console);
    reproducible(&p, &image);
    damage(&image);
    command_lines(&image);
    fragments(&image);
    errors(&p);
    pe_of("gcc");
    pe_of("clang -fuse-ld=lld");
    tempdir_remove();
    while (n_given > 0)
        free(blocks_given[--n_given]);
    util_free_all();
    return check_end();
}
