/* SPDX-License-Identifier: BSD-3-Clause */
/* Controllers as owners of what they add (common/controller.h). vr-ctl's main thread only. */
#ifndef CTL_CONTROLLER_H
#define CTL_CONTROLLER_H

#include <stdint.h>

#include "ctl/refusal.h"

struct ctl;

/*
 * The tag that a controller's objects get now; one that was not known becomes known. An empty name
 * is nobody: tag 0. A negative errno after refuse() when the name is too long, or the table full.
 */
int controller_find(struct ctl *ctl, const char *name, uint16_t *tag, struct refusal *r);

#endif
