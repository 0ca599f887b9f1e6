/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: lookup, making pairs, and taking back what a dead slot claimed. Shape, order of
 * stores and what a death leaves are in flow.h. Slots, every burst; the primary repairs.
 *
 * Signatures are what a cell has room for beside the entry's number: 13 bits with the default size,
 * 7 with 16 million pairs. A wrong match costs a look at a key.
 */
#include "common/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <immintrin.h>

#include "common/fault_point.h"
#include "common/flow_shared.h"
#include "common/tsan.h"

enum {
	ENTRIES_PER_BUCKET = 10,  /* of 16 cells: few keys stand in their second bucket */
	NEARLY_FULL = 4,          /* cells left */
	FULL_PAUSE_TSC = 1 << 20, /* a search for room looks at everything: not for each packet */
};

/* --- shape --- */

static uint64_t
line_up(uint64_t n)
{
	return (n + 2 * CACHE_LINE - 1) / (2 * CACHE_LINE) * (2 * CACHE_LINE);
}

static uint32_t
bits_for(uint32_t entries)
{
	uint32_t bits = 1;

	while ((UINT64_C(1) << bits) < entries)
		bits++;
	return bits;
}

/* Everything but what is in it; its size. */
static uint64_t
shape(uint32_t entries, struct flow_table *t)
{
	uint64_t at = line_up(sizeof(*t));

	*t = (struct flow_table){
	    .pairs = entries / 2,
	    .blocks = (entries / 2 + FLOW_BLOCK - 1) / FLOW_BLOCK,
	    .n_buckets = entries / ENTRIES_PER_BUCKET + 2,
	    .index_bits = bits_for(entries),
	};
	t->summary_at = at;
	at += line_up((t->blocks + 63) / 64 * sizeof(uint64_t));
	t->bitmap_at = at;
	at += line_up(t->blocks * sizeof(uint64_t));
	t->owners_at = at;
	at += line_up(t->blocks);
	t->buckets_at = at;
	at += line_up((uint64_t)t->n_buckets * sizeof(struct flow_bucket));
	t->entries_at = at;
	at += (uint64_t)t->pairs * 2 * sizeof(struct flow_entry);
	t->details_at = at;
	return at + (uint64_t)t->pairs * 2 * sizeof(struct flow_details);
}

size_t
flow_table_size(uint32_t entries)
{
	struct flow_table t;

	return shape(entries, &t);
}

static uint64_t *
summary_of(const struct flow_table *t)
{
	return flow_part(t, t->summary_at);
}

void
flow_table_init(struct flow_table *t, uint32_t entries, uint64_t seed)
{
	shape(entries, t);
	t->seed = seed;
	for (uint32_t b = 0; b < t->blocks; b++) {
		uint32_t left = t->pairs - b * FLOW_BLOCK;

		flow_bitmap(t)[b] = left >= FLOW_BLOCK ? UINT64_MAX : (UINT64_C(1) << left) - 1;
		summary_of(t)[b / 64] |= UINT64_C(1) << b % 64;
	}
}

uint32_t
flow_capacity(const struct flow_table *t)
{
	return t->pairs;
}

uint32_t
flow_used(const struct flow_table *t)
{
	uint32_t free_pairs = 0;

	for (uint32_t b = 0; b < t->blocks; b++)
		free_pairs += (uint32_t)__builtin_popcountll(
		    __atomic_load_n(&flow_bitmap(t)[b], __ATOMIC_RELAXED));
	return t->pairs - free_pairs;
}

struct flow_slot *
flow_slot(struct flow_table *t, uint32_t slot)
{
	return &t->slots[slot];
}

struct flow_entry *
flow_entry(const struct flow_table *t, uint32_t entry)
{
	return flow_at(t, entry);
}

struct flow_details *
flow_details(const struct flow_table *t, uint32_t entry)
{
	return (struct flow_details *)flow_part(t, t->details_at) + entry;
}

uint32_t
flow_number(const struct flow_table *t, const struct flow_entry *e)
{
	return (uint32_t)(e - flow_at(t, 0));
}

/* --- keys --- */

