/*
 * boot/loader.c - see loader.h.
 *
 * WHAT. In this order: the manifest, and whether it is whole; the UEFI loader's check of itself;
 * the kernel, at the lowest address that its link address plus a multiple of BOOT_KERNEL_STEP gives
 * and that is free; the modules, anywhere; the command line; the start info.
 *
 * INVARIANTS
 * [loader.1] Nothing is entered, and no count or size believed, before its checksum was right.
 * [loader.2] All that the runtime is told of lies in pages from fw_alloc().
 *
 * REJECTED. Loading an ELF file: it would be parsed here twice over, with all that can be wrong in
 * one; mkimage flattens it once, where a mistake is a build error. Taking the command line from
 * UEFI's load options: firmware puts binary junk there, and a BIOS has nothing like it.
 */
#include <boot/loader.h>

#include <stdarg.h>
#include <boot/crc.h>

/* Compilers call these unasked. */
void *memset(void *to, int c, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

#ifndef INGOT_HOST
void *memset(void *to, int c, size_t n)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
    return to;
}
#endif

/* ---- Text ---- */

static void say_args(const char *fmt, va_list args)
{
    char line[160];
    size_t n = 0;

    for (; *fmt != '\0'; fmt++) {
        char digits[20];
        size_t k = sizeof digits;
        const char *s = NULL;
        uint64_t v = 0;

        if (n > sizeof line - 2)
            break;
        if (*fmt != '%') {
            line[n++] = *fmt;
            continue;
        }
        switch (*++fmt) {
        case 's':
            s = va_arg(args, const char *);
            break;
        case 'u': {
            uint32_t u = va_arg(args, uint32_t);
            do
                digits[--k] = (char)('0' + u % 10);
            while ((u /= 10) != 0);
            break;
        }
        case 'x':
        case 'X':
            v = *fmt == 'X' ? va_arg(args, uint64_t) : va_arg(args, uint32_t);
            do
                digits[--k] = "0123456789abcdef"[v & 15];
            while ((v >>= 4) != 0);
            digits[--k] = 'x';
            digits[--k] = '0';
        }
        if (s != NULL)
            while (*s != '\0' && n < sizeof line - 1)
                line[n++] = *s++;
        while (k < sizeof digits && n < sizeof line - 1)
            line[n++] = digits[k++];
    }
    line[n] = '\0';
    fw_put(line);
}

void loader_say(const char *fmt, ...)
{
    va_list args;

    fw_put("loader: ");
    va_start(args, fmt);
    say_args(fmt, args);
    va_end(args);
    fw_put("\r\n");
}

_Noreturn void loader_fail(const char *fmt, ...)
{
    va_list args;

    fw_put("loader: ");
    va_start(args, fmt);
    say_args(fmt, args);
    va_end(args);
    fw_put("; stopped\r\n");
    fw_stop();
}

const char *loader_cmdline(char *to, size_t to_bytes, const uint8_t *text, size_t n, size_t *at)
{
    bool line_start = true, comment = false;
    size_t k = 0, i = 0;

    if (n >= 3 && text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf)
        i = 3; /* the mark that some editors put before UTF-8 */
    for (; i < n; i++) {
        uint8_t c = text[i];

        *at = i;
        if (c == '\n' || c == '\r') {
            line_start = true;
            comment = false;
            c = ' ';
        } else if (c == '\t') {
            c = ' ';
        } else if (c < ' ' || c == 0x7f || c == 0xff || c == 0xfe) {
            return "is no plain text; save it as UTF-8";
        } else if (c == '#' && line_start) {
            comment = true;
        }
        line_start = line_start && c == ' ';
        if (comment || (c == ' ' && (k == 0 || to[k - 1] == ' ')))
            continue;
        if (k + 1 >= to_bytes)
            return "is too long for a command line";
        to[k++] = (char)c;
    }
    while (k > 0 && to[k - 1] == ' ')
        k--;
    to[k] = '\0';
    return NULL;
}

/* ---- Files ---- */

static void file_check(const char *path, const struct boot_file *want, const void *bytes)
{
    uint32_t crc = crc32(0, bytes, (size_t)want->bytes);

    if (crc != want->crc)
        loader_fail("%s is corrupted: its checksum is %x, not %x", path, crc, want->crc);
}

/* Open a file that the manifest describes. */
static void file_open(const char *path, const struct boot_file *want)
{
    uint64_t bytes;

    if (!fw_open(path, &bytes))
        loader_fail("%s is missing from the boot partition", path);
    if (bytes != want->bytes || (uint64_t)(size_t)bytes != bytes)
        loader_fail("%s has %X bytes, not %X as in the manifest", path, bytes, want->bytes);
}

static void manifest_read(struct boot_manifest *m)
{
    uint64_t bytes;

    if (!fw_open(BOOT_FILE_MANIFEST, &bytes))
        loader_fail(BOOT_FILE_MANIFEST " is missing from the boot partition");
    if (bytes != sizeof *m)
        loader_fail(BOOT_FILE_MANIFEST " has %X bytes, not %X", bytes, (uint64_t)sizeof *m);
    fw_read(m, sizeof *m);

    uint32_t crc = m->crc;
    m->crc = 0;
    if (crc32(0, m, sizeof *m) != crc)
        loader_fail(BOOT_FILE_MANIFEST " is corrupted");
    if (m->magic != BOOT_MANIFEST_MAGIC || m->version != BOOT_MANIFEST_VERSION ||
        m->n_modules > BOOT_IMAGE_MODULES_MAX)
        loader_fail(BOOT_FILE_MANIFEST " is of another version than this loader");
}

