/*
 * tests/gc_mark.c - what can be reached stays, what cannot goes: by every kind of reference, in
 * every mode.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/cycle.h>
#include <gc/mark.h>
#include <lib/knobs.h>
#include <rt/rt.h>

struct cell {
    gc(struct cell *) next;
    uint64_t id, check;
};

#define CHECK UINT64_C(0x9e3779b97f4a7c15)

static struct cell *cell_make(uint64_t id)
{
    struct cell *c = gc_new(struct cell);
    c->id = id;
    c->check = id * CHECK;
    return c;
}

static bool cell_good(const struct cell *c, uint64_t id)
{
    return c != NULL && c->id == id && c->check == id * CHECK;
}

static gc_root(struct cell *, root);
static gc_root_array(struct cell *, roots, 700);

/* Make garbage, so that freed slots are used again. */
static void churn(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        gc_keep(cell_make(i));
        gc_keep(gc_bytes(24 + i % 200));
    }
}

static uint64_t live_objects(void)
{
    struct rt_mem_stats s;
    rt_read_mem_stats(&s);
    return s.mallocs - s.frees;
}

/* Neither is inlined: what their registers held must not be a root when the list is to die. */
static RT_NOINLINE void list_make(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct cell *c = cell_make(i);
        gc_set(c->next, root.p);
        gc_set(root.p, c);
    }
}

static RT_NOINLINE uint64_t list_count_good(uint64_t n)
{
    uint64_t good = 0;

    for (struct cell *c = root.p; c != NULL && cell_good(c, n - 1 - good); c = c->next)
        good++;
    return good;
}

/* All of 100,000 cells in one chain survive, and go when the root goes. */
TEST(gc_mark, a_long_list_lives_and_dies_with_its_root)
{
    enum { N = 100000 };
    list_make(N);
    rt_gc();
    churn(10000);
    rt_gc();
    uint64_t with = live_objects();
    EXPECT_EQ(t, list_count_good(N), N);
    gc_set(root.p, NULL);
    rt_gc();
    EXPECT_GE(t, with - live_objects(), N - 2000); /* a span that a cpu holds is swept later */
}

TEST(gc_mark, arrays_of_roots_are_scanned_to_the_end)
{
    for (unsigned i = 0; i < 700; i++)
        gc_set(roots.p[i], cell_make(i));
    rt_gc();
    churn(5000);
    for (unsigned i = 0; i < 700; i++) {
        EXPECT(t, cell_good(roots.p[i], i));
        gc_set(roots.p[i], NULL);
    }
}

/* Pieces and oblets: every element of a large array keeps its object. */
TEST_OPTS(gc_mark, large_arrays_are_scanned_to_the_end, .need_mib = 64)
{
    enum { N = 100000 }; /* 800 KB: seven oblets */
    gc(struct cell *) *a = gc_make_refs(struct cell *, N);
    for (unsigned i = 0; i < N; i++)
        gc_set(a[i], cell_make(i));
    rt_gc();
    churn(5000);
    rt_gc();
    for (unsigned i = 0; i < N; i++)
        REQUIRE(t, cell_good(a[i], i));
}

struct big {
    uint64_t pad[300];
    gc(struct cell *) last;
};

/* Types with a bitmap, arrays of structs, prefixed objects. */
TEST(gc_mark, headered_objects_are_scanned_by_their_type)
{
    struct big *b = gc_new(struct big);
    gc_set(b->last, cell_make(1));
    struct cell *array = gc_make(struct cell, 500);
    for (unsigned i = 0; i < 500; i++)
        gc_set(array[i].next, cell_make(i));
    rt_gc();
    churn(5000);
    EXPECT(t, cell_good(b->last, 1));
    for (unsigned i = 0; i < 500; i++)
        EXPECT(t, cell_good(array[i].next, i));
}

