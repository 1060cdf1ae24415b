/* Which files of a QEMU command line are the machine's RAM. */
#include "allocator/guest_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE(...) "qemu-system-x86_64\0" __VA_ARGS__

static size_t paths(const char *args, size_t n, char out[4][64])
{
	size_t i = 0;

	while (i < 4 && tm_guest_args_ram_path(args, n, i, out[i], 64))
		i++;
	return i;
}

static void ram_and_not_nvdimm(void **state)
{
	static const char args[] = LINE("-machine\0q35,memory-backend=ram0,nvdimm=on\0-object\0memory-backend-file,id=nv,mem-path=/a/image,size=1G\0"
					"-device\0nvdimm,memdev=nv\0-object\0memory-backend-file,size=1G,mem-path=/dev/shm/ram,share=on,id=ram0");
	char out[4][64];

	assert_int_equal(paths(args, sizeof(args), out), 1);
	assert_string_equal(out[0], "/dev/shm/ram");
}

static void all_ways_to_be_ram(void **state)
{
	static const char args[] = LINE(
		"-mem-path\0/dev/hugepages\0-numa\0node,nodeid=0,memdev=m0\0-object\0memory-backend-file,id=m0,mem-path=/m,,0,share=off\0"
		"-object\0{\"qom-type\": \"memory-backend-file\", \"id\":\"m1\", \"mem-path\":\"/m1\"}\0"
		"--device\0{\"driver\":\"pc-dimm\",\"memdev\":\"m1\"}\0-object\0memory-backend-memfd,id=m2\0-numa\0node,memdev=m2");
	char out[4][64];

	assert_int_equal(paths(args, sizeof(args), out), 3);
	assert_string_equal(out[0], "/dev/hugepages");
	assert_string_equal(out[1], "/m,0");
	assert_string_equal(out[2], "/m1");
}

static void nothing_there(void **state)
{
	static const char args[] = LINE("-m\0512M\0-object\0memory-backend-file,id=x,mem-path=/x");
	char out[4][64];

	assert_int_equal(paths(args, sizeof(args), out), 0);
	assert_int_equal(paths("", 0, out), 0);
	assert_int_equal(paths("q\0-object", 9, out), 0); /* its argument is missing */
}

static void too_long(void **state)
{
	static const char args[] = LINE("-mem-path\0/0123456789");
	char path[8];

	assert_false(tm_guest_args_ram_path(args, sizeof(args), 0, path, sizeof(path)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ram_and_not_nvdimm), cmocka_unit_test(all_ways_to_be_ram),
					   cmocka_unit_test(nothing_there), cmocka_unit_test(too_long)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
