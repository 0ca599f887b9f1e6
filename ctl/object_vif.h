/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vifs between the API's form and the table's, and the ports they need. Called by object_vif.c and
 * batch.c, on vr-ctl's main thread, and by tests.
 */
#ifndef CTL_OBJECT_VIF_H
#define CTL_OBJECT_VIF_H

#include "ctl/primary.h"
#include "ctl/refusal.h"
#include "proto/vrouter.pb-c.h"

struct conf;
struct ctl;
struct tables;
struct vif;

/*
 * Checks every field and makes the entry, still without a port; the only place where a vif is
 * checked. 'wish' receives the port it wants (wish->name NULL: none) and borrows from 'm' and
 * 'vif'.
 */
int vif_parse(const Vrouter__Vif *m, const struct conf *conf, struct vif *vif,
	      struct port_wish *wish, struct refusal *r);

/* Stages the removal of a vif, with all that says something of it. As idtab_stage_del(). */
int vif_stage_del(struct tables *t, uint32_t id);

/* Index of the living port of this name, or -ENOENT. */
int64_t vif_find_port(const struct ctl *ctl, const char *name);

/*
 * Asks the primary for the port that a vif wants: OBJECT_LATER, with its name, and then 'reply'
 * comes; 0 when it is there already; a negative errno after refuse().
 */
int vif_make_port(struct ctl *ctl, const ProtobufCMessage *object, struct refusal *r,
		  primary_reply *reply, void *arg, char name[NAME_LEN]);
/* Removes a port that was made for a vif and has none now; 0 when there is nothing to remove. */
int vif_drop_port(struct ctl *ctl, int32_t index, struct refusal *r, primary_reply *reply,
		  void *arg);
/* Lets another agent serve a guest's port; 0 when it does already. */
int vif_move_port(struct ctl *ctl, int32_t index, uint32_t agent, struct refusal *r,
		  primary_reply *reply, void *arg);

#endif
