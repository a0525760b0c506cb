/*
 * Tests of tools/tlbaudit.c: each kind of bad mapping, put into a good `info tlb`, is counted once.
 */
#define main tlbaudit_main
#include <tools/tlbaudit.c>
#undef main
#include <tools/common/qmp.c>
#include <tools/common/util.c>

static const char good[] = "ffff800000000000: 0000000000000000 XGPDA---W\n"
                           "ffff800000200000: 0000000000200000 XG-DA---W\n"
                           "ffff800000201000: 0000000000201000 XG-DA----\n"
                           "ffffffff80100000: 0000000000201000 -G-DA----\n"
                           "ffffffff80102000: 0000000000300000 XG-DA---W\n";

static unsigned run_passed, bad;

static void with(const char *what, const char *line, unsigned failed)
{
    n_passed = n_failed = 0;
    judge_tlb(what, util_printf("%s%s\n", good, line));
    if (n_failed == failed) {
        run_passed++;
    } else {
        bad++;
        printf("FAILED: %s: %u failed checks, not %u\n", what, n_failed, failed);
    }
}

int main(void)
{
    with("a good table", "", 0);
    with("a line that is no page", "ffffffff80103000 - something else", 0);
    with("writable and executable", "ffffffff80103000: 0000000000301000 -G-DA---W", 2);
    with("writable elsewhere", "ffffffff80103000: 0000000000201000 XG-DA---W", 1);
    with("executable inside a large writable page", "ffffffff80103000: 0000000000001000 -G-DA----",
         1);
    with("in the low half", "0000000000008000: 0000000000301000 XG-DA---W", 1);
    with("of user mode", "ffffffff80103000: 0000000000301000 XG-DA--UW", 1);

    n_passed = n_failed = 0;
    judge_tlb("nothing", "");
    run_passed += n_failed == 1;
    bad += n_failed != 1;
    n_passed = n_failed = 0;
    judge_registers("all on", "CR0=80010033 CR4=00300e20 EFER=0000000000000d00", true);
    judge_registers("no WP", "CR0=80000033 CR4=00300e20 EFER=0000000000000d00", true);
    judge_registers("no NXE", "CR0=80010033 CR4=00300e20 EFER=0000000000000500", true);
    judge_registers("no SMAP", "CR0=80010033 CR4=00100e20 EFER=0000000000000d00", true);
    judge_registers("no UMIP", "CR0=80010033 CR4=00300620 EFER=0000000000000d00", true);
    run_passed += n_failed == 4 && n_passed == 6;
    bad += !(n_failed == 4 && n_passed == 6);
    util_free_all();
    printf("%u passed, %u failed\n", run_passed, bad);
    return bad != 0;
}
