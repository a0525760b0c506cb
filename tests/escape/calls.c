/* Through calls: what the callee does with a parameter decides. */
#include <rt/rt.h>

static int *global;

static void keep(int *p)
{
    global = p;
}

static void look(const int *p)
{
    if (*p > 3)
        rt_puts("large");
}

static int *same(int *p)
{
    return p;
}

static void put(int **slot, int *p)
{
    *slot = p;
}

static int *get(int **slot)
{
    return *slot;
}

void kept(void)
{
    int x = 1; //! x escapes
    keep(&x);
}

void looked_at(void)
{
    int x = 1; //! x stays
    look(&x);
}

int *through(void)
{
    int x = 1; //! x escapes
    return same(&x);
}

int through_and_used(void)
{
    int x = 1; //! x stays
    return *same(&x);
}

/* same() is called with pointers that escape and with others: no caller suffers from another. */
int *unrelated(int *given)
{
    int x = 1; //! x stays
    int *p = same(&x);
    *p = 2;
    return same(given);
}

int *put_and_get(void)
{
    int x = 1; //! x escapes
    int *slot; //! slot stays
    put(&slot, &x);
    return get(&slot);
}

int put_only(void)
{
    int x = 1; //! x stays
    int *slot; //! slot stays
    put(&slot, &x);
    return *slot;
}

void put_to_caller(int **out)
{
    int x = 1; //! x escapes
    put(out, &x);
}

static void two_levels(int *p)
{
    keep(same(p));
}

void deep(void)
{
    int x = 1; //! x escapes
    two_levels(&x);
}

static int depth_of(int *p, int n)
{
    return n == 0 ? *p : depth_of(p, n - 1);
}

int recursion_that_looks(void)
{
    int x = 1; //! x stays
    return depth_of(&x, 5);
}

static void deep_keep(int *p, int n)
{
    if (n == 0)
        global = p;
    else
        deep_keep(p, n - 1);
}

void recursion_that_keeps(void)
{
    int x = 1; //! x escapes
    deep_keep(&x, 5);
}

static int odd(int *p, int n);
static int even(int *p, int n)
{
    return n == 0 ? *p : odd(p, n - 1);
}
static int odd(int *p, int n)
{
    if (n == 7)
        global = p;
    return n == 0 ? 0 : even(p, n - 1);
}

int mutual_recursion(void)
{
    int x = 1; //! x escapes
    return even(&x, 9);
}

/* Each turn's frame is on the list of the next: normal, and gone when it returns. */
struct frame {
    struct frame *up;
    int n;
};

int frames(struct frame *up, int n)
{
    struct frame f = {up, n}; //! f stays
    int sum = 0;
    if (n == 0) {
        for (struct frame *i = &f; i != NULL; i = i->up)
            sum += i->n;
        return sum;
    }
    return frames(&f, n - 1);
}

struct frame *frames_returned(struct frame *up, int n)
{
    struct frame f = {up, n}; //! f escapes
    return n == 0 ? up : frames_returned(&f, n - 1);
}

void somewhere_else(int *p); /* defined nowhere that the tool sees */
void not_kept(__attribute__((noescape)) int *p);

void to_unknown(void)
{
    int x = 1; //! x escapes
    somewhere_else(&x);
}

void to_unknown_that_promises(void)
{
    int x = 1; //! x stays
    not_kept(&x);
}

struct pair {
    int *a;
    int n;
};

static struct pair make_pair(int *p, int n)
{
    return (struct pair){p, n};
}

struct pair pair_returned(void)
{
    int x = 1; //! x escapes
    return make_pair(&x, 2);
}

int pair_number(void)
{
    int x = 1; //! x stays
    return make_pair(&x, 2).n;
}

struct large {
    int *p;
    long more[6];
};

static struct large make_large(int *p)
{
    return (struct large){.p = p};
}

struct large large_returned(void)
{
    int x = 1; //! x escapes
    return make_large(&x);
}

long large_used(void)
{
    int x = 1; //! x stays
    struct large l = make_large(&x);
    return l.more[2] + *l.p;
}

static void take_large(struct large l)
{
    global = l.p;
}

void large_by_value(void)
{
    int x = 1; //! x escapes
    take_large((struct large){.p = &x});
}

static long sum_large(struct large l)
{
    long sum = 0;
    for (int i = 0; i < 6; i++)
        sum += l.more[i];
    return sum + *l.p;
}

long large_by_value_used(void)
{
    int x = 1; //! x stays
    return sum_large((struct large){.p = &x});
}

int *copy_of_large(struct large l) //! l escapes
{
    return (int *)&l.more[1];
}
