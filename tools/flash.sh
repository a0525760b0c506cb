#!/bin/sh
# tools/flash.sh - writes a flashable image to a USB stick or another disk, and reads it back.
#
#     tools/flash.sh IMAGE DEVICE
#
# FORCE=1  also a disk that is not removable        YES=1  don't ask
#
# A disk that holds the running system must not be lost to a typing error: refused are what is no whole disk
# (a partition, a missing path), anything mounted or otherwise in use from it, a disk too small, and, unless
# forced, a disk that the kernel does not call removable or USB. Then model and size are shown and the answer
# has to be "yes". A plain file may be the device: for tests, and for virtual machines.
# Linux; elsewhere the command to use is printed instead.
set -u

die() {
    echo "flash: $*" >&2
    exit 1
}

[ $# = 2 ] || die "usage: [FORCE=1] [YES=1] tools/flash.sh IMAGE DEVICE, or make flash DEV=/dev/sdX APP=..."
image=$1
device=$2
: "${SYS:=/sys}" "${MOUNTS:=/proc/self/mountinfo}" "${SWAPS:=/proc/swaps}" # tests have their own

[ -n "$device" ] || die "to which disk? make flash DEV=/dev/sdX"
[ -f "$image" ] || die "$image: no such image"
bytes=$(($(wc -c <"$image")))
[ "$bytes" -gt 0 ] || die "$image: is empty"
[ "$(uname -s)" = Linux ] || die "only for Linux; here it is: dd if=$image of=$device bs=1m"
[ -e "$device" ] || die "$device: no such device"
device=$(readlink -f "$device")
name=${device##*/}

in_use() { # name of a disk or partition. Mounts are known by number, or, with btrfs, by path only.
    awk -v dev="$(cat "$SYS/class/block/$1/dev" 2>/dev/null)" -v path="/dev/$1" '
        { for (i = 7; i < NF && $i != "-"; i++); }
        $3 == dev || $(i + 2) == path { print path " is mounted on " $5 "; " }' "$MOUNTS"
    awk -v path="/dev/$1" '$1 == path { print path " is used for swapping; " }' "$SWAPS"
    for holder in "$SYS/class/block/$1/holders"/*; do
        [ ! -e "$holder" ] || echo "/dev/$1 is part of ${holder##*/}; "
    done
}

if [ -f "$device" ]; then
    about="a plain file"
    size=$(($(wc -c <"$device")))
    [ "$size" = 0 ] || [ "$size" -ge "$bytes" ] || die "$device: has $size bytes; the image needs $bytes"
else
    [ -b "$device" ] || die "$device: is no disk"
    block=$SYS/class/block/$name
    [ ! -e "$block/partition" ] || die "$device: is a partition; give the whole disk"
    [ -e "$block/size" ] || die "$device: the kernel knows no such disk"
    used=
    for part in "$block" "$block/$name"*; do
        used=$used$(in_use "${part##*/}")
    done
    [ -z "$used" ] || die "$device: is in use: $used"
    size=$(($(cat "$block/size") * 512))
    [ "$size" -ge "$bytes" ] || die "$device: has $size bytes; the image needs $bytes"
    model=$(cat "$block/device/vendor" "$block/device/model" 2>/dev/null | tr -s ' \n' ' ')
    about="${model:-no model}, $((size / 1000000)) MB"
    removable=$(cat "$block/removable" 2>/dev/null)
    case $(readlink -f "$block/device" 2>/dev/null) in
    */usb* | */mmc*) removable=1 ;;
    esac
    [ "$removable" = 1 ] || [ "${FORCE:-}" = 1 ] ||
        die "$device ($about): is not removable; if it is the right one all the same: FORCE=1"
fi

echo "flash: $image ($bytes bytes) goes to $device: $about. What is there now will be lost."
if [ "${YES:-}" != 1 ]; then
    printf 'flash: type yes to go on: '
    read -r answer || answer=
    [ "$answer" = yes ] || die "nothing was written"
fi

[ -w "$device" ] || die "$device: you may not write there; try sudo"
progress=
! dd --help 2>/dev/null | grep -q status=progress || progress=status=progress
# conv=notrunc: a file keeps its size; fsync: what dd reports as written is on the medium.
# shellcheck disable=SC2086
dd if="$image" of="$device" bs=4M conv=notrunc,fsync $progress || die "$device: writing failed"
[ -f "$device" ] || blockdev --flushbufs "$device" 2>/dev/null # so that the medium is read, not memory
echo "flash: reading back"
head -c "$bytes" "$device" | cmp -s - "$image" || die "$device: what was read back differs from what was written: a bad medium"
echo "flash: done; the copy is exact"
