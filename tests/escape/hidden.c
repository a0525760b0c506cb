/* Pointers that travel as integers in members of structs, from function to function. */
#include <rt/rt.h>

static int *global;

struct tagged {
    uintptr_t word;
    void *owner;
};

static void keep_tagged(const struct tagged *t)
{
    global = (int *)(t->word & ~(uintptr_t)1);
}

void tagged_in_callee(void)
{
    int x = 1;                                     //! x escapes
    struct tagged t = {.word = (uintptr_t)&x | 1}; //! t stays
    keep_tagged(&t);
}

static uintptr_t word_of(const struct tagged *t)
{
    return t->word;
}

int *tagged_result(void)
{
    int x = 1;                                 //! x escapes
    struct tagged t = {.word = (uintptr_t)&x}; //! t stays
    return (int *)word_of(&t);
}

uintptr_t number_result(void)
{
    int x = 1;                                  //! x stays
    struct tagged t = {.word = 3, .owner = &x}; //! t stays
    return word_of(&t);
}

static void set_word(struct tagged *t, uintptr_t word)
{
    t->word = word;
}

void set_by_callee(struct tagged *out)
{
    int x = 1; //! x escapes
    set_word(out, (uintptr_t)&x);
}

struct nested {
    int n;
    struct tagged *inner;
};

static void keep_nested(const struct nested *n)
{
    keep_tagged(n->inner);
}

void tagged_two_levels_down(void)
{
    int x = 1;                                 //! x escapes
    struct tagged t = {.word = (uintptr_t)&x}; //! t stays
    struct nested n = {1, &t};                 //! n stays
    keep_nested(&n);
}

static void write_through(const struct tagged *t, int *p)
{
    *(int **)t->word = p;
}

int written_through(void)
{
    int x = 1;                                    //! x stays
    int *slot = NULL;                             //! slot stays
    struct tagged t = {.word = (uintptr_t)&slot}; //! t stays
    write_through(&t, &x);
    return *slot;
}

int *written_through_and_returned(void)
{
    int x = 1;                                    //! x escapes
    int *slot = NULL;                             //! slot stays
    struct tagged t = {.word = (uintptr_t)&slot}; //! t stays
    write_through(&t, &x);
    return slot;
}
