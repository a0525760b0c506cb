/*
 * tests/gc_retention.c - how much garbage do conservative roots keep?
 *
 * Stacks and untyped memory are scanned conservatively: a dead word that looks like a reference keeps an object, and all that it
 * leads to. These programs leave as many such words about as programs do, and count what stays.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <lib/string.h>
#include <rt/rt.h>

struct node {
    gc(struct node *) left, right;
    uint64_t id;
};

enum { GOROUTINES = 100, TREES = 200, DEPTH = 5, NODES = (1 << DEPTH) - 1 };

#define ID(i) (0x6e0de00000000000u + (i))

/* Addresses of all nodes ever made, hidden from conservative eyes. */
static uintptr_t *hidden;
static uint32_t n_hidden;

static RT_NOINLINE struct node *tree(unsigned depth)
{
    struct node *n = gc_new(struct node);
    uint32_t i = __atomic_fetch_add(&n_hidden, 1, __ATOMIC_RELAXED);
    hidden[i] = ~(uintptr_t)n;
    n->id = ID(i);
    if (depth > 1) {
        gc_set(n->left, tree(depth - 1));
        gc_set(n->right, tree(depth - 1));
    }
    return n;
}

static RT_NOINLINE unsigned walk(const struct node *n)
{
    return n == NULL ? 0 : 1 + walk(n->left) + walk(n->right);
}

/* Numbers as programs have them: small ones, large ones, doubles, text, times. */
static void fill_with_numbers(struct test *t, gc(void *) * words, unsigned n)
{
    uint64_t *w = (uint64_t *)(uintptr_t)words;
    for (unsigned i = 0; i < n; i++) {
        uint64_t r = rng_next(&t->rng);
        double d = (double)(int64_t)r / 1e9;
        switch (r % 5) {
        case 0:
            w[i] = r >> 50;
            break;
        case 1:
            w[i] = r;
            break;
        case 2:
            memcpy(&w[i], &d, 8);
            break;
        case 3:
            memcpy(&w[i], "a text. ", 8);
            break;
        default:
            w[i] = (uint64_t)rt_nanotime();
            break;
        }
    }
}

static void leave_garbage(struct test *t, chan(int) stop, struct rt_waitgroup *wg,
                          gc(void *) * numbers)
{
    for (unsigned i = 0; i < TREES; i++)
        EXPECT_EQ(t, walk(tree(DEPTH)), NODES);
    rt_wg_done(wg);
    (void)chan_recv(stop); /* a parked stack, with what all these calls left on it */
    gc_keep(numbers);
    rt_wg_done(wg);
}

static unsigned alive(void)
{
    unsigned n = 0;
    size_t bytes;
    for (uint32_t i = 0; i < n_hidden; i++) { /* what was freed may be something else by now */
        const struct node *node = gc_object_of((void *)~hidden[i], &bytes);
        n += node != NULL && (uintptr_t)node == ~hidden[i] && node->id == ID(i);
    }
    return n;
}

/*
 * 100 parked goroutines and a megabyte of numbers keep less than a hundredth of what was thrown away: half a tree each,
 * of its 200, by words that old calls left in holes of newer frames; the numbers keep nothing.
 */
TEST_OPTS(gc_retention, conservative_roots_keep_little, .need_mib = 64)
{
    struct rt_waitgroup wg = {0};
    chan(int) stop = chan_make(int, 0);

    hidden = rt_alloc(GOROUTINES * TREES * NODES * sizeof(hidden[0]));
    REQUIRE(t, hidden != NULL);
    n_hidden = 0;
    rt_wg_add(&wg, GOROUTINES);
    for (unsigned i = 0; i < GOROUTINES; i++) {
        gc(void *) *numbers = gc_conservative(1000);
        fill_with_numbers(t, numbers, 1000);
        go(leave_garbage, t, stop, &wg, numbers);
    }
    rt_wg_wait(&wg);
    rt_wg_add(&wg, GOROUTINES);
    rt_gc();
    unsigned kept = alive();
    test_note(t, "%u of %u dead objects are kept: %u.%02u %%", kept, n_hidden,
              kept * 100 / n_hidden, kept * 10000 / n_hidden % 100);
    EXPECT_LE(t, kept, n_hidden / 100);
    chan_close(stop);
    rt_wg_wait(&wg);
    rt_free(hidden);
}

/* The same objects, named by one live global each: none is lost. (The count above is not small for another reason.) */
static gc_root_array(struct node *, keep, 50);

TEST_OPTS(gc_retention, what_is_named_is_kept, .need_mib = 64)
{
    hidden = rt_alloc(50 * NODES * sizeof(hidden[0]));
    REQUIRE(t, hidden != NULL);
    n_hidden = 0;
    for (unsigned i = 0; i < 50; i++)
        gc_set(keep.p[i], tree(DEPTH));
    rt_gc();
    EXPECT_EQ(t, alive(), 50 * NODES);
    for (unsigned i = 0; i < 50; i++)
        gc_set(keep.p[i], NULL);
    rt_free(hidden);
}
