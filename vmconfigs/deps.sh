#!/bin/sh
# Installs the Debian packages listed in a file (argument 1) that are missing. Needs apt and root or sudo;
# asks nothing. Services that a package would start (redis-server) are kept from starting.
set -eu
list=$(sed -e 's/#.*//' "$1" | tr -s '[:space:]' ' ')
missing=
for p in $list; do
    dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "deps: apt-get is missing: this needs Debian; install these by hand:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps: not root and no sudo; as root: apt-get install --no-install-recommends$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "deps: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# RUNLEVEL=1 makes maintainer scripts leave new services stopped: nobody asked for a Redis on port 6379.
{ $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing; } >"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    echo "deps: apt-get failed (see above); mend it, or install by hand:$missing" >&2
    exit 1
}
