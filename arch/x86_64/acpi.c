/*
 * arch/x86_64/acpi.c - what the ACPI tables say about cores, interrupts, clocks and the way out.
 *
 * WHAT. Root pointer to root table (XSDT, else RSDT) to MADT, FADT, HPET, SPCR, DBG2; from the FADT
 * to the DSDT, in whose bytes (and the SSDTs') the package _S5_ is searched for instead of
 * interpreting AML.
 *
 * INVARIANTS
 * [acpi.1] A table is looked at only through struct table, whose `bytes` were granted by phys_map()
 *          and whose checksum is right; fields are read by table_get(), which gives 0 beyond the
 *          end.
 * [acpi.2] Nothing follows a pointer out of a table but root pointer -> root table -> table and
 *          FADT -> DSDT, each step checked by signature: tables that point in circles end there.
 * [acpi.3] Every loop advances by at least 1 (2 in the MADT) and is bounded by a table's bytes,
 *          which are bounded by TABLE_BYTES_MAX.
 * [acpi.4] Each APIC id is in cpus[] once.
 *
 * REJECTED. A checksum byte by byte and a search byte by byte: with QEMU's 8 KB DSDT that was a
 * sixth of the time from entry to main. So eight bytes at a time, and a search that skips.
 * SOURCES. ACPI 6.5, 5.2 (tables), 7.4.2 (_Sx), 20.2 (AML encoding). IA-PC HPET 1.0a, 3.2.4.
 * Microsoft's Serial Port Console Redirection Table and Debug Port Table 2.
 */
#include <arch/x86_64/acpi.h>

#include <string.h>

#define HEADER_BYTES 36u
#define TABLE_BYTES_MAX (4u << 20) /* the largest DSDTs are below 1 MiB */
#define ROOT_ENTRIES_MAX 256u
#define COMPLAINTS_MAX 16u /* a table of garbage must not drown the console */

#define COMPLAIN(info, ...)                                                                        \
    do {                                                                                           \
        if ((info)->n_complaints++ < COMPLAINTS_MAX)                                               \
            boot_complain(__VA_ARGS__);                                                            \
    } while (0)

/* A whole table, header included [acpi.1]. */
struct table {
    char name[5]; /* its signature, printable */
    uint64_t paddr;
    const uint8_t *at;
    uint32_t bytes;
};

/* ---- Reading ---- */

static uint64_t get_le(const uint8_t *at, unsigned width)
{
    uint64_t v = 0;

    while (width-- != 0)
        v = v << 8 | at[width];
    return v;
}

/* The little-endian field of 1 to 8 bytes at `offset`; 0 if the table ends before it does. */
static uint64_t table_get(const struct table *t, uint32_t offset, unsigned width)
{
    if (offset > t->bytes || width > t->bytes - offset)
        return 0;
    return get_le(t->at + offset, width);
}

/* A generic address structure. Other spaces than memory and ports are of no use here. */
static struct acpi_reg table_get_reg(const struct table *t, uint32_t offset)
{
    struct acpi_reg none = {0};
    uint64_t space = table_get(t, offset, 1);
    uint64_t address = table_get(t, offset + 4, 8);

    if (space > ACPI_PORT || address == 0 || (space == ACPI_PORT && address > UINT16_MAX))
        return none;
    return (struct acpi_reg){(int)space, (uint8_t)table_get(t, offset + 1, 1),
                             (uint8_t)table_get(t, offset + 3, 1), address};
}

/* The sum of all bytes, modulo 256: pairs of lanes of 16 bits, emptied before they can overflow. */
static uint8_t sum_bytes(const uint8_t *at, size_t n)
{
    const uint64_t even = 0x00ff00ff00ff00ffu;
    uint64_t sum = 0;

    while (n >= 8) {
        size_t words = n / 8 < 128 ? n / 8 : 128; /* 128 * 2 * 255 < 65536 */
        uint64_t lanes = 0;

        n -= 8 * words;
        for (; words != 0; words--, at += 8) {
            uint64_t v;

            memcpy(&v, at, 8);
            lanes += (v & even) + (v >> 8 & even);
        }
        sum += (lanes & 0xffff) + (lanes >> 16 & 0xffff) + (lanes >> 32 & 0xffff) + (lanes >> 48);
    }
    while (n-- != 0)
        sum += *at++;
    return (uint8_t)sum;
}

