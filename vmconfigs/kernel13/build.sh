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

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tm-kernel13.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP

# The same mirror as this machine's apt, whichever that is.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$') || {
    say "apt has no Debian archive configured: see /etc/apt/sources.list, then apt-get update"
    exit 1
}
say "unpacking the kernel of $suite"
mmdebstrap --mode=root --variant=extract --format=directory --include=linux-image-cloud-amd64 \
    --aptopt='APT::Install-Recommends "false"' "$suite" "$work/root" "${mirror%/}" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    say "mmdebstrap failed: see above"
    exit 1
}
modules=$(echo "$work"/root/usr/lib/modules/*)
version=$(basename "$modules")
depmod -b "$work/root/usr" "$version" 2>/dev/null || depmod -b "$work/root" "$version"

# Everything of the guest's initrd but its modules; these are compressed here, and insmod wants them plain.
mkdir -p "$work/initrd"
(cd "$work/initrd" && cpio --quiet -i) <"$guest/initrd.img"
rm -f "$work"/initrd/modules/*
for m in $(sed -e 's/#.*//' "$recipe/modules.txt") libcrc32c; do
    awk -v name="$m" '{ path = $1; sub(/:$/, "", path); base = path; sub(/.*\//, "", base); sub(/\.ko.*/, "", base)
        if (base == name) { for (i = NF; i > 1; i--) print $i; print path } }' "$modules/modules.dep"
done | awk '!seen[$0]++' >"$work/modules"
while read -r ko; do
    name=$(basename "${ko%.xz}")
    case $ko in
    *.xz) xz -dc "$modules/$ko" >"$work/initrd/modules/$name" ;;
    *) cp "$modules/$ko" "$work/initrd/modules/$name" ;;
    esac
    echo "$name"
done <"$work/modules" >"$work/initrd/modules/order"
find "$work/initrd" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$out"
(cd "$work/initrd" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$out/initrd.img"
cp "$work/root/boot/vmlinuz-$version" "$out/vmlinuz"
ln -sf "$(realpath "$guest/root.img")" "$out/root.img"
echo "$version" >"$out/kernel-version"
say "kernel $version"
