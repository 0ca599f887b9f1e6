/* SPDX-License-Identifier: BSD-3-Clause */
/* A frame's headers in one line, for people. No state; vr-ctl's main thread. */
#ifndef CTL_FRAME_TEXT_H
#define CTL_FRAME_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes what the first 'n' bytes of an Ethernet frame say, as far as they are there: MACs, VLAN
 * tags, ARP, IPv4 or IPv6 addresses, protocol and ports:
 *
 *   02:00:00:00:00:01 > 02:00:00:00:00:02 10.0.0.1.1234 > 10.0.0.2.53 UDP
 *
 * Never reads beyond them, whatever they say. 'out' is cut at 'size' and always ended.
 */
void frame_text(const uint8_t *bytes, size_t n, char *out, size_t size);

#endif
