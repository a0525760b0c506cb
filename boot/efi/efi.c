/*
 * boot/efi/efi.c - the UEFI loader, EFI/BOOT/BOOTX64.EFI.
 *
 * WHAT. Reads files through the firmware from the partition that it was itself started from, or, if
 * that is not known, from the first that has our manifest; takes memory from the firmware; finds
 * ACPI's root pointer and the screen; ends the firmware's services and drops to 32-bit protected
 * mode.
 *
 * INVARIANTS
 * [efi.1] Between the GetMemoryMap and the ExitBootServices that succeed nothing is allocated or
 * printed: the map's key would be old. If it is, both are tried again, into memory taken
 * beforehand. [efi.2] All that is used after that lies below 4 GiB in pages of our own: the map,
 * the start info, and the page with the code of leave.S. [efi.3] The watchdog, which would reset
 * the machine after 5 minutes, is off before anything is read.
 *
 * The firmware's mappings, interrupts and other cpus are left as they are: leave.S turns paging off
 * with interrupts disabled, and memory that boot services used is RAM afterwards.
 *
 * SOURCES. UEFI Specification 2.10, chapters 4, 7, 12, 13.
 */
#include <boot/efi/efi.h>
#include <boot/loader.h>
#include <boot/crc.h>

#define PAGE UINT64_C(4096)
#define LOW_LIMIT (UINT64_C(1) << 32)
#define MAP_BYTES (64 * PAGE) /* 5,000 descriptors */
#define EXIT_TRIES 16

extern const char efi_leave_start[], efi_leave_end[];
efi_status EFI_CALL efi_main(efi_handle image, struct efi_system_table *system);

static efi_handle self;
static struct efi_system_table *st;
static struct efi_boot_services *bs;
static struct efi_file *root, *file;
static const char *file_path;

/* ---- Console ---- */

void fw_put(const char *text)
{
    uint16_t wide[64];
    size_t n = 0;

    if (st->out == NULL) /* a machine without any console */
        return;
    for (; *text != '\0'; text++) {
        wide[n++] = (unsigned char)*text < 0x7f ? (uint16_t)*text : '?';
        if (n == sizeof wide / sizeof *wide - 1 || text[1] == '\0') {
            wide[n] = 0;
            st->out->output(st->out, wide);
            n = 0;
        }
    }
}

/* Leave time to read, then go back: the firmware tries the next thing to boot, or shows
 * its menu. */
_Noreturn void fw_stop(void)
{
    bs->stall(10 * 1000 * 1000);
    bs->exit(self, EFI_LOAD_ERROR, 0, NULL);
    for (;;)
        __asm__ volatile("hlt");
}

/* ---- Files ---- */

/* "INGOT/KERNEL.BIN" in the firmware's letters. */
static bool file_open(struct efi_file *folder, const char *path)
{
    uint16_t wide[32];
    size_t n = 0;

    for (; n < sizeof wide / sizeof *wide - 1 && path[n] != '\0'; n++)
        wide[n] = path[n] == '/' ? '\\' : (uint16_t)path[n];
    wide[n] = 0;
    if (file != NULL)
        file->close(file);
    file = NULL;
    return folder->open(folder, &file, wide, EFI_FILE_READ, 0) == EFI_OK;
}

bool fw_open(const char *path, uint64_t *bytes)
{
    file_path = path;
    if (!file_open(root, path))
        return false;
    efi_status status = file->set_position(file, EFI_FILE_END);
    if (status == EFI_OK)
        status = file->get_position(file, bytes);
    if (status == EFI_OK)
        status = file->set_position(file, 0);
    if (status != EFI_OK)
        loader_fail("the firmware can't tell the size of %s: status %X", path, status);
    return true;
}

void fw_read(void *to, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        /* In pieces: some drivers fail with very large ones. */
        uint64_t n = bytes - done < 1 << 20 ? bytes - done : 1 << 20;
        efi_status status = file->read(file, &n, (char *)to + done);

        if (status != EFI_OK || n == 0)
            loader_fail("the firmware can't read %s at byte %X: status %X", file_path, done,
                        status);
        done += n;
    }
}

/* The root of the file system on `device`, if our manifest is there. */
static bool root_try(efi_handle device)
{
    static const struct efi_guid guid = EFI_GUID_FILE_SYSTEM;
    struct efi_file_system *fs;

    if (device == NULL || bs->handle_protocol(device, &guid, (void **)&fs) != EFI_OK ||
        fs->open_volume(fs, &root) != EFI_OK)
        return false;
    if (file_open(root, BOOT_FILE_MANIFEST))
        return true;
    root->close(root);
    return false;
}

