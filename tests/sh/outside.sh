#!/bin/sh
# Programs outside the tree by `make run APP=`: a file, a folder, several files, an app.mk; and what the Makefile
# says when something is wrong.
. tests/sh/common.inc
here=$tmp/out-of-tree
mkdir -p "$here/one" "$here/two" "$here/asm" "$here/mk/sub" "$here/empty" "$here/mains" "$here/none"

cat >"$here/one/main.c" <<'C'
#include <rt/rt.h>

static void answer(int n, chan(int) out)
{
    chan_send(out, 6 * n);
}

int main(int argc, char **argv)
{
    chan(int) out = chan_make(int, 0);

    go(answer, argc > 1 ? atoi(argv[1]) : 7, out);
    rt_printf("the answer is %d\n", chan_recv(out));
    return argc > 2 ? atoi(argv[2]) : 0;
}
C
cat >"$here/two/main.c" <<'C'
#include <rt/rt.h>
#include "shout.h"

int main(void)
{
    rt_puts(shout("two files"));
    return 0;
}
C
echo 'char *shout(const char *text);' >"$here/two/shout.h"
cat >"$here/two/shout.c" <<'C'
#include <ctype.h>
#include <rt/rt.h>
#include "shout.h"

char *shout(const char *text)
{
    char *loud = gc_strdup(text);

    for (char *p = loud; *p != 0; p++)
        *p = (char)toupper((unsigned char)*p);
    return loud;
}
C
cat >"$here/asm/main.c" <<'C'
#include <stdio.h>
#include <stdlib.h>

int twice(int n);

int main(void)
{
    char *p = realloc(malloc(1), 100);

    snprintf(p, 100, "%d by assembly", twice(21));
    puts(p);
    free(p);
    return 0;
}
C
cat >"$here/asm/twice.S" <<'S'
    .globl twice
twice:
    lea (%rdi, %rdi), %eax
    ret
    .section .note.GNU-stack, "", @progbits
S
cat >"$here/mk/sub/prog.c" <<'C'
#include <rt/rt.h>

int main(int argc, char **argv)
{
    rt_printf("%s %d %u %s\n", GREETING, argc, rt_num_cpu(), argc > 1 ? argv[1] : "-");
    return 0;
}
C
cat >"$here/mk/app.mk" <<'M'
SRCS := sub/prog.c
CFLAGS := -DGREETING='"by app.mk"'
SMP ?= 3
ARGS ?= word
M
echo 'int main(void) { return 0; }' | tee "$here/mains/a.c" >"$here/mains/b.c"
echo 'int other(void); int other(void) { return 0; }' >"$here/none/a.c"
echo 'int main(void) { return nonsense; }' >"$here/bad.c"

ingot BUILD=debug objs # takes a while on a slow machine: its lines show that something happens
check "a file" says 0 '^the answer is 42$' ingot run APP="$here/one/main.c"
check "a folder, an argument" says 0 '^the answer is 30$' ingot run APP="$here/one" ARGS=5
check "a folder with a slash at the end" says 0 '^the answer is 42$' ingot run APP="$here/one/"
check "the exit status" says 2 'Error 9' ingot run APP="$here/one" ARGS="1 9"
check "in the debug build" says 0 '^the answer is 42$' ingot run APP="$here/one" BUILD=debug
check "two files and a header" says 0 '^TWO FILES$' ingot run APP="$here/two"
check "C and assembly" says 0 '^42 by assembly$' ingot run APP="$here/asm"
check "C and assembly, again" says 0 '^42 by assembly$' ingot run APP="$here/asm"
check "app.mk" says 0 '^by app.mk 2 3 word$' ingot run APP="$here/mk"
check "too little memory for the image" says 125 '^run: MEM=1M: not an amount' env MEM=1M tools/run.sh "$IMAGES/hello.elf"
check "no number of cores" says 125 '^run: SMP=0: not a number' env SMP=0 tools/run.sh "$IMAGES/hello.elf"
check "app.mk, overruled" says 0 '^by app.mk 3 1 a$' ingot run APP="$here/mk" SMP=1 ARGS="a b"
built() {
    rm -f "$O"/*/one.elf && ingot APP="$here/one" && ls "$O"/*/one.elf
}
check "built, not run" built
check "no such program" says 2 "APP=$here/nowhere: no such file or folder" ingot run APP="$here/nowhere"
check "an example's bare name" says 2 "APP=hello: no such file or folder; there is examples/hello" ingot run APP=hello
check "an empty folder" says 2 'there is no \.c or \.S file in it' ingot run APP="$here/empty"
check "two functions main" says 2 'there are two functions main' ingot run APP="$here/mains"
check "no function main" says 2 'there is no main\(\)' ingot run APP="$here/none"
check "a mistake in the program" says 2 'bad.c:1:.*nonsense' ingot run APP="$here/bad.c"
# shellcheck disable=SC2016
check "no such compiler" says 2 'no-such-cc not found. Run `make deps`' ingot run APP="$here/one" CC=no-such-cc
# shellcheck disable=SC2016
check "no such clang" says 2 'no-such-clang not found. Run `make deps CC=no-such-clang`, or .*: make CC=gcc' ingot run APP="$here/one" CC=no-such-clang
check "no such variant" says 2 'BUILD=fast: must be release, debug or stress' ingot run APP="$here/one" BUILD=fast
check "no such QEMU" says 2 'no-such-qemu not found. Run: make deps' ingot run APP="$here/one" QEMU=no-such-qemu
old=$here/old
for name in gcc qemu; do
    printf '#!/bin/sh\ncase $1 in --version) echo "%s emulator version 4.2.1" ;; -dumpversion) echo 4 ;; *) exit 1 ;; esac\n' "$name" \
        >"$old-$name" && chmod +x "$old-$name"
done
check "a compiler that is too old" says 2 'old-gcc is gcc 4: too old, gcc 12 or newer is needed' ingot run APP="$here/one" CC="$old-gcc"
check "a QEMU that is too old" says 2 'old-qemu is version 4: too old, 6 or newer is needed' ingot run APP="$here/one" QEMU="$old-qemu"
helped() { # every goal that has a text is listed once
    make help >"$tmp/help"
    for goal in $(sed -n 's/^\([a-z-]*\):.*## .*/\1/p' Makefile); do
        [ "$(grep -c "^  $goal " "$tmp/help")" = 1 ] || echo "$goal"
    done | tee /dev/stderr | wc -l | grep -qx 0
}
check "make help" helped
check "no such module" says 2 'MODULE=/no/such/file: no such file' ingot run APP="$here/one" MODULE=/no/such/file
check "an unknown knob" says 2 'gctrase' ingot run APP="$here/one" ENV="GODEBUG=gctrase=1"
summary
