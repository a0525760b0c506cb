/*
 * tools/testrun.c - runs all tests, on the host and in QEMU, and judges them.
 *
 *     testrun [OPTION...] WORK...
 *
 *     -t PATTERNS   only in-guest cases that match (globs of suite.name or suite, between commas)
 *     -s LIST       core counts for `guest` (default 1,2,4)
 *     -m MEM        RAM for `guest` (default: as tools/run.sh)
 *     -r SEED       seed for every guest (default: from the clock; printed)
 *     -a ARG        one more argument for every guest, such as --stress
 *     -j SLOTS      host cores to use (default 2, or 1 if there is one)
 *     -l DIR        where the logs go (default build/log)
 *     -c NAME=COMMAND   a compiler for `fail`: a command that takes the file and -DCASE_n after it
 *     -i SECONDS    silence that ends a job (default 60), on a host that does nothing else
 *     -v            print what each job says
 *
 * WORK is a list of KIND:REST words:
 *     cmd:LABEL=COMMAND       a host program whose last line is `N passed, N failed`
 *     fail:FILE               code that must not compile (below)
 *     guest:LABEL=IMAGE       the test image, once for each core count, then each TEST_DIES case
 *                             alone; guest:LABEL@LIST=IMAGE has a list of core counts of its own
 *     matrix:LABEL=IMAGE      the suite `boot` on every machine, cpu model, core count, RAM size
 *                             of `matrix`
 *     same:LABEL=IMAGE        the run under instruction counting, twice: byte for byte the same
 *     exact:IMAGE=EXPECTFILE  a program whose output and status are known (below)
 *
 * WHAT. A job is one process with its own process group and log. Guests are started through
 * tools/run.sh and judged by tools/common/verdict.c. A guest takes as many slots as it has cores
 * (at most all; a program of known output takes one), so two one-core guests run side by side, and
 * at most two QEMUs at once. A job that stays silent for long is ended, and the case it was in is
 * named; on a loaded host, where all is slower, that takes as many times longer (patience()).
 *
 * EXPECT FILES hold one or more runs of a program:
 *     $ SMP=1 ARGS="a b"      environment of tools/run.sh; starts a run. May be left out for a
 *                             single run
 *     any text                expected lines; {{regex}}, and a line ... for any number of lines
 *     => exit 2               the status; 0 if there is no such line
 *
 * FILES THAT MUST NOT COMPILE have blocks `#ifdef CASE_1` ... `#endif`. As they are they must
 * compile without a message; with -DCASE_n they must not, and each `// EXPECT: regex` line of that
 * block (or, if it has none, those before the first block) must match the compiler's messages. `//
 * EXPECT-gcc:` and `// EXPECT-clang:` are for one compiler only.
 *
 * The last line is `N passed, N failed`, over everything; status 0 exactly if nothing failed.
 */
#include "tools/common/util.h"
#include "tools/common/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    GRACE_S = 3, /* from SIGTERM to SIGKILL */
    QEMUS_MAX = 2,
    WIDE = 8,             /* cores; more take many seconds to start */
    OUTPUT_MAX = 8 << 20, /* bytes of one job; more is a failure by itself */
    STATUS_SIGNAL = 1000, /* + signal number: not an exit status */
};

struct buffer {
    char *s;
    size_t n, cap;
};

enum job_kind {
    JOB_COUNTS,
    JOB_KTAP,
    JOB_LIST,
    JOB_DIES,
    JOB_EXACT,
    JOB_SAME,
    JOB_COMPILES,
    JOB_REFUSES
};

struct job {
    enum job_kind kind;
    const char *group; /* jobs of a group share a line of the report */
    const char *name;
    const char *command; /* for sh -c */
    const char *image;   /* JOB_LIST: to start the listed cases */
    const char *want;    /* JOB_DIES, JOB_REFUSES: patterns; JOB_EXACT: text */
    int want_status;
    bool qemu;
    unsigned weight; /* slots */
    unsigned idle_s;
    bool allow_empty; /* no case may match the patterns */
    struct job *twin; /* JOB_SAME: the other run; the later one compares */

