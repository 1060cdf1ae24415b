#include "harness/sysbench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The number after LABEL in a text; true if there is one. */
static bool after(const char *text, const char *label, double *v)
{
	const char *at = text ? strstr(text, label) : NULL;
	char *end;

	if (!at)
		return false;
	at += strlen(label);
	*v = strtod(at, &end);
	return end != at && isfinite(*v);
}

/* The number in the parentheses that follow LABEL: a rate per second. */
static bool rate(const char *text, const char *label, double *v)
{
	const char *at = strstr(text, label), *line = at ? at + strcspn(at, "(\n") : NULL;

	return line && *line == '(' && after(line, "(", v);
}

/* One line of the histogram, "VALUE |**** COUNT". True if it is one. */
static bool bucket(const char *line, double *value, double *count)
{
	const char *bar = line + strcspn(line, "|\n"), *end = line + strcspn(line, "\n");
	char *stop;

	*value = strtod(line, &stop);
	if (stop == line || *bar != '|' || stop + strspn(stop, " ") != bar)
		return false;
	bar++;
	bar += strspn(bar, "*");
	*count = strtod(bar, &stop);
	return stop != bar && stop + strspn(stop, " \r") == end;
}

/* The value below which PART of all EVENTS are, as sysbench finds it. NAN: the histogram does not have as many events. */
static double percentile(const char *histogram, double events, double part)
{
	double sum = 0, value, count;
	const char *line;

	for (line = histogram; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (!bucket(line, &value, &count))
			continue;
		sum += count;
		if (sum >= floor(events * part + 0.5))
			return value;
	}
	return NAN;
}

/* How many events the histogram has. */
static double histogram_events(const char *histogram)
{
	double sum = 0, value, count;
	const char *line;

	for (line = histogram; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (bucket(line, &value, &count))
			sum += count;
	return sum;
}

int results_sysbench(struct metrics *m, const char *phase, const char *text, char *reason)
{
	const char *histogram = strstr(text, "Latency histogram"), *latency = strstr(text, "Latency (ms)");
	double transactions, tps, queries, errors, reconnects, seconds, avg, least, most, p99;
	static const struct {
		double part;
		const char *name;
	} parts[] = {{0.50, "latency_p50"}, {0.95, "latency_p95"}, {0.99, "latency_p99"}};
	size_t i;

	if (!after(text, "transactions:", &transactions) || !rate(text, "transactions:", &tps) ||
	    !rate(text, "queries:  ", &queries) || !after(text, "ignored errors:", &errors) ||
	    !after(text, "reconnects:", &reconnects) || !after(text, "total time:", &seconds) ||
	    !after(latency, "avg:", &avg) || !after(latency, "min:", &least) || !after(latency, "max:", &most) ||
	    !after(latency, "99th percentile:", &p99) || !histogram) {
		snprintf(reason, REASON_LEN, "phase %s: sysbench's output lacks one of its figures", phase);
		return -1;
	}
	if (!(tps > 0) || reconnects > 0) {
		snprintf(reason, REASON_LEN, "phase %s: sysbench made %.0f transactions and lost %.0f connections",
			 phase, transactions, reconnects);
		return -1;
	}
	if (histogram_events(histogram) != transactions ||
	    fabs(percentile(histogram, transactions, 0.99) - p99) > 0.006) {
		snprintf(reason, REASON_LEN, "phase %s: sysbench's histogram does not fit its totals", phase);
		return -1;
	}
	metrics_add(m, phase, "requests", "count", transactions);
	metrics_add(m, phase, "ops", "ops/s", tps);
	metrics_add(m, phase, "queries", "1/s", queries);
	metrics_add(m, phase, "errors", "count", errors);
	metrics_add(m, phase, "load_seconds", "s", seconds);
	metrics_add(m, phase, "latency_avg", "ms", avg);
	metrics_add(m, phase, "latency_min", "ms", least);
	metrics_add(m, phase, "latency_max", "ms", most);
	for (i = 0; i < COUNT(parts); i++)
		metrics_add(m, phase, parts[i].name, "ms", percentile(histogram, transactions, parts[i].part));
	return 0;
}

/* A status variable in a part of the document; NAN if it is not there. */
static double variable(const char *text, const char *end, const char *name)
{
	size_t len = strlen(name);
	const char *at = text;

	while ((at = strstr(at, name)) != NULL && at < end) {
		if ((at == text || at[-1] == '\n') && at[len] == '\t')
			return strtod(at + len + 1, NULL);
		at += len;
	}
	return NAN;
}

int results_mariadb(struct metrics *m, const char *phase, const char *text, char *reason)
{
	static const struct {
		const char *variable, *name, *unit;
		bool growth;
	} fields[] = {
		{"Innodb_buffer_pool_read_requests", "pool_requests", "count", true},
		{"Innodb_buffer_pool_reads", "pool_reads", "count", true},
		{"Innodb_data_reads", "data_reads", "count", true},
		{"Innodb_data_writes", "data_writes", "count", true},
		{"Innodb_os_log_written", "log_bytes", "bytes", true},
		{"Innodb_buffer_pool_bytes_data", "pool_bytes", "bytes", false},
		{"Innodb_buffer_pool_pages_total", "pool_pages", "count", false},
		{"Innodb_buffer_pool_pages_free", "pool_pages_free", "count", false},
		{"Innodb_buffer_pool_pages_dirty", "pool_pages_dirty", "count", false},
	};
	const char *second = strstr(text, "\nafter\n");
	double requests = 0, reads = 0;
	size_t i;

	for (i = 0; second && i < COUNT(fields); i++) {
		double v = variable(second + 1, text + strlen(text), fields[i].variable);

		if (fields[i].growth)
			v -= variable(text, second, fields[i].variable);
		metrics_add(m, phase, fields[i].name, fields[i].unit, v);
	}
	if (!metrics_get(m, phase, "pool_requests", &requests) || !metrics_get(m, phase, "pool_reads", &reads) ||
	    requests < 1) {
		snprintf(reason, REASON_LEN, "phase %s: MariaDB's status lacks the buffer pool", phase);
		return -1;
	}
	metrics_add(m, phase, "pool_hits", "share", 1 - reads / requests);
	return 0;
}

int results_tables(struct metrics *m, const char *phase, const char *text, char *reason)
{
	double sum = 0, n = 1; /* each table's counts by its place: below 2^53 */
	const char *line;
	char *end;

	for (line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *tab = line + strcspn(line, "\t\n");
		double v = *tab == '\t' ? strtod(tab + 1, &end) : NAN;

		if (!isfinite(v) || end == tab + 1 || (*end && *end != '\n')) {
			snprintf(reason, REASON_LEN, "the checksums of the tables: '%.*s'",
				 (int)strcspn(line, "\n"), line);
			return -1;
		}
		sum += v * n++;
	}
	metrics_add(m, phase, "tables_checksum", "number", sum);
	return 0;
}
