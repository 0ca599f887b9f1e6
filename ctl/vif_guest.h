/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's part of a vif in the API: what a client may say about its socket, and what is known
 * about the guest. Called by object_vif.c, on vr-ctl's main thread.
 */
#ifndef CTL_VIF_GUEST_H
#define CTL_VIF_GUEST_H

#include "common/guest.h"
#include "ctl/primary.h"
#include "ctl/refusal.h"
#include "proto/vrouter.pb-c.h"

struct conf;
struct ctl;

/* Path, mode and owner of the socket; the wish borrows none of it. */
int vif_guest_parse(const Vrouter__Vif__Vhost *m, const struct conf *conf, struct port_wish *wish,
		    struct refusal *r);

/* Room for a description; borrows nothing that goes away. */
struct vif_guest_view {
	Vrouter__Vif__Guest guest;
	char *features[64];
	uint32_t ring_sizes[GUEST_RINGS_MAX];
};
/* Of the guest behind vhost port 'index'. */
void vif_guest_describe(const struct ctl *ctl, uint32_t index, struct vif_guest_view *v);

#endif
