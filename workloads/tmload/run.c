/* Messages of threads about the run. */
#include "workloads/tmload/run.h"

#include <stdarg.h>
#include <stdio.h>

#define REPORT_MAX 5

void run_fail(struct run *run, const char *format, ...)
{
	char line[512];
	int expected = RUN_GOES;
	va_list ap;

	if (!atomic_compare_exchange_strong(&run->state, &expected, RUN_FAILED))
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fprintf(stderr, "tmload: %s\n", line);
}

void run_report(struct run *run, const char *format, ...)
{
	unsigned before = atomic_fetch_add(&run->reported, 1);
	char line[512];
	va_list ap;

	if (before >= REPORT_MAX)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fprintf(stderr, "tmload: %s%s\n", line,
		before + 1 == REPORT_MAX ? " (further errors are only counted)" : "");
}
