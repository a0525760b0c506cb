#!/bin/sh
# All words of a text as examples/wordcount counts them, and as tr, sort and uniq do.
. tests/sh/common.inc

independent() { # files
    # shellcheck disable=SC2018,SC2019
    cat "$@" | LC_ALL=C tr -cs 'A-Za-z\200-\377' '\n' | LC_ALL=C tr A-Z a-z | grep . | LC_ALL=C sort | uniq -c |
        LC_ALL=C sort -k1,1nr -k2 | awk '{ print $1, $2 }'
}

same() { # files; environment SMP, ENV
    MODULE="$*" ARGS=0 tools/run.sh "$IMAGES/wordcount.elf" >"$tmp/out" </dev/null || return 1
    tr -d '\r' <"$tmp/out" | awk 'NF == 2 { print $1, $2 }' >"$tmp/ours"
    independent "$@" >"$tmp/theirs"
    [ -s "$tmp/theirs" ] && diff "$tmp/ours" "$tmp/theirs" | head -n 20 && cmp "$tmp/ours" "$tmp/theirs" || return 1
    tr -d '\r' <"$tmp/out" | grep "^$(awk '{ n += $1 } END { print n }' "$tmp/theirs") words, $(wc -l <"$tmp/theirs" | tr -d ' ') different"
}

printf 'one Two\ntwo,three three THREE' >"$tmp/small"
printf 'four four four\000four' >"$tmp/other"
check "Opticks" same examples/data/opticks.txt
SMP=1 ENV="GOGC=10" check "Opticks, one core, a collection every 400 KB" same examples/data/opticks.txt
SMP=4 check "three modules, four cores" same "$tmp/small" examples/data/README.md "$tmp/other"
check "a small text" same "$tmp/small"
summary
