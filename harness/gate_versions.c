/*
 * The fingerprint: everything that changes the numbers without being a source of this tree. QEMU and its firmware, the
 * compiler, the libraries that are linked in or that QEMU runs on, what is in the guest, and what the gate was asked to run.
 * The simulator, its profiles and the harness are sources: their changes are what the gate is there to see.
 */
#include "harness/gate.h"
#include "harness/probe.h"
#include "harness/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Debian packages on the host whose code or headers end up in the guest or run the simulation. */
static const char *const packages[] = {
	"binutils",	  "libc6",	     "libc6-dev",    "libgsl-dev",   "libinih-dev",
	"libjansson-dev", "libjemalloc-dev", "libevent-dev", "libpmem2-dev", "qemu-system-data",
	"seabios",
};

/* SHA-256 of a file, or "" */
static void file_hash(const char *path, char out[72])
{
	char name[PATH_LEN];
	char *argv[] = {"sha256sum", name, NULL};

	snprintf(name, sizeof(name), "%s", path);
	out[0] = '\0';
	if (!access(path, R_OK))
		proc_first_line(argv, out, 72);
	out[strcspn(out, " ")] = '\0';
}

/* The scenario and everything that the command line changes in it. */
static void add_scenario(struct gate_set *set, const struct gate_options *o, const struct scenario *s)
{
	struct text t = {0};
	char hash[72];
	int i;

	file_hash(s->file, hash);
	text_add(&t, "%s %.12s", s->name, hash);
	if (o->scale)
		text_add(&t, " scale=%lld", (long long)o->scale);
	if (o->config)
		text_add(&t, " config=%s", o->config);
	if (o->phase)
		text_add(&t, " phase=%s", o->phase);
	for (i = 0; i < o->set.n; i++)
		text_add(&t, " %s", o->set.v[i]);
	gate_print_add(set, "scenario", t.s);
	text_free(&t);
}

/* Debian's packages on this host. */
static void add_packages(struct gate_set *set)
{
	char version[128];
	size_t i;

	for (i = 0; i < COUNT(packages); i++) {
		char name[64];
		char *argv[] = {"dpkg-query", "-W", "-f", "${Version}\\n", name, NULL};

		snprintf(name, sizeof(name), "%s", packages[i]);
		if (proc_capture(argv, version, sizeof(version)) != 0 || !version[0])
			snprintf(version, sizeof(version), "not a Debian package here");
		version[strcspn(version, "\n")] = '\0';
		gate_print_add(set, name, version);
	}
}

/* What is in the guest image. 0 or EXIT_FAIL. */
static int add_guest(struct gate_set *set, const struct scenario *s)
{
	char path[PATH_LEN], hash[72], *kernel;

	root_path(path, "build/guest/packages");
	file_hash(path, hash);
	if (!hash[0]) {
		complain("%s is missing; run `make guest`", path);
		return EXIT_FAIL;
	}
	gate_print_add(set, "guest-packages", hash);
	root_path(path, "build/guest/kernel-version");
	kernel = read_file(path, NULL);
	if (kernel) {
		kernel[strcspn(kernel, "\n")] = '\0';
		gate_print_add(set, "guest-kernel", kernel);
	}
	free(kernel);
	root_path(path, s->root);
	file_hash(path, set->image);
	return 0;
}

int gate_versions(struct gate_set *set, const struct gate_options *o)
{
	char root[PATH_LEN], version[128];
	char *git[] = {"git", "-C", root, "describe", "--always", "--tags", "--long", NULL};
	char *cc[] = {getenv("CC") && getenv("CC")[0] ? getenv("CC") : "gcc", "--version", NULL};
	struct scenario s;
	const char *qemu;
	int code = scenario_load(&s, o->scenario);

	if (code)
		return code;
	qemu = o->qemu ? o->qemu : getenv("TMBENCH_QEMU") ? getenv("TMBENCH_QEMU") : s.qemu;
	add_scenario(set, o, &s);
	if (qemu_version(qemu, "with --qemu", version, sizeof(version)))
		return EXIT_FAIL;
	gate_print_add(set, "qemu", version);
	proc_first_line(cc, version, sizeof(version));
	gate_print_add(set, "compiler", version);
	add_packages(set);
	code = add_guest(set, &s);
	snprintf(root, sizeof(root), "%s", root_dir());
	proc_first_line(git, set->commit, sizeof(set->commit));
	if (gate_dirty() > 0)
		strncat(set->commit, "-dirty", sizeof(set->commit) - strlen(set->commit) - 1);
	utc_now(set->made);
	return code;
}

/* A fingerprint line's value; NULL: there is none of that name. */
static const char *value_of(const struct gate_set *s, const char *name)
{
	int i;

	for (i = 0; i < s->n_prints; i++)
		if (!strcmp(s->prints[i].name, name))
			return s->prints[i].value;
	return NULL;
}

int gate_differences(struct text *out, const struct gate_set *ref, const struct gate_set *now)
{
	int i, n = 0;

	for (i = 0; i < now->n_prints; i++) {
		const char *was = value_of(ref, now->prints[i].name);

		if (was && !strcmp(was, now->prints[i].value))
			continue;
		n++;
		text_add(out, "%s: %s here, %s in the reference\n", now->prints[i].name, now->prints[i].value,
			 was ? was : "nothing");
	}
	for (i = 0; i < ref->n_prints; i++) {
		if (value_of(now, ref->prints[i].name))
			continue;
		n++;
		text_add(out, "%s: nothing here, %s in the reference\n", ref->prints[i].name,
			 ref->prints[i].value);
	}
	return n;
}

int gate_dirty(void)
{
	char root[PATH_LEN], out[256];
	char *argv[] = {"git",	       "-C", root, "status",
			"--porcelain", "--", ".",  ":(exclude)results/gate.reference",
			NULL};

	snprintf(root, sizeof(root), "%s", root_dir());
	if (proc_capture(argv, out, sizeof(out)) != 0)
		return -1;
	return out[0] != '\0';
}