static void root_find(void)
{
    static const struct efi_guid image_guid = EFI_GUID_LOADED_IMAGE, fs_guid = EFI_GUID_FILE_SYSTEM;
    struct efi_loaded_image *image;
    efi_handle *handles;
    uint64_t n = 0;

    if (bs->handle_protocol(self, &image_guid, (void **)&image) == EFI_OK &&
        root_try(image->device))
        return;
    if (bs->locate_handles(EFI_BY_PROTOCOL, &fs_guid, NULL, &n, &handles) == EFI_OK)
        for (uint64_t i = 0; i < n; i++)
            if (root_try(handles[i]))
                return;
    loader_fail("no partition that the firmware can read has " BOOT_FILE_MANIFEST);
}

/* A damaged loader may crash before it gets here; mostly it is data, or code for later, that is
 * damaged. */
void fw_check_itself(const struct boot_file *efi)
{
    uint64_t bytes, paddr;

    if (!fw_open(BOOT_FILE_EFI, &bytes)) {
        loader_say(BOOT_FILE_EFI " is missing from the boot partition; started from elsewhere");
        return;
    }
    paddr = fw_alloc(bytes, UINT64_MAX);
    if (paddr == 0)
        return;
    fw_read((void *)(uintptr_t)paddr, bytes);
    if (bytes != efi->bytes || crc32(0, (void *)(uintptr_t)paddr, bytes) != efi->crc)
        loader_fail(BOOT_FILE_EFI " is corrupted");
    bs->free_pages(paddr, (bytes + PAGE - 1) / PAGE);
}

/* ---- Memory ---- */

static uint64_t pages_take(enum efi_memory_type type, uint64_t bytes, uint64_t limit)
{
    uint64_t pages = bytes == 0 ? 1 : (bytes + PAGE - 1) / PAGE;
    uint64_t paddr = LOW_LIMIT - 1; /* below 4 GiB if possible, for any limit */

    if (bs->allocate_pages(EFI_BELOW, type, pages, &paddr) == EFI_OK)
        return paddr;
    if (limit > LOW_LIMIT && bs->allocate_pages(EFI_ANY_PAGES, type, pages, &paddr) == EFI_OK)
        return paddr;
    return 0;
}

uint64_t fw_alloc(uint64_t bytes, uint64_t limit)
{
    return pages_take(EFI_LOADER_DATA, bytes, limit);
}

bool fw_alloc_at(uint64_t paddr, uint64_t bytes)
{
    return bs->allocate_pages(EFI_AT, EFI_LOADER_DATA, (bytes + PAGE - 1) / PAGE, &paddr) == EFI_OK;
}

/* What the runtime may do with a piece of memory once the firmware's services have ended. */
static enum loader_memory memory_type(const struct efi_memory *m)
{
    switch (m->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_CODE:
    case EFI_BOOT_DATA:
    case EFI_CONVENTIONAL:
        return (m->attributes & EFI_MEMORY_WB) && !(m->attributes & EFI_MEMORY_SP)
                   ? LOADER_RAM
                   : LOADER_RESERVED;
    case EFI_ACPI_RECLAIM:
        return LOADER_ACPI;
    case EFI_ACPI_NVS:
        return LOADER_NVS;
    case EFI_UNUSABLE:
        return LOADER_BROKEN;
    case EFI_PERSISTENT:
        return LOADER_PERSISTENT;
    default:
        return LOADER_RESERVED;
    }
}

/* ---- Tables, screen ---- */

static bool guid_is(const struct efi_guid *a, const struct efi_guid *b)
{
    const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;

    for (size_t i = 0; i < sizeof *a; i++)
        if (x[i] != y[i])
            return false;
    return true;
}

static uint64_t rsdp_find(void)
{
    static const struct efi_guid acpi20 = EFI_GUID_ACPI_20, acpi10 = EFI_GUID_ACPI_10;
    uint64_t old = 0;

    for (uint64_t i = 0; i < st->n_tables; i++) {
        if (guid_is(&st->tables[i].guid, &acpi20))
            return (uintptr_t)st->tables[i].table;
        if (guid_is(&st->tables[i].guid, &acpi10))
            old = (uintptr_t)st->tables[i].table;
    }
    return old;
}

static struct boot_colour colour_of(uint32_t mask)
{
    struct boot_colour c = {0, 0};

    if (mask == 0)
        return c;
    while (!(mask >> c.shift & 1))
        c.shift++;
    while (c.shift + c.bits < 32 && (mask >> (c.shift + c.bits) & 1))
        c.bits++;
    return c;
}

