/*
 * arch/x86_64/clock.c - nanoseconds since boot from the cycle counter; the calendar clock.
 *
 * WHAT. The counter's rate comes from CPUID 15h, or is measured for CALIBRATE_NS against the HPET,
 * the ACPI timer or the old timer chip, in this order, and refined against the same reference as
 * time goes by: every interrupt that comes later than the next refinement is due measures the rate
 * since boot, which is better the longer it took.
 *
 * INVARIANTS
 * [clock.1] arch_nanotime() never goes back, on no cpu and between no two: a refinement keeps the
 *           value of the moment and changes the rate from there on.
 * [clock.2] Readers see one consistent {cycles, ns, rate}: odd `version` means that it is being
 *           changed.
 * [clock.3] The moment of a change is taken after `version` is odd: a reader that still used the
 *           old rate read the counter before it. Else a virtual cpu that is held up just then lets
 *           others go on with the old rate for milliseconds, and the new rate, if lower, would take
 *           them back.
 * LOCKING. One writer: the boot cpu's timer interrupt. Readers retry.
 * SOURCES. IA-PC HPET specification 1.0a; ACPI 6.5 4.8.3.3 (PM timer); Intel 8254 data sheet.
 */
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/console.h>
#include "acpi.h"
#include "x86.h"

#define CALIBRATE_NS 200000
#define REFINE_FIRST_NS 20000000 /* then doubling, up to REFINE_MAX_NS */
#define REFINE_MAX_NS INT64_C(8000000000)

#define NS_PER_TICK(hz) ((UINT64_C(1000000000) << 32) / (hz))

/* A counter of known rate that was there before us. */
struct reference {
    uint64_t (*read)(void);
    uint64_t ns_per_tick; /* 32.32 fixed point */
    uint64_t mask;        /* it wraps here */
};

/* The clock: at `cycles` it was `ns`, and goes on at this rate [clock.2]. */
static struct {
    uint32_t version; /* [a] odd while the rest changes; partners: rate_set(), arch_nanotime() */
    uint64_t cycles;
    int64_t ns;
    uint64_t ns_per_cycle; /* 32.32 fixed point */
} now;

static volatile uint64_t *hpet;    /* [I] */
static uint16_t pm_port;           /* [I] */
static struct reference reference; /* [I] */

/* The writer's (the boot cpu). */
static uint64_t reference_last, reference_sum; /* ticks since calibration began, across wraps */
static uint64_t cycles_first;                  /* when it began */
static int64_t refine_at, refine_every;        /* 0: never */

/* n of what lasts so long each, in ns (32.32 fixed point). */
static inline int64_t ns_of(uint64_t n, uint64_t ns_each)
{
    return (int64_t)((unsigned __int128)n * ns_each >> 32);
}

static uint64_t read_hpet(void)
{
    return hpet[0xf0 / 8];
}

static uint64_t read_pm(void)
{
    return in32(pm_port);
}

/* Counts down from 65535 at 1.19 MHz: channel 0, latched. */
static uint64_t read_pit(void)
{
    out8(0x43, 0);
    uint64_t low = in8(0x40);
    return 0xffff - (low | (uint64_t)in8(0x40) << 8);
}

/* It stands at t: how long since calibration began. */
static int64_t reference_advance(uint64_t t)
{
    reference_sum += (t - reference_last) & reference.mask;
    reference_last = t;
    return ns_of(reference_sum, reference.ns_per_tick);
}

static bool reference_choose(const struct acpi_info *acpi)
{
    if (acpi->hpet_paddr != 0) {
        hpet = device_map(acpi->hpet_paddr, 1024);
        uint64_t caps = hpet != NULL ? hpet[0] : 0;
        uint64_t period_fs = caps >> 32;
        if (period_fs != 0 && period_fs <= 100000000) {
            hpet[0x10 / 8] |= 1; /* run */
            reference = (struct reference){read_hpet, (period_fs << 32) / 1000000,
                                           (caps & 1u << 13) ? ~UINT64_C(0) : 0xffffffff};
            return true;
        }
    }
    if (acpi->pm_timer.address != 0 && acpi->pm_timer.space == ACPI_PORT) {
        pm_port = (uint16_t)acpi->pm_timer.address;
        reference = (struct reference){read_pm, NS_PER_TICK(3579545),
                                       acpi->pm_timer_32bit ? 0xffffffff : 0xffffff};
        return true;
    }
    out8(0x43, 0x34); /* channel 0, both bytes, rate generator */
    out8(0x40, 0);
    out8(0x40, 0);
    reference = (struct reference){read_pit, NS_PER_TICK(1193182), 0xffff};
    uint64_t t = read_pit();
    for (int i = 0; i < 10000; i++)
        if (read_pit() != t)
            return true;
    return false;
}

