/*
 * tools/tlbaudit.c - looks at the page tables of a running machine from outside.
 *
 *     tlbaudit IMAGE            start IMAGE by tools/run.sh with the argument --idle, audit it,
 *                               end it
 *     tlbaudit --text FILE      judge a saved `info tlb` (FILE) and stop
 *
 * WHAT. QEMU's monitor walks the tables that each cpu's CR3 points to and prints one line a page:
 * virtual address, physical address, flags. What the runtime claims of itself is counted there:
 * [tlb.1] no page is writable and executable [page_table.1]
 * [tlb.2] no page that is executable somewhere is writable at another address [page_table.1]
 * [tlb.3] nothing is mapped in the low half of the address space, the first 2 MiB least of all
 * [tlb.4] no page is accessible to user mode
 * [tlb.5] writes of the kernel obey read-only pages (CR0.WP), no-execute is on (EFER.NXE), and,
 *         where the cpu has them, so are SMEP, SMAP and UMIP
 * [tlb.6] all cpus see the same tables
 * The environment (SMP, CPU, MACHINE, MEM) goes to tools/run.sh. Ends with `N passed, N failed`.
 *
 * The monitor's X flag is the no-execute bit of the last level: a page that is only protected by a
 * higher level counts as executable here.
 */
#include "tools/common/qmp.h"
#include "tools/common/util.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_S = 30 };

struct page {
    uint64_t va, pa, bytes;
    bool exec, write, user;
};

struct pages {
    struct page *page;
    size_t n, cap;
};

static unsigned n_passed, n_failed;

static void check(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "ok  " : "FAIL", what);
    if (ok)
        n_passed++;
    else
        n_failed++;
}

/* ---- Judging ---- */

/* Lines as "ffffffff80100000: 0000000000100000 -G-DA---W"; others are skipped. */
static struct pages parse_tlb(const char *text)
{
    struct pages pages = {0};

    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n') {
        unsigned long long va, pa;
        char flags[10];

        if (sscanf(text, "%16llx: %16llx %9[-A-Z]", &va, &pa, flags) != 3 || strlen(flags) != 9)
            continue;
        UTIL_PUSH(pages.page, pages.n, pages.cap) = (struct page){
            .va = va,
            .pa = pa,
            .bytes = flags[2] == 'P' ? 2u << 20 : 4096,
            .exec = flags[0] != 'X',
            .user = flags[7] == 'U',
            .write = flags[8] == 'W',
        };
    }
    /* A large page is 1 GiB if it may be and the next one leaves room. */
    for (size_t i = 0; i < pages.n; i++) {
        struct page *p = &pages.page[i];
        uint64_t gib = UINT64_C(1) << 30;
        if (p->bytes > 4096 && (p->va | p->pa) % gib == 0 &&
            (i + 1 == pages.n || p[1].va - p->va >= gib))
            p->bytes = gib;
    }
    return pages;
}

static size_t count_aliases(const struct pages *pages)
{
    size_t n = 0;

    for (size_t i = 0; i < pages->n; i++) {
        const struct page *x = &pages->page[i];
        if (!x->exec)
            continue;
        for (size_t k = 0; k < pages->n; k++) {
            const struct page *w = &pages->page[k];
            if (w->write && w->pa < x->pa + x->bytes && x->pa < w->pa + w->bytes) {
                if (n++ < 5)
                    printf("  %#llx is executable at %#llx and writable at %#llx\n",
                           (unsigned long long)x->pa, (unsigned long long)x->va,
                           (unsigned long long)w->va);
                break;
            }
        }
    }
    return n;
}

