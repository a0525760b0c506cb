/* tools/escape/report.h - what is said about a solved program. Each returns the number of
 * warnings. */
#pragma once

#include "tools/escape/solve.h"

/* verbose: 0 warnings only, 1 every decision, 2 with the chain of reasons; REPORT_VERDICTS: for
 * tests, "x escapes", "x stays" or "gc_new stack" for each object, at its declaration. */
#define REPORT_VERDICTS 9
unsigned report_escapes(struct world *w, unsigned verbose);

/* Stores of collected pointers that by-pass gc_set(). */
unsigned report_barriers(struct world *w);

/* Lines are collected, sorted by place, and printed once each. */
void report_line(struct ir_place place, const char *text);
void report_print(void);

/* "gc_new(struct node)", "'x'", "a compound literal", ... */
const char *object_name(const struct graph *g, uint32_t object);
struct ir_place op_place(const struct graph *g, uint32_t op);
const char *place_text(struct ir_place place);
