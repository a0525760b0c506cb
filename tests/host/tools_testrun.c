/*
 * Tests of tools/testrun.c and tools/common/verdict.c: reports that are cut off, miscounted, out of
 * order or end with the wrong status are refused; a run that hangs is ended and named; the last
 * line adds it all up.
 *
 * The second half runs the whole tool over a pretended tools/run.sh, whose "image" is a script.
 */
#define main testrun_main
#include <tools/testrun.c>
#undef main
#include <tools/common/util.c>
#include <tools/common/verdict.c>
#include "tests/host/check.h"
#include "tests/host/tempdir.h"

/* ---- Reports ---- */

#define HEAD "boot: something is bad: but fine\r\nKTAP version 1\r\n# seed=1 cpus=1 mib=8\r\n"
#define GOOD                                                                                       \
    HEAD "1..3\n# run a.b\nok 1 a.b # 1.234 ms\n# run a.c\nok 2 a.c # SKIP needs 64 MiB\n"         \
         "hello\n# run d.e\nok 3 d.e # 0.001 ms\n# 1 skipped\n2 passed, 0 failed\n"

static void ktap(const char *what, const char *text, int status, bool ok, unsigned failed,
                 const char *why)
{
    struct verdict v = verdict_ktap(text, status, false);

    check(v.ok == ok && v.failed == failed && strstr(v.why, why) != NULL, what,
          util_printf("ok %d, %u failed, why: %s", v.ok, v.failed, v.why));
}

static void reports(void)
{
    struct verdict v = verdict_ktap(GOOD, 0, false);

    check(v.ok && v.passed == 2 && v.failed == 0 && v.skipped == 1, "a good report", v.why);
    ktap("nothing at all", "", 125, false, 1, "no report; status 125");
    ktap("a good report, wrong status", GOOD, 1, false, 1, "all passed, but the status is 1");
    ktap("a good report, machine died", GOOD, 125, false, 1, "status is 125");
    ktap("no plan", HEAD "# run a.b\nok 1 a.b # 1 ms\n1 passed, 0 failed\n", 0, false, 2,
         "before the plan");
    ktap("two plans", HEAD "1..1\n1..1\nok 1 a.b # 1 ms\n1 passed, 0 failed\n", 0, false, 1,
         "two plans");
    ktap("too few results", HEAD "1..2\n# run a.b\nok 1 a.b # 1 ms\n1 passed, 0 failed\n", 0, false,
         1, "the plan is 2 results, there are 1");
    ktap("too many results", HEAD "1..1\nok 1 a.b # 1 ms\nok 2 a.c # 1 ms\n2 passed, 0 failed\n", 0,
         false, 1, "the plan is 1 results, there are 2");
    ktap("a number left out", HEAD "1..2\nok 1 a.b # 1 ms\nok 3 a.c # 1 ms\n2 passed, 0 failed\n",
         0, false, 1, "result 3 (a.c) where 2 was due");
    ktap("a name twice", HEAD "1..2\nok 1 a.b # 1 ms\nok 2 a.b # 1 ms\n2 passed, 0 failed\n", 0,
         false, 1, "two results");
    ktap("a wrong sum", HEAD "1..1\nok 1 a.b # 1 ms\n2 passed, 0 failed\n", 0, false, 1,
         "the last line says 2");
    ktap("no last line", HEAD "1..1\n# run a.b\nok 1 a.b # 1 ms\n", 0, false, 1,
         "ended early after a.b");
    ktap("cut in a case", HEAD "1..2\n# run a.b\nok 1 a.b # 1 ms\n# run a.c\nfatal: x\n", 3, false,
         1, "the run ended in a.c, status 3");
    ktap("cut in a line", HEAD "1..1\n# run a.b\nok 1 a.b # 1 ms\n1 passed, 0 fai", 0, false, 1,
         "ended early");
    ktap("more after the end", GOOD "ok 4 a.x # 1 ms\n", 0, false, 1, "follows the last line");
    ktap("a second boot",
         HEAD "1..1\n# run a.b\n" HEAD "1..1\nok 1 a.b # 1 ms\n1 passed, 0 failed\n", 0, false, 1,
         "started again");
    ktap("a failed case", HEAD "1..1\n# run a.b\nnot ok 1 a.b # 1 ms\n0 passed, 1 failed\n", 1,
         false, 1, "a.b failed");
    ktap("a failed case, status 0",
         HEAD "1..1\n# run a.b\nnot ok 1 a.b # 1 ms\n0 passed, 1 failed\n", 0, false, 1,
         "status is 0, not 1");
    ktap("a hidden failure", HEAD "1..1\n# run a.b\nnot ok 1 a.b # 1 ms\n1 passed, 0 failed\n", 0,
         false, 1, "the last line says");
    ktap("a time-out", HEAD "1..2\n# run a.b\nnot ok 1 a.b # TIMEOUT\n", 1, false, 2,
         "ended early after a.b");
    ktap("an empty plan", HEAD "1..0\n0 passed, 0 failed\n", 0, false, 1, "no test ran");
    check(verdict_ktap(HEAD "1..0\n0 passed, 0 failed\n", 0, true).ok, "an empty plan, allowed",
          "");
    ktap("a broken result", HEAD "1..1\nok a.b\n0 passed, 0 failed\n", 0, false, 2,
         "not a result line");

    /* Whatever prefix arrives, only the whole is a pass. */
    for (size_t n = 0; n < sizeof GOOD - 2; n++)
        if (verdict_ktap(util_printf("%.*s", (int)n, GOOD), 0, false).ok)
            check(false, "a prefix passes", util_printf("%zu bytes", n));
    check(true, "no prefix of a good report passes", "");
}

