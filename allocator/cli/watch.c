// tiermem stats --watch: the statistics again and again, with rates. On a terminal as a screen, else a line at a time.
#include "allocator/cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define HEADER_EVERY 20 // lines

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	stopped = 1;
}

// Counters whose rate is of interest.
enum { PROMOTED, DEMOTED, FIRST_TOUCH, HINT, WAITED, SAMPLES, RATES };

static void read_counters(const json_t *root, double *out)
{
	const json_t *m = json_object_get(root, "migrations"), *f = json_object_get(root, "faults");

	out[PROMOTED] = cli_mib(m, "promoted_bytes");
	out[DEMOTED] = cli_mib(m, "demoted_bytes");
	out[FIRST_TOUCH] = (double)cli_count(f, "first_touch");
	out[HINT] = (double)cli_count(f, "hint");
	out[WAITED] = (double)cli_count(f, "waited");
	out[SAMPLES] = (double)cli_count(json_object_get(root, "tracking"), "samples");
}

// One line; rates are negative before there are two views.
static void show_line(const json_t *root, const double *rate, long n)
{
	const json_t *tiers = json_object_get(root, "tiers"),
		     *quota = json_object_get(root, "dram_quota_bytes");
	char limit[32] = "unlimited", text[RATES][16];

	if (n % HEADER_EVERY == 0)
		printf("%9s %9s %9s %10s %10s %8s %8s %8s %8s\n", "dram MiB", "pmem MiB", "quota MiB",
		       "promoted/s", "demoted/s", "touch/s", "hints/s", "waits/s", "samples/s");
	if (!json_is_null(quota))
		snprintf(limit, sizeof(limit), "%.1f", json_number_value(quota) / 1048576);
	for (int i = 0; i < RATES; i++)
		snprintf(text[i], sizeof(text[i]), rate[i] < 0 ? "-" : "%.1f", rate[i]);
	printf("%9.1f %9.1f %9s %10s %10s %8s %8s %8s %8s\n",
	       cli_mib(json_object_get(tiers, "dram"), "bytes"),
	       cli_mib(json_object_get(tiers, "pmem"), "bytes"), limit, text[PROMOTED], text[DEMOTED],
	       text[FIRST_TOUCH], text[HINT], text[WAITED], text[SAMPLES]);
}

static void show_screen(const json_t *root, const double *rate)
{
	fputs("\033[H\033[2J", stdout);
	cli_show_stats(root);
	if (rate[0] >= 0)
		printf("per second: %.1f MiB promoted, %.1f MiB demoted, %.1f first touches, %.1f hints, "
		       "%.1f waits, %.1f "
		       "samples\n",
		       rate[PROMOTED], rate[DEMOTED], rate[FIRST_TOUCH], rate[HINT], rate[WAITED],
		       rate[SAMPLES]);
}

// True if the process has ended (a zombie too), or does so within a second.
static bool ended(pid_t pid)
{
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 20; i++, usleep(50000)) {
		FILE *f = fopen(path, "r");
		if (!f)
			return true;
		int n = fscanf(f, "%*d (%*[^)]) %c", &state);
		fclose(f);
		if (n == 1 && (state == 'Z' || state == 'X'))
			return true;
	}
	return false;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int cli_watch(pid_t pid, double seconds, long count, bool json)
{
	struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
	struct sigaction action = {.sa_handler = stop};
	double before[RATES] = {0}, counters[RATES], rate[RATES], then = 0;
	bool screen = !json && isatty(STDOUT_FILENO);
	const char *raw;

	sigaction(SIGINT, &action, NULL);
	for (long n = 0; !stopped && (!count || n < count); n++) {
		if (n)
			nanosleep(&pause, NULL);
		json_t *root = stopped ? NULL : cli_ask(pid, "stats", CLI_PATIENCE_S, &raw);
		if (!root)
			return stopped || (n && ended(pid)) ? 0 : cli_error(1, "%s", cli_why());
		double at = now();
		read_counters(root, counters);
		for (int i = 0; i < RATES; i++) {
			rate[i] = n ? (counters[i] - before[i]) / (at - then) : -1;
			before[i] = counters[i];
		}
		then = at;
		if (json)
			fputs(raw, stdout);
		else if (screen)
			show_screen(root, rate);
		else
			show_line(root, rate, n);
		json_decref(root);
		if (fflush(stdout) || ferror(stdout))
			return 1;
	}
	return 0;
}