static void copy_name(char to[5], const uint8_t *from)
{
    for (int i = 0; i < 4; i++)
        to[i] = from[i] > ' ' && from[i] < 0x7f ? (char)from[i] : '?';
    to[4] = 0;
}

/* Open the table at paddr; `want` is the signature that it must have, NULL if any will do. */
static bool table_open(struct table *t, struct acpi_info *info, const struct phys_reader *reader,
                       uint64_t paddr, const char *want)
{
    const uint8_t *header = phys_map(reader, paddr, HEADER_BYTES);
    const char *called = want != NULL ? want : "ACPI table";

    *t = (struct table){.paddr = paddr};
    if (header == NULL) {
        COMPLAIN(info, called, "its header at %#lx can't be read", paddr);
        return false;
    }
    copy_name(t->name, header);
    if (want != NULL && memcmp(header, want, 4) != 0) {
        COMPLAIN(info, called, "at %#lx is a \"%s\"", paddr, t->name);
        return false;
    }
    t->bytes = (uint32_t)get_le(header + 4, 4);
    if (t->bytes < HEADER_BYTES || t->bytes > TABLE_BYTES_MAX) {
        COMPLAIN(info, t->name, "%u bytes long, at %#lx", t->bytes, paddr);
        return false;
    }
    t->at = phys_map(reader, paddr, t->bytes);
    if (t->at == NULL) {
        COMPLAIN(info, t->name, "its %u bytes at %#lx can't be read", t->bytes, paddr);
        return false;
    }
    if (sum_bytes(t->at, t->bytes) != 0) {
        COMPLAIN(info, t->name, "wrong checksum, at %#lx", paddr);
        return false;
    }
    return true;
}

/* ---- Root pointer ---- */

struct rsdp {
    uint8_t revision;
    uint64_t rsdt, xsdt; /* 0 if there is none */
};

#define RSDP_V1_BYTES 20u
#define RSDP_V2_BYTES 36u

/* Says why not if `loud`: the search meets signatures that mean nothing. */
static bool rsdp_read(struct rsdp *r, struct acpi_info *info, const struct phys_reader *reader,
                      uint64_t paddr, bool loud)
{
    const uint8_t *at = phys_map(reader, paddr, RSDP_V1_BYTES);
    const char *wrong = NULL;

    if (at == NULL)
        wrong = "can't be read";
    else if (memcmp(at, "RSD PTR ", 8) != 0)
        wrong = "has no signature";
    else if (sum_bytes(at, RSDP_V1_BYTES) != 0)
        wrong = "has a wrong checksum";
    if (wrong != NULL) {
        if (loud)
            COMPLAIN(info, "RSDP", "at %#lx %s", paddr, wrong);
        return false;
    }
    *r = (struct rsdp){.revision = at[15], .rsdt = get_le(at + 16, 4)};
    if (r->revision < 2)
        return true;

    /* The longer one has a sum of its own; if only that is wrong the RSDT is still good. */
    at = phys_map(reader, paddr, RSDP_V2_BYTES);
    if (at == NULL || get_le(at + 20, 4) < RSDP_V2_BYTES || sum_bytes(at, RSDP_V2_BYTES) != 0) {
        COMPLAIN(info, "RSDP", "at %#lx: wrong in its second part; the first is used", paddr);
        return true;
    }
    r->xsdt = get_le(at + 24, 8);
    return true;
}

