/* The report for programs: JSON and CSV with the same figures; a figure that does not exist is null or empty, never nan. */
#include "harness/report.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* A number, null if there is none. */
static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* A text, null if it is empty. */
static json_t *text(const char *s)
{
	json_t *j = s[0] ? json_string(s) : NULL;

	return j ? j : json_null();
}

/* The run row. */
static json_t *run_object(const struct report *r)
{
	json_t *o = json_object(), *parameters;
	int i;

	json_object_set_new(o, "id", json_integer(r->id));
	json_object_set_new(o, "scenario", text(r->scenario));
	json_object_set_new(o, "description", text(r->description));
	json_object_set_new(o, "status", text(r->status));
	json_object_set_new(o, "reason", text(r->reason));
	json_object_set_new(o, "started", text(r->started));
	json_object_set_new(o, "finished", text(r->finished));
	json_object_set_new(o, "baseline", text(r->baseline));
	json_object_set_new(o, "scale", json_integer(r->scale));
	json_object_set_new(o, "seed", json_integer(r->seed));
	json_object_set_new(o, "repeats", json_integer(r->repeats));
	json_object_set_new(o, "keys", json_integer(r->keys));
	json_object_set_new(o, "value_bytes", json_integer(r->value_bytes));
	json_object_set_new(o, "requests", json_integer(r->requests));
	json_object_set_new(o, "vcpus", json_integer(r->vcpus));
	json_object_set_new(o, "server_vcpu", json_integer(r->server_vcpu));
	json_object_set_new(o, "ram_bytes", json_integer(r->ram));
	json_object_set_new(o, "pmem_bytes", json_integer(r->pmem));
	json_object_set_new(o, "llc_kib", json_integer(r->llc_kib));
	json_object_set_new(o, "profile", text(r->profile));
	json_object_set_new(o, "profile_sha256", text(r->profile_sha256));
	json_object_set_new(o, "image_sha256", text(r->image_sha256));
	json_object_set_new(o, "qemu_version", text(r->qemu));
	json_object_set_new(o, "redis_version", text(r->redis));
	json_object_set_new(o, "kernel_version", text(r->kernel));
	json_object_set_new(o, "tiermem_version", text(r->tiermem));
	json_object_set_new(o, "host", text(r->host));
	json_object_set_new(o, "overrides", text(r->overrides));
	json_object_set_new(o, "kind", text(r->kind));
	parameters = json_object();
	for (i = 0; i < r->n_parameters; i++)
		json_object_set_new(parameters, r->parameters[i].name, text(r->parameters[i].value));
	json_object_set_new(o, "parameters", parameters);
	return o;
}

/* One figure; LLC variants name theirs. */
static json_t *figure_object(const struct figure *f, bool variant)
{
	json_t *o = json_object();

	if (variant)
		json_object_set_new(o, "llc", text(f->variant));
	json_object_set_new(o, "config", text(f->config));
	json_object_set_new(o, "phase", text(f->phase));
	json_object_set_new(o, "metric", text(f->metric));
	json_object_set_new(o, "unit", text(f->unit));
	json_object_set_new(o, "value", number(f->value));
	json_object_set_new(o, "min", number(f->least));
	json_object_set_new(o, "max", number(f->greatest));
	json_object_set_new(o, "repeats", json_integer(f->repeats));
	json_object_set_new(o, "ratio_to_baseline", number(f->ratio));
	json_object_set_new(o, "paper_bound", number(f->bound));
	if (isfinite(f->bound) && isfinite(f->ratio))
		json_object_set_new(o, "bound_holds", json_boolean(f->ratio >= f->bound));
	return o;
}

int report_json(const struct report *r)
{
	json_t *root = json_object(), *vms = json_array(), *summary = json_array(), *llc = json_array();
	size_t i;
	int v, err;

	for (v = 0; v < r->n_vms; v++) {
		const struct run_vm *vm = &r->vms[v];
		json_t *o = json_object();

		json_object_set_new(o, "config", text(vm->config));
		json_object_set_new(o, "repeat", json_integer(vm->repeat));
		json_object_set_new(o, "variant", text(vm->variant));
		json_object_set_new(o, "part", text(vm->part));
		json_object_set_new(o, "llc_kib", number(vm->llc_kib));
		json_object_set_new(o, "status", text(vm->status));
		json_object_set_new(o, "reason", text(vm->reason));
		json_object_set_new(o, "seconds", number(vm->seconds));
		json_array_append_new(vms, o);
	}
	for (i = 0; i < r->n_figures; i++) {
		bool variant =
			strcmp(r->figures[i].variant, "default") && strcmp(r->figures[i].variant, "native");

		json_array_append_new(variant ? llc : summary, figure_object(&r->figures[i], variant));
	}
	json_object_set_new(root, "schema", json_integer(REPORT_SCHEMA));
	json_object_set_new(root, "time", json_string("simulated, except config native"));
	json_object_set_new(root, "run", run_object(r));
	json_object_set_new(root, "vms", vms);
	json_object_set_new(root, "summary", summary);
	json_object_set_new(root, "llc_sensitivity", llc);
	err = json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(root);
	if (err)
		complain("cannot write the report");
	return err ? EXIT_FAIL : 0;
}

/* A CSV field, quoted where it must be. */
static void field(const char *s, char end)
{
	if (!s[strcspn(s, ",\"\r\n")]) {
		printf("%s%c", s, end);
		return;
	}
	putchar('"');
	for (; *s; s++)
		printf(*s == '"' ? "\"\"" : "%c", *s);
	printf("\"%c", end);
}

/* A CSV number, empty if there is none. */
static void csv_number(double v, char end)
{
	if (isfinite(v))
		printf("%.12g", v);
	putchar(end);
}

void report_csv(const struct report *r)
{
	size_t i;

	printf("schema,run_id,scenario,scale,seed,llc,config,phase,metric,unit,value,min,max,repeats,ratio_"
	       "to_baseline,"
	       "paper_bound\n");
	for (i = 0; i < r->n_figures; i++) {
		const struct figure *f = &r->figures[i];

		printf("%d,%lld,", REPORT_SCHEMA, (long long)r->id);
		field(r->scenario, ',');
		printf("%lld,%lld,", (long long)r->scale, (long long)r->seed);
		field(f->variant, ',');
		field(f->config, ',');
		field(f->phase, ',');
		field(f->metric, ',');
		field(f->unit, ',');
		csv_number(f->value, ',');
		csv_number(f->least, ',');
		csv_number(f->greatest, ',');
		printf("%d,", f->repeats);
		csv_number(f->ratio, ',');
		csv_number(f->bound, '\n');
	}
}
