#!/bin/sh
# Text on a screen: on one that UEFI set up, read off QEMU's picture of it, letter by letter (tools/monitor.c); in the text mode of a BIOS,
# read from the card's memory.
. tests/sh/common.inc
code=
for f in /usr/share/OVMF/OVMF_CODE.fd /usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/edk2/ovmf/OVMF_CODE.fd /usr/share/edk2/x64/OVMF_CODE.fd; do
    [ -n "$code" ] || [ ! -f "$f" ] || code=$f
done
mkdir -p "$tmp/app"
cat >"$tmp/app/talks.c" <<'C'
#include <rt/rt.h>

int main(void)
{
    for (int i = 1; i <= 300; i++)
        rt_printf("line %d of text\n", i);
    rt_panic("the picture must show this");
}
C
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$tmp"' EXIT

shows() { # command line, text to wait for; then the screen is in $tmp/screen
    "$HOST/mkimage" --set-cmdline "$tmp/image" "$1" || return 1
    rm -f "$tmp/qmp" "$tmp/serial"
    qemu-system-x86_64 -M q35 -cpu max -smp 2 -m 256 -nodefaults -no-user-config -display none -device VGA \
        -drive "if=pflash,unit=0,format=raw,readonly=on,file=$code" \
        -drive "if=pflash,unit=1,format=raw,snapshot=on,file=$(echo "$code" | sed s/CODE/VARS/)" \
        -drive "file=$tmp/image,format=raw,if=none,id=d,snapshot=on" -device ide-hd,drive=d \
        -serial "file:$tmp/serial" -qmp "unix:$tmp/qmp,server=on,wait=off" &
    pid=$!
    for _ in $(seq 50); do
        [ -S "$tmp/qmp" ] && break
        sleep 0.1
    done
    "$HOST/monitor" "$tmp/qmp" wait "$2"
    waited=$?
    "$HOST/monitor" "$tmp/qmp" screen quit >"$tmp/screen"
    wait "$pid"
    pid=
    cat "$tmp/screen"
    return $waited
}
panics() {
    shows "on_panic=halt" 'ingot: exit 2' && grep -q '^panic: the picture must show this' "$tmp/screen" &&
        grep -q '^line 300 of text$' "$tmp/screen" && ! grep -q '^line 1 of text' "$tmp/screen" &&
        ! grep -q 'BdsDxe' "$tmp/screen" && grep -q '^line 1 of text' "$tmp/serial" &&
        [ "$(grep -c '^line [0-9]* of text$' "$tmp/screen")" -gt 20 ]
}
alone() {
    shows "console=fb on_panic=halt" 'ingot: exit 2' && grep -q '^panic: the picture must' "$tmp/screen" &&
        ! grep -q 'line 1 of text' "$tmp/serial"
}
bios() {
    "$HOST/mkimage" --set-cmdline "$tmp/image" "console=fb on_panic=halt" || return 1
    rm -f "$tmp/qmp" "$tmp/serial"
    qemu-system-x86_64 -M pc -m 256 -nodefaults -no-user-config -display none -device VGA \
        -drive "file=$tmp/image,format=raw,if=none,id=d,snapshot=on" -device ide-hd,drive=d \
        -serial "file:$tmp/serial" -qmp "unix:$tmp/qmp,server=on,wait=off" &
    pid=$!
    for _ in $(seq 100); do
        sleep 0.3
        [ ! -S "$tmp/qmp" ] || "$HOST/monitor" "$tmp/qmp" "pmemsave 0xb8000 4000 \"$tmp/cells\"" || continue
        tr -d '\007\000' <"$tmp/cells" 2>/dev/null | fold -w 80 | sed 's/ *$//' >"$tmp/screen"
        ! grep -q '^ingot: exit 2' "$tmp/screen" || break
    done
    "$HOST/monitor" "$tmp/qmp" quit
    wait "$pid"
    pid=
    cat "$tmp/screen"
    grep -q '^panic: the picture must show this' "$tmp/screen" && grep -q '^line 300 of text$' "$tmp/screen" &&
        ! grep -q 'line 300 of text' "$tmp/serial"
}
early() { # before the console is settled
    shows "exit=halt GOGC=abc" 'ingot: exit 1' && grep -q '^boot: command line is bad: GOGC=abc: not a number' "$tmp/screen"
}
ingot -s image APP="$tmp/app/talks.c" IMAGE="$tmp/image" >"$tmp/make.log" 2>&1 || cat "$tmp/make.log"
check "text mode" bios
[ -n "$code" ] || {
    echo "skip UEFI: not installed (package ovmf)"
    summary
    exit
}
check "300 lines and a panic" panics
check "console=fb" alone
check "a start that fails" early
rm -f "$IMAGES/talks.elf"
summary
