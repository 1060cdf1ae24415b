// Slow memory, sources of heat, and KVM: what this machine has of them.
#include "allocator/cli/doctor.h"
#include "allocator/perf_event.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool there(const struct doctor *d, const char *path)
{
	return !access(doctor_path(d, path), F_OK);
}

static void add_devdax(struct doctor *d, const char *name)
{
	char path[512], size[64] = "0", align[64] = "?", dev[300], item[300];

	snprintf(item, sizeof(item), "devdax %s", name);
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/size", name);
	doctor_read(d, path, size, sizeof(size));
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/align", name);
	doctor_read(d, path, align, sizeof(align));
	snprintf(dev, sizeof(dev), "/dev/%s", name);
	double gib = (double)strtoull(size, NULL, 0) / (1 << 30);
	if (!there(d, dev))
		doctor_add(d, item, MISSING, "bind it: daxctl reconfigure-device --mode=devdax DEVICE",
			   "%.1f GiB, but there is no %s (is it system-ram?)", gib, dev);
	else if (access(doctor_path(d, dev), R_OK | W_OK))
		doctor_add(d, item, MISSING, "run as root, or give the user the device",
			   "%.1f GiB, not for this user", gib);
	else if (strcmp(align, "4096") && strcmp(align, "65536"))
		doctor_add(d, item, OK, "a smaller granule needs: ndctl create-namespace -m devdax -a 4096",
			   "%.1f GiB, alignment %s: the granule must not be smaller", gib, align);
	else
		doctor_add(d, item, OK, NULL, "%.1f GiB, alignment %s", gib, align);
}

// Calls f for each entry of a directory that begins with prefix and has a digit behind it. Returns how many.
static int each(struct doctor *d, const char *path, const char *prefix,
		void (*f)(struct doctor *d, const char *name))
{
	DIR *dir = opendir(doctor_path(d, path));
	size_t n = strlen(prefix);
	int count = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (!strncmp(e->d_name, prefix, n) && strchr("0123456789", e->d_name[n]) && e->d_name[n]) {
			f(d, e->d_name);
			count++;
		}
	}
	if (dir)
		closedir(dir);
	return count;
}

static void fsdax(struct doctor *d)
{
	FILE *f = setmntent(doctor_path(d, "/proc/self/mounts"), "re");
	struct mntent *m;
	int count = 0;

	while (f && (m = getmntent(f))) {
		const char *dax = hasmntopt(m, "dax");
		if (!dax || !strncmp(dax, "dax=never", 9) || !strncmp(dax, "dax=inode", 9))
			continue;
		doctor_add(d, "fsdax", OK, NULL, "%s on %s (%s): give a file there", m->mnt_fsname,
			   m->mnt_dir, m->mnt_type);
		count++;
	}
	if (f)
		endmntent(f);
	if (!count)
		doctor_add(d, "fsdax", MISSING, "mkfs.ext4 -b 4096 /dev/pmemN and mount -o dax=always",
			   "nothing is mounted with dax");
}

static int far_nodes;

static void add_node(struct doctor *d, const char *name)
{
	char path[512], cpus[256], memory[256];

	snprintf(path, sizeof(path), "/sys/devices/system/node/%s/cpulist", name);
	doctor_read(d, path, cpus, sizeof(cpus));
	snprintf(path, sizeof(path), "/sys/devices/system/node/%s/meminfo", name);
	if (*cpus || !doctor_read(d, path, memory, sizeof(memory)))
		return;
	const char *total = strstr(memory, "MemTotal:");
	double gib = total ? (double)strtoull(total + 9, NULL, 10) / (1 << 20) : 0;
	if (gib <= 0)
		return;
	far_nodes++;
	doctor_add(d, "far NUMA node", OK,
		   NULL, "%s: %.1f GiB and no CPUs: give --pmem numa:%s", name, gib, name + 4);
}

static void heat(struct doctor *d)
{
	struct perf_event_attr events[TM_PERF_EVENTS];
	char why[256], paranoid[32] = "?";

	doctor_read(d, "/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof(paranoid));
	int n = tm_perf_events(events, d->root, why, sizeof(why));
	if (!n)
		doctor_add(d, "perf PEBS/IBS", EMULATED,
			   "needs a CPU with it, or a VM whose host passes it on",
			   "no counters that sample addresses: hint faults stand in");
	else if (geteuid() && atoi(paranoid) > 2)
		doctor_add(d, "perf PEBS/IBS", MISSING, "run as root or: sysctl kernel.perf_event_paranoid=2",
			   "%s, but perf_event_paranoid is %s: hint faults stand in", n > 1 ? "PEBS" : "IBS", paranoid);
	else
		doctor_add(d, "perf PEBS/IBS", OK, NULL, "%s, perf_event_paranoid is %s; tiermem uses it (--track perf), tested without such a PMU",
			   n > 1 ? "PEBS" : "IBS", paranoid);
	if (there(d, "/sys/kernel/mm/damon/admin"))
		doctor_add(d, "DAMON", OK, NULL, "sysfs interface is there; tiermem uses it on request, for NUMA nodes (--track damon)");
	else
		doctor_add(d, "DAMON", MISSING,
			   "a kernel with CONFIG_DAMON_SYSFS (Debian 13 has it); only NUMA nodes can be watched by it",
			   "no sysfs interface");
}

static void kvm(struct doctor *d)
{
	int fd = open(doctor_path(d, "/dev/kvm"), O_RDWR | O_CLOEXEC);
	int version = fd < 0 ? -1 : ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version == KVM_API_VERSION)
		doctor_add(d, "KVM", UNKNOWN, "try: qemu-system-x86_64 -accel kvm; the simulator needs none",
			   "/dev/kvm answers (API %d); only booting a VM proves that it works", version);
	else
		doctor_add(
			d, "KVM", EMULATED,
			"the simulator needs none; modprobe kvm_intel or kvm_amd, or nested virtualisation",
			"%s: VMs run on QEMU's TCG",
			fd < 0 ? "/dev/kvm cannot be opened" : "/dev/kvm gives a strange answer");
	if (fd >= 0)
		close(fd);
}

void doctor_devices(struct doctor *d)
{
	if (!each(d, "/sys/bus/dax/devices", "dax", add_devdax))
		doctor_add(d, "devdax", EMULATED,
			   "with PMEM or CXL: ndctl create-namespace -m devdax -a 4096",
			   "no device: a memfd in DRAM stands in (--pmem memfd:SIZE)");
	fsdax(d);
	far_nodes = 0;
	each(d, "/sys/devices/system/node", "node", add_node);
	if (!far_nodes)
		doctor_add(d, "far NUMA node", MISSING,
			   "not needed; a devdax device becomes one by: daxctl reconfigure-device --mode=system-ram DEVICE",
			   "no node without CPUs (kmem, CXL)");
	heat(d);
	kvm(d);
}
