/*
 * philosophers - five philosophers, five forks, and how not to starve.
 *
 *     make run APP=examples/philosophers
 *     make run APP=examples/philosophers ARGS=naive      all take the left fork first
 *
 * Who eats needs the forks on both sides. If each takes the left one and waits for the right one,
 * all wait for ever. A fixed order of the forks (the lower number first) makes a circle of waiting
 * impossible. When no goroutine can ever run again, the runtime ends the program with a report of
 * where each of them is stuck.
 */
#include <rt/rt.h>

#define N 5
#define MEALS 20

static struct rt_mutex forks[N];
static int meals[N];

static void dine(int who, bool naive)
{
    int left = who, right = (who + 1) % N;
    int first = naive || left < right ? left : right;
    int second = first == left ? right : left;

    for (int i = 0; i < MEALS; i++) {
        rt_mutex_lock(&forks[first]);
        if (naive)
            rt_sleep(10000000); /* long enough for the others to reach for their left one */
        rt_mutex_lock(&forks[second]);
        meals[who]++; /* eat */
        rt_mutex_unlock(&forks[second]);
        rt_mutex_unlock(&forks[first]);
        rt_sleep((int64_t)(rt_rand64() % 100000)); /* think */
    }
}

int main(int argc, char **argv)
{
    static const char *const names[N] = {"Kant", "Plato", "Hypatia", "Laozi", "Arendt"};
    static struct rt_waitgroup table;
    bool naive = argc > 1 && strcmp(argv[1], "naive") == 0;

    for (int i = 0; i < N; i++)
        wg_go(&table, dine, i, naive);
    rt_wg_wait(&table);
    for (int i = 0; i < N; i++)
        rt_printf("%-8s ate %d times\n", names[i], meals[i]);
    return 0;
}
