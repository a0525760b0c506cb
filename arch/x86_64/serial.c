/*
 * arch/x86_64/serial.c - one serial port of the 16550's family, in ports or in memory.
 *
 * Output is polled and needs nothing: no table, no interrupt, no memory. A port that isn't there is
 * noticed by its scratch register, and one whose transmitter stands still is given up after
 * seconds, once. A byte of input that waits when a port is opened is lost, only one (there is no
 * room for more, if nobody reads it): tools/run.sh sends a NUL ahead.
 * SOURCES. National Semiconductor PC16550D data sheet.
 */
#include "x86.h"

#define UART_DATA 0 /* with the latch open: the divisor's low byte */
#define UART_IER 1  /* with the latch open: its high byte */
#define UART_FCR 2  /* reads as UART_IIR */
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCRATCH 7
#define IIR_FIFOS 0xc0
#define LCR_8N1 0x03
#define LCR_LATCH 0x80
#define LSR_DATA 0x01
#define LSR_EMPTY 0x20
#define FIFO_BYTES 16
#define BASE_BAUD 115200 /* with a divisor of 1 */

static uint8_t get(const struct uart *u, unsigned reg)
{
    if (u->at == NULL)
        return in8((uint16_t)(u->port + reg));
    return u->wide ? (uint8_t)((volatile uint32_t *)u->at)[reg] : ((volatile uint8_t *)u->at)[reg];
}

static void put(const struct uart *u, unsigned reg, uint8_t v)
{
    if (u->at == NULL)
        out8((uint16_t)(u->port + reg), v);
    else if (u->wide)
        ((volatile uint32_t *)u->at)[reg] = v;
    else
        ((volatile uint8_t *)u->at)[reg] = v;
}

bool uart_open(struct uart *u, uint32_t baud)
{
    put(u, UART_SCRATCH, 0xa5);
    u->there = get(u, UART_SCRATCH) == 0xa5;
    if (!u->there)
        return false;
    put(u, UART_LCR, LCR_8N1); /* 8 bits, no parity, 1 stop bit */
    put(u, UART_IER, 0);
    if (baud != 0) {
        uint32_t divisor = BASE_BAUD / baud;
        put(u, UART_LCR, LCR_LATCH);
        put(u, UART_DATA, (uint8_t)divisor);
        put(u, UART_IER, (uint8_t)(divisor >> 8));
        put(u, UART_LCR, LCR_8N1);
    }
    put(u, UART_FCR, 0x07); /* FIFOs on and empty */
    put(u, UART_MCR, 0x0b); /* DTR, RTS, and OUT2, which lets interrupts through */
    u->room_bytes = (get(u, UART_FCR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_BYTES : 1;
    return true;
}

void uart_drain(struct uart *u)
{
    for (uint32_t tries = 0; u->there && tries < 2000000; tries++) {
        if (get(u, UART_LSR) & LSR_EMPTY)
            return;
        arch_cpu_relax();
    }
    u->there = false;
}

void uart_put(struct uart *u, const char *s, size_t n)
{
    unsigned room = 0;
    bool returned = false;

    for (size_t i = 0; i < n; room--) {
        if (room == 0) {
            uart_drain(u);
            room = u->room_bytes;
        }
        if (!u->there)
            return;
        returned = s[i] == '\n' && !returned; /* \n goes out as \r\n */
        put(u, UART_DATA, returned ? '\r' : (uint8_t)s[i]);
        i += !returned;
    }
}

int uart_get(struct uart *u)
{
    if (!u->there || !(get(u, UART_LSR) & LSR_DATA))
        return -1;
    return get(u, UART_DATA);
}

void uart_input_irq(struct uart *u)
{
    put(u, UART_IER, 1); /* data available */
}
