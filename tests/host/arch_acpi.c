/*
 * tests/host/arch_acpi.c - ACPI tables: good, bad in each way, and mutated.
 */
#include <arch/x86_64/acpi.c>
#include <tests/host/fuzz.h>

#define BASE 0xe0000u
#define BYTES 0x10000u
#define RSDP (BASE + 0x40)
#define XSDT (BASE + 0x100)
#define RSDT (BASE + 0x203) /* tables need no alignment */
#define MADT (BASE + 0x1000)
#define FADT (BASE + 0x2001)
#define HPET (BASE + 0x2400)
#define SPCR (BASE + 0x2500)
#define DBG2 (BASE + 0x2600)
#define DSDT (BASE + 0x3000)
#define SSDT (BASE + 0x5000)

static struct acpi_info info;
static uint64_t madt_end;

/* ---- Building ---- */

static const uint64_t all_tables[] = {XSDT, RSDT, MADT, FADT, HPET, SPCR, DBG2, DSDT, SSDT};

/* Make a table's checksum right again, whatever its length says, if it can be. */
static void fix_sum(uint64_t table)
{
    uint64_t bytes = get_le(phys_at(table + 4), 4);
    uint8_t sum = 0;

    if (bytes < HEADER_BYTES || bytes > BASE + BYTES - table)
        return;
    phys_put(table + 9, 1, 0);
    for (uint64_t i = 0; i < bytes; i++)
        sum += *phys_at(table + i);
    phys_put(table + 9, 1, (uint8_t)-sum);
}

static void fix_rsdp(void)
{
    uint8_t sum = 0;

    phys_put(RSDP + 8, 1, 0);
    for (int i = 0; i < 20; i++)
        sum += *phys_at(RSDP + (uint64_t)i);
    phys_put(RSDP + 8, 1, (uint8_t)-sum);
    sum = 0;
    phys_put(RSDP + 32, 1, 0);
    for (int i = 0; i < 36; i++)
        sum += *phys_at(RSDP + (uint64_t)i);
    phys_put(RSDP + 32, 1, (uint8_t)-sum);
}

static void fix_sums(void)
{
    for (size_t i = 0; i < sizeof(all_tables) / sizeof(all_tables[0]); i++)
        fix_sum(all_tables[i]);
    fix_rsdp();
}

static void header(uint64_t at, const char *name, uint32_t bytes)
{
    for (unsigned i = 0; i < 4; i++)
        phys_field(at + i, 1, (uint8_t)name[i]);
    phys_field(at + 4, 4, bytes);
    phys_field(at + 8, 1, 1);
}

static void gas(uint64_t at, uint8_t space, uint8_t bits, uint64_t address)
{
    phys_field(at, 1, space);
    phys_field(at + 1, 1, bits);
    phys_field(at + 4, 8, address);
}

/* Append an entry to the MADT: type, length, and bytes behind them. */
static uint64_t madt_put(uint8_t type, uint8_t bytes)
{
    uint64_t at = madt_end;

    phys_field(at, 1, type);
    phys_field(at + 1, 1, bytes);
    madt_end += bytes;
    phys_put(MADT + 4, 4, madt_end - MADT);
    return at;
}

static void madt_cpu(uint8_t apic_id, uint32_t flags)
{
    uint64_t at = madt_put(MADT_LAPIC, 8);

    phys_field(at + 2, 1, apic_id + 1u);
    phys_field(at + 3, 1, apic_id);
    phys_field(at + 4, 4, flags);
}

static void madt_x2(uint32_t apic_id, uint32_t flags)
{
    uint64_t at = madt_put(MADT_X2APIC, 16);

    phys_field(at + 4, 4, apic_id);
    phys_field(at + 8, 4, flags);
    phys_field(at + 12, 4, apic_id + 1);
}

