/*
 * lang/pool.c - pools: objects kept for reuse, for two collections at most.
 *
 * WHAT. A pool has two stocks. put adds to the fresh one; get takes from the fresh one, then from
 * the old one. When a collection has ended, the fresh stock becomes the old one, and what was old
 * is dropped. Stocks are collected memory like any other, reached from one root, so marking needs
 * to know nothing of pools.
 *
 * INVARIANTS
 * [pool.1] A desk (the two stocks of one pool) is never given back, but goes to another pool once
 *          it has been empty for two collections; its generation changes then. So a pool that was
 *          forgotten, even one on a stack that is gone, leaks nothing, and a pool that finds
 *          another generation at its desk just asks for a new one.
 * [pool.2] What is taken out is shaded while marking: the stock that referred to it may not have
 *          been scanned yet.
 *
 * LOCKING. One lock a desk and one for the list of desks, both of rank HOLD, never two at once.
 * REJECTED. Stocks for each core, as in Go: they save a locked exchange, and make the rotation
 * visit cores x pools.
 * SOURCES. Go sync/pool.go.
 */
#include <gc/alloc.h>
#include <gc/barrier.h>
#include <gc/up.h>
#include <lib/atomic.h>
#include <lib/spinlock.h>
#include <rt/sync.h>

#define POOL_BOX_ITEMS 62
#define POOL_DESKS 32

/* Some objects of a stock. */
struct pool_box {
    rt_ref(struct pool_box *) next;
    uint64_t n; /* items in use */
    rt_ref(void *) items[POOL_BOX_ITEMS];
};

/* What rt/sync.h calls a stock: a pool's place. */
struct rt_pool_stock {
    struct spinlock lock;
    uint32_t generation;             /* [lock] even: free; odd: some pool's */
    uint32_t idle;                   /* [lock] collections in a row that found it empty */
    rt_ref(struct pool_box *) fresh; /* [lock] */
    rt_ref(struct pool_box *) old;   /* [lock] */
    rt_ref(
        struct pool_box *) spare; /* [lock] an empty box, so that put after get allocates nothing */
};

struct pool_room {
    rt_ref(struct pool_room *) next; /* [I] once linked */
    struct rt_pool_stock desks[POOL_DESKS];
};

static rt_gc_root(struct pool_room *, pool_rooms);
static struct spinlock pool_lock = SPINLOCK_INIT(RANK_HOLD); /* linking of rooms */

/* ---- Desks ---- */

static struct rt_pool_stock *desk_find_free(void)
{
    for (struct pool_room *room = pool_rooms.p; room != NULL; room = room->next)
        for (size_t i = 0; i < POOL_DESKS; i++)
            if (load_relaxed(&room->desks[i].generation) % 2 == 0)
                return &room->desks[i];
    return NULL;
}

static void desk_add_room(void)
{
    struct pool_room *room = gc_alloc(RT_TYPE(struct pool_room));

    for (size_t i = 0; i < POOL_DESKS; i++)
        room->desks[i].lock = (struct spinlock)SPINLOCK_INIT(RANK_HOLD);
    spin_lock(&pool_lock);
    rt_gc_set(room->next, pool_rooms.p);
    rt_gc_set(pool_rooms.p, room);
    spin_unlock(&pool_lock);
}

/* A desk for a pool that has none, or whose desk went to another [pool.1]. */
static void desk_assign(struct rt_pool *p)
{
    for (;;) {
        struct rt_pool_stock *desk = desk_find_free();
        if (desk == NULL) {
            desk_add_room();
            continue;
        }
        spin_lock(&desk->lock);
        bool got = desk->generation % 2 == 0;
        if (got) {
            desk->idle = 0;
            store_relaxed(&desk->generation, desk->generation + 1);
            store_relaxed(&p->generation, desk->generation);
            store_release(&p->stock, desk);
        }
        spin_unlock(&desk->lock);
        if (got)
            return;
    }
}