struct flow_key
flow_key_of(const struct flow_table *t, uint32_t entry)
{
	const struct flow_details *d = flow_details(t, entry);
	struct flow_key key;

	for (int i = 0; i < 4; i++)
		key.word[i] = __atomic_load_n(&d->address[i], __ATOMIC_RELAXED);
	key.word[4] = __atomic_load_n(&flow_at(t, entry)->tag.rest, __ATOMIC_RELAXED);
	return key;
}

/* A folded multiplication: one instruction mixes two words into each other. */
static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct flow_tag
tag_of(const struct flow_table *t, const struct flow_key *k)
{
	if (flow_key_is_short(k))
		return (struct flow_tag){k->word[1] >> 32 | (k->word[3] >> 32 << 32), k->word[4]};
	return (struct flow_tag){
	    fold(k->word[0] ^ t->seed, k->word[1] ^ UINT64_C(0x8bb84b93962eacc9)) ^
		fold(k->word[2] ^ UINT64_C(0x4b33a62ed433d4a3) ^ t->seed,
		     k->word[3] ^ UINT64_C(0x2d358dccaa6c78a5)),
	    k->word[4]};
}

static inline uint64_t
hash(uint64_t seed, const struct flow_tag *tag)
{
	uint64_t h = fold(tag->addresses ^ seed, tag->rest ^ UINT64_C(0x9e3779b97f4a7c15));

	return fold(h ^ seed, UINT64_C(0x8bb84b93962eacc9));
}

/* The rest of an IPv6 key, once the tag is right. */
static bool
addresses_are(const struct flow_table *t, uint32_t entry, const struct flow_key *key)
{
	const struct flow_details *d = flow_details(t, entry);
	uint64_t differ = 0;

	for (int i = 0; i < 4; i++)
		differ |= __atomic_load_n(&d->address[i], __ATOMIC_RELAXED) ^ key->word[i];
	return differ == 0;
}

/* A key that is looked for. */
struct wanted {
	struct flow_tag tag;
	const struct flow_key *key; /* NULL: the tag is all */
};

static struct wanted
wanted_of(const struct flow_table *t, const struct flow_key *key)
{
	return (struct wanted){tag_of(t, key), flow_key_is_short(key) ? NULL : key};
}

/* Whether an entry in this state, which was loaded before, has the key. */
static bool
is_of(const struct flow_table *t, uint32_t entry, union flow_state_word s, const struct wanted *w)
{
	const struct flow_tag *tag = &flow_at(t, entry)->tag;

	return __atomic_load_n(&tag->addresses, __ATOMIC_RELAXED) == w->tag.addresses &&
	       __atomic_load_n(&tag->rest, __ATOMIC_RELAXED) == w->tag.rest &&
	       s.inet6 == (w->key != NULL) && (w->key == NULL || addresses_are(t, entry, w->key));
}

/* --- the index --- */

/* Where a key may stand, and as what. */
struct place {
	struct flow_bucket *first, *second;
	uint32_t signature;
};

static inline uint32_t
first_of(uint64_t h, uint32_t n_buckets)
{
	return (uint32_t)((h >> 32) * n_buckets >> 32);
}

/* From bits that have no say in the first bucket's number, but for the largest tables. */
static inline uint32_t
signature_of(uint64_t h, uint32_t index_bits)
{
	uint32_t s = (uint32_t)h >> index_bits;

	return s == 0 ? 1u : s;
}

static inline uint32_t
entry_mask(const struct flow_table *t)
{
	return (uint32_t)((UINT64_C(1) << t->index_bits) - 1);
}

static inline struct place
place_of(const struct flow_table *t, uint64_t h)
{
	struct flow_bucket *buckets = flow_part(t, t->buckets_at);
	uint32_t first = first_of(h, t->n_buckets);
	uint32_t second = (uint32_t)((h * UINT64_C(0x9e3779b97f4a7c15) >> 32) * t->n_buckets >> 32);

	if (second == first)
		second = first + 1 == t->n_buckets ? 0 : first + 1;
	return (struct place){&buckets[first], &buckets[second], signature_of(h, t->index_bits)};
}

