/* Through function pointers: variables, parameters, tables, callbacks with a context. */
#include <rt/rt.h>

static int *global;

static void keep(int *p)
{
    global = p;
}
static void look(int *p)
{
    (*p)++;
}

void variable_that_looks(void)
{
    void (*fn)(int *) = look;
    int x = 1; //! x stays
    fn(&x);
}

void variable_that_keeps(void)
{
    void (*fn)(int *) = keep;
    int x = 1; //! x escapes
    fn(&x);
}

void one_of_two(bool b)
{
    void (*fn)(int *) = b ? look : keep;
    int x = 1; //! x escapes
    fn(&x);
}

struct ops {
    void (*visit)(int *);
    int *(*pick)(int *, int *);
};

static int *first(int *a, int *b)
{
    (void)b;
    return a;
}

static const struct ops looking = {look, first};

void through_table(void)
{
    const struct ops *ops = &looking;
    int x = 1; //! x stays
    ops->visit(&x);
}

int *picked(int *other)
{
    int x = 1; //! x stays
    return looking.pick(other, &x);
}

int *picked_first(int *other)
{
    int x = 1; //! x escapes
    return looking.pick(&x, other);
}

static void apply(void (*fn)(int *), int *p)
{
    fn(p);
}

void applied(void)
{
    int x = 1; //! x escapes
    apply(keep, &x);
}

static void each(const int *a, size_t n, void (*fn)(int, void *), void *context)
{
    for (size_t i = 0; i < n; i++)
        fn(a[i], context);
}

struct sum {
    long total;
    int *count;
};

static void add(int v, void *context)
{
    struct sum *s = context;
    s->total += v;
    ++*s->count;
}

long with_context(const int *a, size_t n)
{
    int count = 0;              //! count stays
    struct sum s = {0, &count}; //! s stays
    each(a, n, add, &s);
    return s.total / count;
}

static int by_value(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int sorted(void)
{
    int a[] = {3, 1, 2}; //! a stays
    qsort(a, 3, sizeof a[0], by_value);
    return a[0];
}

static const void *largest;
static int remember(const void *a, const void *b)
{
    largest = a;
    return a < b ? -1 : 1;
}

int sorted_and_remembered(void)
{
    int a[] = {3, 1, 2}; //! a escapes
    qsort(a, 3, sizeof a[0], remember);
    return a[0];
}

/* A function that this program never sees. */
void unknown_callback(void (*fn)(double, int *))
{
    int x = 1; //! x escapes
    fn(1.0, &x);
}

struct object {
    const struct methods *methods;
    int *state;
};
struct methods {
    int (*get)(struct object *);
    void (*set)(struct object *, int *);
};

static int object_get(struct object *o)
{
    return *o->state;
}
static void object_set(struct object *o, int *state)
{
    o->state = state;
}
static const struct methods object_methods = {object_get, object_set};

int object_used(void)
{
    int x = 1;                                 //! x stays
    struct object o = {&object_methods, NULL}; //! o stays
    o.methods->set(&o, &x);
    return o.methods->get(&o);
}

void object_of_caller(struct object *o)
{
    int x = 1; //! x escapes
    object_set(o, &x);
}

typedef int *(*chooser)(int *);
static int *itself(int *p)
{
    return p;
}
static chooser choose(void)
{
    return itself;
}

int *returned_function(void)
{
    int x = 1; //! x escapes
    return choose()(&x);
}