/* DSDT or SSDT of `bytes`, with `aml` at `offset`. */
static void aml_table(uint64_t at, const char *name, uint32_t bytes, uint32_t offset,
                      const char *aml, size_t n)
{
    memset(phys_at(at), '_', bytes); /* a teaser for the search */
    header(at, name, bytes);
    for (size_t i = 0; i < n; i++)
        phys_field(at + offset + i, 1, (uint8_t)aml[i]);
    fix_sum(at);
}
#define AML(at, name, bytes, offset, text)                                                         \
    aml_table(at, name, bytes, offset, text, sizeof(text) - 1)

#define S5_AML "\x08_S5_\x12\x06\x04\x0a\x05\x0a\x03\x00\x00"

static void dbg2_port(uint64_t at, uint16_t bytes, uint16_t type, uint16_t subtype, uint16_t reg,
                      uint64_t address)
{
    phys_field(at + 1, 2, bytes);
    phys_field(at + 3, 1, 1);
    phys_field(at + 12, 2, type);
    phys_field(at + 14, 2, subtype);
    phys_field(at + 18, 2, reg);
    gas(at + reg, ACPI_MEMORY, 32, address);
    phys_field(at + reg + 3, 1, 3);
}

/* A machine with 4 cores, one of which is not there. */
static void build(void)
{
    static const uint64_t listed[] = {FADT, MADT, HPET, SPCR, DBG2, SSDT};
    uint64_t at;

    phys_reset(BASE, BYTES);
    complaints_clear();
    fields.n = 0;

    for (unsigned i = 0; i < 8; i++)
        phys_put(RSDP + i, 1, (uint8_t) "RSD PTR "[i]);
    phys_field(RSDP + 15, 1, 2);
    phys_field(RSDP + 16, 4, RSDT);
    phys_field(RSDP + 20, 4, 36);
    phys_field(RSDP + 24, 8, XSDT);

    header(XSDT, "XSDT", HEADER_BYTES + 6 * 8);
    header(RSDT, "RSDT", HEADER_BYTES + 6 * 4);
    for (unsigned i = 0; i < 6; i++) {
        phys_field(XSDT + HEADER_BYTES + 8 * i, 8, listed[i]);
        phys_field(RSDT + HEADER_BYTES + 4 * i, 4, listed[i]);
    }

    header(MADT, "APIC", 0);
    phys_field(MADT + 36, 4, 0xfee00000);
    phys_field(MADT + 40, 4, 1);
    madt_end = MADT + 44;
    madt_cpu(0, 1);
    madt_cpu(2, 1);
    madt_cpu(4, 2);
    madt_cpu(0xff, 0); /* unused, as firmware leaves them */
    madt_cpu(0xff, 0);
    madt_x2(0x1234, 1);
    at = madt_put(MADT_IOAPIC, 12);
    phys_field(at + 2, 1, 7);
    phys_field(at + 4, 4, 0xfec00000);
    phys_field(at + 8, 4, 0);
    at = madt_put(MADT_OVERRIDE, 10);
    phys_field(at + 3, 1, 0);
    phys_field(at + 4, 4, 2);
    phys_field(at + 8, 2, 0);
    at = madt_put(MADT_OVERRIDE, 10);
    phys_field(at + 3, 1, 9);
    phys_field(at + 4, 4, 9);
    phys_field(at + 8, 2, 0xd);
    at = madt_put(MADT_LAPIC_NMI, 6);
    phys_field(at + 2, 1, 0xff);
    phys_field(at + 3, 2, 5);
    phys_field(at + 5, 1, 1);
    at = madt_put(MADT_X2APIC_NMI, 12);
    phys_field(at + 4, 4, 0x1235);
    phys_field(at + 8, 1, 0);
    at = madt_put(MADT_LAPIC_ADDRESS, 12);
    phys_field(at + 4, 8, 0x1fee00000);
    madt_put(77, 5); /* a type of the future */

    header(FADT, "FACP", 276);
    phys_field(FADT + 40, 4, 0xdead0000); /* the 64-bit form wins */
    phys_field(FADT + 46, 2, 9);
    phys_field(FADT + 48, 4, 0xb2);
    phys_field(FADT + 52, 1, 0xa0);
    phys_field(FADT + 64, 4, 0x604);
    phys_field(FADT + 76, 4, 0x608);
    phys_field(FADT + 91, 1, 4);
    phys_field(FADT + 108, 1, 0x32);
    phys_field(FADT + 109, 2, 2);
    phys_field(FADT + 112, 4, 1u << 8 | 1u << 10);
    gas(FADT + 116, ACPI_PORT, 8, 0xcf9);
    phys_field(FADT + 128, 1, 0xf);
    phys_field(FADT + 140, 8, DSDT);
    gas(FADT + 208, ACPI_PORT, 32, 0x1808);

    header(HPET, "HPET", 56);
    phys_field(HPET + 36, 4, 0x8086a201);
    gas(HPET + 40, ACPI_MEMORY, 0, 0xfed00000);

    header(SPCR, "SPCR", 80);
    phys_field(SPCR + 36, 1, 0);
    gas(SPCR + 40, ACPI_PORT, 8, 0x3f8);
    phys_field(SPCR + 52, 1, 3);
    phys_field(SPCR + 53, 1, 3);
    phys_field(SPCR + 54, 4, 4);
    phys_field(SPCR + 58, 1, 4);

    header(DBG2, "DBG2", 44 + 40 + 38);
    phys_field(DBG2 + 36, 4, 44);
    phys_field(DBG2 + 40, 4, 2);
    dbg2_port(DBG2 + 44, 40, 0x8003, 0, 26, 0); /* a network card, for a debugger */
    dbg2_port(DBG2 + 84, 38, 0x8000, 0x12, 22, 0xfedc9000);

    AML(DSDT, "DSDT", 0x200, 0x101, S5_AML);
    AML(SSDT, "SSDT", 0x80, 0x40, "nothing");
    fix_sums();
}

