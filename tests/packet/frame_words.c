/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames in words; see frame_words.h. The bytes are laid down from the outside in; then lengths and
 * checksums are filled in from the inside out. The test's only thread.
 */
#include "tests/packet/frame_words.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LAYERS_MAX = 24,
	WORDS_MAX = 24,
	MAC = 6,
	TYPE_OTHER = 0x88b5, /* for experiments (IEEE 802) */
	PROTOCOL_OTHER = 253 /* the same (RFC 3692) */
};

enum kind { ETH, VLAN, ARP, IP4, IP6, UDP, TCP, ICMP, ICMP6, GRE, MPLS, VXLAN, RAW };

enum sum { SUM_RIGHT, SUM_BAD, SUM_GIVEN };

struct layer {
	enum kind kind;
	uint32_t at;
	uint32_t header; /* bytes of its own */
	bool next_given; /* EtherType or protocol */
	bool len_given;
	enum sum sum;
};

struct builder {
	struct frame_words *out;
	struct fault *f;
	uint32_t repetition;
	uint32_t n;
	struct layer layers[LAYERS_MAX];
	/* words of the layer at hand, its name left out */
	char *words[WORDS_MAX];
	uint32_t n_words;
};

/* --- bytes ------------------------------------------------------------------------------------ */

static void
store(struct builder *b, uint32_t at, uint64_t value, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		b->out->bytes[at + i] = (uint8_t)(value >> (bytes - 1 - i) * 8);
}

static void
forget(struct builder *b, uint32_t at, uint32_t bytes)
{
	memset(b->out->any + at, 1, bytes);
}

static struct layer *
layer_add(struct builder *b, enum kind kind, uint32_t header)
{
	static struct layer spare;
	struct layer *l = b->n < LAYERS_MAX ? &b->layers[b->n] : &spare;

	if (b->n == LAYERS_MAX || b->out->len + header > FRAME_WORDS_MAX) {
		fault_set(b->f, EINVAL, "the frame is too long");
		return NULL;
	}
	*l = (struct layer){.kind = kind, .at = b->out->len, .header = header};
	b->n++;
	b->out->len += header;
	return l;
}

/* --- words ------------------------------------------------------------------------------------ */

static int
bad(struct builder *b, const char *what, const char *text)
{
	return fault_set(b->f, EINVAL, "%s \"%s\" is none", what, text);
}

static int
number(struct builder *b, const char *text, uint64_t *value)
{
	char *end;

	*value = strtoull(text, &end, 0);
	if (end != text && *end == '+') {
		*value += b->repetition;
		end++;
	}
	return end == text || *end != '\0' ? bad(b, "number", text) : 0;
}

/* The value of "key=...", or NULL. */
static const char *
option(const struct builder *b, const char *key)
{
	size_t n = strlen(key);

	for (uint32_t i = 0; i < b->n_words; i++)
		if (strncmp(b->words[i], key, n) == 0 && b->words[i][n] == '=')
			return b->words[i] + n + 1;
	return NULL;
}

static bool
flag(const struct builder *b, const char *word)
{
	for (uint32_t i = 0; i < b->n_words; i++)
		if (strcmp(b->words[i], word) == 0)
			return true;
	return false;
}

/* Stores an option's number, if it is given: 'given' says so. "*" is any. */
static int
option_store(struct builder *b, const char *key, uint32_t at, uint32_t bytes, bool *given)
{
	const char *text = option(b, key);
	uint64_t value;
	int rc;

	if (given != NULL)
		*given = text != NULL;
	if (text == NULL)
		return 0;
	if (strcmp(text, "*") == 0) {
		forget(b, at, bytes);
		return 0;
	}
	rc = number(b, text, &value);
	if (rc == 0)
		store(b, at, value, bytes);
	return rc;
}

