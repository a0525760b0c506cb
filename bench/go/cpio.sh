#!/bin/sh
# bench/go/cpio.sh - writes an initial file system (newc cpio) that holds one file, /init, and /dev/console.
#
#     cpio.sh PROGRAM >OUT
set -eu

entry() { # name mode bytes rdev_major rdev_minor
    name_bytes=$((${#1} + 1))
    printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\000' \
        "$ino" "$2" 0 0 1 0 "$3" 0 0 "$4" "$5" "$name_bytes" 0 "$1"
    pad $((110 + name_bytes))
    ino=$((ino + 1))
}
pad() { # to a multiple of four
    case $(($1 % 4)) in
    1) printf '\000\000\000' ;;
    2) printf '\000\000' ;;
    3) printf '\000' ;;
    esac
}
ino=1
bytes=$(wc -c <"$1")
entry dev 16877 0 0 0          # directory, 0755
entry dev/console 8576 0 5 1   # character device, 0600
entry init 33261 "$bytes" 0 0  # file, 0755
cat "$1"
pad "$bytes"
entry 'TRAILER!!!' 0 0 0 0
