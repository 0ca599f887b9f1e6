/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of the region in the API. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "common/bridge.h"
#include "common/flow.h"
#include "common/idtab.h"
#include "common/port.h"
#include "common/process.h"
#include "common/region.h"
#include "common/route.h"
#include "common/rules.h"
#include "common/slot.h"
#include "ctl/call.h"
#include "ctl/ctl.h"
#include "ctl/table.h"

static const struct {
	const char *name, *writer, *text;
} declared[] = {
#define TABLE(name, bytes, init, writer, text, ...) {name, writer, text},
#include "common/tables.def"
#undef TABLE
};
enum { TABLES = sizeof(declared) / sizeof(declared[0]) };

static uint64_t
used_processes(const struct processes *t)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->n; i++)
		n += t->p[i].state != PROCESS_FREE;
	return n;
}

static uint64_t
used_ports(const struct ports *t)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->n; i++)
		n += t->p[i].state != PORT_FREE;
	return n;
}

struct table_use
table_use(const struct tables *t, const char *name)
{
	if (strcmp(name, "agents") == 0)
		return (struct table_use){true, false, t->agents->n, AGENTS_MAX};
	if (strcmp(name, "slots") == 0)
		return (struct table_use){true, false, t->slots->n, SLOTS_MAX};
	if (strcmp(name, "processes") == 0)
		return (struct table_use){true, true, used_processes(t->processes),
					  t->processes->n};
	if (strcmp(name, "ports") == 0)
		return (struct table_use){true, true, used_ports(t->ports), t->ports->n};
	if (strcmp(name, "vif") == 0)
		return (struct table_use){true, true, t->vifs->used, t->vifs->ids};
	if (strcmp(name, "nexthop") == 0)
		return (struct table_use){true, true, t->nexthops->used, t->nexthops->ids};
	if (strcmp(name, "bridge") == 0)
		return (struct table_use){true, true, bridge_used(t->bridge),
					  bridge_capacity(t->bridge)};
	if (strcmp(name, "vrf") == 0)
		return (struct table_use){true, true, t->vrfs->used, t->vrfs->ids};
	if (strcmp(name, "label") == 0)
		return (struct table_use){true, true, bridge_used(t->labels),
					  bridge_capacity(t->labels)};
	if (strcmp(name, "vni") == 0)
		return (struct table_use){true, true, bridge_used(t->vnis),
					  bridge_capacity(t->vnis)};
	if (strcmp(name, "route") == 0)
		return (struct table_use){true, true,
					  (uint64_t)route_used(t->routes, ROUTE_INET) +
					      route_used(t->routes, ROUTE_INET6),
					  route_capacity(t->routes)};
	if (strcmp(name, "rules") == 0)
		return (struct table_use){true, true, rules_used(t->rules), t->rules->capacity};
	if (strcmp(name, "flow") == 0)
		return (struct table_use){true, true, 2 * (uint64_t)flow_used(t->flows),
					  2 * (uint64_t)flow_capacity(t->flows)};
	return (struct table_use){.counted = false};
}

static void
describe_table(const struct ctl *ctl, uint32_t index, struct call *call)
{
	const char *name = declared[index].name;
	const struct region_table *info = region_table_info(ctl->region, name);
	struct table_use use = table_use(&ctl->tables, name);
	Vrouter__Table m = VROUTER__TABLE__INIT;

	m.name = (char *)(uintptr_t)name;
	m.writer = (char *)(uintptr_t)declared[index].writer;
	m.text = (char *)(uintptr_t)declared[index].text;
	if (use.counted && use.fills) {
		m.has_used_case = VROUTER__TABLE__HAS_USED_USED;
		m.used = use.used;
	}
	m.size = use.size;
	if (info != NULL)
		m.size_bytes = info->size;
	call_object(call, &m.base);
}

/* 'entry' is the table's name. */
static void
describe_by_name(const struct ctl *ctl, const void *entry, struct call *call)
{
	for (uint32_t i = 0; i < TABLES; i++)
		if (strcmp(declared[i].name, entry) == 0)
			describe_table(ctl, i, call);
}

static int
table_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	for (uint32_t i = 0; i < TABLES; i++) {
		if (strcmp(declared[i].name, ((const Vrouter__Table *)object)->name) != 0)
			continue;
		describe_table(ctl, i, call);
		return 0;
	}
	return refuse(call_refusal(call), ENOENT, "name", "it does not exist");
}

static int
table_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	   struct call *call)
{
	(void)filter;
	(void)budget;
	for (uint32_t i = 0; i < TABLES; i++)
		describe_table(ctl, i, call);
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_table = {
    .get = table_get, .list = table_list, .describe = describe_by_name};
