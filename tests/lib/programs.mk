# SPDX-License-Identifier: BSD-3-Clause
#
# Builds the programs that system tests start beside the router's own, next to them in bin/. From
# the repository's top: make -f tests/lib/programs.mk test-programs

.DEFAULT_GOAL := test-programs
include Makefile

GUESTS := $(O)/bin/vhost-guests
HEAP := $(O)/bin/vr-heap
LOAD := $(O)/bin/vhost-load
TAP := $(O)/bin/vhost-tap
OBJS_guests := $(call objs,tests/lib/vhost_guests.c tests/lib/vhost_front.c tests/lib/vhost_liar.c)
OBJS_heap := $(call objs,tests/lib/shared_heap.c)
OBJS_load := $(call objs,tests/lib/vhost_load.c tests/lib/vhost_front.c)
OBJS_tap := $(call objs,tests/lib/vhost_tap.c tests/lib/vhost_front.c)

define alone_rule
$(1): $(2) $(LINKFLAGS)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS) -o $$@ $(2)
endef
$(eval $(call alone_rule,$(GUESTS),$(OBJS_guests)))
$(eval $(call alone_rule,$(TAP),$(OBJS_tap)))

define with_common_rule
$(1): $(2) $(call lib,common) $(VERSION_O) $(LINKFLAGS)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS) $$(DPDK_LDFLAGS) -o $$@ $(2) \
		-Wl,--whole-archive $(call lib,common) -Wl,--no-whole-archive $(VERSION_O) \
		$$(DPDK_LDLIBS) $$(OUR_SHARED)
endef
$(eval $(call with_common_rule,$(HEAP),$(OBJS_heap)))
$(eval $(call with_common_rule,$(LOAD),$(OBJS_load)))

.PHONY: test-programs
test-programs: $(GUESTS) $(HEAP) $(LOAD) $(TAP)