    pid_t pid;
    int out, err; /* read ends; -1 once closed */
    struct buffer text, errors;
    double start, heard, seconds;
    bool started, done, hung, flooded, killed;
    int status;
    struct verdict v;
};

static struct {
    const char *patterns, *smp, *mem, *logs, *seed;
    const char *extra;
    unsigned slots, idle_s;
    bool verbose, tty;
    const char *compilers[8];
    size_t n_compilers;
} opt = {.patterns = "", .smp = "1,2,4", .mem = "", .logs = "build/log", .extra = "", .idle_s = 60};

static struct job **jobs;
static size_t n_jobs, cap_jobs;
static size_t n_done, n_bad;
static unsigned sum_passed, sum_failed, sum_skipped;
static volatile sig_atomic_t interrupted;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * A clock that goes as fast as a process gets on: on a host with more work than cores, time is
 * shared. Silence is measured in it.
 */
static double patience(void)
{
    static double sum, last;
    double t = now(), load, cores = (double)sysconf(_SC_NPROCESSORS_ONLN);

    if (last != 0)
        sum += (t - last) * (getloadavg(&load, 1) == 1 && load > cores ? cores / load : 1);
    last = t;
    return sum;
}

/* ---- Text ---- */

static void buffer_add(struct buffer *t, const char *s, size_t n)
{
    if (t->n + n + 1 > t->cap) {
        size_t cap = (t->n + n + 1) * 2;
        t->s = util_grow(t->s, t->cap, cap);
        t->cap = cap;
    }
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = '\0';
}

static const char *buffer_str(const struct buffer *t)
{
    return t->s != NULL ? t->s : "";
}

/* For sh: in single quotes. */
static char *quoted(const char *s)
{
    char *out = util_alloc(4 * strlen(s) + 3), *p = out;

    *p++ = '\'';
    for (; *s != '\0'; s++) {
        if (*s == '\'') {
            memcpy(p, "'\\''", 4);
            p += 4;
        } else {
            *p++ = *s;
        }
    }
    *p++ = '\'';
    return out;
}

/* ---- Jobs ---- */

static struct job *job_add(enum job_kind kind, const char *group, const char *name,
                           const char *command)
{
    struct job *job = util_alloc(sizeof *job);

    *job = (struct job){.kind = kind,
                        .group = group,
                        .name = name,
                        .command = command,
                        .weight = 1,
                        .idle_s = opt.idle_s,
                        .out = -1,
                        .err = -1};
    UTIL_PUSH(jobs, n_jobs, cap_jobs) = job;
    return job;
}

/* A guest: `settings` are assignments for tools/run.sh, args the words after "--". */
static struct job *guest_add(enum job_kind kind, const char *group, const char *name,
                             const char *image, const char *settings, const char *args,
                             unsigned cpus)
{
    struct job *job = job_add(
        kind, group, name,
        util_printf("exec env %s ARGS=%s tools/run.sh %s", settings, quoted(args), quoted(image)));

    job->qemu = true;
    job->image = image;
    job->weight = cpus < opt.slots ? cpus : opt.slots;
    return job;
}

static void job_start(struct job *job)
{
    int out[2], err[2];

    if (pipe(out) != 0 || pipe(err) != 0)
        util_die("pipe: %s", strerror(errno));
    fflush(stdout);
    fflush(stderr);
    job->pid = fork();
    if (job->pid < 0)
        util_die("fork: %s", strerror(errno));
    if (job->pid == 0) {
        setpgid(0, 0);
        int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        for (int fd = 3; fd < 256; fd++)
            close(fd);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        execl("/bin/sh", "sh", "-c", job->command, (char *)NULL);
        _exit(127);
    }
    setpgid(job->pid, job->pid);
    close(out[1]);
    close(err[1]);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    fcntl(err[0], F_SETFD, FD_CLOEXEC);
    job->out = out[0];
    job->err = err[0];
    job->started = true;
    job->start = now();
    job->heard = patience();
}

