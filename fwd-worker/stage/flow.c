/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow: what was decided about the packet's flow, or is decided now, by the local policy: the rules
 * of the vif it came in by and of the vif it leaves by. A flow is made of two directions; what may
 * begin in one is answered in the other. Each direction belongs to the slot that saw it first;
 * packets that come to another slot are handed over, so clock, counters and TCP flags have one
 * writer. A slot's thread.
 *
 * Uses nexthop, after, head, len, segments; sets flowed. To where the nexthop stage would have sent
 * it.
 */
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ether.h>

#include "common/fault_point.h"
#include "common/rules.h"
#include "fwd-worker/handoff.h"
#include "fwd-worker/parse.h"
#include "fwd-worker/stage.h"

/* Flags of a TCP header that are kept. */
enum { TCP_KEPT = FLOW_TCP_FIN | FLOW_TCP_SYN | FLOW_TCP_RST | FLOW_TCP_ACK };

/* The packets of a burst that have flows. */
struct lookup {
	uint8_t i[BURST_MAX];   /* in the burst */
	uint8_t tcp[BURST_MAX]; /* TCP_KEPT of the packet */
	uint64_t errors;        /* bit k: an ICMP error, which begins no flow */
	struct flow_query q;
	struct flow_entry *found[BURST_MAX];
};

/* What all packets of a burst share. */
struct now {
	uint64_t tsc;
	uint32_t clock;
	uint32_t revision;
	const struct vif *in_vif;
	const struct nexthop *last; /* the last packet's, and by which its flow is known */
	uint32_t last_known_by;
};

/* --- keys --- */

static const struct vif *
out_vif_of(const struct worker *w, const struct nexthop *nh)
{
	return nh->type == NEXTHOP_ENCAP ? vif_lookup(w->vifs, nh->encap.vif) : NULL;
}

/*
 * A guest's flows are known by the nexthop that leads to the guest, in both directions: what comes
 * from the underlay, by the nexthop it goes to.
 */
static uint32_t
known_by(const struct worker *w, const struct now *now, const struct nexthop *nh)
{
	const struct vif *out;

	if (now->in_vif->type != VIF_PHYSICAL)
		return now->in_vif->nexthop;
	out = out_vif_of(w, nh);
	return out != NULL ? out->nexthop : nh->id;
}

static inline uint32_t
key_nexthop(const struct worker *w, struct now *now, const struct nexthop *nh)
{
	if (__builtin_expect(nh != now->last, 0)) {
		now->last = nh;
		now->last_known_by = known_by(w, now, nh);
	}
	return now->last_known_by;
}

/* Of what comes back: from the vif it went to, or from the underlay to where this came from. */
static uint32_t
reverse_nexthop(const struct vif *out, uint32_t nexthop)
{
	return out != NULL && out->type != VIF_PHYSICAL && out->nexthop != NEXTHOP_NONE
		   ? out->nexthop
		   : nexthop;
}

static int
version_of(const uint8_t *head)
{
	uint16_t type_be;

	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return PARSE_IPV4;
	return type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? PARSE_IPV6 : 0;
}

static inline int
version_at(const struct burst *b, uint32_t i)
{
	if ((b->inet >> i & 1) != 0)
		return PARSE_IPV4;
	if ((b->inet6 >> i & 1) != 0)
		return PARSE_IPV6;
	return (b->head[i][0] & 1) != 0 ? 0 : version_of(b->head[i]);
}

static inline uint32_t
bytes_at(const struct burst *b, uint32_t i, bool chained)
{
	int64_t bytes;

	if (__builtin_expect(!chained, 1))
		bytes = b->len[i];
	else
		bytes = rte_pktmbuf_mtod(b->m[i], uint8_t *) + b->m[i]->data_len - b->head[i];
	return bytes < RTE_ETHER_HDR_LEN ? 0 : (uint32_t)(bytes - RTE_ETHER_HDR_LEN);
}

/* --- decisions --- */

static bool
vif_asks(const struct worker *w, uint32_t id)
{
	const struct vif *vif = vif_lookup(w->vifs, id);

	return vif != NULL && (vif->flags & VIF_FLAG_POLICY) != 0;
}

