/* tmmark: marks from the shell. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/mark.h"

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	const char *arg = argc > 2 ? argv[2] : "";
	int r;

	if (!strcmp(verb, "begin") && argc == 3 && *arg && strlen(arg) <= MARK_NAME_MAX) {
		r = mark_begin(arg);
	} else if (!strcmp(verb, "end") && argc == 2) {
		r = mark_end();
	} else if (!strcmp(verb, "model") && argc == 3 && (!strcmp(arg, "on") || !strcmp(arg, "off"))) {
		r = mark_model(!strcmp(arg, "on"));
	} else {
		fprintf(stderr,
			"tmmark: usage: tmmark begin NAME (up to %d characters) | end | model on|off\n",
			MARK_NAME_MAX);
		return 2;
	}
	if (r) {
		fprintf(stderr, "tmmark: no executable memory: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
