# The guest image: made once, again when its recipe changes.
GUEST := $(BUILD)/guest
GUEST_FILES := $(GUEST)/root.img $(GUEST)/initrd.img $(GUEST)/vmlinuz

## guest: make the guest image (Debian, of this machine's suite, with redis-server) under build/guest
.PHONY: guest
guest: $(GUEST)/stamp
$(GUEST_FILES): $(GUEST)/stamp ;
$(GUEST)/stamp: $(wildcard vmconfigs/guest/*) vmconfigs/image.sh $(BUILD)/deps.stamp
	sh vmconfigs/guest/build.sh vmconfigs/guest $(GUEST)
	@touch $@

# What goes into guests, without debug information and the hash of it: a comment or the folder's name changes no byte, and no figure.
STRIPPED := $(addprefix $(BUILD)/stripped/,bin/tiermem bin/tmload bin/tmmark bin/tmalloc lib/libtiermem-preload.so lib/libtmmark.so)
PROGRAMS += $(STRIPPED)
$(STRIPPED): $(BUILD)/stripped/%: $(BUILD)/%
	@mkdir -p $(@D)
	strip --strip-debug -R .note.gnu.build-id -o $@ $<

# The database guest: the same kernel and initrd, another root image. Only what needs it makes it.
GUEST_MYSQL := $(BUILD)/guest-mysql

## guest-mysql: make the database guest's image (MariaDB, sysbench and its tables) under build/guest-mysql
.PHONY: guest-mysql
guest-mysql: guest $(GUEST_MYSQL)/stamp
$(GUEST_MYSQL)/root.img: $(GUEST_MYSQL)/stamp ;
$(GUEST_MYSQL)/stamp: $(wildcard vmconfigs/guest-mysql/*) vmconfigs/image.sh vmconfigs/mariadb.sh workloads/mariadb.cnf $(BUILD)/deps.stamp
	sh vmconfigs/guest-mysql/build.sh vmconfigs/guest-mysql workloads/mariadb.cnf $(GUEST_MYSQL)
	@touch $@

# Debian 13's QEMU, beside this machine's.
QEMU10 := $(BUILD)/qemu10

## qemu10: unpack Debian 13's QEMU (10.x) under build/qemu10
.PHONY: qemu10
qemu10: $(QEMU10)/stamp
$(QEMU10)/stamp: vmconfigs/qemu10/build.sh vmconfigs/image.sh $(BUILD)/deps.stamp
	sh vmconfigs/qemu10/build.sh $(QEMU10)
	@touch $@

# The guest with Debian 13's kernel. BUILD=build/kernel13 makes tests use it: programs and libraries are this build's.
KERNEL13 := $(BUILD)/kernel13

## kernel13: make the guest with Debian 13's kernel (6.12) under build/kernel13
.PHONY: kernel13
kernel13: $(KERNEL13)/stamp
$(KERNEL13)/stamp: vmconfigs/kernel13/build.sh $(GUEST)/stamp
	sh vmconfigs/kernel13/build.sh vmconfigs/guest $(GUEST) $(KERNEL13)
	ln -sfn ../bin $(KERNEL13)/bin
	ln -sfn ../lib $(KERNEL13)/lib
	@touch $@
