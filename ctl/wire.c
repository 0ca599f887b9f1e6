/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields in protobuf's wire format; see wire.h. vr-ctl's main thread only. */
#include "ctl/wire.h"

#include <errno.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_32 = 5 };

static int
varint(struct wire *w, uint64_t *value)
{
	*value = 0;
	for (unsigned int shift = 0; shift < 70 && w->at < w->end; shift += 7) {
		uint8_t byte = *w->at++;

		if (shift < 64)
			*value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return 0;
	}
	return -EBADMSG;
}

static int
skip(struct wire *w, uint64_t n)
{
	if (n > (size_t)(w->end - w->at))
		return -EBADMSG;
	w->at += n;
	return 1;
}

int
wire_next(struct wire *w, struct wire_field *f)
{
	uint64_t tag, value;

	if (w->at == w->end)
		return 0;
	if (varint(w, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return -EBADMSG;
	*f = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (uint32_t)(tag & 7)};
	switch (f->type) {
	case WIRE_VARINT:
		return varint(w, &value) < 0 ? -EBADMSG : 1;
	case WIRE_64:
		return skip(w, 8);
	case WIRE_32:
		return skip(w, 4);
	case WIRE_BYTES:
		if (varint(w, &value) < 0)
			return -EBADMSG;
		f->bytes = w->at;
		f->size = (size_t)value;
		return skip(w, value);
	default:
		return -EBADMSG;
	}
}
