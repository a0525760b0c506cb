/*
 * tests/arch_serial.c - the driver of a serial port, on registers that are plain memory: which of them it
 * touches, in both widths, and that it gives up a port that stands still.
 */
#include <tests/test.h>

#include <arch/x86_64/x86.h>
#include <lib/string.h>

#define LSR 5
#define EMPTY 0x60

TEST(serial, registers_of_a_byte)
{
    volatile uint8_t regs[10];
    struct uart u = {.at = (void *)(uintptr_t)&regs[1]};

    for (int i = 0; i < 10; i++)
        regs[i] = 0xee;
    regs[1 + LSR] = EMPTY | 1; /* and a byte has come */
    REQUIRE(t, uart_open(&u, 0));
    EXPECT_EQ(t, regs[1 + 1], 0); /* no interrupts yet */
    EXPECT_EQ(t, regs[1 + 3], 3); /* 8N1, the latch closed */
    EXPECT_EQ(t, regs[1 + 4], 0x0b);
    EXPECT_EQ(t, regs[1], 0xee); /* the speed was left alone */
    uart_put(&u, "ab\n", 3);
    EXPECT_EQ(t, regs[1], '\n');
    EXPECT_EQ(t, uart_get(&u), '\n'); /* it is memory: what was sent */
    regs[1 + LSR] = EMPTY;
    EXPECT_EQ(t, uart_get(&u), -1);
    EXPECT_EQ(t, regs[0], 0xee);
    EXPECT_EQ(t, regs[9], 0xee);
}

TEST(serial, registers_of_a_word)
{
    volatile uint32_t regs[10];
    struct uart u = {.at = (void *)(uintptr_t)&regs[1], .wide = true};

    for (int i = 0; i < 10; i++)
        regs[i] = 0xeeeeeeee;
    regs[1 + LSR] = EMPTY;
    REQUIRE(t, uart_open(&u, 9600));
    EXPECT_EQ(t, regs[1], 12); /* 115200 / 9600 */
    EXPECT_EQ(t, regs[1 + 3], 3);
    uart_put(&u, "x", 1);
    EXPECT_EQ(t, regs[1], 'x');
    EXPECT_EQ(t, regs[0], 0xeeeeeeee);
    EXPECT_EQ(t, regs[9], 0xeeeeeeee);
    EXPECT_EQ(t, regs[1 + 6], 0xeeeeeeee); /* the modem's lines are nobody's business */
}

/* A port that takes nothing costs one wait, not one for each letter. */
TEST(serial, a_port_that_never_sends)
{
    volatile uint8_t regs[8] = {0};
    struct uart u = {.at = (void *)(uintptr_t)&regs[0]};

    REQUIRE(t, uart_open(&u, 0));
    uart_put(&u, "text", 4);
    EXPECT_EQ(t, u.there, false);
    EXPECT_EQ(t, regs[0], 0);
    int64_t start = arch_nanotime();
    for (int i = 0; i < 1000; i++)
        uart_put(&u, "text", 4);
    EXPECT_LE(t, arch_nanotime() - start, INT64_C(100000000));
}

TEST(serial, no_port_at_all)
{
    struct uart u = {.port = 0x2e8}; /* COM4: nothing answers there */

    EXPECT_EQ(t, uart_open(&u, 115200), false);
    EXPECT_EQ(t, uart_get(&u), -1);
    uart_put(&u, "text", 4);
}
