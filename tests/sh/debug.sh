#!/bin/sh
# `make debug`: gdb stops at main, and its commands show goroutines.
. tests/sh/common.inc
command -v gdb >/dev/null || {
    echo "skip gdb is not there"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

session() { # pattern... ; gdb's output has a match for each, in that order
    printf 'bt\nhbreak pong\ncontinue\ninfo goroutines\ngoroutine 1 bt\ngoroutine 999 bt\ngoroutine 1\ngoroutines-bt\nkill\nquit\n' |
        SMP=1 GDB=1 timeout 50 tools/run.sh "$IMAGES/pingpong.elf" >"$tmp/gdb.log" 2>&1
    cat "$tmp/gdb.log"
    for pattern; do
        grep -Eq -- "$pattern" "$tmp/gdb.log" || {
            echo "not there: $pattern"
            return 1
        }
    done
}

check "stops at main; goroutines and their stacks" session '#0 +main \(argc=1' 'Breakpoint 2, pong' \
    ' +1  (WAIT_CHAN_SEND|runnable)' 'running +.*<pong>' 'main \+ [0-9]+ in section' 'pingpong/main.c"' 'no goroutine 999' 'goroutine N bt$' \
    'goroutine [0-9]+ runs on a core' 'chan'
summary
