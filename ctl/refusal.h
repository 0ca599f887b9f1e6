/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a request was refused: what goes into the answer's Result. Filled by whoever refuses, sent by
 * call.c. vr-ctl's main thread only.
 */
#ifndef CTL_REFUSAL_H
#define CTL_REFUSAL_H

#include <stdint.h>

struct refusal {
	int code;        /* negative errno, 0 while nothing was refused */
	uint32_t change; /* of a batch, counted from 1; 0: none */
	char object[96]; /* kind and key: "nexthop 7" */
	char field[64];  /* with dots: "tap.name"; empty: no single one */
	char text[256];  /* what is wrong, to be read after object and field */
};

/*
 * Sets code to -'err' (err > 0), the field (NULL: none) and the text; returns -'err'. The text goes
 * on from the object's name: "nexthop 7: " + "vif 70000 is above 4351".
 */
int refuse(struct refusal *r, int err, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
