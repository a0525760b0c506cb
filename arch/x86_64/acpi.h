/*
 * arch/x86_64/acpi.h - what the ACPI tables say about cores, interrupts, clocks and the way out.
 *
 * Static tables only; no AML is interpreted. The result is plain data, so parsing happens once,
 * early, and the tables need not stay mapped.
 */
#pragma once

#include <arch/bootinfo.h>

#define ACPI_CPUS_MAX 512
#define ACPI_IOAPICS_MAX 16
#define ACPI_OVERRIDES_MAX 32
#define ACPI_NMIS_MAX 32

/* Where a register is; address 0 means that there is none. */
struct acpi_reg {
    enum { ACPI_MEMORY = 0, ACPI_PORT = 1 } space;
    uint8_t bits;   /* width; 0 if the table does not say */
    uint8_t access; /* 1, 2, 3, 4: by 1, 2, 4, 8 bytes at a time; 0 if the table does not say */
    uint64_t address;
};

/* A serial port that firmware knows, of the 16550's family; reg.address 0 if there is none. */
struct acpi_uart {
    struct acpi_reg reg; /* its first register */
    uint32_t baud;       /* as the firmware set it; 0: not said */
    uint32_t irq;        /* its interrupt line; 0 if it has none */
};

struct acpi_cpu {
    uint32_t apic_id;
    uint32_t uid;        /* the name that NMI entries use */
    bool enabled;        /* there and to be started */
    bool online_capable; /* not there, but may be plugged in one day */
};

struct acpi_ioapic {
    uint8_t id;
    uint32_t paddr;
    uint32_t gsi_base; /* the first global interrupt that it serves */
};

/* Interrupt line `irq` of the ISA bus arrives as global interrupt gsi. Flags: MPS INTI flags. */
struct acpi_override {
    uint8_t irq;
    uint32_t gsi;
    uint16_t flags;
};

/* LINT input `lint` of the core `uid` (ACPI_ALL_CPUS: of every core) is an NMI. */
#define ACPI_ALL_CPUS UINT32_MAX
struct acpi_nmi {
    uint32_t uid;
    uint16_t flags;
    uint8_t lint;
};

struct acpi_info {
    uint8_t revision;      /* of the root pointer: 0 is ACPI 1.0 */
    unsigned n_complaints; /* also those that were too many to print */

    /* MADT */
    bool has_madt;
    bool has_8259; /* legacy interrupt controllers, to be masked */
    uint64_t lapic_paddr;
    size_t n_cpus;
    struct acpi_cpu cpus[ACPI_CPUS_MAX]; /* each APIC id once, in the table's order */
    size_t n_ioapics;
    struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
    size_t n_overrides;
    struct acpi_override overrides[ACPI_OVERRIDES_MAX];
    size_t n_nmis;
    struct acpi_nmi nmis[ACPI_NMIS_MAX];

    /* HPET; hpet_paddr is 0 if there is none */
    uint64_t hpet_paddr;
    uint32_t hpet_id; /* its hardware id: vendor, counter size, comparators */

    /* FADT */
    bool has_fadt;
    bool hw_reduced; /* no PM registers: power-off goes through sleep_control */
    uint16_t sci_irq;
    uint16_t iapc_boot_arch;  /* ACPI_IAPC_* */
    uint8_t century;          /* index of the clock's century byte in CMOS; 0 if there is none */
    bool pm_timer_32bit;      /* else it counts 24 bits */
    struct acpi_reg pm_timer; /* 3.579545 MHz */
    struct acpi_reg pm1a_cnt, pm1b_cnt;
    uint16_t smi_port;   /* 0: the machine is ours already; else this hands it over: */
    uint8_t acpi_enable; /* written there */
    struct acpi_reg sleep_control, sleep_status; /* where hw_reduced */
    struct acpi_reg reset;
    uint8_t reset_value; /* to be written to `reset` */

    /* DSDT or an SSDT: what goes into SLP_TYP of pm1a_cnt and pm1b_cnt to turn the machine off */
    bool has_s5;
    uint8_t s5_typ_a, s5_typ_b;

    struct acpi_uart spcr; /* the serial console that the firmware uses */
    struct acpi_uart dbg2; /* the first serial debug port */
};

#define ACPI_IAPC_LEGACY_DEVICES 0x01
#define ACPI_IAPC_8042 0x02
#define ACPI_IAPC_NO_VGA 0x04
#define ACPI_IAPC_NO_CMOS_RTC 0x20

/*
 * Fill in *info (cleared first) from the tables.
 *
 * rsdp    physical address of the root pointer; 0: search for it in the BIOS's areas
 * Returns false if no root pointer or no root table was found: silently if there is none, else
 * after saying why. A table that is wrong is named and skipped, and the rest is used; what it would
 * have said stays 0. Of an entry that is wrong only that entry is lost.
 */
bool acpi_parse(struct acpi_info *info, const struct phys_reader *reader, uint64_t rsdp);
