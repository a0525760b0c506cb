/* Written after the tool was frozen: roads that pointers take when programs are clever. */
#include <rt/rt.h>
#include <stdarg.h>

static void *global;
static uint64_t words[8];
static double numbers[4];
static unsigned char bytes_kept[16];

/* ---- NaN boxes, bit fields, halves ---- */
typedef union {
    double number;
    uint64_t bits;
} boxed;

static double box(void *p)
{
    boxed b = {.bits = (uint64_t)(uintptr_t)p | 0x7ff8000000000000};
    return b.number;
}

static void *unbox(double d)
{
    boxed b = {.number = d};
    return (void *)(uintptr_t)(b.bits & 0xffffffffffff);
}

void *nan_boxed(void)
{
    int x = 1; //! x escapes
    return unbox(box(&x));
}

void nan_boxed_kept(void)
{
    int x = 1; //! x escapes
    numbers[0] = box(&x);
}

int nan_boxed_used(void)
{
    int x = 1; //! x stays
    return *(int *)unbox(box(&x));
}

struct packed48 {
    uint64_t kind : 16, at : 48;
};

static struct packed48 pack_kept;

void bit_field(void)
{
    int x = 1; //! x escapes
    pack_kept.at = (uintptr_t)&x & 0xffffffffffff;
}

void *bit_field_returned(void)
{
    int x = 1; //! x escapes
    struct packed48 s = {.kind = 1, .at = (uintptr_t)&x & 0xffffffffffff};
    return (void *)(uintptr_t)s.at;
}

static unsigned __int128 wide;

void in_wide_integer(void)
{
    int x = 1; //! x escapes
    wide = (unsigned __int128)(uintptr_t)&x << 64 | 1;
}

void *out_of_wide_integer(void)
{
    int x = 1; //! x escapes
    unsigned __int128 w = (unsigned __int128)(uintptr_t)&x << 64 | 1;
    return (void *)(uintptr_t)(w >> 64);
}

/* ---- memcpy() as the polite cast ---- */
uint64_t by_polite_cast(void)
{
    int x = 1;     //! x escapes
    int *p = &x;   //! p stays
    uint64_t word; //! word stays
    memcpy(&word, &p, sizeof word);
    return word;
}

void serialised(void)
{
    int x = 1;   //! x escapes
    int *p = &x; //! p stays
    memcpy(bytes_kept + 3, &p, sizeof p);
}

void serialised_by_hand(void)
{
    int x = 1; //! x escapes
    uintptr_t n = (uintptr_t)&x;
    for (int i = 0; i < 8; i++)
        bytes_kept[i] = (unsigned char)(n >> 8 * i);
}

void *read_back(void)
{
    int x = 1;          //! x escapes
    unsigned char b[8]; //! b stays
    uintptr_t n = (uintptr_t)&x, m = 0;
    for (int i = 0; i < 8; i++)
        b[i] = (unsigned char)(n >> 8 * i);
    for (int i = 0; i < 8; i++)
        m |= (uintptr_t)b[i] << 8 * i;
    return (void *)m;
}

/* ---- Structs in and out of calls: by value, in registers, in memory ---- */
struct two {
    void *p;
    uintptr_t n;
};

struct four {
    void *p[3];
    uintptr_t n;
};

static struct two two_of(void *p)
{
    return (struct two){p, 3};
}

static struct two hidden_in_two(void *p)
{
    return (struct two){NULL, (uintptr_t)p};
}

static struct four four_of(void *p)
{
    return (struct four){{NULL, p}, 1};
}

static void *p_of_two(struct two t)
{
    return t.p;
}

static void *n_of_two(struct two t)
{
    return (void *)t.n;
}

static void *n_of_four(struct four f)
{
    return (void *)(f.n & ~(uintptr_t)1);
}

void *two_in_registers(void)
{
    int x = 1; //! x escapes
    return p_of_two(two_of(&x));
}

void *four_in_memory(void)
{
    int x = 1; //! x escapes
    return four_of(&x).p[1];
}

int four_used(void)
{
    int x = 1; //! x stays
    return *(int *)four_of(&x).p[1];
}

void *integer_of_four(void)
{
    int x = 1;                                //! x escapes
    struct four f = {.n = (uintptr_t)&x | 1}; //! f stays
    return n_of_four(f);
}

void *integer_in_two(void)
{
    int x = 1; //! x escapes
    return (void *)hidden_in_two(&x).n;
}

void *integer_in_two_passed(void)
{
    int x = 1; //! x escapes
    return n_of_two((struct two){NULL, (uintptr_t)&x});
}

uintptr_t length_of_two(void)
{
    int x = 1; //! x stays
    return two_of(&x).n;
}

static void kept_two(struct two t)
{
    words[0] = t.n;
}

void integer_in_two_kept(void)
{
    int x = 1; //! x escapes
    kept_two((struct two){NULL, (uintptr_t)&x});
}

void two_through_pointer(struct two *out)
{
    int x = 1;                            //! x escapes
    struct two t = {NULL, (uintptr_t)&x}; //! t stays
    *out = t;
}

/* ---- Callbacks ---- */
typedef void visit(void *context, void *item);

static void each(void *const *items, size_t n, visit *f, void *context)
{
    for (size_t i = 0; i < n; i++)
        f(context, items[i]);
}

static void collect(void *context, void *item)
{
    void **to = context;
    *to = item;
}

