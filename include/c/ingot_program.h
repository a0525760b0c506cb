/*
 * ingot_program.h - included before the first line of each program file (Makefile: PROGRAM_CFLAGS).
 *
 * Programs are compiled as hosted C for one thing only: a main() without a return statement ends
 * with status 0. Everywhere else the compiler's own headers must take us for freestanding, or they
 * go on to look for a host libc.
 */
#ifndef __ASSEMBLER__
#pragma GCC system_header
#undef __STDC_HOSTED__
#define __STDC_HOSTED__ 0
#endif
