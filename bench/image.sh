#!/bin/sh
# bench/image.sh - prints the size of an image as a benchmark line: what is loaded, without the symbol and line
# table (which is beside it) and without what is zero.
set -eu
LC_ALL=C readelf -SW "$1" | sed 's/\[ *\([0-9]*\)\]/\1/' | awk '
    function hex(s, i, v) { v = 0; for (i = 1; i <= length(s); i++) v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1; return v }
    $1 ~ /^[0-9]+$/ && $8 ~ /A/ && $3 != "NOBITS" { if ($2 == ".symtab_rt") table += hex($6); else sum += hex($6) }
    END { printf "BenchmarkImageSize 1 %d B %d table-B\n", sum, table }'
