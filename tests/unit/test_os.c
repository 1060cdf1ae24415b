/* userfaultfd as the kernel has it, not as one would think. */
#include "allocator/os.h"
#include "allocator/core.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGES 16
#define TURNS 300

static char *memory;
static atomic_long turn, done;

static void *touch(void *unused)
{
	for (long i = 1; i <= TURNS; i++) {
		while (turn < i)
			continue;
		*(volatile char *)(memory + 3 * TM_PAGE) = 1;
		done = i;
	}
	return unused;
}

/* Who touches a missing page just before, while or after the registration ends goes on (Linux 6.12 and 6.18 leave him waiting, unless he is woken). */
static void test_end_of_a_registration(void **unused)
{
	const size_t size = PAGES * TM_PAGE;
	int uffd = tm_os_uffd(false, false);
	pthread_t thread;

	(void)unused;
	if (uffd < 0)
		skip(); /* not allowed here */
	memory = tm_os_reserve(size);
	assert_non_null(memory);
	assert_int_equal(pthread_create(&thread, NULL, touch, NULL), 0);
	for (long i = 1; i <= TURNS; i++) {
		assert_int_equal(tm_os_madvise(memory, size, MADV_DONTNEED), 0);
		assert_int_equal(tm_os_uffd_register(uffd, memory, size), 0);
		turn = i;
		for (volatile int k = rand() % 4000; k > 0; k--)
			continue;
		assert_int_equal(tm_os_uffd_unregister(uffd, memory, size), 0);
		for (time_t end = time(NULL) + 30; done < i; usleep(10))
			assert_true(time(NULL) < end);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	tm_os_close(uffd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_of_a_registration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
