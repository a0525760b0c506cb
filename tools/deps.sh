#!/bin/sh
# tools/deps.sh - installs what building and running needs and this machine lacks.
#
# Needed: a compiler (gcc), GNU ld, make, QEMU for x86-64. Says what it does; does nothing if all is there.
# CC=clang asks for that compiler; else any will do. Knows apt, dnf, pacman and brew. Uses sudo if it isn't root and there is one. Asks no questions.
set -eu

say() {
    echo "deps: $*"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

cc=gcc
[ "$(uname -s)" != Darwin ] || cc=x86_64-elf-gcc
missing=
case ${CC:-} in
*clang*) have "$CC" || missing="$missing clang" ;;
*) have "$cc" || have clang || missing="$missing compiler" ;;
esac
have "${HOSTCC:-cc}" || missing="$missing host-compiler"
have ld || have ld.lld || have x86_64-elf-ld || missing="$missing linker"
have make || have gmake || missing="$missing make"
have qemu-system-x86_64 || missing="$missing qemu"
# The sanitizers' libraries are a package of their own on some systems; the C library's headers too.
probe=$(mktemp -d)
echo '#include <stdio.h>
int main(void) { return puts("") < 0; }' >"$probe/a.c"
case $missing in
*host-compiler*) ;;
*) "${HOSTCC:-cc}" -o "$probe/a" "$probe/a.c" 2>/dev/null || missing="$missing host-libc" ;;
esac
case $missing in
*host-*) ;;
*) "${HOSTCC:-cc}" -fsanitize=address,undefined -o "$probe/a" "$probe/a.c" 2>/dev/null || missing="$missing sanitizers" ;;
esac
rm -rf "$probe"

if [ -z "$missing" ]; then
    have "$cc" || cc=clang
    ! have "${CC:-}" || cc=$CC
    say "all there: $("$cc" --version | head -n 1), $(qemu-system-x86_64 --version | head -n 1)"
    exit 0
fi
say "missing:$missing"

# Package names, by package manager.
names() { # compiler host-compiler linker make qemu host-libc sanitizers clang
    for what in $missing; do
        case $what in
        compiler) echo "$1" ;;
        host-compiler) echo "$2" ;;
        linker) echo "$3" ;;
        make) echo "$4" ;;
        qemu) echo "$5" ;;
        host-libc) echo "$6" ;;
        sanitizers) echo "$7" ;;
        clang) echo "$8" ;;
        esac
    done | tr ' ' '\n' | sort -u | tr '\n' ' '
}

sudo=
if [ "$(id -u)" != 0 ] && have sudo; then
    sudo=sudo
fi
run() {
    say "$*"
    "$@"
}

if have apt-get; then
    packages=$(names gcc gcc binutils make qemu-system-x86 libc6-dev gcc "${CC:-}")
    # shellcheck disable=SC2086
    run $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q
    # shellcheck disable=SC2086
    run $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
elif have dnf; then
    packages=$(names gcc gcc binutils make qemu-system-x86-core glibc-devel "libasan libubsan" clang)
    # shellcheck disable=SC2086
    run $sudo dnf install -y $packages
elif have pacman; then
    packages=$(names gcc gcc binutils make qemu-system-x86 glibc gcc clang)
    # shellcheck disable=SC2086
    run $sudo pacman -S --needed --noconfirm $packages
elif have brew; then
    packages=$(names x86_64-elf-gcc x86_64-elf-gcc x86_64-elf-binutils make qemu x86_64-elf-gcc llvm llvm)
    # shellcheck disable=SC2086
    run brew install $packages
else
    say "no apt, dnf, pacman or brew here: please install:$missing"
    exit 1
fi

for program in "${HOSTCC:-cc}" make qemu-system-x86_64; do
    have "$program" || {
        say "$program is still not there"
        exit 1
    }
done
say "done"