static void other_verdicts(void)
{
    check(verdict_counts("x\n3 passed, 0 failed\n", 0).ok, "counts", "");
    check(!verdict_counts("x\n3 passed, 0 failed\n", 1).ok, "counts, wrong status", "");
    check(!verdict_counts("3 passed, 0 failed\nx\n", 0).ok, "counts, not at the end", "");
    check(!verdict_counts("3 passed, 1 failed\n", 1).ok, "counts, a failure", "");
    check(!verdict_counts("0 passed, 0 failed\n", 0).ok, "counts, nothing", "");
    check(!verdict_counts("", 0).ok, "counts, no output", "");

    check(verdict_dies("a\nfatal error: x\r\n\ngoroutine 1 [running]:\n", 2,
                       "^fatal error: .$\n^goroutine [0-9]", 2)
              .ok,
          "dies", "");
    check(!verdict_dies("goroutine 1\nfatal error: x\n", 2, "^fatal error\n^goroutine", 2).ok,
          "dies, order", "");
    check(!verdict_dies("fatal error: x\n", 1, "^fatal error", 2).ok, "dies, status", "");
    check(!verdict_dies("", 2, "^fatal error", 2).ok, "dies, silent", "");

    check(verdict_exact("a\nb\n", 0, "a\nb\n", 0).ok, "exact", "");
    check(!verdict_exact("a\nb\n", 1, "a\nb\n", 0).ok, "exact, status", "");
    check(!verdict_exact("a\nb\nc\n", 0, "a\nb\n", 0).ok, "exact, too much", "");
    check(!verdict_exact("a\n", 0, "a\nb\n", 0).ok, "exact, too little", "");
    check(!verdict_exact("a\nB\n", 0, "a\nb\n", 0).ok, "exact, different", "");
    check(verdict_exact("at 0xff [1.2]\n", 0, "at {{0x[0-9a-f]+}} [1.2]\n", 0).ok, "exact, pattern",
          "");
    check(verdict_exact("at 0xfff of 4\n", 0, "at 0x{{f{3}}} of {{[0-9]}}\n", 0).ok,
          "exact, pattern that ends in a brace", "");
    check(!verdict_exact("at 0xfg [1.2]\n", 0, "at {{0x[0-9a-f]+}} [1.2]\n", 0).ok,
          "exact, pattern refuses", "");
    check(verdict_exact("a\nx\ny\nb\nz\n", 0, "a\n...\nb\n...\n", 0).ok, "exact, gaps", "");
    check(!verdict_exact("a\nx\ny\nz\n", 0, "a\n...\nb\n", 0).ok, "exact, gap without end", "");
}

/* ---- The whole tool ---- */

static char *output;

