/* Written to break the tool: pointers as integers in members, groups that are waited for, or not. */
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

/* ---- Ways out between wg_go() and rt_wg_wait() ---- */
static void work(int *p)
{
    ++*p;
}

int waited_for_by_defer(bool early)
{
    defers;
    struct rt_waitgroup wg = {0}; //! wg stays
    int x = 1;                    //! x stays
    defer(rt_wg_wait, &wg);
    wg_go(&wg, work, &x);
    if (early)
        panic("early");
    return 2;
}

int waited_for_by_defer_sometimes(bool wait)
{
    defers;
    struct rt_waitgroup wg = {0}; //! wg escapes
    int x = 1;                    //! x escapes
    if (wait)
        defer(rt_wg_wait, &wg);
    wg_go(&wg, work, &x);
    return 2;
}

int another_wait_deferred(struct rt_waitgroup *other)
{
    defers;
    struct rt_waitgroup wg = {0}; //! wg escapes
    int x = 1;                    //! x escapes
    defer(rt_wg_wait, other);
    wg_go(&wg, work, &x);
    return 2;
}

int panics_before_the_wait(bool bad)
{
    struct rt_waitgroup wg = {0}; //! wg escapes
    int x = 1;                    //! x escapes
    wg_go(&wg, work, &x);
    if (bad)
        panic("bad");
    rt_wg_wait(&wg);
    return x;
}

int panics_behind_the_wait(bool bad)
{
    struct rt_waitgroup wg = {0}; //! wg stays
    int x = 1;                    //! x stays
    wg_go(&wg, work, &x);
    rt_wg_wait(&wg);
    if (bad)
        panic("bad");
    return x;
}

void ends_before_the_wait(bool bad)
{
    struct rt_waitgroup wg = {0}; //! wg escapes
    int x = 1;                    //! x escapes
    wg_go(&wg, work, &x);
    if (bad)
        rt_goexit();
    rt_wg_wait(&wg);
}

/* ---- A slice of addresses ---- */
slice_type(int *, addresses);

struct addresses slice_of_locals(void)
{
    int x = 1; //! x escapes
    struct addresses s = {0};
    return append(s, &x); //! append escapes
}

int slice_of_locals_used(void)
{
    int x = 1; //! x stays
    struct addresses s = {0};
    s = append(s, &x); //! append stays
    return *at(s, 0);
}

/* ---- Jumps by address ---- */
int *computed_goto(int n)
{
    static void *const places[] = {&&first, &&second};
    int x = n; //! x escapes
    goto *places[n & 1];
first:
    return NULL;
second:
    return &x;
}

/* ---- Deep into what a parameter leads to ---- */
struct deep {
    struct deep *next, *prev;
};

static struct deep shared_deep;

static void close_ring(struct deep *a)
{
    a->next->next->prev = a->next;
}

void ring_with_shared(void)
{
    struct deep middle = {&shared_deep, NULL}; //! middle escapes
    struct deep first = {&middle, NULL};       //! first stays
    close_ring(&first);
}

void ring_of_own(void)
{
    struct deep last = {NULL, NULL};    //! last stays
    struct deep middle = {&last, NULL}; //! middle stays
    struct deep first = {&middle, NULL};
    close_ring(&first);
}

static void untag_into(struct tagged *t, struct deep *d)
{
    d->next->prev = (struct deep *)t->word;
}

void untagged_into_shared(void)
{
    struct deep x = {NULL, NULL};              //! x escapes
    struct tagged t = {.word = (uintptr_t)&x}; //! t stays
    struct deep d = {&shared_deep, NULL};      //! d stays
    untag_into(&t, &d);
}

static void skip_one(struct deep *a)
{
    a->next->prev = a->next->next->next;
}

void far_into_shared(void)
{
    struct deep far = {NULL, NULL};           //! far escapes
    struct deep middle = {&far, NULL};        //! middle escapes
    struct deep first = {&shared_deep, NULL}; //! first stays
    shared_deep.next = NULL;
    first.next->next = &middle; /* so middle is shared, and far with it */
    skip_one(&first);
}

static void shortcut(struct deep *a, struct deep **b)
{
    (*b)->prev = a->next->next->next;
    a->prev->next = a->next->next->next;
}

void far_by_shortcut(void)
{
    struct deep far = {NULL, NULL};              //! far escapes
    struct deep third = {&far, NULL};            //! third stays
    struct deep second = {&third, NULL};         //! second stays
    struct deep first = {&second, &shared_deep}; //! first stays
    struct deep own = {NULL, NULL}, *at = &own;
    shortcut(&first, &at);
}
