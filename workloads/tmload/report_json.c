/* The JSON document, in memtier's layout plus "Errors". */
#include "workloads/tmload/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

/* A number that JSON can hold. */
static json_t *real(double x)
{
	return json_real(isfinite(x) ? x : 0);
}

/* Latency in ns as ms. */
static json_t *ms(double ns)
{
	return real(ns / 1e6);
}

/* An option's name as memtier writes it in JSON. */
static void underscores(char *dst, const char *name, size_t size)
{
	snprintf(dst, size, "%s", name);
	for (; *dst; dst++) {
		if (*dst == '-')
			*dst = '_';
	}
}

/* "configuration": every option with its value. */
static json_t *configuration(const struct options *o)
{
	json_t *out = json_object();
	const char *name;
	char text[1024], key[64];
	bool is_number;

	for (size_t i = 0; options_describe(o, i, &name, text, sizeof(text), &is_number); i++) {
		if (!name || !strcmp(name, "help") || !strcmp(name, "version"))
			continue;
		underscores(key, name, sizeof(key));
		if (!is_number)
			json_object_set_new(out, key, json_string(text));
		else if (strpbrk(text, ".e"))
			json_object_set_new(out, key, real(strtod(text, NULL)));
		else
			json_object_set_new(out, key, json_integer(strtoll(text, NULL, 10)));
	}
	return out;
}

/* "Sets", "Gets" or "Totals". */
static json_t *operations(const struct op_stats *s, double seconds)
{
	json_t *out = json_object(), *p = json_object();

	json_object_set_new(out, "Count", json_integer((json_int_t)s->count));
	json_object_set_new(out, "Ops/sec", real(ratio_or_0((double)s->count, seconds)));
	json_object_set_new(out, "Hits/sec", real(ratio_or_0((double)s->hits, seconds)));
	json_object_set_new(out, "Misses/sec", real(ratio_or_0((double)s->misses, seconds)));
	json_object_set_new(out, "Hits", json_integer((json_int_t)s->hits));
	json_object_set_new(out, "Misses", json_integer((json_int_t)s->misses));
	json_object_set_new(out, "Latency", ms(op_stats_mean(s)));
	json_object_set_new(out, "Average Latency", ms(op_stats_mean(s)));
	json_object_set_new(out, "Min Latency", ms(s->count ? (double)s->min_ns : 0));
	json_object_set_new(out, "Max Latency", ms((double)s->max_ns));
	json_object_set_new(out, "KB/sec", real(ratio_or_0((double)s->bytes / 1024, seconds)));
	json_object_set_new(p, "p50.00", ms((double)op_stats_percentile(s, 50)));
	json_object_set_new(p, "p90.00", ms((double)op_stats_percentile(s, 90)));
	json_object_set_new(p, "p95.00", ms((double)op_stats_percentile(s, 95)));
	json_object_set_new(p, "p99.00", ms((double)op_stats_percentile(s, 99)));
	json_object_set_new(p, "p99.90", ms((double)op_stats_percentile(s, 99.9)));
	json_object_set_new(p, "p99.99", ms((double)op_stats_percentile(s, 99.99)));
	json_object_set_new(out, "Percentile Latencies", p);
	return out;
}

/* The whole document. */
static json_t *document(const struct result *r)
{
	const struct options *o = r->opt;
	const struct error_stats *e = &r->stats.errors;
	double seconds = (double)r->duration_ns / 1e9;
	json_t *info, *runtime, *errors;

	info = json_pack("{s:I, s:I, s:I, s:s, s:b, s:b}", "Threads count", (json_int_t)o->threads,
			 "Connections per thread", (json_int_t)o->clients,
			 o->test_time ? "Seconds" : "Requests per client",
			 (json_int_t)(o->test_time ? o->test_time : o->requests), "Version", TMLOAD_VERSION,
			 "Interrupted", r->interrupted, "Complete", !r->interrupted && !r->failed);
	runtime = json_pack("{s:I, s:I, s:f, s:s}", "Start time", (json_int_t)r->start_ms, "Finish time",
			    (json_int_t)r->finish_ms, "Total duration", seconds * 1e3, "Time unit",
			    "MILLISECONDS");
	errors = json_pack("{s:I, s:I, s:I, s:I}", "wrong", (json_int_t)e->wrong, "missing",
			   (json_int_t)e->missing, "protocol", (json_int_t)e->protocol, "connection",
			   (json_int_t)e->connection);
	if (o->all_keys)
		json_object_set_new(info, "Requests per client", json_string(o->requests_text));
	return json_pack("{s:o, s:o, s:{s:o, s:o, s:o, s:o, s:o}}", "configuration", configuration(o),
			 "run information", info, "ALL STATS", "Runtime", runtime, "Sets",
			 operations(&r->stats.op[OP_SET], seconds), "Gets",
			 operations(&r->stats.op[OP_GET], seconds), "Totals", operations(&r->total, seconds),
			 "Errors", errors);
}

int report_json(const struct result *r, const char *path)
{
	json_t *root = document(r);
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	bool ok = root && f;

	ok = ok && json_dumpf(root, f, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) == 0 &&
	     fputc('\n', f) != EOF;
	if (f && (f == stdout ? fflush(f) : fclose(f)) != 0)
		ok = false;
	if (!ok)
		fprintf(stderr, "tmload: cannot write %s: %s\n", path,
			root ? strerror(errno) : "out of memory or a text is not UTF-8");
	json_decref(root);
	return ok ? 0 : -1;
}
