/* SPDX-License-Identifier: BSD-3-Clause */
/* Refusals: see the header. Any thread may fill a fault of its own. */
#include "common/fault.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

int
fault_set(struct fault *f, int err, const char *fmt, ...)
{
	va_list ap;

	if (f == NULL)
		return -err;
	f->code = -err;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return -err;
}
