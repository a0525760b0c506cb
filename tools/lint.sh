#!/bin/sh
# tools/lint.sh - what `make lint` runs. Each step prints one line; all run, even if one fails.
#
# Output goes to $O/lint-*, apart from normal builds. A tool that isn't installed is skipped, with a line that
# says so. Set ONLY to the name of a step to run just that one. Ends with `N passed, N failed`.
set -u

O=${O:-build}
HOST=${HOST:-$O/host}
ARCH=${ARCH:-x86_64}
MAKE=${MAKE:-make}
ONLY=${ONLY:-}
passed=0
failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

have() {
    command -v "$1" >/dev/null 2>&1
}

step() { # name program command...
    name=$1
    program=$2
    shift 2
    [ -z "$ONLY" ] || [ "$ONLY" = "$name" ] || return 0
    if ! have "$program"; then
        echo "skip  $name: no $program here"
        return 0
    fi
    if "$@" >"$tmp/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $name"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        grep . "$tmp/out" | sed 's/^/  | /'
    fi
}

files() { # patterns...: what git knows, plus what it would take, and what still exists
    git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ ! -e "$f" ] || echo "$f"; done
}

build() { # compiler variant extra...
    cc=$1
    variant=$2
    shift 2
    $MAKE -s --no-print-directory -k O="$O/lint" CC="$cc" BUILD="$variant" WERROR=1 "$@" objs test-objs program-objs boot-files
}

layers() {
    "$HOST/layers"
}

layout() {
    status=0
    for f in $(files '*.c' '*.h'); do
        clang-format "$f" | cmp -s - "$f" || {
            echo "$f: make fmt would change it"
            status=1
        }
    done
    return $status
}

# A header says all that it needs: it compiles alone.
headers() {
    flags=$($MAKE -s --no-print-directory CC=gcc print-runtime)
    status=0
    for h in $(files 'arch/*.h' 'lib/*.h' 'mm/*.h' 'sched/*.h' 'gc/*.h' 'lang/*.h' 'include/rt/*.h' 'include/c/*.h' 'boot/*.h' 'boot/*/*.h' 'tests/test.h'); do
        # The port's parts of other headers belong inside those.
        case $h in arch/*/arch_*.h) continue ;; esac
        # shellcheck disable=SC2086
        echo "#include \"$h\"" | $flags -Wno-unused-function -fsyntax-only -x c - || status=1
    done
    return $status
}

check_shell() {
    # tests/sh/common.inc sets what the scripts there use; shellcheck does not follow it.
    files '*.sh' .ci/run | xargs shellcheck -x --severity=warning --exclude=SC1091,SC2154
}

# cppcheck does not see through our attribute macros: tell it what never returns.
check_cppcheck() {
    {
        echo '<?xml version="1.0"?><def format="2">'
        files '*.h' | xargs grep -hoE '(RT_NORETURN|_Noreturn)( RT_COLD)? void [a-z_]+\(' |
            sed 's/.* \([a-z_]*\)(/<function name="\1"><noreturn>true<\/noreturn><arg nr="variadic"\/><\/function>/' | sort -u
        echo '</def>'
    } >"$tmp/noreturn.cfg"
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability -j 2 \
        --library="$tmp/noreturn.cfg" --suppress=missingIncludeSystem --suppress=nullPointerArithmetic \
        --suppress=syntaxError --suppress=unknownMacro --suppress=internalAstError --suppress=ctunullpointer \
        --suppress=comparePointers --suppress=assignBoolToPointer --suppress=nullPointerRedundantCheck --suppress=va_end_missing --suppress=funcArgOrderDifferent \
        --template='{file}:{line}: {severity}: {message} [{id}]' --template-location='' \
        -DRT_NO_LOCK_ANNOTATIONS -D__x86_64__ -I. -Iarch/"$ARCH" -Iinclude -Iinclude/c \
        arch/"$ARCH" lib mm sched gc lang
}

check_tidy() {
    flags=$($MAKE -s --no-print-directory CC=clang BUILD=debug print-runtime | cut -d ' ' -f 2-)
    # shellcheck disable=SC2086
    files "arch/$ARCH/*.c" 'lib/*.c' 'mm/*.c' 'sched/*.c' 'gc/*.c' 'lang/*.c' |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$@" -- '"$flags"' 2>/dev/null' sh
}

# Stores of collected pointers behind the barrier's back: file by file in the runtime, whole examples (docs/escape.md).
check_barriers() {
    rt=$($MAKE -s --no-print-directory CC=clang print-runtime)
    program=$($MAKE -s --no-print-directory CC=clang print-ir)
    status=0
    for f in $(files "arch/$ARCH/*.c" 'lib/*.c' 'mm/*.c' 'sched/*.c' 'gc/*.c' 'lang/*.c'); do
        $rt -w -O1 -Xclang -disable-llvm-passes -g -S -emit-llvm "$f" -o "$tmp/a.ll" && "$HOST/escape" -b -e "$tmp/a.ll" || status=1
    done
    for e in examples/*/main.c; do
        rm -f "$tmp"/*.ll
        for f in "${e%main.c}"*.c; do
            $program -w "$f" -o "$tmp/$(basename "$f").ll" || status=1
        done
        "$HOST/escape" -b -e "$tmp"/*.ll || status=1
    done
    return $status
}

step "gcc release" gcc build gcc release
step "gcc debug" gcc build gcc debug
step "clang release" clang build clang release
step "clang debug, lock annotations" clang build clang debug TSA=1
step layers cc layers
step headers gcc headers
step layout clang-format layout
step shell shellcheck check_shell
step cppcheck cppcheck check_cppcheck
step clang-tidy clang-tidy check_tidy
step barriers clang check_barriers

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
