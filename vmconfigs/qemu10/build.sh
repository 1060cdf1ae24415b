#!/bin/sh
# Makes OUT_DIR/qemu-system-x86_64: Debian 13's QEMU (10.x) with its own libraries and firmware, to run beside this machine's.
# Nothing is installed: the packages are only unpacked, and the program is started through its own dynamic loader.
# Usage: build.sh OUT_DIR. Needs root (or sudo) and mmdebstrap; some 170 MB.
set -eu
out=$1
suite=trixie
if [ "$(id -u)" != 0 ]; then
    exec sudo sh "$0" "$@"
fi
say() { echo "qemu10: $1" >&2; }
. "$(dirname "$0")/../image.sh"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tm-qemu10.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP

mirror=$(debian_mirror)
say "unpacking QEMU of $suite"
# libinih1: what libtmsim.so is linked with
mmdebstrap --mode=root --variant=extract --format=directory --include=qemu-system-x86,libinih1 \
    --aptopt='APT::Install-Recommends "false"' "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    say "mmdebstrap failed: see above"
    exit 1
}
rm -rf --one-file-system "$out"
mkdir -p "$out"
mv "$work/root" "$out/root"
cat >"$out/qemu-system-x86_64" <<'END'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
lib=$root/usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$lib/qemu"
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$lib:$lib/pulseaudio" "$root/usr/bin/qemu-system-x86_64" \
    -L "$root/usr/share/seabios" -L "$root/usr/share/qemu" "$@"
END
chmod 755 "$out" "$out/qemu-system-x86_64"
"$out/qemu-system-x86_64" --version | head -n 1 >&2
