/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bridge entries between the API's form and the table's. Called by object_bridge.c, on vr-ctl's
 * main thread, and by its test.
 */
#ifndef CTL_OBJECT_BRIDGE_H
#define CTL_OBJECT_BRIDGE_H

#include <stdint.h>

#include "ctl/refusal.h"
#include "proto/vrouter.pb-c.h"

struct bridge_key;
struct conf;

/* The only places where a bridge entry is checked. */
int bridge_parse_key(const Vrouter__Bridge *m, const struct conf *conf, struct bridge_key *key,
		     struct refusal *r);
int bridge_parse_value(const Vrouter__Bridge *m, const struct conf *conf, uint64_t *value,
		       struct refusal *r);

#endif
