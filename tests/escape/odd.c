/* Pointers in disguise and in odd places: integers, unions, atomics, varargs, bytes, assembly. */
#include <rt/rt.h>
#include <stdarg.h>

static uintptr_t number;
static int *global;
static int *shared;

void as_integer(void)
{
    int x = 1; //! x escapes
    number = (uintptr_t)&x;
}

void tagged(void)
{
    int x = 1; //! x escapes
    number = (uintptr_t)&x | 1;
}

int *untagged(void)
{
    int x = 1;                       //! x escapes
    uintptr_t t = (uintptr_t)&x | 1; //! t stays
    return (int *)(t & ~(uintptr_t)1);
}

uint32_t hashed(void)
{
    int x = 1; //! x stays
    return (uint32_t)((uintptr_t)&x >> 4);
}

bool aligned(void)
{
    long x = 1; //! x stays
    return ((uintptr_t)&x & 7) == 0;
}

uintptr_t integer_returned(void)
{
    int x = 1; //! x escapes
    return (uintptr_t)&x + 8;
}

size_t distance(const char *end)
{
    char text[8] = "abc"; //! text stays
    return (size_t)(end - text);
}

union word {
    int *p;
    uint64_t bits;
    double d;
};

uint64_t through_union(void)
{
    int x = 1;                //! x escapes
    union word w = {.p = &x}; //! w stays
    return w.bits;
}

int union_read(void)
{
    int x = 1;                //! x stays
    union word w = {.p = &x}; //! w stays
    return *w.p;
}

struct variant {
    int kind;
    union {
        int *p;
        long n;
    };
};

long variant_number(struct variant *v)
{
    int x = 1; //! x stays
    struct variant own = {1, {.p = &x}};
    own.n = v->n;
    return *own.p;
}

struct variant variant_returned(void)
{
    int x = 1; //! x escapes
    struct variant own = {1, {.p = &x}};
    return own;
}

void stored_atomically(void)
{
    int x = 1; //! x escapes
    __atomic_store_n(&global, &x, __ATOMIC_RELEASE);
}

void exchanged(void)
{
    int x = 1; //! x escapes
    int *old = __atomic_exchange_n(&global, &x, __ATOMIC_ACQ_REL);
    *old = 1;
}

