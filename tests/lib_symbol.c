/*
 * tests/lib_symbol.c - the symbol table of the very image that runs.
 *
 * The image's table was made by tools/symtab.c; tests/host/tools_symtab.c checks each address of
 * it. Here: that it is in the image, mapped, whole, and right for places that the compiler tells
 * us.
 */
#include <tests/test.h>

#include <lib/string.h>
#include <lib/symbol.h>

/* An address in the middle of the running code; its line is that of the macro. */
#define HERE()                                                                                     \
    __extension__({                                                                                \
        uintptr_t here_;                                                                           \
        __asm__ volatile("1: lea 1b(%%rip), %0" : "=r"(here_));                                    \
        here_;                                                                                     \
    })

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

TEST(symbol, table_is_in_the_image_and_whole)
{
    EXPECT(t, symbol_table_ok());
}

static RT_NOINLINE uintptr_t return_address(void)
{
    uintptr_t address = (uintptr_t)__builtin_return_address(0);

    __asm__ volatile("" : "+r"(address)); /* not a tail call, nothing known of the result */
    return address;
}

TEST(symbol, return_address_has_name_and_line)
{
    struct symbol sym;
    unsigned line = __LINE__ + 1;
    uintptr_t pc = return_address();

    REQUIRE(t, symbol_lookup(pc - 1, &sym));
    while (symbol_outer(&sym))
        ;
    EXPECT_STR(t, sym.name, "test_symbol_return_address_has_name_and_line");
    EXPECT(t, ends_with(sym.file, "tests/lib_symbol.c"));
    EXPECT_EQ(t, sym.line, line);
    EXPECT(t, sym.offset > 0 && sym.offset < 65536);
}

TEST(symbol, first_byte_of_a_function_has_offset_zero)
{
    struct symbol sym;

    REQUIRE(t, symbol_lookup((uintptr_t)return_address, &sym));
    while (symbol_outer(&sym))
        ;
    EXPECT_STR(t, sym.name, "return_address");
    EXPECT_EQ(t, sym.offset, 0);
}

static RT_ALWAYS_INLINE uintptr_t inner_place(void)
{
    return HERE();
}

static RT_ALWAYS_INLINE uintptr_t middle_place(void)
{
    return inner_place();
}

static RT_NOINLINE uintptr_t outer_place(void)
{
    return middle_place();
}

/* A traceback names functions that have no frame of their own. */
TEST(symbol, inlined_functions_are_named_from_the_inside_out)
{
    static const char *const names[] = {"inner_place", "middle_place", "outer_place"};
    struct symbol sym;
    unsigned depth = 0;

    for (bool more = symbol_lookup(outer_place(), &sym); more; more = symbol_outer(&sym)) {
        REQUIRE(t, depth < 3);
        EXPECT_STR(t, sym.name, names[depth]);
        EXPECT_EQ(t, sym.inlined, depth < 2);
        EXPECT(t, ends_with(sym.file, "tests/lib_symbol.c"));
        EXPECT(t, sym.line != 0);
        depth++;
    }
    EXPECT_EQ(t, depth, 3);
}

TEST(symbol, other_addresses_are_unknown)
{
    static const uintptr_t addresses[] = {0, 1, 4096, UINTPTR_MAX, UINTPTR_MAX / 2};
    static int data;
    struct symbol sym;

    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        EXPECT(t, !symbol_lookup(addresses[i], &sym));
        EXPECT_STR(t, sym.name, "?");
        EXPECT_STR(t, sym.file, "?");
        EXPECT_EQ(t, sym.line, 0);
        EXPECT(t, !symbol_outer(&sym));
    }
    EXPECT(t, !symbol_lookup((uintptr_t)&data, &sym));
    EXPECT(t, !symbol_lookup((uintptr_t)&sym, &sym));
}

/* Any address may be asked for, from any context: none faults, hangs or gives a bad text. */
TEST(symbol, random_addresses_do_no_harm)
{
    uintptr_t here = (uintptr_t)return_address;

    for (unsigned i = 0; i < 2000; i++) {
        struct symbol sym;
        uint64_t pc = i % 2 ? rng_next(&t->rng) : here + rng_next(&t->rng) % 65536;
        unsigned depth = 0;

        for (bool more = symbol_lookup(pc, &sym); more; more = symbol_outer(&sym)) {
            EXPECT(t, strlen(sym.name) < 4096 && strlen(sym.file) < 4096);
            REQUIRE(t, ++depth < 1000);
        }
    }
}
