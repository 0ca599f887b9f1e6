/* SPDX-License-Identifier: BSD-3-Clause */
/* The TCP MSS option of a SYN. See mss.h. */
#include "fwd-worker/mss.h"

#include <rte_tcp.h>

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, MSS_LEN = 4 };

static uint16_t
read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void
write16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A word at an odd place counts with its bytes swapped. */
static void
checksum_update(uint8_t *checksum, uint16_t old, uint16_t value, bool odd)
{
	uint32_t sum = (uint16_t)~read16(checksum);

	if (odd) {
		old = __builtin_bswap16(old);
		value = __builtin_bswap16(value);
	}
	sum += (uint32_t)(uint16_t)~old + value;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	write16(checksum, (uint16_t)~sum);
}

/* The place of the MSS option, or 0. */
static uint32_t
option_find(const uint8_t *tcp, uint32_t header)
{
	uint32_t at = sizeof(struct rte_tcp_hdr);

	while (at < header && tcp[at] != OPTION_END) {
		if (tcp[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= header || tcp[at + 1] < 2 || at + tcp[at + 1] > header)
			return 0;
		if (tcp[at] == OPTION_MSS)
			return tcp[at + 1] == MSS_LEN ? at : 0;
		at += tcp[at + 1];
	}
	return 0;
}

void
mss_clamp_syn(const struct flow_view *flow, uint32_t path, bool partial)
{
	uint32_t ip_header =
	    flow->family == FLOW_INET ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	uint32_t headers = ip_header + (uint32_t)sizeof(struct rte_tcp_hdr), header, at, limit;
	uint32_t left = flow->ip_len - flow->parts.l4_at;
	uint8_t *tcp = (uint8_t *)(uintptr_t)flow->ip + flow->parts.l4_at;
	uint16_t mss;

	if (path <= headers || left < sizeof(struct rte_tcp_hdr))
		return;
	header = (tcp[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4u;
	if (header < sizeof(struct rte_tcp_hdr) || header > left)
		return;
	at = option_find(tcp, header);
	if (at == 0)
		return;
	limit = path - headers;
	mss = read16(tcp + at + 2);
	if (mss <= limit)
		return;
	write16(tcp + at + 2, limit);
	if (partial)
		return;
	checksum_update(tcp + offsetof(struct rte_tcp_hdr, cksum), mss, (uint16_t)limit,
			(at & 1) != 0);
}
