/*
 * life - Conway's game on the serial terminal.
 *
 *     make run APP=examples/life ARGS="200 50"     200 generations, 50 ms each
 *     make run APP=examples/life ARGS=60           only the board after 60
 *
 * Gosper's glider gun. The rows are dealt out to a goroutine for each core; a wait group is the
 * barrier between two generations. The board is a torus, so in the end the gliders hit the gun.
 */
#include <rt/rt.h>

#define WIDTH 72
#define HEIGHT 22

struct board {
    bool cell[HEIGHT][WIDTH];
};

static struct board boards[2];

/* clang-format off */
static const char *const gun[] = {
    "........................#...........",
    "......................#.#...........",
    "............##......##............##",
    "...........#...#....##............##",
    "##........#.....#...##..............",
    "##........#...#.##....#.#...........",
    "..........#.....#.......#...........",
    "...........#...#....................",
    "............##......................",
};
/* clang-format on */

static void step_rows(const struct board *from, struct board *to, int first, int last)
{
    for (int y = first; y < last; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int n = 0;

            for (int dy = HEIGHT - 1; dy <= HEIGHT + 1; dy++) {
                for (int dx = WIDTH - 1; dx <= WIDTH + 1; dx++)
                    n += from->cell[(y + dy) % HEIGHT][(x + dx) % WIDTH];
            }
            n -= from->cell[y][x];
            to->cell[y][x] = n == 3 || (n == 2 && from->cell[y][x]);
        }
    }
}

static void step(const struct board *from, struct board *to)
{
    static struct rt_waitgroup rows;
    int bands = (int)rt_num_cpu();

    for (int i = 0; i < bands; i++)
        wg_go(&rows, step_rows, from, to, HEIGHT * i / bands, HEIGHT * (i + 1) / bands);
    rt_wg_wait(&rows);
}

static int draw(const struct board *b)
{
    int population = 0;

    for (int y = 0; y < HEIGHT; y++) {
        char line[WIDTH + 1];

        for (int x = 0; x < WIDTH; x++) {
            line[x] = b->cell[y][x] ? '#' : '.';
            population += b->cell[y][x];
        }
        line[WIDTH] = 0;
        rt_puts(line);
    }
    return population;
}

int main(int argc, char **argv)
{
    int generations = argc > 1 ? atoi(argv[1]) : 60;
    int ms = argc > 2 ? atoi(argv[2]) : 0;

    for (size_t y = 0; y < sizeof gun / sizeof gun[0]; y++) {
        for (size_t x = 0; gun[y][x] != 0; x++)
            boards[0].cell[y + 1][x + 1] = gun[y][x] == '#';
    }
    for (int i = 0; i < generations; i++) {
        if (ms > 0) {
            rt_puts(i == 0 ? "\033[2J\033[H" : "\033[H"); /* clear the terminal; cursor home */
            draw(&boards[i % 2]);
            rt_sleep(ms * 1000000L);
        }
        step(&boards[i % 2], &boards[(i + 1) % 2]);
    }

    int population = draw(&boards[generations % 2]);

    rt_printf("generation %d, population %d\n", generations, population);
    return 0;
}