static void job_signal(struct job *job, int sig)
{
    if (job->started && !job->done)
        kill(-job->pid, sig);
}

static void job_read(struct job *job, int *fd, struct buffer *into)
{
    char buf[65536];
    ssize_t n = read(*fd, buf, sizeof buf);

    if (n <= 0) {
        if (n < 0 && errno == EINTR)
            return;
        close(*fd);
        *fd = -1;
        return;
    }
    job->heard = patience();
    for (ssize_t i = 0; i < n; i++)
        if (buf[i] == '\0')
            buf[i] = '?';
    if (into->n + (size_t)n <= OUTPUT_MAX) {
        buffer_add(into, buf, (size_t)n);
    } else if (!job->flooded) {
        job->flooded = true;
        job_signal(job, SIGTERM);
    }
}

/* ---- Judging ---- */

static void job_refuse(struct job *job, const char *why)
{
    job->v.ok = false;
    if (job->v.failed == 0)
        job->v.failed = 1;
    snprintf(job->v.why, sizeof job->v.why, "%s", why);
}

/* The cases that must end the run, from the list that the image printed: each becomes a job. */
static void judge_list(struct job *job)
{
    const char *end = strstr(buffer_str(&job->text), "end of list");
    char name[128];
    int status, used;
    const char *p = buffer_str(&job->text);

    job->v = (struct verdict){.ok = true};
    if (end == NULL || job->status != 0) {
        job_refuse(job, util_printf("the list of TEST_DIES cases is not complete; status %d",
                                    job->status));
        return;
    }
    while (p < end) {
        size_t len = strcspn(p, "\r\n");
        if (sscanf(p, "dies %127s %d%n", name, &status, &used) == 2) {
            struct buffer says = {0};
            for (p += len + strspn(p + len, "\r\n"); strncmp(p, "says ", 5) == 0;
                 p += len + strspn(p + len, "\r\n")) {
                len = strcspn(p, "\r\n");
                buffer_add(&says, p + 5, len - 5);
                buffer_add(&says, "\n", 1);
            }
            struct job *dies = guest_add(
                JOB_DIES, job->group, util_printf("%s %s", job->group, name), job->image,
                util_printf("SMP=2 ENV=seed=%s", opt.seed), util_printf("--only %s", name), 2);
            dies->want = buffer_str(&says);
            dies->want_status = status;
            dies->weight = 1; /* most of it is boot and one goroutine */
        } else {
            p += len + strspn(p + len, "\r\n");
        }
    }
}

static void judge_refuses(struct job *job)
{
    job->v = (struct verdict){.ok = true, .passed = 1};
    if (job->status == 0)
        job_refuse(job, "it compiles");
    else if (job->status >= 126)
        job_refuse(job, util_printf("the compiler ended with %d", job->status));
    else
        for (const char *p = job->want; *p != '\0'; p += strcspn(p, "\n") + 1) {
            char *pattern = util_printf("%.*s", (int)strcspn(p, "\n"), p);
            if (!verdict_dies(buffer_str(&job->errors), 1, pattern, 1).ok)
                job_refuse(job, util_printf("no message matches: %s", pattern));
        }
    if (!job->v.ok)
        job->v.passed = 0;
}

static void judge(struct job *job)
{
    const char *text = buffer_str(&job->text);
    char running[128];

    if (job->flooded) {
        job_refuse(job, "prints without end");
        return;
    }
    switch (job->kind) {
    case JOB_COUNTS:
        job->v = verdict_counts(text, job->status);
        break;
    case JOB_KTAP:
        job->v = verdict_ktap(text, job->status, job->allow_empty);
        break;
    case JOB_SAME:
        job->v = verdict_ktap(text, job->status, job->allow_empty);
        if (job->v.ok && job->twin->done) {
            job->v.passed = 1; /* the cases were counted before */
            job->v.skipped = 0;
            if (strcmp(text, buffer_str(&job->twin->text)) != 0) {
                job->v.passed = 0;
                job_refuse(job, util_printf("differs from %s", job->twin->name));
            }
        }
        break;
    case JOB_LIST:
        judge_list(job);
        break;
    case JOB_DIES:
        job->v = verdict_dies(text, job->status, job->want, job->want_status);
        break;
    case JOB_EXACT:
        job->v = verdict_exact(text, job->status, job->want, job->want_status);
        break;
    case JOB_COMPILES:
        job->v = (struct verdict){.ok = true, .passed = 1};
        if (job->status != 0 || job->errors.n != 0) {
            job->v.passed = 0;
            job_refuse(job, "it does not compile without a message");
        }
        break;
    case JOB_REFUSES:
        judge_refuses(job);
        break;
    }
    if (job->hung) {
        verdict_running(text, running, sizeof running);
        job_refuse(job, util_printf("hangs%s%s: no output for %u s",
                                    running[0] != '\0' ? " in " : "", running, job->idle_s));
    }
}

