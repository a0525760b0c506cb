/*
 * lib/string.h - the string functions, as the runtime sees them.
 *
 * Prototypes are in rt/cstring.h, under their C names. Here is what only the runtime needs.
 */
#pragma once

#include <rt/compiler.h>
#include <rt/cstring.h>

/*
 * Text whose faults are the program's: a bad address met there becomes a panic of the calling
 * program, not the end of the machine (lang/fault.c compares the program counter with the section's
 * bounds). For functions that touch memory by the program's pointers. Such a function holds no lock
 * and has not begun what must be finished when it touches them.
 */
#if __has_attribute(noclone)
#define USER_FAULT_TEXT RT_SECTION(".text.user_fault") __attribute__((noinline, noclone))
#else
#define USER_FAULT_TEXT RT_SECTION(".text.user_fault") __attribute__((noinline))
#endif

/*
 * Large copies and fills by the byte-wise string instructions: the good ones on real machines with
 * ERMS, the bad ones under emulation. Set once by the machine layer, before other cpus start; false
 * until then.
 */
extern bool string_use_erms;
