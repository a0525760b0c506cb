/* What the runtime does with pointers: goroutines, channels, defer, panics, pools, timers. */
#include <rt/rt.h>

static void work(int *p)
{
    ++*p;
}

static int *global;
static void keep(int *p)
{
    global = p;
}

void to_goroutine(void)
{
    int x = 1; //! x escapes
    go(work, &x);
}

void by_value_to_goroutine(int n)
{
    int x = n; //! x stays
    go(rt_sleep, x);
}

void with_options(void)
{
    int x = 1; //! x escapes
    go_with(((struct rt_go_opts){.name = "work"}), work, &x);
}

void group_not_waited_for(struct rt_waitgroup *wg)
{
    int x = 1; //! x escapes
    wg_go(wg, work, &x);
    rt_wg_wait(wg);
}

int group_waited_for(void)
{
    struct rt_waitgroup wg = {0}; //! wg stays
    int x = 1;                    //! x stays
    wg_go(&wg, work, &x);
    rt_wg_wait(&wg);
    return x;
}

int group_waited_for_in_a_loop(int n)
{
    struct rt_waitgroup wg = {0}; //! wg stays
    int parts[8] = {0};           //! parts stays
    for (int i = 0; i < n; i++)
        wg_go(&wg, work, &parts[i]);
    rt_wg_wait(&wg);
    return parts[0];
}

int group_left_early(bool early)
{
    struct rt_waitgroup wg = {0}; //! wg escapes
    int x = 1;                    //! x escapes
    wg_go(&wg, work, &x);
    if (early)
        return 0;
    rt_wg_wait(&wg);
    return x;
}

int group_waited_for_and_kept(void)
{
    struct rt_waitgroup wg = {0}; //! wg stays
    int x = 1;                    //! x escapes
    wg_go(&wg, keep, &x);
    rt_wg_wait(&wg);
    return x;
}

int own_channel(void)
{
    int x = 1;                           //! x stays
    chan(int *) c = chan_make(int *, 1); //! chan_make stays
    chan_send(c, &x);
    return *chan_recv(c);
}

void channel_of_caller(chan(int *) c)
{
    int x = 1; //! x escapes
    chan_send(c, &x);
}

static void receive(chan(int *) c)
{
    work(chan_recv(c));
}

void channel_of_goroutine(void)
{
    int x = 1;                           //! x escapes
    chan(int *) c = chan_make(int *, 0); //! chan_make escapes
    go(receive, c);
    chan_send(c, &x);
}

struct message {
    gc_foreign(int *) p;
    int n, m, k;
};

void struct_to_channel(chan(struct message) c)
{
    int x = 1; //! x escapes
    chan_send(c, {&x, 1, 2, 3});
}

int received(chan(int) c)
{
    int v = 0; //! v stays
    bool ok = chan_recv_ok(c, v);
    return ok ? v : -1;
}

int struct_received(chan(struct message) c)
{
    int sum = 0;
    chan_range (m, c)
        sum += m.n;
    return sum;
}

int tried(chan(int *) c)
{
    int *p = NULL; //! p stays
    int x = 3;     //! x stays
    if (!chan_try_recv(c, p))
        p = &x;
    return *p;
}

int selected(chan(int) in, chan(int) out, chan(struct message) wide)
{
    int v = 0, w = 0;       //! v stays
    bool ok = false;        //! ok stays
    struct message m = {0}; //! m stays
    go_select {
        on_recv (v, in)
            w = v;
        on_recv_ok (m, ok, wide)
            w = ok ? m.n : 0;
        on_send (out, w)
            w = 2;
        on_default
            w = 1;
    }
    return w;
}

void selected_send(chan(int *) out)
{
    int x = 1; //! x escapes
    go_select {
        on_send (out, &x)
            rt_puts("sent");
        on_default
            rt_puts("full");
    }
}

int *selected_receive(chan(int *) in)
{
    int x = 1;     //! x stays
    int *p = NULL; //! p stays
    go_select {
        on_recv (p, in)
            x = *p;
        on_default
            x = 2;
    }
    return p;
}

