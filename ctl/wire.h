/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fields of a message in protobuf's wire format, one by one, without unpacking it: a batch of a
 * megabyte is taken apart into changes here, and each is unpacked when its turn comes. vr-ctl's
 * main thread only.
 */
#ifndef CTL_WIRE_H
#define CTL_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct wire {
	const uint8_t *at, *end;
};

struct wire_field {
	uint32_t number;
	uint32_t type;
	const uint8_t *bytes; /* of WIRE_BYTES: the value; else NULL */
	size_t size;
};

enum { WIRE_BYTES = 2 };

/* 1: there is a field, and 'w' is behind it; 0: the end; -EBADMSG: it is no message. */
int wire_next(struct wire *w, struct wire_field *f);

#endif
