#include "allocator/heat_file.h"
#include "allocator/core.h"
#include "allocator/guest.h"
#include "allocator/track_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_NS UINT64_C(20000000)

static int fd = -1;
static enum { CLOSED, OPEN, BROKEN } state;
static uint64_t next_ns, pending; // samples that are not written
static uint32_t samples[TM_HEAT_PARTS];

static size_t part(uint64_t offset)
{
	return (size_t)(offset * TM_HEAT_PARTS / tm_guest_bytes());
}

void tm_heat_file_take(size_t g, uint32_t n)
{
	uint64_t offset = tm_guest_offset((uintptr_t)tm_address(g));

	if (offset >= tm_guest_bytes())
		return;
	samples[part(offset)] += n;
	pending += n;
}

static void put(const char *text, size_t n)
{
	if (state == OPEN && write(fd, text, n) == (ssize_t)n)
		return;
	if (state != BROKEN)
		tm_log("cannot write the heat to %s: %s", tm.value[TM_OPT_HEAT], strerror(errno));
	state = BROKEN;
}

static bool open_file(void)
{
	static const char head[] = "time_ns,offset,samples,dram,pmem\n";

	if (state != CLOSED || !*tm.value[TM_OPT_HEAT])
		return state == OPEN;
	fd = tm_os_high_fd(open(tm.value[TM_OPT_HEAT], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	state = fd < 0 ? CLOSED : OPEN;
	put(head, sizeof(head) - 1);
	return state == OPEN;
}

void tm_heat_file_write(uint64_t now, bool idle)
{
	static char text[TM_HEAT_PARTS * 80];
	static uint32_t tiers[TM_HEAT_PARTS][2];
	static uint64_t time;
	size_t end = tm_zone_end(TM_MMAP), used = 0;

	if (!pending || (now < next_ns && !idle) || !open_file())
		return;
	next_ns = now + PERIOD_NS;
	pending = 0;
	time = tm_track_sim_latest() > time ? tm_track_sim_latest() : time + 1;
	memset(tiers, 0, sizeof(tiers));
	for (size_t g = tm_zone_first(TM_MMAP); g < end; g++) {
		uint64_t offset = tm_guest_offset((uintptr_t)tm_address(g));
		if (offset < tm_guest_bytes() && (tm.table[g].state == TM_DRAM || tm.table[g].state == TM_PMEM))
			tiers[part(offset)][tm.table[g].state == TM_PMEM]++;
	}
	for (uint64_t i = 0; i < TM_HEAT_PARTS; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%" PRIu64 ",%" PRIu64 ",%u,%u,%u\n", time,
					 i * tm_guest_bytes() / TM_HEAT_PARTS, samples[i], tiers[i][0], tiers[i][1]);
		samples[i] = 0;
	}
	put(text, used);
}
