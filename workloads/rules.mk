# workloads: tmload, the memtier-compatible load generator. GSL is GPL-3: it is linked into this program only.

CFLAGS_workloads = $(shell pkg-config --cflags libevent gsl jansson)
TMLOAD_LIBS      = $(shell pkg-config --libs libevent gsl jansson) -pthread
TMLOAD_OBJ      := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard workloads/tmload/*.c)))

PROGRAMS += $(BUILD)/bin/tmload

TMLOAD_OBJ += $(BUILD)/obj/sim/mark.o
$(BUILD)/bin/tmload: $(TMLOAD_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(TMLOAD_OBJ) $(TMLOAD_LIBS)

# tmprobe: latency and bandwidth of memory, natively and in a simulated guest.
TMPROBE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard workloads/tmprobe/*.c))) $(BUILD)/obj/sim/mark.o
PROGRAMS    += $(BUILD)/bin/tmprobe
$(BUILD)/bin/tmprobe: $(TMPROBE_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -pthread

# tmloop: what instructions cost, natively and in a simulated guest. Static: the same instructions in both. (No warning:
# SQLite would load extensions by dlopen, which a static program cannot; nothing here does.)
TMLOOP_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard workloads/tmloop/*.c))) $(BUILD)/obj/sim/mark.o
PROGRAMS   += $(BUILD)/bin/tmloop
$(BUILD)/bin/tmloop: $(TMLOOP_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -static -Wl,--no-warnings -o $@ $^ -ljansson -lsqlite3 -lm -pthread

# tmmove: how fast memory moves between the tiers, and who waits meanwhile. The API's library is linked in: no path to find it by.
TMMOVE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard workloads/tmmove/*.c)) workloads/tmload/stats.c harness/options.c harness/util.c) \
	$(API_OBJ)
PROGRAMS   += $(BUILD)/bin/tmmove
$(BUILD)/bin/tmmove: $(TMMOVE_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs gsl jansson) -pthread

# tmalloc: what malloc costs with a program's own sizes and lifetimes, and what records them.
TMALLOC_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,workloads/tmalloc/main.c workloads/tmalloc/trace.c sim/mark.c harness/options.c harness/util.c)
PROGRAMS    += $(BUILD)/bin/tmalloc
$(BUILD)/bin/tmalloc: $(TMALLOC_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs gsl jansson) -pthread

LIBRARIES += $(BUILD)/lib/libtmrecord.so
$(BUILD)/lib/libtmrecord.so: workloads/tmalloc/record.c $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fno-builtin -fPIC $(LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $<

# libtmmark: the simulator's marks for what loads libraries (sysbench's LuaJIT).
LIBRARIES += $(BUILD)/lib/libtmmark.so
# From the source: the simulator's own objects export nothing.
$(BUILD)/lib/libtmmark.so: workloads/sysbench/marks.c sim/mark.c sim/mark.h sim/tmmark.h $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	$(CC) -I. $(CFLAGS) -fPIC $(LDFLAGS) -shared -Wl,-soname,libtmmark.so -o $@ $(filter %.c,$^)
