#!/bin/sh
# Makes OUT_DIR/guest: the guest with Debian 13's kernel (6.12) in place of Debian 12's; the root image is the same file.
# Usage: build.sh RECIPE_DIR GUEST_DIR OUT_DIR, with the guest's recipe and what `make guest` has made. Needs root (or sudo) and mmdebstrap.
set -eu
recipe=$1 guest=$2 out=$3/guest
suite=trixie
export SOURCE_DATE_EPOCH=1704067200 LC_ALL=C
if [ "$(id -u)" != 0 ]; then
    exec sudo sh "$0" "$@"
fi
say() { echo "kernel13: $1" >&2; }
. "$recipe/../image.sh"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tm-kernel13.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP

mirror=$(debian_mirror)
say "unpacking the kernel of $suite"
mmdebstrap --mode=root --variant=extract --format=directory --include=linux-image-cloud-amd64 \
    --aptopt='APT::Install-Recommends "false"' "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    say "mmdebstrap failed: see above"
    exit 1
}
modules=$(echo "$work"/root/usr/lib/modules/*)
version=$(basename "$modules")
depmod -b "$work/root/usr" "$version" 2>/dev/null || depmod -b "$work/root" "$version"

# Everything of the guest's initrd but its modules.
mkdir -p "$work/initrd"
(cd "$work/initrd" && cpio --quiet -i) <"$guest/initrd.img"
rm -f "$work"/initrd/modules/*
pack_modules "$modules" "$work/initrd" $(sed -e 's/#.*//' "$recipe/modules.txt") libcrc32c
find "$work/initrd" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$out"
(cd "$work/initrd" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$out/initrd.img"
cp "$work/root/boot/vmlinuz-$version" "$out/vmlinuz"
ln -sf "$(realpath "$guest/root.img")" "$out/root.img"
echo "$version" >"$out/kernel-version"
say "kernel $version"
