// What the kernel can do for migration and capture, tried out where that is possible, and how it is set.
#include "allocator/cli/doctor.h"
#include "allocator/os.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FEATURE_MOVE (UINT64_C(1) << 16) // newer than the oldest headers that we build with

static void kernel(struct doctor *d)
{
	struct utsname name;
	int major = 0, minor = 0;
	char *end;

	uname(&name);
	major = (int)strtol(name.release, &end, 10);
	if (*end == '.')
		minor = (int)strtol(end + 1, NULL, 10);
	bool enough = major > 5 || (major == 5 && minor >= 11);
	doctor_add(d, "kernel", enough ? OK : MISSING, enough ? NULL : "use Linux 5.11 or newer", "%s %s %s",
		   name.sysname, name.release, name.machine);
}

static void userfaultfd(struct doctor *d)
{
	const uint64_t needed =
		UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	uint64_t features = 0;
	int error = tm_os_uffd_features(&features);

	if (error)
		doctor_add(d, "userfaultfd", MISSING,
			   "run as root, or: sysctl vm.unprivileged_userfaultfd=1, or give the user "
			   "/dev/userfaultfd",
			   "%s: no migration, no capture of mmap, no hint faults; memory stays where it is "
			   "placed",
			   strerror(-error));
	else if ((features & needed) != needed)
		doctor_add(d, "userfaultfd", MISSING, "use Linux 5.7 or newer",
			   "allowed, but it cannot report mremap or writes (features %#llx)",
			   (unsigned long long)features);
	else
		doctor_add(d, "userfaultfd", OK, NULL, "allowed for the kernel's own accesses too");
	if (error)
		doctor_add(d, "UFFDIO_MOVE", UNKNOWN, NULL, "userfaultfd is needed to tell");
	else if (features & FEATURE_MOVE)
		doctor_add(d, "UFFDIO_MOVE", OK, NULL, "there (tiermem does not use it yet)");
	else
		doctor_add(d, "UFFDIO_MOVE", MISSING, "Linux 6.8 has it; tiermem does not use it yet",
			   "the kernel cannot say which pages are pinned");
}

static void dontunmap(struct doctor *d)
{
	char *from = tm_os_reserve(TM_PAGE), *to = tm_os_reserve(TM_PAGE);

	if (!from || !to)
		return;
	*from = 1;
	int error = tm_os_move_pages(from, TM_PAGE, to);
	if (!error && *to == 1 && *from == 0)
		doctor_add(d, "MREMAP_DONTUNMAP", OK, NULL, "works");
	else
		doctor_add(d, "MREMAP_DONTUNMAP", MISSING, "use Linux 5.7 or newer", "no migration: %s",
			   error ? strerror(-error) : "it does not do what it should");
}

static void settings(struct doctor *d)
{
	static const char dev[] = "/dev/userfaultfd", sysctl[] = "/proc/sys/vm/unprivileged_userfaultfd";
	char text[256];

	if (access(doctor_path(d, dev), F_OK))
		doctor_add(d, dev, MISSING, "Linux 6.1 has it; needed only for users without root",
			   "not there");
	else if (access(doctor_path(d, dev), R_OK | W_OK))
		doctor_add(d, dev, MISSING, "setfacl -m u:USER:rw /dev/userfaultfd (as root)",
			   "not for this user");
	else
		doctor_add(d, dev, OK, NULL, "accessible");
	if (!doctor_read(d, sysctl, text, sizeof(text)))
		doctor_add(d, "unprivileged_userfaultfd", UNKNOWN, NULL, "cannot read %s", sysctl);
	else if (!strcmp(text, "1"))
		doctor_add(d, "unprivileged_userfaultfd", OK, NULL, "1: every user may");
	else
		doctor_add(d, "unprivileged_userfaultfd", geteuid() ? MISSING : OK,
			   geteuid() ? "sysctl vm.unprivileged_userfaultfd=1 (as root)" : NULL,
			   "%s: only root, and who may open %s", text, dev);
	if (!doctor_read(d, "/proc/sys/vm/max_map_count", text, sizeof(text)))
		doctor_add(d, "max_map_count", UNKNOWN, NULL, "cannot read it");
	else
		doctor_add(
			d, "max_map_count", atol(text) >= 65530 ? OK : MISSING,
			atol(text) >= 65530 ? NULL : "sysctl vm.max_map_count=65530 or more",
			"%s: at most %ld PMEM granules that lie scattered; the larger the granule, the fewer",
			text, atol(text) / 2);
	if (!doctor_read(d, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)))
		doctor_add(d, "transparent huge pages", UNKNOWN, NULL, "cannot read the setting");
	else
		doctor_add(d, "transparent huge pages", OK, NULL, "%s%s", text,
			   strstr(text, "[always]") ? ": tiermem keeps them out of processes that have taken half of their quota"
						    : "");
}

static void address_space(struct doctor *d)
{
	const size_t size = (size_t)256 << 30; // four zones of TIERMEM_RESERVE's default
	char text[64] = "?";
	void *p = tm_os_reserve(size);

	doctor_read(d, "/proc/sys/vm/overcommit_memory", text, sizeof(text));
	if (p)
		tm_os_munmap(p, size);
	if (p && strcmp(text, "2"))
		doctor_add(d, "address space", OK, NULL, "overcommit_memory is %s", text);
	else
		doctor_add(d, "address space", MISSING,
			   "sysctl vm.overcommit_memory=0, ulimit -v unlimited, or a smaller TIERMEM_RESERVE",
			   "256 GiB cannot be reserved (overcommit_memory is %s)", text);
}

void doctor_kernel(struct doctor *d)
{
	kernel(d);
	userfaultfd(d);
	dontunmap(d);
	settings(d);
	address_space(d);
}
