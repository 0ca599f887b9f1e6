/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows: what was decided about the packets of one 5-tuple, and about those that come back. They
 * come in pairs, one entry for each direction; entry 2p and 2p + 1 make pair p. A pair takes 256
 * bytes with keys, counters and the places of NAT, TCP, mirrors and QoS, and the index 13 more.
 *
 * Readers and makers are slots, in bursts; whoever removes is vr-ctl. Nobody locks or waits.
 *
 *   index      buckets of one cache line, 16 cells each; a cell is a signature and an entry's
 *              number, and a key may stand in its first or its second bucket
 *   entry      one line with all that a packet needs and changes: the key's tag, state, verdict,
 *              counters. The tag is the key itself, but for the addresses of IPv6
 *   details    another line, elsewhere: addresses and what few flows have. Key and tag stay while
 *              the pair lives
 *   bitmap     one bit for each pair that may be taken; a block is a word of it, and a slot takes
 *              pairs out of the one block it owns
 *
 * A pair's state stands in the first direction's entry:
 *
 *   FREE       nobody sees it. It may be taken if its bit is set; else readers may still be at it
 *   CLAIMED    a slot is making it: both cells are being put in place
 *   LOST       another pair with one of its keys was quicker; whoever claimed it takes it back
 *   ACTIVE     both directions are visible, through this one store
 *
 * Two slots that make pairs with a common key: each puts its cells in place and only then looks for
 * others, so at least one sees the other. Of two claimed pairs the one with the lower number goes
 * on, and turns the other LOST by a compare and swap; an ACTIVE one always wins. So at most one
 * gets through, and a maker that died on the way holds up only those with a higher number, until it
 * is repaired; they forward their packets by their own decision meanwhile.
 *
 * What if it dies on this very line?
 *   A slot: 'claiming' names the pair it is at, and the generation the pair will have, before the
 *   pair's bit is cleared. Until CLAIMED no cell names the pair; until ACTIVE nobody sees it. The
 *   supervisor takes it back (flow_repair), or copies ACTIVE to the second direction. A block stays
 *   its owner's: the slot goes on in another process.
 *   vr-ctl: a removed pair is FREE at once, its cells are cleared next, and its bit is set after a
 *   grace period. A pair that is FREE, without its bit, and that no slot is claiming, is what a
 *   vr-ctl left behind; the next one's scan clears its cells again and lets it cool. A claim that
 *   ends in FREE, by its slot or by the repair, leaves another generation than it found, so a scan
 *   that looks twice does not take a pair given back meanwhile for one left behind.
 *   The supervisor: each of its steps may be done again.
 *   An update is one store of 'action'.
 */
#ifndef COMMON_FLOW_H
#define COMMON_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/limits.h"

struct grace;

struct flow_table; /* shared; layout in flow_shared.h */

#define FLOW_NONE UINT32_MAX

enum {
	FLOW_PAIRS_MAX = 1 << 24,
	FLOW_VIF_NONE = 0xffff,
	FLOW_OWNER_NONE = 0,
};

/* --- keys --- */

/*
 * IPv4 addresses stand behind twelve bytes of 0xff: IPv6 has no such source (RFC 4291, 2.7), and
 * packets to a multicast group make no flow.
 */
struct flow_key {
	union {
		struct {
			uint8_t source[16];
			uint8_t destination[16];
			uint16_t source_port_be;
			uint16_t destination_port_be;
			uint32_t
			    nexthop_protocol; /* id of the ingress vif's nexthop << 8 | protocol */
		};
		uint64_t word[5];
	};
};
_Static_assert(sizeof(struct flow_key) == 40, "flow_key: no padding");

enum { FLOW_IPV4_AT = 12 }; /* bytes of 0xff in front of an IPv4 address */