static bool parse(void)
{
    return acpi_parse(&info, &fuzz_reader, RSDP);
}

/* What holds whatever memory held. */
static void check_info(void)
{
    CHECK(info.n_cpus <= ACPI_CPUS_MAX && info.n_ioapics <= ACPI_IOAPICS_MAX, "counts");
    CHECK(info.n_overrides <= ACPI_OVERRIDES_MAX && info.n_nmis <= ACPI_NMIS_MAX, "counts");
    for (size_t i = 0; i < info.n_cpus; i++) { /* [acpi.4] */
        CHECK(!(info.cpus[i].enabled && info.cpus[i].online_capable), "flags");
        for (size_t j = 0; j < i; j++)
            CHECK(info.cpus[i].apic_id != info.cpus[j].apic_id, "core %#x twice",
                  info.cpus[i].apic_id);
    }
    for (size_t i = 0; i < info.n_overrides; i++)
        CHECK(info.overrides[i].irq < 16, "line");
    CHECK(info.s5_typ_a < 8 && info.s5_typ_b < 8, "SLP_TYP");
    CHECK(info.reset.address == 0 || info.reset.space == ACPI_MEMORY ||
              info.reset.address <= 0xffff,
          "port");
    CHECK(complaints <= COMPLAINTS_MAX + 1, "%u complaints", complaints);
    CHECK(phys.n_maps < 2000, "%zu views", phys.n_maps);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Patches to a good image: offset, width, value; then sums are made right or left wrong. */
    bool fix = size != 0 && (data[0] & 1) != 0;

    build();
    for (; size >= 5; data += 5, size -= 5)
        phys_put(BASE + (data[0] & 0xfe) + ((data[1] & 0x5f) << 8u), 2,
                 data[2] | (uint64_t)data[3] << 8);
    if (fix)
        fix_sums();
    parse();
    check_info();
    return 0;
}
#else

