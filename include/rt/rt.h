/*
 * rt/rt.h - the whole of Ingot, for programs: goroutines, channels, collected memory, defer and
 * panic.
 *
 * The other headers here may be included one by one as well. Every name begins with rt_ or RT_; the
 * short names (go, chan, gc, defer, ...) are macros on top, which -DRT_NO_SHORT_NAMES leaves out.
 * gcc >= 12 and clang >= 14 (with -fblocks), gnu11 or later, -Og to -O3, LTO. Not -O0 on gcc
 * (rt/call.h says why).
 */
#pragma once

#include <rt/compiler.h>
#include <rt/cstring.h>
#include <rt/gc.h>
#include <rt/goroutine.h>
#include <rt/chan.h>
#include <rt/sync.h>
#include <rt/time.h>
#include <rt/slice.h>
#include <rt/print.h>
#include <rt/program.h>
#include <rt/panic.h>
