#!/bin/sh
# tools/flash.sh: what it refuses, that it asks, and that it notices a bad medium. Disks are only ever refused here:
# the kernel's description of them is made up, nothing answers "yes", and only plain files are written to.
. tests/sh/common.inc

image=$tmp/image
yes "an image" | head -c 1000000 >"$image"
flash() {
    tools/flash.sh "$image" "$@"
}
answered() { # answer, file
    echo "$1" | flash "$2"
}

printf 'old' >"$tmp/disk"
head -c 2000000 /dev/zero >>"$tmp/disk"
cp "$tmp/disk" "$tmp/before"
check "no answer, nothing written" says 1 'flash: nothing was written' flash "$tmp/disk"
check "another answer" says 1 'flash: nothing was written' answered y "$tmp/disk"
check "the file is as it was" cmp "$tmp/disk" "$tmp/before"
check "yes" says 0 'flash: done; the copy is exact' answered yes "$tmp/disk"
check "the copy is one" cmp -n 1000000 "$tmp/disk" "$image"
check "what lies behind it stays" cmp -i 1000000 "$tmp/disk" "$tmp/before"
mkdir "$tmp/bin"
cat >"$tmp/bin/dd" <<END
#!/bin/sh
for word; do case \$word in of=*) to=\${word#of=} ;; esac; done
"$(command -v dd)" "\$@"
printf x | "$(command -v dd)" of="\$to" bs=1 seek=777777 conv=notrunc 2>/dev/null
END
chmod +x "$tmp/bin/dd"
bad_medium() {
    echo yes | PATH="$tmp/bin:$PATH" flash "$tmp/disk"
}
check "a bad medium" says 1 'flash: .*read back differs.*a bad medium' bad_medium
head -c 5000 /dev/zero >"$tmp/small"
check "too small" says 1 'has 5000 bytes; the image needs 1000000' flash "$tmp/small"
check "not there" says 1 'no such device' flash "$tmp/none"
check "no image" says 1 'no such image' tools/flash.sh "$tmp/none" "$tmp/disk"
check "no disk" says 1 'is no disk' flash /dev/null

disk=$(find /dev -maxdepth 1 -type b 2>/dev/null | sort | head -n 1)
if [ "$(uname -s)" != Linux ] || [ -z "$disk" ]; then
    echo "skip disks: there is none to name here"
    summary
    exit
fi
disk_name=${disk##*/}
export SYS="$tmp/sys" MOUNTS="$tmp/mounts" SWAPS="$tmp/swaps"
block=$SYS/class/block/$disk_name
fresh() { # a removable disk of 2 MB with one partition, not in use
    rm -rf "$SYS"
    mkdir -p "$block/device" "$block/${disk_name}1" "$SYS/class/block/${disk_name}1/holders"
    echo 4000 >"$block/size"
    echo 8:16 >"$block/dev"
    echo 8:17 >"$SYS/class/block/${disk_name}1/dev"
    echo 1 >"$block/removable"
    echo 'Acme   ' >"$block/device/vendor"
    echo 'Stick 3000' >"$block/device/model"
    echo '22 1 8:1 / / rw - ext4 /dev/other rw' >"$MOUNTS"
    echo 'Filename Type' >"$SWAPS"
}
fresh
check "shows what it is, and asks" says 1 'goes to .*: Acme Stick 3000 , 2 MB' flash "$disk"
echo 10 >"$block/size"
check "a small disk" says 1 'has 5120 bytes' flash "$disk"
fresh
: >"$block/partition"
check "a partition" says 1 'is a partition; give the whole disk' flash "$disk"
fresh
echo '23 1 8:17 / /home rw - ext4 /dev/root rw' >>"$MOUNTS"
check "mounted, by number" says 1 "is in use: /dev/${disk_name}1 is mounted on /home" flash "$disk"
fresh
echo "23 1 0:40 / /data rw shared:1 - btrfs /dev/${disk_name}1 rw" >>"$MOUNTS"
check "mounted, by path" says 1 "is in use: /dev/${disk_name}1 is mounted on /data" flash "$disk"
fresh
echo "/dev/${disk_name}1 partition 1 0 -2" >>"$SWAPS"
check "used for swapping" says 1 'is used for swapping' flash "$disk"
fresh
mkdir -p "$SYS/class/block/${disk_name}1/holders/dm-0"
check "part of a volume" says 1 'is part of dm-0' flash "$disk"
fresh
echo 0 >"$block/removable"
check "not removable" says 1 'is not removable.*FORCE=1' flash "$disk"
FORCE=1 check "not removable, forced: asks" says 1 'flash: nothing was written' flash "$disk"
rmdir "$block/device" 2>/dev/null || rm -r "$block/device"
mkdir -p "$SYS/devices/pci/usb1/target"
ln -s "$SYS/devices/pci/usb1/target" "$block/device"
check "a disk by USB: asks" says 1 'flash: nothing was written' flash "$disk"
summary