static void test_good(void)
{
    for (int form = 0; form < 2; form++) {
        fuzz_group(form == 0 ? "acpi: good tables by the XSDT" : "acpi: good tables by the RSDT");
        build();
        if (form == 1) {
            phys_put(RSDP + 15, 1, 0);
            phys_put(RSDP + 24, 8, 0x77); /* ACPI 1.0 has no such field */
            fix_rsdp();
        }
        CHECK(parse() && complaints == 0, "%s", complaint_last);
        CHECK(info.n_cpus == 4 && info.cpus[1].apic_id == 2 && info.cpus[1].uid == 3, "cores");
        CHECK(info.cpus[0].enabled && !info.cpus[2].enabled && info.cpus[2].online_capable,
              "flags");
        CHECK(info.cpus[3].apic_id == 0x1234 && info.cpus[3].enabled, "x2APIC");
        CHECK(info.n_ioapics == 1 && info.ioapics[0].id == 7 && info.ioapics[0].paddr == 0xfec00000,
              "I/O APIC");
        CHECK(info.n_overrides == 2 && info.overrides[0].irq == 0 && info.overrides[0].gsi == 2 &&
                  info.overrides[1].irq == 9 && info.overrides[1].flags == 0xd,
              "overrides");
        CHECK(info.n_nmis == 2 && info.nmis[0].uid == ACPI_ALL_CPUS && info.nmis[0].lint == 1 &&
                  info.nmis[0].flags == 5 && info.nmis[1].uid == 0x1235,
              "NMIs");
        CHECK(info.lapic_paddr == 0x1fee00000 && info.has_8259, "local APIC");
        CHECK(info.hpet_paddr == 0xfed00000 && info.hpet_id == 0x8086a201, "HPET");
        CHECK(info.pm_timer.space == ACPI_PORT && info.pm_timer.address == 0x1808 &&
                  info.pm_timer.bits == 32 && info.pm_timer_32bit,
              "PM timer");
        CHECK(info.pm1a_cnt.space == ACPI_PORT && info.pm1a_cnt.address == 0x604, "PM1a_CNT");
        CHECK(info.pm1b_cnt.address == 0 && info.sci_irq == 9 && info.century == 0x32, "FADT");
        CHECK(info.iapc_boot_arch == ACPI_IAPC_8042 && !info.hw_reduced, "FADT");
        CHECK(info.reset.address == 0xcf9 && info.reset_value == 0xf, "reset");
        CHECK(info.has_s5 && info.s5_typ_a == 5 && info.s5_typ_b == 3, "_S5_");
        CHECK(info.smi_port == 0xb2 && info.acpi_enable == 0xa0, "the way into ACPI mode");
        CHECK(info.spcr.reg.space == ACPI_PORT && info.spcr.reg.address == 0x3f8 &&
                  info.spcr.irq == 4 && info.spcr.baud == 19200,
              "SPCR");
        CHECK(info.dbg2.reg.space == ACPI_MEMORY && info.dbg2.reg.address == 0xfedc9000 &&
                  info.dbg2.reg.access == 3,
              "DBG2: %#llx", (unsigned long long)info.dbg2.reg.address);
        check_info();
    }
}