/* Whether rules let a flow with this key begin, from one vif to another. */
static bool
may_begin(const struct worker *w, const struct flow_key *key, uint32_t from, uint32_t to)
{
	return (!vif_asks(w, from) || rules_allow(w->rules, from, RULE_INGRESS, key)) &&
	       (!vif_asks(w, to) || rules_allow(w->rules, to, RULE_EGRESS, key));
}

/* A fragment goes by without ports only if there is no rule it could break. */
static bool
asks_nothing(const struct worker *w, uint32_t vif)
{
	uint32_t n = 0;

	if (vif_asks(w, vif))
		rules_of(w->rules, vif, &n);
	return n == 0;
}

static bool
action_swap(struct flow_entry *e, union flow_action *seen, union flow_action wanted)
{
	return __atomic_compare_exchange_n(&e->action, &seen->word, wanted.word, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Its own rules allow this direction now: what comes back must not stay denied. */
static void
unbar(struct flow_entry *other)
{
	union flow_action seen = flow_action_load(other), wanted;

	while (seen.verdict == FLOW_DROP) {
		wanted = seen;
		wanted.verdict = FLOW_UNDECIDED;
		if (action_swap(other, &seen, wanted))
			return;
	}
}

/*
 * Decides on a direction for the first time, or anew: it is allowed if the other has begun the flow
 * and still may, else by its own rules.
 */
static __attribute__((noinline)) union flow_action
decide(struct worker *w, struct flow_entry *e, uint32_t revision)
{
	uint32_t entry = flow_number(w->flows, e);
	struct flow_entry *other = flow_entry(w->flows, entry ^ 1);
	struct flow_key key = flow_key_of(w->flows, entry);
	struct flow_key other_key = flow_key_of(w->flows, entry ^ 1);
	uint16_t vif = flow_seen_load(e).vif, other_vif = flow_seen_load(other).vif;
	union flow_action seen = flow_action_load(e), wanted;

	flow_slot(w->flows, w->slot_index)->evaluated++;
	do {
		bool answers =
		    flow_action_load(other).begins != 0 && may_begin(w, &other_key, other_vif, vif);

		wanted = seen;
		wanted.revision = revision;
		if (!answers)
			wanted.begins = may_begin(w, &key, vif, other_vif);
		wanted.verdict = answers || wanted.begins != 0 ? FLOW_FORWARD : FLOW_DROP;
	} while (!action_swap(e, &seen, wanted));
	FAULT_POINT("flow decided");
	if (wanted.verdict == FLOW_FORWARD)
		unbar(other);
	return wanted;
}

/* --- packets --- */

static inline void
count(struct flow_entry *e, union flow_seen seen, uint32_t bytes, uint8_t tcp,
      const struct now *now)
{
	union flow_seen next = seen;

	e->packets++;
	e->bytes += bytes;
	next.clock = now->clock;
	next.tcp |= tcp;
	/* a port that is used again */
	if (__builtin_expect((tcp & (FLOW_TCP_SYN | FLOW_TCP_ACK)) == FLOW_TCP_SYN &&
				 (next.tcp & (FLOW_TCP_FIN | FLOW_TCP_RST)) != 0,
			     0))
		next.tcp = FLOW_TCP_SYN;
	if (next.word != seen.word)
		__atomic_store_n(&e->seen, next.word, __ATOMIC_RELAXED);
}

static inline struct verdict
flow_hit(struct worker *w, struct burst *b, uint32_t i, struct flow_entry *e, uint8_t tcp,
	 const struct now *now)
{
	union flow_seen seen = flow_seen_load(e);
	union flow_action action;

	if (__builtin_expect(seen.owner != w->slot_index + 1, 0)) {
		uint32_t owner = flow_own(e, w->slot_index);

		if (owner != w->slot_index) {
			flow_slot(w->flows, w->slot_index)->handed++;
			return handoff_give(w, b, i, owner, STAGE_NEXTHOP);
		}
		seen = flow_seen_load(e);
	}
	action = flow_action_load(e);
	if (__builtin_expect(action.revision != now->revision || action.verdict == FLOW_UNDECIDED,
			     0))
		action = decide(w, e, now->revision);
	count(e, seen, b->len[i], tcp, now);
	return action.verdict == FLOW_FORWARD ? b->after[i] : DROP(FLOW_DENIED);
}

static uint32_t
seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t); /* in the vDSO: no system call */
	return (uint32_t)t.tv_sec;
}

