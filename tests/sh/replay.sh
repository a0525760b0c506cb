#!/bin/sh
# One seed is one interleaving: under instruction counting equal seeds give the same run, byte for byte, on 1, 2
# and 4 cores that all compute at once; another seed gives another order of events.
. tests/sh/common.inc

run() { # cores seed file
    ICOUNT=1 SMP=$1 ENV="seed=$2" tools/run.sh "$IMAGES/replay.elf" </dev/null >"$3" && grep -q '^order' "$3"
}

replays() { # cores
    run "$1" 7 "$tmp/a" && run "$1" 7 "$tmp/b" && run "$1" 8 "$tmp/c" || return 1
    cmp "$tmp/a" "$tmp/b" || return 1
    grep '^order' "$tmp/a" "$tmp/c"
    [ "$(grep '^order' "$tmp/a")" != "$(grep '^order' "$tmp/c")" ]
}

variant=${IMAGES##*/} # x86_64-release, x86_64-debug-clang
variant=${variant#*-}
check "builds" ingot BUILD="${variant%%-*}" APP=tests/sh/replay.c
for smp in 1 2 4; do
    check "$smp cores: equal seeds, equal runs; another seed, another order" replays $smp
done
summary