/* ---- Showing ---- */

static void progress_clear(void)
{
    if (opt.tty)
        fputs("\r\033[K", stdout);
}

static void progress(void)
{
    static double last;
    char line[512], running[128];
    size_t at;

    if (!opt.tty || now() - last < 0.1)
        return;
    last = now();
    at = (size_t)snprintf(line, sizeof line, "[%zu/%zu] %u passed, %u failed", n_done, n_jobs,
                          sum_passed, sum_failed);
    for (size_t i = 0; i < n_jobs && at < sizeof line - 200; i++) {
        if (!jobs[i]->started || jobs[i]->done)
            continue;
        verdict_running(buffer_str(&jobs[i]->text), running, sizeof running);
        at += (size_t)snprintf(line + at, sizeof line - at, " | %s%s%s", jobs[i]->name,
                               running[0] != '\0' ? ": " : "", running);
    }
    printf("\r\033[K%.*s", 110, line);
    fflush(stdout);
}

static void show_text(const char *what, const struct buffer *t)
{
    enum { LINES = 120 };
    size_t lines = 0;
    const char *from = buffer_str(t), *p = from + t->n;

    if (t->n == 0)
        return;
    while (p > from && lines <= LINES)
        if (*--p == '\n')
            lines++;
    printf("  ---- %s%s\n", what, p > from ? ", the end of it" : "");
    if (p > from)
        p++;
    while (*p != '\0') {
        size_t len = strcspn(p, "\n");
        printf("  | %.*s\n", (int)(len > 0 && p[len - 1] == '\r' ? len - 1 : len), p);
        p += len + (p[len] == '\n');
    }
}

/* Of a report in KTAP only the cases that failed; false if there is none. */
static bool show_failed_cases(const struct buffer *t)
{
    const char *begin = buffer_str(t), *p = begin;
    bool any = false;

    for (; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
        if (strncmp(p, "# run ", 6) == 0)
            begin = p;
        if (strncmp(p, "not ok ", 7) != 0)
            continue;
        struct buffer part = {0};
        buffer_add(&part, begin, (size_t)(p - begin) + strcspn(p, "\n"));
        show_text("a failed case", &part);
        any = true;
    }
    return any;
}

static void log_write(const struct job *job)
{
    char *path = util_printf("%s/%s.log", opt.logs, job->name);

    for (char *p = path + strlen(opt.logs) + 1; *p != '\0'; p++)
        if (strchr("/ *=:", *p) != NULL)
            *p = '_';
    FILE *f = fopen(path, "w");
    if (f == NULL)
        util_die("%s: %s", path, strerror(errno));
    fprintf(f, "%s\n%s%s", job->command, buffer_str(&job->text), buffer_str(&job->errors));
    fclose(f);
}

