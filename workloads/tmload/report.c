/* The output table and the latency distribution, in memtier's layout. */
#include "workloads/tmload/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

double ratio_or_0(double a, double b)
{
	double q = b != 0 ? a / b : 0;

	return isfinite(q) ? q : 0;
}

/* Print a cell of the table: a number, or --- where there is none. */
static void cell(bool there, double x, int width, int decimals)
{
	if (there)
		printf(" %*.*f", width, decimals, x);
	else
		printf(" %*s", width, "---");
}

/* Print a row. */
static void row(const char *name, const struct op_stats *s, const struct result *r, bool lookups)
{
	double seconds = (double)r->duration_ns / 1e9;
	bool any = s->count > 0;

	printf("%-6s", name);
	cell(true, ratio_or_0((double)s->count, seconds), 12, 2);
	cell(lookups, ratio_or_0((double)s->hits, seconds), 12, 2);
	cell(lookups, ratio_or_0((double)s->misses, seconds), 12, 2);
	cell(any, op_stats_mean(s) / 1e6, 15, 5);
	cell(any, (double)op_stats_percentile(s, 50) / 1e6, 15, 5);
	cell(any, (double)op_stats_percentile(s, 99) / 1e6, 15, 5);
	cell(any, (double)op_stats_percentile(s, 99.9) / 1e6, 15, 5);
	cell(true, ratio_or_0((double)s->bytes / 1024, seconds), 12, 2);
	printf("\n");
}

/* Print one kind's distribution: ten steps to half of what is left, then ten to half of that, and so on. */
static void distribution(const char *name, const struct op_stats *s)
{
	double percent = 0, step = 5;

	while (s->count > 0 && percent < 100) {
		for (int i = 0; i < 10 && percent < 100; i++, percent += step)
			printf("%-6s %10.3f %12.3f\n", name, (double)op_stats_percentile(s, percent) / 1e6,
			       percent);
		step /= 2;
		/* Finer than one request in all there are says nothing. */
		if ((100 - percent) / 100 * (double)s->count < 1)
			percent = 100;
	}
	if (s->count > 0)
		printf("%-6s %10.3f %12.3f\n", name, (double)s->max_ns / 1e6, 100.0);
}

void report_print(const struct result *r)
{
	static const char line[] = "------------------------------------------------------------------------";
	const struct options *o = r->opt;
	const struct error_stats *e = &r->stats.errors;

	printf("%-9" PRIu64 " Threads\n%-9" PRIu64 " Connections per thread\n", o->threads, o->clients);
	if (o->test_time)
		printf("%-9" PRIu64 " Seconds\n", o->test_time);
	else
		printf("%-9s Requests per client\n", o->requests_text);
	printf("\n\nALL STATS%s\n%s%s\n",
	       r->interrupted ? " (interrupted)"
	       : r->failed    ? " (incomplete)"
			      : "",
	       line, line + 27);
	printf("%-6s %12s %12s %12s %15s %15s %15s %15s %12s\n%s%s\n", "Type", "Ops/sec", "Hits/sec",
	       "Misses/sec", "Avg. Latency", "p50 Latency", "p99 Latency", "p99.9 Latency", "KB/sec", line,
	       line + 27);
	row("Sets", &r->stats.op[OP_SET], r, false);
	row("Gets", &r->stats.op[OP_GET], r, true);
	row("Totals", &r->total, r, true);
	if (errors_total(e) > 0)
		printf("\nErrors: %" PRIu64 " wrong, %" PRIu64 " missing, %" PRIu64 " protocol, %" PRIu64
		       " connection\n",
		       e->wrong, e->missing, e->protocol, e->connection);
	if (o->hide_histogram)
		return;
	printf("\n\nRequest Latency Distribution\n%-6s %10s %12s\n%s\n", "Type", "<= msec", "Percent", line);
	distribution("SET", &r->stats.op[OP_SET]);
	printf("---\n");
	distribution("GET", &r->stats.op[OP_GET]);
}
