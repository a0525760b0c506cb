#!/bin/sh
# docs/errors.md has every message of a panic, a fatal error, a failed start and a complaint at boot that the sources
# and the loaders contain: at least its longest piece without a conversion. docs/knobs.md has every knob.
. tests/sh/common.inc

texts() { # the string literals in calls of the functions that report
    find arch lib mm sched gc lang include -name '*.[ch]' ! -path 'include/c/*' -exec cat {} + | grep -v '^ *[*#/]' | tr -s ' \n\t' ' ' |
        grep -oE '\b(rt_panic|panic_runtime|panic_text|panic_plain|panic_fault|sched_panic|sched_fatal|panic_fatal_frame|rt_fatal|fatal|fatal_frame|cannot_start|boot_complain)\([^;]*"[^;]*;' |
        grep -oE '"[^"]*"' | sed 's/^"//; s/"$//; s/\\n//g; s/\\$//' | sort -u
    sed -n 's/^#define PANIC_[A-Z]*_TEXT "\(.*\)"$/\1/p' lang/*.h
}
longest_piece() {
    awk '{
        n = split($0, piece, /%-?#?[0-9.]*(l|ll|z)?[a-zA-Z]/)
        best = ""
        for (i = 1; i <= n; i++)
            if (length(piece[i]) > length(best)) best = piece[i]
        gsub(/^[ :;,.(\[]+|[ :;,.(\[]+$/, "", best)
        if (length(best) > 7 && best ~ / /) print best
    }'
}
knobs() {
    sed -n 's/.*\bKNOB_IN_[A-Z |_]*, "\([a-zA-Z_]*\)".*/\1/p' lib/knobs.h
}

# Loaders: their calls, and the texts that these are given.
loader_texts() {
    cat boot/*.c boot/*/*.c | grep -v '^ *[*#/]' | tr -s ' \n\t' ' ' |
        grep -oE '\b(loader_say|loader_fail)\(("[^"]*"|[^";])*;|return "[^"]*";' |
        sed 's/BOOT_FILE_MANIFEST "/"INGOT\/MANIFEST.BIN/g; s/BOOT_FILE_EFI "/"EFI\/BOOT\/BOOTX64.EFI/g; s/BOOT_FILE_CMDLINE "/"CMDLINE.TXT/g' |
        grep -oE '"[^"]*"' | sed 's/^"//; s/"$//; s/\\n//g' | sort -u
    sed -n '/^text_\(edd\|read\|crc\)/{n;s/.*"\(.*\)".*/\1/p;}' boot/bios/mbr.S
}
{
    texts
    loader_texts
} | longest_piece | sort -u >"$tmp/texts"
while read -r text; do
    check "errors.md: $text" grep -qF -- "$text" docs/errors.md
done <"$tmp/texts"
[ "$(wc -l <"$tmp/texts")" -gt 60 ] || check "messages are found at all" false
for knob in $(knobs); do
    check "knobs.md: $knob" grep -q "\`.*$knob" docs/knobs.md
done
[ "$(knobs | wc -l)" -gt 15 ] || check "knobs are found at all" false
summary
