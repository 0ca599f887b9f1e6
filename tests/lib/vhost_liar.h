/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lies of a hostile guest, told through a front end (vhost_front.h): one at a time, each on a
 * connection of its own.
 */
#ifndef TESTS_LIB_VHOST_LIAR_H
#define TESTS_LIB_VHOST_LIAR_H

#include <stdbool.h>

struct vhost_front_config;

enum lie {
#define LIE(NAME, name, running) LIE_##NAME,
#include "tests/lib/vhost_lies.def"
#undef LIE
	LIES
};

const char *vhost_lie_name(enum lie lie);

/*
 * Connects as 'config' says, tells the lie and is gone. Whether it came to telling it: the agent
 * may not be there. 'variant' is any number; lies with several forms take theirs by it.
 */
bool vhost_lie_tell(const struct vhost_front_config *config, enum lie lie, unsigned int variant);

/* What shall keep an agent from serving others. */
enum vhost_attack {
	VHOST_ATTACK_CALL,    /* it wakes us, and our eventfd is full */
	VHOST_ATTACK_RECEIVE, /* it looks for room in buffers of no length, in endless chains */
	VHOST_ATTACK_LINGER,  /* it closes sockets that take an hour to close */
	VHOST_ATTACK_ANSWERS, /* it answers, and we do not read */
	VHOST_ATTACKS
};

/*
 * Connects and does that: 0 when everything is set for it. The connection stays until the agent
 * ends it, for 'ms' at most.
 */
int vhost_attack(const struct vhost_front_config *config, enum vhost_attack attack, int ms);

#endif
