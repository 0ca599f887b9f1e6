/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and texts of drop reasons, for whoever shows them. */
#include "common/drop.h"

#include <assert.h>
#include <stddef.h>

static const struct {
	const char *name;
	const char *text;
} drops[] = {
#define DROP(NAME, name, text) [DROP_##NAME] = {name, text},
#include "common/drops.def"
#undef DROP
};

const char *
drop_name(enum drop d)
{
	assert(d < DROPS);
	return drops[d].name;
}

const char *
drop_text(enum drop d)
{
	assert(d < DROPS);
	return drops[d].text;
}