static void rate_set(uint64_t ns_per_cycle)
{
    irqflags_t flags = arch_irq_save();

    store_seq_cst(&now.version, now.version + 1); /* before the counter is read [clock.3] */
    uint64_t cycles = arch_cycles();
    now.ns += ns_of(cycles - now.cycles, now.ns_per_cycle); /* [clock.1] */
    now.cycles = cycles;
    now.ns_per_cycle = ns_per_cycle;
    store_release(&now.version, now.version + 1);
    arch_irq_restore(flags);
}

/* ns * 2^32 / cycles without a 128-bit division: both are scaled down to 31 bits first. */
static uint64_t rate_of(uint64_t ns, uint64_t cycles)
{
    while (ns >> 31 != 0) {
        ns >>= 1;
        cycles >>= 1;
    }
    return cycles == 0 ? 0 : (ns << 32) / cycles;
}

/*
 * Read reference and cycle counter at the same moment. What the firmware does unasked between the
 * two (SMI), or a host that runs something else, would tear them apart: of a few tries the closest
 * counts.
 */
static uint64_t reference_with(uint64_t *cycles)
{
    uint64_t best = ~UINT64_C(0), ticks = 0;

    for (int i = 0; i < 4; i++) {
        uint64_t before = arch_cycles(), t = reference.read(), took = arch_cycles() - before;
        if (took < best) {
            best = took;
            ticks = t;
            *cycles = before + took / 2;
        }
    }
    return ticks;
}

/* The counter's rate as the cpu tells it, exactly; 0 if it does not. */
static uint64_t told_hz(void)
{
    struct cpuid l15 = cpuid(0, 0).a >= 0x15 ? cpuid(0x15, 0) : (struct cpuid){0};

    return l15.a != 0 && l15.b != 0 && l15.c != 0 ? (uint64_t)l15.c * l15.b / l15.a : 0;
}

/* By sources that are rounded or may be lies: better than nothing, where there is no clock. */
static uint64_t rumoured_hz(void)
{
    if (cpu_features.hypervisor && cpuid(0x40000000, 0).a >= 0x40000010)
        return cpuid(0x40000010, 0).a * UINT64_C(1000);
    return cpuid(0, 0).a >= 0x16 ? (cpuid(0x16, 0).a & 0xffff) * UINT64_C(1000000) : 0;
}

void clock_init(const struct acpi_info *acpi)
{
    uint64_t known_hz = told_hz();

    now.cycles = arch_cycles();
    now.ns_per_cycle = UINT64_C(1) << 32;
    bool have = reference_choose(acpi);
    if (!have && known_hz == 0)
        known_hz = rumoured_hz();
    if (!have && known_hz == 0) {
        boot_complain("clock", "no HPET, no ACPI timer, no timer chip: assuming 1 GHz");
        known_hz = 1000000000;
    }
    apic_timer_calibrate();
    cycles_first = arch_cycles();
    int64_t ns = CALIBRATE_NS;
    if (have) {
        reference_last = reference_with(&cycles_first);
        do {
            arch_cpu_relax();
            ns = reference_advance(reference.read());
        } while (ns < CALIBRATE_NS);
    } else {
        while (arch_cycles() - cycles_first < known_hz / (1000000000 / CALIBRATE_NS))
            arch_cpu_relax();
    }
    uint64_t cycles = arch_cycles();
    if (have)
        ns = reference_advance(reference_with(&cycles));
    cycles -= cycles_first;
    apic_timer_calibrate();
    now.cycles = cycles_first;
    now.ns_per_cycle =
        known_hz != 0 ? (UINT64_C(1000000000) << 32) / known_hz : rate_of((uint64_t)ns, cycles);
    refine_every = known_hz != 0 || !have ? 0 : REFINE_FIRST_NS;
    refine_at = refine_every;
}

int64_t arch_nanotime(void)
{
    for (;;) {
        uint32_t version = load_acquire(&now.version); /* partner: rate_set() */
        uint64_t cycles = now.cycles, rate = now.ns_per_cycle;
        int64_t ns = now.ns;
        uint64_t t = arch_cycles();
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (RT_LIKELY(!(version & 1) && load_relaxed(&now.version) == version)) {
            /* another cpu may have moved the base past us [clock.1] */
            return ns + ns_of(t > cycles ? t - cycles : 0, rate);
        }
        arch_cpu_relax();
    }
}

