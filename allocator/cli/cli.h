// The tiermem command: its subcommands, and what they share.
#ifndef TIERMEM_CLI_H
#define TIERMEM_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define CLI_USAGE_RUN	  "tiermem run [OPTIONS] -- PROGRAM [ARGUMENTS]"
#define CLI_USAGE_STATS	  "tiermem stats PID [--capture] [--watch [SECONDS]] [--count N] [--format human|json]"
#define CLI_USAGE_QUOTA	  "tiermem quota PID [SIZE|unlimited] [--format human|json]"
#define CLI_USAGE_MIGRATE "tiermem migrate PID --to dram|pmem [--bytes SIZE] [--format human|json]"
#define CLI_USAGE_DOCTOR  "tiermem doctor [--format human|json]"
#define CLI_USAGE_HELP	  "tiermem help [--man|--man=conf]"

struct cli_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage, *help;
};
extern const struct cli_command cli_commands[]; // the last has no name

// Prints tiermem(1) or, conf, tiermem.conf(5), made from the tables of options and commands.
void cli_man(bool conf);

// Exit status: 0 fine, 1 failure, 2 usage.
int cli_run(int argc, char **argv);
int cli_stats(int argc, char **argv);
int cli_migrate(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_quota(int argc, char **argv);
// One line on stderr, "tiermem: ..."; returns status.
int cli_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The preload library's path: $TIERMEM_PRELOAD, beside the command, or installed. False: nowhere.
bool cli_find_library(char *path, size_t size);
// Reads a process id; false: it is none, and that has been said.
bool cli_pid(const char *text, pid_t *pid);
// If argv[*i] is --json or --format human|json: sets *json. Returns 0; 1: it is something else; 2: wrong, and that has been said.
int cli_format(int argc, char **argv, int *i, bool *json);
// Sends a line, without its end, to the process, and waits for so many seconds, 0: as long as it takes. NULL: no answer, or it is
// an error; cli_why() says which. raw, if not NULL: the text of the answer, valid until the next one.
json_t *cli_ask(pid_t pid, const char *request, int patience_s, const char **raw);
const char *cli_why(void);
// Removes the sockets of this user's processes that are gone without having removed them (killed).
void cli_sweep(void);
#define CLI_PATIENCE_S 5

// Members of a JSON object; 0 if they are not there.
long long cli_count(const json_t *object, const char *key);
double cli_mib(const json_t *object, const char *key);

// The statistics as tables; and again and again, count times or (0) until the process ends or Ctrl-C. Returns the exit status.
void cli_show_stats(const json_t *root);
int cli_watch(pid_t pid, double seconds, long count, bool json);

#endif
