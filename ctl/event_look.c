/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding out what happened; see event_look.h. vr-ctl's main thread only.
 *
 * The primary changes an entry while we look at it. It stores 'state' last, so a copy is believed
 * only if it hangs together: one that is half of an old life and half of a new one is left for the
 * next look.
 */
#include "ctl/event_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/idtab.h"
#include "common/port.h"
#include "common/process.h"
#include "common/slot.h"
#include "common/vif.h"
#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/events.h"
#include "ctl/object.h"

struct event_look {
	const struct ctl *ctl;
	struct processes processes;
	struct slots slots;
	struct port *ports; /* [ports->n] */
	struct vif *vifs;   /* [vifs->ids]; 'vif_there' says which are */
	bool *vif_there;
};

/* --- what is compared with --- */

static void
copy_vif(struct event_look *l, uint32_t id)
{
	const struct vif *vif = vif_lookup(l->ctl->tables.vifs, id);

	l->vif_there[id] = vif != NULL;
	if (vif != NULL)
		l->vifs[id] = *vif;
}

struct event_look *
event_look_create(const struct ctl *ctl)
{
	const struct tables *t = &ctl->tables;
	struct event_look *l = aligned_alloc(_Alignof(struct event_look), sizeof(*l));

	if (l == NULL)
		return NULL;
	memset(l, 0, sizeof(*l));
	l->ctl = ctl;
	l->ports = calloc(t->ports->n + 1, sizeof(*l->ports));
	l->vifs = calloc(t->vifs->ids, sizeof(*l->vifs));
	l->vif_there = calloc(t->vifs->ids, sizeof(*l->vif_there));
	if (l->ports == NULL || l->vifs == NULL || l->vif_there == NULL) {
		event_look_destroy(l);
		return NULL;
	}
	l->processes = *t->processes;
	l->slots = *t->slots;
	memcpy(l->ports, t->ports->p, t->ports->n * sizeof(*l->ports));
	for (uint32_t id = 0; id < t->vifs->ids; id++)
		copy_vif(l, id);
	return l;
}

void
event_look_destroy(struct event_look *l)
{
	if (l == NULL)
		return;
	free(l->ports);
	free(l->vifs);
	free(l->vif_there);
	free(l);
}

static void
say(const struct event_look *l, const char *kind, Vrouter__Event__What what, const void *entry,
    const char *detail)
{
	events_say(l->ctl->events, object_by_name(kind), what, entry, detail);
}

/* --- processes --- */

static bool
is_alive(const struct process *p)
{
	return p->state != PROCESS_FREE && p->state != PROCESS_DEAD;
}

/* What an entry says about its last death; of one before it ('known' false) nothing is left. */
static void
say_death(const struct event_look *l, const struct process *p, bool known)
{
	const struct slots *slots = l->ctl->tables.slots;
	char why[96] = "another followed too soon to tell why";

	if (known)
		describe_why(p, why, sizeof(why));
	for (uint32_t i = 0; known && p->death_hung && p->role == ROLE_FWD && i < slots->n; i++)
		if (p->slots >> i & 1)
			say(l, "slot", VROUTER__EVENT__WHAT__HUNG, &slots->s[i], "");
	say(l, "process", VROUTER__EVENT__WHAT__DIED, p, why);
}

/* How often an entry's identity began a life anew. */
static uint32_t
lives_begun(const struct process *was, const struct process *is)
{
	bool same = is->role == was->role && is->slots == was->slots;

	if (is->key == was->key)
		return 0;
	return same && is->restarts > was->restarts ? is->restarts - was->restarts : 1;
}

static void
say_process(const struct event_look *l, const struct process *was, const struct process *is)
{
	bool same = is->role == was->role && is->slots == was->slots;
	uint32_t begun = lives_begun(was, is);
	bool alive = is_alive(was);
	char detail[32];

	if (alive && !same) {
		say_death(l, was, false);
		alive = false;
	}
	for (uint32_t life = 0; life < begun; life++) {
		if (alive)
			say_death(l, is, life + 1 == begun && is_alive(is));
		say(l, "process", VROUTER__EVENT__WHAT__STARTED, is, "");
		alive = true;
	}
	if (is->ready_ms != 0 && (begun > 0 || was->ready_ms == 0))
		say(l, "process", VROUTER__EVENT__WHAT__READY, is, "");
	if (is->state == PROCESS_STOPPING && (begun > 0 || was->state != PROCESS_STOPPING))
		say(l, "process", VROUTER__EVENT__WHAT__STOPPING, is, "");
	if (alive && !is_alive(is))
		say_death(l, is, true);
	if (is->death_recovered_us == 0 || is->death_recovered_us == was->death_recovered_us)
		return;
	snprintf(detail, sizeof(detail), "after %.1f ms", (double)is->death_recovered_us / 1000);
	say(l, "process", VROUTER__EVENT__WHAT__RECOVERED, is, detail);
}

