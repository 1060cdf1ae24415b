/* The tier model with the shipped optane-100 against the figures it stands for, and its parts: DIMM buffer, amplification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/drive.h"

static struct profile profile;

static int load(void **state)
{
	char err[300];

	return profile_load(&profile, "sim/profiles/optane-100.conf", err, sizeof(err));
}

static void assert_near(double value, double want, double tolerance)
{
	if (value < want * (1 - tolerance) || value > want * (1 + tolerance))
		fail_msg("%g is not within %g %% of %g", value, tolerance * 100, want);
}

static uint32_t sequential(uint32_t line)
{
	return line + 1;
}

static uint32_t scattered(uint32_t line)
{
	return (line * 1664525u + 1013904223u) & 0x7fffffff;
}

/* Mean stall in ns of dependent reads, each issued when the last one is done. */
static double mean_ns(const struct tier_profile *p, uint32_t (*next)(uint32_t))
{
	struct tier *t = malloc(sizeof(*t));
	uint64_t now = 0;
	uint32_t line = 12345;

	tier_init(t, p, 20000);
	for (int i = 0; i < 100000; i++) {
		now += tier_read(t, 0, line, now, false);
		line = next(line);
	}
	free(t);
	return (double)now / 100000 / 1000;
}

static void idle_latencies(void **state)
{
	/* FAST'20, figure 2 */
	assert_near(mean_ns(&profile.tier[TIER_PMEM], scattered), 305, 0.01);
	assert_near(mean_ns(&profile.tier[TIER_PMEM], sequential), 169.4, 0.01);
	assert_near(mean_ns(&profile.tier[TIER_DRAM], scattered), 101.5, 0.01);
	assert_near(mean_ns(&profile.tier[TIER_DRAM], sequential), 81.4, 0.01);
}

/* Points of figure 4: {threads, GB/s}. */
static void assert_points(const struct tier_profile *p, enum drive_op op, const double (*point)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_near(drive_bandwidth(p, op, (unsigned int)point[i][0]), point[i][1], 0.10);
}

static void six_dimms(void **state)
{
	static const double read[][2] = {{1, 2.88}, {8, 21.13}, {24, 37.56}};
	static const double nt[][2] = {{1, 4.13}, {4, 12.5}, {24, 7.5}};
	static const double clwb[][2] = {{1, 1.42}, {8, 9.98}, {24, 7.5}};

	assert_points(&profile.tier[TIER_PMEM], DRIVE_READ, read, 3);
	assert_points(&profile.tier[TIER_PMEM], DRIVE_NT, nt, 3);
	assert_points(&profile.tier[TIER_PMEM], DRIVE_CLWB, clwb, 3);
}

static void one_dimm_is_the_same_profile(void **state)
{
	static const double read[][2] = {{1, 2.92}, {4, 6.52}, {24, 3.89}};
	static const double nt[][2] = {{1, 2.22}, {8, 1.53}, {24, 0.80}};
	static const double clwb[][2] = {{1, 1.44}, {3, 1.79}, {24, 0.82}};
	struct tier_profile p = profile.tier[TIER_PMEM];

	p.dimms = 1;
	assert_points(&p, DRIVE_READ, read, 3);
	assert_points(&p, DRIVE_NT, nt, 3);
	assert_points(&p, DRIVE_CLWB, clwb, 3);
}

static void dram(void **state)
{
	static const double read[][2] = {{1, 7.38}, {24, 104.56}}, nt[][2] = {{1, 4.31}, {24, 76.81}};
	static const double clwb[][2] = {{1, 1.44}, {24, 35.56}};

	assert_points(&profile.tier[TIER_DRAM], DRIVE_READ, read, 2);
	assert_points(&profile.tier[TIER_DRAM], DRIVE_NT, nt, 2);
	assert_points(&profile.tier[TIER_DRAM], DRIVE_CLWB, clwb, 2);
}

