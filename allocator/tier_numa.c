#include "allocator/tier_numa.h"
#include "allocator/core.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES "/sys/devices/system/node/"
#define TRIES 3 // for pages that are busy for a moment

static unsigned far_node[TM_NUMA_NODES], far_nodes, near_node;
static uint64_t far_mask, near_mask;

// The nodes in a list such as 0-1,3.
static uint64_t nodes_in(const char *file)
{
	char path[64], text[512], *at = text;
	uint64_t mask = 0;

	snprintf(path, sizeof(path), NODES "%s", file);
	if (tm_os_read_file(path, text, sizeof(text)) <= 0)
		return 0;
	while (*at >= '0' && *at <= '9') {
		unsigned long from = strtoul(at, &at, 10), to = from;
		if (*at == '-')
			to = strtoul(at + 1, &at, 10);
		for (; from <= to && from < TM_NUMA_NODES; from++)
			mask |= UINT64_C(1) << from;
		at += *at == ',';
	}
	return mask;
}

bool tm_numa_find(char *path, size_t size)
{
	uint64_t mask = nodes_in("has_memory") & ~nodes_in("has_cpu");
	size_t used = (size_t)snprintf(path, size, "numa");

	for (unsigned i = 0; i < TM_NUMA_NODES; i++) {
		if (mask & UINT64_C(1) << i)
			used += (size_t)snprintf(path + used, size - used, "%c%u", used == 4 ? ':' : ',', i);
	}
	return mask;
}

// All memory of a node, in bytes; 0: there is none.
static uint64_t node_bytes(unsigned node)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), NODES "node%u/meminfo", node);
	if (tm_os_read_file(path, text, sizeof(text)) <= 0)
		return 0;
	const char *total = strstr(text, "MemTotal:");
	return total ? strtoull(total + 9, NULL, 10) << 10 : 0;
}

// A node for what is promoted: the one where the calling thread runs, if it is near.
static unsigned near(void)
{
	unsigned cpu, node;

	if (tm_os_syscall(SYS_getcpu, (long)&cpu, (long)&node, 0, 0, 0, 0) || node >= TM_NUMA_NODES ||
	    !(near_mask & UINT64_C(1) << node))
		return near_node;
	return node;
}

bool tm_numa_open(const char *path, size_t granule, struct tm_pmem *out, char *why, size_t size)
{
	uint64_t wanted, all = 0;

	if (!tm_parse_nodes(path, &far_mask, &wanted)) {
		snprintf(why, size, "'%s' names no NUMA nodes; write for example numa:1 or numa:1,2:64G", path);
		return false;
	}
	far_nodes = 0;
	for (unsigned i = 0; i < TM_NUMA_NODES; i++) {
		if (!(far_mask & UINT64_C(1) << i))
			continue;
		uint64_t bytes = node_bytes(i);
		if (!bytes) {
			snprintf(why, size, "there is no NUMA node %u with memory; tiermem doctor lists those without CPUs", i);
			return false;
		}
		all += bytes;
		far_node[far_nodes++] = i;
	}
	near_mask = nodes_in("has_memory") & ~far_mask;
	if (near_mask & nodes_in("has_cpu"))
		near_mask &= nodes_in("has_cpu");
	if (!near_mask) {
		snprintf(why, size, "%s is all the memory there is; leave a node for DRAM", path);
		return false;
	}
	near_node = (unsigned)__builtin_ctzll(near_mask);
	if (wanted != TM_UNLIMITED && wanted > all) {
		snprintf(why, size, "%s: the nodes have %llu MiB; give a smaller size, or none", path,
			 (unsigned long long)all >> 20);
		return false;
	}
	out->kind = TM_NUMA;
	out->devices = 1;
	out->bytes = (wanted < all ? wanted : all) & ~(uint64_t)(granule - 1);
	out->device[0] = (struct tm_pmem_device){.fd = memfd_create("tiermem", MFD_CLOEXEC), // for the ledger alone
						 .path = path, .length = (int)strlen(path), .bytes = out->bytes};
	if (out->device[0].fd >= 0)
		return true;
	out->devices = 0;
	snprintf(why, size, "cannot make a memfd: %s", strerror(errno));
	return false;
}

bool tm_numa_bind(void *addr, size_t size, bool far)
{
	int mode = !far ? MPOL_DEFAULT : far_nodes == 1 ? MPOL_PREFERRED : MPOL_INTERLEAVE;

	return !tm_os_syscall(SYS_mbind, (long)addr, (long)size, mode, far ? (long)&far_mask : 0, far ? TM_NUMA_NODES + 1 : 0, 0);
}

// One attempt to have n pages on the nodes given. Returns how many are there and are not where they should be; busy: some of them for a moment.
static size_t attempt(void **pages, const int *nodes, int *status, size_t n, bool *busy)
{
	size_t refused = 0;

	*busy = false;
	for (size_t i = 0; i < n; i++)
		status[i] = -EBUSY; // the kernel leaves early, and some as they are
	if (tm_os_syscall(SYS_move_pages, 0, (long)n, (long)pages, (long)nodes, (long)status, MPOL_MF_MOVE) < 0)
		return n;
	for (size_t i = 0; i < n; i++) {
		bool ok = status[i] == nodes[i] || status[i] == -ENOENT || status[i] == -EFAULT; // not there, or the page of zeros
		refused += !ok;
		*busy |= !ok && (status[i] == -EBUSY || status[i] == -EAGAIN || status[i] >= 0);
	}
	return refused;
}

bool tm_numa_move(void *addr, size_t size, bool far)
{
	static void *pages[TM_NUMA_MOST / TM_PAGE];
	static int nodes[TM_NUMA_MOST / TM_PAGE], status[TM_NUMA_MOST / TM_PAGE];
	size_t n = size / TM_PAGE, refused = n;
	unsigned to = near();
	bool busy = true;

	for (size_t i = 0; i < n; i++) {
		pages[i] = (char *)addr + i * TM_PAGE;
		nodes[i] = (int)(far ? far_node[(uintptr_t)pages[i] / TM_PAGE % far_nodes] : to);
	}
	for (int i = 0; i < TRIES && refused && busy; i++)
		refused = attempt(pages, nodes, status, n, &busy);
	if (!refused)
		return true;
	for (size_t i = 0; i < n; i++)
		nodes[i] = (int)(far ? to : far_node[(uintptr_t)pages[i] / TM_PAGE % far_nodes]);
	attempt(pages, nodes, status, n, &busy);
	return false;
}
