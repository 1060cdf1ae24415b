#include "sim/tmsim_check.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe.h"
#include "sim/sched.h"

enum { OLDEST_MAJOR = 7, OLDEST_MINOR = 2 };

/* Without --strict and with it. */
enum verdict { OK, WARN, REFUSE };

struct rule {
	const char *options; /* "netdev|nic" */
	const char *key;     /* NULL: the option itself */
	const char *values;  /* patterns "user|tap*"; "!...": anything else; NULL: any */
	enum verdict free, strict;
	const char *why;
};

#define OUTSIDE " brings in events in the host's time, so runs differ"

static const struct rule rules[] = {
	{"enable-kvm|enable-hax", NULL, NULL, REFUSE, REFUSE,
	 "the guest would run on the real CPU, where nothing can be timed; leave it out"},
	{"accel", "accel", "!tcg|help", REFUSE, REFUSE,
	 "only TCG can be timed; leave it out, or use -accel tcg,thread=multi"},
	{"machine", "accel", "!tcg", REFUSE, REFUSE,
	 "only TCG can be timed; leave it out, or use -accel tcg,thread=multi"},
	{"accel", "thread", "!multi", REFUSE, REFUSE, "every vCPU needs a thread of its own: thread=multi"},
	{"cpu", "", "host", REFUSE, REFUSE, "needs KVM; -cpu max has everything TCG knows"},
	{"icount", NULL, NULL, REFUSE, REFUSE, "tmsim gives the guest its time; leave it out"},
	{"daemonize", NULL, NULL, REFUSE, REFUSE,
	 "the simulator's clocks do not survive the fork; put the command in the background with &"},
	{"rtc", "clock", "!vm", REFUSE, REFUSE, "the guest's date must follow simulated time: clock=vm"},
	{"rtc", "base", "utc|localtime", OK, REFUSE,
	 "the guest would see today's date; --strict wants a fixed one (base=2024-01-01T00:00:00)"},
	{"plugin", "file", "*libtmsim*", REFUSE, REFUSE,
	 "tmsim loads the library itself; its settings are options of tmsim run"},
	{"drive|blockdev", ".aio", "!threads", WARN, REFUSE,
	 "only aio=threads gives block I/O simulated time; this completes when the host is done"},
	{"drive", "file", "nbd:*|nbd+*|iscsi:*|rbd:*|ssh:*|http*:*|ftp*:*|nfs:*", WARN, REFUSE,
	 "a disk on a network answers in the host's time"},
	{"blockdev", ".driver", "nbd|iscsi|rbd|ssh|http*|ftp*|nfs", WARN, REFUSE,
	 "a disk on a network answers in the host's time"},
	{"object", "qom-type", "iothread", WARN, REFUSE,
	 "an iothread works in the host's time; without it the device's work is done in simulated time"},
	{"incoming", NULL, NULL, WARN, REFUSE, "a migration arrives in the host's time"},
	{"loadvm", NULL, NULL, WARN, WARN,
	 "untested; caches and statistics start empty, the clock goes on where the snapshot was made"},
	{"snapshot", NULL, NULL, OK, WARN,
	 "writes go to a temporary file, whose blocks are where the host puts them"},
	{"readconfig", NULL, NULL, WARN, WARN, "what this file sets is not checked"},
	{"gdb|s", NULL, NULL, OK, WARN, "a debugger stops the guest at the host's time"},
	{"machine", "type", "microvm*", WARN, WARN,
	 "untested: it has no HPET unless asked, and maps no -device nvdimm"},
	{"machine", "type", "!q35|pc|pc-*|microvm*|none|help", WARN, WARN, "untested; q35 and pc are"},
	{"netdev|net|nic", "type", "!none|nic|hubport", OK, WARN, "the network" OUTSIDE},
	{"netdev", "vhost", "on", WARN, WARN, "the host's kernel reads guest memory in the host's time"},
	{"display", "type", "!none|egl-headless", OK, WARN, "a display" OUTSIDE "; -display none"},
	{"vnc|spice|full-screen", NULL, NULL, OK, WARN, "a display" OUTSIDE "; -display none"},
	{"serial|parallel|monitor|qmp|debugcon", "",
	 "!none|null|file:*|vc|vc:*|chardev:*|mon:vc*|mon:chardev:*", OK, WARN,
	 "input" OUTSIDE "; -serial file:FILE does not"},
	{"chardev", "backend", "!null|file|vc|ringbuf|memory", OK, WARN, "input" OUTSIDE "; a file does not"},
	{"nographic", NULL, NULL, OK, WARN, "the terminal" OUTSIDE "; -display none -serial file:FILE"},
	{"audiodev|audio", "driver", "!none", OK, WARN, "sound" OUTSIDE},
	{"device", "driver", "usb-host|usb-redir|vfio-*|vhost-*|ivshmem-doorbell|usb-mtp", OK, WARN,
	 "a device of the host" OUTSIDE},
	{"usbdevice", "driver", "host:*", OK, WARN, "a device of the host" OUTSIDE},
	{"object", "qom-type", "rng-random|rng-egd", OK, WARN,
	 "the host's random numbers; the default (rng-builtin) follows -seed"},
	{"fsdev|virtfs|tpmdev", NULL, NULL, OK, WARN, "what the host serves" OUTSIDE},
};

