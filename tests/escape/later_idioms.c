/* Written after the tool was frozen: what kernels, servers, parsers and interpreters do with pointers. */
#include <rt/rt.h>
#include <stdarg.h>

#define OBJECT_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

static void *global;

/* ---- A kernel: intrusive lists, waiters on the stack, bits in pointers ---- */
struct node {
    struct node *next, *prev;
};

struct waiter {
    int key;
    struct node link;
    bool *woken;
};

static struct node sleepers = {&sleepers, &sleepers};

static void node_add(struct node *n, struct node *before)
{
    n->prev = before->prev;
    n->next = before;
    before->prev->next = n;
    before->prev = n;
}

static void node_remove(struct node *n)
{
    n->next->prev = n->prev;
    n->prev->next = n->next;
    n->next = n->prev = n;
}

bool wait_on_global_queue(int key)
{
    bool woken = false;                              //! woken escapes
    struct waiter w = {.key = key, .woken = &woken}; //! w escapes
    node_add(&w.link, &sleepers);
    while (!__atomic_load_n(&woken, __ATOMIC_ACQUIRE))
        rt_yield();
    node_remove(&w.link);
    return woken;
}

int first_key(void)
{
    struct node own = {&own, &own};        //! own stays
    struct waiter a = {.key = 3}, b = {4}; //! a stays
    node_add(&a.link, &own);
    node_add(&b.link, &own);
    int sum = 0;
    for (struct node *n = own.next; n != &own; n = n->next)
        sum += OBJECT_OF(n, struct waiter, link)->key;
    return sum;
}

struct node *oldest(void)
{
    struct node own = {&own, &own}; //! own escapes
    struct waiter a = {.key = 3};   //! a escapes
    node_add(&a.link, &own);
    return own.next;
}

struct tree {
    uintptr_t parent_and_colour;
    struct tree *left, *right;
};

static struct tree *tree_parent(const struct tree *t)
{
    return (struct tree *)(t->parent_and_colour & ~(uintptr_t)3);
}

static void tree_set_parent(struct tree *t, struct tree *parent)
{
    t->parent_and_colour = (uintptr_t)parent | (t->parent_and_colour & 3);
}

struct tree *parent_of_local_child(void)
{
    struct tree parent = {0}; //! parent escapes
    struct tree child = {0};  //! child stays
    tree_set_parent(&child, &parent);
    return tree_parent(&child);
}

bool parent_is_red(void)
{
    struct tree parent = {1, NULL, NULL}; //! parent stays
    struct tree child = {0};              //! child stays
    tree_set_parent(&child, &parent);
    return tree_parent(&child)->parent_and_colour & 1;
}

void graft(struct tree *root)
{
    struct tree child = {0}; //! child escapes
    tree_set_parent(root, &child);
}

/* ---- A lock-free stack: a pointer and a count in one word pair ---- */
struct cell {
    struct cell *next;
};

static _Atomic(struct cell *) free_cells;

void push_cell(void)
{
    struct cell c = {NULL};                                               //! c escapes
    struct cell *head = __c11_atomic_load(&free_cells, __ATOMIC_RELAXED); //! head stays
    do {
        c.next = head;
    } while (!__c11_atomic_compare_exchange_weak(&free_cells, &head, &c, __ATOMIC_RELEASE,
                                                 __ATOMIC_RELAXED));
}

struct versioned {
    struct cell *top;
    uint64_t version;
};

static struct versioned versions;

void push_versioned(void)
{
    struct cell c = {versions.top};                    //! c escapes
    struct versioned now = {&c, versions.version + 1}; //! now stays
    __atomic_store(&versions.version, &now.version, __ATOMIC_RELAXED);
    versions = now;
}

struct cell *swapped_out(void)
{
    struct cell a = {NULL}, b = {NULL}; //! a escapes
    _Atomic(struct cell *) slot = &a;   //! slot stays
    b.next = NULL;
    return __c11_atomic_exchange(&slot, &b, __ATOMIC_ACQ_REL);
}

/* ---- A server: callbacks with a context, tables of operations ---- */
struct connection;
struct handler {
    void (*ready)(struct connection *, void *);
    void *context;
};

struct connection {
    struct handler on_read, on_close;
    char buffer[32];
    size_t n;
};

static void connection_when_read(struct connection *c, void (*f)(struct connection *, void *),
                                 void *x)
{
    c->on_read = (struct handler){f, x};
}

static void connection_fire(struct connection *c)
{
    if (c->on_read.ready != NULL)
        c->on_read.ready(c, c->on_read.context);
}

static void count_bytes(struct connection *c, void *context)
{
    *(size_t *)context += c->n;
}

static void remember(struct connection *c, void *context)
{
    (void)c;
    global = context;
}

size_t served_on_the_stack(void)
{
    size_t bytes = 0;               //! bytes stays
    struct connection c = {.n = 4}; //! c stays
    connection_when_read(&c, count_bytes, &bytes);
    connection_fire(&c);
    return bytes;
}

size_t remembered(void)
{
    size_t bytes = 0;               //! bytes escapes
    struct connection c = {.n = 4}; //! c stays
    connection_when_read(&c, remember, &bytes);
    connection_fire(&c);
    return bytes;
}

