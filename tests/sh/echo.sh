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

check "2000 lines from a file" lines 2000
check "a slow pipe" slowly
check "/who and /quit" who
check "the end of input" says 0 'echo: bye' tools/run.sh "$image"
summary