static bool
refuses_new(const struct vif *vif)
{
	return vif != NULL && (vif->flags & VIF_FLAG_DROP_NEW_FLOWS) != 0;
}

/* The key of what comes back. */
static struct flow_key
reverse_of(const struct flow_key *key, const struct vif *out)
{
	struct flow_key reverse;

	parse_reverse(key, &reverse);
	reverse.nexthop_protocol =
	    reverse_nexthop(out, flow_key_nexthop(key)) << 8 | flow_key_protocol(key);
	return reverse;
}

/* A burst's new flows wait for memory together. */
static __attribute__((noinline)) void
misses_prefetch(const struct worker *w, const struct burst *b, const struct lookup *l,
		uint64_t missing)
{
	for (uint32_t ahead = 0; missing != 0; missing &= missing - 1, ahead++) {
		uint32_t k = (uint32_t)__builtin_ctzll(missing);
		struct flow_key key[2] = {flow_query_key(&l->q, k)};

		key[1] = reverse_of(&key[0], out_vif_of(w, b->nexthop[l->i[k]]));
		flow_insert_prefetch(w->flows, w->slot_index, key, ahead);
	}
}

static __attribute__((noinline)) struct verdict
flow_miss(struct worker *w, struct burst *b, const struct lookup *l, uint32_t k,
	  const struct now *now)
{
	const struct flow_key key = flow_query_key(&l->q, k);
	uint32_t i = l->i[k];
	const struct vif *out = out_vif_of(w, b->nexthop[i]);
	uint32_t in_id = now->in_vif->id, out_id = out != NULL ? out->id : (uint32_t)FLOW_VIF_NONE;
	bool allowed = may_begin(w, &key, in_id, out_id);
	struct flow_new n;
	uint32_t entry;
	int rc;

	if (NEXTHOP_HAS(b->nexthop[i], RELAXED_POLICY) || NEXTHOP_HAS(b->nexthop[i], FLOW_LOOKUP))
		return b->after[i];
	if (refuses_new(now->in_vif) || refuses_new(out))
		return DROP(NEW_FLOWS);
	if ((l->errors >> k & 1) != 0)
		return allowed ? b->after[i] : DROP(FLOW_DENIED);
	n = (struct flow_new){
	    .key[0] = key,
	    .action = {{.verdict = allowed ? FLOW_FORWARD : FLOW_DROP,
			.begins = allowed,
			.revision = now->revision},
		       {.verdict = allowed ? FLOW_FORWARD : FLOW_UNDECIDED,
			.revision = now->revision}},
	    .vif = {(uint16_t)in_id, (uint16_t)out_id},
	    .clock = now->clock,
	    .created_s = seconds_now(),
	};
	n.key[1] = reverse_of(&key, out);
	rc = flow_insert(w->flows, w->slot_index, &n, now->tsc, &entry);
	if (rc == -ENOSPC)
		return DROP(FLOW_TABLE_FULL);
	if (entry != FLOW_NONE)
		return flow_hit(w, b, i, flow_entry(w->flows, entry), l->tcp[k], now);
	/* Another slot is just making it: this packet goes by what we would have decided. */
	return allowed ? b->after[i] : DROP(FLOW_DENIED);
}

/* What happens to a packet that makes no flow. */
static struct verdict
flowless(const struct worker *w, const struct burst *b, uint32_t i, enum parse_kind kind,
	 const struct now *now)
{
	const struct vif *out;

	if (kind == PARSE_NONE)
		return b->after[i];
	if (kind == PARSE_BAD)
		return DROP(BAD_L4_HEADER);
	out = out_vif_of(w, b->nexthop[i]);
	return asks_nothing(w, now->in_vif->id) && asks_nothing(w, out != NULL ? out->id : VIF_NONE)
		   ? b->after[i]
		   : DROP(FRAGMENT);
}

