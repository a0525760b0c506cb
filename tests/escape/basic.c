/* Addresses of locals: returned, stored, kept. Labels are explained in tests/sh/escape.sh. */
#include <rt/rt.h>

static int *global;
static int **global_slot;
static struct {
    int *p;
    int n;
} record;

int *returned(void)
{
    int x = 1; //! x escapes
    return &x;
}

int *returned_by_variable(void)
{
    int x = 1; //! x escapes
    int *p = &x, *q = p;
    return q;
}

int value_only(void)
{
    int x = 1; //! x stays
    int *p = &x;
    return *p;
}

void to_global(void)
{
    int x = 1; //! x escapes
    global = &x;
}

void to_global_field(void)
{
    int x = 1; //! x escapes
    record.p = &x;
}

void through_global_pointer(void)
{
    int x = 1; //! x escapes
    *global_slot = &x;
}

void to_static_local(void)
{
    static int *kept;
    int x = 1; //! x escapes
    kept = &x;
    *kept = 2;
}

void to_parameter(int **out)
{
    int x = 1; //! x escapes
    *out = &x;
}

void to_own_pointer(void)
{
    int x = 1; //! x stays
    int *p;    //! p stays
    int **pp = &p;
    *pp = &x;
    **pp = 3;
}

int *element_of_array(int i)
{
    int a[4] = {1, 2, 3, 4}; //! a escapes
    return &a[i];
}

int *middle_of_array(void)
{
    int a[8] = {0}; //! a escapes
    return a + 3;
}

struct pair {
    int first, second;
};

int *member(void)
{
    struct pair p = {1, 2}; //! p escapes
    return &p.second;
}

struct pair whole_struct(void)
{
    struct pair p = {1, 2}; //! p stays
    struct pair *q = &p;
    return *q;
}

int *either(bool which, int *given)
{
    int x = 1; //! x escapes
    return which ? &x : given;
}

int *not_either(bool which, int *a, int *b)
{
    int x = 1; //! x stays
    int *p = which ? &x : a;
    *p = 2;
    return b;
}

int *parameter_itself(int x) //! x escapes
{
    return &x;
}

int parameter_used(int x) //! x stays
{
    int *p = &x;
    return *p + 1;
}

const char *buffer(int n)
{
    char text[16]; //! text escapes
    rt_snprintf(text, sizeof text, "%d", n);
    return text;
}

size_t buffer_length(int n)
{
    char text[16]; //! text stays
    rt_snprintf(text, sizeof text, "%d", n);
    return strlen(text);
}

char *found_in_buffer(void)
{
    char text[16] = "a=b"; //! text escapes
    return strchr(text, '=');
}

ptrdiff_t distance_in_buffer(void)
{
    char text[16] = "a=b"; //! text stays
    return strchr(text, '=') - text;
}

int *literal(void)
{
    int *p = (int[]){1, 2, 3};
    int x = 0; //! x stays
    global = NULL;
    return p == &x ? NULL : global;
}

int *by_goto(int n)
{
    int x = n; //! x escapes
    int *p = NULL;
again:
    if (p != NULL)
        return p;
    p = &x;
    goto again;
}

void compared(int *other)
{
    int x = 1; //! x stays
    if (&x == other)
        global = other;
}

struct list {
    struct list *next;
    int *value;
};

struct list *chain_returned(struct list *rest)
{
    struct list l = {rest, NULL}; //! l escapes
    return &l;
}

int chain_walked(void)
{
    struct list a = {NULL, NULL}, b = {&a, NULL}, c = {&b, NULL}; //! c stays
    int n = 0;
    for (struct list *l = &c; l != NULL; l = l->next)
        n++;
    return n;
}

struct list *inner_of_chain(void)
{
    struct list a = {NULL, NULL}; //! a escapes
    struct list b = {&a, NULL};   //! b stays
    return b.next;
}

int *held_by_escaping(void)
{
    int x = 1;                  //! x escapes
    struct list l = {NULL, &x}; //! l escapes
    record.p = (int *)&l;
    return NULL;
}

void swap_locals(void)
{
    int x = 1, y = 2;     //! x stays
    int *a = &x, *b = &y; //! a stays
    int **pa = &a, **pb = &b;
    int *t = *pa;
    *pa = *pb;
    *pb = t;
}
