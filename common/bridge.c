/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bridge table. Lookups: slots, every burst. Writing: vr-ctl's writer thread. The shape is
 * described in the header.
 *
 * An entry prefers its first bucket, then its second; if both are full, an entry that stands in its
 * first bucket is moved to its second to make room. (Two choices, cells to spare: cuckoo hashing,
 * Pagh and Rodler 2004, cut down to one move.) Entries only ever move from first to second, and are
 * published there before they go: a reader looks into the first bucket first, so it cannot miss one
 * that moves meanwhile.
 *
 * A reader loads a cell's key, then its value; so a cell that was emptied gets another key only
 * after a grace period, and the value it loads belongs to the key it saw. Such cells are "cooling".
 *
 * The dead writer, store by store: 'value' of an empty cell: nothing happened. 'key': the change is
 * done. Between the two keys of a move both are there, 'moving' says so, and the next writer takes
 * the first away. 'used' is recounted. Cooling is forgotten, so a writer that opens a table lets
 * all empty cells cool for one grace period.
 */
#include "common/bridge.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <immintrin.h>

#include "common/bridge_shared.h"
#include "common/fault_point.h"
#include "common/grace.h"
#include "common/limits.h"
#include "common/redo.h"
#include "common/tsan.h"

enum { NO_CELL = UINT32_MAX };

/* --- both sides --- */

/* A bridge_key's MAC has its reserved bytes behind it. */
static inline uint64_t
key_pack(const struct bridge_key *k)
{
	return bridge_key_packed(k->vrf, (const char *)k + offsetof(struct bridge_key, mac));
}

static void
key_unpack(uint64_t packed, struct bridge_key *k)
{
	uint64_t mac = packed >> 16;

	*k = (struct bridge_key){.vrf = (uint32_t)(packed & 0xffff) - 1};
	memcpy(k->mac, &mac, sizeof(k->mac));
}

/* A folded multiplication: one instruction mixes the key into both halves. */
static inline uint64_t
hash(uint64_t key)
{
	__uint128_t product =
	    (__uint128_t)(key ^ UINT64_C(0x2d358dccaa6c78a5)) * UINT64_C(0x8bb84b93962eacc9);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t
first_bucket(uint64_t h, uint32_t n_buckets)
{
	return (uint32_t)((h >> 32) * n_buckets >> 32);
}

static inline uint32_t
second_bucket(uint64_t h, uint32_t n_buckets)
{
	uint32_t second = (uint32_t)((h & UINT32_MAX) * n_buckets >> 32);

	if (second != first_bucket(h, n_buckets))
		return second;
	return second + 1 == n_buckets ? 0 : second + 1;
}

/*
 * Bit i is set when key[i] is 'key'. Each half of a 16-byte load is atomic on every x86-64, which
 * is all that is needed; the thread sanitizer does not know that.
 */
static inline uint32_t
match(const struct bridge_bucket *b, uint64_t key)
{
	if (UNDER_TSAN) {
		uint32_t m = 0;

		for (int i = 0; i < BRIDGE_CELLS; i++)
			m |= (uint32_t)(__atomic_load_n(&b->key[i], __ATOMIC_ACQUIRE) == key) << i;
		return m;
	}
	__m128i k = _mm_set1_epi64x((long long)key);
	__m128i low = _mm_cmpeq_epi64(_mm_load_si128((const __m128i *)&b->key[0]), k);
	__m128i high = _mm_cmpeq_epi64(_mm_load_si128((const __m128i *)&b->key[2]), k);

	return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_packs_epi32(low, high)));
}

/* The value where 'm' says, or of any cell when it says nowhere. */
static inline uint64_t
value_at(const struct bridge_bucket *b, uint32_t m)
{
	int i = __builtin_ctz(m | 1u << (BRIDGE_CELLS - 1));

	return __atomic_load_n(&b->value[i], __ATOMIC_ACQUIRE);
}

/* --- readers --- */

