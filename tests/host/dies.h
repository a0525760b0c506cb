/*
 * tests/host/dies.h - util_die() as a host test of tools wants it: no exit, back to a setjmp(died),
 * with the message in `said`. `util_die_hook = on_die` turns it on.
 */
#pragma once

#include <setjmp.h>
#include <stdio.h>

static jmp_buf died;
static char said[1024];

static void on_die(const char *message)
{
    snprintf(said, sizeof said, "%s", message);
    longjmp(died, 1);
}
