# make install: what works by itself, under PREFIX. The harness works in its tree and is not installed.
PREFIX  ?= /usr/local
DESTDIR ?=

INSTALL_FUNCTIONS := $(shell tr -d ' \t' <allocator/api/tiermem.map | tr ';' '\n' | grep '^tiermem_')
INSTALL_PROGRAMS  := $(addprefix $(BUILD)/bin/,tiermem tmsim tmmark tmload tmprobe)
INSTALL_LIBRARIES := $(addprefix $(BUILD)/lib/,libtiermem-preload.so libtiermem.so.0)
INSTALL_PROFILES  := $(wildcard sim/profiles/*.conf)
INSTALL_TO         = $(DESTDIR)$(PREFIX)
INSTALLED          = $(addprefix $(INSTALL_TO)/,$(patsubst $(BUILD)/%,%,$(INSTALL_PROGRAMS) $(INSTALL_LIBRARIES)) \
	lib/libtiermem.so lib/tiermem/libtmsim.so lib/pkgconfig/tiermem.pc include/tiermem.h \
	$(patsubst sim/%,share/tiermem/%,$(INSTALL_PROFILES)) share/doc/tiermem/tiermem.conf \
	share/man/man1/tiermem.1 share/man/man5/tiermem.conf.5 share/man/man3/tiermem.3 \
	$(INSTALL_FUNCTIONS:%=share/man/man3/%.3))

## install: programs, libraries, header and manual pages (PREFIX=/usr/local, DESTDIR=)
.PHONY: install
install: $(INSTALL_PROGRAMS) $(INSTALL_LIBRARIES) $(BUILD)/lib/libtmsim.so $(ALLOCATOR_MAN)
	install -d $(sort $(dir $(INSTALLED)))
	install -m 755 $(INSTALL_PROGRAMS) $(INSTALL_TO)/bin
	install -m 755 $(INSTALL_LIBRARIES) $(INSTALL_TO)/lib
	ln -sf libtiermem.so.0 $(INSTALL_TO)/lib/libtiermem.so
	install -m 755 $(BUILD)/lib/libtmsim.so $(INSTALL_TO)/lib/tiermem
	install -m 644 allocator/api/tiermem.h $(INSTALL_TO)/include
	sed 's|@prefix@|$(PREFIX)|; s|@version@|$(API_VERSION)|' allocator/api/tiermem.pc.in >$(INSTALL_TO)/lib/pkgconfig/tiermem.pc
	install -m 644 $(INSTALL_PROFILES) $(INSTALL_TO)/share/tiermem/profiles
	install -m 644 docs/tiermem.conf $(INSTALL_TO)/share/doc/tiermem
	install -m 644 $(BUILD)/man/tiermem.1 $(INSTALL_TO)/share/man/man1
	install -m 644 $(BUILD)/man/tiermem.conf.5 $(INSTALL_TO)/share/man/man5
	install -m 644 docs/man/tiermem.3 $(INSTALL_TO)/share/man/man3
	for f in $(INSTALL_FUNCTIONS); do echo '.so man3/tiermem.3' >$(INSTALL_TO)/share/man/man3/$$f.3 || exit 1; done
	test -n "$(DESTDIR)" || ldconfig || true

## uninstall: takes away what install put there, with the same PREFIX and DESTDIR
.PHONY: uninstall
uninstall:
	rm -f $(INSTALLED)
	-rmdir $(INSTALL_TO)/share/tiermem/profiles $(INSTALL_TO)/share/tiermem $(INSTALL_TO)/share/doc/tiermem \
		$(INSTALL_TO)/lib/tiermem 2>/dev/null
