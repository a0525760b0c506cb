/*
 * boot/bios/bios.c - the second stage: what is the BIOS's own. disk.c finds and reads files.
 *
 * WHAT. Sectors come by the BIOS's disk extensions (int 13h, function 42h), through a bounce buffer
 * below 1 MiB, because the BIOS reaches no further; the memory map from int 15h, function E820h.
 *
 * INVARIANTS
 * [bios.1] fw_alloc() gives out memory that E820 calls RAM and no other entry overlaps, above 1
 *          MiB: all that the BIOS, its data area and this program use lies below.
 *
 * The RSDP is not looked for: the runtime does that (acpi.c) when the start info has none.
 *
 * SOURCES. Phoenix, BIOS Enhanced Disk Drive Specification 3.0. ACPI 6.4, chapter 15 (E820).
 */
#include <boot/bios/disk.h>
#include <boot/loader.h>

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

struct disk_packet {
    uint8_t bytes, zero;
    uint16_t sectors, offset, segment;
    uint64_t lba;
};

void sectors_bounce(uint64_t lba, uint32_t n)
{
    /* The BIOS wants it below 64 KiB, where the stack is, and bss is not. */
    struct disk_packet packet = {16, 0, (uint16_t)n, 0, (uint16_t)((uintptr_t)bounce >> 4), lba};

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
    for (uint32_t calls = 0; calls < LOADER_MEMORY_MAX; calls++) {
        __builtin_memset(entry, 0, sizeof entry);
        entry[20] = 1; /* attributes: valid, if the BIOS leaves them alone */
        bios_regs.eax = 0xe820;
        bios_regs.ecx = sizeof entry;
        bios_regs.edx = 0x534d4150; /* "SMAP" */
        bios_regs.edi = (uintptr_t)entry;
        bios_int(0x15);
        if ((bios_regs.flags & FLAG_CARRY) || bios_regs.eax != 0x534d4150)
            break;
        __builtin_memcpy(&e820[n_e820], entry, sizeof entry);
        if (bios_regs.ecx < 24 || (e820[n_e820].attributes & 1))
            n_e820++;
        if (bios_regs.ebx == 0)
            break;
    }
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

/* [bios.1] */
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

    disk_open(stage2_patch.gpt_copy_lba);
    loader_main();
}