void subscribed(struct connection *c)
{
    size_t bytes = 0; //! bytes escapes
    connection_when_read(c, count_bytes, &bytes);
}

struct connection *accepted(void)
{
    struct connection *c = rt_alloc(sizeof *c);
    size_t *bytes = rt_alloc(sizeof *bytes);
    connection_when_read(c, count_bytes, bytes);
    return c;
}

struct ops {
    int (*open)(void *self, const char *path);
    void *(*self)(void *self);
};

static int memory_open(void *self, const char *path)
{
    return *(int *)self + *path;
}

static void *memory_self(void *self)
{
    return self;
}

static const struct ops memory_ops = {memory_open, memory_self};

struct file {
    const struct ops *ops;
    void *self;
};

int opened(const char *path)
{
    int state = 1;                         //! state stays
    struct file f = {&memory_ops, &state}; //! f stays
    return f.ops->open(f.self, path);
}

void *self_of_file(void)
{
    int state = 1;                         //! state escapes
    struct file f = {&memory_ops, &state}; //! f stays
    return f.ops->self(f.self);
}

/* ---- A parser: cursor by address, tokens that point into the text, error by longjmp ---- */
struct token {
    const char *at;
    size_t n;
};

struct lexer {
    const char *text;
    struct token last;
    void *on_error[5];
};

static struct token *next_token(struct lexer *l)
{
    l->last.at = l->text;
    while (*l->text && *l->text != ' ')
        l->text++;
    l->last.n = (size_t)(l->text - l->last.at);
    if (l->last.n == 0)
        __builtin_longjmp(l->on_error, 1);
    return &l->last;
}

size_t length_of_token(const char *text)
{
    struct lexer l = {.text = text}; //! l stays
    if (__builtin_setjmp(l.on_error))
        return 0;
    return next_token(&l)->n;
}

const char *token_text(const char *text)
{
    struct lexer l = {.text = text}; //! l stays
    return next_token(&l)->at;
}

struct token *dangling_token(const char *text)
{
    struct lexer l = {.text = text}; //! l escapes
    return next_token(&l);
}

const char *text_of_copy(void)
{
    char copy[8] = "a b";            //! copy escapes
    struct lexer l = {.text = copy}; //! l stays
    return next_token(&l)->at;
}

struct token token_by_value(void)
{
    char copy[8] = "a b"; //! copy escapes
    struct lexer l = {.text = copy};
    return *next_token(&l);
}

/* ---- An interpreter: tagged values, frames linked through locals, a stack of values ---- */
typedef uint64_t value;

#define TAG 7u
static value value_of(void *p, unsigned tag)
{
    return (value)(uintptr_t)p | tag;
}

static void *value_pointer(value v)
{
    return (void *)(uintptr_t)(v & ~(value)TAG);
}

struct frame {
    struct frame *up;
    value slots[4];
};

struct vm {
    struct frame *top;
    value stack[8];
    int sp;
};

static void vm_push(struct vm *vm, value v)
{
    vm->stack[vm->sp++ & 7] = v;
}

static value vm_pop(struct vm *vm)
{
    return vm->stack[--vm->sp & 7];
}

long vm_number(struct vm *vm)
{
    long n = 3; //! n escapes
    vm_push(vm, value_of(&n, 1));
    return *(long *)value_pointer(vm_pop(vm));
}

long own_vm(void)
{
    long n = 3;         //! n stays
    struct vm vm = {0}; //! vm stays
    vm_push(&vm, value_of(&n, 1));
    return *(long *)value_pointer(vm_pop(&vm));
}

value popped(void)
{
    long n = 3;         //! n escapes
    struct vm vm = {0}; //! vm stays
    vm_push(&vm, value_of(&n, 1));
    return vm_pop(&vm);
}

void call_frame(struct vm *vm, int depth)
{
    struct frame f = {.up = vm->top}; //! f escapes
    vm->top = &f;
    if (depth > 0)
        call_frame(vm, depth - 1);
    vm->top = f.up;
}

static int frames_up(const struct frame *f)
{
    return f == NULL ? 0 : 1 + frames_up(f->up);
}

static int nested_frames(struct frame *up, int depth)
{
    struct frame f = {.up = up}; //! f stays
    return depth == 0 ? frames_up(&f) : nested_frames(&f, depth - 1);
}

int three_frames(void)
{
    return nested_frames(NULL, 3);
}

/* ---- A union of what a value may be ---- */
struct any {
    enum { NUMBER, TEXT, LIST } kind;
    union {
        double number;
        const char *text;
        struct any *list;
        uint8_t raw[16];
    } as;
};

static struct any kept_any;

void union_by_raw_bytes(void)
{
    char text[4] = "abc";                              //! text escapes
    struct any from = {.kind = TEXT, .as.text = text}; //! from stays
    for (int i = 0; i < 16; i++)
        kept_any.as.raw[i] = from.as.raw[i];
}

double union_number(void)
{
    char text[4] = "abc"; //! text stays
    struct any a = {.kind = TEXT, .as = {.text = text}};
    a.as.number = 3;
    return a.as.number;
}