static void amplification_has_its_knee_at_the_buffer(void **state)
{
	struct tier_profile p = profile.tier[TIER_PMEM];

	p.dimms = 1;
	/* FAST'20, figure 9 */
	assert_near(drive_amplification(&p, 16384, 100), 1.036, 0.02);
	assert_near(drive_amplification(&p, 20480, 100), 1.359, 0.10);
	assert_near(drive_amplification(&p, 32768, 100), 1.820, 0.05);
	assert_near(drive_amplification(&p, 1 << 20, 4), 2.075, 0.02);
}

static void scattered_writes_cost_a_whole_line_each(void **state)
{
	struct tier *t = malloc(sizeof(*t));
	uint32_t line = 1;

	tier_init(t, &profile.tier[TIER_PMEM], 20000);
	for (int i = 0; i < 100000; i++) {
		tier_write(t, 0, line, (uint64_t)i * 1000000);
		line = scattered(line);
	}
	assert_near(tier_media_write(t) / 6.4e6, 4 * 1.036, 0.01);
	assert_near(tier_media_read(t) / 6.4e6, 4 * 1.036, 0.01); /* read-modify-write */
	free(t);
}

static void the_order_of_slices_does_not_matter(void **state)
{
	struct tier *t = malloc(sizeof(*t));
	struct drive_core core[8] = {{0}};

	tier_init(t, &profile.tier[TIER_PMEM], 20000);
	for (unsigned int i = 0; i < 8; i++)
		core[i].line = i << 21;
	for (uint64_t slice = 1; slice <= 150; slice++) {
		for (unsigned int i = 0; i < 8; i++) {
			core[i].bytes = slice == 50 ? 0 : core[i].bytes;
			while (core[i].now_ps < slice * DRIVE_QUANTUM_PS)
				drive_line(t, i, &core[i], DRIVE_NT);
		}
	}
	/* the first and the last in each quantum get the same */
	assert_near((double)core[7].bytes, (double)core[0].bytes, 0.02);
	free(t);
}

static void a_stream_slows_down_who_reads_beside_it(void **state)
{
	struct tier *t = malloc(sizeof(*t));
	struct drive_core core[25] = {{0}};
	uint64_t reads = 0;
	uint32_t line = 99;

	tier_init(t, &profile.tier[TIER_PMEM], 20000);
	for (unsigned int i = 0; i < 24; i++)
		core[i].line = i << 21;
	for (uint64_t slice = 1; slice <= 100; slice++) {
		for (unsigned int i = 0; i < 24; i++)
			while (core[i].now_ps < slice * DRIVE_QUANTUM_PS)
				drive_line(t, i, &core[i], DRIVE_READ);
		while (core[24].now_ps < slice * DRIVE_QUANTUM_PS) {
			core[24].now_ps += tier_read(t, 24, line = scattered(line), core[24].now_ps, false);
			reads += slice > 20;
		}
	}
	/* as much slower as the streams are: 24 of them get 1.57 of 2.83 GB/s */
	assert_near(80 * 20000.0 / (double)reads, 305 * 2.83 / 1.57, 0.15);
	free(t);
}

static void the_remote_link_adds_and_limits(void **state)
{
	struct tier_profile p = profile.tier[TIER_DRAM];

	p.remote_ns = 60;
	p.remote_read_gbps = 30;
	assert_near(mean_ns(&p, scattered), 161.5, 0.01);
	assert_near(drive_bandwidth(&p, DRIVE_READ, 24), 30, 0.03);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_latencies),
		cmocka_unit_test(six_dimms),
		cmocka_unit_test(one_dimm_is_the_same_profile),
		cmocka_unit_test(dram),
		cmocka_unit_test(amplification_has_its_knee_at_the_buffer),
		cmocka_unit_test(scattered_writes_cost_a_whole_line_each),
		cmocka_unit_test(the_order_of_slices_does_not_matter),
		cmocka_unit_test(a_stream_slows_down_who_reads_beside_it),
		cmocka_unit_test(the_remote_link_adds_and_limits),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