/* False: its verdict is said. */
static __attribute__((noinline)) bool
look_closely(const struct worker *w, struct burst *b, uint32_t i, const struct now *now,
	     uint32_t nexthop, struct lookup *l)
{
	int64_t head = b->head[i] - rte_pktmbuf_mtod(b->m[i], uint8_t *);
	struct parsed p = {.kind = PARSE_NONE};
	int version = version_at(b, i);

	if (version != 0)
		parse_packet(b->m[i], (uint32_t)(head + RTE_ETHER_HDR_LEN), version, &p);
	if (p.kind != PARSE_FLOW && p.kind != PARSE_ERROR) {
		b->verdict[i] = flowless(w, b, i, (enum parse_kind)p.kind, now);
		return false;
	}
	if (nexthop == NEXTHOP_NONE) {
		b->verdict[i] = DROP(FLOW_WITHOUT_NEXTHOP);
		return false;
	}
	p.key.nexthop_protocol |= nexthop << 8;
	l->tcp[l->q.n] = p.tcp & TCP_KEPT;
	l->errors |= (uint64_t)(p.kind == PARSE_ERROR) << l->q.n;
	flow_query_add(w->flows, &l->q, &p.key);
	return true;
}

/* Sorts out who has a flow; the others' verdicts are said. */
static inline void
keys_of(struct worker *w, struct burst *b, const struct vec *v, struct now *now, struct lookup *l)
{
	bool chained = b->segments != b->n;
	uint32_t n = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k], nexthop = key_nexthop(w, now, b->nexthop[i]);

		l->i[n] = (uint8_t)i;
		if (__builtin_expect(nexthop != NEXTHOP_NONE && version_at(b, i) == PARSE_IPV4 &&
					 parse_plain(b->head[i] + RTE_ETHER_HDR_LEN,
						     bytes_at(b, i, chained), &l->q.tag[n],
						     &l->tcp[n]),
				     1)) {
			l->q.tag[n].rest |= (uint64_t)nexthop << 40;
			l->tcp[n++] &= TCP_KEPT;
			continue;
		}
		l->q.n = n;
		n += look_closely(w, b, i, now, nexthop, l);
	}
	l->q.n = n;
}

/* What becomes of each packet; true when it is the same for all. */
static inline bool
judge(struct worker *w, struct burst *b, const struct lookup *l, const struct now *now)
{
	uint8_t differ = 0;

	for (uint32_t k = 0; k < l->q.n; k++) {
		uint32_t i = l->i[k];

		b->verdict[i] = __builtin_expect(l->found[k] != NULL, 1)
				    ? flow_hit(w, b, i, l->found[k], l->tcp[k], now)
				    : flow_miss(w, b, l, k, now);
		differ |= b->verdict[i].code ^ b->verdict[l->i[0]].code;
	}
	return differ == 0;
}

void
stage_flow(struct worker *w, struct burst *b, const struct vec *v)
{
	struct now now = {.tsc = rte_rdtsc(),
			  .revision = rules_revision(w->rules),
			  .in_vif = vif_lookup(w->vifs, b->in_vif)};
	struct lookup l;
	uint64_t missing;

	now.clock = flow_clock(now.tsc);
	for (uint32_t k = 0; k < v->n; k++)
		b->flowed |= UINT64_C(1) << v->i[k];
	if (__builtin_expect(now.in_vif == NULL, 0)) {
		b->common = DROP(PORT_WITHOUT_VIF);
		return;
	}
	l.errors = 0;
	l.q.inet6 = 0;
	keys_of(w, b, v, &now, &l);
	missing = flow_lookup_burst(w->flows, &l.q, l.found);
	if (__builtin_expect((missing & (missing - 1)) != 0, 0))
		misses_prefetch(w, b, &l, missing);
	if (judge(w, b, &l, &now) && l.q.n == v->n)
		b->common = b->verdict[v->i[0]];
}
