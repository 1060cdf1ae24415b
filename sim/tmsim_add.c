#include "sim/tmsim_add.h"

#include <stdlib.h>
#include <string.h>

#define CLOCK_WORDS "the guest must not use the host's TSC"

/* Which machines a word is for: those with an HPET, those without, --strict only. */
enum when { ALWAYS, HPET, NO_HPET, STRICT };

/* What the guest's kernel is to be told when it is not told otherwise. */
static const struct {
	const char *word;
	enum when when;
} kernel_words[] = {
	{"clocksource=hpet", HPET}, {"clocksource=acpi_pm", NO_HPET}, {"tsc=unstable", ALWAYS},
	{"nokaslr", STRICT},	    {"random.trust_cpu=on", STRICT},
};

static void added(struct qemu_line *line, const char *name, const char *argument, const char *why)
{
	qemu_add(line, name, argument);
	note("added -%s %s: %s", name, argument, why);
}

static void add_accelerator(struct qemu_line *line)
{
	struct qemu_option *o = qemu_last(line, "accel");
	const char *name = o ? qemu_value(o, "accel") : NULL;

	if (qemu_merged(line, "machine", "accel"))
		return;
	if (!o) {
		added(line, "accel", "tcg,thread=multi", "the only accelerator that can be timed");
		return;
	}
	if (qemu_value(o, "thread") || !name || strcmp(name, "tcg") != 0)
		return;
	qemu_replace(line, o, "%s,thread=multi", line->args.v[o->at]);
	note("-accel is now %s", line->args.v[o->at]);
}

static void add_rtc(struct qemu_line *line, bool strict)
{
	const char *base = strict && !qemu_merged(line, "rtc", "base") ? "base=2024-01-01T00:00:00" : "";
	const char *clock = qemu_merged(line, "rtc", "clock") ? "" : "clock=vm";
	struct qemu_option *o = qemu_last(line, "rtc");
	struct text t = {0};

	if (!*base && !*clock)
		return;
	text_add(&t, "%s%s%s", base, *base && *clock ? "," : "", clock);
	if (!o) {
		added(line, "rtc", t.s, "the guest's date follows simulated time");
	} else {
		qemu_replace(line, o, "%s,%s", line->args.v[o->at], t.s);
		note("-rtc is now %s: the guest's date follows simulated time", line->args.v[o->at]);
	}
	text_free(&t);
}

static void add_cpu(struct qemu_line *line)
{
	struct qemu_option *o = qemu_last(line, "cpu");
	const char *tsc;

	if (!o) {
		added(line, "cpu", "max,-tsc,-erms,-fsrm",
		      CLOCK_WORDS ", and copies take fewer instructions");
		return;
	}
	tsc = qemu_value(o, "tsc");
	if (qemu_value(o, "-tsc") || (tsc && !strcmp(tsc, "off")) || !strcmp(line->args.v[o->at], "help"))
		return;
	qemu_replace(line, o, "%s,-tsc", line->args.v[o->at]);
	note("-cpu is now %s: " CLOCK_WORDS, line->args.v[o->at]);
}

/* Whether a kernel command line has WORD, or for "key=value" any value of that key. */
static bool has_word(const char *append, const char *word)
{
	size_t len = strcspn(word, "="), key = len + (word[len] == '=');

	while (*append) {
		size_t n = strcspn(append, " \t\n");

		if (!strncmp(append, "--", n) && n == 2)
			return false; /* the rest is for init */
		if (n >= key && !strncmp(append, word, key) && (word[len] || n == len))
			return true;
		append += n + strspn(append + n, " \t\n");
	}
	return false;
}

static bool has_hpet(const struct qemu_line *line)
{
	const char *hpet = qemu_merged(line, "machine", "hpet");

	return !qemu_last(line, "no-hpet") && (!hpet || !strcmp(hpet, "on"));
}

/* In front, so that what the user says comes later and what follows "--" stays init's. */
static void add_kernel_words(struct qemu_line *line, bool strict)
{
	struct qemu_option *o = qemu_last(line, "append");
	const char *append = o ? line->args.v[o->at] : "";
	enum when hpet = has_hpet(line) ? HPET : NO_HPET;
	struct text words = {0};

	for (size_t i = 0; i < COUNT(kernel_words); i++) {
		enum when when = kernel_words[i].when;

		if ((when == ALWAYS || when == hpet || (when == STRICT && strict)) &&
		    !has_word(append, kernel_words[i].word))
			text_add(&words, "%s%s", words.len ? " " : "", kernel_words[i].word);
	}
	if (!words.len)
		return;
	if (!o && !qemu_last(line, "kernel")) {
		note("no -kernel: the guest's own boot loader must pass \"%s\" to its kernel", words.s);
	} else if (!o) {
		qemu_add(line, "append", words.s);
		note("added -append \"%s\": " CLOCK_WORDS, words.s);
	} else {
		qemu_replace(line, o, "%s%s%s", words.s, *append ? " " : "", append);
		note("added to -append: %s: " CLOCK_WORDS, words.s);
	}
	text_free(&words);
}

void add_missing(struct qemu_line *line, const struct settings *s)
{
	add_accelerator(line);
	add_rtc(line, s->strict);
	add_cpu(line);
	if (s->strict && !qemu_last(line, "seed"))
		added(line, "seed", "1", "--strict: the same random numbers in every run");
	add_kernel_words(line, s->strict);
}

void add_plugin(struct qemu_line *line, const struct settings *s, const char *library, bool progress)
{
	char e[2 * PATH_LEN];
	struct text t = {0};
	int i;

	text_add(&t, "%s", qemu_escaped(e, library));
	text_add(&t, ",profile=%s", qemu_escaped(e, s->profile));
	if (s->stats)
		text_add(&t, ",stats=%s", qemu_escaped(e, strcmp(s->stats, "-") ? s->stats : "/dev/stdout"));
	if (s->samples)
		text_add(&t, ",samples=%s", qemu_escaped(e, s->samples));
	if (s->sample_period)
		text_add(&t, ",sample-period=%lld", (long long)s->sample_period);
	for (i = 0; i < s->pmem.n; i++)
		text_add(&t, ",pmem=%s", qemu_escaped(e, s->pmem.v[i]));
	for (i = 0; i < s->set.n; i++) {
		const char *equals = strchr(s->set.v[i], '=');

		text_add(&t, ",set=%.*s:%s", (int)(equals - s->set.v[i]), s->set.v[i], equals + 1);
	}
	if (s->strict)
		text_add(&t, ",strict=on");
	if (s->parallel)
		text_add(&t, ",parallel=%lld", (long long)s->parallel);
	if (progress)
		text_add(&t, ",progress=on");
	qemu_add(line, "plugin", t.s);
	note("added -plugin %s, and LD_PRELOAD", t.s);
	text_free(&t);
}
