/*
 * The loads: tmbench speed's, with the server on one CPU and the client on another, and with both on one CPU. On the
 * host a CPU that wakes another sends an interrupt, which the hypervisor below it makes expensive; in a simulated VM it
 * costs its instructions.
 */
#include "harness/host.h"

#include <stdlib.h>
#include <string.h>

#define REDIS                                                                                                \
	.unit = "requests", .root = "build/guest/root.img", .made = "make guest",                            \
	.server = "redis-server --save 99999999 999999999 --appendonly no --bind 127.0.0.1",                 \
	.client = "-s 127.0.0.1 -p %d -t 1 -c 8 --distinct-client-seed --key-maximum 5000 -d 1024 "          \
		  "--hide-histogram --wait-for-server 30",                                                   \
	.warm = "--ratio 1:0 --key-pattern P:P -n allkeys", .work = "--ratio 1:1 -n %lld",                   \
	.totals = "Totals", .operations = 40000, .divide = 8, .ram_mib = 512

#define SYSBENCH                                                                                             \
	.unit = "transactions", .root = "build/guest-mysql/root.img", .made = "make guest-mysql",            \
	.in_root = true, .server = "mariadbd --user=mysql",                                                  \
	.client = "sysbench oltp_read_only --mysql-host=127.0.0.1 --mysql-port=%d --mysql-user=sbtest "      \
		  "--tables=4 --table-size=25000 --threads=4 --rand-seed=1 --time=0",                        \
	.warm = "--events=100 run", .work = "--events=%lld run", .socket = "/run/mysqld/mysqld.sock",        \
	.totals = "transactions:", .operations = 400, .divide = 1, .ram_mib = 512

struct host_load host_loads[HOST_LOADS] = {
	{.name = "redis", .client_cpu = 1, REDIS},
	{.name = "sysbench", .client_cpu = 1, SYSBENCH},
	{.name = "redis-1cpu", .client_cpu = 0, REDIS},
	{.name = "sysbench-1cpu", .client_cpu = 0, SYSBENCH},
};

double host_throughput(const struct host_load *l, const char *output)
{
	const char *at = strstr(output, l->totals);

	/* sysbench: "transactions: 400 (381.13 per sec.)" */
	if (at && !strncmp(l->name, "sysbench", 8))
		at = strchr(at, '(');
	return at ? strtod(at + (*at == '(' ? 1 : strlen(l->totals)), NULL) : 0;
}
