# Sourced by the recipes of database images: a MariaDB server in a chroot of $work/root. Needs say(), $work; sets $server, its process.

in_root() { chroot "$work/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

# What the server or its load says, when something failed.
failed() { # LOG MESSAGE
    tail -n 5 "$1" >&2
    say "$2: see above"
    exit 1
}

# Start a server with these arguments; returns when it answers.
server_start() {
    tries=0
    install -d "$work/root/run/mysqld"
    in_root chown mysql:mysql /run/mysqld
    in_root mariadbd "$@" >"$work/mariadbd.log" 2>&1 &
    server=$!
    until in_root mariadb-admin ping >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ] || ! kill -0 "$server" 2>/dev/null; then
            failed "$work/mariadbd.log" "the server does not start in the image"
        fi
        sleep 0.2
    done
}

server_stop() {
    in_root mariadb-admin shutdown
    wait "$server" || true
    server=
}

# sysbench's user and database, and its first tables.
load_tables() { # TABLES ROWS
    in_root mariadb -e "CREATE DATABASE sbtest; CREATE USER sbtest@localhost, sbtest@127.0.0.1;
        GRANT ALL ON sbtest.* TO sbtest@localhost; GRANT ALL ON sbtest.* TO sbtest@127.0.0.1"
    in_root sysbench oltp_read_only --mysql-socket=/run/mysqld/mysqld.sock --mysql-user=sbtest --rand-seed=1 \
        --tables="$1" --table-size="$2" prepare >"$work/log" 2>&1 ||
        failed "$work/log" "sysbench cannot load its tables"
}