/* Load the kernel; returns how far from where it was linked. */
static uint32_t kernel_load(const struct boot_manifest *m)
{
    const struct boot_file *file = &m->kernel;
    uint64_t paddr = m->kernel_paddr, memory = m->kernel_memory_bytes;

    file_open(BOOT_FILE_KERNEL, file);
    while (!fw_alloc_at(paddr, memory)) {
        paddr += BOOT_KERNEL_STEP;
        if (paddr + memory > UINT64_C(1) << 32)
            loader_fail("there are no %X bytes of free memory for the program below 4 GiB", memory);
    }
    uint8_t *to = (uint8_t *)(uintptr_t)paddr;
    fw_read(to, file->bytes);
    file_check(BOOT_FILE_KERNEL, file, to);
    memset(to + file->bytes, 0, (size_t)(memory - file->bytes));
    return (uint32_t)(paddr - m->kernel_paddr);
}

static void module_add(struct loader_handoff *h, const char *name, uint64_t paddr, uint64_t bytes)
{
    uint32_t i = h->start.nr_modules++;

    for (size_t k = 0; k < BOOT_NAME_BYTES - 1 && name[k] != '\0'; k++)
        h->names[i][k] = name[k];
    h->modules[i] = (struct pvh_module){paddr, bytes, (uintptr_t)h->names[i], 0};
}

static void module_load(struct loader_handoff *h, const struct boot_image_module *m, uint32_t i)
{
    char path[] = BOOT_FILE_MODULE;
    uint64_t paddr;

    path[BOOT_FILE_MODULE_DIGITS] = (char)('0' + i / 10);
    path[BOOT_FILE_MODULE_DIGITS + 1] = (char)('0' + i % 10);
    file_open(path, &m->file);
    paddr = fw_alloc(m->file.bytes, UINT64_MAX);
    if (paddr == 0)
        loader_fail("there are no %X bytes of free memory for module %s", m->file.bytes, m->name);
    fw_read((void *)(uintptr_t)paddr, m->file.bytes);
    file_check(path, &m->file, (void *)(uintptr_t)paddr);
    module_add(h, m->name, paddr, m->file.bytes);
}

static void cmdline_load(struct loader_handoff *h, const struct boot_manifest *m)
{
    static uint8_t text[LOADER_FILE_BYTES_MAX];
    uint64_t bytes;
    size_t at;

    if (!fw_open(BOOT_FILE_CMDLINE, &bytes)) {
        loader_say(BOOT_FILE_CMDLINE " is missing; the command line is empty");
        return;
    }
    if (bytes > sizeof text)
        loader_fail(BOOT_FILE_CMDLINE " has %X bytes; %X are the most", bytes,
                    (uint64_t)sizeof text);
    fw_read(text, bytes);
    const char *wrong = loader_cmdline(h->cmdline, sizeof h->cmdline, text, (size_t)bytes, &at);
    if (wrong != NULL)
        loader_fail(BOOT_FILE_CMDLINE " %s (at byte %u)", wrong, (uint32_t)at);
    if (bytes != m->cmdline.bytes || crc32(0, text, (size_t)bytes) != m->cmdline.crc)
        loader_say(BOOT_FILE_CMDLINE " was edited; the command line is: %s", h->cmdline);
}

/* ---- All of it ---- */

void loader_memory_add(struct loader_handoff *h, uint64_t base, uint64_t bytes,
                       enum loader_memory type)
{
    uint32_t n = h->start.memmap_entries;
    struct pvh_memmap_entry *last = n > 0 ? &h->memory[n - 1] : NULL;

    if (bytes == 0)
        return;
    if (last != NULL && last->type == (uint32_t)type && last->addr + last->size == base) {
        last->size += bytes;
        return;
    }
    if (n == LOADER_MEMORY_MAX) /* memory that nobody is told of is not used */
        return;
    h->memory[n] = (struct pvh_memmap_entry){base, bytes, type, 0};
    h->start.memmap_entries = n + 1;
}

_Noreturn void loader_main(void)
{
    static struct boot_manifest m;
    struct loader_handoff *h;

    manifest_read(&m);
    loader_say("starting %s", m.program);
    fw_check_itself(&m.efi);

    uint32_t slide = kernel_load(&m);
    h = (struct loader_handoff *)(uintptr_t)fw_alloc(sizeof *h, UINT64_C(1) << 32);
    if (h == NULL)
        loader_fail("there is no free memory below 4 GiB");
    memset(h, 0, sizeof *h);
    for (uint32_t i = 0; i < m.n_modules; i++)
        module_load(h, &m.modules[i], i);
    cmdline_load(h, &m);
    if (fw_framebuffer(&h->framebuffer))
        module_add(h, BOOT_FRAMEBUFFER_NAME, (uintptr_t)&h->framebuffer, sizeof h->framebuffer);

    h->start.magic = PVH_MAGIC;
    h->start.version = 1;
    h->start.modlist_paddr = (uintptr_t)h->modules;
    h->start.cmdline_paddr = (uintptr_t)h->cmdline;
    h->start.memmap_paddr = (uintptr_t)h->memory;
    fw_leave(h, (uint32_t)m.kernel_entry + slide);
}
