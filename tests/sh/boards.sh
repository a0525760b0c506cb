#!/bin/sh
# What a board needs beyond a program that runs: which port text goes to, ways to switch off and to restart, the last
# report after that. QEMU's machines stand in for boards; docs/boards.md says what has been seen where.
. tests/sh/common.inc
hello=$IMAGES/hello.elf
mkdir -p "$tmp/app"
cat >"$tmp/app/dies.c" <<'C'
#include <rt/rt.h>

static void stuck(void)
{
    __asm__ volatile("cli");
    for (;;)
        __asm__ volatile("");
}

int main(int argc, char **argv)
{
    rt_puts("running");
    if (argc > 1 && strcmp(argv[1], "stuck") == 0)
        go(stuck);
    else if (argc < 2 || strcmp(argv[1], "wait") != 0)
        rt_panic("the end of %s", argc > 1 ? argv[1] : "it all");
    for (;;)
        rt_sleep(1000000000);
}
C
ingot APP="$tmp/app/dies.c" >"$tmp/make.log" 2>&1 || cat "$tmp/make.log"
dies=$IMAGES/dies.elf

# ---- Which port ----
to_port() { # file command... ; the text goes there, and not to the first port
    file=$1
    shift
    rm -f "$file"
    "$@" >"$tmp/first" 2>&1 </dev/null || return 1
    cat "$tmp/first" "$file"
    grep -q 'hello, world' "$file" && ! grep -q 'hello' "$tmp/first"
}
table() { # signature, then bytes as printf has them; prints the option that adds this ACPI table
    # shellcheck disable=SC2059
    printf "$2" >"$tmp/$1"
    echo "-acpitable sig=$1,rev=2,data=$tmp/$1"
}
zeros() { # n
    printf '\\000%.0s' $(seq "$1")
}
# SPCR: a 16550 in ports at 0x2f8, line 3 of the old controllers, 115200 baud.
spcr=$(table SPCR "$(zeros 4)\\001\\010\\000\\001\\370\\002\\000\\000\\000\\000\\000\\000\\001\\003$(zeros 4)\\007$(zeros 21)")
# DBG2: one such port at 0x2f8.
dbg2=$(table DBG2 '\054\000\000\000\001\000\000\000\000\046\000\001\000\000\000\000\000\000\000\000\000\200\000\000\000\000\026\000\042\000\001\010\000\001\370\002\000\000\000\000\000\000\010\000\000\000')
com2="-serial file:$tmp/com2"
pci="-chardev file,id=pci,path=$tmp/pci -device pci-serial,chardev=pci"
nowhere="-global isa-serial.iobase=0x3e8" # COM1 is not where it should be

for m in pc q35; do
    check "$m: console=com2" to_port "$tmp/com2" env MACHINE=$m ENV=console=com2 QEMU_FLAGS="$com2" tools/run.sh "$hello"
    check "$m: console=pci" to_port "$tmp/pci" env MACHINE=$m ENV=console=pci QEMU_FLAGS="$pci" tools/run.sh "$hello"
    check "$m: the firmware's own port" to_port "$tmp/com2" env MACHINE=$m QEMU_FLAGS="$com2 $spcr" tools/run.sh "$hello"
    check "$m: console=acpi, by DBG2" to_port "$tmp/com2" env MACHINE=$m ENV=console=acpi QEMU_FLAGS="$com2 $dbg2" tools/run.sh "$hello"
    check "$m: no COM1, a PCI card" to_port "$tmp/pci" env MACHINE=$m QEMU_FLAGS="$pci $nowhere" tools/run.sh "$hello"
done
early() { # what was said before the choice is repeated
    to_port "$tmp/com2" env MACHINE=pc ENV="console=com2 GOGC=off" QEMU_FLAGS="$com2 -acpitable sig=APIC,data=$tmp/junk" tools/run.sh "$hello" &&
        grep -q '^boot: APIC is bad' "$tmp/com2"
}
printf '\0\0\0\0\0\0\0\0' >"$tmp/junk"
check "the new console begins at the beginning" early
silent() {
    "$@" >"$tmp/first" 2>&1 </dev/null && [ ! -s "$tmp/first" ]
}
check "console=none" silent env ENV=console=none tools/run.sh "$hello"
check "a machine with no port at all" silent env MACHINE=microvm,isa-serial=off,x-option-roms=off tools/run.sh "$hello"
check "console=com3" says 1 'console=com3: ' env ENV=console=com3 tools/run.sh "$hello"

# ---- The ways out ----
for m in pc q35 microvm; do
    for way in acpi reboot; do
        check "$m: exit=$way" says 0 'ingot: exit 0' env MACHINE=$m ENV=exit=$way tools/run.sh "$hello"
    done
    check "$m: on_panic=poweroff" says 2 'panic: the end of it all' env MACHINE=$m ENV=on_panic=poweroff tools/run.sh "$dies"
done
check "exit=halt" says 124 'ingot: exit 0' env ENV=exit=halt TIMEOUT=2 tools/run.sh "$hello"

# ---- The last report, over a restart ----
comes() { # text, within 20 s
    for _ in $(seq 200); do
        tr -d '\r' <"$tmp/out" 2>/dev/null | tr '\n' ' ' | grep -q "$1" && return
        sleep 0.1
    done
    return 1
}
again() { # argument, what its report says, [what to tell the monitor after it]; the next run begins with that report
    sock=$tmp/qmp
    rm -f "$tmp/out"
    QMP=$sock QEMU_FLAGS="-action reboot=reset" tools/run.sh "$dies" "$1" >"$tmp/out" 2>&1 </dev/null &
    run=$!
    [ $# -lt 3 ] || { comes "$2" && comes 'ingot: exit 2' && "$HOST/monitor" "$sock" "$3"; }
    comes 'that was the run before' && comes 'that was the run before.running'
    "$HOST/monitor" "$sock" quit
    wait $run
    cat "$tmp/out"
    tr -d '\r' <"$tmp/out" | sed -n '/the run before this one ended so/,/that was the run before/p' | grep -q "$2"
}
for m in pc q35 microvm; do
    MACHINE=$m ENV=on_panic=reboot check "$m: on_panic=reboot" again again 'panic: the end of again'
done
ENV="on_panic=reboot watchdog=1" check "watchdog, on_panic=reboot" again stuck 'fatal error: watchdog: cpu . is stuck'
ENV=on_panic=halt check "the reset button" again button 'panic: the end of button' system_reset

# ---- The hardware fails ----
machine_check() {
    rm -f "$tmp/out"
    QMP=$tmp/qmp tools/run.sh "$dies" wait >"$tmp/out" 2>&1 </dev/null &
    run=$!
    comes running && "$HOST/monitor" "$tmp/qmp" 'mce 0 1 0xbe00000000000000 0x5 0x1234000 0'
    wait $run
    status=$?
    cat "$tmp/out"
    [ $status = 2 ] && grep -q 'fatal error: machine check: bank 1, status 0xbe00000000000000, address 0x1234000' "$tmp/out"
}
check "a machine check is reported" machine_check
rm -f "$dies"
summary
