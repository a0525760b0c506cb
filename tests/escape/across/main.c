/* A program of three files. */
#include "across.h"

void stored_there(void)
{
    int x = 1; //! x escapes
    registry_add(&x);
}

void counted_there(void)
{
    int x = 1; //! x stays
    registry_count(&x);
}

int *back_and_forth(void)
{
    int x = 1; //! x escapes
    return bounce(&x, 3);
}

static void visitor(int *item, void *context)
{
    *(int **)context = item;
}

int walked(void)
{
    int *last = NULL; //! last stays
    registry_walk(visitor, &last);
    return last != NULL;
}

static void greedy(int *item, void *context)
{
    (void)item;
    registry_add(context);
}

void walked_and_kept(void)
{
    int seen = 0; //! seen escapes
    registry_walk_all(greedy, &seen);
}

void node_made_there(void)
{
    struct item *i = item_make(3);
    int x = 2; //! x stays
    i->value = &x;
    rt_printf("%d\n", *i->value);
}

struct item *node_made_there_returned(void)
{
    struct item *i = item_make(3);
    int x = 2; //! x escapes
    i->value = &x;
    return i;
}

int main(void)
{
    counted_there();
    return 0;
}
