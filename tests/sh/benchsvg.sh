#!/bin/sh
# The pictures that tools/benchsvg.c draws: each sample is in a bin, and bad input ends in one line.
. "$(dirname "$0")/common.inc"

cat >"$tmp/a" <<EOF
BenchmarkStopGC-2 1 5000 p50-ns
# series StopGC sample-ns 900 1000 5000 5000
# series StopGC sample-ns 2000000
# series Gap gap-ns 1000 20000 500000 1000000
# series Gap gap-ns 9000 9
EOF
printf '# series StopGC sample-ns 12 many\n' >"$tmp/bad"
printf '# series Gap gap-ns 12\n' >"$tmp/odd"
bars() { # kind bars
    "$HOST/benchsvg" "$1" "Ingot=$tmp/a" "Go=$tmp/a" >"$tmp/svg" || return 1
    grep -c '<rect x=' "$tmp/svg" | tee "$tmp/n"
    [ "$(cat "$tmp/n")" = "$2" ] && [ "$(tail -n 1 "$tmp/svg")" = '</svg>' ]
}

# 900, 1000, 5000 and 2000000 lie in four bins; samples of one name are one row.
check "stops: a bar for each bin that has samples" bars stops 8
check "stops: the median and the worst" sh -c "grep -q '5 µs' $tmp/svg && grep -q '2 ms' $tmp/svg"
check "gaps: a bar for each gap of the first timeline" bars gaps 4 # two bars in each of two rows
check "no number" says 1 'benchsvg: .*bad: series StopGC: many is no duration' "$HOST/benchsvg" stops "x=$tmp/bad"
check "no pair" says 1 'a time without a length' "$HOST/benchsvg" gaps "x=$tmp/odd"
check "no series" says 1 "run the benchmarks with --series" "$HOST/benchsvg" gaps "x=$tmp/bad"
check "no label" says 1 'is no LABEL=FILE' "$HOST/benchsvg" stops "$tmp/a"
check "no kind" says 2 '^usage: benchsvg' "$HOST/benchsvg" "$tmp/a"
summary