static void test_root(void)
{
    fuzz_group("acpi: the root pointer is checked, or searched for");
    build();
    CHECK(acpi_parse(&info, &fuzz_reader, 0) && info.n_cpus == 4 && complaints == 0, "search");
    CHECK(acpi_parse(&info, &fuzz_reader, RSDP + 16) && info.n_cpus == 4, "a bad hint");
    CHECK_COMPLAINTS(1, "RSDP is bad: at 0xe0050 has no signature");
    complaints_clear();
    CHECK(acpi_parse(&info, &fuzz_reader, 0xfffffffffffffff8) && info.n_cpus == 4, "a worse one");
    CHECK_COMPLAINTS(1, "can't be read");
    build();
    memcpy(phys_at(RSDP - 32), "RSD PTR but not really", 20); /* met by the search, and passed */
    CHECK(acpi_parse(&info, &fuzz_reader, 0) && complaints == 0, "%s", complaint_last);
    build();
    phys_put(RSDP + 9, 1, 1);
    CHECK(!parse(), "sum");
    CHECK_COMPLAINTS(1, "has a wrong checksum");
    build();
    phys_put(RSDP + 33, 1, 1); /* only the long sum covers it */
    CHECK(parse() && info.n_cpus == 4, "the first part is good");
    CHECK_COMPLAINTS(1, "wrong in its second part");
    build();
    memset(phys_at(RSDP), 0, 36);
    CHECK(!acpi_parse(&info, &fuzz_reader, 0) && complaints == 0, "no ACPI is no fault");
    build();
    phys_put(XSDT + 20, 1, 9);
    CHECK(parse() && info.n_cpus == 4, "the RSDT is taken instead");
    CHECK_COMPLAINTS(1, "XSDT is bad: wrong checksum");
    build();
    phys_put(RSDP + 24, 8, 1ull << 63);
    phys_put(RSDP + 16, 4, 0);
    fix_rsdp();
    CHECK(!parse(), "no root");
    CHECK_COMPLAINTS(2, "no root table");

    /* In the extended BIOS data area; nothing is readable from 640 KiB on. */
    phys_reset(0, 0xa0000);
    complaints_clear();
    CHECK(!acpi_parse(&info, &fuzz_reader, 0) && complaints == 0, "nothing");
    phys_put(0x40e, 2, 0x9fc0);
    memcpy(phys_at(0x9fc30), "RSD PTR ", 8);
    phys_put(0x9fc30 + 16, 4, 0x5000);
    phys_put(0x9fc30 + 8, 1, 0u - sum_bytes(phys_at(0x9fc30), 20));
    header(0x5000, "RSDT", 36);
    phys_put(0x5009, 1, 0);
    phys_put(0x5009, 1, 0u - sum_bytes(phys_at(0x5000), 36));
    CHECK(acpi_parse(&info, &fuzz_reader, 0) && complaints == 0, "EBDA: %s", complaint_last);
}

static void test_bad(void)
{
    fuzz_group("acpi: a bad table costs only itself");
    build();
    phys_put(MADT + 37, 1, 9);
    CHECK(parse() && info.n_cpus == 0 && !info.has_madt && info.has_fadt && info.hpet_paddr,
          "MADT");
    CHECK_COMPLAINTS(1, "APIC is bad: wrong checksum, at 0xe1000");
    build();
    phys_put(HPET + 4, 4, 35);
    CHECK(parse() && info.hpet_paddr == 0 && info.n_cpus == 4, "too short");
    CHECK_COMPLAINTS(1, "HPET is bad: 35 bytes long");
    build();
    phys_put(HPET + 4, 4, 0xffffffff);
    CHECK(parse() && info.hpet_paddr == 0, "absurd length");
    CHECK_COMPLAINTS(1, "HPET is bad: 4294967295 bytes long");
    build();
    phys_put(FADT + 4, 4, 0x100000);
    CHECK(parse() && !info.has_fadt && info.n_cpus == 4, "runs out of memory");
    CHECK_COMPLAINTS(1, "FACP is bad: its 1048576 bytes at 0xe2001 can't be read");
    build();
    phys_put(HPET + 4, 4, 50); /* ends within the field: that is 0 */
    fix_sum(HPET);
    CHECK(parse() && info.hpet_paddr == 0, "truncated");
    CHECK_COMPLAINTS(1, "HPET is bad: its registers are at 0");

    fuzz_group("acpi: tables in circles, listed twice, or absurdly many");
    build();
    phys_put(XSDT + HEADER_BYTES, 8, XSDT);
    phys_put(XSDT + HEADER_BYTES + 8, 8, RSDP);
    fix_sum(XSDT);
    CHECK(parse() && !info.has_fadt, "circle");
    CHECK_COMPLAINTS(2, "lists a root");
    build();
    phys_put(FADT + 140, 8, FADT);
    fix_sum(FADT);
    CHECK(parse() && info.has_fadt && !info.has_s5, "the FADT as its own DSDT");
    CHECK_COMPLAINTS(1, "DSDT is bad: at 0xe2001 is a \"FACP\"");
    build();
    phys_put(XSDT + HEADER_BYTES, 8, MADT);
    fix_sum(XSDT);
    CHECK(parse() && info.n_cpus == 4, "twice");
    CHECK_COMPLAINTS(1, "there is a second one");
    build();
    phys_put(XSDT + HEADER_BYTES, 8, 0);
    phys_put(XSDT + HEADER_BYTES + 16, 8, 0x123456789abcd);
    fix_sum(XSDT);
    CHECK(parse() && info.n_cpus == 4, "0 and nowhere");
    CHECK(complaints == 2, "%u", complaints);
    build();
    phys_put(RSDP + 24, 8, DSDT + 0x1000);
    fix_rsdp();
    header(DSDT + 0x1000, "XSDT", 36 + 8 * 300);
    for (unsigned i = 0; i < 300; i++)
        phys_put(DSDT + 0x1000 + 36 + 8 * i, 8, MADT);
    fix_sum(DSDT + 0x1000);
    CHECK(parse() && info.n_cpus == 4, "300 tables");
    CHECK(complaints == COMPLAINTS_MAX + 1 && strstr(complaint_last, "240 more") != NULL, "%u, %s",
          complaints, complaint_last);
}