static bool in_list(const char *list, const char *word)
{
	bool other = *list == '!', found = false;
	char *copy = must_strdup(list + other), *rest = copy, *p;

	while ((p = strsep(&rest, "|")) != NULL)
		if (!fnmatch(p, word, 0))
			found = true;
	free(copy);
	return found != other;
}

/* Whether a rule is about this option as it stands. */
static bool applies(const struct rule *r, const struct qemu_option *o)
{
	const char *value;

	if (!in_list(r->options, o->name))
		return false;
	if (!r->key)
		return true;
	value = qemu_value(o, r->key);
	return value && (!r->values || in_list(r->values, value));
}

/* The option as the user wrote it, cut to what fits in a line. */
static const char *written(const struct qemu_line *line, const struct qemu_option *o)
{
	static char out[128];
	const char *argument = line->args.v[o->at];

	if (!strncmp(argument, "-", 1))
		argument = "";
	snprintf(out, sizeof(out), "-%s%s%.80s", o->name, *argument ? " " : "", argument);
	return out;
}

/* Refuses the first option that a rule refuses. */
static int refuse(const struct qemu_line *line, bool strict)
{
	for (int i = 0; i < line->n; i++) {
		for (size_t k = 0; k < COUNT(rules); k++) {
			const struct rule *r = &rules[k];

			if ((strict ? r->strict : r->free) != REFUSE || !applies(r, &line->options[i]))
				continue;
			complain("%s%s: %s", r->free != REFUSE ? "--strict with " : "",
				 written(line, &line->options[i]), r->why);
			return EXIT_FAIL;
		}
	}
	return 0;
}

/* What QEMU makes when nothing is said about it. */
static void warn_of_defaults(const struct qemu_line *line)
{
	bool bare = qemu_last(line, "nodefaults");

	if (!bare && !qemu_last(line, "netdev") && !qemu_last(line, "nic") && !qemu_last(line, "net"))
		note("warning: QEMU's default network card: the network" OUTSIDE "; -nic none");
	if (!qemu_last(line, "display") && !qemu_last(line, "nographic") && !qemu_last(line, "vnc") &&
	    !qemu_last(line, "spice"))
		note("warning: QEMU's default display: a display" OUTSIDE "; -display none");
}

/* A number of -smp, 0 when it does not say. */
static long smp(const struct qemu_line *line, const char *key)
{
	const char *value = qemu_merged(line, "smp", key);

	return value ? strtol(value, NULL, 10) : 0;
}

