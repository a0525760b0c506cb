/*
 * arch/x86_64/pci.c - looks for a serial port on the PCI buses: for machines with no other console.
 *
 * By the old pair of ports, which every PC with PCI still has. The firmware has given the device
 * its addresses already; all that is done here is to switch its decoder on.
 * SOURCES. PCI Local Bus Specification 3.0: 3.2.2.3.2 (access), 6.1 (header), 6.2.5 (addresses).
 */
#include "x86.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_ENABLE 0x80000000u

#define PCI_COMMAND 0x04 /* bit 0: decode ports; bit 1: decode memory */
#define PCI_CLASS 0x08   /* class, subclass, interface, revision */
#define PCI_HEADER 0x0c
#define PCI_MANY_FUNCTIONS 0x800000u
#define PCI_BAR0 0x10
#define PCI_NOTHING 0xffffffffu

static uint32_t pci_read(uint32_t function, uint32_t reg)
{
    out32(PCI_ADDRESS, PCI_ENABLE | function << 8 | reg);
    return in32(PCI_DATA);
}

/* If it is a 16550 or what came of it, describe it in *u. */
static bool serial_at(uint32_t function, struct uart *u)
{
    uint32_t class = pci_read(function, PCI_CLASS) >> 8;

    if (class >> 8 != 0x0700 || (class & 0xff) > 6)
        return false;
    uint32_t bar = pci_read(function, PCI_BAR0);
    *u = (struct uart){0};
    if (bar & 1) {
        u->port = (uint16_t)(bar & ~3u);
    } else {
        paddr_t pa = bar & ~15u;
        if ((bar & 6) == 4) /* 64 bits wide */
            pa |= (uint64_t)pci_read(function, PCI_BAR0 + 4) << 32;
        if (pa != 0)
            u->at = device_map(pa, 8);
    }
    if (u->port == 0 && u->at == NULL)
        return false;
    uint32_t command = pci_read(function, PCI_COMMAND) & 0xffff;
    out32(PCI_DATA, command | 3);
    return true;
}

bool pci_find_uart(struct uart *u)
{
    out32(PCI_ADDRESS, PCI_ENABLE);
    if (in32(PCI_ADDRESS) != PCI_ENABLE)
        return false; /* no PCI, or not by these ports */
    for (uint32_t function = 0; function < 256 * 32 * 8; function++) {
        if (pci_read(function, 0) == PCI_NOTHING) {
            if (function % 8 == 0)
                function |= 7; /* where there is no function 0, there is no device */
            continue;
        }
        if (serial_at(function, u))
            return true;
        if (function % 8 == 0 && !(pci_read(function, PCI_HEADER) & PCI_MANY_FUNCTIONS))
            function |= 7;
    }
    return false;
}
