/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules between the API's form and the table's; for object_rule.c and its test. */
#ifndef CTL_OBJECT_RULE_H
#define CTL_OBJECT_RULE_H

#include "ctl/refusal.h"
#include "proto/vrouter.pb-c.h"

struct conf;
struct rule;

/* The only place where a rule is checked. */
int rule_parse(const Vrouter__Rule *m, const struct conf *conf, struct rule *rule,
	       struct refusal *r);

#endif