static int check_vcpus(const struct qemu_line *line)
{
	static const char *const levels[] = {"sockets", "dies", "clusters", "modules", "cores", "threads"};
	long cpus = smp(line, "cpus"), most = smp(line, "maxcpus"), product = 1;

	for (size_t i = 0; i < COUNT(levels); i++)
		if (smp(line, levels[i]) > 0 && product < 100000)
			product *= smp(line, levels[i]);
	if (!cpus)
		cpus = product;
	if (most > cpus)
		cpus = most;
	if (cpus <= SCHED_MAX_VCPUS)
		return 0;
	complain("%ld vCPUs are too many; %d at most (-smp)", cpus, SCHED_MAX_VCPUS);
	return EXIT_FAIL;
}

/* Whether ID is a memory backend; collects all of them. "pc.ram" is QEMU's own when -machine names none. */
static bool is_backend(const struct qemu_line *line, const char *id, struct text *known)
{
	bool found = false;

	for (int i = 0; i < line->n; i++) {
		const struct qemu_option *o = &line->options[i];
		const char *type = strcmp(o->name, "object") ? NULL : qemu_value(o, "qom-type");
		const char *name = type && !strncmp(type, "memory-backend-", 15) ? qemu_value(o, "id") : NULL;

		if (!name)
			continue;
		text_add(known, "%s%s", known->len ? ", " : "", name);
		found |= !strcmp(name, id);
	}
	if (!qemu_merged(line, "machine", "memory-backend")) {
		text_add(known, "%spc.ram (all of -m)", known->len ? ", " : "");
		found |= !strcmp(id, "pc.ram");
	}
	return found;
}

static int check_pmem(const struct qemu_line *line, const struct settings *s)
{
	for (int i = 0; i < s->pmem.n && !qemu_last(line, "readconfig"); i++) {
		struct text known = {0};

		if (!is_backend(line, s->pmem.v[i], &known)) {
			complain("--pmem %s: no memory backend of the QEMU command line has this id; it has "
				 "%s",
				 s->pmem.v[i],
				 known.s ? known.s : "none (-object memory-backend-ram,id=...)");
			text_free(&known);
			return EXIT_USAGE;
		}
		text_free(&known);
	}
	return 0;
}

int check_line(const struct qemu_line *line, const struct settings *s)
{
	int err = refuse(line, s->strict);

	if (!err)
		err = check_vcpus(line);
	if (!err)
		err = check_pmem(line, s);
	return err;
}

void warn_line(const struct qemu_line *line, bool strict)
{
	for (int i = 0; i < line->n; i++)
		for (size_t k = 0; k < COUNT(rules); k++)
			if ((strict ? rules[k].strict : rules[k].free) == WARN &&
			    applies(&rules[k], &line->options[i]))
				note("warning: %s: %s", written(line, &line->options[i]), rules[k].why);
	if (strict)
		warn_of_defaults(line);
}

int check_program(const char *program)
{
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;
	char version[128];
	int major, minor;

	if (!strncmp(name, "qemu-", 5) ? strncmp(name, "qemu-system-x86_64", 18) != 0
				       : !strcmp(name, "kvm")) {
		complain("%s: only qemu-system-x86_64 can be simulated", program);
		return EXIT_FAIL;
	}
	if (qemu_version(program, "after --", version, sizeof(version)))
		return EXIT_FAIL;
	if (sscanf(version, "%d.%d", &major, &minor) != 2) {
		complain("%s is no QEMU system emulator: --version says '%s'", program, version);
		return EXIT_FAIL;
	}
	if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR)) {
		complain("%s is QEMU %s; tmsim needs %d.%d or later", program, version, OLDEST_MAJOR,
			 OLDEST_MINOR);
		return EXIT_FAIL;
	}
	if (qemu_takes_plugins(program))
		return EXIT_FAIL;
	note("QEMU %s", version);
	return 0;
}
