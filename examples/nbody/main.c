/*
 * nbody - the outer planets, in doubles, on several goroutines at once.
 *
 *     make run APP=examples/nbody ARGS=100000
 *
 * The benchmark game's simulation. Four goroutines compute the same orbits on all cores, and may be
 * interrupted after any instruction; if a single bit of a floating-point register were lost, they
 * would not agree to the last one.
 */
#include <math.h>
#include <rt/rt.h>

#define PI 3.141592653589793
#define SOLAR_MASS (4 * PI * PI)
#define DAYS_PER_YEAR 365.24
#define N 5
#define COPIES 4

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static const struct body start[N] = {
    {.mass = SOLAR_MASS},
    {/* Jupiter */
     4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01,
     1.66007664274403694e-03 * DAYS_PER_YEAR, 7.69901118419740425e-03 * DAYS_PER_YEAR,
     -6.90460016972063023e-05 * DAYS_PER_YEAR, 9.54791938424326609e-04 * SOLAR_MASS},
    {/* Saturn */
     8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01,
     -2.76742510726411902e-03 * DAYS_PER_YEAR, 4.99852801234917238e-03 * DAYS_PER_YEAR,
     2.30417297573763929e-05 * DAYS_PER_YEAR, 2.85885980666130812e-04 * SOLAR_MASS},
    {/* Uranus */
     1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01,
     2.96460137564761618e-03 * DAYS_PER_YEAR, 2.37847173959480950e-03 * DAYS_PER_YEAR,
     -2.96589568540237556e-05 * DAYS_PER_YEAR, 4.36624404335156298e-05 * SOLAR_MASS},
    {/* Neptune */
     1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01,
     2.68067772490389322e-03 * DAYS_PER_YEAR, 1.62824170038242295e-03 * DAYS_PER_YEAR,
     -9.51592254519715870e-05 * DAYS_PER_YEAR, 5.15138902046611451e-05 * SOLAR_MASS},
};

static void advance(struct body *b, double dt)
{
    for (int i = 0; i < N; i++) {
        for (int j = i + 1; j < N; j++) {
            double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;
            double d2 = dx * dx + dy * dy + dz * dz;
            double mag = dt / (d2 * sqrt(d2));

            b[i].vx -= dx * b[j].mass * mag;
            b[i].vy -= dy * b[j].mass * mag;
            b[i].vz -= dz * b[j].mass * mag;
            b[j].vx += dx * b[i].mass * mag;
            b[j].vy += dy * b[i].mass * mag;
            b[j].vz += dz * b[i].mass * mag;
        }
    }
    for (int i = 0; i < N; i++) {
        b[i].x += dt * b[i].vx;
        b[i].y += dt * b[i].vy;
        b[i].z += dt * b[i].vz;
    }
}

static double energy(const struct body *b)
{
    double e = 0;

    for (int i = 0; i < N; i++) {
        e += 0.5 * b[i].mass * (b[i].vx * b[i].vx + b[i].vy * b[i].vy + b[i].vz * b[i].vz);
        for (int j = i + 1; j < N; j++) {
            double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;

            e -= b[i].mass * b[j].mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return e;
}

/* Give the sun the momentum that makes the sum zero. */
static void offset_momentum(struct body *b)
{
    double px = 0, py = 0, pz = 0;

    for (int i = 0; i < N; i++) {
        px += b[i].vx * b[i].mass;
        py += b[i].vy * b[i].mass;
        pz += b[i].vz * b[i].mass;
    }
    b[0].vx = -px / SOLAR_MASS;
    b[0].vy = -py / SOLAR_MASS;
    b[0].vz = -pz / SOLAR_MASS;
}

struct energies {
    double first, last;
};

static void simulate(int steps, chan(struct energies) out)
{
    struct body b[N];
    struct energies e;

    memcpy(b, start, sizeof b);
    offset_momentum(b);
    e.first = energy(b);
    for (int i = 0; i < steps; i++)
        advance(b, 0.01);
    e.last = energy(b);
    chan_send(out, e);
}

int main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 1000;
    chan(struct energies) out = chan_make(struct energies, 0);

    for (int i = 0; i < COPIES; i++)
        go(simulate, steps, out);

    struct energies e = chan_recv(out);

    rt_printf("%.9f\n%.9f\n", e.first, e.last);
    for (int i = 1; i < COPIES; i++) {
        struct energies other = chan_recv(out);

        if (memcmp(&e, &other, sizeof e) != 0)
            panic("two goroutines disagree: %a and %a", e.last, other.last);
    }
    return 0;
}
