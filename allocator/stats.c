// Statistics as JSON, without malloc: snprintf into a buffer.
#include "allocator/stats.h"
#include "allocator/capture.h"
#include "allocator/class_heat.h"
#include "allocator/core.h"
#include "allocator/direct_io.h"
#include "allocator/migrate.h"
#include "allocator/move.h"
#include "allocator/policy.h"
#include "allocator/pool.h"
#include "allocator/share.h"
#include "allocator/tier_pmem.h"
#include "allocator/track_hint.h"
#include "allocator/track.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char *program_invocation_short_name;

static const char *const zone_names[TM_ZONES] = {"small", "buffer", "bulk", "mmap"};

#define HEATS 7 // 1/8 to 8 times the average

struct out {
	char *text;
	size_t size, used;
};

static void put(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(o->text + o->used, o->size - o->used, format, args);
	va_end(args);
	if (n > 0)
		o->used = o->used + (size_t)n < o->size ? o->used + (size_t)n : o->size - 1;
}

static void put_string(struct out *o, const char *s)
{
	put(o, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			put(o, "\\%c", *s);
		else if ((unsigned char)*s < 32)
			put(o, "\\u%04x", (unsigned char)*s);
		else
			put(o, "%c", *s);
	}
	put(o, "\"");
}

// How many granules of values and mappings are how hot, by what the policy has learned: times the average, in powers of two.
static void put_heat(struct out *o)
{
	static const char *const times[HEATS] = {"0.125", "0.25", "0.5", "1", "2", "4", "8"};
	uint64_t heat[HEATS][2] = {{0}}, unknown[2] = {0};

	if (!tm_policy->cold) {
		put(o, ",\"heat\":null");
		return;
	}
	for (int z = TM_BULK; z <= TM_MMAP; z++) {
		for (size_t i = 0; i < tm_zone_size((enum tm_zone)z); i++) {
			size_t g = tm_zone_granule((enum tm_zone)z, i);
			int state = tm.table[g].state;
			if (state != TM_DRAM && state != TM_PMEM)
				continue;
			float cold = tm_policy->cold(g);
			int bin = (int)(HEATS / 2 + 0.5f - cold / 0.6931f);
			if (cold == 0)
				unknown[state == TM_PMEM]++;
			else
				heat[bin < 0 ? 0 : bin < HEATS ? bin : HEATS - 1][state == TM_PMEM]++;
		}
	}
	put(o, ",\"heat\":{\"unknown\":{\"dram\":%" PRIu64 ",\"pmem\":%" PRIu64 "},\"known\":[", unknown[0],
	    unknown[1]);
	for (int i = 0; i < HEATS; i++)
		put(o, "%s{\"times\":%s,\"dram\":%" PRIu64 ",\"pmem\":%" PRIu64 "}", i ? "," : "", times[i],
		    heat[i][0], heat[i][1]);
	put(o, "]}");
}

static void put_tracking(struct out *o)
{
	const struct tm_tracker *t = tm_track();
	const char *name, *why;
	bool any = false;

	put(o, ",\"tracking\":{\"source\":\"%s\",\"cpu_ns\":%" PRIu64 ",\"samples\":%" PRIu64 ",\"not\":{", t ? t->source : "none",
	    tm_track_cpu_ns(), tm_track_samples());
	for (unsigned i = 0; (why = tm_track_why(i, &name)); i++) {
		if (!*why)
			continue;
		put(o, "%s\"%s\":", any ? "," : "", name);
		put_string(o, why);
		any = true;
	}
	put(o, "}}");
}

// What is captured; and of what is not, if that is asked for.
static void put_capture(struct out *o, uint64_t heap, uint64_t mappings, bool measure)
{
	struct tm_capture c;

	put(o, ",\"captured\":{\"heap_bytes\":%" PRIu64 ",\"mmap_bytes\":%" PRIu64, heap, mappings);
	if (measure && tm_capture_measure(&c))
		put(o, ",\"missed_bytes\":%" PRIu64 ",\"stack_bytes\":%" PRIu64 ",\"bss_bytes\":%" PRIu64, c.missed,
		    c.stacks, c.bss);
	put(o, "}");
}

// Size classes whose new memory is placed by what has been learned of them.
static void put_classes(struct out *o)
{
	bool any = false;

	put(o, ",\"classes\":[");
	for (unsigned c = TM_CODE_SLAB; c < TM_CODES; c++) {
		if (tm_class_place[c] == TM_CLASS_ANY)
			continue;
		put(o, "%s{\"bytes\":%u,\"new\":\"%s\"}", any ? "," : "", tm_code_size[c],
		    tm_class_place[c] == TM_CLASS_DRAM ? "dram" : "pmem");
		any = true;
	}
	put(o, "]");
}

