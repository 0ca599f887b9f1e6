/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `log` in the API: how much each module logs, in every process: the levels lie in the region,
 * where all processes look. vr-ctl's main thread only.
 */
#include "ctl/object.h"

#include <errno.h>
#include <string.h>

#include "ctl/call.h"

#define LOG_MODULE "log"
#include "common/log.h"

static const char *
module_of(const Vrouter__Log *m)
{
	return *m->module != '\0' ? m->module : "*";
}

static bool
module_text(const char *name, const char **text)
{
	struct log_module found;

	*text = "all modules that have no level of their own";
	if (strcmp(name, "*") == 0)
		return true;
	for (uint32_t i = 0; log_module_at(i, &found); i++) {
		if (strcmp(found.name, name) != 0)
			continue;
		*text = found.text;
		return true;
	}
	return false;
}

static int
refuse_module(struct refusal *r, const char *name)
{
	return refuse(r, ENOENT, "module", "there is no module \"%s\"; `vrctl log list` shows them",
		      name);
}

static int
log_set(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Log *m = (const Vrouter__Log *)object;
	struct refusal *r = call_refusal(call);
	const char *module = module_of(m);
	enum log_level level;
	int rc;

	(void)ctl;
	if (strcmp(m->level, "default") == 0)
		rc = log_level_unset(module);
	else if (log_level_parse(m->level, &level) == 0)
		rc = log_level_set(module, level);
	else
		return refuse(
		    r, EINVAL, "level",
		    "level \"%s\" is none of error, warning, notice, info, debug, default",
		    m->level);
	if (rc == -ENOSPC)
		return refuse(r, ENOSPC, "module",
			      "no room for one more of %d modules; set the level of all instead",
			      LOG_MODULES_MAX);
	if (rc < 0)
		return refuse_module(r, module);
	log_notice("level of %s is now %s", module, log_level_name(log_level_get(module)));
	return 0;
}

static void
describe_module(const char *name, const char *text, struct call *call)
{
	Vrouter__Log m = VROUTER__LOG__INIT;
	Vrouter__Log__State state = VROUTER__LOG__STATE__INIT;

	m.module = (char *)(uintptr_t)name;
	m.level = (char *)(uintptr_t)log_level_name(log_level_get(name));
	state.set = log_level_is_set(name);
	state.text = (char *)(uintptr_t)text;
	m.state = &state;
	call_object(call, &m.base);
}

static int
log_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const char *module = module_of((const Vrouter__Log *)object), *text;

	(void)ctl;
	if (!module_text(module, &text))
		return refuse_module(call_refusal(call), module);
	describe_module(module, text, call);
	return 0;
}

static int
log_list(struct ctl *ctl, const ProtobufCMessage *filter, uint64_t *cursor, uint32_t budget,
	 struct call *call)
{
	struct log_module m;
	const char *text;

	(void)ctl;
	(void)filter;
	(void)budget;
	module_text("*", &text);
	describe_module("*", text, call);
	for (uint32_t i = 0; log_module_at(i, &m); i++)
		describe_module(m.name, m.text, call);
	*cursor = OBJECT_LIST_END;
	return 0;
}

const struct object_kind object_log = {.set = log_set, .get = log_get, .list = log_list};
