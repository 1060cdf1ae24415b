/*
 * The TCG plugin's side: instruments every translation block, counts its instructions as time, sends memory accesses
 * that the L1 filter does not answer to vcpu_miss, and recognises marks.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#include "sim/decode.h"
#include "sim/io.h"
#include "sim/phase.h"
#include "sim/plugin_options.h"
#include "sim/memory.h"
#include "sim/progress.h"
#include "sim/sample.h"
#include "sim/sched.h"
#include "sim/shim.h"
#include "sim/threads.h"
#include "sim/tmmark.h"
#include "sim/tsc.h"
#include "sim/unit.h"
#include "sim/vcpu.h"
#include "sim/watchdog.h"

/*
 * The versions of QEMU's plugin interface that tmsim speaks: 7.2 has 1 and takes nothing else; 4 is that of 9.2 and later, which
 * 10.x takes. QEMU looks at the variable when it loads the plugin; the preloaded constructor has set it by then.
 */
enum { API_7_2 = 1, API_9_2 = 4 };
TMSIM_EXPORT int qemu_plugin_version = API_7_2;

__attribute__((constructor)) static void choose_version(void)
{
	if (dlsym(RTLD_DEFAULT, "qemu_plugin_read_memory_vaddr"))
		qemu_plugin_version = API_9_2;
}

TMSIM_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

/* Strict mode's wall clock begins at 2024-01-01 00:00 UTC. */
#define STRICT_WALL_S UINT64_C(1704067200)

/* Bit of qemu_plugin_meminfo_t that says "store", found at start by asking QEMU. */
static uint32_t store_bit;

static __thread bool trapped; /* rdtsc is */

/* The vCPU that this thread is; its first call takes the thread into simulated time. */
static struct vcpu *attach(unsigned int index)
{
	struct vcpu *v = vcpu_get(index);

	if (v && !trapped) {
		trapped = true;
		tsc_trap();
	}
	return v;
}

/*
 * The two callbacks that guest code makes all the time have nothing but their usual way in them: what happens rarely is
 * a function of its own, called last, so that no register need be saved on the usual way.
 */
static __attribute__((noinline)) void end_slice(unsigned int index)
{
	struct actor *a = &sched_actors[index];
	uint64_t first_ps = machine.vcpu[index] ? 0 : a->time_ps;

	attach(index);
	a->time_ps += first_ps;
	sched_yield_token(a);
}

/* A vCPU that is not attached yet has a limit of 0; one without a token keeps its last one, and its time is never below. */
static inline void count_block(unsigned int index, uintptr_t instructions, uint64_t each_ps)
{
	struct actor *a = &sched_actors[index];
	uint64_t t = a->time_ps + instructions * each_ps;

	a->instructions += instructions;
	a->time_ps = t;
	if (__builtin_expect(t >= __atomic_load_n(&a->limit_ps, __ATOMIC_RELAXED), 0))
		end_slice(index);
}

static __attribute__((aligned(64))) void on_block(unsigned int index, void *data)
{
	count_block(index, (uintptr_t)data, machine.instruction_ps);
}

static __attribute__((aligned(64))) void on_system_block(unsigned int index, void *data)
{
	count_block(index, (uintptr_t)data, machine.system_instruction_ps);
}

/* An access that the L1 filter does not answer. */
static __attribute__((noinline)) void l1_access(struct vcpu *v, qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	uint64_t line = vaddr >> 6;
	uint64_t *slot = l1_slot(&v->l1, line);
	bool store = info & store_bit, there;

	if (!machine.model_on)
		return;
	there = *slot >> 1 == line;
	if (!there && l1_find(&v->l1, line)) {
		if (!store || (*slot & 1))
			return;
		there = true;
	}
	vcpu_miss(v, info, vaddr, store, there);
}

static __attribute__((aligned(64))) void on_access(unsigned int index, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
	struct vcpu *v = machine.vcpu[index];
	uint64_t entry = *l1_slot(&v->l1, vaddr >> 6);
	uint64_t dirty = vaddr >> 6 << 1 | 1; /* its line, as it stands there when it is dirty */

	if (__builtin_expect(entry == dirty, 1))
		return;
	if (__builtin_expect(entry == dirty - 1 && !(info & store_bit), 1))
		return;
	l1_access(v, info, vaddr);
}