/* By pieces of at most a page, so that a hole in the area hides only itself. */
static bool rsdp_search(struct rsdp *r, struct acpi_info *info, const struct phys_reader *reader,
                        uint64_t from, uint64_t end)
{
    while (from < end) {
        uint64_t next = (from | 4095) + 1 < end ? (from | 4095) + 1 : end;
        const uint8_t *at = phys_map(reader, from, next - from);

        for (uint64_t i = 0; at != NULL && i + 8 <= next - from; i += 16)
            if (at[i] == 'R' && memcmp(at + i, "RSD PTR ", 8) == 0 &&
                rsdp_read(r, info, reader, from + i, false))
                return true;
        from = next;
    }
    return false;
}

static bool rsdp_find(struct rsdp *r, struct acpi_info *info, const struct phys_reader *reader,
                      uint64_t hint)
{
    const uint8_t *ebda_segment;

    if (hint != 0 && rsdp_read(r, info, reader, hint, true))
        return true;
    ebda_segment = phys_map(reader, 0x40e, 2);
    if (ebda_segment != NULL) {
        uint64_t ebda = get_le(ebda_segment, 2) << 4;

        if (ebda >= 0x80000 && ebda < 0xa0000 && rsdp_search(r, info, reader, ebda, ebda + 1024))
            return true;
    }
    return rsdp_search(r, info, reader, 0xe0000, 0x100000);
}

/* ---- MADT ---- */

static void madt_add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
    struct acpi_cpu cpu = {apic_id, uid, (flags & 1) != 0, (flags & 3) == 2};

    for (size_t i = 0; i < info->n_cpus; i++) { /* [acpi.4] */
        struct acpi_cpu *old = &info->cpus[i];

        if (old->apic_id != apic_id)
            continue;
        /* Firmware fills unused entries with one id and leaves them disabled: no fault. */
        if (cpu.enabled && old->enabled)
            COMPLAIN(info, "APIC", "core %#x is listed twice", apic_id);
        else if (cpu.enabled)
            *old = cpu;
        return;
    }
    if (info->n_cpus == ACPI_CPUS_MAX) {
        COMPLAIN(info, "APIC", "more than %d cores; core %#x is ignored", ACPI_CPUS_MAX, apic_id);
        return;
    }
    info->cpus[info->n_cpus++] = cpu;
}

static void madt_add_nmi(struct acpi_info *info, uint32_t uid, uint16_t flags, uint8_t lint)
{
    if (lint > 1)
        COMPLAIN(info, "APIC", "NMI on LINT%u", lint);
    else if (info->n_nmis == ACPI_NMIS_MAX)
        COMPLAIN(info, "APIC", "more than %d NMI entries", ACPI_NMIS_MAX);
    else
        info->nmis[info->n_nmis++] = (struct acpi_nmi){uid, flags, lint};
}

static void madt_add_ioapic(struct acpi_info *info, const uint8_t *at)
{
    struct acpi_ioapic io = {at[2], (uint32_t)get_le(at + 4, 4), (uint32_t)get_le(at + 8, 4)};

    for (size_t i = 0; i < info->n_ioapics; i++) {
        if (info->ioapics[i].paddr == io.paddr || info->ioapics[i].gsi_base == io.gsi_base) {
            COMPLAIN(info, "APIC", "I/O APIC %#x at %#x is listed twice", io.id, io.paddr);
            return;
        }
    }
    if (io.paddr == 0)
        COMPLAIN(info, "APIC", "I/O APIC %#x has no address", io.id);
    else if (info->n_ioapics == ACPI_IOAPICS_MAX)
        COMPLAIN(info, "APIC", "more than %d I/O APICs", ACPI_IOAPICS_MAX);
    else
        info->ioapics[info->n_ioapics++] = io;
}

static void madt_add_override(struct acpi_info *info, const uint8_t *at)
{
    struct acpi_override o = {at[3], (uint32_t)get_le(at + 4, 4), (uint16_t)get_le(at + 8, 2)};

    if (at[2] != 0 || o.irq > 15) {
        COMPLAIN(info, "APIC", "override of line %u on bus %u", o.irq, at[2]);
        return;
    }
    for (size_t i = 0; i < info->n_overrides; i++) {
        if (info->overrides[i].irq == o.irq) {
            COMPLAIN(info, "APIC", "line %u is overridden twice", o.irq);
            return;
        }
    }
    if (info->n_overrides == ACPI_OVERRIDES_MAX)
        COMPLAIN(info, "APIC", "more than %d overrides", ACPI_OVERRIDES_MAX);
    else
        info->overrides[info->n_overrides++] = o;
}