/* Describe one screen; false if it has no memory to write to. */
static bool screen_describe(const struct efi_gop *gop, struct boot_framebuffer *fb)
{
    if (gop->mode == NULL || gop->mode->info == NULL || gop->mode->paddr == 0)
        return false;
    const struct efi_gop_info *info = gop->mode->info;
    *fb = (struct boot_framebuffer){.magic = BOOT_FRAMEBUFFER_MAGIC,
                                    .version = BOOT_FRAMEBUFFER_VERSION,
                                    .paddr = gop->mode->paddr,
                                    .width = info->width,
                                    .height = info->height,
                                    .pitch_bytes = info->pixels_per_line * 4,
                                    .pixel_bytes = 4};
    switch (info->format) {
    case EFI_PIXELS_RGB:
        fb->red.shift = 0;
        fb->green.shift = 8;
        fb->blue.shift = 16;
        fb->red.bits = fb->green.bits = fb->blue.bits = 8;
        return true;
    case EFI_PIXELS_BGR:
        fb->red.shift = 16;
        fb->green.shift = 8;
        fb->blue.shift = 0;
        fb->red.bits = fb->green.bits = fb->blue.bits = 8;
        return true;
    case EFI_PIXELS_MASKS:
        fb->red = colour_of(info->red);
        fb->green = colour_of(info->green);
        fb->blue = colour_of(info->blue);
        return fb->red.bits != 0 && fb->green.bits != 0 && fb->blue.bits != 0;
    default:
        return false;
    }
}

/* The first screen that will do: there may be several, and one that only stands for all of them. */
bool fw_framebuffer(struct boot_framebuffer *fb)
{
    static const struct efi_guid guid = EFI_GUID_GOP;
    efi_handle *handles;
    struct efi_gop *gop;
    uint64_t n = 0;

    if (bs->locate_handles(EFI_BY_PROTOCOL, &guid, NULL, &n, &handles) == EFI_OK)
        for (uint64_t i = 0; i < n; i++)
            if (bs->handle_protocol(handles[i], &guid, (void **)&gop) == EFI_OK &&
                screen_describe(gop, fb))
                return true;
    return false;
}

/* ---- From beginning to end ---- */

/* A page for code; strict firmware lets nothing run in new memory unless asked. */
static uint64_t code_page(void)
{
    static const struct efi_guid guid = EFI_GUID_MEMORY_ATTRIBUTES;
    struct efi_memory_attributes *attributes;
    uint64_t page = pages_take(EFI_LOADER_CODE, PAGE, LOW_LIMIT);

    if (page != 0 && bs->locate_protocol(&guid, NULL, (void **)&attributes) == EFI_OK)
        attributes->clear(attributes, page, PAGE, EFI_MEMORY_XP);
    return page;
}

_Noreturn void fw_leave(struct loader_handoff *h, uint32_t entry)
{
    uint64_t map = fw_alloc(MAP_BYTES, LOW_LIMIT), page = code_page();
    uint64_t bytes = 0, key, stride = sizeof(struct efi_memory);
    uint32_t version;
    efi_status status = EFI_LOAD_ERROR;

    if (map == 0 || page == 0)
        loader_fail("there is no free memory below 4 GiB");
    __builtin_memcpy((void *)(uintptr_t)page, efi_leave_start,
                     (size_t)(efi_leave_end - efi_leave_start));
    h->start.rsdp_paddr = rsdp_find();
    for (int tries = 0; tries < EXIT_TRIES && status != EFI_OK; tries++) { /* [efi.1] */
        bytes = MAP_BYTES;
        status = bs->get_memory_map(&bytes, (void *)(uintptr_t)map, &key, &stride, &version);
        if (status == EFI_OK)
            status = bs->exit_boot_services(self, key);
    }
    if (status != EFI_OK)
        loader_fail("the firmware does not end its services: status %X", status);
    for (uint64_t at = 0; at + sizeof(struct efi_memory) <= bytes && stride != 0; at += stride) {
        const struct efi_memory *m = (const void *)(uintptr_t)(map + at);
        loader_memory_add(h, m->paddr, m->pages * PAGE, memory_type(m));
    }
    ((void (*)(uint32_t, uint32_t, uint64_t))(uintptr_t)page)(entry, (uint32_t)(uintptr_t)&h->start,
                                                              page);
    __builtin_unreachable();
}

efi_status EFI_CALL efi_main(efi_handle image, struct efi_system_table *system)
{
    self = image;
    st = system;
    bs = system->boot;
    bs->set_watchdog(0, 0, 0, NULL); /* [efi.3] */
    root_find();
    loader_main();
}
