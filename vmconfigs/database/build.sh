#!/bin/sh
# Makes a database image: an ext4 file system that a guest mounts on /var/lib/mysql, with sysbench's tables and the list of
# pages (ib_buffer_pool) from which a server fills its buffer pool. Does nothing when the image is there and made alike.
# Usage: build.sh ROOT_IMAGE SERVER_CONFIGURATION TABLES ROWS IMAGE. IMAGE.key says what it was made of, IMAGE.info what it holds.
# Needs root (or sudo), mke2fs and debugfs; no loop devices, no mounts. One table is loaded, in a chroot of the guest's root image; the
# others are copies of its file (ALTER TABLE ... IMPORT TABLESPACE). (A database is not the same bytes twice.)
set -eu
[ $# = 5 ] || { echo "usage: build.sh ROOT_IMAGE SERVER_CONFIGURATION TABLES ROWS IMAGE" >&2; exit 2; }
root_image=$1 config=$2 tables=$3 rows=$4 image=$5
common=$(dirname "$0")/../mariadb.sh
export LC_ALL=C
say() { echo "database: $1" >&2; }
. "$common"
for n in "$tables" "$rows"; do
    case $n in '' | *[!0-9]* | 0*) say "'$n' is no number of tables or rows: write a whole number above 0"; exit 2 ;; esac
done
for f in "$root_image" "$config"; do
    [ -r "$f" ] || { say "$f is missing; run \`make guest-mysql\`"; exit 1; }