static int
option_sum(struct builder *b, uint32_t at, enum sum *sum)
{
	const char *text = option(b, "sum");
	bool given;
	int rc = 0;

	if (text != NULL && strcmp(text, "bad") == 0)
		*sum = SUM_BAD;
	else if (text != NULL) {
		*sum = SUM_GIVEN;
		rc = option_store(b, "sum", at, 2, &given);
	}
	return rc;
}

static int
word_number(struct builder *b, uint32_t i, uint64_t *value)
{
	*value = 0;
	if (i >= b->n_words)
		return fault_set(b->f, EINVAL, "a number is missing");
	return number(b, b->words[i], value);
}

static int
word_mac(struct builder *b, uint32_t i, uint32_t at)
{
	const char *text = i < b->n_words ? b->words[i] : "";
	uint8_t *m = b->out->bytes + at;
	char end;

	if (strcmp(text, "router") == 0)
		memcpy(m, "\0\0\x5e\0\1\0", MAC);
	else if (strcmp(text, "all") == 0)
		memset(m, 0xff, MAC);
	else if (text[0] == 'm' && isdigit(text[1]) && text[2] == '\0')
		store(b, at, UINT64_C(0x020000000000) + (uint64_t)(text[1] - '0'), MAC);
	else if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", &m[0], &m[1], &m[2], &m[3], &m[4],
			&m[5], &end) != 6)
		return bad(b, "MAC", text);
	return 0;
}

static int
word_address(struct builder *b, uint32_t i, int family, uint32_t at)
{
	const char *text = i < b->n_words ? b->words[i] : "";

	return inet_pton(family, text, b->out->bytes + at) == 1 ? 0 : bad(b, "address", text);
}

/* "A > B": whether the middle is there. */
static int
arrow(struct builder *b)
{
	if (b->n_words < 3 || strcmp(b->words[1], ">") != 0)
		return fault_set(b->f, EINVAL, "it wants \"FROM > TO\"");
	return 0;
}

static int
hex(struct builder *b, const char *text)
{
	unsigned int byte;

	for (; *text != '\0'; text += 2) {
		if (!isxdigit(text[0]) || !isxdigit(text[1]))
			return bad(b, "byte", text);
		if (b->out->len == FRAME_WORDS_MAX)
			return fault_set(b->f, EINVAL, "the frame is too long");
		sscanf(text, "%2x", &byte);
		b->out->bytes[b->out->len++] = (uint8_t)byte;
	}
	return 0;
}

/* --- layers ----------------------------------------------------------------------------------- */

static int
layer_eth(struct builder *b)
{
	struct layer *l = layer_add(b, ETH, 14);
	uint64_t type;
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = word_mac(b, 0, l->at);
	if (rc == 0)
		rc = word_mac(b, 1, l->at + MAC);
	if (rc < 0 || b->n_words < 3)
		return rc;
	l->next_given = true;
	rc = word_number(b, 2, &type);
	store(b, l->at + 12, type, 2);
	return rc;
}

static int
layer_vlan(struct builder *b)
{
	struct layer *l = layer_add(b, VLAN, 4);
	uint64_t id, type = 0;
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = word_number(b, 0, &id);
	l->next_given = b->n_words > 1;
	if (rc == 0 && l->next_given)
		rc = word_number(b, 1, &type);
	if (rc == 0)
		store(b, l->at, id << 16 | type, 4);
	return rc;
}

static int
layer_arp(struct builder *b)
{
	static const struct {
		const char *key;
		uint32_t at, bytes;
	} fields[] = {{"hw", 0, 2}, {"proto", 2, 2}, {"hlen", 4, 1}, {"plen", 5, 1}, {"op", 6, 2}};
	struct layer *l = layer_add(b, ARP, 28);
	bool reply = b->n_words > 0 && strcmp(b->words[0], "reply") == 0;
	int rc;

	if (l == NULL)
		return -EINVAL;
	store(b, l->at, UINT64_C(0x0001080006040001) + reply, 8);
	rc = word_mac(b, 1, l->at + 8);
	if (rc == 0)
		rc = word_address(b, 2, AF_INET, l->at + 14);
	if (rc == 0)
		rc = word_mac(b, 3, l->at + 18);
	if (rc == 0)
		rc = word_address(b, 4, AF_INET, l->at + 24);
	for (uint32_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && rc == 0; i++)
		rc = option_store(b, fields[i].key, l->at + fields[i].at, fields[i].bytes, NULL);
	return rc;
}

