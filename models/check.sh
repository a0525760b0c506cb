#!/bin/sh
# models/check.sh - checks each model exhaustively, and that each of its mutants fails. (barrier.pml, which is put together
# from pieces, has its own: run.sh.)
#
#     models/check.sh OUT [MODEL...]
#
# A model names its mutants in its head, under MUTANTS, one to a line: "NAME  what it does". Needs spin and a C compiler; without
# spin it says so and ends with 0. The last line is "N passed, N failed". Mutants are searched breadth first: what is wrong
# with them shows after few steps, and a search into the depth may fill the memory before it comes there.
set -u
cd "$(dirname "$0")" || exit 2
out=$1
shift
if ! command -v spin >/dev/null 2>&1; then
    echo "models: spin is not installed; skipped (Debian: apt-get install spin)"
    exit 0
fi
passed=0
failed=0

# check MODEL FLAGS WANT(ok|error)
check() {
    dir=$out/$1$2
    rm -rf "$dir" && mkdir -p "$dir" || exit 2
    if ! (here=$PWD && cd "$dir" && spin -a ${2:+-D"$2"} "$here/$1.pml" && ${HOSTCC:-cc} -O2 -DSAFETY -DCOLLAPSE ${2:+-DBFS} -DMEMLIM=1024 -o pan pan.c &&
        timeout 300 ./pan -m2000000 -w22) >"$dir/log" 2>&1; then
        echo "FAIL $1 $2: see $dir/log"
        failed=$((failed + 1))
        return
    fi
    got=ok
    grep -q 'errors: 0' "$dir/log" || got=error
    grep -q 'search depth too small\|out of memory\|MEMLIM' "$dir/log" && got=incomplete
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$dir/log")
    if [ $got = "$3" ]; then
        printf 'ok   %-6s %-14s %s states\n' "$1" "${2:-as it is}" "$states"
        passed=$((passed + 1))
    else
        printf 'FAIL %-6s %-14s %s, not %s: see %s\n' "$1" "${2:-as it is}" $got "$3" "$dir/log"
        failed=$((failed + 1))
    fi
}

case $out in /*) ;; *) out=$PWD/../$out ;; esac
for model in "${@:-}"; do
    [ -n "$model" ] || continue
    models="${models:-} $model"
done
for model in ${models:-$(ls *.pml | sed 's/\.pml$//' | grep -vx barrier)}; do
    check "$model" "" ok
    for mutant in $(sed -n '/MUTANTS/,/\*\//s/^ \*   *\([A-Z_]*\)  *.*/\1/p' "$model.pml"); do
        check "$model" "$mutant" error
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
