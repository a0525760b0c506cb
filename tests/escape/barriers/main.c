/* Stores that by-pass the write barrier: `//! bypass` stands on each line that the lint must name. */
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    gc_foreign(void *) device;
    uintptr_t bits;
};

static struct node *plain;
static void *slots[4];
static gc_root(struct node *, root);
static uintptr_t number;

void to_plain_global(void)
{
    plain = gc_new(struct node); //! bypass
}

void to_element(int i)
{
    slots[i] = gc_bytes(8); //! bypass
}

static void put(void **slot, void *v)
{
    *slot = v; //! bypass
}

void through_a_helper(int i)
{
    put(&slots[i], gc_bytes(10));
}

void through_an_integer(void)
{
    struct node *m = gc_new(struct node), *n = gc_new(struct node);
    uintptr_t *word = (uintptr_t *)(uintptr_t)&m->next;
    *word = (uintptr_t)n; //! bypass
}

void as_a_number(void)
{
    number = (uintptr_t)gc_new(struct node); //! bypass
}

void to_a_foreign_field(void)
{
    struct node *m = gc_new(struct node);
    m->device = gc_bytes(3); //! bypass
}

union both {
    gc_foreign(struct node *) p;
    uint64_t word;
};

void through_a_union(void)
{
    union both *u = gc_new(union both);
    u->word = (uintptr_t)gc_new(struct node); //! bypass
}

void by_memcpy(void)
{
    struct node *m = gc_new(struct node), *n = gc_new(struct node), *t = n;
    void *to = (void *)(uintptr_t)&m->next;
    __builtin_memcpy(to, &t, sizeof t); //! bypass
}

void to_assembly(void)
{
    struct node *n = gc_new(struct node);
    __asm__ volatile("mov %0, %%gs:0" ::"r"(n)); //! bypass
}

static void fill(struct node **out)
{
    *out = gc_new(struct node); //! bypass
}

bool to_a_shared_local(void)
{
    struct rt_waitgroup wg = {0};
    struct node *n = NULL;
    wg_go(&wg, fill, &n);
    rt_wg_wait(&wg);
    return n != NULL;
}

void to_uncollected_memory(void)
{
    void **m = rt_alloc(80);
    m[1] = gc_bytes(3); //! bypass
}

void to_a_root(void)
{
    struct node *n = gc_new(struct node);
    *(struct node **)(uintptr_t)&root.p = n; //! bypass
}

/* Control may have passed what is made here [lint.1]. */
void *behind_one_made_earlier(struct node *n)
{
    for (int i = 0; i < 2; i++) {
        plain = n->next; //! bypass
        gc_set(n->next, gc_new(struct node));
    }
    return n;
}

void made_before_a_jump_back(struct node *n)
{
    void *buffer[5];
    if (__builtin_setjmp(buffer) == 0) {
        gc_set(n->next, gc_new(struct node));
        __builtin_longjmp(buffer, 1);
    }
    plain = n->next; //! bypass
}

void waived(void)
{
    plain = gc_new(struct node); /* no barrier: for the test of waivers */
}

/* From here on everything is as it should be. */
static struct node *make(void)
{
    struct node *n = gc_new(struct node);
    gc_set(n->next, root.p);
    gc_set(root.p, n);
    return n;
}

void *locals(int i)
{
    struct node *n = make(), *m = gc_new(struct node);
    void *v[2] = {n, m};
    struct node **p = &m;
    *p = n;
    gc_set(n->next, m);
    return v[i & 1];
}

int own_memory(void)
{
    int x = 0;
    struct node *n = gc_new(struct node);
    n->device = &x;
    n->bits = 3;
    memset(slots, 0, sizeof slots);
    return *(int *)n->device;
}

/* Who calls this knows what is behind n; it isn't what is made here [lint.1]. */
void made_on_the_other_way(struct node *n, bool first)
{
    if (first) {
        gc_set(n->next, gc_new(struct node));
        return;
    }
    plain = n->next;
}

static void receive(chan(struct node *) c)
{
    chan_range (n, c)
        rt_printf("%p\n", (void *)n->next);
}

int main(void)
{
    chan(struct node *) c = chan_make(struct node *, 1);
    go(receive, c);
    chan_send(c, make());
    chan_close(c);
    return fill == NULL;
}
