#!/bin/sh
# The code in README.md and docs/: programs are compiled, run and compared with the output that the document shows;
# the rest of what says it is C is compiled (tools/docblocks.c).
. tests/sh/common.inc
mkdir -p "$tmp/blocks" "$tmp/log"
"$HOST/docblocks" "$tmp/blocks" README.md CONTRIBUTING.md docs/*.md >"$tmp/list" || exit 1

compiles() { # name
    # shellcheck disable=SC2046
    $(ingot -s print-compile) -Werror -Wno-unused "$tmp/blocks/$1.c"
}
runs() { # name
    ingot APP="$tmp/blocks/$1.c" || return 1
    image=$(find "$O" -name "$1.elf" | head -n 1)
    if [ -f "$tmp/blocks/$1.expect" ]; then
        "$HOST/testrun" -l "$tmp/log" "exact:$image=$tmp/blocks/$1.expect"
    else
        tools/run.sh "$image" </dev/null
    fi
    status=$?
    rm -f "$image"
    return $status
}

while read -r kind name; do
    case $kind in
    program) check "$name runs" runs "$name" ;;
    compile) check "$name compiles" compiles "$name" ;;
    esac
done <"$tmp/list"
summary
