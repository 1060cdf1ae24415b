#include "harness/mysql_script.h"
#include "harness/guest_script.h"
#include "harness/share.h"

#include <string.h>

/* The model is off (fast-forward) but for sysbench's work: marked.lua turns it on. */
static const char prologue[] =
	"server_died() { # WHEN: say why, if it has\n"
	"\tkill -0 $server 2>/dev/null && return\n"
	"\ttail -n 12 /tm/out/server.log\n"
	"\tfail \"$1: mariadbd died\"\n"
	"}\n"
	"sql() {\n"
	"\tmariadb --batch --skip-column-names -e \"$1\" || { server_died \"$1\"; fail \"mariadbd refused: "
	"$1\"; }\n"
	"}\n"
	"status() {\n"
	"\tsql \"SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Innodb_buffer_pool_%' OR Variable_name LIKE "
	"'Innodb_data_%' OR Variable_name LIKE 'Innodb_os_log_%' OR Variable_name = "
	"'Innodb_history_list_length'\"\n"
	"}\n"
	/* Old row versions are purged between phases, not in them: the server wakes purge once a second, and a phase of a second would have it
	   for a part of that, by chance (3,360 or 3,010 transactions of the same VM). A snapshot that somebody holds, as backups do, defers it. */
	"hold_snapshot() {\n"
	"\t{ echo 'START TRANSACTION WITH CONSISTENT SNAPSHOT;'; exec sleep 1000000; } | mariadb --unbuffered >/dev/null 2>&1 &\n"
	"\tholder=$!\n"
	"}\n"
	"load() { # PHASE TEST THREADS DISTRIBUTION TRANSACTIONS [SECONDS]; PHASE may be empty: nothing is "
	"measured\n"
	"\thold_snapshot\n"
	"\tTM_TEST=$2 TM_PHASE=$1 taskset -c $client_cpus sysbench /tm/marked.lua --mysql-user=sbtest \\\n"
	"\t\t--mysql-socket=/run/mysqld/mysqld.sock --tables=$tables --table-size=$rows --threads=$3 \\\n"
	"\t\t--rand-type=$4 --rand-seed=$seed --time=${6:-0} --events=$5 --percentile=99 --histogram=on run "
	"\\\n"
	"\t\t>/tm/out/sysbench.txt 2>&1 && tmmark model off && kill $holder && return\n"
	"\tcat /tm/out/sysbench.txt\n"
	"\tserver_died \"load ${1:-before the first phase}\"\n"
	"\tfail \"${1:-before the first phase}: sysbench failed\"\n"
	"}\n"
	"phase() { # as load\n"
	"\techo \"tmbench-guest: phase $1\"\n"
	"\tsql 'SET GLOBAL innodb_max_purge_lag_wait = 0'\n"
	"\tstatus >/tm/out/status.txt\n"
	"\tload \"$@\"\n"
	"\techo after >>/tm/out/status.txt\n"
	"\tstatus >>/tm/out/status.txt\n"
	"\tsend sysbench \"$1\" /tm/out/sysbench.txt\n"
	"\tsend status \"$1\" /tm/out/status.txt\n"
	"}\n\n";

/* VMs that share DRAM: what their tables hold must stay the same, and they wait for the host under load. */
static const char sharing[] =
	"checksums() { # FILE: of all columns of all rows, by table\n"
	"\tsql \"CHECKSUM TABLE $(seq -s, -f sbtest.sbtest%.0f $tables) EXTENDED\" >$1\n"
	"}\n"
	"meet() { # TEST THREADS DISTRIBUTION TRANSACTIONS: this load, not measured, until the host sends a "
	"line\n"
	"\trm -f /tm/out/sent\n"
	"\t{ read -r line <&3 && : >/tm/out/sent; } &\n"
	"\techo 'tmbench-guest: meet'\n"
	"\tuntil [ -e /tm/out/sent ]; do load '' \"$@\"; done\n"
	"}\n"
	"whole() { # DATABASE: the tables are what they were\n"
	"\tchecksums /tm/out/after.txt\n"
	"\tcmp -s /tm/out/before.txt /tm/out/after.txt || fail \"the tables are not what they were\"\n"
	"\tsend tables \"$1\" /tm/out/after.txt\n"
	"}\n\n";

