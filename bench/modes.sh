#!/bin/sh
# bench/modes.sh - the stops of the four modes of the collector on one workload, side by side.
#
#     bench/modes.sh MODES.elf
#
# One core; the clock counts instructions (1 ns = 1 instruction), so the figures are the same every time.
set -eu
echo "mode         stops       median        worst          sum      whole run   (instructions)"
for mode in stw insertion hybrid default; do
    line=$(MACHINE=microvm CPU=max MEM=256M SMP=1 ICOUNT=1 SEED=7 ENV="GODEBUG=gcmode=$mode" ARGS='' MODULE='' \
        "${0%/*}/../tools/run.sh" "$1" | tail -n 1)
    printf '%-9s %s\n' "$mode" "$line"
done
