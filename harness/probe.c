#include "harness/probe.h"
#include "harness/proc.h"
#include "harness/util.h"

#include <errno.h>
#include <string.h>

int qemu_version(const char *program, const char *instead, char *version, size_t size)
{
	char name[PATH_LEN], out[4096];
	char *ask[] = {name, "--version", NULL};
	int status;

	snprintf(name, sizeof(name), "%s", program);
	status = proc_capture(ask, out, sizeof(out));
	if (status == -ENOENT) {
		complain("%s not found; install qemu-system-x86 (`make deps`) or name one %s", program,
			 instead);
		return EXIT_FAIL;
	}
	if (status != 0) {
		complain("%s --version failed (%s %d%s%s); name a working QEMU %s", program,
			 status < 0 ? "error" : "status", status < 0 ? -status : status,
			 status < 0 ? ": " : "", status < 0 ? strerror(-status) : "", instead);
		return EXIT_FAIL;
	}
	out[strcspn(out, "\r\n")] = '\0';
	snprintf(version, size, "%.*s", (int)size - 1,
		 strncmp(out, "QEMU emulator version ", 22) ? out : out + 22);
	return 0;
}

int qemu_takes_plugins(const char *program)
{
	char name[PATH_LEN], out[4096];
	char *ask[] = {name, "-machine", "none", "-display", "none", "-plugin", "/nonexistent", NULL};

	snprintf(name, sizeof(name), "%s", program);
	proc_capture(ask, out, sizeof(out));
	if (!strstr(out, "ould not load plugin")) {
		out[strcspn(out, "\r\n")] = '\0';
		complain("%s takes no TCG plugins (it says: %s); use one built with --enable-plugins, as "
			 "Debian's is",
			 program, out[0] ? out : "nothing");
		return EXIT_FAIL;
	}
	return 0;
}
