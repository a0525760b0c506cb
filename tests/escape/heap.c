/* Allocations: does the object live longer than the function, and could it live on the stack? */
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    int key;
};

static gc_root(struct node *, list);

struct node *returned(void)
{
    struct node *n = gc_new(struct node); //! gc_new escapes
    n->key = 1;
    return n;
}

int used(void)
{
    struct node *n = gc_new(struct node); //! gc_new stack
    n->key = 1;
    return n->key;
}

void to_root(void)
{
    struct node *n = gc_new(struct node); //! gc_new escapes
    gc_set(list.p, n);
}

void to_parameter(struct node *head)
{
    struct node *n = gc_new(struct node); //! gc_new escapes
    gc_set(head->next, n);
}

int chain(void)
{
    struct node *a = gc_new(struct node); //! gc_new stack
    struct node *b = gc_new(struct node); //! gc_new stack
    gc_set(a->next, b);
    return a->next->key;
}

struct node *behind(void)
{
    struct node *a = gc_new(struct node); //! gc_new escapes
    struct node *b = gc_new(struct node); //! gc_new escapes
    gc_set(a->next, b);
    return a;
}

struct node *front_only(struct node *rest)
{
    struct node *a = gc_new(struct node); //! gc_new stack
    gc_set(a->next, rest);
    return a->next;
}

int in_a_loop(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        struct node *a = gc_new(struct node); //! gc_new stack
        a->key = i;
        sum += a->key;
    }
    return sum;
}

int list_in_a_loop(int n)
{
    struct node *head = NULL;
    int sum = 0;
    for (int i = 0; i < n; i++) {
        struct node *a = gc_new(struct node); //! gc_new stays
        gc_set(a->next, head);
        head = a;
    }
    for (; head != NULL; head = head->next)
        sum += head->key;
    return sum;
}

int loop_by_goto(int n)
{
    struct node *head = NULL;
again:;
    struct node *a = gc_new(struct node); //! gc_new stays
    gc_set(a->next, head);
    head = a;
    if (--n > 0)
        goto again;
    return head->key;
}

int out_of_a_branch(bool yes)
{
    struct node *a = NULL;
    if (yes) {
        a = gc_new(struct node); //! gc_new stays
        a->key = 2;
    }
    return a != NULL ? a->key : 0;
}

int in_a_branch(bool yes)
{
    if (yes) {
        struct node *a = gc_new(struct node); //! gc_new stack
        a->key = 2;
        return a->key;
    }
    return 0;
}

int replaced(void)
{
    struct node *a = gc_new(struct node); //! gc_new stack
    struct node *b = gc_new(struct node); //! gc_new escapes
    gc_set(a->next, b);
    struct node *old = gc_swap(a->next, NULL);
    gc_set(list.p, old);
    return a->key;
}

void by_cas(void)
{
    struct node *a = gc_new(struct node); //! gc_new escapes
    if (gc_cas(list.p, NULL, a))
        a->key = 1;
}

long *numbers(size_t n)
{
    long *a = gc_make(long, n); //! gc_make escapes
    return a;
}

long sum_of_numbers(size_t n)
{
    long *a = gc_make(long, n); //! gc_make stays
    long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i];
    return sum;
}

char *text_copy(const char *text)
{
    char *copy = gc_bytes(strlen(text) + 1); //! gc_bytes escapes
    memcpy(copy, text, strlen(text) + 1);
    return copy;
}

size_t text_copy_used(const char *text)
{
    char *copy = gc_strdup(text); //! gc_strdup stays
    return strlen(copy);
}

struct node *element(size_t i)
{
    gc(struct node *) *refs = gc_make_refs(struct node *, 4); //! gc_make_refs stays
    struct node *n = gc_new(struct node);                     //! gc_new escapes
    gc_set(refs[i], n);
    return refs[i];
}

void copied(struct node *to)
{
    struct node *from = gc_new(struct node); //! gc_new stack
    struct node *n = gc_new(struct node);    //! gc_new escapes
    gc_set(from->next, n);
    gc_copy(to, from, 1);
}

int tried(void)
{
    struct node *n = rt_try_new(struct node); //! rt_try_new stays
    return n != NULL ? n->key : -1;
}

static void fill(struct node *n)
{
    n->key = 4;
}

int filled_elsewhere(void)
{
    struct node *n = gc_new(struct node); //! gc_new stack
    fill(n);
    return n->key;
}

void weak(struct rt_weak **w)
{
    struct node *n = gc_new(struct node); //! gc_new escapes
    *w = rt_weak_make(n);
}

void finalized(void (*fn)(void *))
{
    struct node *n = gc_new(struct node); //! gc_new escapes
    rt_set_finalizer(n, fn);
}

void local_in_heap(void)
{
    int x = 1; //! x stays
    struct box {
        gc_foreign(int *) p;
    } *b = gc_new(struct box); //! gc_new stack
    b->p = &x;
    *b->p = 2;
}

struct holder {
    gc_foreign(int *) p;
};

struct holder *local_in_escaping_heap(void)
{
    int x = 1;                                //! x escapes
    struct holder *b = gc_new(struct holder); //! gc_new escapes
    b->p = &x;
    return b;
}
