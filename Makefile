# tiermem: builds into build/; installs Debian packages (deps) and, if asked to, itself (install).
# Each folder's rules.mk adds to PROGRAMS and LIBRARIES and says how its part is built.

CC       ?= gcc
PYTHON   := /usr/bin/python3
BUILD    := build
CFLAGS   ?= -O2 -g
CFLAGS   += -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wno-unused-parameter -fno-common -fstack-protector-strong
CPPFLAGS += -I. -MMD -MP
LDFLAGS  += -Wl,-z,relro,-z,now

SCALE    ?= 64
REPEAT   ?= 1
SEED     ?= 1

.DEFAULT_GOAL := all
PROGRAMS   :=
LIBRARIES  :=

include sim/rules.mk
include allocator/rules.mk
include workloads/rules.mk
include harness/rules.mk
include vmconfigs/rules.mk
include tests/rules.mk
include install.mk

## all: build every program and library (make deps first on a new machine)
.PHONY: all
all: $(PROGRAMS) $(LIBRARIES)

$(BUILD)/obj/%.o: %.c $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(firstword $(subst /, ,$*))) -c -o $@ $<

# Objects of shared libraries, and of what they share with programs.
$(BUILD)/pic/%.o: %.c $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC $(CFLAGS_$(firstword $(subst /, ,$*))) -c -o $@ $<

## deps: install the Debian packages that are missing (apt; root or sudo)
.PHONY: deps
deps: $(BUILD)/deps.stamp
$(BUILD)/deps.stamp: vmconfigs/deps.sh vmconfigs/packages.txt
	@mkdir -p $(@D)
	sh vmconfigs/deps.sh vmconfigs/packages.txt
	@touch $@

## clean: remove what was built (the guest image too; results stay)
.PHONY: clean
clean:
	rm -rf $(BUILD)

## help: this list
.PHONY: help
help:
	@grep -h '^## ' $(MAKEFILE_LIST) | sed 's/^## /  /'

-include $(shell find $(BUILD)/obj $(BUILD)/pic -name '*.d' 2>/dev/null)