static void on_nt_store(unsigned int index, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
	if (machine.model_on && (info & store_bit))
		vcpu_nt_store(machine.vcpu[index], info, vaddr);
}

static void on_unit_start(unsigned int index, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
	on_access(index, info, vaddr, data);
	unit_start(info, vaddr);
}

static void on_mark(unsigned int index, void *data)
{
	uintptr_t imm = (uintptr_t)data;

	phase_mark(index, imm >> 8 & 0xff, imm & 0xff);
}

static void on_fence(unsigned int index, void *data)
{
	machine.vcpu[index]->fenced = true;
}

static void on_store_fence(unsigned int index, void *data)
{
	if (machine.model_on)
		vcpu_store_fence(machine.vcpu[index]);
}

/* data: enum decode_flush */
static void on_flush(unsigned int index, void *data)
{
	if (machine.model_on)
		vcpu_flush(machine.vcpu[index], (uintptr_t)data == FLUSH_DROP);
}

static void on_idle(qemu_plugin_id_t id, unsigned int index)
{
	struct vcpu *v = attach(index);

	if (v)
		v->actor->halted = true;
}

static void on_resume(qemu_plugin_id_t id, unsigned int index)
{
	struct vcpu *v = vcpu_get(index);

	if (v)
		v->actor->halted = false;
}

enum { MAX_INSN = 16 };

/* The first bytes of an instruction, at most MAX_INSN; returns how many. */
static size_t insn_bytes(const struct qemu_plugin_insn *insn, unsigned char out[MAX_INSN])
{
	/* QEMU 7.2 returns a pointer to them, later ones copy them. */
	static const void *(*get)(const struct qemu_plugin_insn *);
	static size_t (*copy)(const struct qemu_plugin_insn *, void *, size_t);
	size_t n = qemu_plugin_insn_size(insn);

	if (!get) {
		*(void **)&get = dlsym(RTLD_DEFAULT, "qemu_plugin_insn_data");
		*(void **)&copy = dlsym(RTLD_DEFAULT, "qemu_plugin_insn_data");
	}
	if (n > MAX_INSN)
		n = MAX_INSN;
	if (qemu_plugin_version == API_7_2)
		memcpy(out, get(insn), n);
	else
		n = copy(insn, out, n);
	return n;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	bool starts_unit = false;

	/* Systems have the upper half of the addresses. */
	qemu_plugin_register_vcpu_tb_exec_cb(tb, qemu_plugin_tb_vaddr(tb) >> 63 ? on_system_block : on_block,
					     QEMU_PLUGIN_CB_NO_REGS, (void *)n);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned char bytes[MAX_INSN];
		size_t size = insn_bytes(insn, bytes);
		uint32_t imm;

		if (size == 7 && !memcmp(bytes, "\x0f\x1f\x80", 3)) {
			memcpy(&imm, bytes + 3, 4);
			starts_unit = imm == (TMMARK_MAGIC | TMMARK_UNIT << 8);
			if ((imm & TMMARK_MASK) == TMMARK_MAGIC)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
								       (void *)(uintptr_t)(imm & 0xffff));
			continue;
		}
		if (decode_fence(bytes, size))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_fence, QEMU_PLUGIN_CB_NO_REGS, NULL);
		if (decode_store_fence(bytes, size))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_store_fence, QEMU_PLUGIN_CB_NO_REGS,
							       NULL);
		if (decode_flush(bytes, size))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_flush, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)decode_flush(bytes, size));
		qemu_plugin_register_vcpu_mem_cb(insn,
						 starts_unit			? on_unit_start
						 : decode_nt_store(bytes, size) ? on_nt_store
										: on_access,
						 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
		starts_unit = false;
	}
}

static void on_qemu_exit(qemu_plugin_id_t id, void *data)
{
	progress_end();
	if (!sample_close()) {
		fprintf(stderr, "tmsim: cannot write the samples (disk full?)\n");
		_exit(1);
	}
	phase_close();
}

/* Which bit of the memory information QEMU takes for "store". */
static uint32_t find_store_bit(void)
{
	for (uint32_t bit = 1; bit; bit <<= 1)
		if (qemu_plugin_mem_is_store(bit) && !qemu_plugin_mem_is_store(0))
			return bit;
	return 0;
}

