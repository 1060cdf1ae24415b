// Where control sockets are; shared by the library and the command.
#include "allocator/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool tm_control_path(int n, uid_t uid, pid_t pid, char *directory, char *path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	// One's own runtime directory may have any name; another user's has the usual one.
	if (n == 0 && runtime && *runtime == '/' && uid == geteuid())
		snprintf(directory, size - 16, "%s/tiermem", runtime);
	else if (n <= 1 && uid)
		snprintf(directory, size - 16, "/run/user/%u/tiermem", (unsigned)uid);
	else if (n <= 1)
		snprintf(directory, size - 16, "/run/tiermem");
	else if (n == 2)
		snprintf(directory, size - 16, "/tmp/tiermem-%u", (unsigned)uid);
	else
		return false;
	snprintf(path, size, "%s/%d.sock", directory, (int)pid);
	return true;
}