static void judge_tlb(const char *who, const char *text)
{
    struct pages pages = parse_tlb(text);
    size_t wx = 0, low = 0, user = 0, exec = 0;

    for (size_t i = 0; i < pages.n; i++) {
        const struct page *p = &pages.page[i];
        bool bad = (p->write && p->exec) || p->va >> 63 == 0 || p->user;
        wx += p->write && p->exec;
        low += p->va >> 63 == 0;
        user += p->user;
        exec += p->exec;
        if (bad && wx + low + user <= 5)
            printf("  %016llx: %016llx %s%s%s\n", (unsigned long long)p->va,
                   (unsigned long long)p->pa, p->exec ? "executable " : "",
                   p->write ? "writable " : "", p->user ? "user" : "");
    }
    check(pages.n >= 4 && exec > 0,
          util_printf("%s: %zu pages, %zu executable", who, pages.n, exec));
    check(wx == 0, util_printf("%s: %zu pages writable and executable [tlb.1]", who, wx));
    size_t aliases = count_aliases(&pages);
    check(aliases == 0,
          util_printf("%s: %zu executable pages writable elsewhere [tlb.2]", who, aliases));
    check(low == 0, util_printf("%s: %zu pages in the low half [tlb.3]", who, low));
    check(user == 0, util_printf("%s: %zu user pages [tlb.4]", who, user));
}

/* The number behind `name` in `info registers`. */
static uint64_t reg(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at != NULL ? strtoull(at + strlen(name), NULL, 16) : 0;
}

static void judge_registers(const char *who, const char *text, bool all_features)
{
    uint64_t cr0 = reg(text, "CR0="), cr4 = reg(text, "CR4="), efer = reg(text, "EFER=");

    check((cr0 >> 16 & 1) != 0 && (efer >> 11 & 1) != 0,
          util_printf("%s: WP and NXE are on [tlb.5]", who));
    if (all_features)
        check((cr4 >> 11 & 1) != 0 && (cr4 >> 20 & 3) == 3,
              util_printf("%s: UMIP, SMEP and SMAP are on [tlb.5]", who));
}

/* ---- The machine ---- */

static unsigned env_number(const char *name, unsigned otherwise)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? (unsigned)strtoul(value, NULL, 10) : otherwise;
}

static void audit(const char *image)
{
    char dir[] = "/tmp/tlbaudit.XXXXXX";
    char line[512];
    unsigned cpus = env_number("SMP", 2);
    const char *model = getenv("CPU");
    bool all_features = model == NULL || model[0] == '\0' || strcmp(model, "max") == 0;

    if (!mkdtemp(dir))
        util_die("no temporary directory");
    char *path = util_printf("%s/qmp", dir);
    FILE *run = popen(util_printf("SMP=%u QMP=%s ARGS=--idle exec tools/run.sh '%s' </dev/null",
                                  cpus, path, image),
                      "r");
    if (run == NULL)
        util_die("tools/run.sh: %s", strerror(errno));
    alarm(WAIT_S); /* ends us, and by the closed pipe and channel the machine */
    bool idle = false;
    while (!idle && fgets(line, sizeof line, run) != NULL)
        idle = strncmp(line, "idle", 4) == 0;
    if (!idle)
        util_die("the image did not say `idle`");
    qmp_connect(path);
    char *first = NULL;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        char *tlb = qmp_monitor("info tlb", cpu);
        if (cpu == 0) {
            judge_tlb("cpu 0", tlb);
            first = tlb;
        } else {
            check(parse_tlb(tlb).n == parse_tlb(first).n,
                  util_printf("cpu %u: as many pages as cpu 0 [tlb.6]", cpu));
        }
        judge_registers(util_printf("cpu %u", cpu), qmp_monitor("info registers", cpu),
                        all_features);
    }
    qmp_quit();
    while (fgets(line, sizeof line, run) != NULL)
        ;
    pclose(run);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    util_program = "tlbaudit";
    if (argc == 3 && strcmp(argv[1], "--text") == 0) {
        size_t bytes;
        char *text = (char *)util_read_file(argv[2], &bytes);
        judge_tlb(argv[2], util_printf("%.*s", (int)bytes, text));
    } else if (argc == 2) {
        audit(argv[1]);
    } else {
        fprintf(stderr, "usage: tlbaudit IMAGE\n");
        return 2;
    }
    printf("%u passed, %u failed\n", n_passed, n_failed);
    return n_failed != 0;
}
