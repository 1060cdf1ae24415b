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

# libtmmark: the simulator's marks for what loads libraries (sysbench's LuaJIT).
LIBRARIES += $(BUILD)/lib/libtmmark.so
# From the source: the simulator's own objects export nothing.
$(BUILD)/lib/libtmmark.so: workloads/sysbench/marks.c sim/mark.c sim/mark.h sim/tmmark.h $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	$(CC) -I. $(CFLAGS) -fPIC $(LDFLAGS) -shared -Wl,-soname,libtmmark.so -o $@ $(filter %.c,$^)