static void test_serial(void)
{
    fuzz_group("acpi: serial ports that can't be used are not");
    build();
    phys_put(SPCR + 36, 1, 3); /* an ARM one */
    phys_put(DBG2 + 84 + 14, 2, 3);
    fix_sums();
    CHECK(parse() && info.spcr.reg.address == 0 && info.dbg2.reg.address == 0 && complaints == 0,
          "other kinds");
    build();
    phys_put(SPCR + 52, 1, 1);
    phys_put(SPCR + 58, 1, 200);
    phys_put(SPCR + 40, 1, ACPI_MEMORY);
    phys_put(SPCR + 44, 8, 0xfe034000);
    fix_sum(SPCR);
    CHECK(parse() && info.spcr.irq == 3 && info.spcr.baud == 0 &&
              info.spcr.reg.space == ACPI_MEMORY && info.spcr.reg.address == 0xfe034000,
          "registers in memory, the old interrupt, a speed that does not exist");
    build();
    phys_put(DBG2 + 44 + 1, 2, 21);
    fix_sum(DBG2);
    CHECK(parse() && info.dbg2.reg.address == 0, "too short");
    CHECK_COMPLAINTS(1, "DBG2 is bad: the port at byte 44 is 21 bytes long");
    build();
    phys_put(DBG2 + 84 + 1, 2, 39);
    fix_sum(DBG2);
    CHECK(parse() && info.dbg2.reg.address == 0, "longer than the table");
    CHECK_COMPLAINTS(1, "DBG2 is bad: the port at byte 84 is 39 bytes long");
    build();
    phys_put(DBG2 + 84 + 18, 2, 27); /* its address would end in the next one */
    fix_sum(DBG2);
    CHECK(parse() && info.dbg2.reg.address == 0 && complaints == 0, "address outside");
    build();
    phys_put(DBG2 + 36, 4, 0xfffffff0);
    phys_put(DBG2 + 40, 4, 0xffffffff);
    fix_sum(DBG2);
    CHECK(parse() && info.dbg2.reg.address == 0 && complaints == 0, "offset outside");
}

