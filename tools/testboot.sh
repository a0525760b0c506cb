#!/bin/sh
# tools/testboot.sh - boots the flashable images on independent machines and judges what they print.
#
#     tools/testboot.sh DIR            wordcount.img and tests.img of DIR, everywhere; then damaged copies
#     tools/testboot.sh --short DIR    hello.img of DIR: SeaBIOS, and OVMF if it is installed
#
# HOST     where mkimage is          ONLY   run only the checks whose name matches this pattern (grep -E)
# SECONDS_MAX   for one boot (default 300; Bochs with 4 cpus takes 80 on a busy host)
#
# Machines: SeaBIOS (QEMU's own) from IDE, AHCI, USB, virtio, NVMe; OVMF from AHCI, USB, virtio, NVMe; GRUB as
# an EFI program that chain-loads ours; the Bochs BIOS with 1 and 4 cpus. What is not installed is
# skipped, with a line. The image is never written to: QEMU gets a snapshot, Bochs a copy.
#
# DAMAGE. One sector of each kind is overwritten in a copy. Then a line must say so, or the program must run all
# the same, by BIOS and, for what UEFI firmware leaves to us, by UEFI. Silence is a failure.
set -u

short=
if [ "${1:-}" = --short ]; then
    short=1
    shift
fi
dir=${1:?usage: tools/testboot.sh [--short] DIR}
HOST=${HOST:-build/host}
: "${SECONDS_MAX:=300}" "${ONLY:=}"
passed=0
failed=0
tmp=$(mktemp -d)
pid=
stop() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    rm -rf "$tmp"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP
log=$tmp/log

have() {
    command -v "$1" >/dev/null 2>&1
}

wanted() { # name
    [ -z "$ONLY" ] || echo "$1" | grep -Eq -- "$ONLY"
}

# ---- Machines: each starts in the background, console in $log -------------------------------------------------

first_of() { # the first file that exists
    for f; do
        if [ -f "$f" ]; then
            echo "$f"
            return
        fi
    done
}
ovmf_code=$(first_of /usr/share/OVMF/OVMF_CODE.fd /usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/edk2/ovmf/OVMF_CODE.fd \
    /usr/share/edk2/x64/OVMF_CODE.fd)
ovmf_vars=$(first_of "$(echo "$ovmf_code" | sed s/CODE/VARS/)")
: "${OVMF_CODE:=$ovmf_code}" "${OVMF_VARS:=$ovmf_vars}"

disk() { # IDE AHCI USB USB2 virtio NVMe: QEMU's words for a machine with the drive "d" there
    case $1 in
    IDE) echo "-M pc -device ide-hd,drive=d" ;;
    AHCI) echo "-M q35 -device ide-hd,drive=d" ;;
    USB) echo "-M q35 -device qemu-xhci -device usb-storage,drive=d" ;;
    USB2) echo "-M pc -device usb-ehci -device usb-storage,drive=d" ;;
    virtio) echo "-M q35 -device virtio-blk-pci,drive=d" ;;
    NVMe) echo "-M q35 -device nvme,drive=d,serial=ingot" ;;
    esac
}

qemu() { # image, QEMU's words...
    image=$1
    shift
    qemu-system-x86_64 -m 256 -smp 2 -nodefaults -no-user-config -display none -no-reboot \
        -serial "file:$log" -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -drive "file=$image,format=raw,if=none,id=d,snapshot=on" "$@" >"$tmp/qemu.log" 2>&1 &
    pid=$!
}

SeaBIOS() { # image, bus
    # shellcheck disable=SC2046
    qemu "$1" $(disk "$2") -device VGA
}

OVMF() { # image, bus
    # shellcheck disable=SC2046
    qemu "$1" $(disk "$2") -drive "if=pflash,unit=0,format=raw,readonly=on,file=$OVMF_CODE" \
        -drive "if=pflash,unit=1,format=raw,snapshot=on,file=$OVMF_VARS" \
        $([ "$2" != AHCI ] || echo "-device VGA") # with a screen, and without
}

