/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of objects, found by number and name; see object.h. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <assert.h>
#include <string.h>

#include "proto/vrouter.pb-c.h"

static struct object_info infos[] = {
#define OBJECT(name, keys) {&object_##name, #name, keys, NULL},
#include "ctl/objects.def"
#undef OBJECT
};
enum { KINDS = sizeof(infos) / sizeof(infos[0]) };

/* A line in objects.def without a member of the message Object is our own mistake. */
__attribute__((constructor)) static void
bind_to_descriptor(void)
{
	for (uint32_t i = 0; i < KINDS; i++) {
		infos[i].member = protobuf_c_message_descriptor_get_field_by_name(
		    &vrouter__object__descriptor, infos[i].name);
		assert(infos[i].member != NULL);
	}
}

const struct object_info *
object_kinds(uint32_t *n)
{
	*n = KINDS;
	return infos;
}

const struct object_info *
object_by_number(uint32_t number)
{
	for (uint32_t i = 0; i < KINDS; i++)
		if (infos[i].member->id == number)
			return &infos[i];
	return NULL;
}

const struct object_info *
object_by_name(const char *name)
{
	for (uint32_t i = 0; i < KINDS; i++)
		if (strcmp(infos[i].name, name) == 0)
			return &infos[i];
	return NULL;
}

object_change *
object_changer(const struct object_kind *kind, int op)
{
	switch (op) {
	case VROUTER__OP__ADD:
		return kind->put;
	case VROUTER__OP__SET:
		return kind->modify;
	case VROUTER__OP__DEL:
		return kind->remove;
	default:
		return NULL;
	}
}

bool
object_can(const struct object_info *info, int op)
{
	switch (op) {
	case VROUTER__OP__ADD:
		return info->kind->add != NULL || info->kind->put != NULL;
	case VROUTER__OP__SET:
		return info->kind->set != NULL || info->kind->modify != NULL;
	case VROUTER__OP__DEL:
		return info->kind->del != NULL || info->kind->remove != NULL;
	case VROUTER__OP__GET:
		return info->kind->get != NULL;
	case VROUTER__OP__LIST:
		return info->kind->list != NULL;
	case VROUTER__OP__WATCH:
		return info->kind->describe != NULL;
	default:
		return false;
	}
}
