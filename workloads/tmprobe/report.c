#include "workloads/tmprobe/probe.h"

#include <stdio.h>

static bool first = true;

/* The path as a JSON string's inside: no control characters, quotes or backslashes. */
static void put_path(const char *p)
{
	for (; *p; p++)
		putchar(*p < 32 || *p == '"' || *p == '\\' ? '?' : *p);
}

void report_begin(const struct settings *s)
{
	if (s->format == FORMAT_CSV) {
		printf("test,op,threads,bytes,writes_percent,value,unit\n");
	} else if (s->format == FORMAT_JSON) {
		printf("{\"schema\":1,\"memory\":\"");
		put_path(s->path ? s->path : "dram");
		printf("\",\"figures\":[");
	} else {
		printf("%-16s %-16s %8s %10s %8s %12s\n", "test", "op", "threads", "bytes", "writes",
		       "value");
	}
}

void report_figure(const struct settings *s, const struct figure *f)
{
	const unsigned long long bytes = f->bytes;

	if (s->format == FORMAT_CSV)
		printf("%s,%s,%u,%llu,%.4g,%.5g,%s\n", f->test, f->op, f->threads, bytes, f->writes, f->value,
		       f->unit);
	else if (s->format == FORMAT_JSON)
		printf("%s\n{\"test\":\"%s\",\"op\":\"%s\",\"threads\":%u,\"bytes\":%llu,\"writes_percent\":%"
		       ".4g,"
		       "\"value\":%.5g,\"unit\":\"%s\"}",
		       first ? "" : ",", f->test, f->op, f->threads, bytes, f->writes, f->value, f->unit);
	else
		printf("%-16s %-16s %8u %10llu %7.0f%% %12.5g %s\n", f->test, f->op, f->threads, bytes,
		       f->writes, f->value, f->unit);
	first = false;
	fflush(stdout);
}

void report_end(const struct settings *s)
{
	if (s->format == FORMAT_JSON)
		printf("\n]}\n");
}