GRUB() { # image, bus
    mkdir -p "$tmp/grub/EFI/BOOT"
    printf '%s\n' 'search --no-floppy --set=root --file /INGOT/MANIFEST.BIN' 'chainloader /EFI/BOOT/BOOTX64.EFI' boot \
        >"$tmp/grub.cfg"
    grub-mkimage -O x86_64-efi -p /grub -c "$tmp/grub.cfg" -o "$tmp/grub/EFI/BOOT/BOOTX64.EFI" \
        part_gpt part_msdos fat search search_fs_file chain boot || return
    # Both have a boot index, or the firmware would not look at the other disk at all.
    # shellcheck disable=SC2046
    qemu "$1" $(disk "$2"),bootindex=1 -drive "if=pflash,unit=0,format=raw,readonly=on,file=$OVMF_CODE" \
        -drive "if=pflash,unit=1,format=raw,snapshot=on,file=$OVMF_VARS" \
        -drive "file=fat:rw:$tmp/grub,format=raw,if=none,id=g" -device ide-hd,bus=ide.1,drive=g,bootindex=0
}

Bochs() { # image, cpus
    cp "$1" "$tmp/bochs.img"
    rm -f "$tmp/bochs.img.lock"
    cat >"$tmp/bochsrc" <<END
config_interface: textconfig
display_library: rfb, options="timeout=0"
sound: driver=dummy
memory: guest=256, host=256
romimage: file=$bochs_share/BIOS-bochs-latest
vgaromimage: file=$bochs_share/VGABIOS-lgpl-latest
cpu: model=corei7_haswell_4770, count=$2, ips=50000000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=$tmp/bochs.img, mode=flat
boot: disk
com1: enabled=1, mode=file, dev=$log
log: $tmp/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
clock: sync=none
END
    echo c >"$tmp/bochs.go" # it is built with its debugger: "continue"
    bochs -q -f "$tmp/bochsrc" -rc "$tmp/bochs.go" >"$tmp/qemu.log" 2>&1 </dev/null &
    pid=$!
}
bochs_share=$(first_of /usr/share/bochs/BIOS-bochs-latest /usr/local/share/bochs/BIOS-bochs-latest)
bochs_share=${bochs_share%/*}

# ---- Judging ----------------------------------------------------------------------------------------------------

clean() { # without what firmware writes to colour and place its text
    tr -d '\r\000' <"$log" | sed 's/\x1b\[[0-9;=]*[A-Za-z]//g'
}

# Wait for the machine's end, or for a line after which nothing comes.
await() { # pattern
    status=
    end=$(($(date +%s) + SECONDS_MAX))
    while [ "$(date +%s)" -lt "$end" ]; do
        if ! kill -0 "$pid" 2>/dev/null; then
            wait "$pid"
            status=$?
            pid=
            return
        fi
        clean 2>/dev/null | grep -Eq -- "$1" && break
        sleep 0.2
    done
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    pid=
}

judge() { # name, pattern that the console must have, 1 if a status is wanted
    if clean | grep -Eq -- "$2" && { [ -z "$3" ] || [ "$status" = 3 ] || clean | grep -q '^ingot: exit 0$'; }; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1: no line like \"$2\"${3:+, or not status 0} (machine's status ${status:-none: it did not end})"
        clean | tail -n 15 | sed 's/^/     | /'
        tail -n 3 "$tmp/qemu.log" | sed 's/^/     | /'
    fi
}

# A healthy image must give what it always gives.
boots() { # machine, where, program
    name="$1 $2: $3"
    wanted "$name" || return 0
    case $3 in
    hello) line='^hello, world' ;;
    wordcount) line='^99931 words, 4206 different' ;;
    tests) line='^[1-9][0-9]* passed, 0 failed$' ;;
    esac
    : >"$log"
    "$1" "$dir/$3.img" "$2"
    await '^ingot: exit|; stopped'
    judge "$name" "$line" 1
}

# A damaged one must say what is wrong, or run.
damaged() { # machine, where, what, first sector, sectors, pattern, byte to fill with
    name="$1 $2: damaged $3"
    wanted "$name" || return 0
    cp "$dir/wordcount.img" "$tmp/damaged.img"
    head -c $(($5 * 512)) /dev/zero | tr '\000' "${7:-\245}" |
        dd of="$tmp/damaged.img" bs=512 seek="$4" conv=notrunc 2>/dev/null
    : >"$log"
    "$1" "$tmp/damaged.img" "$2"
    await "^ingot: exit|$6"
    judge "$name" "$6" ''
}

# CMDLINE.TXT as an editor on another system leaves it.
edited() { # machine, where
    name="$1 $2: CMDLINE.TXT edited"
    wanted "$name" || return 0
    cp "$dir/wordcount.img" "$tmp/edited.img"
    printf '\357\273\277# mine\r\n-- 3\r\n' | mcopy -o -i "$tmp/edited.img@@1M" - ::CMDLINE.TXT || return
    : >"$log"
    "$1" "$tmp/edited.img" "$2"
    await '^ingot: exit|; stopped'
    judge "$name, said" '^loader: CMDLINE.TXT was edited; the command line is: -- 3$' 1
    judge "$name, obeyed" '^ *4182 and$' 1
}

sector_of() { # file in the image
    "$HOST/mkimage" --list "$dir/wordcount.img" | awk -v f="$1" '$1 == f { print $3 }'
}

valid() {
    for img; do
        what=$(basename "$img")
        if have sgdisk; then
            judge_command "sgdisk: $what" sgdisk_likes "$img"
        else
            echo "skip sgdisk: not installed"
        fi
        if have fsck.vfat; then
            judge_command "fsck.vfat: $what" fsck_likes "$img"
        else
            echo "skip fsck.vfat: not installed"
        fi
        judge_command "mkimage --list: $what" "$HOST/mkimage" --list "$img"
    done
}
sgdisk_likes() {
    sgdisk -v "$1" >"$tmp/sgdisk" 2>&1
    cat "$tmp/sgdisk"
    grep -q '^No problems found' "$tmp/sgdisk"
}
fsck_likes() {
    dd if="$1" of="$tmp/esp" bs=512 skip=2048 count=$(($(wc -c <"$1") / 512 - 2048 - 40)) 2>/dev/null
    fsck.vfat -n "$tmp/esp"
}
judge_command() { # name command...
    name=$1
    shift
    wanted "$name" || return 0
    if "$@" >"$tmp/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        sed 's/^/     | /' "$tmp/out"
    fi
}

ends() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}

# ---- What is run ------------------------------------------------------------------------------------------------

no_ovmf=
[ -n "$OVMF_CODE" ] && [ -n "$OVMF_VARS" ] || no_ovmf="not installed (package ovmf)"

if [ -n "$short" ]; then
    valid "$dir/hello.img"
    boots SeaBIOS IDE hello
    [ -n "$no_ovmf" ] || boots OVMF AHCI hello
    [ -z "$no_ovmf" ] || echo "skip OVMF: $no_ovmf"
    ends
fi

valid "$dir/wordcount.img" "$dir/tests.img"
for program in wordcount tests; do
    for bus in IDE AHCI USB USB2 virtio NVMe; do
        boots SeaBIOS $bus $program
    done
    if [ -n "$no_ovmf" ]; then
        echo "skip OVMF, GRUB: $no_ovmf"
    else
        for bus in AHCI USB virtio NVMe; do
            boots OVMF $bus $program
        done
        if have grub-mkimage && [ -d /usr/lib/grub/x86_64-efi ]; then
            boots GRUB AHCI $program
        else
            echo "skip GRUB: not installed (package grub-efi-amd64-bin)"
        fi
    fi
    if have bochs && [ -n "$bochs_share" ]; then
        boots Bochs 1 $program
        boots Bochs 4 $program
    else
        echo "skip Bochs: not installed (packages bochs bochsbios vgabios)"
    fi
done

if have mcopy; then
    edited SeaBIOS IDE
    [ -n "$no_ovmf" ] || edited OVMF AHCI
else
    echo "skip editing CMDLINE.TXT: not installed (package mtools)"
fi

last=$(($(wc -c <"$dir/wordcount.img") / 512 - 1))
kernel=$(sector_of INGOT/KERNEL.BIN)
runs='^99931 words, 4206 different'
damaged SeaBIOS IDE "second stage" 40 1 '^loader: the second stage is corrupted; stopped'
damaged SeaBIOS IDE "partition table" 1 1 "^loader: the partition table at sector 1 is not there; trying its copy"
damaged SeaBIOS IDE "partition table, which runs from the copy" 1 1 "$runs"
damaged SeaBIOS IDE "partition entries" 2 1 '^loader: the partition table at sector 1 has corrupted entries; trying'
damaged SeaBIOS IDE "file system's first sector" 2048 1 'loader: the boot partition at sector 0x800 holds no FAT32 file system; stopped'
damaged SeaBIOS IDE "file allocation table" 2080 40 'loader: the file allocation table is corrupted: .*; stopped'
damaged SeaBIOS IDE "manifest" "$(sector_of INGOT/MANIFEST.BIN)" 1 'loader: INGOT/MANIFEST.BIN is corrupted; stopped'
damaged SeaBIOS IDE "kernel" $((kernel + 7)) 1 'loader: INGOT/KERNEL.BIN is corrupted: .*; stopped'
damaged SeaBIOS IDE "kernel, one byte" $((kernel + 9)) 1 'loader: INGOT/KERNEL.BIN is corrupted: .*; stopped' '\000'
damaged SeaBIOS IDE "module" "$(sector_of INGOT/MODULE00.BIN)" 1 'loader: INGOT/MODULE00.BIN is corrupted: .*; stopped'
damaged SeaBIOS IDE "command line" "$(sector_of CMDLINE.TXT)" 1 'loader: CMDLINE.TXT is no plain text; .*; stopped' '\000'
damaged SeaBIOS IDE "copy of the partition table, which runs" "$last" 1 "$runs"
if [ -z "$no_ovmf" ]; then
    damaged OVMF AHCI "partition table, which runs from the copy" 1 1 "$runs"
    damaged OVMF AHCI "UEFI loader" "$(($(sector_of EFI/BOOT/BOOTX64.EFI) + 19))" 1 'loader: EFI/BOOT/BOOTX64.EFI is corrupted; stopped'
    damaged OVMF AHCI "UEFI loader's head" "$(sector_of EFI/BOOT/BOOTX64.EFI)" 1 '^BdsDxe: failed to load'
    damaged OVMF AHCI "manifest" "$(sector_of INGOT/MANIFEST.BIN)" 1 'loader: INGOT/MANIFEST.BIN is corrupted; stopped'
    damaged OVMF AHCI "kernel" $((kernel + 7)) 1 'loader: INGOT/KERNEL.BIN is corrupted: .*; stopped'
    damaged OVMF AHCI "module" "$(sector_of INGOT/MODULE00.BIN)" 1 'loader: INGOT/MODULE00.BIN is corrupted: .*; stopped'
    damaged OVMF AHCI "command line" "$(sector_of CMDLINE.TXT)" 1 'loader: CMDLINE.TXT is no plain text; .*; stopped' '\000'
    damaged OVMF AHCI "file allocation table" 2080 40 '^BdsDxe: failed to load|loader: .*; stopped'
fi
ends
