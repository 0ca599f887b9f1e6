/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Framing of the API's messages on a stream: 4 bytes of length in network byte order, then the
 * message. Used by both ends.
 */
#ifndef CTL_CLIENT_FRAME_H
#define CTL_CLIENT_FRAME_H

#include <stdint.h>

enum { FRAME_HEADER = 4 };

static inline void
frame_put(uint8_t header[FRAME_HEADER], uint32_t size)
{
	header[0] = (uint8_t)(size >> 24);
	header[1] = (uint8_t)(size >> 16);
	header[2] = (uint8_t)(size >> 8);
	header[3] = (uint8_t)size;
}

static inline uint32_t
frame_get(const uint8_t header[FRAME_HEADER])
{
	return (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 |
	       header[3];
}

#endif
