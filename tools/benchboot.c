/*
 * tools/benchboot.c - how long it takes from starting QEMU to the first byte that main prints.
 *
 *     benchboot [-n TIMES] IMAGE
 *
 * IMAGE is a program that prints at once, such as examples/hello.
 *
 * Starts QEMU on machine microvm with the flags of tools/run.sh, without the shell in between, and
 * prints a line in Go's benchmark format for each start. QEMU is $QEMU, SMP= and MEM= are as in
 * run.sh.
 */
#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : otherwise;
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double start_once(const char *image)
{
    int pipe_fds[2];
    char byte;

    if (pipe(pipe_fds) != 0)
        util_die("no pipe");
    double start = now_ns();
    pid_t pid = fork();
    if (pid == 0) {
        const char *qemu = env_or("QEMU", "qemu-system-x86_64");
        dup2(pipe_fds[1], 1);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        execlp(qemu, qemu, "-M",
               "microvm,x-option-roms=off,auto-kernel-cmdline=off,rtc=on,acpi=on,pit=on,pic=on",
               "-cpu", "max", "-smp", env_or("SMP", "2"), "-m", env_or("MEM", "512M"),
               "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-device",
               "isa-debug-exit,iobase=0xf4,iosize=4", "-accel", "tcg,thread=multi", "-kernel",
               image, "-serial", "stdio", (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    if (pid < 0 || read(pipe_fds[0], &byte, 1) != 1)
        util_die("%s: nothing was printed", image);
    double took = now_ns() - start;
    while (read(pipe_fds[0], &byte, 1) == 1)
        ;
    close(pipe_fds[0]);
    waitpid(pid, NULL, 0);
    return took;
}

int main(int argc, char **argv)
{
    long n = 10;
    int c;

    util_program = "benchboot";
    while ((c = getopt(argc, argv, "n:")) != -1)
        if (c != 'n' || (n = strtol(optarg, NULL, 10)) < 1)
            argc = 0;
    if (argc - optind != 1) {
        fprintf(stderr, "usage: benchboot [-n TIMES] IMAGE\n");
        return 2;
    }
    start_once(argv[optind]); /* the files are in memory from here on */
    for (long i = 0; i < n; i++)
        printf("BenchmarkBootToMain-%s 1 %.0f ns\n", env_or("SMP", "2"), start_once(argv[optind]));
    return 0;
}