/* Bit i is set when cell[i] has this signature; see bridge.c on the 16-byte loads. */
static inline uint32_t
match(const struct flow_bucket *b, uint32_t signature, uint32_t index_bits)
{
	if (UNDER_TSAN) {
		uint32_t m = 0;

		for (int i = 0; i < FLOW_CELLS; i++)
			m |= (uint32_t)(__atomic_load_n(&b->cell[i], __ATOMIC_ACQUIRE) >>
					    index_bits ==
					signature)
			     << i;
		return m;
	}
	const __m128i *cells = (const __m128i *)b->cell;
	__m128i shift = _mm_cvtsi32_si128((int)index_bits);
	__m128i wanted = _mm_set1_epi32((int)signature);
	__m128i a = _mm_cmpeq_epi32(_mm_srl_epi32(_mm_load_si128(cells), shift), wanted);
	__m128i c = _mm_cmpeq_epi32(_mm_srl_epi32(_mm_load_si128(cells + 1), shift), wanted);
	__m128i d = _mm_cmpeq_epi32(_mm_srl_epi32(_mm_load_si128(cells + 2), shift), wanted);
	__m128i e = _mm_cmpeq_epi32(_mm_srl_epi32(_mm_load_si128(cells + 3), shift), wanted);

	return (uint32_t)_mm_movemask_epi8(
	    _mm_packs_epi16(_mm_packs_epi32(a, c), _mm_packs_epi32(d, e)));
}

static inline uint32_t
cell_load(const struct flow_bucket *b, uint32_t i)
{
	return __atomic_load_n(&b->cell[i], __ATOMIC_ACQUIRE);
}

/* What a cell for this entry holds. */
static inline uint32_t
cell_of(const struct flow_table *t, uint32_t signature, uint32_t entry)
{
	return signature << t->index_bits | entry;
}

/* --- lookup --- */

/* Both directions become visible when the first one's state says so; the second's is a shortcut. */
static union flow_state_word
state_of(const struct flow_table *t, uint32_t entry)
{
	union flow_state_word s = flow_state_load(flow_at(t, entry));

	return s.state == FLOW_ACTIVE || (entry & 1) == 0 ? s
							  : flow_state_load(flow_at(t, entry - 1));
}

static uint32_t
lookup_in(const struct flow_table *t, const struct flow_bucket *b, uint32_t signature,
	  const struct wanted *w)
{
	for (uint32_t m = match(b, signature, t->index_bits); m != 0; m &= m - 1) {
		uint32_t entry = cell_load(b, (uint32_t)__builtin_ctz(m)) & entry_mask(t);
		union flow_state_word s;

		/* the cell may have been emptied or filled anew meanwhile: the key decides */
		if (entry >= 2 * t->pairs)
			continue;
		s = state_of(t, entry);
		if (s.state == FLOW_ACTIVE && is_of(t, entry, s, w))
			return entry;
	}
	return FLOW_NONE;
}

static __attribute__((noinline)) uint32_t
lookup_hashed(const struct flow_table *t, const struct wanted *w, uint64_t h)
{
	struct place p = place_of(t, h);
	uint32_t entry = lookup_in(t, p.first, p.signature, w);

	return entry != FLOW_NONE ? entry : lookup_in(t, p.second, p.signature, w);
}

uint32_t
flow_lookup(const struct flow_table *t, const struct flow_key *key)
{
	struct wanted w = wanted_of(t, key);

	return lookup_hashed(t, &w, hash(t->seed, &w.tag));
}

void
flow_query_add(const struct flow_table *t, struct flow_query *q, const struct flow_key *key)
{
	uint32_t k = q->n++;

	q->tag[k] = tag_of(t, key);
	if (flow_key_is_short(key))
		return;
	q->inet6 |= UINT64_C(1) << k;
	q->key[k] = *key;
}

struct flow_key
flow_query_key(const struct flow_query *q, uint32_t k)
{
	const struct flow_tag *tag = &q->tag[k];

	if ((q->inet6 >> k & 1) != 0)
		return q->key[k];
	return (struct flow_key){.word = {UINT64_MAX, tag->addresses << 32 | UINT32_MAX, UINT64_MAX,
					  tag->addresses >> 32 << 32 | UINT32_MAX, tag->rest}};
}

