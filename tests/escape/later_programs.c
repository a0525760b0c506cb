/* Written after the tool was frozen: pieces of programs as people write them. */
#include <rt/rt.h>

/* ---- A parser with a cursor on the stack ---- */
struct cursor {
    const char *at, *end;
    int line;
    const char **error;
};

static bool cursor_more(const struct cursor *c)
{
    return c->at < c->end;
}

static char cursor_take(struct cursor *c)
{
    if (*c->at == '\n')
        c->line++;
    return *c->at++;
}

static void cursor_fail(struct cursor *c, const char *why)
{
    if (*c->error == NULL)
        *c->error = why;
    c->at = c->end;
}

static long parse_number(struct cursor *c)
{
    long n = 0;
    if (!cursor_more(c))
        cursor_fail(c, "a number is missing");
    while (cursor_more(c) && *c->at >= '0' && *c->at <= '9')
        n = n * 10 + (cursor_take(c) - '0');
    return n;
}

const char *parse_sum(const char *text, long *sum)
{
    const char *error = NULL;                                 //! error stays
    struct cursor c = {text, text + strlen(text), 1, &error}; //! c stays
    *sum = parse_number(&c);
    while (cursor_more(&c) && cursor_take(&c) == '+')
        *sum += parse_number(&c);
    return error;
}

/* ---- An intrusive list with removal ---- */
struct link {
    struct link *next, **back;
};

static void link_insert(struct link **head, struct link *l)
{
    l->next = *head;
    l->back = head;
    if (*head != NULL)
        (*head)->back = &l->next;
    *head = l;
}

static void link_remove(struct link *l)
{
    *l->back = l->next;
    if (l->next != NULL)
        l->next->back = l->back;
}

struct waiter {
    struct link link;
    int reason;
};

static struct link *all_waiters;

void wait_in_public(int reason)
{
    struct waiter w = {.reason = reason}; //! w escapes
    link_insert(&all_waiters, &w.link);
    rt_yield();
    link_remove(&w.link);
}

int wait_in_private(int reason)
{
    struct link *mine = NULL;             //! mine stays
    struct waiter w = {.reason = reason}; //! w stays
    link_insert(&mine, &w.link);
    int found = mine == &w.link ? w.reason : 0;
    link_remove(&w.link);
    return found;
}

/* ---- A visitor that gives back something it found ---- */
struct tree {
    gc(struct tree *) left, right;
    int key;
};

struct search {
    int key;
    int *visited;
    struct tree *found;
};

static void search_in(struct tree *t, struct search *s)
{
    if (t == NULL || s->found != NULL)
        return;
    ++*s->visited;
    if (t->key == s->key)
        s->found = t;
    search_in(t->left, s);
    search_in(t->right, s);
}

struct tree *find(struct tree *root, int key)
{
    int visited = 0;                         //! visited stays
    struct search s = {key, &visited, NULL}; //! s stays
    search_in(root, &s);
    return s.found;
}

static struct tree *insert(struct tree *root, int key)
{
    if (root == NULL) {
        struct tree *t = gc_new(struct tree); //! gc_new escapes
        t->key = key;
        return t;
    }
    if (key < root->key)
        gc_set(root->left, insert(root->left, key));
    else
        gc_set(root->right, insert(root->right, key));
    return root;
}

int depth(const struct tree *t)
{
    int left = t == NULL ? 0 : depth(t->left), right = t == NULL ? 0 : depth(t->right);
    return t == NULL ? 0 : 1 + (left > right ? left : right);
}

int build_and_measure(int n)
{
    struct tree *root = NULL;
    for (int i = 0; i < n; i++)
        root = insert(root, i * 7 % n);
    return depth(root);
}

/* ---- Errors as values with text in a caller's buffer ---- */
struct failure {
    int code;
    char text[32];
};

static bool check(int n, struct failure *f)
{
    if (n < 0) {
        f->code = n;
        rt_snprintf(f->text, sizeof f->text, "%d is negative", n);
        return false;
    }
    return true;
}

int checked(int n)
{
    struct failure f; //! f stays
    if (!check(n, &f)) {
        rt_printf("%s\n", f.text);
        return f.code;
    }
    return 0;
}

const char *failure_text(int n)
{
    struct failure f; //! f escapes
    return check(n, &f) ? "fine" : f.text;
}

const struct failure *failure_of(int n)
{
    static struct failure last;
    struct failure f = {0}; //! f stays
    if (!check(n, &f))
        last = f;
    return &last;
}

/* ---- A hash map with open addressing, on the stack and on the heap ---- */
struct map {
    gc_foreign(const char *) keys[8];
    int values[8];
};

static int *map_at(struct map *m, const char *key)
{
    for (size_t i = key[0] & 7;; i = (i + 1) & 7) {
        if (m->keys[i] == NULL)
            m->keys[i] = key;
        if (strcmp(m->keys[i], key) == 0)
            return &m->values[i];
    }
}

int count_words(const char **words, size_t n)
{
    struct map m = {0}; //! m stays
    for (size_t i = 0; i < n; i++)
        ++*map_at(&m, words[i]);
    return *map_at(&m, "the");
}

int *count_of_the(const char **words, size_t n)
{
    struct map m = {0}; //! m escapes
    for (size_t i = 0; i < n; i++)
        ++*map_at(&m, words[i]);
    return map_at(&m, "the");
}

struct map *map_on_heap(const char *key)
{
    struct map *m = gc_new(struct map); //! gc_new escapes
    *map_at(m, key) = 1;
    return m;
}

