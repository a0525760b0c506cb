#!/bin/sh
# models/run.sh - check barrier.pml: the schemes must hold, every mutant must fail. Needs spin and a C compiler.
# Usage: models/run.sh [scratch folder]. Ends with `N passed, N failed`; status 0 only if none failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
passed=0 failed=0

# check NAME holds|fails DEFINES...
check() {
    name=$1 want=$2
    shift 2
    dir=$work/$name
    mkdir -p "$dir" && cd "$dir" || exit 1
    spin -a "$@" "$here/barrier.pml" >spin.log 2>&1 && ${CC:-cc} -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=3500 -o pan pan.c 2>cc.log &&
        timeout 300 ./pan -m5000000 -w24 >pan.log 2>&1
    if ! grep -q '^State-vector' pan.log; then
        got=broken
    elif grep -q 'max search depth too small\|out of memory' pan.log; then
        got=unfinished
    elif grep -q 'errors: 0' pan.log; then
        got=holds
    else
        got=fails
    fi
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
    if [ "$got" = "$want" ]; then
        passed=$((passed + 1))
        echo "ok $name: $got, $states states"
    else
        failed=$((failed + 1))
        echo "not ok $name: $got, should be $want"
    fi
}

ours="-DDEL -DBLACK -DRSEQ -DSTWSCAN -DRESUMESCAN"
check default holds $ours
check no_deletion fails -DBLACK -DRSEQ -DSTWSCAN -DRESUMESCAN
check no_black_birth fails -DDEL -DRSEQ -DSTWSCAN -DRESUMESCAN
check no_restart fails -DDEL -DBLACK -DSTWSCAN -DRESUMESCAN
check no_resume_scan fails -DDEL -DBLACK -DRSEQ -DSTWSCAN
check late_scan fails -DDEL -DBLACK -DRSEQ -DRESUMESCAN -DLATESCAN
check hybrid holds -DDEL -DINS -DBLACK -DRSEQ -DLATESCAN
check tso holds $ours -DTSO -DSMALL
check tso_no_deletion fails -DTSO -DSMALL -DBLACK -DRSEQ -DSTWSCAN -DRESUMESCAN
check channel holds $ours -DCHAN -DCHANSHADE -DSMALL
check channel_no_shade fails $ours -DCHAN -DSMALL
check stack_slot holds $ours -DSTACKSLOT -DSTACKSHADE -DSMALL
check stack_slot_plain fails $ours -DSTACKSLOT -DSMALL
check weak holds $ours -DWEAK -DWEAKSHADE
check weak_no_shade fails $ours -DWEAK
check finalizer holds $ours -DFIN -DFINROOT
check finalizer_no_root fails $ours -DFIN
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
