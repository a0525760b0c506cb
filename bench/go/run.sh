#!/bin/sh
# bench/go/run.sh - the benchmarks here and in Go, in the same QEMU, side by side: docs/performance.md.
#
#     HOST=build/host O=build bench/go/run.sh BENCH.elf HELLO.elf
#
# GO       a Go toolchain's go command, 1.22 or newer; else the one that fetch.sh gets
# KERNEL   a Linux kernel with a serial console and an initial file system; else the one that fetch.sh gets
# WHAT     instr, time or pictures: only that part; else all
# SMP      cores of the runs that measure time, default 2
# SHORT=1  a short run, for trying this out; the document stays as it is
#
# The Go program is process 1 of a Linux that runs nothing else. Both sides get the same machine, cpu, memory and
# accelerator flags. First on one core under instruction counting, then in time.
set -eu

bench=$1
hello=$2
here=$(dirname "$0")
mkdir -p "$O/go" "$O/log"
dir=$(cd "$O/go" && pwd)

if [ -z "${GO:-}" ] || [ -z "${KERNEL:-}" ]; then
    status=0
    "$here/fetch.sh" "$dir" || status=$?
    [ $status != 3 ] || {
        echo "bench-go: skipped"
        exit 0
    }
    [ $status = 0 ] || exit $status
fi
last() { # of the names that a pattern gave
    for name in "$@"; do :; done
    echo "$name"
}
go=${GO:-$(last "$dir"/root/usr/lib/go-*/bin/go)}
kernel=${KERNEL:-$(last "$dir"/root/boot/vmlinuz-*)}
if [ -z "${GO:-}" ]; then # unpacked, not installed: it has to be told where it is
    GOROOT=$(cd "$(dirname "$go")/.." && pwd)
    export GOROOT
fi

(cd "$here" && CGO_ENABLED=0 GOCACHE="$dir/cache" GOPATH="$dir/path" GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=mod \
    "$go" build -o "$dir/init" .) || {
    echo "bench-go: $go can't build bench/go (1.22 or newer is needed); skipped"
    exit 0
}
"$here/cpio.sh" "$dir/init" >"$dir/initrd"

qemu=${QEMU:-qemu-system-x86_64}
machine="-M q35 -cpu max -m 1G -nodefaults -no-user-config -no-reboot -display none"
counting="-accel tcg -icount shift=0,sleep=off -rtc clock=vm,base=2024-01-01 -seed 7"
timing="-accel tcg,thread=multi"
smp=${SMP:-2}

linux() { # cores, flags, arguments of the program, output
    # Flags are lists of words on purpose.
    # shellcheck disable=SC2086
    timeout 1800 $qemu $machine -smp "$1" $2 -kernel "$kernel" -initrd "$dir/initrd" -serial stdio \
        -append "console=ttyS0 quiet loglevel=1 tsc=reliable panic=-1 reboot=t mitigations=off bench.args=$3" \
        </dev/null | tr -d '\r' >"$4" || true
    tail -n 3 "$4" | grep -q '^# end' || {
        echo "bench-go: the Go program did not get to its end; see $4" >&2
        exit 1
    }
}
ingot() { # cores, ICOUNT, arguments, output
    # shellcheck disable=SC2086
    MACHINE=q35 CPU=max MEM=1G SMP=$1 ICOUNT=$2 SEED=7 TIMEOUT=1800 ENV='' ARGS='' MODULE='' \
        "$here/../../tools/run.sh" "$bench" $3 </dev/null >"$4"
}

if [ "${SHORT:-}" = 1 ]; then
    go_args=,-short ingot_args=--short
else
    go_args='' ingot_args=''
fi
log=$O/log/bench-go

heading() {
    echo "Made by \`make bench-go\` on $(date -u +%Y-%m-%d) at commit $(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo '?') with" \
        "$($qemu --version | sed -n '1s/QEMU emulator version/QEMU/p'), $("$go" version | cut -d' ' -f3)," \
        "$(basename "$kernel"), ${CC_IS:-gcc}, on $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
        "(load at the end: $(cut -d' ' -f1 /proc/loadavg)). Flags of both: \`$machine $1\`."
    echo
}
insert() { # part: the table between its marks in the document
    cat "$log-$1.md"
    [ "${SHORT:-}" != 1 ] || return 0
    doc=$here/../../docs/performance.md
    awk -v part="$1" -v table="$log-$1.md" '
        $0 == "<!-- bench-go " part ": end -->" { skip = 0 }
        !skip { print }
        $0 == "<!-- bench-go " part ": begin -->" {
            print ""; while ((getline line < table) > 0) print line; print ""; skip = 1
        }' "$doc" >"$log.doc"
    cp "$log.doc" "$doc"
}

case ${WHAT:-all} in
all | instr)
    echo "bench-go: instructions, 1 core" >&2
    ingot 1 1 "--icount --count 1 $ingot_args" "$log-ingot-instr.txt"
    "$here/../image.sh" "$hello" >>"$log-ingot-instr.txt"
    linux 1 "$counting" "-icount,-count=1$go_args" "$log-go-instr.txt"
    echo "BenchmarkImageSize 1 $(wc -c <"$dir/init") B" >>"$log-go-instr.txt"
    {
        heading "-smp 1 $counting"
        "$HOST/benchcompare" -t "$here/../goals-instr.txt" "$log-ingot-instr.txt" "$log-go-instr.txt"
    } >"$log-instr.md"
    insert instr
    ;;
esac
case ${WHAT:-all} in
all | time)
    echo "bench-go: time, $smp cores" >&2
    ingot "$smp" '' "$ingot_args" "$log-ingot-time.txt"
    "$HOST/benchboot" "$hello" >>"$log-ingot-time.txt"
    linux "$smp" "$timing" "-time$go_args" "$log-go-time.txt"
    {
        heading "-smp $smp $timing"
        "$HOST/benchcompare" -t "$here/../goals-time.txt" "$log-ingot-time.txt" "$log-go-time.txt"
    } >"$log-time.md"
    insert time
    ;;
esac
case ${WHAT:-all} in
all | pictures)
    echo "bench-go: the single stops and gaps, $smp cores" >&2
    ingot "$smp" '' "StopGC StopGCLive64M StopGCParked10k Gap --count 1 --series" "$log-ingot-series.txt"
    linux "$smp" "$timing" "-time,-count=1,-series,StopGC,StopGCLive64M,StopGCParked10k,Gap" "$log-go-series.txt"
    for picture in stops gaps; do
        "$HOST/benchsvg" $picture "Ingot=$log-ingot-series.txt" "Go=$log-go-series.txt" >"$log-$picture.svg"
        [ "${SHORT:-}" = 1 ] || cp "$log-$picture.svg" "$here/../../docs/$picture.svg"
    done
    ;;
esac
