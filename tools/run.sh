#!/bin/sh
# tools/run.sh - boots an image in QEMU and ends with the program's own exit status.
#
#     [NAME=value ...] tools/run.sh IMAGE [ARG...]
#
# MACHINE  microvm (default), q35 or pc       CPU      max (default), qemu64, Nehalem, EPYC, ...
# SMP      cores, default 2                   MEM      RAM, default 512M
# ARGS     the program's arguments, in front of ARG...
# ENV      KEY=VALUE words: knobs of the runtime and the program's environment
# MODULE   one file or several that the program finds by rt_module()
# ICOUNT=1 one instruction is one nanosecond; the same run, byte for byte, every time (SEED, default 7)
# TIMEOUT  seconds, then the machine is switched off and the status is 124
# QMP      path of a unix socket to put QEMU's control channel on
# GDB=1    start under gdb, with tools/ingot.gdb; GDB=wait only waits for a gdb on port 1234
# QEMU, QEMU_FLAGS   another binary; more flags
# V=1      show the command
#
# STATUS. The image writes v to the exit device, and QEMU ends with 2v + 1. QEMU itself ends with 1 when it
# can't start, with 0 after a triple fault, and the shell says 128 + n when signal n ended it. So:
#     status 0 to 62      v = status + 1
#     status 63 to 255    v = 0, after a last line "ingot: exit STATUS" on the console
# Also after such a line: QEMU's 0, when the program switched the machine off or reset it (knob exit=).
# arch_exit() is the other end of this. What is not the program's status: 124 time is up, 125 the machine
# died (triple fault, or QEMU failed), 130 interrupted by Ctrl-C.
# TERMINAL. Serial is on stdio, without QEMU's multiplexer, so Ctrl-C ends the run; the terminal's settings
# are put back whatever happens.
set -u

die() {
    echo "run: $*" >&2
    exit 125
}

[ $# -ge 1 ] || die "usage: [NAME=value ...] tools/run.sh IMAGE [ARG...]; see the head of tools/run.sh"
image=$1
shift
[ -f "$image" ] || die "$image: no such image"
qemu=${QEMU:-qemu-system-x86_64}
command -v "$qemu" >/dev/null 2>&1 || die "$qemu not found. Run: make deps"

case ${MACHINE:-microvm} in
microvm) machine=microvm,x-option-roms=off,auto-kernel-cmdline=off,rtc=on,acpi=on,pit=on,pic=on ;;
*) machine=${MACHINE} ;;
esac

# What QEMU would take, and hang or warn.
case ${SMP:-2} in
*[!0-9]* | 0) die "SMP=$SMP: not a number of cores" ;;
esac
mem=${MEM:-512M} mib=
case $mem in
[0-9]*[GgTt]) mib=1024 ;;
[0-9]*[Kk]) mib=$((${mem%?} / 1024)) ;;
[0-9]*[Mm]) mib=${mem%?} ;;
*) mib=$mem ;;
esac
[ "$mib" -ge 2 ] 2>/dev/null ||
    die "MEM=$mem: not an amount of memory that holds an image (2M; 8M is enough to run)"

