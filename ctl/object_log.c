/* SPDX-License-Identifier: BSD-3-Clause */
/* `log` in the API: how much vr-ctl logs. vr-ctl's main thread only. */
#include "ctl/object.h"

#include <errno.h>

#include "ctl/call.h"

#define LOG_MODULE "log"
#include "common/log.h"

static const char *
module_of(const Vrouter__Log *m)
{
	return *m->module != '\0' ? m->module : "*";
}

static int
log_set(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Log *m = (const Vrouter__Log *)object;
	struct refusal *r = call_refusal(call);
	enum log_level level;

	(void)ctl;
	if (log_level_parse(m->level, &level) < 0)
		return refuse(r, EINVAL, "level",
			      "level \"%s\" is none of error, warning, notice, info, debug",
			      m->level);
	if (log_level_set(module_of(m), level) < 0)
		return refuse(r, ENOENT, "module", "no module called \"%s\" has logged yet",
			      m->module);
	log_notice("level of %s is now %s", module_of(m), log_level_name(level));
	return 0;
}

static int
log_get(struct ctl *ctl, const ProtobufCMessage *object, struct call *call)
{
	const Vrouter__Log *m = (const Vrouter__Log *)object;
	Vrouter__Log found = VROUTER__LOG__INIT;

	(void)ctl;
	found.module = (char *)(uintptr_t)module_of(m);
	found.level = (char *)(uintptr_t)log_level_name(log_level_get(found.module));
	call_object(call, &found.base);
	return 0;
}

const struct object_kind object_log = {.set = log_set, .get = log_get};
