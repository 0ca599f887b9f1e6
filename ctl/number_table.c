/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers that lead to nexthops; see number_table.h. vr-ctl's main thread only. */
#include "ctl/number_table.h"

#include <errno.h>

#include "common/conf.h"
#include "common/number.h"
#include "ctl/ctl.h"
#include "ctl/refusal.h"

enum { WALK_MAX = 64 };

static int
check_number(const struct number *n, struct refusal *r)
{
	if (n->number <= n->max)
		return 0;
	return refuse(r, EINVAL, n->field, "%s %u is above %u", n->field, n->number, n->max);
}

int
number_put(struct change *c, const struct number *n)
{
	struct bridge_key key = number_key(n->number);
	const struct conf *conf = c->ctl->conf;
	struct refusal *r = c->refusal;
	int rc = check_number(n, r);

	if (rc < 0)
		return rc;
	if (!n->has_nexthop)
		return refuse(r, EINVAL, "nexthop", "nexthop is missing");
	if (n->nexthop >= conf->nexthops)
		return refuse(r, EINVAL, "nexthop", "nexthop %u is above %llu (option nexthops)",
			      n->nexthop, (unsigned long long)conf->nexthops - 1);
	rc = bridge_stage_set(n->writer, c->ctl->tables.batch, &key, n->nexthop, c->owner);
	if (rc == -ENOSPC)
		return refuse(r, ENOSPC, NULL, "the table is full: %u of %u %ss (option %s)",
			      bridge_used(n->table), bridge_capacity(n->table), n->field,
			      n->option);
	return rc;
}

int
number_remove(struct change *c, const struct number *n)
{
	struct bridge_key key = number_key(n->number);
	int rc = check_number(n, c->refusal);

	if (rc < 0)
		return rc;
	rc = bridge_stage_del(n->writer, c->ctl->tables.batch, &key);
	if (rc == -ENOENT)
		return refuse(c->refusal, ENOENT, n->field, "it does not exist");
	return rc;
}

int
number_get(const struct number *n, uint32_t *nexthop, struct refusal *r)
{
	struct bridge_key key = number_key(n->number);
	uint64_t value;
	int rc = check_number(n, r);

	if (rc < 0)
		return rc;
	if (bridge_lookup(n->table, &key, &value) < 0)
		return refuse(r, ENOENT, n->field, "it does not exist");
	*nexthop = bridge_value_nexthop(value);
	return 0;
}

int
number_list(const struct bridge *table, uint64_t *cursor, uint32_t budget, struct call *call,
	    number_each *each)
{
	struct bridge_key keys[WALK_MAX];
	uint64_t values[WALK_MAX];

	while (*cursor != OBJECT_LIST_END && budget >= WALK_MAX) {
		uint32_t n = bridge_walk(table, cursor, WALK_MAX, keys, values);

		budget -= WALK_MAX;
		for (uint32_t i = 0; i < n; i++)
			each(call, number_of_key(&keys[i]), bridge_value_nexthop(values[i]));
	}
	return 0;
}
