/*
 * lib/knobs.h - what the boot command line can set, in one list.
 *
 * Three kinds of word set a knob (lib/cmdline.h says how words are split):
 *     GOGC=50                        Go's own names: any other key that begins with GO is an error
 *     GODEBUG=gctrace=1,gcstress=2   a comma list; an unknown word in it is an error
 *     exit=halt                      the runtime's own names, in lower case
 * Every other KEY=VALUE is the program's business and is found by knobs_getenv(), as are the knobs.
 * Of several settings the last one holds.
 *
 * To add a knob, add a line to KNOBS: that makes the field of struct knobs, its default, its parser
 * and its line in the list of knobs. Fields are read as `knobs.gogc`.
 */
#pragma once

#include <lib/cmdline.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a number knob that was set to "off". */
#define KNOB_OFF UINT64_MAX

/* The words that a knob may be set to: each list makes an enum and its spellings. */
#define KNOB_WORDS_traceback(W)                                                                    \
    W(TRACEBACK_NONE, "none")                                                                      \
    W(TRACEBACK_SINGLE, "single")                                                                  \
    W(TRACEBACK_ALL, "all")                                                                        \
    W(TRACEBACK_SYSTEM, "system")                                                                  \
    W(TRACEBACK_CRASH, "crash")
#define KNOB_WORDS_gcmode(W)                                                                       \
    W(GCMODE_DEFAULT, "default")                                                                   \
    W(GCMODE_STW, "stw")                                                                           \
    W(GCMODE_INSERTION, "insertion")                                                               \
    W(GCMODE_HYBRID, "hybrid")
#define KNOB_WORDS_exit(W)                                                                         \
    W(EXIT_AUTO, "auto")                                                                           \
    W(EXIT_QEMU, "qemu")                                                                           \
    W(EXIT_ACPI, "acpi")                                                                           \
    W(EXIT_HALT, "halt")                                                                           \
    W(EXIT_REBOOT, "reboot")
#define KNOB_WORDS_on_panic(W)                                                                     \
    W(ON_PANIC_EXIT, "exit")                                                                       \
    W(ON_PANIC_HALT, "halt")                                                                       \
    W(ON_PANIC_REBOOT, "reboot")                                                                   \
    W(ON_PANIC_POWEROFF, "poweroff")
#define KNOB_WORDS_cpu_relax(W)                                                                    \
    W(CPU_RELAX_AUTO, "auto")                                                                      \
    W(CPU_RELAX_PAUSE, "pause")                                                                    \
    W(CPU_RELAX_SPIN, "spin")
#define KNOB_WORDS_tick(W)                                                                         \
    W(TICK_AUTO, "auto")                                                                           \
    W(TICK_ON, "on")                                                                               \
    W(TICK_OFF, "off")
#define KNOB_WORDS_console(W)                                                                      \
    W(CONSOLE_AUTO, "auto")                                                                        \
    W(CONSOLE_SERIAL, "serial")                                                                    \
    W(CONSOLE_COM1, "com1")                                                                        \
    W(CONSOLE_COM2, "com2")                                                                        \
    W(CONSOLE_ACPI, "acpi")                                                                        \
    W(CONSOLE_PCI, "pci")                                                                          \
    W(CONSOLE_FB, "fb")                                                                            \
    W(CONSOLE_NONE, "none")

/*
 * The list. Two forms of line:
 *   N(where, "name", field, KIND, default, min, max, "help")
 *   W(where, "name", field, words, default, "help")       one of KNOB_WORDS_<words>
 * where   KNOB_IN_ENV: a word of the command line. KNOB_IN_GODEBUG: a word inside GODEBUG. Or both.
 * KIND    NUM       uint64_t, decimal or 0x hexadecimal
 *         NUM_OFF   the same, or "off" (KNOB_OFF)
 *         BYTES_OFF uint64_t bytes, with B, KiB, MiB, GiB or TiB behind the number, or "off"
 *         BOOL      bool: 0 or 1; inside GODEBUG the bare name means 1
 */