append="${ENV:-}"
if [ -n "${ARGS:-}" ] || [ $# -gt 0 ]; then
    append="$append --${ARGS:+ $ARGS}${*:+ $*}"
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ingot.XXXXXX") || die "no temporary directory"
log=$tmp/console
tty=
[ ! -t 0 ] || tty=$(stty -g 2>/dev/null)
pid=
feeder=
interrupted=
trap '[ -z "$feeder" ] || kill "$feeder" 2>/dev/null; [ -z "$tty" ] || stty "$tty"; rm -rf "$tmp"' EXIT
trap 'interrupted=130; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null' INT HUP
trap 'interrupted=143; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null' TERM

# QEMU hands over one initrd: a cpio archive of the files (lib/cpio.c; written here, as not everybody has cpio).
pad4() { # what makes $1 bytes a multiple of 4
    case $(($1 % 4)) in
    1) printf '\0\0\0' ;;
    2) printf '\0\0' ;;
    3) printf '\0' ;;
    esac
}
entry() { # name, bytes
    printf '07070100000000%08x00000000000000000000000100000000%08x00000000000000000000000000000000%08x00000000%s\0' \
        "$((0100444))" "$2" "$((${#1} + 1))" "$1"
    pad4 $((110 + ${#1} + 1))
}
modules_pack() { # files
    for file; do
        [ -f "$file" ] || die "MODULE=$file: no such file"
        bytes=$(($(wc -c <"$file")))
        entry "${file##*/}" "$bytes"
        cat "$file"
        pad4 "$bytes"
    done
    entry 'TRAILER!!!' 0
}

set -- -M "$machine" -cpu "${CPU:-max}" -smp "${SMP:-2}" -m "$mem" \
    -nodefaults -no-user-config -no-reboot -display none \
    -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -kernel "$image" -append "$append"
if [ -n "${MODULE:-}" ]; then
    if [ -f "$MODULE" ]; then
        modules_pack "$MODULE" >"$tmp/modules"
    else
        # shellcheck disable=SC2086
        modules_pack $MODULE >"$tmp/modules"
    fi
    set -- "$@" -initrd "$tmp/modules"
fi
if [ -n "${ICOUNT:-}" ] && [ "$ICOUNT" != 0 ]; then
    set -- "$@" -accel tcg -icount shift=0,sleep=off -rtc clock=vm,base=2024-01-01 -seed "${SEED:-7}"
else
    set -- "$@" -accel "${ACCEL:-tcg,thread=multi}"
fi
[ -z "${QMP:-}" ] || set -- "$@" -qmp "unix:$QMP,server=on,wait=off"
case ${GDB:-} in
'' | 0) ;;
wait) set -- "$@" -S -gdb tcp::1234 ;;
*) set -- "$@" -S -gdb "unix:$tmp/gdb,server=on,wait=off" ;;
esac
console="stdio,id=console,mux=off,signal=on"
[ "${GDB:-0}" != 1 ] || console="file,id=console,path=/dev/stderr"
# QEMU_FLAGS is a list of words on purpose.
# shellcheck disable=SC2086
set -- "$qemu" "$@" -chardev "$console,logfile=$log" -serial chardev:console ${QEMU_FLAGS:-}
[ "${V:-}" != 1 ] || echo "$*" >&2

# In the background, so that a signal to this script is handled at once. A background job's stdin is /dev/null before
# its redirections are looked at (in dash), hence a copy.
# The console's input comes by way of cat: the terminal stays as it is, echoes, and lets a line be corrected;
# its end (Ctrl-D, or that of a file) reaches the program as byte 4, which rt_read_line() knows.
exec 3<&0
feed=$tmp/input
mkfifo "$feed" || die "no named pipe in $tmp"
printf '\004' >"$tmp/end"
printf '\000' >"$tmp/begin" # the one byte that the image loses when it sets up the port
if [ "${GDB:-}" = 1 ]; then
    command -v gdb >/dev/null 2>&1 || die "gdb not found. Install it, or attach another debugger: GDB=wait"
    setsid "$@" </dev/null & # its own process group: Ctrl-C is for gdb
    pid=$!
    while [ ! -S "$tmp/gdb" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    trap '' INT
    gdb -q -iex "set auto-load no" -ex "source ${0%/*}/ingot.gdb" -ex "target remote $tmp/gdb" -ex start-main "$image"
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    exit 0
elif [ -n "${TIMEOUT:-}" ]; then
    timeout --foreground "$TIMEOUT" "$@" <"$feed" 3<&- &
    pid=$!
else
    "$@" <"$feed" 3<&- &
    pid=$!
fi
case ${ICOUNT:-0} in
0) cat "$tmp/begin" - "$tmp/end" <&3 >"$feed" 2>/dev/null & ;;
*) : >"$feed" & ;; # no input: it would come at another moment each time
esac
feeder=$!
exec 3<&-
wait "$pid"
code=$?
while kill -0 "$pid" 2>/dev/null; do # a signal ended the wait, not QEMU
    wait "$pid"
    code=$?
done

[ -z "$interrupted" ] || exit "$interrupted"
too_old() { # asked only when something went wrong
    have=$("$qemu" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
    [ -z "$have" ] || [ "$have" -ge 6 ] || die "$qemu is version $have: too old, 6 or newer is needed"
}
said() { # ends with the status that the last line tells, if it is one of at least $1
    status=$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | sed -n 's/.*ingot: exit \([0-9]\{1,3\}\)$/\1/p')
    [ -z "$status" ] || [ "$status" -lt "$1" ] || [ "$status" -gt 255 ] || exit "$status"
}
case $code in
0)
    said 0
    too_old
    [ -s "$log" ] || die "the machine stopped before it said a word: too little memory (MEM=8M is enough)?"
    die "the machine was reset or switched off: most likely a triple fault"
    ;;
1)
    said 63
    too_old
    die "QEMU failed"
    ;;
124)
    echo "run: no end after $TIMEOUT s" >&2
    exit 124
    ;;
esac
[ "$code" -lt 128 ] || die "QEMU was ended by signal $((code - 128))"
[ $((code % 2)) = 1 ] || die "QEMU ended with $code"
exit $((code / 2 - 1))
