#!/bin/sh
# Console input: lines arrive whole and in order, however fast, and their end is noticed.
. tests/sh/common.inc
image=$IMAGES/echo.elf

talk() { # runs echo on stdin, prints the answers
    tools/run.sh "$image" | tr -d '\r' | sed -n 's/ (after [0-9]* s)$//p'
}
lines() {
    seq 1 "$1" >"$tmp/in"
    talk <"$tmp/in" >"$tmp/out"
    cmp "$tmp/in" "$tmp/out"
}
slowly() {
    (for word in alpha beta; do sleep 0.5; echo "$word"; done) | talk | tr '\n' ' ' | grep -x 'alpha beta '
}
who() {
    printf '/who\n/quit\nnot this\n' | says_in 0 'goroutine 1 \[running\]'
}
says_in() {
    cat >"$tmp/in"
    tools/run.sh "$image" <"$tmp/in" >"$tmp/out"
    [ $? = "$1" ] && grep -q "$2" "$tmp/out" && ! grep -q 'not this' "$tmp/out"
}

# A last line without a newline counts, and the end of input is told as often as it is asked for.
cat >"$tmp/ends.c" <<'C'
#include <rt/rt.h>

int main(void)
{
    char line[8];

    for (int ends = 0; ends < 3;) {
        ssize_t n = rt_read_line(line, sizeof line);

        if (n < 0)
            ends++;
        else
            rt_printf("<%s> %zd ", line, n);
    }
    return 0;
}
C
ends() {
    printf "$1" | TIMEOUT=20 ingot run APP="$tmp/ends.c" >"$tmp/out" 2>&1 && grep -q "^$2" "$tmp/out"
}
check "a last line without a newline" ends 'one\n\ntoo long for it\nlast' '<one> 3 <> 0 <too lon> 7 <last> 4'
check "2000 lines from a file" lines 2000
check "a slow pipe" slowly
check "/who and /quit" who
check "the end of input" says 0 'echo: bye' tools/run.sh "$image"
summary
