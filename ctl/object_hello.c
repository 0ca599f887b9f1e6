/* SPDX-License-Identifier: BSD-3-Clause */
/* `hello` in the API: what this server is and can do. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <stdio.h>
#include <string.h>

#include "common/conf.h"
#include "common/version.h"
#include "ctl/call.h"
#include "ctl/ctl.h"

enum { API_VERSION = 1, KINDS_MAX = 64, OPS_MAX = 8, KEYS_MAX = 8, KEYS_TEXT = 64 };

/* "vrf,mac" into its parts, which lie in 'text'; returns how many. */
static size_t
split_keys(const char *from, char text[KEYS_TEXT], char *keys[KEYS_MAX])
{
	char *rest = text, *key;
	size_t n = 0;

	snprintf(text, KEYS_TEXT, "%s", from);
	while (n < KEYS_MAX && (key = strsep(&rest, ",")) != NULL)
		if (*key != '\0')
			keys[n++] = key;
	return n;
}

static int
hello_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	Vrouter__Hello hello = VROUTER__HELLO__INIT;
	Vrouter__Hello__Kind kinds[KINDS_MAX], *list[KINDS_MAX];
	Vrouter__Op ops[KINDS_MAX][OPS_MAX];
	char texts[KINDS_MAX][KEYS_TEXT], *keys[KINDS_MAX][KEYS_MAX];
	const struct object_info *info;
	char server[128];
	uint32_t n;

	(void)object;
	info = object_kinds(&n);
	for (uint32_t i = 0; i < n && i < KINDS_MAX; i++) {
		vrouter__hello__kind__init(&kinds[i]);
		kinds[i].name = (char *)(uintptr_t)info[i].name;
		kinds[i].number = info[i].member->id;
		kinds[i].ops = ops[i];
		for (int op = VROUTER__OP__ADD; op <= VROUTER__OP__WATCH; op++)
			if (object_can(&info[i], op))
				ops[i][kinds[i].n_ops++] = (Vrouter__Op)op;
		kinds[i].keys = keys[i];
		kinds[i].n_keys = split_keys(info[i].keys, texts[i], keys[i]);
		kinds[i].in_batch = info[i].kind->put != NULL;
		list[i] = &kinds[i];
	}
	snprintf(server, sizeof(server), "vr-ctl %s", version_build());
	hello.api_version = API_VERSION;
	hello.server = server;
	hello.message_max_bytes = (uint32_t)ctl->conf->control_message_max;
	hello.may_write = call_caller(call)->may_write;
	hello.n_kinds = n;
	hello.kinds = list;
	call_object(call, &hello.base);
	return 0;
}

const struct object_kind object_hello = {.get = hello_get};