/* Memory without pointers keeps nothing alive, conservative memory does. */
TEST(gc_mark, noscan_hides_and_conservative_shows)
{
    gc(void *) *shown = gc_conservative(1000);
    uintptr_t *hidden = gc_bytes(8000);
    for (unsigned i = 0; i < 1000; i++) {
        gc_set(shown[i], cell_make(i));
        hidden[i] = (uintptr_t)cell_make(i + 5000);
    }
    rt_gc();
    unsigned kept = 0;
    for (unsigned i = 0; i < 1000; i++) {
        size_t bytes;
        EXPECT(t, cell_good(shown[i], i));
        kept += gc_object_of((void *)hidden[i], &bytes) != NULL;
    }
    EXPECT_LE(t, kept,
              60); /* neighbours of what the stack still names, and a few words of old frames */
}

static RT_NOINLINE struct cell *make_hidden_behind_end(uint64_t id)
{
    return cell_make(id) + 1;
}

/* Interior pointers keep their object; so does one that points exactly behind it, from a stack. */
TEST(gc_mark, interior_and_end_pointers_keep_objects)
{
    char *inside = (char *)cell_make(7) + 17;
    struct cell *volatile behind = make_hidden_behind_end(8);
    rt_gc();
    churn(5000);
    EXPECT(t, cell_good((struct cell *)(void *)(inside - 17), 7));
    EXPECT(t, cell_good(behind - 1, 8));
}

/* ---- A reference counts in whatever place it is, and wherever it points to in its object ---- */

struct refs5 {
    gc(struct cell *) ref[5];
};
struct refs64 {
    gc(struct cell *) ref[64];
};

#define ARRAYS 150u /* of 1 reference, of 2, ...: part of a window, a whole one, several */

/* Object i of a kind refers to one cell, by its i-th word, and not to the cell's beginning. */
static struct cell *odd_place(uint64_t id)
{
    return (struct cell *)((uintptr_t)cell_make(id) + id % sizeof(struct cell));
}

static bool odd_place_good(const struct cell *c, uint64_t id)
{
    return cell_good((const struct cell *)((uintptr_t)c - id % sizeof(struct cell)), id);
}

static RT_NOINLINE void make_one_in_every_place(void)
{
    for (unsigned i = 0; i < 5; i++) {
        struct refs5 *o = gc_new(struct refs5);
        gc_set(roots.p[i], (struct cell *)(void *)o);
        gc_set(o->ref[i], odd_place(i));
    }
    for (unsigned i = 0; i < 64; i++) {
        struct refs64 *o = gc_new(struct refs64);
        gc_set(roots.p[100 + i], (struct cell *)(void *)o);
        gc_set(o->ref[i], odd_place(100 + i));
    }
    for (unsigned i = 0; i < ARRAYS; i++) {
        gc(struct cell *) *refs = gc_make_refs(struct cell *, i + 1);
        gc_set(roots.p[200 + i], (struct cell *)(void *)refs);
        gc_set(refs[i], odd_place(200 + i));
        gc_set(refs[i / 2], odd_place(200 + i));
    }
}

/* The mask of a slot ends with it, where the last element begins in it and where there is none. */
TEST(gc_mark, arrays_of_few_elements_have_masks_of_their_slots)
{
    for (size_t n = 0; n < 4; n++) {
        gc_set(roots.p[n], (struct cell *)(void *)gc_make(struct refs5, n));
        gc_set(roots.p[4 + n], (struct cell *)(void *)gc_make(struct refs64, n));
    }
    rt_gc();
    for (unsigned i = 0; i < 8; i++)
        gc_set(roots.p[i], NULL);
}

TEST(gc_mark, a_reference_counts_in_every_place)
{
    make_one_in_every_place();
    for (unsigned round = 0; round < 3; round++) {
        rt_gc();
        churn(3000);
    }
    for (unsigned i = 0; i < 5; i++)
        EXPECT(t, odd_place_good(((struct refs5 *)(void *)roots.p[i])->ref[i], i));
    for (unsigned i = 0; i < 64; i++)
        EXPECT(t, odd_place_good(((struct refs64 *)(void *)roots.p[100 + i])->ref[i], 100 + i));
    for (unsigned i = 0; i < ARRAYS; i++) {
        const gc(struct cell *) *refs = (gc(struct cell *) *)(void *)roots.p[200 + i];
        EXPECT(t, odd_place_good(refs[i], 200 + i));
        EXPECT(t, odd_place_good(refs[i / 2], 200 + i));
    }
    for (unsigned i = 0; i < 700; i++)
        gc_set(roots.p[i], NULL);
}

