# make test: C unit tests (cmocka), then everything a user sees (pytest).
UNIT_OBJECTS_test_resp    := $(patsubst %,$(BUILD)/obj/workloads/tmload/%.o,resp value)
UNIT_OBJECTS_test_keygen  := $(patsubst %,$(BUILD)/obj/workloads/tmload/%.o,keygen stats)
UNIT_LIBS_test_keygen      = $(shell pkg-config --libs gsl)
UNIT_OBJECTS_test_cache   := $(BUILD)/obj/sim/cache.o
UNIT_OBJECTS_test_decode  := $(BUILD)/obj/sim/decode.o
UNIT_OBJECTS_test_disk    := $(BUILD)/obj/sim/disk.o
UNIT_OBJECTS_test_sched   := $(BUILD)/obj/sim/sched.o
UNIT_OBJECTS_test_tier    := $(patsubst %,$(BUILD)/obj/sim/%.o,tier load buffer profile)
UNIT_LIBS_test_tier       := -linih
UNIT_OBJECTS_test_load    := $(BUILD)/obj/sim/load.o
UNIT_OBJECTS_test_buffer  := $(patsubst %,$(BUILD)/obj/sim/%.o,buffer near)
UNIT_OBJECTS_test_guest_args := $(BUILD)/obj/allocator/guest_args.o
UNIT_OBJECTS_test_heat_rate := $(BUILD)/obj/allocator/heat_rate.o
UNIT_OBJECTS_test_heat_count := $(patsubst %,$(BUILD)/obj/allocator/%.o,class_heat heat_count heat_rate)
UNIT_OBJECTS_test_look_pace := $(BUILD)/obj/allocator/look_pace.o
UNIT_OBJECTS_test_mmap_reservation := $(patsubst %,$(BUILD)/obj/allocator/%.o,mmap_reservation far)
UNIT_OBJECTS_test_far     := $(patsubst %,$(BUILD)/obj/allocator/%.o,far granule mirror options os tier_find tier_numa tier_pmem)
UNIT_LIBS_test_far         = -lpmem2
UNIT_OBJECTS_test_slab    := $(BUILD)/obj/allocator/slab.o
UNIT_OBJECTS_test_cell    := $(BUILD)/obj/allocator/cell.o
UNIT_OBJECTS_test_front   := $(BUILD)/obj/allocator/front.o
UNIT_OBJECTS_test_stripes := $(UNIT_OBJECTS_test_far)
UNIT_LIBS_test_stripes     = -lpmem2
UNIT_OBJECTS_test_os       := $(BUILD)/obj/allocator/os.o
UNIT_OBJECTS_test_perf_event := $(patsubst %,$(BUILD)/obj/allocator/%.o,perf_event os)
UNIT_OBJECTS_test_profile := $(BUILD)/obj/sim/profile.o
UNIT_LIBS_test_profile    := -linih
UNIT_OBJECTS_test_tsc_site := $(BUILD)/obj/sim/tsc_site.o
UNIT_LIBS_test_tsc_site    := -rdynamic -ldl

UNIT_OBJECTS_test_sysbench := $(patsubst %,$(BUILD)/obj/harness/%.o,sysbench results heat util)
UNIT_LIBS_test_sysbench    := -ljansson
UNIT_OBJECTS_test_heat    := $(patsubst %,$(BUILD)/obj/harness/%.o,heat util)

UNIT_NAMES := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/*.c)))
UNIT_TESTS := $(addprefix $(BUILD)/tests/,$(UNIT_NAMES))

.SECONDEXPANSION:
$(UNIT_TESTS): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $$(UNIT_OBJECTS_$$*)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(UNIT_LIBS_$*) -lm

# So many processes get file after file (pytest-xdist): 36 minutes on two slow cores instead of some 50 one test after the other (TEST_JOBS=1).
TEST_JOBS ?= $(if $(filter-out 1,$(shell nproc)),2,1)
PYTEST     = $(PYTHON) -m pytest -q -rs -p no:cacheprovider $(if $(filter-out 0 1,$(TEST_JOBS)),-n $(TEST_JOBS) --dist loadfile)

## test: unit tests, then the pytest suite (with real Redis, in real simulated VMs; TEST_JOBS=1: one test after the other)
.PHONY: test
test: all guest unit-test
	@tests/suites/suites.py --packages --suite cpython >$(BUILD)/tests/packages.txt && sh vmconfigs/deps.sh $(BUILD)/tests/packages.txt || \
		echo "test: without CPython's tests: they are skipped"
	$(PYTEST) tests $(PYTEST_OPTIONS)

.PHONY: unit-test
unit-test: $(UNIT_TESTS)
	@for t in $(UNIT_TESTS); do $$t || exit 1; done

# What depends on QEMU's internals, and that the same inputs give the same bytes, on the other QEMU that is supported.
## test-qemu10: the simulator's tests on Debian 13's QEMU
.PHONY: test-qemu10
test-qemu10: all guest qemu10
	TEST_QEMU=$(abspath $(QEMU10))/qemu-system-x86_64 $(PYTEST) \
		tests/test_sim.py tests/test_strict.py $(PYTEST_OPTIONS)

# What depends on the kernel below the allocator, on the other kernel that is supported.
## test-kernel13: the allocator's tests in guests, on Debian 13's kernel
.PHONY: test-kernel13
test-kernel13: all guest kernel13
	BUILD=$(BUILD)/kernel13 $(PYTEST) tests/test_numa.py tests/test_pool.py tests/test_tiers.py $(PYTEST_OPTIONS)

## test-gate: the whole gate against an allocator that is half a per cent slower, and twenty runs of unchanged code (an hour or more)
.PHONY: test-gate
test-gate: all guest
	TEST_LONG=1 $(PYTHON) -m pytest -v -rsP -p no:cacheprovider tests/test_gate.py -k whole_gate $(PYTEST_OPTIONS)

# Guest RAM under forced random migration at 4 KiB, 64 KiB and 2 MiB granules, so many seconds each; the suite does it for a few.
## check-underneath: the guest memory checker for ten minutes per granule (UNDERNEATH_SECONDS=600)
UNDERNEATH_SECONDS ?= 600
.PHONY: check-underneath
check-underneath: all guest
	UNDERNEATH_SECONDS=$(UNDERNEATH_SECONDS) $(PYTHON) -m pytest -q -rsP -p no:cacheprovider tests/test_underneath.py \
		-k test_memory_checker $(PYTEST_OPTIONS)

## test-programs: other people's test suites with tiermem and without, DRAM at 100, 25 and 0 % (an hour or more; SUITE_OPTIONS='--suite cpython')
.PHONY: test-programs
test-programs: all
	@mkdir -p $(BUILD)/tests
	@tests/suites/suites.py --packages >$(BUILD)/tests/packages.txt && sh vmconfigs/deps.sh $(BUILD)/tests/packages.txt
	tests/suites/suites.py $(SUITE_OPTIONS)
