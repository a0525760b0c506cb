#!/bin/sh
# The flashable image as its user meets it: built, booted by BIOS and (if OVMF is here) by UEFI, given another
# command line, refused with a clear line. `make test-boot` is the long form.
. tests/sh/common.inc

export HOST
img=$tmp/hello.img
set_and_boot() {
    "$HOST/mkimage" --set-cmdline "$img" "-- board" || return 1
    qemu-system-x86_64 -M pc -m 64 -nodefaults -display none -no-reboot -serial "file:$tmp/serial" \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -drive "file=$img,format=raw,snapshot=on"
    [ $? = 3 ] && cat "$tmp/serial" && grep -q '^hello, board' "$tmp/serial"
}
same_twice() {
    ingot -s image APP=examples/hello IMAGE="$tmp/again.img" && cmp "$img" "$tmp/again.img"
}

check "make image" ingot -s image APP=examples/hello IMAGE="$img"
check "the same bytes each time" same_twice
tools/testboot.sh --short "$tmp" 2>&1 | while read -r line; do # line by line: silence would end the job
    case $line in
    *' passed, '*) ;;
    *) echo "$line" | tee -a "$tmp/boots" ;;
    esac
done
passed=$((passed + $(grep -c '^ok' "$tmp/boots")))
failed=$((failed + $(grep -c '^FAIL' "$tmp/boots")))
check "something booted" grep -q '^ok .*: hello' "$tmp/boots"
check "another command line" set_and_boot
check "no such module" says 2 'mkimage: /no/module: No such file or directory' \
    ingot image APP=examples/hello IMAGE="$tmp/bad.img" MODULE=/no/module
check "no image after an error" test ! -e "$tmp/bad.img"
summary