static RT_NOINLINE void hold_in_frame(struct test *t, unsigned depth)
{
    struct cell *c = cell_make(depth);
    char pad[200];
    __asm__ volatile("" : : "r"(pad) : "memory");
    if (depth > 0)
        hold_in_frame(t, depth - 1);
    else
        rt_gc();
    EXPECT(t, cell_good(c, depth));
}

/* A stack deeper than the stop scans is scanned before its goroutine goes on [roots.1]. */
TEST(gc_mark, deep_stacks_hold_their_objects)
{
    hold_in_frame(t, 400);
    churn(3000);
}

static void spin_and_check(struct test *t, volatile bool *stop, struct rt_waitgroup *wg,
                           uint64_t id)
{
    struct cell *c = cell_make(id);
    while (!*stop)
        __asm__ volatile("" : "+r"(c));
    EXPECT(t, cell_good(c, id));
    rt_wg_done(wg);
}

static RT_NOINLINE void spin_deep(struct test *t, volatile bool *stop, struct rt_waitgroup *wg,
                                  uint64_t id, unsigned depth)
{
    char pad[100];
    __asm__ volatile("" : : "r"(pad) : "memory");
    if (depth == 0)
        spin_and_check(t, stop, wg, id);
    else
        spin_deep(t, stop, wg, id, depth - 1);
    __asm__ volatile("" : : "r"(pad) : "memory");
}

/* The only reference is in a register of a goroutine that never calls anything. */
TEST(gc_mark, registers_of_running_goroutines_are_roots)
{
    static volatile bool stop;
    static struct rt_waitgroup wg;
    stop = false;
    rt_wg_add(&wg, 4);
    for (unsigned i = 0; i < 4; i++)
        go(spin_deep, t, &stop, &wg, i, i % 2 * 50);
    for (unsigned i = 0; i < 5; i++) {
        rt_gc();
        churn(500);
    }
    stop = true;
    rt_wg_wait(&wg);
}

enum { VECTORS = 8 };

static RT_NOINLINE void root_make(unsigned i)
{
    gc_set(roots.p[i], cell_make(i));
}

/* From here to *stop the object is named by a vector register alone, once `roots` does no longer. */
static RT_NOINLINE void spin_with_vector(struct test *t, volatile bool *stop,
                                         struct rt_waitgroup *wg, unsigned i, volatile bool *taken)
{
    uintptr_t word = (uintptr_t)&roots.p[i];

    root_make(i);
    __asm__ volatile("movq (%0), %%xmm11\n\t"
                     "xorl %k0, %k0\n\t"
                     "xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\txorl %%esi, %%esi\n\t"
                     "xorl %%edi, %%edi\n\txorl %%r8d, %%r8d\n\txorl %%r9d, %%r9d\n\t"
                     "xorl %%r10d, %%r10d\n\txorl %%r11d, %%r11d\n\t"
                     "movb $1, (%2)\n"
                     "1:\tcmpb $0, (%1)\n\t"
                     "je 1b\n\t"
                     "movq %%xmm11, %0"
                     : "+a"(word)
                     : "b"(stop), "r"(taken)
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm11", "memory",
                       "cc");
    EXPECT(t, cell_good((struct cell *)word, i));
    rt_wg_done(wg);
}

static RT_NOINLINE void spin_with_vector_deep(struct test *t, volatile bool *stop,
                                              struct rt_waitgroup *wg, unsigned i,
                                              volatile bool *taken, unsigned depth)
{
    char pad[100];
    __asm__ volatile("" : : "r"(pad) : "memory");
    if (depth == 0)
        spin_with_vector(t, stop, wg, i, taken);
    else
        spin_with_vector_deep(t, stop, wg, i, taken, depth - 1);
    __asm__ volatile("" : : "r"(pad) : "memory");
}