#define KNOBS(N, W)                                                                                \
    N(KNOB_IN_ENV, "GOGC", gogc, NUM_OFF, 100, 0, INT32_MAX,                                       \
      "collect when the heap has grown by so many percent")                                        \
    N(KNOB_IN_ENV, "GOMEMLIMIT", gomemlimit, BYTES_OFF, 0, 0, INT64_MAX,                           \
      "collect harder above so many bytes; 0 takes all of RAM but a reserve")                      \
    N(KNOB_IN_ENV, "GOMAXPROCS", gomaxprocs, NUM, 0, 1, 65536,                                     \
      "cores that run goroutines; all of them if not given")                                       \
    W(KNOB_IN_ENV, "GOTRACEBACK", gotraceback, traceback, TRACEBACK_SINGLE,                        \
      "whose stacks a fatal error prints")                                                         \
    N(KNOB_IN_GODEBUG, "gctrace", gctrace, NUM, 0, 0, 2, "a line for each collection; 2: more")    \
    N(KNOB_IN_GODEBUG, "schedtrace", schedtrace, NUM, 0, 0, 86400000,                              \
      "the scheduler's state every so many ms; 0: never")                                          \
    W(KNOB_IN_GODEBUG, "gcmode", gcmode, gcmode, GCMODE_DEFAULT, "which write barrier, if any")    \
    N(KNOB_IN_GODEBUG, "gccheckmark", gccheckmark, BOOL, false, 0, 1,                              \
      "mark again with the world stopped, and compare")                                            \
    N(KNOB_IN_GODEBUG, "gcverify", gcverify, BOOL, true, 0, 1,                                     \
      "debug builds: look at every reference after each collection, in its stop")                  \
    N(KNOB_IN_GODEBUG, "gcstress", gcstress, NUM, 0, 0, INT32_MAX,                                 \
      "collect at every so many allocations; 0: as needed")                                        \
    N(KNOB_IN_GODEBUG, "gcbarriercheck", gcbarriercheck, BOOL, false, 0, 1,                        \
      "look for pointer stores that went round the barrier")                                       \
    N(KNOB_IN_GODEBUG, "clobberfree", clobberfree, BOOL, false, 0, 1,                              \
      "overwrite freed objects with a pattern")                                                    \
    N(KNOB_IN_GODEBUG, "stackcheck", stackcheck, NUM, 1, 0, 2,                                     \
      "debug builds: warn of a pointer into its own stack that a goroutine hands out; 2: by go()") \
    N(KNOB_IN_GODEBUG, "asyncpreemptoff", asyncpreemptoff, BOOL, false, 0, 1,                      \
      "do not take the core from a goroutine that does not yield")                                 \
    N(KNOB_IN_ENV | KNOB_IN_GODEBUG, "seed", seed, NUM, 0, 1, UINT64_MAX - 1,                      \
      "decides every random choice; from the machine if not given")                                \
    W(KNOB_IN_ENV, "exit", exit, exit, EXIT_AUTO, "how the machine is left at the end")            \
    W(KNOB_IN_ENV, "on_panic", on_panic, on_panic, ON_PANIC_EXIT, "what follows a fatal report")   \
    W(KNOB_IN_ENV, "cpu_relax", cpu_relax, cpu_relax, CPU_RELAX_AUTO, "how a waiting core spins")  \
    W(KNOB_IN_ENV, "tick", tick, tick, TICK_AUTO, "interrupt all busy cores often")                \
    N(KNOB_IN_ENV, "maxcpus", maxcpus, NUM, 0, 1, 65536, "cores to start; all if not given")       \
    N(KNOB_IN_ENV, "watchdog", watchdog, NUM, 0, 0, 86400,                                         \
      "report a core that is stuck for so many seconds; 0: never")                                 \
    W(KNOB_IN_ENV, "console", console, console, CONSOLE_AUTO, "where text goes and comes from")    \
    N(KNOB_IN_ENV, "infokey", infokey, NUM, 20, 0, 255,                                            \
      "console byte that prints all goroutines (20: Ctrl-T); 0: none")                             \
    N(KNOB_IN_ENV, "baud", baud, NUM, 0, 50, 115200,                                               \
      "speed of the serial console; as the firmware says, or 115200, if not given")

enum knob_where { KNOB_IN_ENV = 1, KNOB_IN_GODEBUG = 2 };

#define KNOB_CTYPE_NUM uint64_t
#define KNOB_CTYPE_NUM_OFF uint64_t
#define KNOB_CTYPE_BYTES_OFF uint64_t
#define KNOB_CTYPE_BOOL bool

#define KNOB_ENUM_WORD(id, spelling) id,
enum knob_traceback { KNOB_WORDS_traceback(KNOB_ENUM_WORD) };
enum knob_gcmode { KNOB_WORDS_gcmode(KNOB_ENUM_WORD) };
enum knob_exit { KNOB_WORDS_exit(KNOB_ENUM_WORD) };
enum knob_on_panic { KNOB_WORDS_on_panic(KNOB_ENUM_WORD) };
enum knob_cpu_relax { KNOB_WORDS_cpu_relax(KNOB_ENUM_WORD) };
enum knob_tick { KNOB_WORDS_tick(KNOB_ENUM_WORD) };
enum knob_console { KNOB_WORDS_console(KNOB_ENUM_WORD) };

#define KNOB_FIELD_N(where, name, field, kind, def, min, max, help) KNOB_CTYPE_##kind field;
#define KNOB_FIELD_W(where, name, field, words, def, help) enum knob_##words field;
struct knobs {
    KNOBS(KNOB_FIELD_N, KNOB_FIELD_W)
};

/* Fixed after knobs_init(); the defaults hold before. */
extern struct knobs knobs;
extern const struct knobs knobs_default;

/* The split command line of this run: argc, argv, environment. Fixed after knobs_init(). */
extern struct cmdline knobs_cmdline;

#define KNOBS_BUF_BYTES (16u << 10) /* the longest command line with all its arguments */
#define KNOBS_WHY_BYTES 192         /* room for any error text */

/*
 * Set *k (whose fields keep their values where no word names them) from the environment words of
 * *cl.
 *
 * Returns the number of errors and leaves the text of the first in `why`, cut to fit, such as
 *     GOGC=abc: not a number or "off"
 * A knob whose word is wrong keeps its value. Whether to go on is the caller's decision; for the
 * boot command line it is not to. Control characters in the text are shown as '?'.
 */
size_t knobs_parse(struct knobs *k, const struct cmdline *cl, char *why, size_t why_bytes);

/*
 * Split the boot command line and set the global `knobs` and `knobs_cmdline` from it. Boot cpu,
 * once. The text is copied; see cmdline_split() for name and len, knobs_parse() for the rest.
 */
size_t knobs_init(const char *name, const char *text, size_t len, char *why, size_t why_bytes);

/* The value of KEY=VALUE on the boot command line, NULL if absent. Any context. */
const char *knobs_getenv(const char *key);

/*
 * One line about the i-th knob and its value in *k: `GOGC=100  collect when ...`.
 * Returns false, and "", when there is no i-th knob.
 */
bool knobs_describe(const struct knobs *k, size_t i, char *line, size_t line_bytes);
