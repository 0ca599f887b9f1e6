/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the flow parser: any bytes, as a chain of segments whose length the first byte gives.
 * Segments are allocated to their size, so that a byte too far is noticed. And what makes a flow
 * must come out as the same flow from one segment.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fwd-worker/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Inputs to begin with: a byte for the segments, and a packet. */
static const struct {
	const char *name;
	uint8_t len, bytes[96];
} seeds[] = {
    {"tcp4", 61, {7,  0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0,
		  10, 0,    0, 1, 10, 0, 0, 2, 0, 80, 1, 2}},
    {"error4", 61, {9,  0x45, 0, 0,  60, 0, 0, 0,  0, 64, 1, 0,  0,    10, 0, 0,  1,
		    10, 0,    0, 2,  3,  1, 0, 0,  0, 0,  0, 0,  0x45, 0,  0, 28, 0,
		    0,  0,    0, 64, 17, 0, 0, 10, 0, 0,  2, 10, 0,    0,  1}},
    {"udp6", 61, {61, 0x60, 0, 0, 0, 0, 20, 17, 64, 0x20, 1}},
    {"hop6", 69, {3, 0x60, 0, 0, 0, 0, 28, 0, 64, 0x20, 1, [41] = 44, 0, [49] = 6}},
};

/* With FUZZ_SEEDS=folder writes them there, and that is all. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("FUZZ_SEEDS");
	char path[512];

	(void)argc;
	(void)argv;
	if (folder == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", folder, seeds[i].name);
		f = fopen(path, "we");
		if (f == NULL || fwrite(seeds[i].bytes, seeds[i].len, 1, f) != 1 || fclose(f) != 0)
			exit(1);
	}
	exit(0);
}

static struct rte_mbuf *
segment(const uint8_t *data, uint32_t len)
{
	struct rte_mbuf *m = calloc(1, sizeof(*m));

	m->buf_addr = malloc(len);
	memcpy(m->buf_addr, data, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	m->nb_segs = 1;
	return m;
}

static struct rte_mbuf *
chain(const uint8_t *data, uint32_t size, uint32_t each)
{
	struct rte_mbuf *first = NULL, **next = &first;

	for (uint32_t at = 0; at < size || first == NULL; at += each) {
		*next = segment(data + at, size - at < each ? size - at : each);
		next = &(*next)->next;
	}
	first->pkt_len = size;
	return first;
}

static void
chain_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		free(m->buf_addr);
		free(m);
		m = next;
	}
}

static struct parsed
parse(const uint8_t *data, uint32_t size, uint32_t each, int version)
{
	struct rte_mbuf *m = chain(data, size, each);
	struct parsed p = {.kind = PARSE_BAD};

	parse_packet(m, 0, version, &p);
	chain_free(m);
	return p;
}

/* What the short way understands, it understands as the long one does. */
static void
plain_agrees(const uint8_t *data, uint32_t size, const struct parsed *whole)
{
	struct rte_mbuf *m = chain(data, size, size);
	struct flow_tag tag;
	uint8_t tcp;

	if (parse_plain(m->buf_addr, size, &tag, &tcp)) {
		assert(whole->kind == PARSE_FLOW && tcp == whole->tcp);
		assert(flow_key_is_short(&whole->key));
		assert(tag.addresses ==
		       (whole->key.word[1] >> 32 | whole->key.word[3] >> 32 << 32));
		assert(tag.rest == whole->key.word[4]);
	}
	chain_free(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parsed whole, pieces;
	int version;

	if (size < 2 || size > 2048)
		return 0;
	version = data[1] >> 4 == 6 ? PARSE_IPV6 : PARSE_IPV4;
	pieces = parse(data + 1, (uint32_t)size - 1, 1 + data[0] % 80, version);
	whole = parse(data + 1, (uint32_t)size - 1, (uint32_t)size, version);
	assert(whole.kind == pieces.kind);
	plain_agrees(data + 1, (uint32_t)size - 1, &whole);
	if (whole.kind != PARSE_FLOW && whole.kind != PARSE_ERROR)
		return 0;
	assert(whole.tcp == pieces.tcp);
	assert(memcmp(&whole.key, &pieces.key, sizeof(whole.key)) == 0);
	return 0;
}
