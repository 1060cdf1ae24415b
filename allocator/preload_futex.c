// The calls that make objects with futexes that are not process-private, for pin.h. libc waits on them by system calls of its own,
// so they are pinned when they are made. (Programs' own futex calls: syscall() in preload_fd.c.)
#include "allocator/pin.h"
#include "allocator/preload_io.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

// libc's other name for it. jemalloc makes its locks with it before it has memory, and dlsym wants some.
int __pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr);

int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
	int shared = 0;

	if (attr && !pthread_mutexattr_getpshared(attr, &shared) && shared)
		tm_pin_object(m, sizeof(*m));
	return __pthread_mutex_init(m, attr);
}

static int (*next_cond_init)(pthread_cond_t *, const pthread_condattr_t *);

// Its older version has the same name.
void tm_futex_look_up(void)
{
	*(void **)&next_cond_init = dlvsym(RTLD_NEXT, "pthread_cond_init", "GLIBC_2.3.2");
}

int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr)
{
	int shared = 0;

	if (!attr) { // the same as the constant; jemalloc's, too
		*c = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
		return 0;
	}
	if (!pthread_condattr_getpshared(attr, &shared) && shared)
		tm_pin_object(c, sizeof(*c));
	if (!next_cond_init)
		tm_futex_look_up();
	return next_cond_init(c, attr);
}

int pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *attr)
{
	static int (*f)(pthread_rwlock_t *, const pthread_rwlockattr_t *);
	int shared = 0;

	if (!f)
		*(void **)&f = dlsym(RTLD_NEXT, "pthread_rwlock_init");
	if (attr && !pthread_rwlockattr_getpshared(attr, &shared) && shared)
		tm_pin_object(l, sizeof(*l));
	return f(l, attr);
}

int pthread_barrier_init(pthread_barrier_t *b, const pthread_barrierattr_t *attr, unsigned n)
{
	static int (*f)(pthread_barrier_t *, const pthread_barrierattr_t *, unsigned);
	int shared = 0;

	if (!f)
		*(void **)&f = dlsym(RTLD_NEXT, "pthread_barrier_init");
	if (attr && !pthread_barrierattr_getpshared(attr, &shared) && shared)
		tm_pin_object(b, sizeof(*b));
	return f(b, attr, n);
}

int sem_init(sem_t *s, int shared, unsigned value)
{
	static int (*f)(sem_t *, int, unsigned);

	if (!f)
		*(void **)&f = dlsym(RTLD_NEXT, "sem_init");
	if (shared)
		tm_pin_object(s, sizeof(*s));
	return f(s, shared, value);
}