/* Entries that are not in their first bucket: few, unless they are nowhere. */
static __attribute__((noinline)) uint64_t
lookup_second(const struct bridge *b, const uint64_t *packed, uint64_t missing, uint64_t *value)
{
	uint32_t n_buckets = b->n_buckets;
	uint64_t found = 0;

	for (uint64_t left = missing; left != 0; left &= left - 1) {
		int i = __builtin_ctzll(left);

		__builtin_prefetch(&b->bucket[second_bucket(hash(packed[i]), n_buckets)]);
	}
	for (uint64_t left = missing; left != 0; left &= left - 1) {
		int i = __builtin_ctzll(left);
		const struct bridge_bucket *bucket =
		    &b->bucket[second_bucket(hash(packed[i]), n_buckets)];
		uint32_t m = match(bucket, packed[i]);

		value[i] = value_at(bucket, m);
		found |= (uint64_t)(m != 0) << i;
	}
	return found;
}

uint64_t
bridge_lookup_burst(const struct bridge *b, const uint64_t *packed, uint32_t n, uint64_t *value)
{
	const struct bridge_bucket *at[BURST_MAX];
	uint32_t n_buckets = b->n_buckets;
	uint64_t found = 0, missing;

	for (uint32_t i = 0; i < n; i++) {
		at[i] = &b->bucket[first_bucket(hash(packed[i]), n_buckets)];
		__builtin_prefetch(at[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t m = match(at[i], packed[i]);

		value[i] = value_at(at[i], m);
		found |= (uint64_t)(m != 0) << i;
	}
	missing = ~found & (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1);
	if (__builtin_expect(missing != 0, 0))
		found |= lookup_second(b, packed, missing, value);
	return found;
}

int
bridge_lookup(const struct bridge *b, const struct bridge_key *key, uint64_t *value)
{
	uint64_t packed = key_pack(key);

	return bridge_lookup_burst(b, &packed, 1, value) != 0 ? 0 : -ENOENT;
}

uint32_t
bridge_used(const struct bridge *b)
{
	return __atomic_load_n(&b->used, __ATOMIC_RELAXED);
}

uint32_t
bridge_capacity(const struct bridge *b)
{
	return b->capacity;
}

static uint64_t
cells(const struct bridge *b)
{
	return (uint64_t)b->n_buckets * BRIDGE_CELLS;
}

static const uint64_t *
key_of(const struct bridge *b, uint64_t cell)
{
	return &b->bucket[cell / BRIDGE_CELLS].key[cell % BRIDGE_CELLS];
}

static const uint64_t *
value_of(const struct bridge *b, uint64_t cell)
{
	return &b->bucket[cell / BRIDGE_CELLS].value[cell % BRIDGE_CELLS];
}

uint32_t
bridge_walk(const struct bridge *b, uint64_t *cursor, uint32_t max, struct bridge_key *keys,
	    uint64_t *values)
{
	uint64_t cell = *cursor;
	uint32_t n = 0;

	for (; cell < cells(b) && n < max; cell++) {
		uint64_t key = __atomic_load_n(key_of(b, cell), __ATOMIC_ACQUIRE);

		if (key == 0)
			continue;
		key_unpack(key, &keys[n]);
		values[n++] = __atomic_load_n(value_of(b, cell), __ATOMIC_ACQUIRE);
	}
	*cursor = cell < cells(b) ? cell : UINT64_MAX;
	return n;
}

uint32_t
bridge_walk_owners(const struct bridge *b, const uint16_t *owner_of_cell, uint64_t *cursor,
		   uint32_t max, struct bridge_key *keys, uint16_t *owners)
{
	uint64_t cell = *cursor, end = cell + max < cells(b) ? cell + max : cells(b);
	uint32_t n = 0;

	for (; cell < end; cell++) {
		if (*key_of(b, cell) == 0)
			continue;
		key_unpack(*key_of(b, cell), &keys[n]);
		owners[n++] = owner_of_cell[cell];
	}
	*cursor = cell < cells(b) ? cell : UINT64_MAX;
	return n;
}

/* --- making one --- */

/* Twice as many cells as entries: then few stand in their second bucket, and a move is rare. */
static uint32_t
buckets_for(uint32_t entries)
{
	uint32_t n = entries / (BRIDGE_CELLS / 2) + 1;

	return n < 2 ? 2 : n;
}

size_t
bridge_size(uint32_t entries)
{
	return sizeof(struct bridge) + (size_t)buckets_for(entries) * sizeof(struct bridge_bucket);
}

void
bridge_init(struct bridge *b, uint32_t entries)
{
	b->capacity = entries;
	b->n_buckets = buckets_for(entries);
}

/* --- the writer --- */

struct bridge_writer {
	struct bridge *b;
	struct grace *grace; /* NULL: there are no readers */
	bool settled;        /* what the last writer left has cooled */
	int32_t staged;      /* entries that the batch under way adds, or takes away */
	uint16_t *owners;    /* shared, by cell; NULL: nobody asks */
	uint64_t *pinned;    /* a bit for each cell: a batch has staged stores to it */
	uint64_t cooling[];  /* a bit for each cell */
};

static void
key_store(struct bridge *b, uint32_t cell, uint64_t key)
{
	FAULT_POINT("bridge before key");
	__atomic_store_n((uint64_t *)(uintptr_t)key_of(b, cell), key, __ATOMIC_RELEASE);
	FAULT_POINT("bridge after key");
}

static void
value_store(struct bridge *b, uint32_t cell, uint64_t value)
{
	FAULT_POINT("bridge before value");
	__atomic_store_n((uint64_t *)(uintptr_t)value_of(b, cell), value, __ATOMIC_RELEASE);
	FAULT_POINT("bridge after value");
}

static void
moving_store(struct bridge *b, uint64_t moving)
{
	FAULT_POINT("bridge before moving");
	__atomic_store_n(&b->moving, moving, __ATOMIC_RELEASE);
	FAULT_POINT("bridge after moving");
}

static void
used_store(struct bridge *b, uint32_t used)
{
	__atomic_store_n(&b->used, used, __ATOMIC_RELAXED);
}

static uint32_t
cell_in(const struct bridge *b, uint32_t bucket, uint64_t key)
{
	uint32_t m = match(&b->bucket[bucket], key);

	return m == 0 ? (uint32_t)NO_CELL : bucket * BRIDGE_CELLS + (uint32_t)__builtin_ctz(m);
}

static uint32_t
cell_find(const struct bridge *b, uint64_t key)
{
	uint64_t h = hash(key);
	uint32_t cell = cell_in(b, first_bucket(h, b->n_buckets), key);

	return cell != NO_CELL ? cell : cell_in(b, second_bucket(h, b->n_buckets), key);
}

static bool
cooling(const struct bridge_writer *w, uint32_t cell)
{
	return w->cooling[cell / 64] >> cell % 64 & 1;
}

static void
cooled(void *arg, uint32_t cell)
{
	struct bridge_writer *w = arg;

	w->cooling[cell / 64] &= ~(UINT64_C(1) << cell % 64);
}

static bool
may_empty(struct bridge_writer *w)
{
	return w->grace == NULL || grace_room(w->grace);
}

/* Only after may_empty(). */
static void
cell_empty(struct bridge_writer *w, uint32_t cell)
{
	key_store(w->b, cell, 0);
	if (w->grace == NULL)
		return;
	w->cooling[cell / 64] |= UINT64_C(1) << cell % 64;
	grace_defer(w->grace, cooled, w, cell);
}

static bool
pinned(const struct bridge_writer *w, uint32_t cell)
{
	return w->pinned[cell / 64] >> cell % 64 & 1;
}

/* A cell of 'bucket' that can be filled. */
static uint32_t
cell_vacant(const struct bridge_writer *w, uint32_t bucket)
{
	for (uint32_t i = 0; i < BRIDGE_CELLS; i++)
		if (w->b->bucket[bucket].key[i] == 0 && !cooling(w, bucket * BRIDGE_CELLS + i) &&
		    !pinned(w, bucket * BRIDGE_CELLS + i))
			return bucket * BRIDGE_CELLS + i;
	return NO_CELL;
}

static uint32_t
cell_for(const struct bridge_writer *w, uint64_t h)
{
	uint32_t cell = cell_vacant(w, first_bucket(h, w->b->n_buckets));

	return cell != NO_CELL ? cell : cell_vacant(w, second_bucket(h, w->b->n_buckets));
}

/* Whether a cell of the key's buckets is only cooling. */
static bool
cell_to_come(const struct bridge_writer *w, uint64_t h)
{
	const uint32_t buckets[] = {first_bucket(h, w->b->n_buckets),
				    second_bucket(h, w->b->n_buckets)};

	for (uint32_t i = 0; i < 2 * BRIDGE_CELLS; i++)
		if (cooling(w, buckets[i / BRIDGE_CELLS] * BRIDGE_CELLS + i % BRIDGE_CELLS))
			return true;
	return false;
}

static void
cell_move(struct bridge_writer *w, uint32_t from, uint32_t to)
{
	struct bridge *b = w->b;

	moving_store(b, (uint64_t)from + 1);
	value_store(b, to, *value_of(b, from));
	if (w->owners != NULL)
		w->owners[to] = w->owners[from];
	key_store(b, to, *key_of(b, from));
	cell_empty(w, from);
	moving_store(b, 0);
	b->moved++;
}

/* Moves an entry out of 'bucket' that stands in its first bucket and has room in its second. */
static bool
make_room_in(struct bridge_writer *w, uint32_t bucket)
{
	struct bridge *b = w->b;

	for (uint32_t i = 0; i < BRIDGE_CELLS; i++) {
		uint64_t key = b->bucket[bucket].key[i];
		uint64_t h = hash(key);
		uint32_t to;

		if (key == 0 || first_bucket(h, b->n_buckets) != bucket ||
		    pinned(w, bucket * BRIDGE_CELLS + i))
			continue;
		to = cell_vacant(w, second_bucket(h, b->n_buckets));
		if (to == NO_CELL)
			continue;
		cell_move(w, bucket * BRIDGE_CELLS + i, to);
		return true;
	}
	return false;
}

static void
settled(void *arg, uint32_t n)
{
	struct bridge_writer *w = arg;

	(void)n;
	w->settled = true;
}

static void
settle(struct bridge_writer *w)
{
	if (w->grace != NULL)
		grace_settle(w->grace);
}

/* Finds, or makes, a cell for a new key. */
static int
cell_take(struct bridge_writer *w, uint64_t h, uint32_t *cell)
{
	struct bridge *b = w->b;

	if (!w->settled)
		settle(w);
	if (!w->settled)
		return -ENOBUFS;
	*cell = cell_for(w, h);
	if (*cell != NO_CELL)
		return 0;
	if (!may_empty(w))
		return -ENOBUFS;
	if (!cell_to_come(w, h) && !make_room_in(w, first_bucket(h, b->n_buckets)) &&
	    !make_room_in(w, second_bucket(h, b->n_buckets)))
		return -ENOSPC;
	settle(w);
	*cell = cell_for(w, h);
	return *cell != NO_CELL ? 0 : -ENOBUFS;
}

int
bridge_set(struct bridge_writer *w, const struct bridge_key *key, uint64_t value)
{
	struct bridge *b = w->b;
	uint64_t packed = key_pack(key);
	uint32_t cell;
	int rc;

	if (key->vrf >= BRIDGE_VRFS_MAX)
		return -ERANGE;
	cell = cell_find(b, packed);
	if (cell != NO_CELL) {
		value_store(b, cell, value);
		return 0;
	}
	rc = b->used < b->capacity ? cell_take(w, hash(packed), &cell) : -ENOSPC;
	if (rc == -ENOSPC)
		b->refused++;
	if (rc < 0)
		return rc;
	value_store(b, cell, value);
	key_store(b, cell, packed);
	used_store(b, b->used + 1);
	return 0;
}

int
bridge_del(struct bridge_writer *w, const struct bridge_key *key)
{
	uint32_t cell = key->vrf < BRIDGE_VRFS_MAX ? cell_find(w->b, key_pack(key)) : NO_CELL;

	if (cell == NO_CELL)
		return -ENOENT;
	if (!may_empty(w))
		return -ENOBUFS;
	cell_empty(w, cell);
	used_store(w->b, w->b->used - 1);
	return 0;
}

/* --- as a part of a batch --- */

static void
pin(struct bridge_writer *w, uint32_t cell)
{
	w->pinned[cell / 64] |= UINT64_C(1) << cell % 64;
}

static void
unpin(struct bridge_writer *w, uint32_t cell)
{
	w->pinned[cell / 64] &= ~(UINT64_C(1) << cell % 64);
}

/* Cell of the word at 'where' within its bucket: keys and values stand in the same order. */
static uint32_t
cell_at(const struct bridge *b, const void *where)
{
	uint32_t word = (uint32_t)((const uint64_t *)where - (const uint64_t *)b->bucket);
	uint32_t in_line = word % (CACHE_LINE / sizeof(uint64_t));

	return word / (CACHE_LINE / sizeof(uint64_t)) * BRIDGE_CELLS + in_line % BRIDGE_CELLS;
}

static void
value_done(void *table, void *where, uint64_t old, uint64_t value, int committed)
{
	struct bridge_writer *w = table;

	(void)old;
	(void)value;
	(void)committed;
	unpin(w, cell_at(w->b, where));
	w->staged = 0;
}

static void
key_done(void *table, void *where, uint64_t old, uint64_t key, int committed)
{
	struct bridge_writer *w = table;
	uint32_t cell = cell_at(w->b, where);

	unpin(w, cell);
	w->staged = 0;
	if (!committed || old == key)
		return;
	used_store(w->b, w->b->used + (uint32_t)(key != 0) - (uint32_t)(old != 0));
	if (key != 0 || w->grace == NULL)
		return;
	w->cooling[cell / 64] |= UINT64_C(1) << cell % 64;
	grace_defer(w->grace, cooled, w, cell);
}

static uint64_t
key_staged(const struct bridge_writer *w, const struct redo_writer *redo, uint32_t cell)
{
	return pinned(w, cell) ? redo_load(redo, key_of(w->b, cell), sizeof(uint64_t))
			       : *key_of(w->b, cell);
}

/*
 * Cell that holds the key, or will, or does until the batch is committed; NO_CELL. What the batch
 * makes of it is another question: key_staged().
 */
static uint32_t
cell_find_staged(const struct bridge_writer *w, const struct redo_writer *redo, uint64_t key)
{
	uint64_t h = hash(key);
	const uint32_t buckets[] = {first_bucket(h, w->b->n_buckets),
				    second_bucket(h, w->b->n_buckets)};
	uint32_t cell = cell_find(w->b, key);

	for (uint32_t i = 0; cell == NO_CELL && i < 2 * BRIDGE_CELLS; i++) {
		uint32_t c = buckets[i / BRIDGE_CELLS] * BRIDGE_CELLS + i % BRIDGE_CELLS;

		if (pinned(w, c) && key_staged(w, redo, c) == key)
			cell = c;
	}
	return cell;
}

/* 'key' 0: the cell is emptied, and its value left as it is. Value before key, as readers look. */
static int
cell_stage(struct bridge_writer *w, struct redo_writer *redo, uint32_t cell, uint64_t key,
	   uint64_t value, uint16_t owner)
{
	int rc = 0;

	pin(w, cell);
	if (w->owners != NULL && redo_load(redo, &w->owners[cell], sizeof(owner)) != owner)
		rc = redo_stage(redo, &w->owners[cell], sizeof(owner), owner, NULL, NULL);
	if (rc == 0 && key != 0)
		rc = redo_stage(redo, (void *)(uintptr_t)value_of(w->b, cell), sizeof(uint64_t),
				value, value_done, w);
	if (rc == 0 && key_staged(w, redo, cell) != key)
		rc = redo_stage(redo, (void *)(uintptr_t)key_of(w->b, cell), sizeof(uint64_t), key,
				key_done, w);
	if (rc < 0)
		unpin(w, cell); /* the batch is given up: whoever staged it */
	return rc;
}

/*
 * As make_room_in(), for entries that the batch itself brings: the one that would stand in 'cell'
 * will stand in its second bucket.
 */
static int
make_room_staged(struct bridge_writer *w, struct redo_writer *redo, uint32_t bucket, uint32_t *cell)
{
	struct bridge *b = w->b;

	for (uint32_t i = 0; i < BRIDGE_CELLS; i++) {
		uint32_t from = bucket * BRIDGE_CELLS + i, to;
		uint64_t key = key_staged(w, redo, from), h = hash(key);

		if (!pinned(w, from) || *key_of(b, from) != 0)
			continue;
		*cell = from;
		if (key == 0)
			return 0;
		if (first_bucket(h, b->n_buckets) != bucket)
			continue;
		to = cell_vacant(w, second_bucket(h, b->n_buckets));
		if (to != NO_CELL)
			return cell_stage(
			    w, redo, to, key, redo_load(redo, value_of(b, from), sizeof(uint64_t)),
			    w->owners != NULL
				? (uint16_t)redo_load(redo, &w->owners[from], sizeof(uint16_t))
				: 0);
	}
	return -ENOSPC;
}

static int
cell_take_staged(struct bridge_writer *w, struct redo_writer *redo, uint64_t key, uint32_t *cell)
{
	struct bridge *b = w->b;
	uint64_t h = hash(key);
	int rc;

	if ((int64_t)b->used + w->staged >= (int64_t)b->capacity) {
		b->refused++;
		return -ENOSPC;
	}
	rc = cell_take(w, h, cell);
	if (rc == -ENOSPC)
		rc = make_room_staged(w, redo, first_bucket(h, b->n_buckets), cell);
	if (rc == -ENOSPC)
		rc = make_room_staged(w, redo, second_bucket(h, b->n_buckets), cell);
	if (rc == -ENOSPC && redo_staged(redo) > 0)
		return -E2BIG;
	b->refused += rc == -ENOSPC;
	return rc;
}

int
bridge_stage_set(struct bridge_writer *w, struct redo_writer *redo, const struct bridge_key *key,
		 uint64_t value, uint16_t owner)
{
	uint64_t packed = key_pack(key);
	uint32_t cell;
	bool is_new;
	int rc = 0;

	if (key->vrf >= BRIDGE_VRFS_MAX)
		return -ERANGE;
	cell = cell_find_staged(w, redo, packed);
	is_new = cell == NO_CELL || key_staged(w, redo, cell) != packed;
	if (cell == NO_CELL)
		rc = cell_take_staged(w, redo, packed, &cell);
	if (rc == 0)
		rc = cell_stage(w, redo, cell, packed, value, owner);
	w->staged += rc == 0 && is_new;
	return rc;
}

int
bridge_stage_del(struct bridge_writer *w, struct redo_writer *redo, const struct bridge_key *key)
{
	uint64_t packed = key_pack(key);
	uint32_t cell = key->vrf < BRIDGE_VRFS_MAX ? cell_find_staged(w, redo, packed) : NO_CELL;
	int rc;

	if (cell == NO_CELL || key_staged(w, redo, cell) != packed)
		return -ENOENT;
	rc = cell_stage(w, redo, cell, 0, 0, 0);
	w->staged -= rc == 0;
	return rc;
}

uint64_t
bridge_cells(uint32_t entries)
{
	return (uint64_t)buckets_for(entries) * BRIDGE_CELLS;
}

void
bridge_writer_owners(struct bridge_writer *w, uint16_t *owners)
{
	w->owners = owners;
}

/* --- taking over from a writer --- */

/* An entry found in its second bucket too was being moved: takes the first away. */
static void
finish_move(struct bridge *b)
{
	uint64_t key;
	uint32_t from;

	if (b->moving == 0)
		return;
	from = (uint32_t)(b->moving - 1);
	key = *key_of(b, from);
	if (key != 0 && cell_in(b, second_bucket(hash(key), b->n_buckets), key) != NO_CELL)
		key_store(b, from, 0);
	moving_store(b, 0);
}

static uint32_t
count(const struct bridge *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n_buckets; i++)
		n += BRIDGE_CELLS - (uint32_t)__builtin_popcount(match(&b->bucket[i], 0));
	return n;
}

struct bridge_writer *
bridge_writer_create(struct bridge *b, struct grace *grace)
{
	size_t words = (cells(b) + 63) / 64;
	struct bridge_writer *w = calloc(1, sizeof(*w) + 2 * words * sizeof(uint64_t));

	if (w == NULL)
		return NULL;
	w->pinned = w->cooling + words;
	w->b = b;
	w->grace = grace;
	w->settled = grace == NULL;
	finish_move(b);
	used_store(b, count(b));
	if (grace != NULL && (!grace_room(grace) || grace_defer(grace, settled, w, 0) < 0)) {
		free(w);
		return NULL;
	}
	return w;
}

void
bridge_writer_destroy(struct bridge_writer *w)
{
	free(w);
}
