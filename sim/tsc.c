/*
 * QEMU answers the guest's rdtsc with the host's counter. A vCPU thread may not execute rdtsc (PR_SET_TSC), and
 * the handler of the signal that follows puts simulated time into edx:eax: some microseconds of the host's time each.
 * So the rdtsc that QEMU executes for guests is replaced at its first trap (tsc_site.h); where that cannot be done it goes
 * on to trap, with the same results.
 *
 * The counter never goes backwards over all vCPUs: QEMU takes a smaller value than the last for a host that was suspended and
 * would move the guest's counter on by the difference, for good. So a vCPU that is behind another by part of a quantum
 * reads the other's time.
 */
#include "sim/tsc.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "sim/sched.h"
#include "sim/tsc_site.h"

static uint64_t last;

/* vCPUs may run side by side. */
static uint64_t ticks(void)
{
	uint64_t t = sched_now_ps() * TSC_TICKS_PER_NS / PS_PER_NS, was = __atomic_load_n(&last, __ATOMIC_RELAXED);

	while (t > was && !__atomic_compare_exchange_n(&last, &was, t, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return t > was ? t : was;
}

static void on_segv(int number, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *code = (const unsigned char *)(uintptr_t)r[REG_RIP];
	uint64_t t;

	/* A fault of a memory access gives its address; a general protection fault, as rdtsc's, gives none. */
	if (info->si_code != SI_KERNEL || code[0] != 0x0f ||
	    (code[1] != 0x31 && memcmp(code, "\x0f\x01\xf9", 3))) {
		signal(SIGSEGV, SIG_DFL); /* and fault again */
		return;
	}
	if (tsc_site_replace((unsigned char *)(uintptr_t)r[REG_RIP], ticks))
		return; /* and execute what is there now */
	t = ticks();
	r[REG_RAX] = (greg_t)(t & 0xffffffff);
	r[REG_RDX] = (greg_t)(t >> 32);
	if (code[1] == 0x31) {
		r[REG_RIP] += 2;
	} else {
		r[REG_RCX] = 0;
		r[REG_RIP] += 3;
	}
}

int tsc_init(void)
{
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGSEGV, &sa, NULL);
}

void tsc_trap(void)
{
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
}
