/*
 * lib/fail.c - requests for memory that fail on purpose.
 */
#include <lib/fail.h>

uint64_t fail_left[FAIL_KINDS];
