#!/bin/sh
# tests/escape: what tools/escape says of each labelled variable and allocation (docs/escape.md).
#
# A program is a .c file there, or a folder of them. `//! x escapes`, `//! x stays` stand where x is declared,
# `//! gc_new escapes`, stays or stack where the call is. Missed are escapes that the tool calls anything else, and
# stack places that it gives to what must not lie there; they must be 0. False are the others: at most 5 %.
. tests/sh/common.inc

if ! command -v clang >/dev/null; then
    echo "skip escape: no clang here"
    summary
    exit
fi
ir=$(make -s --no-print-directory CC=clang print-ir)

verdicts() { # program
    rm -rf "$tmp/ir" && mkdir "$tmp/ir"
    find "$1" -name '*.c' | while read -r f; do
        $ir -w "$f" -o "$tmp/ir/$(echo "$f" | tr / _).ll" || exit 1
    done || return 1
    "$HOST/escape" -t "$tmp"/ir/*.ll
}

judge() { # program: one line for each label that is not met; counts go to $tmp/counts
    verdicts "$1" >"$tmp/said" || return 1
    grep -rn --include='*.c' '//! ' "$1" /dev/null |
        sed 's/^\([^:]*\):\([0-9]*\):.*\/\/! \([a-z_0-9]*\) \([a-z]*\).*/\1:\2 \3 \4/' >"$tmp/labels"
    awk 'NR == FNR { split($1, at, ":"); said[at[1] ":" at[2] " " $2] = $3; next }
        {
            n++
            is = said[$1 " " $2]
            if (is == $3) next
            kind = is == "" ? "lost" : $3 == "escapes" || is == "stack" ? "missed" : "false"
            count[kind]++
            print kind ": " $1 ": " $2 " " $3 ", and the tool says \"" is "\""
        }
        END { print "counts", n, count["missed"] + count["lost"], count["false"] + 0 }' "$tmp/said" "$tmp/labels" >"$tmp/judged"
    grep -v ^counts "$tmp/judged"
    sed -n 's/^counts //p' "$tmp/judged" >>"$tmp/counts"
    ! grep -Eq '^(missed|lost)' "$tmp/judged"
}

few_false() {
    awk '{ n += $1; missed += $2; wrong += $3 }
        END { printf "%d cases: %d missed, %d false (%.1f %%)\n", n, missed, wrong, 100 * wrong / n
              exit missed > 0 || wrong > 0.05 * n || n < 120 }' "$tmp/counts"
}

golden() { # example: the whole report, checked by hand once. GOLDEN=write makes a new one to check
    rm -rf "$tmp/ir" && mkdir "$tmp/ir"
    for f in "$1"/*.c; do
        $ir -w "$f" -o "$tmp/ir/$(basename "$f").ll" || return 1
    done
    report=tests/escape/golden/$(basename "$1").txt
    "$HOST/escape" -m "$tmp"/ir/*.ll >"$tmp/report"
    [ "${GOLDEN:-}" != write ] || cp "$tmp/report" "$report"
    diff "$report" "$tmp/report" || { echo 'check it, then GOLDEN=write sh tests/sh/escape.sh'; return 1; }
}

barriers() { # exactly the labelled stores are named
    $ir -w tests/escape/barriers/main.c -o "$tmp/b.ll" || return 1
    "$HOST/escape" -b "$tmp/b.ll" | cut -d : -f 2 >"$tmp/named"
    grep -n '//! bypass$' tests/escape/barriers/main.c | cut -d : -f 1 | diff - "$tmp/named"
}

# The work of both analyses on pieces of the runtime that call much, in steps: they once went over it again and again.
few_steps() { # at most so many steps for 100 lines of IR: the report, with the lint
    rt=$(make -s --no-print-directory CC=clang print-runtime)
    for f in lang/chan.c lang/panic.c sched/goroutine.c; do
        $rt -w -O1 -Xclang -disable-llvm-passes -g -S -emit-llvm "$f" -o "$tmp/s.$(basename "$f").ll" || return 1
    done
    lines=$(cat "$tmp"/s.*.ll | wc -l)
    report=$(($("$HOST/escape" -s "$tmp"/s.*.ll 2>&1 >/dev/null | cut -d ' ' -f 1) * 100 / lines))
    lint=$(($("$HOST/escape" -b -s "$tmp"/s.*.ll 2>&1 >/dev/null | cut -d ' ' -f 1) * 100 / lines))
    echo "steps for 100 of $lines lines: report $report, at most $1; with the lint $lint, at most $2"
    [ "$report" -le "$1" ] && [ "$lint" -le "$2" ]
}

# `make escape` as its users call it.
mkdir "$tmp/leak"
cat >"$tmp/leak/main.c" <<'END'
#include <rt/rt.h>
static int *kept;
static void keep(int *p)
{
    kept = p;
}
int leaks(void)
{
    int x = 1;
    keep(&x);
    return *kept;
}
int main(void)
{
    int *p = gc_new(int);
    return *p + leaks();
}
END
lines_of() { # wanted lines, then make's arguments
    wanted=$1
    shift
    ingot -s escape APP="$tmp/leak" "$@" | tee "$tmp/lines" && [ "$(wc -l <"$tmp/lines")" = "$wanted" ]
}
check "only warnings" lines_of 1
check "V=1: decisions, too" lines_of 2 V=1
check "V=2: and the steps" lines_of 4 V=2
check "V=1 names what could be on the stack" says 0 'could live on the stack' ingot -s escape APP="$tmp/leak" V=1
check "V=2 shows the way" says 0 '^	.*is passed to keep' ingot -s escape APP="$tmp/leak" V=2
check "WERROR=1 fails" says 2 "address of local 'x' outlives leaks" ingot -s escape APP="$tmp/leak" WERROR=1
mkdir "$tmp/bin"
for tool in make gcc cc sh ld as ar awk sed grep cat cmp mkdir uname; do ln -s "$(command -v $tool)" "$tmp/bin/"; done
check "gcc alone: one line" says 2 'the full report needs clang' env PATH="$tmp/bin" make -s --no-print-directory O="$O" CC=gcc escape

check "barrier lint" barriers
check "steps" few_steps 1850 2400
for example in examples/*/main.c; do
    check "report on $(dirname "$example")" golden "$(dirname "$example")"
done
for program in ${ESCAPE_CASES:-tests/escape/*.c $(find tests/escape -name "across*" -type d)}; do
    check "$program" judge "${program%/}"
    grep -h '^false' "$tmp/judged"
done
check "at most 5 % false" few_false
few_false
summary
