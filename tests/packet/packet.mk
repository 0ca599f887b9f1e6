# SPDX-License-Identifier: BSD-3-Clause
#
# Builds the packet tests, with the flags and archives of the unit tests. From
# the repository's top: make -f tests/packet/packet.mk packet_test

.DEFAULT_GOAL := packet_test
include Makefile

RIG := $(wildcard tests/packet/*.c)
PACKET_TEST := $(O)/tests/packet_test

$(PACKET_TEST): $(call objs,$(RIG)) $(call lib,fwd-worker) $(call lib,common) $(LINKFLAGS) | $(VERSION_O)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) $(DPDK_LDFLAGS) -o $@ $(call objs,$(RIG)) $(VERSION_O) \
		-Wl,--whole-archive $(call lib,fwd-worker) $(call lib,common) -Wl,--no-whole-archive \
		-Wl,--push-state -lcmocka -Wl,--pop-state $(DPDK_LDLIBS) $(OUR_SHARED)

.PHONY: packet_test
packet_test: $(PACKET_TEST)