/* From an empty pool to a full one: the list of pages came with the database. */
static const char fill_pool[] =
	"sql 'SET GLOBAL innodb_buffer_pool_load_now = ON'\n"
	"until sql \"SHOW STATUS LIKE 'Innodb_buffer_pool_load_status'\" | grep -q completed; do\n"
	"\tserver_died 'filling the buffer pool'\n"
	"\tsleep 0.2\n"
	"done\n\n";

/* What the guest's kernel and the server need beside the pool, measured with 1 GiB: 75 % of that ended in "out of memory" (190 MiB used
   beside it when it happened). It does not shrink with the scale. */
enum { BESIDE_POOL_MIB = 320 };

int64_t mysql_pool(const struct plan *p, const struct vm *vm)
{
	int64_t ram = plan_ram(p, vm->config, vm->database), most = ram - ((int64_t)BESIDE_POOL_MIB << 20);
	int64_t pool = (int64_t)((double)ram * p->s->pool);

	return (pool > most && most > 0 ? most : pool) >> 20 << 20;
}

/* Load that is not measured, before a phase: to settle in, and in a meeting (WHAT), which has some in any case. */
static void unmeasured(struct text *out, const struct plan *p, const struct vm *vm, const struct phase *ph,
		       const char *what, double share, int64_t least)
{
	int64_t n = (int64_t)((double)plan_requests(p, ph, vm->variant != NULL) * share);

	if (n < least)
		n = least;
	if (n)
		text_add(out, "%s %s %d %s %lld\n", what, ph->test,
			 (int)(ph->threads ? ph->threads : p->s->connections), ph->distribution,
			 (long long)n);
}

void mysql_script(struct text *out, const struct plan *p, const struct vm *vm)
{
	const struct scenario *s = p->s;
	const char *test = "";
	int i;

	text_add(out, "#!/bin/sh\n# Made by tmbench for scenario %s, config %s, database %s.\n", s->name,
		 vm->config->name, vm->database->name);
	text_add(out, "client_cpus=%s tables=%lld rows=%lld seed=%lld\nmkdir -p /tm/out\n\n%s%s",
		 s->client_cpus, (long long)s->tables, (long long)p->rows[vm->database - s->databases],
		 (long long)(vm->seed ? vm->seed : 1), guest_functions, prologue);
	text_add(out, "{ uname -r; mariadbd --version; sysbench --version; } >/tm/out/versions.txt\n"
		      "send text versions /tm/out/versions.txt\n\n"
		      "mount -t ext4 -o noatime /dev/vda /var/lib/mysql || fail 'cannot mount the database'\n"
		      "install -d -o mysql -g mysql /run/mysqld\n");
	text_add(out,
		 "taskset -c %s mariadbd --defaults-file=/tm/mariadb.cnf --innodb-buffer-pool-size=%lld "
		 ">/tm/out/server.log 2>&1 &\nserver=$!\n",
		 s->server_cpus, (long long)mysql_pool(p, vm));
	text_add(out,
		 "until [ -S /run/mysqld/mysqld.sock ]; do\n"
		 "\tserver_died 'starting'\n"
		 "\tsleep 0.1\n"
		 "done\n%s",
		 fill_pool);
	if (s->budget)
		text_add(out, "%schecksums /tm/out/before.txt\n", sharing);
	if (share_meets(vm, s))
		text_add(out, "exec 3</dev/ttyS2 || fail 'no third serial port'\n");
	for (i = 0; i < s->n_phases; i++) {
		const struct phase *ph = &s->phases[i];

		if (!vm_runs(vm, ph))
			continue;
		if (share_meets_before(vm, ph))
			unmeasured(out, p, vm, ph, "meet", s->settle, 1);
		if (!test[0] || ph->quota[0])
			unmeasured(out, p, vm, ph, "load ''", s->settle, 0);
		else if (strcmp(test, ph->test) != 0)
			unmeasured(out, p, vm, ph, "load ''", s->settle_again, 0);
		test = ph->test;
		text_add(out, "phase %s %s %d %s %lld %lld\n", ph->name, ph->test,
			 (int)(ph->threads ? ph->threads : s->connections), ph->distribution,
			 p->seconds ? 0LL : (long long)plan_requests(p, ph, vm->variant != NULL),
			 (long long)p->seconds);
	}
	if (s->budget)
		text_add(out, "whole %s\n", vm->database->name);
	/* No orderly end: what the server would write belongs to no phase, and the disk is a copy that goes away. */
	text_add(out, "exit 0\n");
}
