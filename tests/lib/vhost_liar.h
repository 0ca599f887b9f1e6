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

/*
 * Connects and lets the agent block in a call: 0 when everything is set for it, and the connection
 * stays until the agent is gone, for 'ms' at most.
 */
int vhost_lie_block(const struct vhost_front_config *config, int ms);

#endif
