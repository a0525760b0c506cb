/* tools/escape/set.c - hash sets of numbers; see set.h. */
#include "tools/escape/set.h"

#include "lib/rand.h"
#include "tools/common/util.h"

/* The slot that holds this key, or that it would go to. */
static uint64_t *slot_of(const struct set *s, uint64_t key)
{
    uint64_t h = key * RNG_GOLDEN >> 32;

    while (s->slots[h & (s->cap - 1)] && s->slots[h & (s->cap - 1)] != key)
        h++;
    return &s->slots[h & (s->cap - 1)];
}

bool set_add(struct set *s, uint64_t number)
{
    if (s->n * 2 >= s->cap) {
        struct set grown = {.n = s->n, .cap = s->cap ? s->cap * 2 : 64};

        grown.slots = util_alloc(grown.cap * sizeof *grown.slots);
        for (uint32_t i = 0; i < s->cap; i++)
            if (s->slots[i])
                *slot_of(&grown, s->slots[i]) = s->slots[i];
        *s = grown;
    }
    uint64_t *slot = slot_of(s, number + 1);

    if (*slot)
        return false;
    *slot = number + 1;
    s->n++;
    return true;
}

bool set_has(const struct set *s, uint64_t number)
{
    return s->cap && *slot_of(s, number + 1);
}