/* The usual case, an ACTIVE entry of IPv4 with that tag. The state is looked at first. */
static inline bool
is_plainly(const struct flow_entry *e, const struct flow_tag *tag)
{
	const union flow_state_word looked_at = {.state = 3, .inet6 = 1};
	const union flow_state_word usual = {.state = FLOW_ACTIVE};
	uint64_t differ = (flow_state_load(e).word & looked_at.word) ^ usual.word;

	differ |= __atomic_load_n(&e->tag.addresses, __ATOMIC_RELAXED) ^ tag->addresses;
	differ |= __atomic_load_n(&e->tag.rest, __ATOMIC_RELAXED) ^ tag->rest;
	return differ == 0;
}

/* A key whose usual place says nothing, or that is of IPv6. */
static __attribute__((noinline)) struct flow_entry *
lookup_unusual(const struct flow_table *t, const struct flow_query *q, uint32_t k, uint64_t h)
{
	struct wanted w = {q->tag[k], (q->inet6 >> k & 1) != 0 ? &q->key[k] : NULL};
	uint32_t entry = lookup_hashed(t, &w, h);

	return entry != FLOW_NONE ? flow_at(t, entry) : NULL;
}

uint64_t
flow_lookup_burst(const struct flow_table *t, const struct flow_query *q, struct flow_entry **found)
{
	const struct flow_bucket *buckets = flow_part(t, t->buckets_at);
	struct flow_entry *entries = flow_at(t, 0);
	const uint64_t seed = t->seed;
	const uint32_t n = q->n, n_buckets = t->n_buckets, index_bits = t->index_bits;
	const uint32_t mask = entry_mask(t), n_entries = 2 * t->pairs;
	uint64_t h[BURST_MAX], missing = 0;

	for (uint32_t k = 0; k < n; k++) {
		h[k] = hash(seed, &q->tag[k]);
		__builtin_prefetch(&buckets[first_of(h[k], n_buckets)]);
	}
	for (uint32_t k = 0; k < n; k++) {
		const struct flow_bucket *b = &buckets[first_of(h[k], n_buckets)];
		uint32_t m = match(b, signature_of(h[k], index_bits), index_bits), entry;

		found[k] = NULL;
		if (__builtin_expect(m == 0, 0))
			continue;
		entry = cell_load(b, (uint32_t)__builtin_ctz(m)) & mask;
		if (__builtin_expect(entry >= n_entries, 0))
			continue;
		found[k] = &entries[entry];
		__builtin_prefetch(found[k], 1);
	}
	for (uint32_t k = 0; k < n; k++) {
		if (__builtin_expect(found[k] != NULL && is_plainly(found[k], &q->tag[k]), 1))
			continue;
		found[k] = lookup_unusual(t, q, k, h[k]);
		missing |= (uint64_t)(found[k] == NULL) << k;
	}
	return missing;
}

/* --- cells --- */

static uint32_t
empty_cells(const struct flow_bucket *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FLOW_CELLS; i++)
		n += __atomic_load_n(&b->cell[i], __ATOMIC_RELAXED) == 0;
	return n;
}

/*
 * The first bucket is preferred, where a lookup looks first; but when it is nearly full, the
 * emptier one: so no bucket is full long before all are. 0, or -ENOSPC.
 */
