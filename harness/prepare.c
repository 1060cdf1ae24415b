/* tmbench prepare: what a scenario's VMs need beyond the images of `make`. */
#include "harness/commands.h"
#include "harness/kind.h"
#include "harness/options.h"

#include <string.h>

int command_prepare(int argc, char **argv)
{
	static struct scenario s;
	struct plan p;
	struct list set = {0}, operands = {0};
	int64_t scale = 0;
	bool full = false, quick = false;
	const char *phase = NULL;
	const struct option table[] = {
		{"scale", OPT_INT, &scale, "N", "divide the paper's sizes by N (default: the scenario's)", 1, 1000000},
		{"set", OPT_LIST, &set, "SECTION.KEY=VALUE", "change a key of the scenario", 0, 0},
		{"phase", OPT_TEXT, &phase, "NAME,...", "only what these phases need", 0, 0},
		{"full", OPT_FLAG, &full, NULL, "for `run --full`", 0, 0},
		{"quick", OPT_FLAG, &quick, NULL, "for `run --quick`", 0, 0},
		{0},
	};
	int err = options_parse(table, "tmbench prepare SCENARIO [options]", argc, argv, &operands);

	if (err)
		return err;
	if (operands.n != 1) {
		complain("prepare takes one scenario; `tmbench list` shows them");
		return EXIT_USAGE;
	}
	err = scenario_take(&s, operands.v[0], &(struct choice){.set = &set, .phases = phase, .full = full, .quick = quick});
	if (!err)
		err = plan_make(&p, &s, scenario_scale(&s, scale, quick), 1, 1, 0);
	if (!err && kind_of(&s)->prepare)
		err = kind_of(&s)->prepare(&p);
	text_free(&s.overrides);
	return err;
}