static void test_madt(void)
{
    fuzz_group("acpi: a bad MADT entry costs only itself [acpi.4]");
    build();
    madt_cpu(2, 1);
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == 4, "duplicate");
    CHECK_COMPLAINTS(1, "core 0x2 is listed twice");
    build();
    madt_x2(4, 1); /* disabled in the one form, enabled in the other */
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == 4 && info.cpus[2].enabled && complaints == 0, "promoted");
    build();
    madt_cpu(0xff, 1);
    madt_x2(UINT32_MAX, 1);
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == 4 && complaints == 2, "broadcast");
    build();
    for (uint32_t i = 0; i < 600; i++)
        madt_x2(0x10000 + i, 1);
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == ACPI_CPUS_MAX, "%zu", info.n_cpus);
    CHECK_COMPLAINTS(COMPLAINTS_MAX + 1, "more complaints are not shown");
    build();
    madt_put(MADT_LAPIC, 7);
    madt_cpu(9, 1);
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == 5, "a short entry");
    CHECK_COMPLAINTS(1, "has only 7 bytes");
    build();
    phys_put(madt_put(MADT_LAPIC, 8) + 1, 1, 0);
    madt_cpu(9, 1);
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == 4, "length 0");
    CHECK_COMPLAINTS(1, "the rest is ignored");
    build();
    phys_put(madt_put(MADT_X2APIC, 16) + 1, 1, 200);
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == 4, "beyond the end");
    CHECK_COMPLAINTS(1, "is 200 bytes long");
    build();
    phys_put(MADT + 4, 4, 45); /* half an entry */
    fix_sum(MADT);
    CHECK(parse() && info.n_cpus == 0, "truncated");
    CHECK_COMPLAINTS(1, "lists no core");
    build();
    for (int i = 0; i < 40; i++)
        phys_put(madt_put(MADT_LAPIC_NMI, 6) + 5, 1, 1);
    phys_put(madt_put(MADT_LAPIC_NMI, 6) + 5, 1, 2);
    phys_put(madt_put(MADT_OVERRIDE, 10) + 3, 1, 16);
    phys_put(madt_put(MADT_OVERRIDE, 10) + 3, 1, 9);
    phys_put(madt_put(MADT_IOAPIC, 12) + 4, 4, 0xfec00000);
    phys_put(madt_put(MADT_IOAPIC, 12) + 8, 4, 24);
    phys_put(madt_put(MADT_LAPIC_ADDRESS, 12) + 4, 8, 0);
    fix_sum(MADT);
    CHECK(parse() && info.n_nmis == ACPI_NMIS_MAX && info.n_overrides == 2 && info.n_ioapics == 1 &&
              info.lapic_paddr == 0x1fee00000,
          "the other kinds");
    CHECK(info.n_complaints == 16, "%u", info.n_complaints);
    check_info();
}

static void test_fadt(void)
{
    fuzz_group("acpi: old, reduced and odd FADTs");
    build();
    phys_put(FADT + 4, 4, 116); /* ACPI 1.0 */
    phys_put(FADT + 40, 4, DSDT);
    fix_sum(FADT);
    CHECK(parse() && complaints == 0, "%s", complaint_last);
    CHECK(info.pm_timer.address == 0x608 && info.pm1a_cnt.address == 0x604 && info.has_s5, "ports");
    CHECK(info.reset.address == 0, "no such field yet");
    build();
    phys_put(FADT + 112, 4, 1u << 20);
    gas(FADT + 244, ACPI_MEMORY, 8, 0xfea00200);
    fix_sum(FADT);
    CHECK(parse() && info.hw_reduced && info.pm1a_cnt.address == 0 && info.pm_timer.address == 0 &&
              info.sleep_control.address == 0xfea00200 && info.reset.address == 0,
          "reduced");
    build();
    phys_put(FADT + 208 + 4, 8, 0x12345678); /* no port: the old field is used */
    phys_put(FADT + 108, 1, 0xff);
    fix_sum(FADT);
    CHECK(parse() && info.pm_timer.address == 0x608 && info.century == 0, "odd");
    CHECK_COMPLAINTS(1, "century");
    build();
    phys_put(FADT + 91, 1, 0);
    phys_put(FADT + 140, 8, 0);
    phys_put(FADT + 40, 4, 0);
    fix_sum(FADT);
    CHECK(parse() && info.pm_timer.address == 0 && !info.has_s5, "no timer, no DSDT");
    CHECK_COMPLAINTS(1, "FACP is bad: names no DSDT");
}

