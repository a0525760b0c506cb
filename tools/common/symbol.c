/*
 * tools/common/symbol.c - the image's reader of the symbol table, for tools: lib/symbol.c compiled here.
 */
#include <lib/symbol.c>