/* A group's line comes when its last job is done; a job that failed is shown at once. */
static void show(struct job *job)
{
    unsigned passed = 0, skipped = 0, failed = 0;
    double seconds = 0;

    progress_clear();
    if (!job->v.ok) {
        printf("FAIL  %s: %s\n", job->name, job->v.why);
        printf("  ---- %s\n", job->command);
        bool ended_early = strstr(job->v.why, "failed") == NULL;
        if (ended_early || !show_failed_cases(&job->text))
            show_text("output", &job->text);
        show_text("errors", &job->errors);
    } else if (opt.verbose) {
        show_text(job->name, &job->text);
    }
    for (size_t i = 0; i < n_jobs; i++) {
        if (strcmp(jobs[i]->group, job->group) != 0)
            continue;
        if (!jobs[i]->done)
            return;
        passed += jobs[i]->v.passed;
        failed += jobs[i]->v.failed;
        skipped += jobs[i]->v.skipped;
        seconds += jobs[i]->seconds;
    }
    printf("%s  %-34s %5u passed", failed != 0 ? "FAIL" : "ok  ", job->group, passed);
    if (failed != 0)
        printf(", %u failed", failed);
    if (skipped != 0)
        printf(", %u skipped", skipped);
    printf("  %.1f s\n", seconds);
    fflush(stdout);
}

/* ---- Running ---- */

static void job_end(struct job *job, int wait_status)
{
    job->status =
        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : STATUS_SIGNAL + WTERMSIG(wait_status);
    job->done = true;
    job->seconds = now() - job->start;
    kill(-job->pid, SIGKILL); /* what it may have left behind */
    judge(job);
    n_done++;
    sum_passed += job->v.passed;
    sum_failed += job->v.failed;
    sum_skipped += job->v.skipped;
    n_bad += !job->v.ok;
    log_write(job);
    show(job);
}

static void job_watch(struct job *job)
{
    double silent = patience() - job->heard;

    if (silent > job->idle_s && !job->hung) {
        job->hung = true;
        job_signal(job, SIGTERM);
    }
    if (silent > job->idle_s + GRACE_S && !job->killed) {
        job->killed = true;
        job_signal(job, SIGKILL);
    }
}

static void start_what_fits(void)
{
    unsigned used = 0, qemus = 0;

    for (size_t i = 0; i < n_jobs; i++)
        if (jobs[i]->started && !jobs[i]->done) {
            used += jobs[i]->weight;
            qemus += jobs[i]->qemu;
        }
    for (size_t i = 0; i < n_jobs; i++) {
        struct job *job = jobs[i];
        if (job->started || (job->twin != NULL && job->twin->started && !job->twin->done))
            continue;
        if (used + job->weight > opt.slots || (job->qemu && qemus == QEMUS_MAX))
            break; /* in order, so that a wide job is not starved */
        job_start(job);
        used += job->weight;
        qemus += job->qemu;
    }
}

static void on_signal(int sig)
{
    interrupted = sig;
}

static void run_all(void)
{
    struct pollfd *fds = NULL;
    size_t cap_fds = 0;

    while (n_done < n_jobs && interrupted == 0) {
        size_t n = 0;

        start_what_fits();
        if (cap_fds < 2 * n_jobs) {
            fds = util_grow(fds, cap_fds * sizeof *fds, 4 * n_jobs * sizeof *fds);
            cap_fds = 4 * n_jobs;
        }
        for (size_t i = 0; i < n_jobs; i++) {
            if (!jobs[i]->started || jobs[i]->done)
                continue;
            fds[n++] = (struct pollfd){.fd = jobs[i]->out, .events = POLLIN};
            fds[n++] = (struct pollfd){.fd = jobs[i]->err, .events = POLLIN};
        }
        poll(fds, n, 100);
        for (size_t i = 0, k = 0; i < n_jobs && k < n; i++) {
            struct job *job = jobs[i];
            int wait_status;

            if (!job->started || job->done)
                continue;
            if (fds[k++].revents != 0)
                job_read(job, &job->out, &job->text);
            if (fds[k++].revents != 0)
                job_read(job, &job->err, &job->errors);
            if (job->out < 0 && job->err < 0) {
                if (waitpid(job->pid, &wait_status, 0) == job->pid)
                    job_end(job, wait_status);
            } else {
                job_watch(job);
            }
        }
        progress();
    }
    if (interrupted != 0) {
        for (size_t i = 0; i < n_jobs; i++)
            job_signal(jobs[i], SIGTERM);
        progress_clear();
        printf("interrupted\n");
        exit(130);
    }
}