/* The pool's desk, locked; NULL if it has none. */
static struct rt_pool_stock *desk_lock(struct rt_pool *p) NO_LOCK_ANALYSIS
{
    struct rt_pool_stock *desk = load_acquire(&p->stock);

    if (desk == NULL)
        return NULL;
    spin_lock(&desk->lock);
    if (desk->generation == load_relaxed(&p->generation))
        return desk;
    spin_unlock(&desk->lock);
    return NULL;
}

static void desk_unlock(struct rt_pool_stock *desk) NO_LOCK_ANALYSIS
{
    spin_unlock(&desk->lock);
}

/* ---- Stocks ---- */

/* One item off the stock at *stock; NULL if there is none. A box that becomes empty is kept as the
 * spare. */
static void *stock_take_locked(struct rt_pool_stock *desk, rt_ref(struct pool_box *) * stock)
{
    struct pool_box *box = *stock;
    void *x;

    if (box == NULL)
        return NULL;
    x = box->items[--box->n];
    gc_shade(x); /* [pool.2] */
    rt_gc_set(box->items[box->n], NULL);
    if (box->n == 0) {
        rt_gc_set(*stock, box->next);
        rt_gc_set(box->next, NULL);
        rt_gc_set(desk->spare, box);
    }
    return x;
}

/* False: there is no box with room, nor a spare one. */
static bool stock_add_locked(struct rt_pool_stock *desk, void *x)
{
    struct pool_box *box = desk->fresh;

    if (box == NULL || box->n == POOL_BOX_ITEMS) {
        box = desk->spare;
        if (box == NULL)
            return false;
        rt_gc_set(desk->spare, NULL);
        rt_gc_set(box->next, desk->fresh);
        rt_gc_set(desk->fresh, box);
    }
    rt_gc_set(box->items[box->n], x);
    box->n++;
    return true;
}

void *rt_pool_get(struct rt_pool *p)
{
    struct rt_pool_stock *desk = desk_lock(p);
    void *x = NULL;

    if (desk != NULL) {
        x = stock_take_locked(desk, &desk->fresh);
        if (x == NULL)
            x = stock_take_locked(desk, &desk->old);
        desk_unlock(desk);
    }
    return x == NULL && p->make != NULL ? p->make() : x;
}

void rt_pool_put(struct rt_pool *p, void *x)
{
    if (x == NULL)
        return;
    for (;;) {
        struct rt_pool_stock *desk = desk_lock(p);
        if (desk == NULL) {
            desk_assign(p);
            continue;
        }
        bool added = stock_add_locked(desk, x);
        desk_unlock(desk);
        if (added)
            return;
        struct pool_box *box = gc_alloc(RT_TYPE(struct pool_box));
        spin_lock(&desk->lock); /* whoever's it is now can use a spare box */
        rt_gc_set(desk->spare, box);
        spin_unlock(&desk->lock);
    }
}

/* ---- The collector ---- */

static void desk_rotate(struct rt_pool_stock *desk, bool drop_all)
{
    spin_lock(&desk->lock);
    if (desk->generation % 2 == 1) {
        bool empty = desk->fresh == NULL && desk->old == NULL;
        rt_gc_set(desk->old, drop_all ? NULL : desk->fresh);
        rt_gc_set(desk->fresh, NULL);
        rt_gc_set(desk->spare, NULL);
        desk->idle = empty ? desk->idle + 1 : 0;
        if (desk->idle >= 2)
            store_relaxed(&desk->generation, desk->generation + 1);
    }
    spin_unlock(&desk->lock);
}

static void rotate_all(bool drop_all)
{
    for (struct pool_room *room = pool_rooms.p; room != NULL; room = room->next)
        for (size_t i = 0; i < POOL_DESKS; i++)
            desk_rotate(&room->desks[i], drop_all);
}

void lang_on_gc_cycle(void)
{
    rotate_all(false);
}

void lang_drop_caches(void)
{
    rotate_all(true);
}
