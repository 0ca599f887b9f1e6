/* SPDX-License-Identifier: BSD-3-Clause */
/* Controllers, who own what they add; see controller.h. vr-ctl's main thread only. */
#include "ctl/controller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/controller.h"
#include "ctl/ctl.h"

/* Number of the controller of this name; 0: not known. */
static uint32_t
find(const struct controllers *t, const char *name)
{
	for (uint32_t i = 1; i < t->n; i++)
		if (t->c[i].used && strcmp(t->c[i].name, name) == 0)
			return i;
	return 0;
}

int
controller_find(struct ctl *ctl, const char *name, uint16_t *tag, struct refusal *r)
{
	struct controllers *t = ctl->tables.controllers;
	uint32_t i = 0;

	*tag = 0;
	if (*name == '\0')
		return 0;
	if (strlen(name) >= CONTROLLER_NAME_LEN)
		return refuse(r, EINVAL, "controller",
			      "controller \"%.80s\" is longer than %d bytes", name,
			      CONTROLLER_NAME_LEN - 1);
	i = find(t, name);
	for (uint32_t k = 1; i == 0 && k < t->n; k++) {
		if (t->c[k].used)
			continue;
		snprintf(t->c[k].name, sizeof(t->c[k].name), "%s", name);
		__atomic_store_n(&t->c[k].used, 1, __ATOMIC_RELEASE);
		i = k;
	}
	if (i == 0)
		return refuse(r, ENOSPC, "controller",
			      "%u controllers are known, and no more can be", t->n - 1);
	*tag = controller_tag(i, t->c[i].epoch);
	return 0;
}
