/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools of packet buffers in the API: `mempool`, how much is used, and `audit`, where every buffer
 * is. Both need the primary's EAL. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "common/audit.h"
#include "common/handshake.h"
#include "common/pool.h"
#include "ctl/call.h"
#include "ctl/ctl.h"

static int
need_handshake(const struct ctl *ctl, struct call *call)
{
	if (ctl->handshake != NULL)
		return 0;
	return refuse(call_refusal(call), ENOTCONN, NULL,
		      "vr-ctl is not attached to the primary's packet memory yet: try again");
}

static int
mempool_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	     struct call *call)
{
	int rc = need_handshake(ctl, call);

	(void)filter;
	(void)budget;
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < ctl->handshake->n_pools; i++) {
		struct rte_mempool *pool = ctl->handshake->pools[i];
		const char *ops = rte_mempool_get_ops(pool->ops_index)->name;
		Vrouter__Mempool m = VROUTER__MEMPOOL__INIT;

		m.name = pool->name;
		m.ops = (char *)(uintptr_t)ops;
		m.foreign = strcmp(ops, POOL_OPS) != 0;
		m.size = pool->size;
		m.available = rte_mempool_avail_count(pool);
		if (pool->size != 0)
			m.used_percent =
			    (uint32_t)((uint64_t)(pool->size - m.available) * 100 / pool->size);
		m.data_room_bytes = rte_pktmbuf_data_room_size(pool);
		call_object(call, &m.base);
	}
	*cursor = OBJECT_LIST_END;
	return 0;
}

static void
describe_audit(struct audit_result *a, struct call *call)
{
	Vrouter__Audit m = VROUTER__AUDIT__INIT;

	m.pool = a->pool;
	m.foreign = a->foreign != 0;
	m.size = a->size;
	m.free = a->free;
	m.magazines = a->magazines;
	m.hands = a->hands;
	m.rings = a->rings;
	m.quarantined = a->quarantined;
	m.ports = a->ports;
	m.unaccounted = a->unaccounted;
	m.twice = a->twice;
	m.paused_us = a->paused_us;
	m.unpaused = a->unpaused;
	call_object(call, &m.base);
}

static int
audit_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	   struct call *call)
{
	struct audit_result results[POOLS_MAX];
	int n, rc = need_handshake(ctl, call);

	(void)filter;
	(void)budget;
	if (rc < 0)
		return rc;
	if (!call_caller(call)->may_write)
		return refuse(call_refusal(call), EACCES, NULL,
			      "you may not write, and an audit stops the slots for a moment");
	n = audit_run(ctl->handshake, ctl->tables.slots, ctl->tables.agents, results);
	if (n < 0)
		return refuse(call_refusal(call), -n, NULL, "the audit failed: %s", strerror(-n));
	for (int i = 0; i < n; i++)
		describe_audit(&results[i], call);
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_mempool = {.list = mempool_list};
const struct object_kind object_audit = {.list = audit_list};