int selected_at_run_time(chan(int) a, chan(int) b)
{
    int v = 0, w = 0; //! v stays
    struct rt_select_case cases[] = {
        {.chan = a, .elem = &v},
        {.chan = b, .elem = &w, .send = true},
    };
    return rt_select(cases, 2, true, NULL) == 0 ? v : w;
}

void sent_at_run_time(chan(int *) a)
{
    int x = 1;       //! x escapes
    int *value = &x; //! value stays
    struct rt_select_case cases[] = {{.chan = a, .elem = &value, .send = true}};
    rt_select(cases, 1, true, NULL);
}

int deferred(void)
{
    defers;
    int x = 1; //! x stays
    defer(work, &x);
    return x;
}

int deferred_that_keeps(void)
{
    defers;
    int x = 1; //! x escapes
    defer(keep, &x);
    return x;
}

static void three(int *a, int *b, int *c)
{
    *a = *b + *c;
}

int deferred_with_thunk(void)
{
    defers;
    int x = 1, y = 2, z = 3; //! y stays
    defer(three, &x, &y, &z);
    return x;
}

int caught(void)
{
    int x = 1; //! x stays
    struct rt_panic *e = catch_panic(work, &x);
    return e == NULL ? x : -1;
}

int caught_and_kept(void)
{
    int x = 1; //! x escapes
    struct rt_panic *e = catch_panic(keep, &x);
    return e == NULL ? x : -1;
}

static void scan(const char *text, size_t *length, bool *found)
{
    *length = strlen(text);
    *found = strchr(text, ':') != NULL;
}

size_t caught_results(const char *text)
{
    size_t length = 0;  //! length stays
    bool found = false; //! found stays
    if (catch_panic(scan, text, &length, &found) != NULL)
        return 0;
    return found ? length : 0;
}

void panicked(void)
{
    int x = 1; //! x escapes
    rt_panic_value(&x);
}

static struct rt_pool pool;

void pooled(void)
{
    long *a = gc_make(long, 100); //! gc_make escapes
    rt_pool_put(&pool, a);
}

static void tick(void *arg)
{
    ++*(int *)arg;
}

void timed(void)
{
    int x = 1;         //! x escapes
    struct rt_timer t; //! t escapes
    rt_timer_start(&t, 1000, tick, &x);
}

static struct rt_once once;
int done_once(void)
{
    int x = 1; //! x stays
    once_do(&once, work, &x);
    return x;
}

int locked(void)
{
    struct rt_mutex m = {0}; //! m stays
    int x = 1;
    rt_mutex_lock(&m);
    x++;
    rt_mutex_unlock(&m);
    return x;
}

void statistics(void)
{
    struct rt_mem_stats m; //! m stays
    rt_read_mem_stats(&m);
    rt_printf("%zu\n", (size_t)m.num_gc);
}

slice_type(int, ints);

int slice_used(int n)
{
    struct ints s = {0};
    for (int i = 0; i < n; i++)
        s = append(s, i); //! append stays
    return at(s, 0);
}

struct ints slice_returned(int n)
{
    struct ints s = {0};
    for (int i = 0; i < n; i++)
        s = append(s, i); //! append escapes
    return s;
}

struct ints window_of_local(void)
{
    int a[4] = {1, 2, 3, 4}; //! a escapes
    struct ints s = {a, 4, 4};
    return sub(s, 1, 3);
}

size_t length_of_window(void)
{
    int a[4] = {1, 2, 3, 4}; //! a stays
    struct ints s = {a, 4, 4};
    s = sub(s, 1, 3);
    return s.len;
}

void cleaned_up(void (*fn)(void *))
{
    int x = 1;                  //! x escapes
    long *a = gc_make(long, 1); //! gc_make escapes
    rt_add_cleanup(a, fn, &x);
}

static void produce(chan(int) out, int n)
{
    for (int i = 0; i < n; i++)
        chan_send(out, i);
    chan_close(out);
}

int consumed(void)
{
    chan(int) c = chan_make(int, 4); //! chan_make escapes
    int sum = 0;
    go(produce, c, 10);
    chan_range (v, c)
        sum += v;
    return sum;
}