size_t tm_stats_json(char *text, size_t size, bool capture)
{
	struct out o = {text, size, 0};
	struct tm_move_state quota;

	tm_lock();
	struct tm_counters c = tm.count;
	uint64_t vmas = tm.vmas, pinned = tm.pinned, shared = tm_share_bytes(), copied = tm_share_copied_bytes();
	tm_move_quota_state(&quota);
	tm_unlock();
	uint64_t heap = 0;
	for (int z = TM_SMALL; z <= TM_BULK; z++)
		heap += c.granules[0][z] + c.granules[1][z];

	put(&o, "{\"schema\":1,\"pid\":%d,\"program\":", tm.pid);
	put_string(&o, program_invocation_short_name ? program_invocation_short_name : "?");
	put(&o, ",\"granule_bytes\":%zu,\"dram_quota_bytes\":", tm.granule);
	if (tm.quota == TM_UNLIMITED)
		put(&o, "null");
	else
		put(&o, "%" PRIu64, tm.quota_bytes);
	put(&o, ",\"quota\":{\"changes\":%u,\"over_bytes\":%" PRIu64 ",\"why\":", quota.changes,
	    quota.over_bytes);
	if (quota.why)
		put_string(&o, quota.why);
	else
		put(&o, "null");
	put(&o, "},\"policy\":\"%s\",\"pmem\":{\"kind\":\"%s\",\"path\":", tm.value[TM_OPT_POLICY_NAME],
	    tm_pmem_kind_name(tm_pmem.kind));
	put_string(&o, tm_pmem.path);
	put(&o, ",\"bytes\":%" PRIu64 ",\"devices\":%u,\"stripe_bytes\":", tm_pmem.bytes, tm_pmem.devices);
	put(&o, tm_pmem.devices > 1 ? "%" PRIu64 "},\"tiers\":{" : "null},\"tiers\":{", (uint64_t)1 << tm_pmem.stripe << tm.shift);
	for (int t = 0; t < 2; t++)
		put(&o,
		    "%s\"%s\":{\"granules\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"peak_bytes\":%" PRIu64 "}",
		    t ? "," : "", t ? "pmem" : "dram", c.total[t], c.total[t] << tm.shift,
		    c.peak[t] << tm.shift);
	put(&o,
	    "},\"migrations\":{\"possible\":%s,\"promoted\":%" PRIu64 ",\"demoted\":%" PRIu64
	    ",\"failed\":%" PRIu64 ",\"promoted_bytes\":%" PRIu64 ",\"demoted_bytes\":%" PRIu64 "}",
	    tm_migrates() && !tm_io_refusal ? "true" : "false", c.promoted, c.demoted, c.failed, c.promoted << tm.shift,
	    c.demoted << tm.shift);
	put(&o, ",\"pressure\":{\"spilled_bytes\":%" PRIu64 ",\"pinned_bytes\":%" PRIu64 "}",
	    c.spilled << tm.shift, pinned << tm.shift);
	put(&o, ",\"metadata_bytes\":%" PRIu64, tm_os_tables_resident());
	put(&o, ",\"direct_io\":{\"held\":%llu,\"refused\":", (unsigned long long)tm_io_held);
	if (tm_io_refusal)
		put_string(&o, tm_io_refusal);
	else
		put(&o, "null");
	put(&o, "}");
	put(&o, ",\"faults\":{\"first_touch\":%" PRIu64 ",\"hint\":%" PRIu64 ",\"waited\":%" PRIu64 "}",
	    c.first_touch, c.hint, c.waited);
	put(&o, ",\"fork\":{\"shared_bytes\":%" PRIu64 ",\"copied_bytes\":%" PRIu64 "}", shared, copied);
	put_tracking(&o);
	put_capture(&o, heap << tm.shift, (c.granules[0][TM_MMAP] + c.granules[1][TM_MMAP]) << tm.shift,
		    capture);
	put(&o, ",\"pool\":{\"processes\":%u,\"dram_bytes\":%" PRIu64 ",\"dram_limit_bytes\":", tm_pool_owners(),
	    tm_pool_dram_all());
	put(&o, tm.pool_dram == TM_UNLIMITED ? "null" : "%" PRIu64, tm.pool_dram);
	put(&o, ",\"pmem_free_bytes\":%" PRIu64 "}", (uint64_t)tm_pool_free() << tm.shift);
	put(&o, ",\"mappings\":%" PRIu64 ",\"zones\":[", vmas);
	for (int z = 0; z < TM_ZONES; z++)
		put(&o,
		    "%s{\"name\":\"%s\",\"dram_granules\":%" PRIu64 ",\"pmem_granules\":%" PRIu64
		    ",\"heat\":%" PRIu64 ".%04u}",
		    z ? "," : "", zone_names[z], c.granules[0][z], c.granules[1][z],
		    (uint64_t)tm_track_heat(z), // not %f: the program may be in a country with decimal commas
		    (unsigned)((uint64_t)(tm_track_heat(z) * 10000) % 10000));
	put(&o, "]");
	put_classes(&o);
	put_heat(&o);
	put(&o, "}\n");
	return o.used;
}

void tm_stats_write_file(void)
{
	static char text[8192];
	char path[PATH_MAX];

	// Without a %p the file is that of the process that was started.
	if (!*tm.value[TM_OPT_STATS] ||
	    (!tm_option_path(tm.value[TM_OPT_STATS], tm.pid, path, sizeof(path)) && tm.adopted))
		return;
	size_t n = tm_stats_json(text, sizeof(text), true), done = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	while (fd >= 0 && done < n) {
		ssize_t w = write(fd, text + done, n - done);
		if (w <= 0 && errno != EINTR)
			break;
		done += w > 0 ? (size_t)w : 0;
	}
	if (fd < 0 || done < n)
		tm_log("cannot write the statistics to %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}
