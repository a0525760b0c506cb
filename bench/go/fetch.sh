#!/bin/sh
# bench/go/fetch.sh - gets a Go toolchain and a Linux kernel from the Debian archive, without installing anything.
#
#     fetch.sh DIR       unpacks below DIR/root; prints nothing if both are there already
#
# Go: the newest that the archive carries (its unstable suite). Kernel: the distribution's cloud kernel. Both come from the
# mirror that this machine's apt uses, checked by its keys; apt's own lists and caches are not touched. About
# 75 MB to download, 400 MB unpacked. Exit status 3 where that can't be done.
set -eu

dir=$1
say() {
    echo "bench-go: $*" >&2
}
give_up() {
    say "$*"
    exit 3
}
have() {
    ls "$dir"/root/usr/lib/go-*/bin/go "$dir"/root/boot/vmlinuz-* >/dev/null 2>&1
}

! have || exit 0
for tool in apt-get apt-cache dpkg; do
    command -v $tool >/dev/null 2>&1 || give_up "there is no $tool here: give GO=/path/to/go and KERNEL=/path/to/vmlinuz"
done
mkdir -p "$dir/root" "$dir/deb" "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
dir=$(cd "$dir" && pwd)
# shellcheck disable=SC2016 # apt-get puts the value in
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/*$' | head -n 1)
[ -n "$mirror" ] || give_up "apt knows no Debian mirror: give GO=/path/to/go and KERNEL=/path/to/vmlinuz"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f $keys ] && keys="[signed-by=$keys]" || keys=
echo "deb $keys $mirror sid main" >"$dir/apt/sid.list"

newest() { # apt with lists of its own
    tool=$1
    shift
    "$tool" -q -o APT::Sandbox::User=root -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt/cache" \
        -o Dir::Etc::sourcelist="$dir/apt/sid.list" -o Dir::Etc::sourceparts=- "$@"
}

say "fetching Go and a kernel from the Debian archive into $dir"
{
    newest apt-get update &&
        go=$(newest apt-cache depends golang-go | sed -n 's/.*Depends: \(golang-[0-9.]*-go\)$/\1/p') && [ -n "$go" ] &&
        (cd "$dir/deb" && newest apt-get download "$go" "${go%-go}-src")
} >"$dir/log" 2>&1 || give_up "Go could not be fetched (see $dir/log): give GO=/path/to/go"
{
    kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
    [ -n "$kernel" ] && (cd "$dir/deb" && apt-get -q -o APT::Sandbox::User=root download "$kernel")
} >>"$dir/log" 2>&1 || give_up "the kernel could not be fetched (see $dir/log): give KERNEL=/path/to/vmlinuz"
for deb in "$dir"/deb/*.deb; do
    dpkg -x "$deb" "$dir/root"
done
have || give_up "the packages do not hold what was expected; see $dir"
