/*
 * Interposed pthread_create. QEMU's I/O workers become actors when they are created, so that the order in which they take
 * requests and the times at which they complete them do not depend on the host. vCPU threads become actors by
 * themselves (plugin.c). All others (RCU, displays, iothreads, migration) stay outside simulated time.
 */
#include "sim/threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sched.h"

/* QEMU's struct of a new thread (util/qemu-thread-posix.c), the same from 5.0 to 10.1. */
struct qemu_thread_args {
	void *(*start)(void *);
	void *arg;
	char *name;
};

struct start {
	void *(*function)(void *);
	void *arg;
	struct actor *actor; /* NULL: outside simulated time */
};

static bool active;
static __thread bool created_by_us;
static pthread_key_t leave_key;

static void leave(void *actor)
{
	sched_leave(actor);
}

static void *run(void *data)
{
	struct start s = *(struct start *)data;

	free(data);
	created_by_us = true;
	sched_anywhere();
	if (s.actor) {
		/* A key's destructor runs whether the thread returns or exits. */
		pthread_setspecific(leave_key, s.actor);
		sched_enter(s.actor);
	}
	return s.function(s.arg);
}

/* Whether function is QEMU's own start routine, which takes a struct qemu_thread_args. */
static bool starts_qemu_thread(void *(*function)(void *))
{
	Dl_info of_function, of_qemu;
	void *qemu = dlsym(RTLD_DEFAULT, "qemu_plugin_get_hwaddr");

	return qemu && dladdr((void *)function, &of_function) && dladdr(qemu, &of_qemu) &&
	       of_function.dli_fbase == of_qemu.dli_fbase;
}

void threads_start(void)
{
	pthread_key_create(&leave_key, leave);
	created_by_us = true;
	active = true;
}

bool threads_is_rcu(void)
{
	return active && !created_by_us && !sched_self;
}

__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
							  void *(*function)(void *), void *arg)
{
	static int (*libc_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	struct start *s;
	int err;

	if (!libc_create)
		*(void **)&libc_create = dlsym(RTLD_NEXT, "pthread_create");
	if (!active)
		return libc_create(thread, attr, function, arg);
	s = malloc(sizeof(*s));
	if (!s)
		return libc_create(thread, attr, function, arg);
	*s = (struct start){.function = function, .arg = arg};
	if (starts_qemu_thread(function)) {
		const char *name = ((struct qemu_thread_args *)arg)->name;

		if (name && !strcmp(name, "worker"))
			s->actor = sched_new_worker();
	}
	err = libc_create(thread, attr, run, s);
	if (err)
		free(s);
	return err;
}
