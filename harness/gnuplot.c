#include "harness/gnuplot.h"
#include "harness/arguments.h"
#include "harness/proc.h"

#include <errno.h>
#include <string.h>

/* gnuplot reads \n in double quotes only. */
void gnuplot_text(struct text *t, const char *name, const char *value)
{
	text_add(t, "%s=\"", name);
	for (; *value; value++)
		text_add(t, *value == '\n' ? "\\n" : *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	text_add(t, "\"; ");
}

int gnuplot_run(const char *script, const char *set)
{
	char path[PATH_LEN], rel[64], out[4096];
	struct arguments a = {0};
	int status;

	snprintf(rel, sizeof(rel), "plots/%s.gp", script);
	root_path(path, rel);
	arguments_add(&a, "gnuplot");
	arguments_add(&a, "-e");
	arguments_add(&a, "%s", set);
	arguments_add(&a, "%s", path);
	status = proc_capture(a.v, out, sizeof(out));
	arguments_free(&a);
	if (status == 0)
		return 0;
	if (status == -ENOENT)
		complain("gnuplot not found; install gnuplot-nox (`make deps`)");
	else
		complain("gnuplot failed on %s: %s", path,
			 status < 0 ? strerror(-status) : out + strspn(out, "\n "));
	return EXIT_FAIL;
}
