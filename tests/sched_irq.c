/*
 * tests/sched_irq.c - from an interrupt line to goroutines: counts, channels, console input.
 *
 * The source is the calendar clock's periodic interrupt (line 8), and for console input the serial
 * port's own loop-back: what is written comes back as if somebody had typed it. While that is on
 * nothing must be printed.
 */
#include <tests/hogs.h>

#define RTC_LINE 8u
#define RTC_A 0x0a
#define RTC_B 0x0b
#define RTC_C 0x0c
#define COM1 0x3f8

static uint8_t rtc(uint8_t reg)
{
    rt_out8(0x70, reg | 0x80);
    return rt_in8(0x71);
}

static void rtc_set(uint8_t reg, uint8_t v)
{
    rt_out8(0x70, reg | 0x80);
    rt_out8(0x71, v);
}

static bool rtc_there(void)
{
    return (rtc(0x0d) & 0x80) != 0 && rtc(RTC_A) != 0xff;
}

static void rtc_start(void)
{
    rtc_set(RTC_A, 0x26); /* 1,024 a second */
    rtc_set(RTC_B, rtc(RTC_B) | 0x40);
    rtc(RTC_C);
}

static void rtc_stop(void)
{
    rtc_set(RTC_B, rtc(RTC_B) & ~0x40);
    rtc(RTC_C);
}

static gc_root(rt_chan(uint64_t), ticks); /* the line is never given back, so one for all cases */

static void ticks_ready(struct test *t)
{
    if (!rtc_there())
        test_skip(t, "no calendar clock here");
    if (ticks.p == NULL)
        gc_set(ticks.p, rt_irq_chan(RTC_LINE, 4));
}

/* A goroutine that waits for a line gets its interrupts, as counts, and nothing else. */
TEST(irq, a_line_as_a_channel)
{
    uint64_t sum = 0;

    ticks_ready(t);
    rtc_start();
    for (unsigned received = 0; received < 20; received++) {
        uint64_t n = rt_chan_recv(ticks.p);
        EXPECT_GE(t, n, 1);
        sum += n;
        rtc(RTC_C); /* lets the next one through */
    }
    rtc_stop();
    EXPECT_LE(t, sum, 40);
}

/* While nobody receives, the count goes on: nothing is lost when the buffer is full. Loops on all
 * cpus don't keep it up. */
TEST(irq, interrupts_reach_goroutines_behind_hogs)
{
    ticks_ready(t);
    unsigned n = hogs_start(arch_cpu_count());
    rtc_start();
    for (unsigned received = 0; received < 5; received++) {
        rt_chan_recv(ticks.p);
        rtc(RTC_C);
    }
    rtc_stop();
    hogs_finish(t, n);
}

static bool does_nothing(RT_UNUSED void *arg, RT_UNUSED uint64_t n)
{
    return true;
}

TEST(irq, a_line_belongs_to_one)
{
    ticks_ready(t);
    EXPECT(t, !irq_attach(RTC_LINE, does_nothing, NULL));
    EXPECT(t, !irq_attach(100000, does_nothing, NULL));
}

/* ACPI's timer where QEMU's pc and q35 have it; its overflow, every 2.3 s, raises a level-triggered line. */
#define SCI_LINE 9u
#define PM1_STATUS 0x600
#define PM1_ENABLE 0x602
#define PM_TIMER 0x608
#define PM1_TIMER 1u

static bool pm_timer_there(void)
{
    uint32_t first = rt_in32(PM_TIMER);

    rt_sleep(100000);
    return rt_in32(PM_TIMER) != first && first >> 24 == 0;
}

/* It stays raised until the device has been served, by a goroutine that has to run for that [ioapic.1]. */
TEST_OPTS(irq, a_level_line_waits_until_it_is_served, .timeout_s = 20)
{
    if (!pm_timer_there())
        test_skip(t, "no ACPI timer here");
    rt_chan(uint64_t) c = rt_irq_chan(SCI_LINE, 1);
    for (unsigned round = 0; round < 2; round++) {
        rt_out16(PM1_STATUS, PM1_TIMER);
        rt_out16(PM1_ENABLE, PM1_TIMER);
        EXPECT_EQ(t, rt_chan_recv(c), 1);
        EXPECT(t, (rt_in16(PM1_STATUS) & PM1_TIMER) != 0);
        rt_sleep(1000000);
        uint64_t more = 0;
        EXPECT(t, !rt_chan_try_recv(c, more)); /* raised all the time, but masked */
        rt_out16(PM1_ENABLE, 0);
        rt_out16(PM1_STATUS, PM1_TIMER);
        rt_irq_done(SCI_LINE); /* round 1 sees that it is let through */
    }
}

static struct {
    char text[64];
    ssize_t n;
    uint32_t done; /* [a] */
} line;

static void reads_a_line(void)
{
    while ((line.n = rt_read_line(line.text, sizeof line.text)) < 0)
        rt_sleep(1000000); /* the end of what the console itself has */
    store_release(&line.done, 1);
}

/* A line that is typed wakes its reader, who parked for it. */
TEST(irq, console_input)
{
    static const char typed[] = "hello 1\n";

    memset(&line, 0, sizeof line);
    go(reads_a_line);
    rt_sleep(20000000);
    uint8_t control = rt_in8(COM1 + 4);
    rt_out8(COM1 + 4, control | 0x10); /* loop-back */
    for (const char *s = typed; *s != 0; s++)
        rt_out8(COM1, (uint8_t)*s);
    for (int64_t end = rt_nanotime() + INT64_C(5000000000);
         load_acquire(&line.done) == 0 && rt_nanotime() < end;)
        rt_sleep(1000000);
    rt_out8(COM1 + 4, control);
    REQUIRE(t, load_acquire(&line.done) == 1);
    EXPECT_EQ(t, line.n, 7);
    EXPECT_STR(t, line.text, "hello 1");
}
