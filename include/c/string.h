/*
 * string.h - the C header, thin: rt/cstring.h declares everything.
 */
#pragma once

#include <rt/cstring.h>
