#!/bin/sh
# Makes the guest: build/guest/root.img (ext4), vmlinuz, initrd.img, kernel-version and packages (name and version of every
# package in it), from Debian packages.
# Usage: build.sh RECIPE_DIR OUT_DIR. Needs root (or sudo), mmdebstrap, mke2fs and cpio; no loop devices, no mounts.
# The same packages give the same bytes: fixed times, UUIDs and order.
set -eu
recipe=$1 out=$2
export SOURCE_DATE_EPOCH=1704067200 E2FSPROGS_FAKE_TIME=1704067200 LC_ALL=C
if [ "$(id -u)" != 0 ]; then
    exec sudo SUDO_OWNER="$(id -u):$(id -g)" sh "$0" "$@"
fi
say() { echo "guest: $1" >&2; }
. "$recipe/../image.sh"
suite=$(guest_suite)

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tm-guest.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP
mkdir -p "$out"

mirror=$(debian_mirror)
include=$(package_list "$recipe/packages.txt")
say "making the root file system ($suite)"
mmdebstrap --mode=root --variant=essential --format=directory --include="$include,busybox-static" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --customize-hook='cd "$1/var/cache" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && apt-get download -qq "$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: \(linux-image-[0-9].*\)/\1/p" | head -n 1)"' \
    "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    say "mmdebstrap failed: see above"
    exit 1
}

mkdir -p "$work/kernel"
{
    dpkg-query --admindir="$work/root/var/lib/dpkg" -W -f '${Package} ${Version}\n'
    dpkg-deb -W --showformat '${Package} ${Version}\n' "$work"/root/var/cache/linux-image-*.deb
} | sort >"$out/packages"
dpkg-deb -x "$work"/root/var/cache/linux-image-*.deb "$work/kernel"
rm -rf "$work"/root/var/cache/linux-image-*.deb "$work"/root/var/cache/apt "$work"/root/var/lib/apt/lists/* \
    "$work"/root/var/log/* "$work"/root/boot "$work"/root/etc/apt/sources.list* "$work"/root/etc/resolv.conf
echo guest >"$work/root/etc/hostname" # not this machine's
# Where the modules are depends on the suite, and where depmod looks for them on this machine's.
if [ -d "$work/kernel/usr/lib/modules" ]; then
    ln -sfn usr/lib "$work/kernel/lib"
else
    mkdir -p "$work/kernel/usr" && ln -sfn ../lib "$work/kernel/usr/lib"
fi
version=$(basename "$work"/kernel/lib/modules/*)
say "kernel $version"

mkdir -p "$work/initrd/bin" "$work/initrd/modules" "$work/initrd/tm"
cp "$work/root/bin/busybox" "$work/initrd/bin/busybox"
ln -s busybox "$work/initrd/bin/sh"
cp "$recipe/init" "$work/initrd/init"
chmod 755 "$work/initrd/init"
depmod -b "$work/kernel" "$version"
pack_modules "$work/kernel/lib/modules/$version" "$work/initrd" $(sed -e 's/#.*//' "$recipe/modules.txt") $([ "$suite" = bookworm ] || echo libcrc32c)
find "$work/initrd" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$work/initrd" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$out/initrd.img"

# The kernel decides by a file's times whether to write its inode when it is read, so they are all fixed: mke2fs copies what
# touch can set, debugfs sets the others.
find "$work/root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
size_mib=$(($(du -sm "$work/root" | cut -f1) * 5 / 4 + 64))
rm -f "$out/root.img"
mke2fs -q -F -t ext4 -b 4096 -O ^has_journal,^metadata_csum -m 0 -E hash_seed=7469657a-6d65-6d74-6965-726d656d0001,root_owner=0:0 \
    -U 7469657a-6d65-6d74-6965-726d656d0000 -d "$work/root" "$out/root.img" "$(((size_mib + 127) / 128 * 128))M" >/dev/null
(cd "$work/root" && find . -printf 'sif "/%P" atime @'"$SOURCE_DATE_EPOCH"'\nsif "/%P" ctime @'"$SOURCE_DATE_EPOCH"'\n') >"$work/times"
debugfs -w -f "$work/times" "$out/root.img" >/dev/null 2>"$work/log"
if grep -v '^debugfs ' "$work/log" >&2; then
    say "debugfs could not set the times: see above"
    exit 1
fi
cp "$work/kernel/boot/vmlinuz-$version" "$out/vmlinuz"
echo "$version" >"$out/kernel-version"
chroot "$work/root" redis-server --version >"$out/redis-version"
[ -z "${SUDO_OWNER:-}" ] || chown "$SUDO_OWNER" "$out" "$out"/*
say "done: $(du -m "$out/root.img" | cut -f1) MiB image"