static inline bool
flow_key_is_ipv4(const struct flow_key *k)
{
	uint64_t prefix;

	memcpy(&prefix, k->source, sizeof(prefix));
	return prefix == UINT64_MAX;
}
static inline uint32_t
flow_key_nexthop(const struct flow_key *k)
{
	return k->nexthop_protocol >> 8;
}
static inline uint8_t
flow_key_protocol(const struct flow_key *k)
{
	return (uint8_t)k->nexthop_protocol;
}
static inline void
flow_key_set_ipv4(uint8_t address[16], const void *ip)
{
	memset(address, 0xff, FLOW_IPV4_AT);
	memcpy(address + FLOW_IPV4_AT, ip, 4);
}
static inline bool
flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint64_t differ = 0;

	for (int i = 0; i < 5; i++)
		differ |= a->word[i] ^ b->word[i];
	return differ == 0;
}

/*
 * What tells keys apart in two words. Of IPv4 it is all of the key, source and destination as they
 * stand in a header; addresses of IPv6 are mixed with the table's secret, and a match has still to
 * be made sure.
 */
struct flow_tag {
	uint64_t addresses;
	uint64_t rest; /* the key's last word: ports, protocol, nexthop */
};
_Static_assert(sizeof(struct flow_tag) == 16, "flow_tag: no padding");

/* Whether its tag is all of the key: of no IPv6 packet that makes a flow, see above. */
static inline bool
flow_key_is_short(const struct flow_key *k)
{
	return (k->word[0] & k->word[2]) == UINT64_MAX &&
	       (uint32_t)(k->word[1] & k->word[3]) == UINT32_MAX;
}

/* --- entries --- */

enum flow_state { FLOW_FREE, FLOW_CLAIMED, FLOW_LOST, FLOW_ACTIVE };

/* One word, so that one store or one compare and swap moves a pair on. */
union flow_state_word {
	uint64_t word;
	struct {
		uint32_t created_s; /* Unix time */
		uint32_t state : 2; /* enum flow_state */
		uint32_t inet6 : 1; /* its keys are longer than their tags */
		uint32_t slot : 5;  /* that made it */
		uint32_t generation : 24;
	};
};
_Static_assert(sizeof(union flow_state_word) == 8, "flow_state_word: one store");
enum { FLOW_GENERATIONS = 1 << 24 };

enum flow_verdict {
	FLOW_UNDECIDED, /* a direction that has seen no packet yet */
	FLOW_FORWARD,
	FLOW_DROP,
	FLOW_HOLD, /* a place: until an agent has decided */
	FLOW_NAT,  /* a place: addresses and ports are those of the other direction's key */
};

/* What happens to a direction's packets: one word, so that one store publishes it. */
union flow_action {
	uint64_t word;
	struct {
		uint8_t verdict;   /* enum flow_verdict */
		uint8_t begins;    /* its first packet may begin the flow: its own rules allow it */
		uint8_t nat;       /* a place: which of source, destination, address, port */
		uint8_t more;      /* which of the two blocks of flow_more counts */
		uint32_t revision; /* of the rules that were asked */
	};
};
_Static_assert(sizeof(union flow_action) == 8, "flow_action: one store");

/* Of TCP, as bits of 'tcp': those of the header that were ever seen. */
enum { FLOW_TCP_FIN = 0x01, FLOW_TCP_SYN = 0x02, FLOW_TCP_RST = 0x04, FLOW_TCP_ACK = 0x10 };

/* What is new with most packets, or nearly never: one word, so that one look tells which. */
union flow_seen {
	uint64_t word;
	struct {
		/* the owner: the slot that handles this direction's packets */
		uint32_t clock; /* of the last packet, flow_clock() */
		/* whoever claims the pair */
		uint16_t vif; /* its packets come in by, FLOW_VIF_NONE: unknown */
		/* the owner */
		uint8_t tcp; /* FLOW_TCP_* */
		/* the first slot that gets a packet of it; nobody writes the word before */
		uint8_t owner; /* slot + 1 */
	};
};
_Static_assert(sizeof(union flow_seen) == 8, "flow_seen: one load");