/* The same with vector registers: of goroutines that run, and in the saved frames of those that were preempted. */
TEST(gc_mark, vector_registers_are_roots)
{
    static volatile bool stop, taken[VECTORS];
    static struct rt_waitgroup wg;
    stop = false;
    rt_wg_add(&wg, VECTORS);
    for (unsigned i = 0; i < VECTORS; i++) {
        taken[i] = false;
        go(spin_with_vector_deep, t, &stop, &wg, i, &taken[i], i % 2 * 50);
    }
    for (unsigned i = 0; i < VECTORS; i++) {
        while (!taken[i])
            rt_yield();
        gc_set(roots.p[i], NULL);
    }
    for (unsigned i = 0; i < 5; i++) {
        rt_gc();
        churn(500);
    }
    stop = true;
    rt_wg_wait(&wg);
}

static void park_with(struct test *t, chan(int) c, struct rt_waitgroup *wg, uint64_t id)
{
    struct cell *mine = cell_make(id);
    (void)chan_recv(c);
    EXPECT(t, cell_good(mine, id));
    rt_wg_done(wg);
}

/* Parked goroutines' stacks are scanned by markers. */
TEST(gc_mark, parked_stacks_are_roots)
{
    enum { N = 200 };
    static struct rt_waitgroup wg;
    chan(int) c = chan_make(int, 0);
    rt_wg_add(&wg, N);
    for (unsigned i = 0; i < N; i++)
        go(park_with, t, c, &wg, i);
    for (unsigned i = 0; i < 3; i++) {
        rt_gc();
        churn(2000);
    }
    chan_close(c);
    rt_wg_wait(&wg);
}

/* References that only a channel's buffer holds. */
TEST(gc_mark, channel_buffers_are_scanned)
{
    chan(struct cell *) c = chan_make(struct cell *, 500);
    for (unsigned i = 0; i < 500; i++)
        chan_send(c, cell_make(i));
    rt_gc();
    churn(3000);
    rt_gc();
    for (unsigned i = 0; i < 500; i++)
        EXPECT(t, cell_good(chan_recv(c), i));
}

/* 300 cycles: the epoch wraps, and nothing comes back or gets lost [heap.2]. */
TEST(gc_mark, epochs_wrap)
{
    struct cell *keep = cell_make(1);
    gc_set(root.p, cell_make(2));
    rt_gc();
    uint64_t before = live_objects();
    for (unsigned i = 0; i < 300; i++) {
        churn(20);
        rt_gc();
        REQUIRE(t, cell_good(keep, 1) && cell_good(root.p, 2));
        struct rt_mem_stats s;
        rt_read_mem_stats(&s);
        REQUIRE(t, s.heap_goal_bytes <
                       (64u << 20)); /* giving cached slots back once made it negative */
    }
    uint64_t after = live_objects();
    EXPECT_LE(t, after, before + 100);
    gc_set(root.p, NULL);
}

/* Marking ends though there is no room for grey objects [mark.4]. */
TEST(gc_mark, chunk_exhaustion_loses_nothing)
{
    enum { N = 20000 };
    gc(struct cell *) *a = gc_make_refs(struct cell *, N);
    for (unsigned i = 0; i < N; i++) {
        struct cell *c = cell_make(i);
        gc_set(c->next, cell_make(i + 1));
        gc_set(a[i], c);
    }
    gc_chunk_limit = 1;
    for (unsigned i = 0; i < 3; i++) {
        rt_gc();
        churn(3000);
    }
    gc_chunk_limit = 0;
    for (unsigned i = 0; i < N; i++)
        REQUIRE(t, cell_good(a[i], i) && cell_good(a[i]->next, i + 1));
}

/* ---- The shell game: objects wander through every place that can hold them, while collections run ---- */

enum { CUPS = 256, PLAYERS = 4 };

struct game {
    gc(struct cell *) cups[CUPS];
    gc(chan(struct cell *)) channel;
    uint64_t next_id;
    bool stop;
};
static gc_root(struct game *, game);
static struct rt_waitgroup players;

static void expect_whole(struct test *t, const struct cell *c)
{
    if (c != NULL && c->check != c->id * CHECK)
        test_fail(t, __FILE__, __LINE__, "object %p with id %lu is damaged", (const void *)c,
                  (unsigned long)c->id);
}