static struct any list_of(struct any *first)
{
    return (struct any){.kind = LIST, .as.list = first};
}

struct any list_returned(void)
{
    struct any one = {.kind = NUMBER}; //! one escapes
    return list_of(&one);
}

int list_used(void)
{
    struct any one = {.kind = NUMBER}; //! one stays
    return (int)list_of(&one).as.list->kind;
}

/* ---- Variable arguments that are passed on ---- */
struct message {
    const char *format;
    const void *args[4];
};

static struct message log_ring[8];

static void vlog(struct message *m, const char *format, va_list ap)
{
    m->format = format;
    for (int i = 0; i < 4; i++)
        m->args[i] = va_arg(ap, const void *);
}

static void log_later(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vlog(&log_ring[0], format, ap);
    va_end(ap);
}

static int log_now(const char *format, ...)
{
    struct message m;
    va_list ap;
    va_start(ap, format);
    vlog(&m, format, ap);
    va_end(ap);
    return *(const int *)m.args[0];
}

void logged_later(void)
{
    int n = 4; //! n escapes
    log_later("%d", &n);
}

int logged_now(void)
{
    int n = 4; //! n stays
    return log_now("%d", &n);
}

/* ---- Cleanup: a guard holds what it must undo ---- */
struct guard {
    void (*undo)(void *);
    void *what;
};

static void guard_run(struct guard *g)
{
    if (g->undo != NULL)
        g->undo(g->what);
}

#define GUARDED __attribute__((cleanup(guard_run)))

static void undo_number(void *what)
{
    *(int *)what = 0;
}

static void undo_later(void *what)
{
    global = what;
}

int guarded(void)
{
    int n = 1;                                  //! n stays
    GUARDED struct guard g = {undo_number, &n}; //! g stays
    return n;
}

int guarded_badly(void)
{
    int n = 1;                                 //! n escapes
    GUARDED struct guard g = {undo_later, &n}; //! g stays
    return n;
}

/* ---- Flexible arrays, offsets instead of pointers, pointers to pointers ---- */
struct array {
    size_t n;
    void *items[];
};

static struct array *array_make(size_t n)
{
    struct array *a = rt_alloc(sizeof *a + n * sizeof *a->items);
    a->n = n;
    return a;
}

int array_of_local(void)
{
    int x = 1; //! x stays
    struct array *a = array_make(3);
    a->items[2] = &x;
    int sum = *(int *)a->items[2];
    rt_free(a);
    return sum;
}

struct array *array_returned(void)
{
    int x = 1; //! x escapes
    struct array *a = array_make(3);
    a->items[0] = &x;
    return a;
}

static void list_append(struct cell **tail, struct cell *c)
{
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = c;
}

int appended_to_own(void)
{
    struct cell a = {NULL}, b = {NULL}; //! b stays
    struct cell *head = NULL;           //! head stays
    list_append(&head, &a);
    list_append(&head, &b);
    return head->next == &b;
}

void appended_to_given(struct cell **head)
{
    struct cell a = {NULL}; //! a escapes
    list_append(head, &a);
}

ptrdiff_t offset_only(const char *base)
{
    char text[4] = "abc"; //! text stays
    const char *p = text + 2;
    return (p - text) + (base != NULL);
}

/* ---- Strange roads ---- */
static int *chosen(int *a, int *b, bool first)
{
    int *both[2] = {a, b};
    return both[!first];
}

int *chosen_of_two(int *given)
{
    int x = 1; //! x escapes
    return chosen(given, &x, true);
}

static int *(*const choose[2])(int *, int *, bool) = {chosen, chosen};

int *chosen_by_table(int *given)
{
    int x = 1; //! x escapes
    return choose[*given & 1](given, &x, false);
}

typedef void *(*step)(void *state, void **result);

static void *step_last(void *state, void **result)
{
    *result = state;
    return NULL;
}

static void *step_first(void *state, void **result)
{
    (void)result;
    (void)state;
    return (void *)step_last;
}

void *run_steps(void)
{
    int state = 0;       //! state escapes
    void *result = NULL; //! result stays
    for (step s = step_first; s != NULL;)
        s = (step)s(&state, &result);
    return result;
}

int *by_xor(int *given)
{
    int x = 1; //! x escapes
    uintptr_t both = (uintptr_t)&x ^ (uintptr_t)given;
    return (int *)(both ^ (uintptr_t)given);
}

int by_sort(void)
{
    int a = 2, b = 1;         //! a stays
    int *order[2] = {&a, &b}; //! order stays
    for (int i = 0; i < 1; i++)
        if (*order[i] > *order[i + 1]) {
            int *t = order[i];
            order[i] = order[i + 1];
            order[i + 1] = t;
        }
    return *order[0];
}

void static_remembers(int n)
{
    static int *last;
    int x = n; //! x escapes
    if (last != NULL)
        rt_printf("%d\n", *last);
    last = &x;
}

int static_forgets(int n)
{
    static int last;
    int x = n; //! x stays
    int *p = &x;
    last += *p;
    return last;
}