/* Types of MADT entries that matter, and how long each must be. */
enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_LAPIC_ADDRESS = 5,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};
static const uint8_t madt_bytes[] = {
    [MADT_LAPIC] = 8,          [MADT_IOAPIC] = 12, [MADT_OVERRIDE] = 10,   [MADT_LAPIC_NMI] = 6,
    [MADT_LAPIC_ADDRESS] = 12, [MADT_X2APIC] = 16, [MADT_X2APIC_NMI] = 12,
};

/* One entry, known to be as long as its type needs. */
static void madt_entry(struct acpi_info *info, const uint8_t *at)
{
    uint32_t flags;

    switch (at[0]) {
    case MADT_LAPIC:
        flags = (uint32_t)get_le(at + 4, 4);
        if (at[3] != 0xff) /* that is everybody, and what unused entries hold */
            madt_add_cpu(info, at[3], at[2], flags);
        else if ((flags & 1) != 0)
            COMPLAIN(info, "APIC", "core 0xff, which means all cores, is listed as enabled");
        break;
    case MADT_X2APIC:
        flags = (uint32_t)get_le(at + 8, 4);
        if (get_le(at + 4, 4) != UINT32_MAX)
            madt_add_cpu(info, (uint32_t)get_le(at + 4, 4), (uint32_t)get_le(at + 12, 4), flags);
        else if ((flags & 1) != 0)
            COMPLAIN(info, "APIC", "core 0xffffffff, which means all cores, is listed as enabled");
        break;
    case MADT_IOAPIC:
        madt_add_ioapic(info, at);
        break;
    case MADT_OVERRIDE:
        madt_add_override(info, at);
        break;
    case MADT_LAPIC_NMI:
        madt_add_nmi(info, at[2] == 0xff ? ACPI_ALL_CPUS : at[2], (uint16_t)get_le(at + 3, 2),
                     at[5]);
        break;
    case MADT_X2APIC_NMI:
        madt_add_nmi(info, (uint32_t)get_le(at + 4, 4), (uint16_t)get_le(at + 2, 2), at[8]);
        break;
    case MADT_LAPIC_ADDRESS:
        if (get_le(at + 4, 8) != 0)
            info->lapic_paddr = get_le(at + 4, 8);
        else
            COMPLAIN(info, "APIC", "the local APICs' address is overridden with 0");
        break;
    }
}

static void acpi_parse_madt(struct acpi_info *info, const struct table *t)
{
    uint32_t offset = HEADER_BYTES + 8;

    info->has_madt = true;
    info->lapic_paddr = table_get(t, HEADER_BYTES, 4);
    info->has_8259 = (table_get(t, HEADER_BYTES + 4, 4) & 1) != 0;
    while (offset + 2 <= t->bytes) {
        const uint8_t *at = t->at + offset;
        uint8_t type = at[0], bytes = at[1];

        if (bytes < 2 || bytes > t->bytes - offset) { /* where the next one begins is unknown */
            COMPLAIN(info, t->name,
                     "entry of type %u at byte %u is %u bytes long; the rest is ignored", type,
                     offset, bytes);
            break;
        }
        if (type < sizeof(madt_bytes) && bytes < madt_bytes[type])
            COMPLAIN(info, t->name, "entry of type %u at byte %u has only %u bytes", type, offset,
                     bytes);
        else
            madt_entry(info, at);
        offset += bytes;
    }
    if (info->n_cpus == 0)
        COMPLAIN(info, t->name, "lists no core");
}

/* ---- _S5 ---- */