/* Two references are for a while in a vector register and nowhere else. */
static void through_vector(struct cell **from, struct cell **to)
{
    uintptr_t pair __attribute__((vector_size(16)));

    (memcpy)(&pair, from, sizeof pair);
    from[0] = from[1] = NULL;
    for (unsigned i = 0; i < 300; i++)
        __asm__ volatile("" : "+x"(pair) : : "memory");
    (memcpy)(to, &pair, sizeof pair);
}

static void play_once(struct test *t, struct game *g, struct rng *r, struct cell **hand)
{
    unsigned i = rng_below(r, CUPS), j = rng_below(r, CUPS), k = rng_below(r, 4);
    struct cell *c;

    switch (rng_below(r, 11)) {
    case 0:
    case 1:
        c = cell_make(__atomic_fetch_add(&g->next_id, 1, __ATOMIC_RELAXED));
        gc_set(c->next, hand[k]);
        hand[k] = c;
        break;
    case 2:
        hand[k] = g->cups[i];
        break;
    case 3:
        gc_set(g->cups[i], hand[k]);
        break;
    case 4:
        hand[k] = gc_swap(g->cups[i], hand[k]);
        break;
    case 5:
        c = g->cups[i];
        (void)gc_cas(g->cups[j], g->cups[j], c);
        gc_set(g->cups[i], NULL);
        break;
    case 6:
        if (chan_try_send(g->channel, hand[k]))
            hand[k] = NULL;
        break;
    case 7:
        if (chan_try_recv(g->channel, c))
            hand[k] = c;
        break;
    case 8:
        gc_copy(&g->cups[i < CUPS - 8 ? i : 0], &g->cups[j < CUPS - 8 ? j : 0], 8);
        break;
    case 9:
        through_vector(&hand[k & 2], &hand[(k & 2) ^ 2]);
        break;
    default:
        c = hand[k];
        for (unsigned d = 0; c != NULL && d < 20; d++, c = c->next)
            expect_whole(t, c);
        if (c != NULL)
            gc_set(c->next, NULL);
        break;
    }
    expect_whole(t, hand[k]);
}

static void player(struct test *t, uint64_t seed)
{
    struct rng r = {seed};
    struct cell *hand[4] = {0};
    struct game *g = game.p;

    while (!__atomic_load_n(&g->stop, __ATOMIC_RELAXED)) {
        for (unsigned i = 0; i < 100; i++)
            play_once(t, g, &r, hand);
        if (rng_below(&r, 8) == 0)
            rt_yield();
    }
    rt_wg_done(&players);
}

static void shell_game(struct test *t, uint8_t mode, int64_t ns)
{
    uint8_t old = gc_mode_next;
    bool old_clobber = gc_clobber_free;
    struct game *g = gc_new(struct game);
    gc_mode_next = mode;
    gc_clobber_free = gc_drill == GC_DRILL_NONE; /* a drill's lost objects are the verifier's */
    gc_set(game.p, g);
    gc_set(g->channel, chan_make(struct cell *, 16));
    rt_wg_add(&players, PLAYERS);
    for (unsigned i = 0; i < PLAYERS; i++)
        go(player, t, rng_next(&t->rng));
    for (int64_t end = rt_nanotime() + ns; rt_nanotime() < end;) {
        rt_gc();
        rt_sleep((int64_t)rng_below(&t->rng, 2000000));
    }
    __atomic_store_n(&g->stop, true, __ATOMIC_RELAXED);
    rt_wg_wait(&players);
    gc_set(game.p, NULL);
    gc_mode_next = old;
    rt_gc();
    gc_clobber_free = old_clobber;
}

TEST(gc_mark, shell_game_default)
{
    shell_game(t, GCMODE_DEFAULT, 500000000);
}

TEST(gc_mark, shell_game_hybrid)
{
    shell_game(t, GCMODE_HYBRID, 500000000);
}

TEST(gc_mark, shell_game_insertion)
{
    shell_game(t, GCMODE_INSERTION, 500000000);
}

TEST(gc_mark, shell_game_stw)
{
    shell_game(t, GCMODE_STW, 500000000);
}

TEST_OPTS(gc_mark, shell_game_long, .stress = true, .timeout_s = 200)
{
    for (unsigned i = 0; i < 4; i++)
        shell_game(t, (uint8_t)i, INT64_C(30000000000) / 4);
}

