// The tiermem command: its subcommands.
#ifndef TIERMEM_CLI_H
#define TIERMEM_CLI_H

// Exit status: 0 fine, 1 failure, 2 usage.
int cli_run(int argc, char **argv);
int cli_stats(int argc, char **argv);
// One line on stderr, "tiermem: ..."; returns status.
int cli_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
