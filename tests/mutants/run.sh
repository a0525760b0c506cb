#!/bin/sh
# tests/mutants/run.sh - breaks the runtime on purpose, one line at a time, and shows which test notices.
#
#     make mutants [M=pattern]          all of tests/mutants/list, or those whose text matches
#
# Works in a copy of the tree below O. A mutant is caught if its tests fail, hang or die; one that survives, or
# whose sed script changes nothing any more, is a failure of this run.
set -u
: "${O:=build}" "${CC:=gcc}" "${MAKE:=make}" "${M:=.}" "${TIMEOUT:=40}"
export TIMEOUT
root=$PWD
tree=$O/mutants/tree
mkdir -p "$tree" || exit 1
tree=$(cd "$tree" && pwd)
caught=0
missed=0

build() {
    "$MAKE" -s -C "$tree" CC="$CC" BUILD=debug EXTRA=-Wno-error O="$tree/../out" test-image >"$tree/../build.log" 2>&1
}

# The first case that failed, or that was running when all ended.
culprit() {
    sed -n 's/^not ok [0-9]* \([^ ]*\).*/\1/p' "$1" | head -n 1 | grep . && return
    echo "$(sed -n 's/^# run \([^ ]*\).*/\1/p' "$1" | tail -n 1), $(grep -a '^fatal error' "$1" | head -n 1 | grep . || echo "no end")"
}

try() { # what file script settings
    cp "$root/$2" "$tree/$2"
    sed "$3" "$root/$2" >"$tree/$2"
    if cmp -s "$root/$2" "$tree/$2"; then
        echo "STALE   $1: the script changes nothing in $2"
        missed=$((missed + 1))
        return
    fi
    if ! build; then
        echo "STALE   $1: does not compile"
        tail -n 3 "$tree/../build.log"
        missed=$((missed + 1))
        cp "$root/$2" "$tree/$2"
        return
    fi
    patterns=$4
    smp=2
    icount=
    case $4 in
    [0-9]*)
        smp=${4%% *}
        patterns=${4#* }
        ;;
    esac
    case $smp in
    *i)
        smp=${smp%i}
        icount=1
        ;;
    esac
    log=$tree/../$(echo "$1" | tr -cs 'a-zA-Z0-9\n' '_').log
    SMP=$smp ICOUNT=$icount ENV=seed=7 ARGS="$patterns" "$root/tools/run.sh" "$tree/../out/x86_64-debug/tests.elf" </dev/null >"$log" 2>&1
    status=$?
    if [ $status = 0 ] && grep -q ', 0 failed' "$log"; then
        echo "MISSED  $1 ($patterns, $smp cores)"
        missed=$((missed + 1))
    else
        echo "caught  $1: $(culprit "$log")"
        caught=$((caught + 1))
    fi
    cp "$root/$2" "$tree/$2"
}

git ls-files -co --exclude-standard | while read -r f; do
    cmp -s "$f" "$tree/$f" && continue
    mkdir -p "$tree/$(dirname "$f")"
    cp "$f" "$tree/$f"
done
build || {
    cat "$tree/../build.log"
    exit 1
}
while IFS= read -r what; do
    case $what in
    '#'* | '') continue ;;
    esac
    read -r file
    IFS= read -r script
    read -r settings
    if echo "$what $file" | grep -Eq -- "$M"; then
        try "$what" "$file" "$script" "$settings"
    fi
done <tests/mutants/list
echo "$caught caught, $missed missed"
[ $missed = 0 ]
