/* Written after the tool was frozen: goroutines, channels and collected memory in use. */
#include <rt/rt.h>

/* ---- Futures ---- */
struct future {
    gc(chan(long)) done;
    long argument;
};

static long work(long n)
{
    return n * n;
}

static void future_run(struct future *f)
{
    chan(long) done = f->done;
    chan_send(done, work(f->argument));
}

struct future *future_start(long n)
{
    struct future *f = gc_new(struct future); //! gc_new escapes
    gc_set(f->done, chan_make(long, 1));      //! chan_make escapes
    f->argument = n;
    go(future_run, f);
    return f;
}

long future_wait(struct future *f)
{
    chan(long) done = f->done;
    return chan_recv(done);
}

long future_on_stack(long n)
{
    struct future f = {.argument = n}; //! f escapes
    go(future_run, &f);
    return f.argument;
}

/* ---- Workers over a shared array ---- */
struct part {
    const int *from;
    size_t n;
    long *sum;
};

static void add_part(struct part p)
{
    for (size_t i = 0; i < p.n; i++)
        *p.sum += p.from[i];
}

long parallel_sum(const int *a, size_t n)
{
    struct rt_waitgroup wg = {0}; //! wg stays
    long sums[4] = {0};           //! sums stays
    for (size_t i = 0; i < 4; i++) {
        struct part p = {a + n / 4 * i, n / 4, &sums[i]}; //! p stays
        wg_go(&wg, add_part, p);
    }
    rt_wg_wait(&wg);
    return sums[0] + sums[1] + sums[2] + sums[3];
}

void parallel_sum_not_waited(const int *a, size_t n)
{
    static struct rt_waitgroup wg;
    long sum = 0;                 //! sum escapes
    struct part p = {a, n, &sum}; //! p stays
    wg_go(&wg, add_part, p);
}

long waited_on_one_way(bool wait)
{
    struct rt_waitgroup wg = {0}; //! wg escapes
    long sum = 0;                 //! sum escapes
    wg_go(&wg, add_part, ((struct part){NULL, 0, &sum}));
    switch (wait) {
    case true:
        rt_wg_wait(&wg);
        break;
    default:
        break;
    }
    return 1;
}

long waited_on_both_ways(bool twice)
{
    struct rt_waitgroup wg = {0}; //! wg stays
    long sum = 0;                 //! sum stays
    wg_go(&wg, add_part, ((struct part){NULL, 0, &sum}));
    if (twice) {
        rt_wg_wait(&wg);
        rt_wg_wait(&wg);
    } else {
        rt_wg_wait(&wg);
    }
    return sum;
}

long another_group(void)
{
    struct rt_waitgroup a = {0}, b = {0}; //! a escapes
    long sum = 0;                         //! sum escapes
    wg_go(&a, add_part, ((struct part){NULL, 0, &sum}));
    rt_wg_wait(&b);
    return sum;
}

/* ---- Channels of channels, of structs with pointers ---- */
struct request {
    gc_foreign(const char *) text;
    chan(size_t) answer;
};

static void server(chan(struct request) in)
{
    chan_range (r, in)
        chan_send(r.answer, strlen(r.text));
}

size_t asked(chan(struct request) service, const char *text)
{
    struct request r = {text, chan_make(size_t, 0)}; //! chan_make escapes
    chan_send(service, r);
    return chan_recv(r.answer);
}

size_t asked_with_local_text(chan(struct request) service, int n)
{
    char text[16]; //! text escapes
    rt_snprintf(text, sizeof text, "%d", n);
    struct request r = {text, chan_make(size_t, 0)};
    chan_send(service, r);
    return chan_recv(r.answer);
}

void started(void)
{
    chan(struct request) in = chan_make(struct request, 4); //! chan_make escapes
    go(server, in);
}

long buffered_by_itself(void)
{
    chan(long) c = chan_make(long, 3); //! chan_make stays
    for (long i = 0; i < 3; i++)
        chan_send(c, i);
    chan_close(c);
    long sum = 0;
    chan_range (v, c)
        sum += v;
    return sum;
}

int *pointer_passed_through(int *given)
{
    chan(int *) c = chan_make(int *, 1); //! chan_make stays
    chan_send(c, given);
    return chan_recv(c);
}

int *local_passed_through(void)
{
    int x = 2;                           //! x escapes
    chan(int *) c = chan_make(int *, 1); //! chan_make stays
    chan_send(c, &x);
    return chan_recv(c);
}

int first_of_two(chan(int) a, chan(int) b)
{
    int v = 0;      //! v stays
    bool ok = true; //! ok stays
    while (ok) {
        go_select {
            on_recv_ok (v, ok, a)
                return v;
            on_recv_ok (v, ok, b)
                return -v;
        }
    }
    return 0;
}

void timeout(chan(int *) out, int64_t ns)
{
    int x = 1; //! x escapes
    go_select {
        on_send (out, &x)
            rt_puts("sent");
        on_recv_drop (rt_after(ns))
            rt_puts("timeout");
    }
}

/* ---- Defer in earnest ---- */
struct file {
    int fd;
    struct file **owner;
};

static void file_close(struct file *f)
{
    f->fd = -1;
    *f->owner = NULL;
}

int with_file(int fd)
{
    defers;
    struct file *open = NULL;    //! open stays
    struct file f = {fd, &open}; //! f stays
    open = &f;
    defer(file_close, &f);
    return open->fd;
}

