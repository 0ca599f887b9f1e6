# SPDX-License-Identifier: BSD-3-Clause
#
# Builds the router's programs, its C client library and its tests.
#
# Sources are found, not listed: a new .c file in a program's folder is part of
# it, a new foo_test.c beside it is a unit test, a new .proto file is compiled.
# A program whose folder has no main.c is skipped. What the programs link from
# DPDK is in common/drivers.mk.
#
# Everything made goes below build/: build/gen/ for generated sources, and per
# flavour (release, debug, fault, asan, ubsan, tsan, cov, fuzz) build/FLAVOUR/bin/,
# lib/, tests/ and obj/, so flavours do not disturb each other.
#
# Variables: V=1 shows commands; WERROR=1 makes warnings errors;
# SAN=address|undefined|thread chooses a sanitizer flavour; ARCH= another
# -march; BUILD= another folder than build/; PREFIX= and DESTDIR= for install;
# T=pattern runs only the unit tests whose path matches.

VERSION := 0.1.0

PREFIX ?= /usr/local
ARCH ?= x86-64-v2
BUILD ?= build
V ?= 0

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# --- flavour -----------------------------------------------------------------

SAN_FLAVOUR_address := asan
SAN_FLAVOUR_undefined := ubsan
SAN_FLAVOUR_thread := tsan
ifneq ($(SAN),)
FLAVOUR := $(or $(SAN_FLAVOUR_$(SAN)),$(error SAN is address, undefined or thread, not '$(SAN)'))
endif
FLAVOUR ?= release

CC_release := gcc
OPT_release := -O3 -g
OPT_debug := -Og -g3 -DVR_DEBUG
OPT_fault := -O2 -g -DFAULT_POINTS
OPT_asan := -O1 -g -fsanitize=address -fno-omit-frame-pointer
OPT_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPT_cov := -O0 -g --coverage -fprofile-update=atomic
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
ifeq ($(OPT_$(FLAVOUR)),)
$(error FLAVOUR is one of release debug fault asan ubsan tsan cov fuzz, not '$(FLAVOUR)')
endif

ifneq ($(filter default undefined,$(origin CC)),)
CC := $(if $(filter fuzz,$(FLAVOUR)),clang,gcc)
endif
AR ?= ar
PROTOC_C ?= protoc-c
PKG_CONFIG ?= pkg-config

GEN := $(BUILD)/gen
O := $(BUILD)/$(FLAVOUR)

# --- flags -------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wundef -Wwrite-strings -Wvla \
	-Wcast-align -Wformat=2 -Wno-format-nonliteral -Wno-missing-field-initializers
# clang's is about every cast to a type of stricter alignment, on x86 too.
ifeq ($(FLAVOUR),fuzz)
WARN += -Wno-cast-align
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif

CPPFLAGS_ALL := -D_GNU_SOURCE -I. -I$(GEN)
CFLAGS_ALL := -std=gnu17 $(WARN) -march=$(ARCH) -mtune=generic $(OPT_$(FLAVOUR)) \
	-ffunction-sections -fdata-sections -pthread
LDFLAGS_ALL := $(OPT_$(FLAVOUR)) -pthread -Wl,--gc-sections

DPDK_LIBDIR := $(shell $(PKG_CONFIG) --variable=libdir libdpdk)
DPDK_CPPFLAGS := -DALLOW_EXPERIMENTAL_API -include rte_config.h \
	$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags-only-I libdpdk))
include common/drivers.mk

# Our other libraries; a program keeps those it refers to.
OUR_SHARED := -Wl,--as-needed -levent -lprotobuf-c -lurcu-memb -lurcu-qsbr -lurcu-cds -lurcu-common

# --- sources -----------------------------------------------------------------