/* ---- What there is to do ---- */

/* "a=b" to a and b. */
static char *cut(char *rest, const char *what)
{
    char *eq = strchr(rest, '=');

    if (eq == NULL)
        util_die("%s:%s: LABEL=... was expected", what, rest);
    *eq = '\0';
    return eq + 1;
}

static char *patterns_as_args(void)
{
    char *args = util_printf("%s %s", opt.patterns, opt.extra);

    for (char *p = args; *p != '\0'; p++)
        if (*p == ',')
            *p = ' ';
    return args;
}

static char *guest_settings(const char *machine, const char *cpu, unsigned smp, const char *mem)
{
    char *out =
        util_printf("SMP=%u ENV='seed=%s test_smp=%u test_mem=%s'", smp, opt.seed, smp, mem);

    if (machine[0] != '\0')
        out = util_printf("%s MACHINE=%s", out, machine);
    if (cpu[0] != '\0')
        out = util_printf("%s CPU=%s", out, cpu);
    if (mem[0] != '\0')
        out = util_printf("%s MEM=%s", out, mem);
    return out;
}

static void add_guest(char *label, const char *image)
{
    char *own = strchr(label, '@');
    const char *list = own != NULL ? own + 1 : opt.smp, *p = list;

    if (own != NULL)
        *own = '\0';
    while (*p != '\0') {
        char *end;
        unsigned smp = (unsigned)strtoul(p, &end, 10);
        if (end == p || smp == 0)
            util_die("-s %s: not a list of core counts", list);
        char *name = util_printf("%s smp=%u", label, smp);
        guest_add(JOB_KTAP, name, name, image, guest_settings("", "", smp, opt.mem),
                  patterns_as_args(), smp)
            ->allow_empty = opt.patterns[0] != '\0';
        p = *end == ',' ? end + 1 : end;
    }
    char *group = util_printf("%s dies", label);
    guest_add(JOB_LIST, group, util_printf("%s list", label), image, "SMP=1",
              util_printf("--list %s", patterns_as_args()), 1);
}

static const struct machine {
    const char *machine, *cpu, *mem;
    unsigned smp; /* more than WIDE: only under --stress */
} matrix[] = {
    {"microvm", "", "", 1},
    {"microvm", "qemu64", "8M", 2},
    {"pc", "", "", 2},
    {"pc", "qemu64", "8M", 1},
    {"pc", "Nehalem", "64M", 2},
    {"q35", "", "", 1},
    {"q35", "qemu64", "", 2},
    {"q35", "Conroe", "16M", 2},
    {"q35", "core2duo", "", 1},
    {"q35", "Penryn", "", 2},
    {"q35", "Opteron_G1", "", 2},
    {"q35", "EPYC", "128M", 2},
    {"q35", "Skylake-Server", "", 2},
    {"q35", "", "5G", 2},
    {"pc", "qemu64", "4G", 2},
    {"microvm", "", "", 8},
    {"q35", "", "", 8},
    {"microvm", "", "", 255},
    {"q35", "", "", 64},
};

static void add_matrix(char *label, const char *image)
{
    for (size_t i = 0; i < sizeof matrix / sizeof matrix[0]; i++) {
        const struct machine *m = &matrix[i];
        const char *mem = m->mem[0] != '\0' ? m->mem : "512M";
        if (m->smp > WIDE && strstr(opt.extra, "--stress") == NULL)
            continue;
        char *name = util_printf("%s %s %s smp=%u %s", label, m->machine,
                                 m->cpu[0] != '\0' ? m->cpu : "max", m->smp, mem);
        guest_add(JOB_KTAP, label, name, image, guest_settings(m->machine, m->cpu, m->smp, mem),
                  "boot", m->smp);
    }
}

/*
 * Enough to schedule, switch, preempt and wake on several cores. Not all: one emulated core runs at
 * a time, and what spins or collects at length takes minutes.
 */
#define SAME_CASES                                                                                 \
    "boot runq sched.hogs_share chan select defer panic string symbol runner "                     \
    "page.caches_are_emptied_for_a_run"