static struct file *last_file;
static void file_remember(struct file *f, const char *why)
{
    rt_puts(why);
    last_file = f;
}

int with_file_remembered(int fd)
{
    defers;
    struct file f = {fd, NULL}; //! f escapes
    defer(file_remember, &f, "why");
    return f.fd;
}

static void note(int *count, int n)
{
    *count += n;
}

int deferred_in_a_loop(int n)
{
    defers;
    int count = 0; //! count stays
    for (int i = 0; i < n; i++)
        defer(note, &count, i);
    return count;
}

static void recovered(const char **why)
{
    struct rt_panic *e = recover();
    if (e != NULL)
        *why = e->message;
}

bool guarded(void (*fn)(void))
{
    const char *why = NULL; //! why stays
    defers;
    defer(recovered, &why);
    fn();
    return true;
}

static void divide(int a, int b, int *out)
{
    *out = a / b;
}

int safe_divide(int a, int b)
{
    int result = 0; //! result stays
    struct rt_panic *e = catch_panic(divide, a, b, &result);
    if (e != NULL)
        rt_printf("%s\n", e->message);
    return result;
}

const char *message_of(void (*fn)(int *))
{
    int x = 0; //! x escapes
    struct rt_panic *e = catch_panic(fn, &x);
    return e != NULL ? e->message : NULL;
}

/* ---- Collected memory ---- */
slice_type(gc(char *), texts);

struct texts split(const char *text, char separator)
{
    struct texts out = {0};
    for (const char *end; *text; text = *end ? end + 1 : end) {
        for (end = text; *end && *end != separator; end++)
            ;
        char *word = gc_bytes((size_t)(end - text) + 1); //! gc_bytes escapes
        for (size_t i = 0; text + i < end; i++)
            word[i] = text[i];
        out = append(out, word); //! append escapes
    }
    return out;
}

size_t count_fields(const char *text)
{
    struct texts fields = split(text, ',');
    size_t n = 0;
    slice_range (i, field, fields)
        n += strlen(field) + i;
    return n;
}

char *longest_field(const char *text)
{
    struct texts fields = split(text, ',');
    char *best = NULL;
    slice_range (i, field, fields)
        if (best == NULL || strlen(field) > strlen(best) + 0 * i)
            best = field;
    return best;
}

struct shape {
    gc_foreign(const struct shape_ops *) ops;
    gc(void *) self;
};
struct shape_ops {
    double (*area)(void *);
};
struct square {
    double side;
};
static double square_area(void *self)
{
    struct square *s = self;
    return s->side * s->side;
}
static const struct shape_ops square_ops = {square_area};

struct shape *boxed(double side)
{
    struct square *s = gc_new(struct square);   //! gc_new escapes
    struct shape *shape = gc_new(struct shape); //! gc_new escapes
    s->side = side;
    shape->ops = &square_ops;
    gc_set(shape->self, s);
    return shape;
}

double boxed_and_used(double side)
{
    struct square *s = gc_new(struct square);   //! gc_new stack
    struct shape *shape = gc_new(struct shape); //! gc_new stack
    s->side = side;
    shape->ops = &square_ops;
    gc_set(shape->self, s);
    return shape->ops->area(shape->self);
}

double boxed_on_stack(double side)
{
    struct square s = {side};               //! s stays
    struct shape shape = {&square_ops, &s}; //! shape stays
    return shape.ops->area(shape.self);
}

struct queue {
    gc(struct cell *) first, last;
};
struct cell {
    gc(struct cell *) next;
    long n;
};

static void queue_put(struct queue *q, long n)
{
    struct cell *c = gc_new(struct cell); //! gc_new escapes
    c->n = n;
    if (q->last != NULL)
        gc_set(q->last->next, c);
    else
        gc_set(q->first, c);
    gc_set(q->last, c);
}

long queue_used(int n)
{
    struct queue q = {0}; //! q stays
    for (int i = 0; i < n; i++)
        queue_put(&q, i);
    long sum = 0;
    for (struct cell *c = q.first; c != NULL; c = c->next)
        sum += c->n;
    return sum;
}

struct queue *queue_made(int n)
{
    struct queue *q = gc_new(struct queue); //! gc_new escapes
    for (int i = 0; i < n; i++)
        queue_put(q, i);
    return q;
}

long queue_made_and_used(int n)
{
    struct queue *q = gc_new(struct queue); //! gc_new stack
    for (int i = 0; i < n; i++)
        queue_put(q, i);
    return q->first->n;
}

struct cell *ping(struct cell *a, int n)
{
    struct cell *b = gc_new(struct cell); //! gc_new escapes
    b->n = n;
    gc_set(b->next, a);
    return n == 0 ? b : ping(b, n - 1);
}

static struct rt_once once;
static gc_root(struct cell *, singleton);
static void singleton_make(long n)
{
    struct cell *c = gc_new(struct cell); //! gc_new escapes
    c->n = n;
    gc_set(singleton.p, c);
}

long singleton_value(void)
{
    long seed = 3; //! seed stays
    once_do(&once, singleton_make, seed);
    return singleton.p->n;
}

long swapped(void)
{
    struct cell *a = gc_new(struct cell); //! gc_new stack
    struct cell *b = gc_new(struct cell); //! gc_new stack
    gc_set(a->next, b);
    struct cell *old = gc_swap(a->next, a);
    return old->n;
}

size_t formatted(long n)
{
    char *text = gc_bytes(32); //! gc_bytes stays
    return (size_t)rt_snprintf(text, 32, "%ld", n);
}