/* Read an AML integer of one byte's worth; advances *i. False if there is none. */
static bool aml_small_integer(const struct table *t, uint32_t *i, uint8_t *v)
{
    uint64_t op = table_get(t, *i, 1);

    if (*i >= t->bytes)
        return false;
    if (op <= 1) { /* ZeroOp, OneOp */
        *v = (uint8_t)op;
        *i += 1;
        return true;
    }
    if (op < 0x0a || op > 0x0c) /* BytePrefix, WordPrefix, DWordPrefix */
        return false;
    *v = (uint8_t)table_get(t, *i + 1, 1);
    *i += 1 + (1u << (op - 0x0a));
    return *i <= t->bytes;
}

/* `name` is where _S5_ was found: is it Name (_S5, Package () {a, b, ...})? */
static bool s5_read(struct acpi_info *info, const struct table *t, uint32_t name)
{
    uint32_t i = name + 4;
    uint64_t before = table_get(t, name - 1, 1);
    uint64_t elements;
    uint16_t packed;
    bool is_word;
    uint8_t a, b;

    if (before == '\\')
        before = table_get(t, name - 2, 1);
    if (before != 0x08 /* NameOp */ || table_get(t, i, 1) != 0x12 /* PackageOp */)
        return false;
    /* PkgLength says in its top two bits how many bytes follow it; then the number of elements. */
    i += 1 + 1 + (uint32_t)(table_get(t, i + 1, 1) >> 6);
    elements = table_get(t, i++, 1);
    packed = (uint16_t)table_get(t, i + 1, 2);
    is_word = table_get(t, i, 1) == 0x0b || table_get(t, i, 1) == 0x0c;
    if (elements == 0 || !aml_small_integer(t, &i, &a))
        return false;
    if (elements == 1) /* one integer for both is allowed: a in byte 0, b in byte 1 */
        b = is_word ? (uint8_t)(packed >> 8) : 0;
    else if (!aml_small_integer(t, &i, &b))
        return false;
    if (a > 7 || b > 7) /* SLP_TYP has three bits */
        return false;
    info->has_s5 = true;
    info->s5_typ_a = a;
    info->s5_typ_b = b;
    return true;
}

/* Looks at every fourth byte until one belongs to the name (Boyer, Moore, Horspool). */
static void acpi_search_s5(struct acpi_info *info, const struct table *t)
{
    uint32_t i = HEADER_BYTES + 3; /* where the last byte of the name would be */

    while (i < t->bytes && !info->has_s5) {
        switch (t->at[i]) {
        case '_':
            if (memcmp(t->at + i - 3, "_S5_", 4) == 0 && s5_read(info, t, i - 3))
                return;
            i += 3; /* it may be the name's first byte */
            break;
        case 'S':
            i += 2;
            break;
        case '5':
            i += 1;
            break;
        default:
            i += 4;
        }
    }
}

/* ---- FADT, HPET, SPCR, DBG2 ---- */

/* The register whose 64-bit form is at `wide`, or else the port whose number is at `narrow`. */
static struct acpi_reg fadt_reg(const struct table *t, uint32_t wide, uint32_t narrow)
{
    struct acpi_reg reg = table_get_reg(t, wide);
    uint64_t port = table_get(t, narrow, 4);

    if (reg.address == 0 && port != 0 && port <= UINT16_MAX)
        reg = (struct acpi_reg){ACPI_PORT, 0, 0, port};
    return reg;
}

