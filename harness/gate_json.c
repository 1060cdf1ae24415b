/* The verdict for programs: everything that was compared. */
#include "harness/gate.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The values of a row that were looked at. */
static json_t *values(const struct gate_row *r, int n)
{
	json_t *a = json_array();
	int i;

	for (i = 0; i < n; i++)
		json_array_append_new(a, json_real(r->v[i]));
	return a;
}

/* One row compared. */
static json_t *finding(const struct gate_report *r, const struct gate_finding *f)
{
	static const char *const states[] = {"same", "changed", "better", "worse", "unsteady"};
	json_t *o = json_object();

	json_object_set_new(o, "config", json_string(f->now->config));
	json_object_set_new(o, "phase", json_string(f->now->phase));
	json_object_set_new(o, "metric", json_string(f->now->metric));
	json_object_set_new(o, "kind", json_string(f->metric && f->metric->better ? "result" : "counter"));
	json_object_set_new(o, "state", json_string(states[f->state]));
	json_object_set_new(o, "change_percent", json_real(f->change));
	json_object_set_new(o, "worse_seeds", json_integer(f->worse));
	json_object_set_new(o, "p", json_real(f->p));
	json_object_set_new(o, "reference", values(f->ref, r->seeds));
	json_object_set_new(o, "now", values(f->now, r->seeds));
	return o;
}

/* Lines as an array. */
static json_t *lines(const char *s)
{
	json_t *a = json_array();

	for (; *s; s = strchr(s, '\n') + 1)
		json_array_append_new(a, json_stringn(s, strcspn(s, "\n")));
	return a;
}

int gate_report_json(const struct gate_report *r)
{
	json_t *o = json_object(), *rows = json_array();
	bool same = true;
	char *text;
	int i;

	for (i = 0; i < r->n; i++) {
		same = same && r->f[i].state == GATE_SAME;
		json_array_append_new(rows, finding(r, &r->f[i]));
	}
	json_object_set_new(o, "schema", json_integer(2));
	json_object_set_new(o, "verdict",
			    json_string(r->code == EXIT_REGRESSION	      ? "regression"
					: same				      ? "identical"
					: gate_count(r->f, r->n, GATE_BETTER) ? "better"
									      : "changed"));
	json_object_set_new(o, "against", json_string(r->against));
	json_object_set_new(o, "against_commit", json_string(r->rev[0] ? r->rev : r->ref->commit));
	json_object_set_new(o, "why_not_reference", lines(r->versions));
	json_object_set_new(o, "commit", json_string(r->now->commit));
	json_object_set_new(o, "tolerance_percent", json_real(r->o->tolerance));
	json_object_set_new(o, "first_seed", json_integer(r->now->seed));
	json_object_set_new(o, "seeds", json_integer(r->seeds));
	json_object_set_new(o, "second_look", json_boolean(r->second));
	json_object_set_new(o, "rows", rows);
	text = json_dumps(o, JSON_INDENT(1));
	json_decref(o);
	if (!text) {
		complain("out of memory");
		return EXIT_FAIL;
	}
	puts(text);
	free(text);
	return EXIT_OK;
}
