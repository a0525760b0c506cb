/*
 * lib/list.h - intrusive doubly linked list with a sentinel. No allocation, O(1) everything.
 *
 * A head and a member are the same struct: an empty head, and a member on no list, point at
 * themselves [list.1], so that removing twice is harmless and "am I queued?" is one compare.
 * LOCKING. None: whoever owns the head says who may touch it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* The struct that holds `node` as its member `field`. */
#define container_of(node, type, field) ((type *)((char *)(node)-offsetof(type, field)))

/* Walk; the body may not remove the current member. */
#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}
