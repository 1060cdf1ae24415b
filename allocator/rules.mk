# allocator: the preload library and the tiermem command.
CFLAGS_allocator = -ftls-model=initial-exec

ALLOCATOR_LIB := arena conf control control_path direct_io fork frames front granule guest guest_args heat_file heat_rate hint init migrate mmap_zone move options os \
	page_code pin place policy_hotness policy_random policy_samples policy_static preload_fd preload_futex preload_guest preload_io preload_jemalloc \
	preload_malloc preload_mmap \
	quota sim_link stats tier_pmem track_hint track_sample uffd worker
ALLOCATOR_LIB_OBJ := $(ALLOCATOR_LIB:%=$(BUILD)/pic/allocator/%.o)
ALLOCATOR_CLI_OBJ := $(patsubst %,$(BUILD)/obj/allocator/%.o,$(addprefix cli/,main ask doctor doctor_devices doctor_kernel \
	doctor_tiermem man migrate quota run stats sweep watch) conf control_path granule options os tier_pmem)

PROGRAMS  += $(BUILD)/bin/tiermem
LIBRARIES += $(BUILD)/lib/libtiermem-preload.so

$(ALLOCATOR_LIB_OBJ) $(ALLOCATOR_CLI_OBJ): allocator/rules.mk

$(BUILD)/obj/allocator/cli/doctor_tiermem.o: CFLAGS += -DLIBPMEM2_VERSION='"$(shell pkg-config --modversion libpmem2)"'

# malloc and free here are the real thing: the compiler must not reason about them as library functions.
$(BUILD)/pic/allocator/preload_malloc.o: CFLAGS += -fno-builtin

# Debian's jemalloc with its public names, and the mapping calls it makes, renamed (see jemalloc.rename).
$(BUILD)/allocator/libjemalloc_renamed.a: allocator/jemalloc.rename $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	lib=$$($(CC) -print-file-name=libjemalloc_pic.a) && test -f "$$lib" && objcopy --redefine-syms=$< "$$lib" $@

$(BUILD)/lib/libtiermem-preload.so: $(ALLOCATOR_LIB_OBJ) $(BUILD)/allocator/libjemalloc_renamed.a allocator/preload.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=allocator/preload.map -o $@ $(ALLOCATOR_LIB_OBJ) \
		$(BUILD)/allocator/libjemalloc_renamed.a -Wl,--as-needed -lpmem2 -lm -lpthread

$(BUILD)/bin/tiermem: $(ALLOCATOR_CLI_OBJ)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(ALLOCATOR_CLI_OBJ) -lpmem2 -ljansson

# Manual pages, from the tables of options and commands.
ALLOCATOR_MAN := $(BUILD)/man/tiermem.1 $(BUILD)/man/tiermem.conf.5
all: $(ALLOCATOR_MAN)
$(BUILD)/man/tiermem.1: MAN_OPTION := --man
$(BUILD)/man/tiermem.conf.5: MAN_OPTION := --man=conf
$(ALLOCATOR_MAN): $(BUILD)/bin/tiermem
	@mkdir -p $(@D)
	$< help $(MAN_OPTION) >$@.new && mv $@.new $@