static void acpi_parse_fadt(struct acpi_info *info, const struct table *t,
                            const struct phys_reader *reader)
{
    uint32_t flags = (uint32_t)table_get(t, 112, 4);
    uint64_t dsdt_paddr = table_get(t, 140, 8);
    struct table dsdt;

    info->has_fadt = true;
    info->hw_reduced = (flags >> 20 & 1) != 0;
    info->sci_irq = (uint16_t)table_get(t, 46, 2);
    info->iapc_boot_arch = (uint16_t)table_get(t, 109, 2);
    info->century = (uint8_t)table_get(t, 108, 1);
    if (info->century > 0x7f) {
        COMPLAIN(info, t->name, "century in CMOS byte %#x", info->century);
        info->century = 0;
    }
    if (!info->hw_reduced) {
        info->pm1a_cnt = fadt_reg(t, 172, 64);
        info->pm1b_cnt = fadt_reg(t, 184, 68);
        if (table_get(t, 48, 4) <= UINT16_MAX) {
            info->smi_port = (uint16_t)table_get(t, 48, 4);
            info->acpi_enable = (uint8_t)table_get(t, 52, 1);
        }
        if (table_get(t, 91, 1) == 4) { /* PM_TMR_LEN: 0 if there is no timer */
            info->pm_timer = fadt_reg(t, 208, 76);
            info->pm_timer_32bit = (flags >> 8 & 1) != 0;
        }
    } else {
        info->sleep_control = table_get_reg(t, 244);
        info->sleep_status = table_get_reg(t, 256);
    }
    if ((flags >> 10 & 1) != 0) { /* RESET_REG_SUP */
        info->reset = table_get_reg(t, 116);
        info->reset_value = (uint8_t)table_get(t, 128, 1);
    }

    if (dsdt_paddr == 0)
        dsdt_paddr = table_get(t, 40, 4);
    if (dsdt_paddr == 0)
        COMPLAIN(info, t->name, "names no DSDT");
    else if (table_open(&dsdt, info, reader, dsdt_paddr, "DSDT")) /* [acpi.2] */
        acpi_search_s5(info, &dsdt);
}

static void acpi_parse_hpet(struct acpi_info *info, const struct table *t)
{
    struct acpi_reg reg = table_get_reg(t, 40);

    if (info->hpet_paddr != 0)
        return; /* several blocks are allowed; the first will do */
    if (reg.address == 0 || reg.space != ACPI_MEMORY || reg.address % 8 != 0) {
        COMPLAIN(info, t->name, "its registers are at %#lx", reg.address);
        return;
    }
    info->hpet_paddr = reg.address;
    info->hpet_id = (uint32_t)table_get(t, 36, 4);
}

/* 16550, 16450, and 16550 as its address structure describes it: the types that SPCR and DBG2
 * share. */
static bool uart_type(uint64_t type)
{
    return type == 0 || type == 1 || type == 0x12;
}

static void acpi_parse_spcr(struct acpi_info *info, const struct table *t)
{
    static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};
    uint64_t irqs = table_get(t, 52, 1), baud = table_get(t, 58, 1);

    if (info->spcr.reg.address != 0 || !uart_type(table_get(t, 36, 1)))
        return;
    info->spcr.reg = table_get_reg(t, 40);
    info->spcr.baud = baud < sizeof bauds / sizeof bauds[0] ? bauds[baud] : 0;
    if ((irqs & 2) != 0) /* by the I/O APIC */
        info->spcr.irq = (uint32_t)table_get(t, 54, 4);
    else if ((irqs & 1) != 0) /* by the old controllers */
        info->spcr.irq = (uint32_t)table_get(t, 53, 1);
}

static void acpi_parse_dbg2(struct acpi_info *info, const struct table *t)
{
    uint64_t offset = table_get(t, 36, 4), n = table_get(t, 40, 4);

    for (; n != 0 && offset < t->bytes && info->dbg2.reg.address == 0; n--) {
        uint32_t at = (uint32_t)offset;
        uint64_t bytes = table_get(t, at + 1, 2), reg = table_get(t, at + 18, 2);

        if (bytes < 22 || bytes > t->bytes - at) { /* where the next one begins is unknown */
            COMPLAIN(info, t->name, "the port at byte %u is %u bytes long; the rest is ignored", at,
                     (unsigned)bytes);
            return;
        }
        if (table_get(t, at + 3, 1) != 0 && reg + 12 <= bytes &&
            table_get(t, at + 12, 2) == 0x8000 && uart_type(table_get(t, at + 14, 2)))
            info->dbg2.reg = table_get_reg(t, at + (uint32_t)reg);
        offset += bytes;
    }
}

/* ---- Root table ---- */

