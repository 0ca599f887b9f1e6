/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a request was refused; see refusal.h. vr-ctl's main thread only. */
#include "ctl/refusal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int
refuse(struct refusal *r, int err, const char *field, const char *fmt, ...)
{
	va_list ap;

	assert(err > 0);
	r->code = -err;
	snprintf(r->field, sizeof(r->field), "%s", field != NULL ? field : "");
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	return r->code;
}
