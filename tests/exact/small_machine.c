/*
 * The first thing that main does is to take all memory there is, while the other cores are still on
 * their way: each had what it needs set aside before main began.
 */
#include <rt/rt.h>

int main(void)
{
    struct taken {
        struct taken *next;
    } *all = NULL, *p;
    int runs = 0;

    for (size_t bytes = 1 << 20; bytes >= 3000; bytes /= 2) {
        while ((p = rt_alloc(bytes)) != NULL) {
            p->next = all;
            all = p;
            runs++;
        }
    }
    rt_sleep(20000000);
    while ((p = all) != NULL) {
        all = p->next;
        rt_free(p);
    }
    rt_printf("%s\n", runs > 3 ? "took it all" : "there was nothing");
    return 0;
}