dirs := common primary fwd-worker vhost-agent ctl
found := $(sort $(shell find $(dirs) -name '*.c' 2>/dev/null))
TEST_SRCS := $(filter %_test.c,$(found))
FUZZ_SRCS := $(filter %_fuzz.c,$(found) $(wildcard tests/fuzz/*.c))
BENCH_TOOLS := $(filter %_bench.c,$(found))
srcs := $(filter-out %_test.c %_fuzz.c %_bench.c,$(found))

# Units: each folder's sources without main.c become one archive, of which a
# program takes all and a test what it needs.
UNITS := common primary fwd-worker vhost-agent ctl cli client proto
SRCS_common := $(filter-out common/version.c,$(filter common/%,$(srcs)))
SRCS_primary := $(filter primary/%,$(srcs))
SRCS_fwd-worker := $(filter fwd-worker/%,$(srcs))
SRCS_vhost-agent := $(filter vhost-agent/%,$(srcs))
SRCS_cli := $(filter ctl/cli/%,$(srcs))
SRCS_client := $(filter ctl/client/%,$(srcs))
SRCS_ctl := $(filter-out ctl/cli/% ctl/client/%,$(filter ctl/%,$(srcs)))

protos := $(wildcard proto/*.proto)
PROTO_C := $(protos:%.proto=$(GEN)/%.pb-c.c)
PROTO_H := $(protos:%.proto=$(GEN)/%.pb-c.h)

# Programs and the unit each is made of.
UNIT_vr-primary := primary
UNIT_vr-fwd := fwd-worker
UNIT_vr-vhost := vhost-agent
UNIT_vr-ctl := ctl
UNIT_vrctl := cli
MAIN_primary := primary/main.c
MAIN_fwd-worker := fwd-worker/main.c
MAIN_vhost-agent := vhost-agent/main.c
MAIN_ctl := ctl/main.c
MAIN_cli := ctl/cli/main.c

have_main = $(if $(wildcard $(MAIN_$(UNIT_$(1)))),$(1))
DPDK_PROGRAMS := $(foreach p,vr-primary vr-fwd vr-vhost vr-ctl,$(call have_main,$(p)))
PROGRAMS := $(DPDK_PROGRAMS) $(call have_main,vrctl)
CLIENT_LIBS := $(if $(SRCS_client),$(O)/lib/libvrouter.a $(O)/lib/libvrouter.so)

# rte_vhost's way to messages and memory of guests leads through us.
ifneq ($(wildcard vhost-agent/vet.c),)
comma := ,
WRAPS_vhost-agent := $(addprefix -Wl$(comma)--wrap=,recvmsg sendmsg __poll_chk connect eventfd_write sleep mmap64 munmap)
endif

# Which devices other processes hear of is the primary's own affair.
ifneq ($(wildcard primary/hotplug.c),)
WRAPS_primary := -Wl,--wrap=eal_dev_hotplug_request_to_secondary -Wl,--wrap=rte_mp_sendmsg
endif

objs = $(patsubst %.c,$(O)/obj/%.o,$(1))
OBJS_proto := $(patsubst $(GEN)/%.c,$(O)/obj/gen/%.o,$(PROTO_C))
$(foreach u,$(filter-out proto,$(UNITS)),$(eval OBJS_$(u) := \
	$(call objs,$(filter-out $(MAIN_$(u)),$(SRCS_$(u))))))
OBJS_common += $(O)/obj/gen/layouts.o
LIBS_made := $(foreach u,$(UNITS),$(O)/lib/lib$(u).a)
VERSION_O := $(O)/obj/common/version.o

TESTS := $(foreach t,$(TEST_SRCS),$(O)/tests/$(basename $(notdir $(t))))
ifneq ($(words $(TESTS)),$(words $(sort $(TESTS))))
$(warning two unit tests have the same file name; only one of them is run)
endif
FUZZERS := $(foreach t,$(FUZZ_SRCS),$(O)/bin/$(basename $(notdir $(t))))

# --- rules -------------------------------------------------------------------

# make -s says nothing.
ifneq ($(findstring s,$(firstword -$(MAKEFLAGS))),)
Q := @
say =
else ifeq ($(V),0)
Q := @
say = @echo "$(1) $(2)";
else
say =
endif

.PHONY: all
all: $(PROGRAMS:%=$(O)/bin/%) $(CLIENT_LIBS) ## build the programs and the client library (default)

.PHONY: fuzzers
fuzzers: $(FUZZERS)

# Rewrites a file only if its content changes, so that what depends on it is
# made again when flags or a list of objects change, and not otherwise.
.PHONY: FORCE
define stamp
@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$(1))' > $@
endef
FLAGS := $(O)/flags.stamp
$(FLAGS): FORCE
	$(call stamp,$(CC) $(CPPFLAGS_ALL) $(DPDK_CPPFLAGS) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS))
LINKFLAGS := $(O)/link.stamp
$(LINKFLAGS): FORCE
	$(call stamp,$(DPDK_LDFLAGS) $(DPDK_LDLIBS) $(LDFLAGS_ALL) $(LDFLAGS) $(WRAPS_primary) $(WRAPS_vhost-agent) $(OUR_SHARED))

$(GEN)/proto/%.pb-c.c $(GEN)/proto/%.pb-c.h &: proto/%.proto $(protos)
	$(call say,PROTOC,$<)
	$(Q)mkdir -p $(GEN)
	$(Q)$(PROTOC_C) --proto_path=. --c_out=$(GEN) $<

# The declarations of shared structs, which processes compare when they meet (common/layouts.h).
$(GEN)/layouts.c: common/layouts.sh common/shm_structs.def $(wildcard common/*.h common/*.def)
	$(call say,GEN,$@)
	@mkdir -p $(GEN)
	$(Q)common/layouts.sh common/shm_structs.def $(CC) $(CPPFLAGS_ALL) $(DPDK_CPPFLAGS) -std=gnu17 \
		> $@.$$$$ && mv $@.$$$$ $@
$(O)/obj/gen/layouts.o: DEFS = $(DPDK_CPPFLAGS)

# No DPDK headers where no DPDK is linked, so that none creeps in.
dpdk_flags = $(if $(filter ctl/cli/% ctl/client/% $(GEN)/%,$<),,$(DPDK_CPPFLAGS))
gen_flags = $(if $(filter $(GEN)/%,$<),-w)
compile = $(CC) $(CPPFLAGS_ALL) $(dpdk_flags) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS) $(gen_flags) \
	$(1) -MMD -MP -c -o $@ $<

$(O)/obj/%.o: %.c $(FLAGS) | $(PROTO_H)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(DEFS))

# The client library is also a shared one.
$(O)/obj/gen/%.o $(OBJS_client): DEFS = -fPIC
$(O)/obj/gen/%.o: $(GEN)/%.c $(FLAGS) | $(PROTO_H)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(DEFS))

COMMIT := $(shell git rev-parse --short=7 HEAD 2>/dev/null)
$(O)/commit.stamp: FORCE
	$(call stamp,$(VERSION) $(COMMIT))
$(VERSION_O): DEFS = -DVR_VERSION='"$(VERSION)"' -DVR_COMMIT='"$(COMMIT)"'
$(VERSION_O): $(O)/commit.stamp

define archive_rule
$(O)/lib/$(1).list: FORCE
	$$(call stamp,$$(OBJS_$(1)))
$(O)/lib/lib$(1).a: $$(OBJS_$(1)) $(O)/lib/$(1).list
	$$(call say,AR,$$@)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$(OBJS_$(1))
endef
$(foreach u,$(UNITS),$(eval $(call archive_rule,$(u))))

# A program of DPDK has all of common/: constructors in there, such as the one
# that registers our mempool ops, are referred to by nobody.
lib = $(O)/lib/lib$(1).a
link_dpdk = $(CC) $(LDFLAGS_ALL) $(LDFLAGS) $(DPDK_LDFLAGS) $(WRAPS_$(UNIT_$(1))) -o $@ \
	$(call objs,$(MAIN_$(UNIT_$(1)))) $(2) -Wl,--whole-archive $(call lib,$(UNIT_$(1))) \
	$(call lib,common) -Wl,--no-whole-archive $(VERSION_O) $(call lib,proto) \
	$(DPDK_LDLIBS) $(OUR_SHARED)
define dpdk_program_rule
$(O)/bin/$(1): $(call objs,$(MAIN_$(UNIT_$(1)))) $(call lib,$(UNIT_$(1))) $(call lib,common) \
	    $(call lib,proto) $(VERSION_O) $(LINKFLAGS)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(call link_dpdk,$(1))
endef
$(foreach p,$(DPDK_PROGRAMS),$(eval $(call dpdk_program_rule,$(p))))

$(O)/bin/vrctl: $(call objs,$(MAIN_cli)) $(call lib,cli) $(call lib,client) $(call lib,proto) \
	    $(call lib,common) $(VERSION_O) $(LINKFLAGS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $(call objs,$(MAIN_cli)) $(VERSION_O) \
		-Wl,--whole-archive $(call lib,cli) -Wl,--no-whole-archive \
		-Wl,--start-group $(call lib,client) $(call lib,proto) $(call lib,common) \
		-Wl,--end-group $(OUR_SHARED) -lm

$(O)/lib/libvrouter.a: $(OBJS_client) $(OBJS_proto)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

SOVERSION := 0
$(O)/lib/libvrouter.so: $(OBJS_client) $(OBJS_proto) $(LINKFLAGS)
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS_ALL) $(LDFLAGS) -Wl,-soname,libvrouter.so.$(SOVERSION) -o $@ \
		$(OBJS_client) $(OBJS_proto) -Wl,--as-needed -lprotobuf-c

# --- tests -------------------------------------------------------------------

# The unit a test belongs to, by its folder.
unit_of = $(strip $(if $(filter ctl/cli/%,$(1)),cli,$(if $(filter ctl/client/%,$(1)),client,\
	$(firstword $(subst /, ,$(1))))))

# Linked as the programs are, but with archives, so that a test gets only what
# it refers to and may put a fake in place of the rest.
test_libs = $(sort $(call lib,$(call unit_of,$(1))) $(call lib,common) $(call lib,client) \
	$(call lib,proto))
define test_rule
$(2): $(call objs,$(1)) $(call test_libs,$(1)) $(LINKFLAGS) | $(VERSION_O)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS) $$(DPDK_LDFLAGS) $$(WRAPS_$(call unit_of,$(1))) -o $$@ \
		$(call objs,$(1)) $(VERSION_O) \
		-Wl,--start-group $(call test_libs,$(1)) -Wl,--end-group -lcmocka \
		$$(DPDK_LDLIBS) -Wl,--start-group $(call test_libs,$(1)) $$(DPDK_LIBS:%=-l:librte_%.a) \
		-Wl,--end-group $$(OUR_SHARED)
endef
$(foreach t,$(TEST_SRCS),$(eval $(call test_rule,$(t),$(O)/tests/$(basename $(notdir $(t))))))

# Measures one module by itself; made when asked for.
$(BENCH_TOOLS:common/%.c=$(O)/bench/%): DPDK_LDLIBS := -l:librte_fib.a -l:librte_lpm.a -l:librte_rib.a $(DPDK_LDLIBS)
$(foreach t,$(BENCH_TOOLS),$(eval $(call test_rule,$(t),$(O)/bench/$(basename $(notdir $(t))))))

fuzz_libs := $(foreach u,ctl fwd-worker common proto,$(call lib,$(u)))
define fuzz_rule
$(2): $(call objs,$(1)) $(fuzz_libs) $(LINKFLAGS) | $(VERSION_O)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -fsanitize=fuzzer $$(LDFLAGS) $$(DPDK_LDFLAGS) -o $$@ \
		$(call objs,$(1)) $(VERSION_O) -Wl,--start-group $(fuzz_libs) -Wl,--end-group \
		$$(DPDK_LDLIBS) -Wl,--start-group $(fuzz_libs) -Wl,--end-group $$(OUR_SHARED)
endef
ifeq ($(FLAVOUR),fuzz)
$(foreach t,$(FUZZ_SRCS),$(eval $(call fuzz_rule,$(t),$(O)/bin/$(basename $(notdir $(t))))))
endif

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)

.PHONY: debug asan ubsan tsan fuzz
debug: ## build with little optimization, in build/debug/
	$(Q)+$(MAKE) FLAVOUR=debug SAN= all
asan ubsan tsan: ## build with a sanitizer (the same as SAN=address, undefined, thread)
	$(Q)+$(MAKE) FLAVOUR=$@ SAN= all
fuzz: ## build the fuzz targets (*_fuzz.c) with clang, in build/fuzz/bin/
	$(Q)+$(MAKE) FLAVOUR=fuzz SAN= fuzzers

.PHONY: tests check check-unit check-packet check-system bench
tests: $(TESTS) ## build the unit tests without running them

check: check-unit check-packet check-system ## run all tests

check-unit: $(TESTS) ## run the unit tests; T=pattern chooses, SAN= under a sanitizer
	@deploy/build/unit.sh $(O)/tests '$(T)' $(sort $(TESTS))

.PHONY: golden
golden: $(O)/tests/command_test $(O)/tests/help_test ## write anew what vrctl is expected to print (ctl/cli/golden/, docs/api.md)
	GOLDEN=write $(O)/tests/command_test
	GOLDEN=write $(O)/tests/help_test

# Runs a script of the tests if it is there, with the build's folder in $$VR_BUILD.
run = $(if $(wildcard $(1)),VR_BUILD=$(abspath $(O)) $(1) $(if $(2),'$(2)'),@echo "$@: no $(1) yet")

check-packet: all ## send packets through a worker and compare what comes out
	$(call run,tests/packet/run.sh)

check-system: all ## run real processes and kill them (root, hugepages); T=PATTERN chooses
	$(call run,tests/system/run.sh,$(T))

# The objects installed are the objects measured. A static program loads no
# plug-in, so drivers made for measuring (tests/bench/*.c) are linked into
# copies of the programs, in build/FLAVOUR/bench/: into all, for the drivers
# must be the same everywhere. For others they are a plug-in, which brings the
# bus of its devices along, as not all of them link that. They need
# headers of DPDK's source tree that no package has; the benchmark fetches them
# unless DPDK_SRC=folder has them. JSON=1 with -s prints nothing but results.
DPDK_SRC ?= $(BUILD)/dpdk-headers
export CASES JSON DURATION REPEAT FLOWS
BENCH_SRCS := $(if $(wildcard $(DPDK_SRC)/lib/ethdev/ethdev_driver.h),$(wildcard tests/bench/*.c))
OBJS_bench := $(call objs,$(BENCH_SRCS))
BENCH_CPPFLAGS := -DALLOW_INTERNAL_API \
	$(addprefix -isystem $(DPDK_SRC)/,lib/ethdev lib/eal/include drivers/bus/vdev)
BENCH_PROGRAMS := $(if $(BENCH_SRCS),$(DPDK_PROGRAMS:%=$(O)/bench/%) $(O)/bench/flowgen.so)
$(OBJS_bench): DEFS = -fPIC $(BENCH_CPPFLAGS)
define bench_rule
$(O)/bench/$(1): $(O)/bin/$(1) $(OBJS_bench)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(call link_dpdk,$(1),$(OBJS_bench))
endef
$(foreach p,$(DPDK_PROGRAMS),$(eval $(call bench_rule,$(p))))
$(O)/bench/flowgen.so: $(OBJS_bench) $(LINKFLAGS) Makefile
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $(OBJS_bench) -lrte_bus_vdev

.PHONY: bench-programs
bench-programs: $(BENCH_PROGRAMS) ## build the programs with drivers made for measuring (DPDK_SRC=)
bench: all $(O)/bench/flow_fill_bench ## measure; CASES="a b" chooses, JSON=1 prints JSON lines, DURATION=, REPEAT=
	+@$(call run,tests/bench/run.sh)

# --- checks of the sources ---------------------------------------------------

# Those for measuring can be looked at once their headers are there.
ours := $(filter-out $(if $(BENCH_SRCS),,tests/bench/%),\
	$(sort $(shell find $(dirs) tests -name '*.[ch]' 2>/dev/null)))

.PHONY: lint format coverage
lint: $(PROTO_H) ## check layout, layering and headers, run clang-tidy and cppcheck
	@CPPFLAGS='$(CPPFLAGS_ALL)' DPDK_CPPFLAGS='$(DPDK_CPPFLAGS) $(BENCH_CPPFLAGS)' CC='$(CC)' ARCH='$(ARCH)' \
		deploy/build/lint.sh $(if $(FILES),$(FILES),$(ours))

format: ## lay out the sources with clang-format
	clang-format -i $(if $(FILES),$(FILES),$(ours))

coverage: ## run the unit tests and show the lines reached, by folder
	$(Q)find $(BUILD)/cov -name '*.gcda' -delete 2>/dev/null; true
	$(Q)+$(MAKE) FLAVOUR=cov SAN= check-unit
	@deploy/build/coverage.sh $(BUILD)/cov/obj

# --- installing --------------------------------------------------------------

SBINDIR = $(DESTDIR)$(PREFIX)/sbin
BINDIR = $(DESTDIR)$(PREFIX)/bin
LIBDIR = $(DESTDIR)$(PREFIX)/lib
INCDIR = $(DESTDIR)$(PREFIX)/include/vrouter
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/vrouter
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
PROTODIR = $(DESTDIR)$(PREFIX)/share/vrouter/proto
MANDIR = $(DESTDIR)$(PREFIX)/share/man/man1
COMPDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
PCDIR = $(LIBDIR)/pkgconfig
units := $(wildcard deploy/systemd/*.service deploy/systemd/*.target deploy/systemd/*.slice)
example := $(wildcard vrouter.conf.example deploy/vrouter.conf.example)
client_headers := $(wildcard ctl/client/vrouter.h)
examples := $(wildcard docs/examples/*)

.PHONY: install uninstall clean help
install: all ## install below PREFIX (/usr/local), in DESTDIR if given
	$(if $(DPDK_PROGRAMS),install -D -t $(SBINDIR) $(DPDK_PROGRAMS:%=$(O)/bin/%))
	$(if $(filter vrctl,$(PROGRAMS)),install -D -t $(BINDIR) $(O)/bin/vrctl)
	$(if $(CLIENT_LIBS),install -D -m 644 -t $(LIBDIR) $(O)/lib/libvrouter.a)
	$(if $(CLIENT_LIBS),install -D $(O)/lib/libvrouter.so $(LIBDIR)/libvrouter.so.$(SOVERSION))
	$(if $(CLIENT_LIBS),ln -sf libvrouter.so.$(SOVERSION) $(LIBDIR)/libvrouter.so)
	$(if $(client_headers),install -D -m 644 -t $(INCDIR) $(client_headers))
	$(if $(client_headers),install -D -m 644 -t $(INCDIR)/proto $(PROTO_H))
	$(if $(client_headers),mkdir -p $(PCDIR) && sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' \
		ctl/client/vrouter.pc.in > $(PCDIR)/vrouter.pc)
	$(if $(filter vrctl,$(PROGRAMS)),mkdir -p $(MANDIR) $(COMPDIR))
	$(if $(filter vrctl,$(PROGRAMS)),$(O)/bin/vrctl help man > $(MANDIR)/vrctl.1)
	$(if $(filter vrctl,$(PROGRAMS)),$(O)/bin/vrctl completion bash > $(COMPDIR)/vrctl)
	$(if $(examples),install -D -m 644 -t $(DOCDIR)/examples $(examples))
	$(if $(protos),install -D -m 644 -t $(PROTODIR) $(protos))
	$(if $(example),install -D -m 644 -t $(DOCDIR) $(example))
	$(if $(units),install -D -m 644 -t $(UNITDIR) $(units))

uninstall: ## remove what install put there
	rm -f $(addprefix $(SBINDIR)/,vr-primary vr-fwd vr-vhost vr-ctl) $(BINDIR)/vrctl
	rm -f $(LIBDIR)/libvrouter.a $(LIBDIR)/libvrouter.so $(LIBDIR)/libvrouter.so.$(SOVERSION)
	rm -f $(PCDIR)/vrouter.pc $(MANDIR)/vrctl.1 $(COMPDIR)/vrctl
	rm -rf $(INCDIR) $(DOCDIR) $(PROTODIR)
	$(if $(units),rm -f $(addprefix $(UNITDIR)/,$(notdir $(units))))

clean: ## remove everything built
	rm -rf $(BUILD)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "  %-22s %s\n", $$1, $$2 }' Makefile