/* Version and header length share a byte, flags and fragment offset two. */
static int
ip_bits(struct builder *b, struct layer *l)
{
	const char *version = option(b, "version"), *ihl = option(b, "ihl");
	const char *frag = option(b, "frag");
	uint64_t v = 4, n = l->header / 4, offset = 0;
	int rc = 0;

	if (version != NULL)
		rc = number(b, version, &v);
	if (rc == 0 && ihl != NULL)
		rc = number(b, ihl, &n);
	if (rc == 0 && frag != NULL)
		rc = number(b, frag, &offset);
	store(b, l->at, v << 4 | n, 1);
	store(b, l->at + 6, offset | (flag(b, "mf") ? 0x2000 : 0) | (flag(b, "df") ? 0x4000 : 0),
	      2);
	return rc;
}

static int
layer_ip(struct builder *b)
{
	struct layer *l = layer_add(b, IP4, 20);
	const char *options = option(b, "options");
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = arrow(b);
	if (rc == 0 && options != NULL)
		rc = hex(b, options);
	l->header = b->out->len - l->at;
	store(b, l->at + 8, 64, 1);
	if (rc == 0)
		rc = ip_bits(b, l);
	if (rc == 0)
		rc = word_address(b, 0, AF_INET, l->at + 12);
	if (rc == 0)
		rc = word_address(b, 2, AF_INET, l->at + 16);
	if (rc == 0)
		rc = option_store(b, "ttl", l->at + 8, 1, NULL);
	if (rc == 0)
		rc = option_store(b, "id", l->at + 4, 2, NULL);
	if (rc == 0)
		rc = option_store(b, "proto", l->at + 9, 1, &l->next_given);
	if (rc == 0)
		rc = option_store(b, "len", l->at + 2, 2, &l->len_given);
	return rc == 0 ? option_sum(b, l->at + 10, &l->sum) : rc;
}

static int
layer_ip6(struct builder *b)
{
	struct layer *l = layer_add(b, IP6, 40);
	const char *version = option(b, "version");
	uint64_t v = 6;
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = arrow(b);
	if (rc == 0 && version != NULL)
		rc = number(b, version, &v);
	store(b, l->at, v << 4, 1);
	store(b, l->at + 7, 64, 1);
	if (rc == 0)
		rc = word_address(b, 0, AF_INET6, l->at + 8);
	if (rc == 0)
		rc = word_address(b, 2, AF_INET6, l->at + 24);
	if (rc == 0)
		rc = option_store(b, "hop", l->at + 7, 1, NULL);
	if (rc == 0)
		rc = option_store(b, "next", l->at + 6, 1, &l->next_given);
	return rc == 0 ? option_store(b, "len", l->at + 4, 2, &l->len_given) : rc;
}

static int
ports(struct builder *b, uint32_t at)
{
	uint64_t value;
	int rc = arrow(b);

	for (uint32_t i = 0; i <= 2 && rc == 0; i += 2) {
		if (strcmp(b->words[i], "*") == 0) {
			forget(b, at + i, 2);
			continue;
		}
		rc = word_number(b, i, &value);
		store(b, at + i, value, 2);
	}
	return rc;
}

static int
layer_udp(struct builder *b)
{
	struct layer *l = layer_add(b, UDP, 8);
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = ports(b, l->at);
	if (rc == 0)
		rc = option_store(b, "len", l->at + 4, 2, &l->len_given);
	return rc == 0 ? option_sum(b, l->at + 6, &l->sum) : rc;
}

