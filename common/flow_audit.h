/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold of a flow table when nobody works on it; for tests. */
#ifndef COMMON_FLOW_AUDIT_H
#define COMMON_FLOW_AUDIT_H

#include <stdint.h>

#include "common/flow.h"

struct flow_audit {
	uint32_t active; /* pairs */
	uint32_t half;   /* CLAIMED or LOST, or the directions disagree */
	uint32_t hidden; /* ACTIVE, but one of its keys leads elsewhere */
	uint32_t strays; /* cells that name no ACTIVE pair, or a second time */
	uint32_t lost;   /* not ACTIVE, and can't be taken */
	uint32_t twice;  /* ACTIVE, and can be taken */
};

void flow_audit(struct flow_table *t, struct flow_audit *a);

#endif
