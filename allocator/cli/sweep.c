// Control sockets whose processes were killed: a killed process cannot remove its own.
#include "allocator/cli/cli.h"
#include "allocator/control.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

void cli_sweep(void)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)], path[sizeof(directory)];

	for (int n = 0; tm_control_path(n, geteuid(), 1, directory, path, sizeof(path)); n++) {
		DIR *d = opendir(directory);
		for (struct dirent *e; d && (e = readdir(d));) {
			char *end;
			long pid = strtol(e->d_name, &end, 10);
			if (pid > 0 && !strcmp(end, ".sock") && kill((pid_t)pid, 0) && errno == ESRCH)
				unlinkat(dirfd(d), e->d_name, 0);
		}
		if (d)
			closedir(d);
	}
}