void compare_exchanged(void)
{
    int x = 1;            //! x escapes
    int *expected = NULL; //! expected stays
    __atomic_compare_exchange_n(&shared, &expected, &x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

int *exchanged_out(int *given)
{
    int x = 1;     //! x escapes
    int *own = &x; //! own stays
    return __atomic_exchange_n(&own, given, __ATOMIC_RELAXED);
}

int counted_atomically(void)
{
    int x = 1; //! x stays
    __atomic_fetch_add(&x, 2, __ATOMIC_RELAXED);
    return x;
}

static int sum_of(int n, ...)
{
    va_list ap;
    int sum = 0;
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        sum += *va_arg(ap, int *);
    va_end(ap);
    return sum;
}

int variable_arguments(void)
{
    int x = 1, y = 2; //! x stays
    return sum_of(2, &x, &y);
}

static void keep_all(int n, ...)
{
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        global = va_arg(ap, int *);
    va_end(ap);
}

void variable_arguments_kept(void)
{
    int x = 1; //! x escapes
    keep_all(1, &x);
}

static int *first_of(va_list ap)
{
    return va_arg(ap, int *);
}
static int *forwarded(int n, ...)
{
    va_list ap, again;
    va_start(ap, n);
    va_copy(again, ap);
    int *p = first_of(again);
    va_end(again);
    va_end(ap);
    return p;
}

int *variable_arguments_returned(void)
{
    int x = 1; //! x escapes
    return forwarded(1, &x);
}

void printed(void)
{
    int x = 1; //! x stays
    rt_printf("%p %d\n", (void *)&x, x);
}

struct box {
    int *p;
    char name[8];
    long n;
};

static struct box kept_box;

void by_memcpy(void)
{
    int x = 1;                //! x escapes
    struct box b = {.p = &x}; //! b stays
    memcpy(&kept_box, &b, sizeof b);
}

void by_hand_made_memcpy(void)
{
    int x = 1;                //! x escapes
    struct box b = {.p = &x}; //! b stays
    char *to = (char *)&kept_box;
    const char *from = (const char *)&b;
    for (size_t i = 0; i < sizeof b; i++)
        to[i] = from[i];
}

void by_words(void)
{
    int x = 1;                //! x escapes
    struct box b = {.p = &x}; //! b stays
    uint64_t *to = (uint64_t *)&kept_box;
    const uint64_t *from = (const uint64_t *)&b;
    for (size_t i = 0; i < sizeof b / 8; i++)
        to[i] = from[i];
}

long number_beside_pointer(void)
{
    int x = 1; //! x stays
    struct box b = {.p = &x, .n = 4};
    return b.n;
}

char letter_beside_pointer(void)
{
    int x = 1; //! x stays
    struct box b = {.p = &x, .name = "ab"};
    return b.name[1];
}

struct bits {
    unsigned a : 3, b : 29;
    int *p;
};

unsigned bits_beside_pointer(void)
{
    int x = 1; //! x stays
    struct bits b = {1, 2, &x};
    return b.b;
}

int *hidden_from_the_compiler(void)
{
    int x = 1; //! x escapes
    int *p = &x;
    __asm__("" : "+r"(p));
    return p;
}

int kept_alive(void)
{
    int x = 1; //! x stays
    gc_keep(&x);
    return x;
}

void handed_to_assembly(void)
{
    int x = 1; //! x escapes
    __asm__ volatile("mov %0, (%1)" : : "r"(&x), "r"(&global) : "memory");
}

uint32_t memory_operand(void)
{
    uint32_t x = 1; //! x stays
    __asm__ volatile("incl %0" : "+m"(x));
    return x;
}

int *of_alloca(size_t n)
{
    int *p = __builtin_alloca(n * sizeof(int));
    int x = 2; //! x stays
    p[0] = x;
    return global;
}

int *of_vla(int n)
{
    int a[n]; //! a escapes
    a[0] = 1;
    return a;
}

int of_vla_used(int n)
{
    int a[n]; //! a stays
    a[0] = 1;
    return a[n - 1];
}

static void close_it(int **p)
{
    **p = 0;
}

int with_cleanup(void)
{
    int x = 1;                                      //! x stays
    int *p __attribute__((cleanup(close_it))) = &x; //! p stays
    return *p;
}

static void keep_it(int **p)
{
    global = *p;
}

int with_cleanup_that_keeps(void)
{
    int x = 1;                                     //! x escapes
    int *p __attribute__((cleanup(keep_it))) = &x; //! p stays
    return *p;
}

int with_setjmp(void)
{
    void *buffer[5]; //! buffer stays
    int x = 1;       //! x stays
    int *volatile p = &x;
    if (__builtin_setjmp(buffer) == 0)
        *p = 2;
    return *p;
}

struct ring {
    struct ring *next, *prev;
};

#define OBJECT_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

struct task {
    int n;
    struct ring link;
};

static void ring_add(struct ring *head, struct ring *r)
{
    r->next = head;
    r->prev = head->prev;
    head->prev->next = r;
    head->prev = r;
}

int own_ring(void)
{
    struct ring head = {&head, &head};      //! head stays
    struct task a = {1, {0}}, b = {2, {0}}; //! a stays
    ring_add(&head, &a.link);
    ring_add(&head, &b.link);
    return OBJECT_OF(head.next, struct task, link)->n;
}

static struct ring waiting = {&waiting, &waiting};

void shared_ring(void)
{
    struct task a = {1, {0}}; //! a escapes
    ring_add(&waiting, &a.link);
}

struct task *task_of_link(void)
{
    struct task a = {1, {0}}; //! a escapes
    struct ring *r = &a.link;
    return OBJECT_OF(r, struct task, link);
}

int *of_nested_block(void)
{
    int *p = NULL;
    {
        int x = 1; //! x escapes
        p = &x;
    }
    return p;
}

int *of_switch(int n)
{
    int a = 1, b = 2, c = 3; //! b escapes
    switch (n) {
    case 1:
        return global;
    case 2:
        return &b;
    default:
        return a < c ? NULL : global;
    }
}

typedef struct {
    double v[4];
} vector;

double floats(void)
{
    vector a = {{1, 2, 3, 4}}; //! a stays
    double *p = a.v, sum = 0;
    for (int i = 0; i < 4; i++)
        sum += *p++;
    return sum;
}
