/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nexthops between the API's form and the table's. Called by object_nexthop.c, on vr-ctl's main
 * thread, and by its test.
 */
#ifndef CTL_OBJECT_NEXTHOP_H
#define CTL_OBJECT_NEXTHOP_H

#include "common/nexthop.h"
#include "ctl/refusal.h"
#include "proto/vrouter.pb-c.h"

struct conf;

/* Checks every field and makes the entry; the only place where a nexthop is checked. */
int nexthop_parse(const Vrouter__Nexthop *m, const struct conf *conf, struct nexthop *nh,
		  struct refusal *r);

/* 'message' borrows from 'nh' and from what stands beside it here. */
struct nexthop_description {
	Vrouter__Nexthop message;
	Vrouter__Nexthop__Tunnel tunnel;
	uint32_t members[NEXTHOP_MEMBERS_MAX];
	uint32_t labels[NEXTHOP_MEMBERS_MAX];
	Vrouter__Nexthop__Flag flags[NEXTHOP_FLAGS];
	Vrouter__Nexthop__HashField hash_fields[8];
};
void nexthop_describe(const struct nexthop *nh, struct nexthop_description *d);

#endif