/*
 * The rate since boot is better than the first guess, but the sum since boot must not jump: the new
 * rate is such that the error so far is worked off over the next period.
 */
void clock_refine(void)
{
    if (refine_every == 0 || arch_cpu_id() != 0)
        return;
    int64_t t = arch_nanotime();
    if (t < refine_at)
        return;
    /* A counter that wraps within a period can't be followed that long, and a wrap may have been
     * missed while nothing ran. */
    int64_t half_turn = ns_of(reference.mask & UINT32_MAX, reference.ns_per_tick) / 2;
    if (half_turn < refine_every || t - refine_at > half_turn) {
        refine_every = 0;
        return;
    }
    int64_t truth = reference_advance(reference.read());
    uint64_t cycles = arch_cycles() - cycles_first;
    refine_every = refine_every * 2 > REFINE_MAX_NS ? REFINE_MAX_NS : refine_every * 2;
    uint64_t rate = rate_of((uint64_t)truth, cycles);
    int64_t behind = truth - t;
    /* rate * behind / refine_every, in an order in which nothing overflows; at most 0.4 % */
    int64_t correction = (int64_t)(rate >> 10) * (behind >> 4) / (refine_every >> 14);
    int64_t most = (int64_t)(rate >> 8);
    correction = correction > most ? most : correction < -most ? -most : correction;
    rate_set((uint64_t)((int64_t)rate + correction));
    refine_at = t + refine_every;
}

int64_t arch_cycles_ns(uint64_t cycles)
{
    return ns_of(cycles, now.ns_per_cycle);
}

uint64_t clock_cycles_of_ns(int64_t ns)
{
    uint64_t hz_ish = (UINT64_C(1) << 63) / (now.ns_per_cycle >> 1 ? now.ns_per_cycle >> 1 : 1);
    /* 2^64 / rate = cycles * 2^32 per ns */
    unsigned __int128 cycles = (unsigned __int128)(uint64_t)ns * hz_ish >> 32;
    return cycles >> 62 ? UINT64_C(1) << 62 : (uint64_t)cycles;
}

void clock_spin_ns(int64_t ns)
{
    int64_t end = arch_nanotime() + ns;
    while (arch_nanotime() < end)
        arch_cpu_relax();
}

/* ---- The calendar clock (MC146818) ---- */
static uint8_t cmos(uint8_t reg)
{
    out8(0x70, reg | 0x80);
    return in8(0x71);
}

/* Days since 1970-01-01 in the Gregorian calendar. */
static int64_t days_from_date(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = y / 400, yoe = y % 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t rtc_seconds(void)
{
    uint8_t a[7], b[7];

    for (int tries = 0; tries < 100; tries++) {
        static const uint8_t regs[7] = {0, 2, 4, 7, 8, 9, 0x32};
        for (int i = 0; i < 20000 && (cmos(0x0a) & 0x80); i++)
            arch_cpu_relax();
        for (int i = 0; i < 7; i++)
            a[i] = cmos(regs[i]);
        for (int i = 0; i < 7; i++)
            b[i] = cmos(regs[i]);
        if (__builtin_memcmp(a, b, sizeof a) == 0)
            break;
    }
    uint8_t mode = cmos(0x0b);
    bool pm = a[2] & 0x80;
    a[2] &= 0x7f;
    if (!(mode & 4))
        for (int i = 0; i < 7; i++)
            a[i] = (uint8_t)((a[i] >> 4) * 10 + (a[i] & 15));
    if (!(mode & 2))
        a[2] = (uint8_t)(a[2] % 12 + (pm ? 12 : 0));
    if (a[0] > 59 || a[1] > 59 || a[2] > 23 || a[3] < 1 || a[3] > 31 || a[4] < 1 || a[4] > 12 ||
        a[5] > 99)
        return 0; /* there is no such clock */
    int64_t century = a[6] >= 19 && a[6] <= 22 ? a[6] : 20;
    return days_from_date(century * 100 + a[5], a[4], a[3]) * 86400 + a[2] * 3600 + a[1] * 60 +
           a[0];
}

int64_t arch_walltime_ns(void)
{
    static int64_t at_boot; /* [a] wall time of arch_nanotime() == 0; the first reader settles it */
    int64_t base = load_acquire(&at_boot); /* partner: the swap below */

    if (base == 0) {
        int64_t seconds = rtc_seconds();
        if (seconds == 0)
            return 0;
        int64_t mine = seconds * 1000000000 - arch_nanotime();
        base = cas_acq_rel(&at_boot, 0, mine) ? mine : load_acquire(&at_boot);
    }
    return base + arch_nanotime();
}
