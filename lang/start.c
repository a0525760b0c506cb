/*
 * lang/start.c - from the boot cpu's first portable line to goroutine 1.
 *
 * The order matters, and each step says what it needs:
 *     command line    nothing: its knobs steer all that follows
 *     memory map      the loader's ranges
 *     page tables     a few pages of early memory
 *     devices         page tables (to map firmware tables and the interrupt controllers)
 *     page allocator  the rest of the early memory
 *     cpus            clock, pages
 *     scheduler, collector, main
 * What makes a start impossible is one line on the console and exit status 1.
 */
#include <arch/arch.h>
#include <boot/bootinfo.h>
#include <gc/init.h>
#include <lib/assert.h>
#include <lib/console.h>
#include <lang/input.h>
#include <lib/knobs.h>
#include <lib/lastwords.h>
#include <lib/print.h>
#include <mm/bootmem.h>
#include <mm/page.h>
#include <rt/goroutine.h>
#include <rt/program.h>
#include <sched/sched.h>

#define STATUS_NO_START 1
#define MAIN_STACK_BYTES (64u << 20)
#define LEAST_BYTES (UINT64_C(1) << 20) /* usable RAM without which nothing works */

extern char image_start[], image_end[];
extern const char image_name[]; /* the program's: tools/link.sh */
int main(int argc, char **argv);

const struct boot_info *start_boot_info;         /* [I] for rt_module() */
static bool pages_ready;                         /* [I] */
static struct boot_range ram[MEMMAP_RANGES_MAX]; /* [I] what the direct map holds */
static size_t n_ram;
static bool has_lastwords; /* [I] that memory is RAM, and nobody else's */

static RT_NORETURN RT_COLD void cannot_start(const char *why)
{
    rt_printf("boot: can't start: %s\n", why);
    arch_exit(STATUS_NO_START);
}

void *arch_up_table_page(void)
{
    if (pages_ready)
        return page_alloc_one(PAGE_ZERO);
    uint64_t pa = bootmem_alloc(&bootmem, PAGE_BYTES, PAGE_BYTES, UINT64_MAX);
    return pa != 0 ? phys_to_virt(pa) : NULL;
}

static void *to_virt(uint64_t pa)
{
    return phys_to_virt(pa);
}

/*
 * Find the RAM: all of it for the direct map, and what may be given out for bootmem.
 * Returns a page in which the other cpus can start, or 0.
 */
static paddr_t find_memory(const struct boot_info *info)
{
    static struct memmap map;

    if (info->n_ranges == 0)
        cannot_start("the loader gave no memory map");
    memmap_build(&map, info->ranges, info->n_ranges, NULL, 0, arch_phys_limit());
    for (size_t i = 0; i < map.n; i++)
        ram[i] = (struct boot_range){map.ranges[i].base, map.ranges[i].end - map.ranges[i].base,
                                     BOOT_MEM_RAM};
    n_ram = map.n;

    for (size_t i = 0; i < info->n_keep; i++)
        memmap_remove(&map, info->keep[i].base, info->keep[i].base + info->keep[i].bytes);
    memmap_remove(&map, arch_image_paddr(),
                  arch_image_paddr() + (uint64_t)(image_end - image_start));
    const paddr_t words = BOOT_LASTWORDS_PADDR, words_end = words + BOOT_LASTWORDS_BYTES;
    has_lastwords = memmap_has(&map, words, words_end);
    memmap_remove(&map, words, words_end);
    paddr_t low = memmap_take_low(&map, PAGE_BYTES);
    if (memmap_bytes(&map) < LEAST_BYTES)
        cannot_start("less than 1 MiB of usable memory; give the machine more (8 MiB is enough)");
    bootmem_init(&bootmem, &map, to_virt);
    return low;
}

static void main_thunk(RT_UNUSED void *args)
{
    input_start();
    rt_yield(); /* the runtime's own goroutines begin to wait: the collector's would else miss its first call */
    rt_exit(main(knobs_cmdline.argc, knobs_cmdline.argv));
}

RT_NORETURN void arch_on_boot(const struct boot_info *info)
{
    static char why[KNOBS_WHY_BYTES];

    start_boot_info = info;
    if (knobs_init(image_name, info->cmdline, info->cmdline_len, why, sizeof why) > 0) {
        boot_complain("command line", "%s", why);
        arch_exit(STATUS_NO_START);
    }
    paddr_t low = find_memory(info);
    arch_memory_init(ram, n_ram);
    arch_devices_init();
    if (has_lastwords)
        lastwords_open(phys_to_virt(BOOT_LASTWORDS_PADDR), BOOT_LASTWORDS_BYTES);
    arch_start_cpus(low);
    page_init_boot(&bootmem);
    pages_ready = true;
    arch_await_cpus();
    sched_init();
    const struct rt_go_opts opts = {.stack_bytes = MAIN_STACK_BYTES};
    if (goroutine_spawn(main_thunk, NULL, 0, &opts, (uintptr_t)main, 0) ==
        NULL) /* before any other: it is goroutine 1 */
        cannot_start("not enough memory for main's stack");
    gc_init();
    sched_start();
}