done
key="tables $tables
rows $rows
configuration $(sha256sum <"$config" | cut -d' ' -f1)
recipe $(cat "$0" "$common" | sha256sum | cut -d' ' -f1)
root $(sha256sum <"$root_image" | cut -d' ' -f1)"
if [ -f "$image" ] && [ "$(cat "$image.key" 2>/dev/null)" = "$key" ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    exec sudo SUDO_OWNER="$(id -u):$(id -g)" sh "$0" "$@"
fi
out=$(dirname "$image")
mkdir -p "$out"
# As large as the database twice: the files, and the image that they are copied to.
pool_mib=$((tables * rows / 1024 * 300 / 1024 + 128))
need_mib=$((tables * rows / 1024 * 300 / 1024 * 2 + 1024))
free_mib=$(df -Pm "$out" | awk 'NR == 2 { print $4 }')
[ "$free_mib" -ge "$need_mib" ] || { say "needs $need_mib MiB in $out, which has $free_mib MiB: make room"; exit 1; }

work=$(mktemp -d "$out/making.XXXXXX")
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP
say "unpacking $(basename "$root_image")"
mkdir "$work/root"
debugfs -R "rdump / $work/root" "$root_image" >"$work/log" 2>&1 || failed "$work/log" "cannot unpack $root_image"
rm -rf "$work/root/dev"
mkdir "$work/root/dev"
mknod -m 666 "$work/root/dev/null" c 1 3
mknod -m 666 "$work/root/dev/urandom" c 1 9
sql() { in_root mariadb --batch --skip-column-names -e "$1"; }
install -d "$work/root/tm"
cp "$config" "$work/root/tm/mariadb.cnf"
rm -rf "$work"/root/var/lib/mysql
in_root install -d -o mysql -g mysql -m 755 /var/lib/mysql
# (--force: the host has a name that the image cannot look up.)
in_root mariadb-install-db --defaults-file=/tm/mariadb.cnf --skip-test-db --force --auth-root-authentication-method=socket \
    >"$work/log" 2>&1 || failed "$work/log" "mariadb-install-db failed"

# Nothing needs to be safe while the tables are loaded.
server_start --defaults-file=/tm/mariadb.cnf --skip-networking --innodb-flush-log-at-trx-commit=0 \
    --innodb-doublewrite=OFF --innodb-use-native-aio=OFF --innodb-flush-method=fsync --innodb-buffer-pool-size="$pool_mib"M \
    --innodb-buffer-pool-dump-pct=100 --innodb-adaptive-hash-index=OFF --innodb-fast-shutdown=0
say "loading $tables tables of $rows rows"
load_tables 1 "$rows"
data=$work/root/var/lib/mysql/sbtest
t=2
while [ $t -le "$tables" ]; do
    sql "CREATE TABLE sbtest.sbtest$t LIKE sbtest.sbtest1; ALTER TABLE sbtest.sbtest$t DISCARD TABLESPACE"
    t=$((t + 1))
done
if [ "$tables" -gt 1 ]; then
    # The lock that keeps the file as it is lasts as long as this session.
    mkfifo "$work/session"
    in_root mariadb --batch --unbuffered sbtest <"$work/session" >"$work/session.log" 2>&1 &
    session=$!
    exec 3>"$work/session"
    echo "FLUSH TABLES sbtest1 FOR EXPORT; SELECT 'locked';" >&3
    until grep -q locked "$work/session.log"; do
        kill -0 "$session" 2>/dev/null || { cat "$work/session.log" >&2; exit 1; }
        sleep 0.1
    done
    t=2
    while [ $t -le "$tables" ]; do
        cp -p --reflink=auto "$data/sbtest1.ibd" "$data/sbtest$t.ibd"
        cp -p "$data/sbtest1.cfg" "$data/sbtest$t.cfg"
        t=$((t + 1))
    done
    exec 3>&-
    wait "$session"
    t=2
    while [ $t -le "$tables" ]; do
        sql "ALTER TABLE sbtest.sbtest$t IMPORT TABLESPACE"
        rm -f "$data/sbtest$t.cfg"
        t=$((t + 1))
    done
fi
say "reading every page: the copies are whole, and the list of pages has them all"
t=1
while [ $t -le "$tables" ]; do
    n=$(sql "SELECT count(*), sum(k > 0), sum(c > '') FROM sbtest.sbtest$t FORCE INDEX (PRIMARY)
        UNION ALL SELECT count(*), sum(k > 0), 0 FROM sbtest.sbtest$t FORCE INDEX (k_1)" | tr -s '\t\n' '  ')
    [ "$n" = "$rows $rows $rows $rows $rows 0 " ] || { say "sbtest$t has '$n' rows and not $rows: its copy went wrong"; exit 1; }
    t=$((t + 1))
done
sql "SET GLOBAL innodb_buffer_pool_dump_now = ON; SELECT sleep(1)" >/dev/null
until sql "SHOW STATUS LIKE 'Innodb_buffer_pool_dump_status'" | grep -q completed; do sleep 0.2; done
server_stop
versions=$(in_root mariadbd --version)
# A pool that is smaller than the database takes the head of the list, so its order must say nothing about the tables.
shuf --random-source="$data/sbtest1.frm" "$work/root/var/lib/mysql/ib_buffer_pool" >"$work/list" 2>/dev/null ||
    shuf --random-source="$data/sbtest1.ibd" "$work/root/var/lib/mysql/ib_buffer_pool" >"$work/list"
cat "$work/list" >"$work/root/var/lib/mysql/ib_buffer_pool"
pages=$(wc -l <"$work/list")
bytes=$(du -sb "$work/root/var/lib/mysql/sbtest" | cut -f1)

say "making the image"
size_mib=$(($(du -sm "$work/root/var/lib/mysql" | cut -f1) * 21 / 20 + 192))
rm -f "$image.key"
mke2fs -q -F -t ext4 -b 4096 -m 0 -E lazy_itable_init=0,lazy_journal_init=0,root_owner="$(in_root stat -c %u:%g /var/lib/mysql)" \
    -d "$work/root/var/lib/mysql" "$work/image" "${size_mib}M" >/dev/null
cat >"$work/info" <<END
tables $tables
rows $rows
bytes $bytes
pages $pages
sha256 $(sha256sum <"$work/image" | cut -d' ' -f1)
server $versions
END
mv "$work/image" "$image"
mv "$work/info" "$image.info"
echo "$key" >"$work/key"
mv "$work/key" "$image.key"
[ -z "${SUDO_OWNER:-}" ] || chown "$SUDO_OWNER" "$image" "$image.info" "$image.key"
say "done: $((bytes >> 20)) MiB of tables, $((bytes / tables / rows)) bytes a row, $(du -m "$image" | cut -f1) MiB image"
