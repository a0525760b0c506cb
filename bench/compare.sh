#!/bin/sh
# bench/compare.sh - make bench-compare A=... B=...: two files of results, or two commits.
#
# A commit (anything that git knows and that is no file) is checked out beside the output, built, and its
# benchmarks (B_PATTERN=globs: only these) are run: with ICOUNT=1 (the default here) on one core in instructions, with ICOUNT=0 in time on SMP cores.
set -eu

if [ -z "$1" ] || [ -z "$2" ]; then
    echo "bench-compare: give A= and B=, two files (outputs of make bench) or two commits" >&2
    exit 2
fi

results() { # file or commit -> the name of a file
    if [ -f "$1" ]; then
        echo "$1"
        return
    fi
    commit=$(git rev-parse --verify --quiet "$1^{commit}") || {
        echo "bench-compare: $1 is no file and no commit" >&2
        exit 2
    }
    tree=$O/compare/$commit
    file=$O/compare/$commit-${ICOUNT:-1}.txt
    if [ ! -s "$file" ]; then
        mkdir -p "$tree"
        git archive "$commit" | tar x -C "$tree"
        echo "bench-compare: building and running $1" >&2
        if [ "${ICOUNT:-1}" = 1 ]; then
            make -s -C "$tree" bench ICOUNT=1 SMP=1 B="${B_PATTERN:-}" >"$file.tmp"
        else
            make -s -C "$tree" bench B="${B_PATTERN:-}" >"$file.tmp"
        fi
        mv "$file.tmp" "$file"
    fi
    echo "$file"
}

a=$(results "$1")
b=$(results "$2")
"$HOST/benchcompare" "$a" "$b"
