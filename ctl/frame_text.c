/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame's headers in one line; see frame_text.h. Each reader takes its header off the front, and
 * says so when there is less than that.
 */
#include "ctl/frame_text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum {
	TYPE_IP4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_VLAN = 0x8100,
	TYPE_IP6 = 0x86dd,
	TYPE_MPLS = 0x8847,
	TYPE_QINQ = 0x88a8,
	VLANS_MAX = 2,
	IP4_OFFSET_MASK = 0x1fff,
};

/* What is left of the frame, and the line so far. */
struct frame {
	const uint8_t *at;
	size_t n;
	char *out;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static void
say(struct frame *f, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(f->out, f->size, fmt, ap);
	va_end(ap);
	if (n < 0 || f->size == 0)
		return;
	if ((size_t)n >= f->size)
		n = (int)f->size - 1;
	f->out += n;
	f->size -= (size_t)n;
}

/* The next 'n' bytes, or NULL after it said that they are missing. */
static const uint8_t *
take(struct frame *f, size_t n)
{
	const uint8_t *p = f->at;

	if (f->n < n) {
		say(f, " (cut)");
		return NULL;
	}
	f->at += n;
	f->n -= n;
	return p;
}

static uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
say_mac(struct frame *f, const uint8_t *p)
{
	say(f, "%02x:%02x:%02x:%02x:%02x:%02x", p[0], p[1], p[2], p[3], p[4], p[5]);
}

static void
say_addresses(struct frame *f, int family, const uint8_t *from, const uint8_t *to, bool ports)
{
	char a[INET6_ADDRSTRLEN] = "?", b[INET6_ADDRSTRLEN] = "?";

	inet_ntop(family, from, a, sizeof(a));
	inet_ntop(family, to, b, sizeof(b));
	if (ports && f->n >= 4)
		say(f, " %s.%u > %s.%u", a, be16(f->at), b, be16(f->at + 2));
	else
		say(f, " %s > %s", a, b);
}

static void
say_protocol(struct frame *f, uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		say(f, " TCP");
		break;
	case IPPROTO_UDP:
		say(f, " UDP");
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		say(f, protocol == IPPROTO_ICMP ? " ICMP" : " ICMPv6");
		if (f->n >= 2)
			say(f, " type %u code %u", f->at[0], f->at[1]);
		break;
	default:
		say(f, " protocol %u", protocol);
		break;
	}
}

static bool
has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static void
say_ip4(struct frame *f)
{
	const uint8_t *ip = take(f, 20);
	uint16_t fragment;
	size_t header;

	if (ip == NULL)
		return;
	header = (size_t)(ip[0] & 0xf) * 4;
	if (ip[0] >> 4 != 4 || header < 20) {
		say(f, " no IPv4 header");
		return;
	}
	fragment = be16(ip + 6);
	if (header > 20 && take(f, header - 20) == NULL)
		return;
	if ((fragment & IP4_OFFSET_MASK) != 0)
		f->n = 0;
	say_addresses(f, AF_INET, ip + 12, ip + 16, has_ports(ip[9]));
	say_protocol(f, ip[9]);
	if ((fragment & IP4_OFFSET_MASK) != 0)
		say(f, " fragment at %u", (fragment & IP4_OFFSET_MASK) * 8);
	say(f, " TTL %u", ip[8]);
}

static void
say_ip6(struct frame *f)
{
	const uint8_t *ip = take(f, 40);

	if (ip == NULL)
		return;
	if (ip[0] >> 4 != 6) {
		say(f, " no IPv6 header");
		return;
	}
	say_addresses(f, AF_INET6, ip + 8, ip + 24, has_ports(ip[6]));
	say_protocol(f, ip[6]);
	say(f, " hop limit %u", ip[7]);
}

static void
say_arp(struct frame *f)
{
	const uint8_t *p = take(f, 28);

	if (p == NULL)
		return;
	say(f, " ARP %s", be16(p + 6) == 1 ? "asks" : "answers");
	say_addresses(f, AF_INET, p + 14, p + 24, false);
}

void
frame_text(const uint8_t *bytes, size_t n, char *out, size_t size)
{
	struct frame f = {bytes, n, out, size};
	const uint8_t *p;
	uint16_t type;

	if (size > 0)
		*out = '\0';
	if (n < 14) {
		say(&f, "no Ethernet header");
		return;
	}
	p = take(&f, 14);
	say_mac(&f, p + 6);
	say(&f, " > ");
	say_mac(&f, p);
	type = be16(p + 12);
	for (int i = 0; i < VLANS_MAX && (type == TYPE_VLAN || type == TYPE_QINQ); i++) {
		p = take(&f, 4);
		if (p == NULL)
			return;
		say(&f, " VLAN %u", be16(p) & 0xfff);
		type = be16(p + 2);
	}
	switch (type) {
	case TYPE_IP4:
		say_ip4(&f);
		break;
	case TYPE_IP6:
		say_ip6(&f);
		break;
	case TYPE_ARP:
		say_arp(&f);
		break;
	case TYPE_MPLS:
		p = take(&f, 4);
		if (p != NULL)
			say(&f, " MPLS label %u", (unsigned int)(be16(p) << 4 | p[2] >> 4));
		break;
	default:
		say(&f, " EtherType 0x%04x", type);
		break;
	}
}
