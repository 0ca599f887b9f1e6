# SPDX-License-Identifier: BSD-3-Clause
#
# Builds the programs that system tests start beside the router's own, next to them in bin/. From
# the repository's top: make -f tests/lib/programs.mk test-programs

.DEFAULT_GOAL := test-programs
include Makefile

GUESTS := $(O)/bin/vhost-guests
HEAP := $(O)/bin/vr-heap
OBJS_guests := $(call objs,tests/lib/vhost_guests.c tests/lib/vhost_front.c tests/lib/vhost_liar.c)
OBJS_heap := $(call objs,tests/lib/shared_heap.c)

$(GUESTS): $(OBJS_guests) $(LINKFLAGS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $(OBJS_guests)

$(HEAP): $(OBJS_heap) $(call lib,common) $(VERSION_O) $(LINKFLAGS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) $(DPDK_LDFLAGS) -o $@ $(OBJS_heap) \
		-Wl,--whole-archive $(call lib,common) -Wl,--no-whole-archive $(VERSION_O) \
		$(DPDK_LDLIBS) $(OUR_SHARED)

.PHONY: test-programs
test-programs: $(GUESTS) $(HEAP)
