/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Idle flows end: how long a flow may be idle depends on its protocol and, for TCP, on how far the
 * connection has come (options flow-age-...). The table is walked in slices, so nothing stalls: a
 * small one once a second, the largest in 40 s. The walk also takes up what a vr-ctl left half
 * removed. vr-ctl's main thread.
 */
#ifndef CTL_AGEING_H
#define CTL_AGEING_H

#include <stdint.h>

struct conf;
struct ctl;
struct flow_entry;

enum flow_age {
	FLOW_AGE_TCP,         /* seen in both directions */
	FLOW_AGE_TCP_OPENING, /* nothing came back yet */
	FLOW_AGE_TCP_CLOSED,  /* reset, or closed by both sides */
	FLOW_AGE_UDP,
	FLOW_AGE_OTHER,
};

/* 'e' is the first of a pair. */
enum flow_age flow_age_of(const struct flow_entry *e);
/* How long such a flow may be idle. */
uint64_t flow_age_limit_ms(const struct conf *conf, enum flow_age age);
/* How long the pair has been idle, 0 while the clock's rate is not known. */
uint64_t flow_idle_ms(const struct ctl *ctl, const struct flow_entry *e);

struct ageing;
struct ageing *ageing_create(struct ctl *ctl); /* NULL: out of memory */
void ageing_destroy(struct ageing *a);         /* NULL is fine */
/* Looks at the next slice; about every 10 ms. */
void ageing_step(struct ageing *a);
/* Flows that were idle for too long, since this vr-ctl began. */
uint64_t ageing_aged(const struct ageing *a);
uint64_t ageing_tsc_hz(const struct ageing *a);

#endif