static void test_s5(void)
{
    fuzz_group("acpi: _S5_ in all its spellings, at every place");
    for (uint32_t offset = HEADER_BYTES; offset < 0x60; offset++) {
        build();
        AML(DSDT, "DSDT", offset + sizeof(S5_AML) - 1, offset, S5_AML);
        CHECK(parse() && info.has_s5 && info.s5_typ_a == 5 && info.s5_typ_b == 3, "%u", offset);
        /* cut short: never found, never read beyond */
        for (uint32_t cut = 1; cut < sizeof(S5_AML) - 3; cut++) {
            build();
            AML(DSDT, "DSDT", 0x80, offset, S5_AML);
            phys_put(DSDT + 4, 4, offset + sizeof(S5_AML) - 3 - cut);
            fix_sum(DSDT);
            CHECK(parse() && !info.has_s5, "%u cut by %u", offset, cut);
        }
    }
#define S5(text, found, a, b)                                                                      \
    build();                                                                                       \
    AML(DSDT, "DSDT", 0x200, 0x101, text);                                                         \
    CHECK(parse() && info.has_s5 == (found) && info.s5_typ_a == (a) && info.s5_typ_b == (b),       \
          "%s: %d, %d", #text, info.s5_typ_a, info.s5_typ_b)
    S5("\x08\\_S5_\x12\x06\x04\x00\x01\x00\x00", true, 0, 1);
    S5("\x08_S5_\x12\x08\x04\x0b\x05\x00\x0b\x06\x00", true, 5, 6);
    S5("\x08_S5_\x12\x0a\x02\x0c\x05\x00\x00\x00\x0a\x07", true, 5, 7);
    S5("\x08_S5_\x12\x40\x07\x02\x0a\x07\x0a\x07", true, 7, 7);
    S5("\x08_S5_\x12\x05\x01\x0b\x05\x06", true, 5, 6);
    S5("\x08_S5_\x12\x04\x01\x0a\x05", true, 5, 0);
    S5("\x08_S5_\x12\x03\x01\x01\x7f\x7f", true, 1, 0);
    S5("\x08_S5_\x12\x06\x04\x0a\x08\x0a\x05", false, 0, 0); /* has three bits only */
    S5("\x08_S5_\x12\x06\x00\x0a\x05\x0a\x05", false, 0, 0);
    S5("\x10_S5_\x12\x06\x04\x0a\x05\x0a\x05", false, 0, 0); /* a reference, not a name */
    S5("\x08_S5_\x08\x06\x04\x0a\x05\x0a\x05", false, 0, 0);
    S5("\x08_S5_\x12\x06\x04\x70\x05\x0a\x05", false, 0, 0);
    S5("_S5_S5_5_\x08_S5_\x12\x06\x04\x0a\x05\x0a\x03", true, 5, 3);
    build();
    AML(DSDT, "DSDT", 0x200, 0x101, "nothing");
    AML(SSDT, "SSDT", 0x80, 0x40, S5_AML);
    CHECK(parse() && info.has_s5 && info.s5_typ_a == 5, "in an SSDT");
}

/* The eight-at-a-time sum equals the plain one. */
static void test_sum(void)
{
    static uint8_t bytes[5000];

    fuzz_group("acpi: the fast sum is the sum");
    for (int round = 0; round < 300; round++) {
        size_t n = fuzz_below(sizeof(bytes) - 8), skew = fuzz_below(8);
        uint8_t plain = 0;

        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = round == 0 ? 0xff : (uint8_t)rng_next(&fuzz_rng);
        for (size_t i = 0; i < n; i++)
            plain += bytes[skew + i];
        CHECK(sum_bytes(bytes + skew, n) == plain, "%zu bytes", n);
    }
}

static void test_mutants(void)
{
    double end = fuzz_now() + fuzz.seconds;
    unsigned rounds = 0, found = 0;

    fuzz_group("acpi: mutated tables stay within bounds");
    while (fuzz_now() < end) {
        build();
        for (unsigned n = 1 + fuzz_below(10); n != 0; n--)
            phys_mutate();
        if (fuzz_below(8) != 0 && phys.bytes == BYTES)
            fix_sums();
        found += acpi_parse(&info, &fuzz_reader, fuzz_below(8) ? RSDP : fuzz_number());
        check_info();
        rounds++;
    }
    printf("    %u mutants, %u with a root table\n", rounds, found);
}

int main(void)
{
    fuzz_begin();
    test_good();
    test_root();
    test_bad();
    test_serial();
    test_madt();
    test_fadt();
    test_s5();
    test_sum();
    test_mutants();
    return fuzz_end();
}
#endif
