/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames in words, for cases that a person reads: layers from the outside in, separated by " / ".
 * Lengths, checksums, EtherTypes and protocols are what the layers behind ask for, unless they are
 * given; so a sound frame is short, and a broken one says what is broken about it.
 *
 *   eth TO FROM [TYPE]           MACs: router, all (broadcast), mN (02:00:00:00:00:0N), or in full
 *   vlan ID [TYPE]
 *   arp request|reply SENDER-MAC SENDER-IP TARGET-MAC TARGET-IP
 *                                hw, proto, hlen, plen, op
 *   ip FROM > TO                 ttl, id, proto, len, sum, version, ihl, frag (offset / 8), mf, df;
 *                                options=HEX
 *   ip6 FROM > TO                hop, next, len, version
 *   udp PORT > PORT              len, sum
 *   tcp PORT > PORT [flags=SAFRP] mss, sum
 *   icmp TYPE CODE [id=N]        icmp6 TYPE CODE [id=N]: 8 bytes; sum
 *   ns TARGET MAC                a neighbour solicitation with the sender's MAC, na TARGET MAC an
 *                                advertisement with flags=N; code, sum
 *   gre                          proto, flags
 *   mpls LABEL                   ttl, s
 *   vxlan VNI                    flags
 *   hex BYTES                    as they are
 *   bytes N                      0, 1, 2, ...
 *   cut N                        at the end: the frame has but so many bytes
 *   pad N                        at the end: zeroes up to so many bytes, in no length above
 *
 * What stands behind a layer's words is given as key=N, 'mf' and 'df' alone. Numbers may be
 * hexadecimal (0x). sum=bad is a wrong checksum; sum=* and a port * are any when frames are
 * compared. 1000+ is 1000 and the number of the repetition.
 */
#ifndef TESTS_PACKET_FRAME_WORDS_H
#define TESTS_PACKET_FRAME_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"

enum { FRAME_WORDS_MAX = 9300 };

struct frame_words {
	uint32_t len;
	uint8_t bytes[FRAME_WORDS_MAX];
	bool any[FRAME_WORDS_MAX]; /* not looked at by a comparison */
};

/* 'text' is left as it is. -EINVAL with a sentence. */
int frame_words_parse(const char *text, uint32_t repetition, struct frame_words *out,
		      struct fault *f);

/* Whether 'bytes' are such a frame; 'at' receives where they first differ. */
bool frame_words_equal(const struct frame_words *want, const uint8_t *bytes, uint32_t len,
		       uint32_t *at);

#endif
