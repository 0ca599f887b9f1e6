/* SPDX-License-Identifier: BSD-3-Clause */
/* Which drops a client wants to see, by reason, vif and slot. vr-ctl's main thread only. */
#ifndef CTL_DROP_SELECTION_H
#define CTL_DROP_SELECTION_H

#include <stdint.h>

struct ctl;
struct refusal;

/* -1: all. */
struct drop_selection {
	int reason; /* enum drop */
	int64_t vif;
	int slot; /* index */
};

/*
 * 'reason' is a name, or empty; 'vif' and 'slot' are numbers as the client knows them, or -1. A
 * negative errno, and why, when there is no such reason or slot, or the vif is out of range.
 */
int drop_select(const struct ctl *ctl, const char *reason, int64_t vif, int64_t slot,
		struct drop_selection *s, struct refusal *r);

#endif