int map_on_heap_used(const char *key)
{
    struct map *m = gc_new(struct map); //! gc_new stack
    *map_at(m, key) = 1;
    return *map_at(m, key);
}

void key_on_stack(struct map *m)
{
    char key[4] = "ab"; //! key escapes
    *map_at(m, key) = 1;
}

int key_for_lookup(void)
{
    struct map m = {0}; //! m stays
    char key[4] = "ab"; //! key stays
    *map_at(&m, key) = 1;
    return m.values[0];
}

/* ---- An event loop with handlers ---- */
struct event {
    int kind;
    void *data;
};

typedef void (*handler)(struct event *, void *);

static struct {
    handler fn;
    void *context;
} handlers[4];

static void subscribe(int kind, handler fn, void *context)
{
    handlers[kind & 3].fn = fn;
    handlers[kind & 3].context = context;
}

static void emit(struct event *e)
{
    if (handlers[e->kind & 3].fn != NULL)
        handlers[e->kind & 3].fn(e, handlers[e->kind & 3].context);
}

static void on_count(struct event *e, void *context)
{
    *(int *)context += e->kind;
}

void subscribed(void)
{
    int count = 0; //! count escapes
    subscribe(1, on_count, &count);
}

void emitted(int kind)
{
    int payload = 4;                   //! payload stays
    struct event e = {kind, &payload}; //! e stays
    emit(&e);
}

/* ---- Strings: builders, tokens ---- */
struct builder {
    char *at;
    size_t left;
};

static void put_char(struct builder *b, char c)
{
    if (b->left > 1) {
        *b->at++ = c;
        *b->at = 0;
        b->left--;
    }
}

static void put_text(struct builder *b, const char *text)
{
    while (*text)
        put_char(b, *text++);
}

void greet(const char *name)
{
    char line[64];                          //! line stays
    struct builder b = {line, sizeof line}; //! b stays
    put_text(&b, "hello, ");
    put_text(&b, name);
    rt_puts(line);
}

char *greeting(const char *name)
{
    char line[64];                          //! line stays
    struct builder b = {line, sizeof line}; //! b stays
    put_text(&b, "hello, ");
    put_text(&b, name);
    return gc_strdup(line); //! gc_strdup escapes
}

char *end_of_greeting(const char *name)
{
    char line[64];                          //! line escapes
    struct builder b = {line, sizeof line}; //! b stays
    put_text(&b, name);
    return b.at;
}

size_t count_tokens(const char *text)
{
    char copy[64], *state; //! copy stays
    size_t n = 0;
    strncpy(copy, text, sizeof copy - 1);
    copy[63] = 0;
    for (char *t = strtok_r(copy, " ", &state); t != NULL; t = strtok_r(NULL, " ", &state))
        n++;
    return n;
}

char *first_token(const char *text)
{
    char copy[64], *state; //! copy escapes
    strncpy(copy, text, sizeof copy - 1);
    copy[63] = 0;
    return strtok_r(copy, " ", &state);
}

long parsed(const char *text, const char **rest)
{
    char *end; //! end stays
    long n = strtol(text, &end, 10);
    *rest = end;
    return n;
}

/* ---- Matrices, tables of pointers ---- */
int rows(void)
{
    int a[3] = {1, 2, 3}, b[3] = {4, 5, 6}; //! a stays
    int *table[2] = {a, b};                 //! table stays
    int sum = 0;
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < 3; c++)
            sum += table[r][c];
    return sum;
}

int *row(int i)
{
    int a[3] = {1, 2, 3}, b[3] = {4, 5, 6}; //! b escapes
    int *table[2] = {a, b};                 //! table stays
    return table[i];
}

static int cached[3];
int *row_or_cache(int i)
{
    int a[3] = {1, 2, 3}; //! a stays
    int *best = a;
    if (i > 2)
        best[0] = 9;
    return cached;
}

/* ---- Reference counting by hand, moves ---- */
struct buffer {
    char *bytes;
    size_t n;
};

static struct buffer steal(struct buffer *from)
{
    struct buffer b = *from; //! b stays
    from->bytes = NULL;
    from->n = 0;
    return b;
}

size_t moved(void)
{
    char bytes[16] = "abc";       //! bytes stays
    struct buffer a = {bytes, 3}; //! a stays
    struct buffer b = steal(&a);  //! b stays
    return b.n + a.n;
}

struct buffer moved_out(void)
{
    char bytes[16] = "abc";       //! bytes escapes
    struct buffer a = {bytes, 3}; //! a stays
    return steal(&a);
}

/* ---- State machines by function pointers ---- */
struct machine {
    void (*state)(struct machine *);
    int n;
    int *log;
};

static void state_done(struct machine *m)
{
    m->state = NULL;
}

static void state_run(struct machine *m)
{
    m->log[m->n & 3] = m->n;
    if (m->n++ > 10)
        m->state = state_done;
}

int machine_run(void)
{
    int log[4] = {0};                       //! log stays
    struct machine m = {state_run, 0, log}; //! m stays
    while (m.state != NULL)
        m.state(&m);
    return m.n;
}

static struct machine *current;
static void state_publish(struct machine *m)
{
    current = m;
    m->state = NULL;
}

int machine_published(void)
{
    struct machine m = {state_publish, 0, NULL}; //! m escapes
    while (m.state != NULL)
        m.state(&m);
    return m.n;
}
