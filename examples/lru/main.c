/*
 * lru - a cache that keeps the most recent pages, and remembers the others for as long as somebody
 * else does.
 *
 *     make run APP=examples/lru
 *
 * The cache holds CAPACITY pages by real references, in a list, newest first. Of every page ever
 * loaded it also has a weak reference, which keeps nothing alive: it yields the page while it is
 * still there, and NULL once it was collected. So a page that fell out of the list, but that a
 * client still uses, is not loaded a second time, and no page is kept for the cache's sake alone.
 * Loading needs a scratch buffer; a pool saves making one each time, and gives them up by itself
 * when the program no longer needs them.
 */
#include <rt/rt.h>

#define PAGES 100
#define CAPACITY 10
#define SCRATCH_BYTES 4096

struct page {
    gc(struct page *) newer, older;
    int number;
    uint32_t sum;
};

struct cache {
    gc(struct page *) newest, oldest;
    gc(struct rt_weak *) known[PAGES];
    int n, hits, found_again, loads;
};

static int scratch_made;

static void *scratch_make(void)
{
    scratch_made++;
    return gc_bytes(SCRATCH_BYTES);
}

static struct rt_pool scratch = {.make = scratch_make};

static struct page *page_load(int number)
{
    struct page *p = gc_new(struct page);
    unsigned char *buf = rt_pool_get(&scratch);

    memset(buf, number, SCRATCH_BYTES); /* in a real cache: read the disk */
    for (int i = 0; i < SCRATCH_BYTES; i++)
        p->sum += buf[i];
    rt_pool_put(&scratch, buf);
    p->number = number;
    return p;
}

static void unlink(struct cache *c, struct page *p)
{
    if (p->newer != NULL)
        gc_set(p->newer->older, p->older);
    else
        gc_set(c->newest, p->older);
    if (p->older != NULL)
        gc_set(p->older->newer, p->newer);
    else
        gc_set(c->oldest, p->newer);
    gc_set(p->newer, NULL);
    gc_set(p->older, NULL);
    c->n--;
}

static void link(struct cache *c, struct page *p)
{
    gc_set(p->older, c->newest);
    if (c->newest != NULL)
        gc_set(c->newest->newer, p);
    else
        gc_set(c->oldest, p);
    gc_set(c->newest, p);
    if (++c->n > CAPACITY)
        unlink(c, c->oldest);
}

static bool linked(const struct cache *c, const struct page *p)
{
    return p->newer != NULL || c->newest == p;
}

static struct page *cache_get(struct cache *c, int number)
{
    struct page *p = c->known[number] != NULL ? rt_weak_get(c->known[number]) : NULL;

    if (p == NULL) {
        c->loads++;
        p = page_load(number);
        gc_set(c->known[number], rt_weak_make(p));
    } else if (linked(c, p)) {
        c->hits++;
        unlink(c, p);
    } else {
        c->found_again++;
    }
    link(c, p);
    return p;
}

static void show(struct cache *c, const char *what)
{
    rt_printf("%-24s %3d hits, %3d found again, %3d loads\n", what, c->hits, c->found_again,
              c->loads);
    c->hits = c->found_again = c->loads = 0;
}

/* Not inlined, so that no page stays in a register or on the stack of main by accident. */
static RT_NOINLINE void scan(struct cache *c, int from, int to)
{
    for (int i = from; i < to; i++)
        cache_get(c, i);
}

int main(void)
{
    struct cache *c = gc_new(struct cache);
    struct page *mine = cache_get(c, 7); /* a client keeps this one */

    scan(c, 0, PAGES);
    show(c, "first scan:");
    scan(c, PAGES - CAPACITY, PAGES);
    show(c, "the newest ten again:");

    rt_gc(); /* takes what only weak references lead to */
    rt_printf("page 7 is %s\n",
              cache_get(c, 7) == mine ? "the one that the client has" : "another one");
    show(c, "page 7, still in use:");
    scan(c, 10, 90);
    show(c, "eighty forgotten pages:");
    rt_printf("scratch buffers made: %d\n", scratch_made);
    return mine->number == 7 && mine->sum == 7 * SCRATCH_BYTES ? 0 : 1;
}
