/* Written after the tool was frozen: one program of three files. */
#include "shop.h"

long plain_total(void)
{
    struct item a = {"a", 3}, b = {"b", 4}; //! a stays
    struct basket basket = {0};             //! basket stays
    basket_add(&basket, &a);
    basket_add(&basket, &b);
    return basket.items[0]->price + basket.items[1]->price;
}

const char *cheapest_name(void)
{
    struct item a = {"a", 3}, b = {"b", 4}; //! b stays
    struct basket basket = {0};             //! basket stays
    basket_add(&basket, &a);
    basket_add(&basket, &b);
    return basket_cheapest(&basket)->name;
}

struct item *cheapest(void)
{
    struct item a = {"a", 3};   //! a escapes
    struct basket basket = {0}; //! basket stays
    basket_add(&basket, &a);
    return basket_cheapest(&basket);
}

void to_caller(struct basket *basket)
{
    struct item a = {"a", 3}; //! a escapes
    basket_add(basket, &a);
}

void audited(void)
{
    struct item a = {"a", 3}; //! a escapes
    audit(&a);
}

long tracked_total(void)
{
    struct pricing p = {tracked, NULL};     //! p stays
    struct item a = {"a", 3};               //! a escapes
    struct basket basket = {.pricing = &p}; //! basket stays
    basket_add(&basket, &a);
    return basket_total(&basket);
}

static void print_total(long total, void *context)
{
    rt_printf("%ld %d\n", total, ++*(int *)context);
}

void checked_out(struct basket *basket)
{
    int times = 0; //! times stays
    basket_checkout(basket, print_total, &times);
}

struct basket *heap_basket(void)
{
    struct basket *b = gc_new(struct basket); //! gc_new escapes
    struct item *i = gc_new(struct item);     //! gc_new escapes
    basket_add(b, i);
    return b;
}

long heap_basket_used(void)
{
    struct basket *b = gc_new(struct basket); //! gc_new stack
    struct item a = {"a", 5};                 //! a stays
    basket_add(b, &a);
    return b->items[0]->price;
}

int main(void)
{
    long fee = 2;                    //! fee stays
    struct pricing p = {flat, &fee}; //! p stays
    struct basket basket = {.pricing = &p};
    return (int)basket_total(&basket);
}
