#!/bin/sh
# tests/modes.sh - the whole suite in each mode of the collector.
#
#     O=build tests/modes.sh TESTS.elf
#
# Boots TESTS.elf once for each mode, with SMP cores (2). The last line is "N passed, N failed" of all four together.
set -u
passed=0 failed=0
mkdir -p "${O:-build}/log"
for mode in stw insertion hybrid default; do
    log=${O:-build}/log/mode-$mode.txt
    SMP=${SMP:-2} ENV="GODEBUG=gcmode=$mode" ARGS=${T:-} TIMEOUT=${TIMEOUT:-600} "${0%/*}/../tools/run.sh" "$1" >"$log" 2>&1
    status=$?
    last=$(tr -d '\r' <"$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$' | tail -n 1)
    echo "$mode: ${last:-the run ended early} (status $status; $log)"
    grep '^not ok' "$log"
    p=${last%% passed*} f=${last##* passed, }
    passed=$((passed + ${p:-0}))
    if [ -n "$last" ]; then failed=$((failed + ${f%% failed*})); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
