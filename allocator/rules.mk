# allocator: the preload library and the tiermem command.
CFLAGS_allocator = -ftls-model=initial-exec

ALLOCATOR_LIB := api api_advise api_pressure arena capture cell child class_heat conf control control_path direct_io far fork frames front granule guest guest_args heat_count heat_file heat_rate hint init look_pace migrate mirror mmap_reservation mmap_space mmap_zone move options os \
	pace page_code perf_event perf_ring pin place pool pool_share policy_hotness policy_random policy_recency policy_room policy_samples policy_static preload_fd preload_futex preload_guest preload_io preload_jemalloc \
	preload_malloc preload_mmap \
	quota runs share sim_link slab stats tier_find tier_numa tier_pmem track track_damon track_hint track_perf track_sim track_unit uffd worker
ALLOCATOR_LIB_OBJ := $(ALLOCATOR_LIB:%=$(BUILD)/pic/allocator/%.o)
ALLOCATOR_CLI_OBJ := $(patsubst %,$(BUILD)/obj/allocator/%.o,$(addprefix cli/,main ask doctor doctor_devices doctor_kernel \
	doctor_tiermem man migrate quota run stats sweep watch) conf control_path far granule mirror options os perf_event tier_find tier_numa tier_pmem)

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

# The API's library: linked or dlopened, with the preload library or without (its storage per thread is not initial-exec's).
API_VERSION := $(shell sed -n 's/^\#define TIERMEM_VERSION "\(.*\)"/\1/p' allocator/version.h)
API_OBJ     := $(BUILD)/pic/allocator/api/tiermem.o
API_SO      := $(BUILD)/lib/libtiermem.so.0
LIBRARIES   += $(API_SO) $(BUILD)/lib/libtiermem.so $(BUILD)/include/tiermem.h $(BUILD)/lib/pkgconfig/tiermem.pc

$(API_OBJ): allocator/rules.mk
$(API_OBJ): CFLAGS_allocator := -fvisibility=hidden
$(API_SO): $(API_OBJ) allocator/api/tiermem.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=allocator/api/tiermem.map -o $@ $(API_OBJ)
$(BUILD)/lib/libtiermem.so: $(API_SO)
	ln -sf $(<F) $@
$(BUILD)/include/tiermem.h: allocator/api/tiermem.h
	@mkdir -p $(@D)
	cp $< $@
# Where the file is, or was installed to, says where the rest is.
$(BUILD)/lib/pkgconfig/tiermem.pc: allocator/api/tiermem.pc.in allocator/version.h
	@mkdir -p $(@D)
	sed 's|@prefix@|$${pcfiledir}/../..|; s|@version@|$(API_VERSION)|' $< >$@

# Manual pages, from the tables of options and commands.
ALLOCATOR_MAN := $(BUILD)/man/tiermem.1 $(BUILD)/man/tiermem.conf.5
all: $(ALLOCATOR_MAN)
$(BUILD)/man/tiermem.1: MAN_OPTION := --man
$(BUILD)/man/tiermem.conf.5: MAN_OPTION := --man=conf
$(ALLOCATOR_MAN): $(BUILD)/bin/tiermem
	@mkdir -p $(@D)
	$< help $(MAN_OPTION) >$@.new && mv $@.new $@