static void
look_at_process(struct event_look *l, uint32_t i)
{
	const struct process *now = &l->ctl->tables.processes->p[i];
	struct process *was = &l->processes.p[i], is;
	uint32_t state = __atomic_load_n(&now->state, __ATOMIC_ACQUIRE);

	is = *now;
	if (memcmp(&is, was, sizeof(is)) == 0)
		return;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (is.state != state || now->state != state || now->key != is.key || is.role >= ROLES)
		return;
	/* Being given to a new process, or being written the death into. */
	if (!is_alive(&is) && is.key != was->key &&
	    (is.state == PROCESS_FREE || is.died_ms == was->died_ms))
		return;
	if (is_alive(&is) && is.key == was->key && is.died_ms != was->died_ms)
		return;
	say_process(l, was, &is);
	*was = is;
}

/* --- slots --- */

static void
say_owner(const struct event_look *l, const struct slot *slot, Vrouter__Event__What what,
	  process_key owner)
{
	char detail[32];

	snprintf(detail, sizeof(detail), "process %u", describe_pid(owner));
	say(l, "slot", what, slot, detail);
}

/* A death takes the owner away, raises the generation, and names a new one, in this order. */
static void
look_at_slot(struct event_look *l, uint32_t i)
{
	const struct slot *slot = &l->ctl->tables.slots->s[i];
	struct slot *was = &l->slots.s[i];
	process_key owner = __atomic_load_n(&slot->owner, __ATOMIC_ACQUIRE);
	uint32_t generation = __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE);
	bool repaired = generation != was->generation;

	if (was->owner != 0 && was->owner != owner && (owner == 0 || repaired))
		say(l, "slot", VROUTER__EVENT__WHAT__ORPHANED, slot, "");
	for (; was->generation != generation; was->generation++)
		say(l, "slot", VROUTER__EVENT__WHAT__REPAIRED, slot, "");
	if (owner != 0 && owner != was->owner)
		say_owner(l, slot,
			  was->owner == 0 || repaired ? VROUTER__EVENT__WHAT__ANIMATED
						      : VROUTER__EVENT__WHAT__HANDED_OVER,
			  owner);
	was->owner = owner;
}

/* --- ports --- */

static void
look_at_port(struct event_look *l, uint32_t i)
{
	const struct port *now = &l->ctl->tables.ports->p[i];
	bool is_there = __atomic_load_n(&now->state, __ATOMIC_ACQUIRE) == PORT_ACTIVE;
	struct port *was = &l->ports[i];
	bool was_there = was->state == PORT_ACTIVE, same;

	if (!is_there && !was_there)
		return;
	same = is_there && was_there && strcmp(now->name, was->name) == 0 &&
	       now->kind == was->kind && strcmp(now->devargs, was->devargs) == 0;
	if (was_there && !same)
		say(l, "port", VROUTER__EVENT__WHAT__REMOVED, was, "");
	if (is_there && !same)
		say(l, "port", VROUTER__EVENT__WHAT__ADDED, now, "");
	else if (is_there && (now->link_up != 0) != (was->link_up != 0))
		say(l, "port",
		    now->link_up != 0 ? VROUTER__EVENT__WHAT__LINK_UP
				      : VROUTER__EVENT__WHAT__LINK_DOWN,
		    now, "");
	if (!same) {
		*was = *now;
		was->state = is_there ? PORT_ACTIVE : PORT_FREE;
	}
	was->link_up = now->link_up;
}

void
event_look(struct event_look *l)
{
	const struct tables *t = &l->ctl->tables;

	for (uint32_t i = 0; i < t->processes->n; i++)
		look_at_process(l, i);
	for (uint32_t i = 0; i < t->slots->n; i++)
		look_at_slot(l, i);
	for (uint32_t i = 0; i < t->ports->n; i++)
		look_at_port(l, i);
}

/* --- vifs --- */

void
event_look_vif(struct event_look *l, uint32_t id)
{
	const struct idtab *vifs = l->ctl->tables.vifs;
	const struct vif *is = vif_lookup(vifs, id);

	if (id >= vifs->ids)
		return;
	if (is == NULL && l->vif_there[id])
		say(l, "vif", VROUTER__EVENT__WHAT__REMOVED, &l->vifs[id], "");
	else if (is != NULL && !l->vif_there[id])
		say(l, "vif", VROUTER__EVENT__WHAT__ADDED, is, "");
	else if (is != NULL && memcmp(is, &l->vifs[id], sizeof(*is)) != 0)
		say(l, "vif", VROUTER__EVENT__WHAT__CHANGED, is, "");
	copy_vif(l, id);
}