void *collected(void)
{
    int x = 1;             //! x escapes
    void *items[1] = {&x}; //! items stays
    void *found = NULL;    //! found stays
    each(items, 1, collect, &found);
    return found;
}

void collected_for_caller(void **found)
{
    int x = 1;             //! x escapes
    void *items[1] = {&x}; //! items stays
    each(items, 1, collect, found);
}

static visit *installed;

void install(visit *f)
{
    installed = f;
}

void fires_installed(void)
{
    int x = 1; //! x escapes
    if (installed != NULL)
        installed(NULL, &x);
}

static void hide(void *context, void *item)
{
    (void)context;
    global = item;
}

static visit *visits[] = {collect, hide};

void fires_from_table(unsigned i)
{
    int x = 1;         //! x escapes
    void *slot = NULL; //! slot stays
    visits[i & 1](&slot, &x);
}

struct object {
    const struct class
    {
        void *(*clone)(struct object *);
        struct object *(*parent)(struct object *);
    } * class;
    struct object *link;
};

static struct object *object_link(struct object *o)
{
    return o->link;
}

static const struct class plain_class = {NULL, object_link};

struct object *linked_by_method(void)
{
    struct object parent = {&plain_class, NULL};   //! parent escapes
    struct object child = {&plain_class, &parent}; //! child stays
    return child.class->parent(&child);
}

/* ---- Sorting and searching with what the library hands back ---- */
static int by_pointer(const void *a, const void *b)
{
    return **(int *const *)a - **(int *const *)b;
}

int *smallest(int *given)
{
    int x = 1;                 //! x escapes
    int *all[2] = {given, &x}; //! all stays
    qsort(all, 2, sizeof *all, by_pointer);
    return all[0];
}

int smallest_value(int *given)
{
    int x = 1;                 //! x stays
    int *all[2] = {given, &x}; //! all stays
    qsort(all, 2, sizeof *all, by_pointer);
    return *all[0];
}

char *found_in_local(void)
{
    char text[8] = "a=b"; //! text escapes
    return strchr(text, '=');
}

bool has_equals(void)
{
    char text[8] = "a=b"; //! text stays
    return strchr(text, '=') != NULL;
}

char *split_local(char *text)
{
    char *rest = NULL;   //! rest stays
    char blank[2] = " "; //! blank stays
    return strtok_r(text, blank, &rest);
}

char *split_own(void)
{
    char text[8] = "a b"; //! text escapes
    char *rest = NULL;    //! rest stays
    strtok_r(text, " ", &rest);
    return rest;
}

/* ---- Expressions ---- */
int *of_comma(void)
{
    int x = 1; //! x escapes
    return (x++, &x);
}

int *of_statement(bool some)
{
    int *p = ({
        int x = 1; //! x escapes
        some ? &x : NULL;
    });
    return p;
}

int *of_literal(void)
{
    struct two t = {.p = (int[]){1, 2}};
    int y = *(int *)t.p; //! y stays
    int *p = &y;
    return *p ? NULL : (int *)global;
}

int *volatile_road(void)
{
    int x = 1;            //! x escapes
    int *volatile p = &x; //! p stays
    return p;
}

static int *mutual_b(int *p, int n);

static int *mutual_a(int *p, int n)
{
    return n == 0 ? p : mutual_b(p, n - 1);
}

static int *mutual_b(int *p, int n)
{
    return n == 0 ? NULL : mutual_a(p, n - 1);
}

int *through_mutual(void)
{
    int x = 1; //! x escapes
    return mutual_a(&x, 4);
}

void **own_address(void)
{
    void *self = &self; //! self escapes
    return self;
}

void *tail_of_chain(void)
{
    void *a = NULL; //! a stays
    void *b = &a;   //! b stays
    void *c = &b;   //! c stays
    return **(void ***)c;
}

void rotates(void **given)
{
    int x = 1, y = 2;                 //! y escapes
    void *ring[3] = {&x, &y, *given}; //! ring stays
    for (int i = 0; i < 2; i++) {
        void *first = ring[0];
        memmove(ring, ring + 1, 2 * sizeof *ring);
        ring[2] = first;
    }
    *given = ring[0];
}

/* ---- Atomics of structs, exchange of integers ---- */
void integer_exchanged(void)
{
    int x = 1; //! x escapes
    __atomic_exchange_n(&words[1], (uint64_t)(uintptr_t)&x, __ATOMIC_SEQ_CST);
}

void integer_added(void)
{
    int x = 1; //! x escapes
    __atomic_fetch_add(&words[2], (uint64_t)(uintptr_t)&x, __ATOMIC_SEQ_CST);
}

void integer_ored(void)
{
    int x = 1; //! x escapes
    __atomic_fetch_or((uintptr_t *)&words[3], (uintptr_t)&x, __ATOMIC_SEQ_CST);
}

void *or_handed_back(void)
{
    int x = 1;                      //! x escapes
    uintptr_t lock = (uintptr_t)&x; //! lock stays
    return (void *)__atomic_fetch_or(&lock, 1, __ATOMIC_ACQUIRE);
}

/* ---- Frames that are left ---- */
static void *jump_to[5];

int jumps_out(void)
{
    int x = 1; //! x stays
    if (__builtin_setjmp(jump_to) == 0)
        x = 2;
    return x;
}

static void raises(int *p)
{
    rt_panic_value(p);
}

void *carried_by_a_panic(void)
{
    int x = 1; //! x escapes
    return catch_panic(raises, &x);
}
