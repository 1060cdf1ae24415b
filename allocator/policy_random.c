// For tests (TIERMEM_TEST_MIGRATE=random): moves random granules of all zones as fast as it can, and detaches some. While the program does
// nothing it rests in between, for ten times as long as it worked, or a test with many processes would be all migration.
#include "allocator/policy_random.h"
#include "allocator/core.h"
#include "allocator/migrate.h"

#define REST_NS UINT64_C(5000000)

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void sample(const struct tm_hint_result *result)
{
}

static bool curious(void)
{
	return false;
}

// Whether the program's own threads have used less than a fiftieth of the time since the last tick.
static bool idle(uint64_t now)
{
	static uint64_t last_ns, last_cpu_ns;
	uint64_t cpu_ns = tm_os_process_cpu_ns() - tm_os_thread_cpu_ns();
	bool is_idle = cpu_ns - last_cpu_ns < (now - last_ns) / 50;

	last_ns = now;
	last_cpu_ns = cpu_ns;
	return is_idle;
}

static uint64_t tick(uint64_t now)
{
	struct tm_hint_result result;
	uint64_t before = tm_os_thread_cpu_ns();

	if (!tm_migrates())
		return TM_FOREVER;
	for (int i = 0; i < 64; i++) {
		uint64_t r = random64();
		enum tm_zone zone = (enum tm_zone)(r % TM_ZONES);
		size_t n = tm_zone_size(zone);
		if (!n)
			continue;
		size_t g = tm_zone_granule(zone, (r >> 16) % n);
		if ((r & 0xf0) == 0)
			tm_hint_set(g);
		else if (tm.table[g].state == TM_DRAM)
			tm_demote(g, 1 + (r >> 8) % 8);
		else if (tm.table[g].state == TM_PMEM)
			tm_promote(g, 1 + (r >> 8) % 8);
	}
	while (tm_hint_next(&result))
		continue;
	tm_hint_expire(1000000);
	if (idle(now))
		return REST_NS + 10 * (tm_os_thread_cpu_ns() - before);
	return tm.count.total[0] + tm.count.total[1] ? 0 : 1000000;
}

const struct tm_policy tm_policy_random = {
	.name = "random", .hints = false, .sample = sample, .tick = tick, .curious = curious};
