#!/bin/sh
# bench/check.sh - counts instructions and compares them with bench/golden.txt.
#
#     HOST=build/host O=build bench/check.sh BENCH.elf HELLO.elf
#
# One core, instruction counting, one result of each benchmark: exact, and the same every time for the same image.
# UPDATE=1 writes the new figures into bench/golden.txt instead; a changed line is explained in its commit.
# The figures are one compiler's: with another there is nothing to compare, and that is said.
set -eu

golden_cc=$(sed -n 's/^# Figures of the release build by \(.*\)\.$/\1/p' "${0%/*}/golden.txt")
this_cc="$CC_IS $($CC -dumpversion | cut -d. -f1)"
if [ "$golden_cc" != "$this_cc" ] && [ "${UPDATE:-}" != 1 ]; then
    echo "bench-check: skipped: bench/golden.txt holds figures of $golden_cc, and this is $this_cc"
    exit 0
fi
bench=$1
hello=$2
out=$O/log/bench-check.txt
mkdir -p "$O/log"

"${0%/*}/image.sh" "$hello" >"$out"
status=0
MACHINE=microvm CPU=max MEM=512M SMP=1 ICOUNT=1 SEED=7 TIMEOUT="${TIMEOUT:-180}" ENV='' ARGS='' MODULE='' \
    "${0%/*}/../tools/run.sh" "$bench" --icount --short >>"$out" || status=$?
if [ "$status" != 0 ]; then
    tail -n 20 "$out"
    echo "bench-check: the benchmarks ended with status $status; their output is in $out" >&2
    exit 1
fi
if [ "${UPDATE:-}" = 1 ]; then
    "$HOST/benchcompare" -u "${0%/*}/golden.txt" "$out" >"$out.golden"
    mv "$out.golden" "${0%/*}/golden.txt"
    git -C "${0%/*}" --no-pager diff --stat -- golden.txt 2>/dev/null || true
else
    "$HOST/benchcompare" -g "${0%/*}/golden.txt" "$out"
fi
