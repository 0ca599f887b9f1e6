/* SPDX-License-Identifier: BSD-3-Clause */
/* See drop_selection.h. For the kinds `drop` and `dropped`. */
#include "ctl/drop_selection.h"

#include <errno.h>
#include <string.h>

#include "common/conf.h"
#include "common/drop.h"
#include "common/slot.h"
#include "ctl/ctl.h"
#include "ctl/refusal.h"

static int
reason_named(const char *name)
{
	for (int i = 0; i < DROPS; i++)
		if (strcmp(name, drop_name((enum drop)i)) == 0)
			return i;
	return -1;
}

int
drop_select(const struct ctl *ctl, const char *reason, int64_t vif, int64_t slot,
	    struct drop_selection *s, struct refusal *r)
{
	*s = (struct drop_selection){.reason = -1, .vif = vif, .slot = -1};
	if (*reason != '\0') {
		s->reason = reason_named(reason);
		if (s->reason < 0)
			return refuse(r, ENOENT, "reason", "there is no drop reason \"%s\"",
				      reason);
	}
	if (vif >= (int64_t)ctl->conf->vifs)
		return refuse(r, EINVAL, "vif", "vif %lld is above %llu (option vifs)",
			      (long long)vif, (unsigned long long)ctl->conf->vifs - 1);
	if (slot >= 0) {
		s->slot = slot_index(ctl->tables.slots, (uint32_t)slot);
		if (s->slot < 0)
			return refuse(r, ENOENT, "slot", "there is no slot %lld", (long long)slot);
	}
	return 0;
}