static int
layer_tcp(struct builder *b)
{
	static const char letters[] = "FSRPA";
	const char *mss = option(b, "mss"), *flags = option(b, "flags");
	struct layer *l = layer_add(b, TCP, mss != NULL ? 24 : 20);
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = ports(b, l->at);
	store(b, l->at + 12, l->header / 4 << 4, 1);
	for (uint32_t i = 0; flags != NULL && letters[i] != '\0'; i++)
		if (strchr(flags, letters[i]) != NULL)
			b->out->bytes[l->at + 13] |= (uint8_t)(1 << i);
	store(b, l->at + 14, 0xffff, 2);
	if (mss != NULL)
		store(b, l->at + 20, 0x0204, 2);
	if (rc == 0)
		rc = option_store(b, "mss", l->at + 22, 2, NULL);
	return rc == 0 ? option_sum(b, l->at + 16, &l->sum) : rc;
}

static int
icmp(struct builder *b, enum kind kind)
{
	struct layer *l = layer_add(b, kind, 8);
	uint64_t type, code;
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = word_number(b, 0, &type);
	if (rc == 0)
		rc = word_number(b, 1, &code);
	if (rc == 0)
		store(b, l->at, type << 8 | code, 2);
	if (rc == 0)
		rc = option_store(b, "id", l->at + 4, 2, NULL);
	return rc == 0 ? option_sum(b, l->at + 2, &l->sum) : rc;
}

static int
layer_icmp(struct builder *b)
{
	return icmp(b, ICMP);
}

static int
layer_icmp6(struct builder *b)
{
	return icmp(b, ICMP6);
}

static int
neighbour(struct builder *b, uint8_t type, uint8_t link_option)
{
	struct layer *l = layer_add(b, ICMP6, 32);
	int rc;

	if (l == NULL)
		return -EINVAL;
	store(b, l->at, type, 1);
	store(b, l->at + 24, (uint64_t)link_option << 8 | 1, 2);
	rc = word_address(b, 0, AF_INET6, l->at + 8);
	if (rc == 0)
		rc = word_mac(b, 1, l->at + 26);
	if (rc == 0)
		rc = option_store(b, "code", l->at + 1, 1, NULL);
	if (rc == 0)
		rc = option_store(b, "flags", l->at + 4, 1, NULL);
	return rc == 0 ? option_sum(b, l->at + 2, &l->sum) : rc;
}

static int
layer_ns(struct builder *b)
{
	return neighbour(b, 135, 1);
}

static int
layer_na(struct builder *b)
{
	return neighbour(b, 136, 2);
}

static int
layer_gre(struct builder *b)
{
	struct layer *l = layer_add(b, GRE, 4);
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = option_store(b, "flags", l->at, 2, NULL);
	return rc == 0 ? option_store(b, "proto", l->at + 2, 2, &l->next_given) : rc;
}

static int
layer_mpls(struct builder *b)
{
	struct layer *l = layer_add(b, MPLS, 4);
	const char *s = option(b, "s");
	uint64_t label, bottom = 1;
	int rc;

	if (l == NULL)
		return -EINVAL;
	rc = word_number(b, 0, &label);
	if (rc == 0 && s != NULL)
		rc = number(b, s, &bottom);
	if (rc < 0)
		return rc;
	store(b, l->at, label << 12 | bottom << 8 | 64, 4);
	return option_store(b, "ttl", l->at + 3, 1, NULL);
}

static int
layer_vxlan(struct builder *b)
{
	struct layer *l = layer_add(b, VXLAN, 8);
	uint64_t vni;
	int rc;

	if (l == NULL)
		return -EINVAL;
	store(b, l->at, 8, 1);
	rc = word_number(b, 0, &vni);
	if (rc < 0)
		return rc;
	store(b, l->at + 4, vni << 8, 4);
	return option_store(b, "flags", l->at, 1, NULL);
}

