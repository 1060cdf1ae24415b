// Threads that wait for each other by futexes that are not process-private, in heap memory, while granules may migrate:
// futexes SECONDS KIND. KIND: raw (system calls), condition or semaphore (process-shared, in private memory). A lost wake-up
// leaves everybody waiting: it is found by its time.
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS = 4, LIMIT = 5 };

static const char *kind;
static time_t until;

// In a page of its own, so that nothing else keeps it where it is.
struct pair {
	_Atomic uint32_t turn;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	sem_t to[2];
	long turns;
};

static void lost(const char *what)
{
	printf("broken: %s\n", what);
	fflush(stdout);
	_exit(1);
}

static void wait_turn(struct pair *p, uint32_t me)
{
	struct timespec limit = {LIMIT, 0}, at;

	if (!strcmp(kind, "raw")) {
		while (p->turn != me)
			if (syscall(SYS_futex, &p->turn, FUTEX_WAIT, 1 - me, &limit, NULL, 0) &&
			    errno == ETIMEDOUT && p->turn == me)
				lost("a wake-up of a futex");
		return;
	}
	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += LIMIT;
	if (!strcmp(kind, "semaphore")) {
		while (sem_timedwait(&p->to[me], &at))
			if (errno == ETIMEDOUT)
				lost("a wake-up of a semaphore");
		return;
	}
	pthread_mutex_lock(&p->mutex);
	while (p->turn != me)
		if (pthread_cond_timedwait(&p->changed, &p->mutex, &at) == ETIMEDOUT)
			lost("a wake-up of a condition");
	pthread_mutex_unlock(&p->mutex);
}

static void give_turn(struct pair *p, uint32_t to)
{
	if (!strcmp(kind, "raw")) {
		p->turn = to;
		syscall(SYS_futex, &p->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
	} else if (!strcmp(kind, "semaphore")) {
		sem_post(&p->to[to]);
	} else {
		pthread_mutex_lock(&p->mutex);
		p->turn = to;
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&p->mutex);
	}
}

struct side {
	struct pair *pair;
	uint32_t me;
};

static void *play(void *argument)
{
	struct side *s = argument;

	// Both end after the same number of turns: the first side decides, the other sees it with its turn.
	for (;;) {
		wait_turn(s->pair, s->me);
		if (s->me == 0 && time(NULL) >= until)
			s->pair->turns = -s->pair->turns - 1;
		long turns = s->pair->turns;
		if (turns >= 0)
			s->pair->turns++;
		if (rand() % 4 == 0)
			usleep(200); // the other sleeps meanwhile
		give_turn(s->pair, 1 - s->me);
		if (turns < 0)
			return NULL;
	}
}

int main(int argc, char **argv)
{
	static struct side sides[PAIRS][2];
	pthread_t thread[PAIRS][2];
	pthread_mutexattr_t mutex;
	pthread_condattr_t condition;
	long turns = 0;

	if (argc != 3)
		return 2;
	kind = argv[2];
	until = time(NULL) + atoi(argv[1]);
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_condattr_init(&condition);
	pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
	for (int i = 0; i < PAIRS; i++) {
		struct pair *p;
		if (posix_memalign((void **)&p, 4096, 4096))
			return 1;
		memset(p, 0, sizeof(*p));
		pthread_mutex_init(&p->mutex, &mutex);
		pthread_cond_init(&p->changed, &condition);
		sem_init(&p->to[0], 1, 1);
		sem_init(&p->to[1], 1, 0);
		for (uint32_t me = 0; me < 2; me++) {
			sides[i][me] = (struct side){p, me};
			pthread_create(&thread[i][me], NULL, play, &sides[i][me]);
		}
	}
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(thread[i][0], NULL);
		pthread_join(thread[i][1], NULL);
		turns += -sides[i][0].pair->turns;
	}
	printf("ok %ld\n", turns);
	return 0;
}