static void add_same(char *label, const char *image)
{
    for (unsigned smp = 1; smp <= 2; smp++) {
        struct job *job[2];
        for (int i = 0; i < 2; i++) {
            job[i] =
                guest_add(JOB_SAME, label, util_printf("%s smp=%u run %d", label, smp, i + 1),
                          image, util_printf("ICOUNT=1 SMP=%u ENV=seed=7", smp),
                          util_printf("--icount %s %s", opt.patterns[0] != '\0' ? "" : SAME_CASES,
                                      patterns_as_args()),
                          1);
            job[i]->allow_empty = opt.patterns[0] != '\0';
        }
        job[0]->twin = job[1];
        job[1]->twin = job[0];
    }
}

static void add_exact(const char *image, const char *expect_path)
{
    size_t bytes;
    char *p = (char *)util_read_file(expect_path, &bytes);
    struct buffer all = {0}, want = {0};
    const char *settings = "SMP=2";
    unsigned runs = 0;
    int status = 0;
    bool open = false;

    buffer_add(&all, p, bytes);
    for (const char *line = buffer_str(&all);; line += strcspn(line, "\n") + 1) {
        size_t len = strcspn(line, "\n");
        bool end = *line == '\0', begin = *line == '$' && (len == 1 || line[1] == ' ');
        if ((end || begin) && open) {
            struct job *job = job_add(JOB_EXACT, util_printf("exact %s", expect_path),
                                      util_printf("exact %s %u", expect_path, ++runs),
                                      util_printf("exec env ARGS= ENV= MODULE= %s tools/run.sh %s",
                                                  settings, quoted(image)));
            job->qemu = true;
            job->want = buffer_str(&want);
            job->want_status = status;
            want = (struct buffer){0};
            status = 0;
        }
        if (end)
            break;
        open = true;
        if (begin)
            settings = util_printf("SMP=2 %.*s", (int)len - 1, line + 1);
        else if (sscanf(line, "=> exit %d", &status) != 1)
            buffer_add(&want, line, len + (line[len] == '\n'));
        if (line[len] == '\0')
            line--; /* no newline at the end of the file */
    }
    if (runs == 0)
        util_die("%s: nothing is expected", expect_path);
}

/* Collect the EXPECT lines for one compiler of [from, to). */
static void add_patterns(struct buffer *into, const char *from, const char *to,
                         const char *compiler)
{
    static const char mark[] = "// EXPECT";

    for (const char *p = from; (p = strstr(p, mark)) != NULL && p < to;) {
        p += sizeof mark - 1;
        size_t len = strcspn(p, "\n");
        const char *colon = memchr(p, ':', len);
        if (colon == NULL)
            continue;
        if (*p == '-' && strncmp(p + 1, compiler, (size_t)(colon - p - 1)) != 0)
            continue;
        const char *pattern = colon + 1 + strspn(colon + 1, " ");
        buffer_add(into, pattern, (size_t)(p + len - pattern));
        buffer_add(into, "\n", 1);
    }
}

static void add_fail(const char *path)
{
    size_t bytes;
    struct buffer all = {0};
    static const char mark[] = "#ifdef CASE_";

    uint8_t *data = util_read_file(path, &bytes);
    buffer_add(&all, (char *)data, bytes);
    const char *source = buffer_str(&all), *first = strstr(source, mark);
    if (first == NULL)
        util_die("%s: no `#ifdef CASE_n` in it", path);
    for (size_t i = 0; i < opt.n_compilers; i++) {
        char *compiler = util_printf("%s", opt.compilers[i]);
        char *command = cut(compiler, "-c ");
        job_add(JOB_COMPILES, path, util_printf("%s %s", path, compiler),
                util_printf("%s %s", command, quoted(path)));
        for (const char *p = first; p != NULL; p = strstr(p + 1, mark)) {
            unsigned number = (unsigned)strtoul(p + sizeof mark - 1, NULL, 10);
            const char *end = strstr(p, "\n#endif");
            struct buffer want = {0};

            add_patterns(&want, p, end != NULL ? end : p + strlen(p), compiler);
            if (want.n == 0)
                add_patterns(&want, source, first, compiler);
            if (want.n == 0)
                util_die("%s: CASE_%u has no EXPECT for %s", path, number, compiler);
            struct job *job =
                job_add(JOB_REFUSES, path, util_printf("%s %s CASE_%u", path, compiler, number),
                        util_printf("%s -DCASE_%u %s", command, number, quoted(path)));
            job->want = buffer_str(&want);
        }
    }
}