static int
layer_hex(struct builder *b)
{
	int rc = layer_add(b, RAW, 0) != NULL ? 0 : -EINVAL;

	for (uint32_t i = 0; i < b->n_words && rc == 0; i++)
		rc = hex(b, b->words[i]);
	return rc;
}

static int
layer_bytes(struct builder *b)
{
	struct layer *l;
	uint64_t n;
	int rc = word_number(b, 0, &n);

	if (rc < 0)
		return rc;
	l = layer_add(b, RAW, (uint32_t)n);
	for (uint32_t i = 0; l != NULL && i < n; i++)
		b->out->bytes[l->at + i] = (uint8_t)i;
	return l != NULL ? 0 : -EINVAL;
}

/* --- what follows from the layers behind ------------------------------------------------------ */

static uint16_t
ether_type(enum kind next)
{
	switch (next) {
	case VLAN:
		return 0x8100;
	case ARP:
		return 0x0806;
	case IP4:
		return 0x0800;
	case IP6:
		return 0x86dd;
	case MPLS:
		return 0x8847;
	case ETH:
		return 0x6558; /* in GRE */
	default:
		return TYPE_OTHER;
	}
}

static uint8_t
protocol(enum kind next)
{
	switch (next) {
	case UDP:
		return IPPROTO_UDP;
	case TCP:
		return IPPROTO_TCP;
	case ICMP:
		return IPPROTO_ICMP;
	case ICMP6:
		return IPPROTO_ICMPV6;
	case GRE:
		return IPPROTO_GRE;
	case IP4:
		return IPPROTO_IPIP;
	case IP6:
		return IPPROTO_IPV6;
	default:
		return PROTOCOL_OTHER;
	}
}

static void
next_fill(struct builder *b, const struct layer *l)
{
	enum kind next = l + 1 < b->layers + b->n ? l[1].kind : RAW;

	if (l->next_given)
		return;
	if (l->kind == ETH)
		store(b, l->at + 12, ether_type(next), 2);
	else if (l->kind == VLAN || l->kind == GRE)
		store(b, l->at + 2, ether_type(next), 2);
	else if (l->kind == IP4)
		store(b, l->at + 9, protocol(next), 1);
	else if (l->kind == IP6)
		store(b, l->at + 6, protocol(next), 1);
}

static uint32_t
sum_of(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++)
		sum += (i & 1) != 0 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16 != 0)
		sum = (sum >> 16) + (sum & 0xffff);
	return sum;
}

/* Of the IP header that 'l' is behind, as TCP and UDP count it in. */
static uint32_t
pseudo_sum(const struct builder *b, const struct layer *l, uint32_t len, uint8_t proto)
{
	const struct layer *ip = l;

	while (ip > b->layers && ip->kind != IP4 && ip->kind != IP6)
		ip--;
	if (ip->kind == IP4)
		return sum_of(b->out->bytes + ip->at + 12, 8, len + proto);
	if (ip->kind == IP6)
		return sum_of(b->out->bytes + ip->at + 8, 32, len + proto);
	return 0;
}

static void
sum_store(struct builder *b, const struct layer *l, uint32_t at, uint32_t len, uint32_t sum)
{
	uint32_t right;

	if (l->sum == SUM_GIVEN)
		return;
	store(b, at, 0, 2);
	right = ~sum_of(b->out->bytes + l->at, len, sum) & 0xffff;
	if (right == 0 && l->kind == UDP)
		right = 0xffff;
	store(b, at, l->sum == SUM_BAD ? right ^ 0x0101 : right, 2);
}

