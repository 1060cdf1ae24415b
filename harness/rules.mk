# harness: tmbench runs scenarios in VMs, records them in SQLite and reports them.
TMBENCH_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard harness/*.c)))
PROGRAMS    += $(BUILD)/bin/tmbench

$(BUILD)/bin/tmbench: $(TMBENCH_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lsqlite3 -ljansson -linih $(shell pkg-config --libs gsl) -lm

$(BUILD)/obj/harness/schema.o: results/schema.sql

## bench-redis: the Redis scenario of figure 3 in simulated VMs, its table, database rows and figure (SCALE=64 REPEAT=1 SEED=1)
.PHONY: bench-redis
bench-redis: all guest
	@$(BUILD)/bin/tmbench run figure3 --scale $(SCALE) --repeat $(REPEAT) --seed $(SEED) $(BENCH_OPTIONS); \
	status=$$?; [ $$status -gt 1 ] || $(BUILD)/bin/tmbench figure 3 || status=1; exit $$status

## bench-mysql-host: figure 4, MariaDB with tiermem underneath the guest (SCALE=8 REPEAT=1 SEED=1, QUICK=1 for a quick look, FULL=1 for all)
# SCALE has another default here, so it counts only where somebody sets it.
MYSQL_OPTIONS = $(if $(filter command line environment,$(origin SCALE)),--scale $(SCALE)) $(if $(QUICK),--quick) $(if $(FULL),--full)
.PHONY: bench-mysql-host
bench-mysql-host: all guest guest-mysql
	@$(BUILD)/bin/tmbench prepare figure4 $(MYSQL_OPTIONS)
	@$(BUILD)/bin/tmbench run figure4 $(MYSQL_OPTIONS) --repeat $(REPEAT) --seed $(SEED) $(BENCH_OPTIONS); \
	status=$$?; [ $$status -gt 1 ] || { $(BUILD)/bin/tmbench figure 4 && $(BUILD)/bin/tmbench figure heat; } || status=1; exit $$status

## bench-two-vms: two MariaDB VMs on one DRAM budget, quota moved from one to the other while both run (SCALE=8 REPEAT=1 SEED=1, QUICK=1)
.PHONY: bench-two-vms
bench-two-vms: all guest guest-mysql
	@$(BUILD)/bin/tmbench prepare two-vms $(MYSQL_OPTIONS)
	@$(BUILD)/bin/tmbench run two-vms $(MYSQL_OPTIONS) --repeat $(REPEAT) --seed $(SEED) $(BENCH_OPTIONS)

## figures: draw every figure: 1 and 2 from the scenarios, 3, 4 and heat maps from the newest whole runs in results/tiermem.db (running what is missing)
.PHONY: figures
figures: $(BUILD)/bin/tmbench
	@$(BUILD)/bin/tmbench figure 1 && $(BUILD)/bin/tmbench figure 2
	@$(BUILD)/bin/tmbench figure 3 --run whole || $(MAKE) bench-redis
	@$(BUILD)/bin/tmbench figure 4 --run whole || $(MAKE) bench-mysql-host
	@$(BUILD)/bin/tmbench figure heat --run whole || $(MAKE) bench-mysql-host

## report: print the latest recorded run again
.PHONY: report
report: $(BUILD)/bin/tmbench
	$(BUILD)/bin/tmbench report

## validate-sim: the memory model against measured curves, by tmprobe in simulated guests (VALIDATE_DATA=DIR, VALIDATE_OPTIONS=--docs)
.PHONY: validate-sim
validate-sim: all guest
	$(BUILD)/bin/tmbench validate $(if $(VALIDATE_DATA),--data $(VALIDATE_DATA)) $(VALIDATE_OPTIONS)

## gate: a short Redis run against results/gate.reference; fails (3) when latency regresses (GATE_OPTIONS='--accept "why"')
.PHONY: gate
gate: all guest
	@$(BUILD)/bin/tmbench gate $(GATE_OPTIONS)

## gate-alloc: malloc in strict simulated time against plain jemalloc; fails (3) when tiermem's throughput is below 0.99 of it (two minutes)
.PHONY: gate-alloc
gate-alloc: all guest
	@$(BUILD)/bin/tmbench alloc --only simulated --enforce --out $(BUILD)/gate/alloc

## bench-sim: seconds and instructions/s of the simulator against plain QEMU, 1 to 8 vCPUs (SPEED_OPTIONS=--enforce)
.PHONY: bench-sim
bench-sim: all guest guest-mysql
	$(BUILD)/bin/tmbench speed $(SPEED_OPTIONS)

## validate-host: a profile of this machine, then Redis and sysbench native and simulated (HOST_OPTIONS=--enforce)
.PHONY: validate-host
validate-host: all guest guest-mysql
	$(BUILD)/bin/tmbench host $(HOST_OPTIONS)

## bench-migrate: GB/s and waits of memory that moves natively, by granule (PMEM=/dev/dax0.0: a device instead of memfd)
.PHONY: bench-migrate
bench-migrate: all
	$(BUILD)/bin/tmbench migrate $(if $(PMEM),--pmem $(PMEM)) $(MIGRATE_OPTIONS)

## bench-alloc: malloc with everything in DRAM: natively beside jemalloc, glibc and mimalloc, then in strict simulated time (ALLOC_OPTIONS=--enforce)
.PHONY: bench-alloc
bench-alloc: all guest
	$(BUILD)/bin/tmbench alloc $(ALLOC_OPTIONS)