/* One direction. Shared. */
struct flow_entry {
	/* whoever claims the pair; vr-ctl */
	struct flow_tag tag;
	uint64_t state; /* union flow_state_word; the second direction's follows the first's */
	/* whoever decides */
	uint64_t action; /* union flow_action */
	/* the owner */
	uint64_t packets;
	uint64_t bytes;            /* of frames, Ethernet header included */
	uint64_t seen;             /* union flow_seen */
	uint32_t tcp_seq, tcp_ack; /* places; 'tcp_seq' of a held flow: its first packet */
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct flow_entry) == CACHE_LINE, "flow_entry: one cache line");

/* Places for what an action names; there are two, so that a new one is filled before it counts. */
struct flow_more {
	uint32_t rpf_nexthop;
	uint16_t vrf; /* to translate to */
	uint16_t mirror[2];
	uint16_t qos;
	uint16_t udp_source_port;
	int8_t ecmp; /* member taken, -1: none */
	int8_t underlay_ecmp;
};

/* The rest of a direction, which most packets have no need of. Shared; whoever claims the pair. */
struct flow_details {
	uint64_t address[4]; /* the key's first words: source, destination */
	struct flow_more more[2];
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct flow_details) == CACHE_LINE, "flow_details: one cache line");

/* --- time --- */

/* Ticks of some milliseconds that all processes agree on; they wrap after most of a year. */
enum { FLOW_CLOCK_SHIFT = 24 };
static inline uint32_t
flow_clock(uint64_t tsc)
{
	return (uint32_t)(tsc >> FLOW_CLOCK_SHIFT);
}
/* Milliseconds between two clocks. */
static inline uint64_t
flow_clock_ms(uint32_t since, uint32_t now, uint64_t tsc_hz)
{
	int32_t ticks = (int32_t)(now - since);

	return ticks <= 0 ? 0 : ((uint64_t)ticks << FLOW_CLOCK_SHIFT) / (tsc_hz / 1000);
}

/* --- the table --- */

/* 'entries' is even; 0: a table without room. */
size_t flow_table_size(uint32_t entries);
/* Primary, on zeroed memory. 'seed' keeps guests from choosing keys that share a bucket. */
void flow_table_init(struct flow_table *t, uint32_t entries, uint64_t seed);

uint32_t flow_capacity(const struct flow_table *t); /* pairs */
/* Pairs taken, and those that wait for readers; it counts bits, so it costs time by table size. */
uint32_t flow_used(const struct flow_table *t);

/* Of a slot; it is the only writer. */
struct flow_slot {
	uint64_t claiming; /* pair + 1 << 32 | the generation it gets; 0: none */
	uint32_t block;    /* it takes pairs from, + 1; its owner decides whether it is ours */
	uint32_t reserved0;
	uint64_t created;
	uint64_t refused;   /* for want of room */
	uint64_t raced;     /* given up, because another slot was quicker */
	uint64_t evaluated; /* decisions taken anew after rules changed */
	uint64_t handed;    /* packets handed to the flow's owner */
	uint64_t full_tsc;  /* when the last search for room failed */
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct flow_slot) == CACHE_LINE, "flow_slot: one cache line");
struct flow_slot *flow_slot(struct flow_table *t, uint32_t slot);

/* Keys to look up at once. */
struct flow_query {
	uint32_t n;     /* at most BURST_MAX */
	uint64_t inet6; /* bit k: there is more to the k-th key than its tag */
	struct flow_tag tag[BURST_MAX];
	struct flow_key key[BURST_MAX]; /* where 'inet6' says so */
};
void flow_query_add(const struct flow_table *t, struct flow_query *q, const struct flow_key *key);
/* The k-th key as a whole. */
struct flow_key flow_query_key(const struct flow_query *q, uint32_t k);

/*
 * Any reader. found[k] receives the entry of the k-th key, NULL when there is no ACTIVE one; the
 * result is bit k for each of those. Valid until the next quiescent point.
 */
uint64_t flow_lookup_burst(const struct flow_table *t, const struct flow_query *q,
			   struct flow_entry **found);
