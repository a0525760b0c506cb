#!/bin/sh
# tools/link.sh - makes one image: link, symbol table, second link, pointer maps, checks.
#
#     [V=1] LINK="cc flags" ASSEMBLE="cc flags -c" SYMTAB= GCMAP= IMAGECHECK= WHAT=app link.sh IMAGE OBJECT...
#
# SYMTAB, GCMAP and IMAGECHECK are host programs; an empty one is left out. The image appears under its
# name only when all of it is done. A program without main(), or with two, is told so in plain words.
set -eu

image=$1
shift
work=$image.tmp
mkdir -p "$work"

# What a tool says on stdout is of interest only to somebody who asks.
run() {
    if [ "${V:-}" = 1 ]; then
        printf '%s\n' "$*" >&2
        "$@"
    else
        "$@" >"$work/says" || {
            status=$?
            cat "$work/says" >&2
            return $status
        }
    fi
}

link() { # output object...
    out=$1
    shift
    # LINK is a list of words on purpose.
    # shellcheck disable=SC2086
    if ! run $LINK -o "$out" "$@" 2>"$work/errors"; then
        cat "$work/errors" >&2
        if grep -Eq "undefined (reference to|symbol:) .?main" "$work/errors"; then
            echo "$WHAT: there is no main(): a program needs one function \`int main(void)\`" >&2
        elif grep -Eq "(multiple definition of|duplicate symbol:) .?main" "$work/errors"; then
            echo "$WHAT: there are two functions main(): its files are linked into one program" >&2
        fi
        exit 1
    fi
    cat "$work/errors" >&2
}

# The program's name, for argv[0]: lang/start.c knows it as image_name.
name=$(basename "$image" .elf)
cat >"$work/name.S" <<EOS
    .section .rodata.image_name, "a"
    .globl image_name
image_name:
    .asciz "$name"
    .section .note.GNU-stack, "", @progbits
EOS
# shellcheck disable=SC2086
run $ASSEMBLE "$work/name.S" -o "$work/name.o"
set -- "$@" "$work/name.o"

if [ -n "${SYMTAB:-}" ]; then
    link "$work/first.elf" "$@"
    run "$SYMTAB" --root "$PWD" -S -o "$work/symtab.S" "$work/first.elf"
    # shellcheck disable=SC2086
    run $ASSEMBLE "$work/symtab.S" -o "$work/symtab.o"
    set -- "$@" "$work/symtab.o"
    if [ -n "${GCMAP:-}" ]; then # room for the bitmaps of large types, behind the code: no function moves
        run "$GCMAP" --pool "$work/typemaps.S" "$work/first.elf"
        # shellcheck disable=SC2086
        run $ASSEMBLE "$work/typemaps.S" -o "$work/typemaps.o"
        set -- "$@" "$work/typemaps.o"
    fi
fi
link "$work/image.elf" "$@"
[ -z "${SYMTAB:-}" ] || run "$SYMTAB" --root "$PWD" --verify "$work/image.elf"
[ -z "${GCMAP:-}" ] || run "$GCMAP" "$work/image.elf"
[ -z "${IMAGECHECK:-}" ] || run "$IMAGECHECK" "$work/image.elf"
mv "$work/image.elf" "$image"
rm -rf "$work"