static void add_work(char *work)
{
    char *rest = strchr(work, ':');

    if (rest == NULL)
        util_die("%s: KIND:... was expected", work);
    *rest++ = '\0';
    if (strcmp(work, "fail") == 0) {
        add_fail(rest);
        return;
    }
    char *value = cut(rest, work);
    if (strcmp(work, "cmd") == 0)
        job_add(JOB_COUNTS, rest, rest, util_printf("exec %s", value));
    else if (strcmp(work, "guest") == 0)
        add_guest(rest, value);
    else if (strcmp(work, "matrix") == 0)
        add_matrix(rest, value);
    else if (strcmp(work, "same") == 0)
        add_same(rest, value);
    else if (strcmp(work, "exact") == 0)
        add_exact(rest, value);
    else
        util_die("%s: no such kind of work", work);
}

/* Narrow jobs first, else in order: a slot stays idle only once in front of the wide ones. */
static void sort_jobs(void)
{
    for (size_t i = 1; i < n_jobs; i++) {
        struct job *job = jobs[i];
        size_t k = i;
        for (; k > 0 && jobs[k - 1]->weight > job->weight; k--)
            jobs[k] = jobs[k - 1];
        jobs[k] = job;
    }
}

static void make_dirs(const char *path)
{
    char *p = util_printf("%s", path);

    for (char *slash = p + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(p, 0777);
        *slash = '/';
    }
    mkdir(p, 0777);
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = on_signal};
    double start = now();
    int c;

    util_program = "testrun";
    opt.slots = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1;
    opt.tty = isatty(1) && getenv("NO_PROGRESS") == NULL;
    while ((c = getopt(argc, argv, "t:s:m:r:a:j:l:c:i:v")) != -1) {
        if (c == 't')
            opt.patterns = optarg;
        else if (c == 's')
            opt.smp = optarg;
        else if (c == 'm')
            opt.mem = optarg;
        else if (c == 'r')
            opt.seed = optarg;
        else if (c == 'a')
            opt.extra = util_printf("%s %s", opt.extra, optarg);
        else if (c == 'j')
            opt.slots = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'l')
            opt.logs = optarg;
        else if (c == 'c' && opt.n_compilers < sizeof opt.compilers / sizeof opt.compilers[0])
            opt.compilers[opt.n_compilers++] = optarg;
        else if (c == 'i')
            opt.idle_s = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'v')
            opt.verbose = true;
        else
            return 2;
    }
    if (opt.slots == 0)
        opt.slots = 1;
    if (opt.seed == NULL || opt.seed[0] == '\0')
        opt.seed =
            util_printf("%llu", (unsigned long long)time(NULL) * 2654435761u % 1000000007u + 1);
    make_dirs(opt.logs);
    for (int i = optind; i < argc; i++)
        add_work(argv[i]);
    sort_jobs();
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    run_all();

    if (sum_passed + sum_failed == 0) {
        printf("nothing was tested\n");
        sum_failed = 1;
    }
    if (sum_skipped != 0)
        printf("%u skipped\n", sum_skipped);
    for (size_t i = 0; i < n_jobs; i++)
        if (!jobs[i]->v.ok)
            printf("FAIL  %s: %s\n", jobs[i]->name, jobs[i]->v.why);
    printf("%zu jobs in %.0f s; seed=%s; logs in %s\n", n_jobs, now() - start, opt.seed, opt.logs);
    printf("%u passed, %u failed\n", sum_passed, sum_failed);
    return sum_failed != 0;
}
