/*
 * The simulator's marks around the events of a load with several threads, whichever of them is first or last. Each thread attaches
 * before its first event and detaches after its last; sysbench makes all of them attach before any begins, and before it takes
 * the time. The model stays on to the end of the process: what sysbench does last is within the time that it reports.
 */
#include "sim/mark.h"

#include <stdatomic.h>

static atomic_int attached;
static atomic_flag begun = ATOMIC_FLAG_INIT;
static atomic_bool named;

/* One of THREADS (from 1) of the load is there: the last turns the model on. 0, or -1 with errno. */
int load_attach(int threads);

/* A thread begins: the first opens PHASE ("": none). 0, or -1 with errno. */
int load_begin(const char *phase);

/* A thread is done: the last closes the phase. 0, or -1 with errno. */
int load_detach(void);

int load_attach(int threads)
{
	return atomic_fetch_add(&attached, 1) + 1 == threads ? mark_model(true) : 0;
}

int load_begin(const char *phase)
{
	if (atomic_flag_test_and_set(&begun))
		return 0;
	atomic_store(&named, *phase != 0);
	return *phase ? mark_begin(phase) : 0;
}

int load_detach(void)
{
	return atomic_fetch_sub(&attached, 1) == 1 && atomic_load(&named) ? mark_end() : 0;
}