/* ---- Drills: leave one part of the scheme out, and the verifier must notice ---- */

static void drill(struct test *t, enum gc_drill which, uint8_t mode)
{
    gc_verify_cycles = true;
    gc_drill = which;
    for (int i = 0; i < 20; i++)
        shell_game(t, mode, 1000000000);
    test_fail(t, __FILE__, __LINE__, "the verifier noticed nothing in 20 s");
}

/* The edge that went wrong, by both its ends. */
#define LOST                                                                                       \
    "^gc: lost object: black 0x[0-9a-f]+ \\(.+, [0-9]+ bytes, epoch [0-9]+\\)\n"                   \
    "^  at offset [0-9]+\n"                                                                        \
    "^  points to white 0x[0-9a-f]+ \\(.+, [0-9]+ bytes, epoch [0-9]+\\)\n"                        \
    "a black object points to a white one"

TEST_DIES(gc_mark, verifier_notices_a_missing_deletion_half, 2, LOST)
{
    drill(t, GC_DRILL_NO_DELETION, GCMODE_DEFAULT);
}

/* Mode insertion scans stacks last: what moves from one into a black object is greyed by that half
 * alone. */
TEST_DIES(gc_mark, verifier_notices_a_missing_insertion_half, 2, LOST)
{
    drill(t, GC_DRILL_NO_INSERTION, GCMODE_INSERTION);
}

TEST_DIES(gc_mark, verifier_notices_a_missing_resume_scan, 2, LOST)
{
    drill(t, GC_DRILL_NO_RESUME_SCAN, GCMODE_DEFAULT);
}

TEST_DIES(gc_mark, verifier_notices_white_births, 2, LOST)
{
    drill(t, GC_DRILL_WHITE_BIRTH, GCMODE_DEFAULT);
}

/* ---- gccheckmark: what marking missed is printed with the path that leads to it ---- */

#define LIST 50000

static uintptr_t list_end[2]; /* no roots: where the list's last two are, the very last first */

static RT_NOINLINE void list_make_and_note_its_end(void)
{
    list_make(LIST);
    for (const struct cell *c = root.p; c != NULL; c = c->next)
        if (c->id < 2)
            list_end[c->id] = (uintptr_t)c;
    churn(10); /* over what this left below its frame */
}

static bool marked_at(uintptr_t object)
{
    uint32_t slot;
    const struct gc_span *span = gc_slot_at(object, &slot);
    return gc_epochs(span)[slot] == gc_epoch;
}

/* Behind the barrier's back, the last one goes from the end of the list, which marking has not
 * reached, to the head, which it has left. False: marking was too far. */
static RT_NOINLINE bool last_becomes_second(void)
{
    while (gc_phase == GC_MARKING) {
        if (marked_at(list_end[0]))
            return false;
        if (marked_at((uintptr_t)root.p)) {
            *(void *volatile *)list_end[1] = NULL;
            *(void *volatile *)root.p = (void *)list_end[0];
            return true;
        }
        rt_yield();
    }
    return false;
}

TEST_DIES(gc_mark, checkmark_prints_the_path_to_what_marking_missed, 2,
          "^gc: checkmark found an unmarked object\n"
          "^  0x[0-9a-f]+ \\(struct cell, typed, 24 bytes, epoch [0-9]+\\)\n"
          "^  is referred to at offset 0 of\n"
          "^  0x[0-9a-f]+ \\(struct cell, typed, 24 bytes, epoch [0-9]+\\)\n"
          "^  is kept alive by the global at 0x[0-9a-f]+\n"
          "^fatal error: gc: checkmark found an unmarked object")
{
    gc_verify_cycles = knobs.gccheckmark = true;
    gc_mode_next = GCMODE_DEFAULT;
    for (unsigned round = 0; round < 100; round++) {
        gc_set(root.p, NULL);
        list_make_and_note_its_end();
        uint64_t cycle = gc_num_cycles();
        go(rt_gc);
        while (gc_phase != GC_MARKING && gc_num_cycles() == cycle)
            rt_yield();
        if (last_becomes_second())
            rt_gc();
    }
    test_fail(t, __FILE__, __LINE__, "nothing was found in 100 cycles");
}