/* Whether QEMU's calls reach our functions: loaded by -plugin alone, libc's stand before them. */
static bool preloaded(void)
{
	Dl_info ours, used;

	return dladdr(&qemu_plugin_version, &ours) && dladdr(dlsym(RTLD_DEFAULT, "ppoll"), &used) &&
	       ours.dli_fbase == used.dli_fbase;
}

/* Strict mode: the same host addresses in every run, since QEMU's translations contain some and their length depends on them. Starts
   QEMU again in the same process when it has others. */
static void fix_addresses(void)
{
	int was = personality(0xffffffff);
	static char line[1 << 20];
	char *args[4096];
	size_t n = 0, length = 0;
	FILE *f;

	mallopt(M_ARENA_MAX, 1);
	if (was == -1 || (was & ADDR_NO_RANDOMIZE) ||
	    personality((unsigned long)was | ADDR_NO_RANDOMIZE) == -1)
		return;
	f = fopen("/proc/self/cmdline", "re");
	if (f) {
		length = fread(line, 1, sizeof(line) - 1, f);
		fclose(f);
	}
	for (size_t i = 0; i < length && n < 4095; i += strlen(line + i) + 1)
		args[n++] = line + i;
	args[n] = NULL;
	if (n && length < sizeof(line) - 1)
		execv("/proc/self/exe", args);
	fprintf(stderr, "tmsim: strict=on: cannot start QEMU again without address randomisation: %m; start "
			"it by setarch -R\n");
	exit(1);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *trace = getenv("TMSIM_TRACE");
	struct plugin_options options;
	char err[320];

	if (!info->system_emulation || strcmp(info->target_name, "x86_64")) {
		fprintf(stderr, "tmsim: only qemu-system-x86_64 is supported, this is %s\n",
			info->target_name);
		return -1;
	}
	if (info->version.cur != API_7_2 && info->version.cur < API_9_2) {
		fprintf(stderr,
			"tmsim: this QEMU has plugin interface %d; use QEMU 7.2 (Debian 12), 9.2 or later\n",
			info->version.cur);
		return -1;
	}
	memory_api_is_physical = info->version.cur != API_7_2;
	if (info->system.max_vcpus > SCHED_MAX_VCPUS) {
		fprintf(stderr, "tmsim: %d vCPUs are too many; %d at most (-smp)\n", info->system.max_vcpus,
			SCHED_MAX_VCPUS);
		return -1;
	}
	if (!preloaded()) {
		fprintf(stderr, "tmsim: libtmsim.so must be in LD_PRELOAD too\n");
		return -1;
	}
	if (plugin_options_parse(&options, &machine.profile, argc, argv, err, sizeof(err))) {
		fprintf(stderr, "tmsim: %s\n", err);
		return -1;
	}
	if (options.strict)
		fix_addresses();
	if (machine_init()) {
		fprintf(stderr, "tmsim: no memory for the caches\n");
		return -1;
	}
	if (phase_open(options.stats, !options.strict)) {
		fprintf(stderr, "tmsim: cannot write the statistics file '%s': %m\n", options.stats);
		return -1;
	}
	if (options.samples && sample_file(options.samples)) {
		fprintf(stderr, "tmsim: cannot write the samples to '%s': %m\n", options.samples);
		return -1;
	}
	if (options.sample_period)
		sample_set_period(options.sample_period);
	if (trace && sched_trace(trace)) {
		fprintf(stderr, "tmsim: cannot write TMSIM_TRACE=%s: %m\n", trace);
		return -1;
	}
	store_bit = find_store_bit();
	machine.parallel = options.parallel > 1;
	sched_init((uint64_t)machine.profile.quantum_ns, options.parallel);
	if (tsc_init()) {
		fprintf(stderr, "tmsim: cannot handle SIGSEGV: %m\n");
		return -1;
	}
	io_start(&machine.profile.disk);
	threads_start();
	shim_start(options.strict ? STRICT_WALL_S : 0);
	watchdog_start();
	if (options.progress)
		progress_start();
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_vcpu_idle_cb(id, on_idle);
	qemu_plugin_register_vcpu_resume_cb(id, on_resume);
	qemu_plugin_register_atexit_cb(id, on_qemu_exit, NULL);
	return 0;
}
