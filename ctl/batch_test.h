/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts batches together, for tests: included by each once, after ctl_test.h. */
#ifndef CTL_BATCH_TEST_H
#define CTL_BATCH_TEST_H

#include "common/route.h"
#include "ctl/ctl_test.h"

enum { CHANGES_MAX = 2000 };

static struct {
	Vrouter__Change change[CHANGES_MAX];
	Vrouter__Object object[CHANGES_MAX];
	Vrouter__Change *list[CHANGES_MAX];
	Vrouter__Nexthop nexthop[CHANGES_MAX];
	Vrouter__Bridge bridge[CHANGES_MAX];
	Vrouter__Vif vif[CHANGES_MAX];
	Vrouter__Vif__Tap tap[CHANGES_MAX];
	uint8_t mac[CHANGES_MAX][6];
	Vrouter__Route route[CHANGES_MAX];
	uint8_t prefix[CHANGES_MAX][5];
	size_t n;
} q;

static inline Vrouter__Object *
next(Vrouter__Op op)
{
	size_t i = q.n++;

	assert_true(i < CHANGES_MAX);
	vrouter__change__init(&q.change[i]);
	vrouter__object__init(&q.object[i]);
	q.change[i].op = op;
	q.change[i].object = &q.object[i];
	q.list[i] = &q.change[i];
	return &q.object[i];
}

static inline void
nexthop(Vrouter__Op op, uint32_t id, uint32_t vif)
{
	Vrouter__Nexthop *m = &q.nexthop[q.n];
	Vrouter__Object *object = next(op);

	vrouter__nexthop__init(m);
	m->has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	m->id = id;
	if (op == VROUTER__OP__ADD) {
		m->type = VROUTER__NEXTHOP__TYPE__ENCAP;
		m->has_vif_case = VROUTER__NEXTHOP__HAS_VIF_VIF;
		m->vif = vif;
	}
	object->kind_case = VROUTER__OBJECT__KIND_NEXTHOP;
	object->nexthop = m;
}

static inline void
bridge(Vrouter__Op op, uint32_t number, uint32_t to)
{
	Vrouter__Bridge *m = &q.bridge[q.n];
	uint8_t *mac = q.mac[q.n];
	Vrouter__Object *object = next(op);

	vrouter__bridge__init(m);
	memset(mac, 0, 6);
	mac[0] = 2;
	memcpy(mac + 2, &number, 4);
	m->has_vrf_case = VROUTER__BRIDGE__HAS_VRF_VRF;
	m->vrf = 1;
	m->mac.data = mac;
	m->mac.len = 6;
	m->has_nexthop_case = VROUTER__BRIDGE__HAS_NEXTHOP_NEXTHOP;
	m->nexthop = to;
	object->kind_case = VROUTER__OBJECT__KIND_BRIDGE;
	object->bridge = m;
}

/* 10.number/32, of VRF 1. */
static inline void
route(Vrouter__Op op, uint32_t number, uint32_t to)
{
	const uint8_t prefix[5] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				   (uint8_t)number, 32};
	Vrouter__Route *m = &q.route[q.n];
	uint8_t *bytes = q.prefix[q.n];
	Vrouter__Object *object = next(op);

	vrouter__route__init(m);
	memcpy(bytes, prefix, sizeof(prefix));
	m->has_vrf_case = VROUTER__ROUTE__HAS_VRF_VRF;
	m->vrf = 1;
	m->prefix.data = bytes;
	m->prefix.len = sizeof(prefix);
	m->has_nexthop_case = VROUTER__ROUTE__HAS_NEXTHOP_NEXTHOP;
	m->nexthop = to;
	object->kind_case = VROUTER__OBJECT__KIND_ROUTE;
	object->route = m;
}

/* Where packets to it go, as slots see it; -1: nowhere. */
static inline int64_t
route_leads_to(uint32_t number)
{
	const uint8_t bytes[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				  (uint8_t)number};
	uint32_t vrf = 1, address_be;
	uint64_t value;

	memcpy(&address_be, bytes, sizeof(address_be));
	route_lookup_inet(test_ctl.tables.routes, &vrf, &address_be, 1, &value);
	return value == 0 ? -1 : (int64_t)route_value_nexthop(value);
}

static inline void
vif(Vrouter__Op op, uint32_t id, const char *tap)
{
	Vrouter__Vif *m = &q.vif[q.n];
	Vrouter__Vif__Tap *t = &q.tap[q.n];
	Vrouter__Object *object = next(op);

	vrouter__vif__init(m);
	m->has_id_case = VROUTER__VIF__HAS_ID_ID;
	m->id = id;
	if (op == VROUTER__OP__ADD)
		m->type = VROUTER__VIF__TYPE__VIRTUAL;
	if (tap != NULL) {
		vrouter__vif__tap__init(t);
		t->name = (char *)(uintptr_t)tap;
		m->transport_case = VROUTER__VIF__TRANSPORT_TAP;
		m->tap = t;
	}
	object->kind_case = VROUTER__OBJECT__KIND_VIF;
	object->vif = m;
}

/* On whose behalf. */
static const char *batch_controller = "";

/* Sends what was put together, and forgets it. */
static inline const Vrouter__Result *
ask_batch(void)
{
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Batch batch = VROUTER__BATCH__INIT;
	const Vrouter__Result *result;
	uint8_t *packed;
	size_t size;

	batch.changes = q.list;
	batch.n_changes = q.n;
	request.id = 9;
	request.batch = &batch;
	request.controller = (char *)(uintptr_t)batch_controller;
	size = vrouter__request__get_packed_size(&request);
	packed = malloc(size + 1);
	assert_non_null(packed);
	vrouter__request__pack(&request, packed);
	result = ask_bytes(packed, size);
	free(packed);
	q.n = 0;
	assert_int_equal(asker.n, 1);
	assert_int_equal(asker.answers[0]->id, 9);
	return result;
}

#endif