static void acpi_parse_table(struct acpi_info *info, const struct phys_reader *reader,
                             uint64_t paddr, bool ssdts)
{
    const uint8_t *name = phys_map(reader, paddr, 4);
    bool is_ssdt = name != NULL && memcmp(name, "SSDT", 4) == 0;
    struct table t;

    if (name == NULL) {
        if (!ssdts)
            COMPLAIN(info, "ACPI table", "nothing can be read at %#lx", paddr);
        return;
    }
    if (ssdts) {
        if (is_ssdt && table_open(&t, info, reader, paddr, "SSDT"))
            acpi_search_s5(info, &t);
        return;
    }
    if (memcmp(name, "APIC", 4) == 0) {
        if (info->has_madt)
            COMPLAIN(info, "APIC", "there is a second one at %#lx; ignored", paddr);
        else if (table_open(&t, info, reader, paddr, "APIC"))
            acpi_parse_madt(info, &t);
    } else if (memcmp(name, "FACP", 4) == 0) {
        if (info->has_fadt)
            COMPLAIN(info, "FACP", "there is a second one at %#lx; ignored", paddr);
        else if (table_open(&t, info, reader, paddr, "FACP"))
            acpi_parse_fadt(info, &t, reader);
    } else if (memcmp(name, "HPET", 4) == 0) {
        if (table_open(&t, info, reader, paddr, "HPET"))
            acpi_parse_hpet(info, &t);
    } else if (memcmp(name, "SPCR", 4) == 0) {
        if (table_open(&t, info, reader, paddr, "SPCR"))
            acpi_parse_spcr(info, &t);
    } else if (memcmp(name, "DBG2", 4) == 0) {
        if (table_open(&t, info, reader, paddr, "DBG2"))
            acpi_parse_dbg2(info, &t);
    } else if (memcmp(name, "XSDT", 4) == 0 || memcmp(name, "RSDT", 4) == 0 ||
               memcmp(name, "RSD ", 4) == 0) {
        COMPLAIN(info, "ACPI table", "the root table lists a root at %#lx; ignored", paddr);
    }
}

/* Go through the root table; `width` is the size of its entries. */
static void acpi_parse_root(struct acpi_info *info, const struct phys_reader *reader,
                            const struct table *root, unsigned width, bool ssdts)
{
    uint32_t n = (root->bytes - HEADER_BYTES) / width;

    if (n > ROOT_ENTRIES_MAX) {
        if (!ssdts)
            COMPLAIN(info, root->name, "lists %u tables; those after the first %u are ignored", n,
                     ROOT_ENTRIES_MAX);
        n = ROOT_ENTRIES_MAX;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t paddr = table_get(root, HEADER_BYTES + i * width, width);

        if (paddr == 0) {
            if (!ssdts)
                COMPLAIN(info, root->name, "entry %u is 0", i);
            continue;
        }
        acpi_parse_table(info, reader, paddr, ssdts);
        if (ssdts && info->has_s5)
            return;
    }
}

bool acpi_parse(struct acpi_info *info, const struct phys_reader *reader, uint64_t rsdp_paddr)
{
    struct rsdp rsdp;
    struct table root;
    unsigned width = 8;

    memset(info, 0, sizeof(*info));
    if (!rsdp_find(&rsdp, info, reader, rsdp_paddr))
        return false;
    info->revision = rsdp.revision;

    if (rsdp.xsdt == 0 || !table_open(&root, info, reader, rsdp.xsdt, "XSDT")) {
        width = 4;
        if (rsdp.rsdt == 0) {
            COMPLAIN(info, "RSDP", "it names no root table that can be used");
            return false;
        }
        if (!table_open(&root, info, reader, rsdp.rsdt, "RSDT"))
            return false;
    }
    acpi_parse_root(info, reader, &root, width, false);
    if (!info->has_s5)
        acpi_parse_root(info, reader, &root, width, true);
    if (info->n_complaints > COMPLAINTS_MAX)
        boot_complain("ACPI", "%u more complaints are not shown",
                      info->n_complaints - COMPLAINTS_MAX);
    return true;
}
