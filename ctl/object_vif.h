/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vifs between the API's form and the table's. Called by object_vif.c, on vr-ctl's main thread, and
 * by its test.
 */
#ifndef CTL_OBJECT_VIF_H
#define CTL_OBJECT_VIF_H

#include "ctl/primary.h"
#include "ctl/refusal.h"
#include "proto/vrouter.pb-c.h"

struct conf;
struct vif;

/*
 * Checks every field and makes the entry, still without a port; the only place where a vif is
 * checked. 'wish' receives the port it wants (wish->name NULL: none) and borrows from 'm' and
 * 'vif'.
 */
int vif_parse(const Vrouter__Vif *m, const struct conf *conf, struct vif *vif,
	      struct port_wish *wish, struct refusal *r);

#endif