static int run_tool(const char *args)
{
    char *argv[40] = {"testrun", "-l", "log", "-i", "1", "-r", "5"};
    int argc = 7;

    for (char *word = strtok(util_printf("%s", args), " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(fd, 1);
        optind = 1;
        exit(testrun_main(argc, argv));
    }
    int status;
    size_t bytes;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        util_die("fork: %s", strerror(errno));
    uint8_t *data = util_read_file("out", &bytes);
    output = util_printf("%.*s", (int)bytes, (char *)data);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool ends_with(const char *end)
{
    return strlen(output) >= strlen(end) && strcmp(output + strlen(output) - strlen(end), end) == 0;
}

static void says(const char *what, const char *args, int status, const char *last, const char *also)
{
    int got = run_tool(args);

    check(got == status && ends_with(util_printf("\n%s\n", last)) && strstr(output, also) != NULL,
          what, util_printf("status %d, output:\n%s", got, output));
}

static void file(const char *path, const char *text)
{
    util_write_file(path, text, strlen(text));
    chmod(path, 0755);
}

static void the_tool(void)
{
    tempdir_make();
    if (chdir(dir) != 0 || mkdir("tools", 0777) != 0)
        util_die("can't use %s", dir);
    unsetenv("ASAN_OPTIONS");
    file("tools/run.sh", "#!/bin/sh\n. ./$1\n");
    file("good", "case $ARGS in *list*) echo end of list; exit;; esac\nprintf '" GOOD "'\n");
    file("hang", "case $ARGS in *list*) echo end of list; exit;; esac\n"
                 "printf '" HEAD "1..1\\n# run a.hangs\\n'; sleep 100 & sleep 100\n");
    file("deaf",
         "trap '' TERM; printf '" HEAD "1..1\\n# run a.hangs\\n'; while :; do sleep 1; done\n");
    file("flood", "yes\n");
    file("dies", "case $ARGS in *list*) printf 'dies a.x 2\\r\\nsays ^foo\\r\\nsays bar$\\r\\ndies "
                 "a.y 3\\nsays x\\n"
                 "end of list\\n'; exit;; *only*a.x*) printf 'foo\\n a bar\\n'; exit 2;; *only*) "
                 "exit 4;; esac\n"
                 "printf '" GOOD "'\n");
    file("same", "printf '" GOOD "'\n");
    file("differs",
         "printf '" HEAD
         "# %s\\n' $$; printf '1..1\\n# run a.b\\nok 1 a.b # 1 ms\\n1 passed, 0 failed\\n'\n");
    file("prog", "echo hello $SMP $ARGS; exit $ARGS\n");
    file("prog.expect", "$ ARGS=0\nhello 2 0\n$ SMP=1 ARGS=7\nhello {{[0-9]}} 7\n=> exit 7\n");
    file("bad.expect", "hello 2 0\n");
    file("case.c",
         "// EXPECT: type\nint ok(void);\n#ifdef CASE_1\nint ok(int);\n#endif\n"
         "#ifdef CASE_2\n// EXPECT-cc: undeclared\n// EXPECT-other: never\nint x = y;\n#endif\n");
    file("case_bad.c", "#ifdef CASE_1\n// EXPECT: x\nint fine;\n#endif\n#ifdef CASE_2\n// EXPECT: "
                       "no such\n5\n#endif\n");

    says("good", "-s 2 guest:g@1,4=good", 0, "4 passed, 0 failed", "g smp=4");
    says("good", "-s 1,2 guest:g=good", 0, "4 passed, 0 failed", "g smp=2");
    says("hang", "-s 1 guest:g=hang", 1, "0 passed, 1 failed",
         "hangs in a.hangs: no output for 1 s");
    says("deaf", "-s 1 guest:g=deaf", 1, "0 passed, 2 failed", "hangs in a.hangs");
    says("flood", "-s 1 same:g=flood", 1, "0 passed, 4 failed", "prints without end");
    says("dies", "-s 1 guest:g=dies", 1, "3 passed, 1 failed", "FAIL  g dies a.y: ");
    says("same", "same:s=same", 0, "6 passed, 0 failed", "ok ");
    says("differs", "same:s=differs", 1, "2 passed, 2 failed", "differs from s smp=");
    says("exact", "exact:prog=prog.expect", 0, "2 passed, 0 failed", "ok ");
    says("exact, wrong", "exact:prog=bad.expect", 1, "0 passed, 1 failed",
         "line 1: expected \"hello 2 0\"");
    says("not found", "-s 1 guest:g=nothing", 1, "0 passed, 2 failed", "no report");
    says("command", "cmd:c=echo=1", 1, "0 passed, 1 failed", "no last line");
    file("cc1", "#!/bin/sh\nexec cc -c -o /dev/null \"$@\"\n");
    says("must not compile", "-c cc=./cc1 fail:case.c", 0, "3 passed, 0 failed", "ok ");
    says("compiles", "-c cc=./cc1 fail:case_bad.c", 1, "1 passed, 2 failed", "it compiles");
    check(strstr(output, "no message matches: no such") != NULL, "a message that does not come",
          output);
    check(run_tool("") == 1, "nothing to do", output);
    if (chdir("/") != 0)
        util_die("can't leave %s", dir);
    tempdir_remove();
}

int main(void)
{
    reports();
    other_verdicts();
    the_tool();
    util_free_all();
    return check_end();
}
