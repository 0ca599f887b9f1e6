/* SPDX-License-Identifier: BSD-3-Clause */
/* The port table's creation, by the primary. */
#include "common/port.h"

#include "common/conf.h"

size_t
ports_size(const struct conf *c)
{
	return sizeof(struct ports) + c->vifs * sizeof(struct port);
}

void
ports_init(struct ports *t, const struct conf *c)
{
	t->n = (uint32_t)c->vifs;
}
