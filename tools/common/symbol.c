/*
 * tools/common/symbol.c - the image's own reader of the symbol table, lib/symbol.c, for tools.
 */
#include <lib/symbol.c>