static int
cell_put(struct flow_table *t, const struct place *p, uint32_t entry)
{
	struct flow_bucket *buckets[2] = {p->first, p->second};
	uint32_t empty_first = empty_cells(p->first);

	if (empty_first < NEARLY_FULL && empty_cells(p->second) > empty_first) {
		buckets[0] = p->second;
		buckets[1] = p->first;
	}
	for (int b = 0; b < 2; b++) {
		for (uint32_t i = 0; i < FLOW_CELLS; i++) {
			uint32_t empty = 0;

			if (__atomic_load_n(&buckets[b]->cell[i], __ATOMIC_RELAXED) == 0 &&
			    __atomic_compare_exchange_n(&buckets[b]->cell[i], &empty,
							cell_of(t, p->signature, entry), false,
							__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
				return 0;
		}
	}
	return -ENOSPC;
}

static void
cell_clear(const struct flow_table *t, const struct place *p, uint32_t entry)
{
	struct flow_bucket *buckets[2] = {p->first, p->second};

	for (int b = 0; b < 2; b++)
		for (uint32_t i = 0; i < FLOW_CELLS; i++)
			if (__atomic_load_n(&buckets[b]->cell[i], __ATOMIC_RELAXED) ==
			    cell_of(t, p->signature, entry))
				__atomic_store_n(&buckets[b]->cell[i], 0, __ATOMIC_RELEASE);
}

void
flow_cells_clear(struct flow_table *t, uint32_t pair)
{
	for (uint32_t d = 0; d < 2; d++) {
		struct place p = place_of(t, hash(t->seed, &flow_at(t, 2 * pair + d)->tag));

		cell_clear(t, &p, 2 * pair + d);
		FAULT_POINT("flow cell cleared");
	}
}

/* --- pairs that may be taken --- */

void
flow_bit_set(struct flow_table *t, uint32_t pair)
{
	uint32_t block = pair / FLOW_BLOCK;

	__atomic_fetch_or(&flow_bitmap(t)[block], UINT64_C(1) << pair % FLOW_BLOCK,
			  __ATOMIC_SEQ_CST);
	FAULT_POINT("flow bit set");
	__atomic_fetch_or(&summary_of(t)[block / 64], UINT64_C(1) << block % 64, __ATOMIC_SEQ_CST);
}

static uint8_t *
owner_of_block(const struct flow_table *t, uint32_t block)
{
	return (uint8_t *)flow_part(t, t->owners_at) + block;
}

/* The slot's block, or FLOW_NONE. 'block' alone is but an intention. */
static uint32_t
block_owned(const struct flow_table *t, uint32_t slot)
{
	uint32_t block = t->slots[slot].block - 1;

	if (block >= t->blocks ||
	    __atomic_load_n(owner_of_block(t, block), __ATOMIC_ACQUIRE) != slot + 1)
		return FLOW_NONE;
	return block;
}

static bool
block_take(struct flow_table *t, uint32_t slot, uint32_t block)
{
	uint8_t nobody = 0;

	__atomic_store_n(&t->slots[slot].block, block + 1, __ATOMIC_SEQ_CST);
	FAULT_POINT("flow block noted");
	if (!__atomic_compare_exchange_n(owner_of_block(t, block), &nobody, (uint8_t)(slot + 1),
					 false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	FAULT_POINT("flow block owned");
	return true;
}

/*
 * An empty block's summary bit is cleared first and the block looked at again, so a pair that comes
 * back meanwhile is not forgotten.
 */
static bool
block_is_empty(struct flow_table *t, uint32_t block)
{
	uint64_t bit = UINT64_C(1) << block % 64, *summary = &summary_of(t)[block / 64];

	if (__atomic_load_n(&flow_bitmap(t)[block], __ATOMIC_SEQ_CST) != 0)
		return false;
	__atomic_fetch_and(summary, ~bit, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&flow_bitmap(t)[block], __ATOMIC_SEQ_CST) == 0)
		return true;
	__atomic_fetch_or(summary, bit, __ATOMIC_SEQ_CST);
	return false;
}

/* Another block, from behind 'from' on and round; FLOW_NONE when there is none. */
static uint32_t
block_find(struct flow_table *t, uint32_t slot, uint32_t from)
{
	uint32_t words = (t->blocks + 63) / 64;

	for (uint32_t k = 0; k <= words; k++) {
		uint32_t w = (from / 64 + k) % words;
		uint64_t bits = __atomic_load_n(&summary_of(t)[w], __ATOMIC_SEQ_CST);

		for (; bits != 0; bits &= bits - 1) {
			uint32_t block = w * 64 + (uint32_t)__builtin_ctzll(bits);

			if (__atomic_load_n(owner_of_block(t, block), __ATOMIC_RELAXED) != 0 ||
			    block_is_empty(t, block) || !block_take(t, slot, block))
				continue;
			if (__atomic_load_n(&flow_bitmap(t)[block], __ATOMIC_SEQ_CST) != 0)
				return block;
			/* another slot had it meanwhile, and left it empty */
			__atomic_store_n(owner_of_block(t, block), 0, __ATOMIC_SEQ_CST);
		}
	}
	return FLOW_NONE;
}

/* A block of the slot with a free pair, or FLOW_NONE. */
static uint32_t
block_ready(struct flow_table *t, uint32_t slot, uint64_t tsc)
{
	struct flow_slot *s = &t->slots[slot];
	uint32_t block = block_owned(t, slot);

	if (block != FLOW_NONE && __atomic_load_n(&flow_bitmap(t)[block], __ATOMIC_SEQ_CST) != 0)
		return block;
	if (t->pairs == 0 || (s->full_tsc != 0 && tsc - s->full_tsc < FULL_PAUSE_TSC))
		return FLOW_NONE;
	if (block != FLOW_NONE) {
		__atomic_store_n(owner_of_block(t, block), 0, __ATOMIC_SEQ_CST);
		FAULT_POINT("flow block left");
	}
	block = block_find(t, slot, block != FLOW_NONE ? block : slot * (t->blocks / SLOTS_MAX));
	s->full_tsc = block == FLOW_NONE ? tsc : 0;
	return block;
}

static uint64_t
claim_note(uint32_t pair, uint32_t generation)
{
	return (uint64_t)(pair + 1) << 32 | generation;
}

static void
note(struct flow_table *t, uint32_t slot, uint64_t claiming)
{
	__atomic_store_n(&t->slots[slot].claiming, claiming, __ATOMIC_SEQ_CST);
}

static uint32_t
next_generation(uint32_t g)
{
	return (g + 1) % FLOW_GENERATIONS;
}

/* A free pair, noted and with its bit cleared, or FLOW_NONE. */
static uint32_t
pair_take(struct flow_table *t, uint32_t slot, uint64_t tsc)
{
	uint32_t block = block_ready(t, slot, tsc), pair;
	uint64_t bits;

	if (block == FLOW_NONE)
		return FLOW_NONE;
	bits = __atomic_load_n(&flow_bitmap(t)[block], __ATOMIC_SEQ_CST);
	pair = block * FLOW_BLOCK + (uint32_t)__builtin_ctzll(bits);
	note(t, slot,
	     claim_note(pair, next_generation(flow_state_load(flow_at(t, 2 * pair)).generation)));
	FAULT_POINT("flow noted");
	__atomic_fetch_and(&flow_bitmap(t)[block], ~(bits & -bits), __ATOMIC_SEQ_CST);
	FAULT_POINT("flow bit cleared");
	return pair;
}

/* Nobody sees the pair, no cell names it, and its generation never was ACTIVE: it may be taken. */
static void
pair_put_back(struct flow_table *t, uint32_t slot, uint32_t pair, uint32_t generation)
{
	union flow_state_word s = {.state = FLOW_FREE, .generation = generation};

	note(t, slot, claim_note(pair, next_generation(generation)));
	FAULT_POINT("flow noted back");
	__atomic_store_n(&flow_at(t, 2 * pair + 1)->state, s.word, __ATOMIC_RELEASE);
	__atomic_store_n(&flow_at(t, 2 * pair)->state, s.word, __ATOMIC_SEQ_CST);
	FAULT_POINT("flow freed back");
	flow_bit_set(t, pair);
	FAULT_POINT("flow bit back");
	note(t, slot, 0);
}

/* --- making a pair --- */

static void
entry_fill(struct flow_table *t, uint32_t entry, const struct flow_new *n, const struct wanted *w,
	   uint8_t owner)
{
	struct flow_entry *e = flow_at(t, entry);
	struct flow_details *d = flow_details(t, entry);
	const union flow_seen seen = {.clock = n->clock, .vif = n->vif[entry & 1], .owner = owner};
	const struct flow_key *key = &n->key[entry & 1];

	__atomic_store_n(&e->tag.addresses, w->tag.addresses, __ATOMIC_RELAXED);
	__atomic_store_n(&e->tag.rest, w->tag.rest, __ATOMIC_RELAXED);
	flow_action_store(e, n->action[entry & 1]);
	e->packets = 0;
	e->bytes = 0;
	__atomic_store_n(&e->seen, seen.word, __ATOMIC_RELAXED);
	e->tcp_seq = e->tcp_ack = 0;
	for (int i = 0; i < 4; i++)
		__atomic_store_n(&d->address[i], key->word[i], __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		d->more[i] = (struct flow_more){.ecmp = -1, .underlay_ecmp = -1};
	FAULT_POINT("flow filled");
}

/*
 * Whether the pair behind a cell bars 'pair' from being made: it has the key and is ACTIVE, or
 * claimed and lower. A claimed one that is higher is turned LOST.
 */
static bool
bars(struct flow_table *t, uint32_t entry, uint32_t pair, const struct wanted *w)
{
	uint32_t other = entry / 2;
	struct flow_entry *e = flow_at(t, 2 * other);
	union flow_state_word s = flow_state_load(e), lost;

	while (s.state == FLOW_ACTIVE || s.state == FLOW_CLAIMED) {
		if (!is_of(t, entry, s, w))
			return false;
		if (s.state == FLOW_ACTIVE || other < pair)
			return true;
		lost = s;
		lost.state = FLOW_LOST;
		if (__atomic_compare_exchange_n(&e->state, &s.word, lost.word, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return false;
		FAULT_POINT("flow other turned");
	}
	return false;
}

static bool
is_barred(struct flow_table *t, const struct place *p, uint32_t pair, const struct wanted *w)
{
	struct flow_bucket *buckets[2] = {p->first, p->second};

	for (int b = 0; b < 2; b++) {
		uint32_t m = match(buckets[b], p->signature, t->index_bits);

		for (; m != 0; m &= m - 1) {
			uint32_t entry =
			    cell_load(buckets[b], (uint32_t)__builtin_ctz(m)) & entry_mask(t);

			if (entry < 2 * t->pairs && entry / 2 != pair && bars(t, entry, pair, w))
				return true;
		}
	}
	return false;
}

/* Both cells in place, nobody in the way, and ACTIVE: 0; else why not. */
static int
pair_publish(struct flow_table *t, uint32_t pair, const struct wanted w[2],
	     union flow_state_word claimed)
{
	struct flow_entry *e = flow_at(t, 2 * pair);
	union flow_state_word active = claimed, second = claimed;
	struct place p[2];

	for (uint32_t d = 0; d < 2; d++) {
		p[d] = place_of(t, hash(t->seed, &w[d].tag));
		if (cell_put(t, &p[d], 2 * pair + d) < 0)
			return -ENOSPC;
		FAULT_POINT("flow cell put");
	}
	for (uint32_t d = 0; d < 2; d++)
		if (is_barred(t, &p[d], pair, &w[d]))
			return -EEXIST;
	active.state = FLOW_ACTIVE;
	FAULT_POINT("flow before active");
	if (!__atomic_compare_exchange_n(&e->state, &claimed.word, active.word, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return -EEXIST;
	FAULT_POINT("flow active");
	/* not if vr-ctl has removed it by now */
	__atomic_compare_exchange_n(&e[1].state, &second.word, active.word, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
	return 0;
}

/* A pair, when all of its block's from this one on are free. */
static void
room_prefetch(const struct flow_table *t, uint32_t slot, uint32_t ahead)
{
	uint32_t block = block_owned(t, slot), pair;
	uint64_t bits;

	if (block == FLOW_NONE)
		return;
	bits = __atomic_load_n(&flow_bitmap(t)[block], __ATOMIC_RELAXED);
	pair = block * FLOW_BLOCK + (bits == 0 ? 0 : (uint32_t)__builtin_ctzll(bits)) + ahead;
	if (pair >= t->pairs)
		return;
	for (uint32_t d = 0; d < 2; d++) {
		__builtin_prefetch(flow_at(t, 2 * pair + d), 1);
		__builtin_prefetch(flow_details(t, 2 * pair + d), 1);
	}
}

void
flow_insert_prefetch(const struct flow_table *t, uint32_t slot, const struct flow_key key[2],
		     uint32_t ahead)
{
	for (uint32_t d = 0; d < 2; d++) {
		struct flow_tag tag = tag_of(t, &key[d]);
		struct place p = place_of(t, hash(t->seed, &tag));

		__builtin_prefetch(p.first, 1);
		__builtin_prefetch(p.second);
	}
	room_prefetch(t, slot, ahead);
}

int
flow_insert(struct flow_table *t, uint32_t slot, const struct flow_new *n, uint64_t tsc,
	    uint32_t *entry)
{
	struct flow_slot *s = &t->slots[slot];
	struct wanted w[2] = {wanted_of(t, &n->key[0]), wanted_of(t, &n->key[1])};
	uint32_t pair = pair_take(t, slot, tsc);
	union flow_state_word claimed = {.state = FLOW_CLAIMED,
					 .inet6 = w[0].key != NULL,
					 .slot = slot & (SLOTS_MAX - 1),
					 .created_s = n->created_s};
	struct flow_entry *e;
	int rc;

	*entry = FLOW_NONE;
	if (pair == FLOW_NONE) {
		s->refused++;
		return -ENOSPC;
	}
	e = flow_at(t, 2 * pair);
	claimed.generation = next_generation(flow_state_load(e).generation);
	entry_fill(t, 2 * pair, n, &w[0], (uint8_t)(slot + 1));
	entry_fill(t, 2 * pair + 1, n, &w[1], FLOW_OWNER_NONE);
	__atomic_store_n(&e[1].state, claimed.word, __ATOMIC_RELEASE);
	FAULT_POINT("flow second claimed");
	__atomic_store_n(&e[0].state, claimed.word, __ATOMIC_SEQ_CST);
	FAULT_POINT("flow claimed");
	rc = pair_publish(t, pair, w, claimed);
	if (rc == 0) {
		s->created++;
		note(t, slot, 0);
		*entry = 2 * pair;
		return 0;
	}
	flow_cells_clear(t, pair);
	pair_put_back(t, slot, pair, claimed.generation);
	if (rc == -EEXIST) {
		s->raced++;
		*entry = flow_lookup(t, &n->key[0]);
	} else {
		s->refused++;
	}
	return rc;
}

uint32_t
flow_own(struct flow_entry *e, uint32_t slot)
{
	union flow_seen seen = flow_seen_load(e), owned;

	while (seen.owner == FLOW_OWNER_NONE) {
		owned = seen;
		owned.owner = (uint8_t)(slot + 1);
		if (__atomic_compare_exchange_n(&e->seen, &seen.word, owned.word, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return slot;
	}
	return seen.owner - 1u;
}

/* --- a slot that died --- */

/* It got as far as ACTIVE, and perhaps no further. */
static void
finish_active(struct flow_entry *e, union flow_state_word active)
{
	union flow_state_word second = active;

	second.state = FLOW_CLAIMED;
	__atomic_compare_exchange_n(&e[1].state, &second.word, active.word, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

void
flow_repair(struct flow_table *t, uint32_t slot)
{
	uint64_t claiming = __atomic_load_n(&t->slots[slot].claiming, __ATOMIC_SEQ_CST);
	uint32_t pair = (uint32_t)(claiming >> 32) - 1, generation = (uint32_t)claiming;
	union flow_state_word s;
	struct flow_entry *e;

	if (claiming == 0 || pair >= t->pairs)
		return;
	e = flow_at(t, 2 * pair);
	s = flow_state_load(e);
	/* Somebody quicker may turn it LOST even now; nothing turns it ACTIVE. */
	if (s.state == FLOW_CLAIMED || s.state == FLOW_LOST) {
		flow_cells_clear(t, pair);
		pair_put_back(t, slot, pair, s.generation);
		return;
	}
	if (s.state == FLOW_ACTIVE)
		finish_active(e, s);
	else if (next_generation(s.generation) == generation)
		pair_put_back(t, slot, pair, generation); /* a new one: see is_left() */
	/* FREE in the generation it noted: it was ACTIVE, and vr-ctl has removed it. */
	FAULT_POINT("flow repaired");
	note(t, slot, 0);
}