/* The entry's number, or FLOW_NONE. */
uint32_t flow_lookup(const struct flow_table *t, const struct flow_key *key);

struct flow_entry *flow_entry(const struct flow_table *t, uint32_t entry);
struct flow_details *flow_details(const struct flow_table *t, uint32_t entry);
uint32_t flow_number(const struct flow_table *t, const struct flow_entry *e);
/* Of a pair that is ACTIVE before and after, else of nobody. */
struct flow_key flow_key_of(const struct flow_table *t, uint32_t entry);
static inline uint8_t
flow_entry_protocol(const struct flow_entry *e)
{
	return (uint8_t)(__atomic_load_n(&e->tag.rest, __ATOMIC_RELAXED) >> 32);
}
static inline uint32_t
flow_entry_nexthop(const struct flow_entry *e)
{
	return (uint32_t)(__atomic_load_n(&e->tag.rest, __ATOMIC_RELAXED) >> 40);
}
static inline union flow_seen
flow_seen_load(const struct flow_entry *e)
{
	return (union flow_seen){.word = __atomic_load_n(&e->seen, __ATOMIC_RELAXED)};
}
static inline union flow_state_word
flow_state_load(const struct flow_entry *e)
{
	return (union flow_state_word){.word = __atomic_load_n(&e->state, __ATOMIC_ACQUIRE)};
}
static inline union flow_action
flow_action_load(const struct flow_entry *e)
{
	return (union flow_action){.word = __atomic_load_n(&e->action, __ATOMIC_ACQUIRE)};
}
static inline void
flow_action_store(struct flow_entry *e, union flow_action a)
{
	__atomic_store_n(&e->action, a.word, __ATOMIC_RELEASE);
}

/*
 * What a new pair begins with; [0] is the direction of the packet that makes it. Both keys are of
 * one IP version.
 */
struct flow_new {
	struct flow_key key[2];
	union flow_action action[2];
	uint16_t vif[2];
	uint32_t clock;
	uint32_t created_s;
};

/*
 * A slot's thread. 0: *entry is the new pair's first entry, owned by the slot; -EEXIST: a pair with
 * one of the keys is there (*entry: with the first key) or just being made (*entry: FLOW_NONE);
 * -ENOSPC: no room for it, now.
 */
int flow_insert(struct flow_table *t, uint32_t slot, const struct flow_new *n, uint64_t tsc,
		uint32_t *entry);

/*
 * Fetches what flow_insert() will look at for these two keys, and the 'ahead'-th pair from now on
 * that the slot may take. Changes nothing; for a burst's new flows, before the first is made.
 */
void flow_insert_prefetch(const struct flow_table *t, uint32_t slot, const struct flow_key key[2],
			  uint32_t ahead);

/*
 * Makes 'slot' the owner of a direction that has none; returns whose it is then. Any slot.
 */
uint32_t flow_own(struct flow_entry *e, uint32_t slot);

/* Primary, when the slot's process is known dead, before its reader is reaped. Idempotent. */
void flow_repair(struct flow_table *t, uint32_t slot);

/* --- removing: vr-ctl, one thread --- */

/* Process-local. NULL when out of memory. 'grace' may be NULL when there are no readers (tests). */
struct flow_writer;
struct flow_writer *flow_writer_create(struct flow_table *t, struct grace *grace);
void flow_writer_destroy(struct flow_writer *w); /* NULL is fine */

/* Removes an ACTIVE pair: -ENOENT when it is none, -ESTALE when its generation is another. */
int flow_retire(struct flow_writer *w, uint32_t pair, uint32_t generation);

/*
 * Looks at up to n pairs from 'pair' on for what a vr-ctl left half removed, and takes it up. After
 * an adoption, once over the whole table, in steps.
 */
void flow_recover(struct flow_writer *w, uint32_t pair, uint32_t n);

/* Lets removed pairs be used again as their grace periods end; often. */
void flow_writer_poll(struct flow_writer *w);

#endif
