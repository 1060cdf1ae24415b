#!/bin/sh
# Makes the database guest: build/guest-mysql/root.img with MariaDB, sysbench and its tables loaded. It boots with the kernel
# and initrd of the other guest. Usage: build.sh RECIPE_DIR SERVER_CONFIGURATION OUT_DIR.
# Needs root (or sudo), mmdebstrap and mke2fs; no loop devices, no mounts. Tables are loaded by a server in a chroot of the
# image, which takes seconds where a simulated guest takes minutes. (Files of a database are not the same bytes twice.)
set -eu
recipe=$1 config=$2 out=$3
tables=4 rows=25000
export SOURCE_DATE_EPOCH=1704067200 E2FSPROGS_FAKE_TIME=1704067200 LC_ALL=C
if [ "$(id -u)" != 0 ]; then
    exec sudo SUDO_OWNER="$(id -u):$(id -g)" sh "$0" "$@"
fi
say() { echo "guest-mysql: $1" >&2; }
. "$recipe/../mariadb.sh"
. "$recipe/../image.sh"
suite=$(guest_suite)
include=$(package_list "$recipe/packages.txt")

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tm-mysql.XXXXXX")
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP
mkdir -p "$out"

mirror=$(debian_mirror)
say "making the root file system ($suite)"
CONFIG=$(realpath "$config") mmdebstrap --mode=root --variant=essential --format=directory --include="$include,busybox-static" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --essential-hook='install -D -m 644 "$CONFIG" "$1/etc/mysql/mariadb.conf.d/90-tiermem.cnf"' \
    "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 ||
    failed "$work/log" "mmdebstrap failed"
rm -rf "$work"/root/var/cache/apt "$work"/root/var/lib/apt/lists/* "$work"/root/boot

say "loading $tables tables of $rows rows"
server_start --user=mysql --skip-networking
load_tables $tables $rows
server_stop
rm -rf "$work"/root/run/mysqld "$work"/root/var/log/*
{ in_root mariadbd --version; in_root sysbench --version; } >"$out/versions"

size_mib=$(($(du -sm "$work/root" | cut -f1) * 5 / 4 + 64))
rm -f "$out/root.img"
mke2fs -q -F -t ext4 -b 4096 -O ^has_journal,^metadata_csum -m 0 -E hash_seed=7469657a-6d65-6d74-6965-726d656d0003,root_owner=0:0 \
    -U 7469657a-6d65-6d74-6965-726d656d0002 -d "$work/root" "$out/root.img" "$(((size_mib + 127) / 128 * 128))M" >/dev/null
[ -z "${SUDO_OWNER:-}" ] || chown "$SUDO_OWNER" "$out" "$out"/*
say "done: $(du -m "$out/root.img" | cut -f1) MiB image"
