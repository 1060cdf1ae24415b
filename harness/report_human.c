/* The report on the terminal. */
#include "harness/kind.h"
#include "harness/report.h"

void report_human(const struct report *r)
{
	const struct kind *k = kind_named(r->kind);

	(k ? k : &kind_redis)->report(r);
}
