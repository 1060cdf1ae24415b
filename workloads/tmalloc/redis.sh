#!/bin/sh
# redis.sh TMLOAD REQUESTS COMMAND...: a Redis server (COMMAND may be `tiermem run ... -- redis-server`), loaded over a socket of its own
# with values of 32 to 4096 bytes: population, then half SET and half GET of new sizes. Prints the second part's figures as JSON.
set -eu
tmload=$1 requests=$2
shift 2
dir=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM
info() { redis-cli -s "$dir/s" info "$1" | tr -d '\r'; }
cpu() { info cpu | awk -F: '/^used_cpu_(user|sys):/ { sum += $2 } END { printf "%.6f", sum }'; }
load() { env -u LD_PRELOAD "$tmload" -S "$dir/s" -t 1 -c 8 --key-maximum 50000 --data-size-range 32-4096 --distinct-client-seed \
	--hide-histogram "$@" >"$dir/load.txt" 2>&1 || { cat "$dir/load.txt" >&2; exit 1; }; }
"$@" --port 0 --unixsocket "$dir/s" --save '' --appendonly no --dir "$dir" --daemonize no >"$dir/server.txt" 2>&1 &
server=$!
load --wait-for-server 20 --ratio 1:0 --key-pattern P:P -n allkeys
before=$(cpu)
load --ratio 1:1 -n $((requests / 8)) --json-out-file "$dir/load.json"
after=$(cpu)
rss=$(info memory | sed -n 's/^used_memory_rss://p')
sqlite3 :memory: "select json_object(
	'operations_s', json_extract(l, '$.\"ALL STATS\".Totals.\"Ops/sec\"'),
	'cpu_ns', ($after - $before) * 1e9 / json_extract(l, '$.\"ALL STATS\".Totals.Count'),
	'rss_mib', $rss / 1048576.0) from (select readfile('$dir/load.json') l)"
