/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Controllers: clients that give a name own what they add. Beside each table lies an array with an
 * owner's tag for each object; vr-ctl writes it with the object, in one batch.
 *
 * A tag is the controller's number and its epoch, which every begin of a resync raises: so what has
 * not been added again since has an older tag, and nothing needs to be marked. Tag 0: nobody's.
 *
 * An epoch has 8 bits. The end of a resync leaves no object of another epoch. If 255 resyncs are
 * begun and none is ended, the epoch stays as it is: then what was added since the last but one of
 * these beginnings counts as added again.
 */
#ifndef COMMON_CONTROLLER_H
#define COMMON_CONTROLLER_H

#include <stdint.h>

enum { CONTROLLERS_MAX = 256, CONTROLLER_NAME_LEN = 56 };

/* Shared. */
struct controller {
	char name[CONTROLLER_NAME_LEN];
	uint32_t used;
	uint8_t epoch;
	uint8_t epoch_ended; /* of the last resync that was ended */
	uint8_t resyncing;
	uint8_t reserved;
};

/* Shared. Number 0 is nobody. */
struct controllers {
	uint32_t n;
	uint32_t reserved[15];
	struct controller c[CONTROLLERS_MAX];
};

/* Primary, on zeroed memory. */
static inline void
controllers_init(struct controllers *t)
{
	t->n = CONTROLLERS_MAX;
}

static inline uint16_t
controller_tag(uint32_t number, uint8_t epoch)
{
	return (uint16_t)(number << 8 | epoch);
}

static inline uint32_t
controller_of_tag(uint16_t tag)
{
	return tag >> 8;
}

#endif