static void
layer_finish(struct builder *b, const struct layer *l)
{
	uint32_t len = b->out->len - l->at;

	next_fill(b, l);
	switch (l->kind) {
	case IP4:
		if (!l->len_given)
			store(b, l->at + 2, len, 2);
		sum_store(b, l, l->at + 10, l->header, 0);
		break;
	case IP6:
		if (!l->len_given)
			store(b, l->at + 4, len - 40, 2);
		break;
	case UDP:
		if (!l->len_given)
			store(b, l->at + 4, len, 2);
		sum_store(b, l, l->at + 6, len, pseudo_sum(b, l, len, IPPROTO_UDP));
		break;
	case TCP:
		sum_store(b, l, l->at + 16, len, pseudo_sum(b, l, len, IPPROTO_TCP));
		break;
	case ICMP:
		sum_store(b, l, l->at + 2, len, 0);
		break;
	case ICMP6:
		sum_store(b, l, l->at + 2, len, pseudo_sum(b, l, len, IPPROTO_ICMPV6));
		break;
	default:
		break;
	}
}

/* --- the whole -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*add)(struct builder *b);
} known[] = {
    {"eth", layer_eth},     {"vlan", layer_vlan},   {"arp", layer_arp}, {"ip", layer_ip},
    {"ip6", layer_ip6},     {"udp", layer_udp},     {"tcp", layer_tcp}, {"icmp", layer_icmp},
    {"icmp6", layer_icmp6}, {"ns", layer_ns},       {"na", layer_na},   {"gre", layer_gre},
    {"mpls", layer_mpls},   {"vxlan", layer_vxlan}, {"hex", layer_hex}, {"bytes", layer_bytes},
};

/* How long the frame is in the end; 0: as long as its layers. */
struct ending {
	uint64_t cut, pad;
};

static int
layer_parse(struct builder *b, char *text, struct ending *end)
{
	const char *name = strtok_r(text, " ", &text);

	if (name == NULL)
		return fault_set(b->f, EINVAL, "a layer is empty");
	b->n_words = 0;
	while (b->n_words < WORDS_MAX) {
		char *word = strtok_r(NULL, " ", &text);

		if (word == NULL)
			break;
		b->words[b->n_words++] = word;
	}
	if (strcmp(name, "cut") == 0)
		return word_number(b, 0, &end->cut);
	if (strcmp(name, "pad") == 0)
		return word_number(b, 0, &end->pad);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].add(b);
	return fault_set(b->f, EINVAL, "there is no layer \"%s\"", name);
}

static int
ending_apply(struct builder *b, const struct ending *end)
{
	if (end->pad > FRAME_WORDS_MAX || end->cut > b->out->len)
		return fault_set(b->f, EINVAL, "a frame of %u bytes cannot end there", b->out->len);
	if (end->cut != 0)
		b->out->len = (uint32_t)end->cut;
	if (end->pad > b->out->len)
		b->out->len = (uint32_t)end->pad;
	return 0;
}

int
frame_words_parse(const char *text, uint32_t repetition, struct frame_words *out, struct fault *f)
{
	struct builder b = {.out = out, .f = f, .repetition = repetition};
	char *copy = strdup(text), *next = copy;
	struct ending end = {0};
	int rc = copy != NULL ? 0 : -ENOMEM;

	memset(out, 0, sizeof(*out));
	while (rc == 0 && next != NULL) {
		char *layer = next, *slash = strstr(next, " / ");

		next = slash != NULL ? slash + 3 : NULL;
		if (slash != NULL)
			*slash = '\0';
		rc = layer_parse(&b, layer, &end);
	}
	for (uint32_t i = b.n; i > 0 && rc == 0; i--)
		layer_finish(&b, &b.layers[i - 1]);
	free(copy);
	return rc == 0 ? ending_apply(&b, &end) : rc;
}

bool
frame_words_equal(const struct frame_words *want, const uint8_t *bytes, uint32_t len, uint32_t *at)
{
	uint32_t n = len < want->len ? len : want->len;

	for (*at = 0; *at < n; ++*at)
		if (bytes[*at] != want->bytes[*at] && !want->any[*at])
			return false;
	return len == want->len;
}
