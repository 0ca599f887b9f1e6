# SPDX-License-Identifier: BSD-3-Clause
#
# Builds the packet tests, with the flags and archives of the unit tests. From
# the repository's top: make -f tests/packet/packet.mk packet_test

.DEFAULT_GOAL := packet_test
include Makefile

RIG := $(wildcard tests/packet/*.c)
PACKET_TEST := $(O)/tests/packet_test

# Cases in text are applied as vrctl and control do it: of these, what is referred to.
TEXT_LIBS := $(foreach u,cli ctl client proto,$(call lib,$(u)))
# coverage.c counts the stages that ran.
STAGE_WRAPS := $(shell awk -F ', ' '/^STAGE/ { print "-Wl,--wrap=stage_" $$2 }' fwd-worker/stages.def)

$(PACKET_TEST): $(call objs,$(RIG)) $(call lib,fwd-worker) $(call lib,common) $(TEXT_LIBS) $(LINKFLAGS) | $(VERSION_O)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) $(DPDK_LDFLAGS) $(STAGE_WRAPS) -o $@ $(call objs,$(RIG)) $(VERSION_O) \
		-Wl,--whole-archive $(call lib,fwd-worker) $(call lib,common) -Wl,--no-whole-archive \
		-Wl,--start-group $(TEXT_LIBS) -Wl,--end-group \
		-Wl,--push-state -lcmocka -Wl,--pop-state $(DPDK_LDLIBS) $(OUR_SHARED)

.PHONY: packet_test
packet_test: $(PACKET_TEST)
