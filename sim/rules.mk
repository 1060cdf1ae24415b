# The simulator: libtmsim.so goes into QEMU twice (LD_PRELOAD and -plugin), so it binds lazily to QEMU's symbols.
SIM_SOURCES := sim/sched.c sim/shim.c sim/profile.c sim/cache.c sim/decode.c sim/tier.c sim/buffer.c sim/load.c sim/near.c sim/memory.c sim/vcpu.c sim/phase.c \
               sim/plugin.c sim/plugin_options.c sim/watchdog.c sim/disk.c sim/tsc.c sim/tsc_site.c sim/threads.c sim/io.c sim/sample.c sim/progress.c sim/granules.c sim/unit.c
SIM_OBJECTS := $(SIM_SOURCES:%.c=$(BUILD)/pic/%.o)
CFLAGS_sim  = -O3 -fvisibility=hidden -ftls-model=initial-exec

LIBRARIES += $(BUILD)/lib/libtmsim.so
PROGRAMS  += $(BUILD)/bin/tmmark

$(BUILD)/lib/libtmsim.so: $(SIM_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-z,lazy -Wl,-z,nodelete -o $@ $^ -linih -lpthread -ldl

$(BUILD)/bin/tmmark: $(BUILD)/obj/sim/tmmark.o $(BUILD)/obj/sim/mark.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

# tmsim shares the harness's options table and its way to ask a QEMU what it is.
TMSIM_OBJECTS := $(patsubst %,$(BUILD)/obj/sim/%.o,tmsim tmsim_run tmsim_line tmsim_check tmsim_add tmsim_paths profile) \
                 $(patsubst %,$(BUILD)/obj/harness/%.o,options util arguments proc probe)
PROGRAMS += $(BUILD)/bin/tmsim

$(BUILD)/bin/tmsim: $(TMSIM_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -linih -ljansson
