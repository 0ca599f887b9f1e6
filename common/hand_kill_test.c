/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kills two forwarding threads' processes at random (and, with FLAVOUR=fault, at every injected
 * point), repairs them as the primary does, and accounts for every mbuf. The children are forks on
 * EAL's shared memory; packets come from and go to net_null and net_ring ports and the mesh, some
 * are dropped, some copied, some are chains.
 *
 * HAND_KILLS=N sets the number of kills; VR_FAULT_LOG=FILE collects the points.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "common/audit.h"
#include "common/fault_point.h"
#include "common/handshake.h"
#include "common/test_eal.h"
#include "common/test_kills.h"

enum { SLOTS = TEST_SLOTS, BURST = 32, PORT_NULL = 0, PORT_RING = 1, QUEUE = 0 };

static struct handshake *hs;
static struct slots *slots;
/* Shared: moved by the children, so that a test that does nothing fails. */
static uint64_t *packets;

/* --- a forwarding loop with dice -------------------------------------------------------------- */

static struct hand_group *
group_for(struct hand *h, uint16_t port, int16_t ring)
{
	struct hand_group *g;

	for (uint32_t i = 0; i < h->n_groups; i++)
		if (h->groups[i].port == port && h->groups[i].ring == ring &&
		    h->groups[i].n < BURST_MAX)
			return &h->groups[i];
	if (h->n_groups == HAND_GROUPS_MAX)
		return NULL;
	g = &h->groups[h->n_groups++];
	*g = (struct hand_group){.port = port, .queue = QUEUE, .ring = ring};
	return g;
}

static struct rte_mbuf *
copy_one(struct hand *h)
{
	void *m;

	if (h->n_copies == HAND_COPIES_MAX || rte_mempool_get(hs->pools[0], &m) < 0)
		return NULL;
	FAULT_POINT("test-copy-popped");
	h->copies[h->n_copies] = m;
	__atomic_store_n(&h->n_copies, h->n_copies + 1, __ATOMIC_RELEASE);
	FAULT_POINT("test-copy-noted");
	rte_pktmbuf_reset(m);
	return m;
}

static void
leave(struct hand *h, uint32_t me, struct rte_mbuf *m)
{
	uint32_t to = any(8);
	struct hand_group *g = NULL;

	if (to < 3)
		g = group_for(h, PORT_NULL, -1);
	else if (to < 5 && me == 0) /* a ring port has one producer */
		g = group_for(h, PORT_RING, -1);
	else if (to < 7)
		g = group_for(h, 0, (int16_t)(1 - me));
	if (g == NULL)
		hand_drop(h, m);
	else
		g->m[g->n++] = m;
}

static void
process(struct hand *h, uint32_t me, struct rte_mbuf *m)
{
	struct rte_mbuf *extra;

	if (any(8) == 0) {
		extra = copy_one(h);
		if (extra != NULL)
			leave(h, me, extra);
	}
	if (any(8) == 0 && m->next == NULL) {
		extra = copy_one(h);
		if (extra != NULL) {
			m->next = extra;
			FAULT_POINT("test-chain-linked");
			m->nb_segs = 2;
		}
	}
	leave(h, me, m);
}

static void
transmit(struct hand *h, uint32_t me)
{
	hand_flatten(h);
	hand_tx(h);
	FAULT_POINT("test-tx");
	for (uint16_t i = 0; i < h->n_groups; i++) {
		struct hand_group *g = &h->groups[i];
		const struct port_run *r = &hs->port_run[g->port];
		struct rte_ring *ring =
		    g->ring >= 0 ? handshake_ring(hs, me, (uint32_t)g->ring) : r->tx_ring[QUEUE];
		uint16_t sent;

		if (ring != NULL)
			h->ring_tail = ring->prod.tail;
		hand_tx_inside(h, i, g->ring >= 0 ? PORT_HOLD_RING : (uint8_t)r->hold);
		FAULT_POINT("test-tx-inside");
		if (g->ring >= 0)
			sent = (uint16_t)rte_ring_sp_enqueue_burst(ring, (void **)g->m, g->n, NULL);
		else
			sent = rte_eth_tx_burst((uint16_t)r->eth_port, QUEUE, g->m, g->n);
		FAULT_POINT("test-tx-returned");
		for (; sent < g->n; sent++)
			hand_drop(h, g->m[sent]);
		hand_tx_done(h, i);
		FAULT_POINT("test-tx-done");
		pool_trim_thread(hs->pools[0]);
	}
}

static void
burst(struct hand *h, uint32_t me, uint16_t n)
{
	if (n == 0)
		return;
	__atomic_fetch_add(packets, n, __ATOMIC_RELAXED);
	hand_run(h, n);
	FAULT_POINT("test-run");
	for (uint16_t i = 0; i < n; i++)
		process(h, me, h->rx[i]);
	transmit(h, me);
	hand_finish(h, n);
}

static void
poll_port(struct hand *h, uint32_t me, uint16_t port)
{
	const struct port_run *r = &hs->port_run[port];
	uint16_t n;

	if (r->rx_ring[QUEUE] != NULL)
		h->ring_tail = r->rx_ring[QUEUE]->cons.tail;
	hand_rx(h, port, QUEUE, (uint8_t)r->hold);
	FAULT_POINT("test-rx");
	n = rte_eth_rx_burst((uint16_t)r->eth_port, QUEUE, h->rx, BURST);
	FAULT_POINT("test-rx-returned");
	burst(h, me, n);
}

static void
poll_mesh(struct hand *h, uint32_t me)
{
	struct rte_ring *r = handshake_ring(hs, 1 - me, me);
	uint16_t n;

	hand_ring_in(h, (uint16_t)(1 - me), r->cons.tail);
	n = (uint16_t)rte_ring_sc_dequeue_burst(r, (void **)h->rx, BURST, NULL);
	FAULT_POINT("test-ring-returned");
	burst(h, me, n);
}

static void
slot_child(uint32_t me)
{
	struct hand *h = &hs->hands[me];

	pool_thread_hand((uint16_t)me, &h->epoch);
	test_arm("*:200");
	for (;;) {
		if (me == 0)
			poll_port(h, me, PORT_NULL);
		if (me == 1)
			poll_port(h, me, PORT_RING);
		poll_mesh(h, me);
	}
}

/* --- the primary's part ----------------------------------------------------------------------- */

static pid_t
start(uint32_t me)
{
	pid_t pid = test_fork();

	if (pid == 0)
		slot_child(me);
	return pid;
}

static void
check_all_accounted(uint32_t round)
{
	struct audit_result a[POOLS_MAX];

	assert_int_equal(audit_run(hs, slots, NULL, a), 1);
	if (a[0].unaccounted != 0 || a[0].twice != 0)
		fprintf(stderr, "round %u: %u unaccounted, %u twice\n", round, a[0].unaccounted,
			a[0].twice);
	assert_int_equal(a[0].unaccounted, 0);
	assert_int_equal(a[0].twice, 0);
	assert_int_equal(a[0].size,
			 a[0].free + a[0].magazines + a[0].hands + a[0].rings + a[0].quarantined);
	assert_int_equal(pool_of(hs->pools[0])->double_frees, 0);
}

struct tally {
	uint32_t places[HAND_PLACES], freed, fixed;
};

static void
repair(uint32_t slot, struct tally *t)
{
	struct hand_repair r;

	hand_repair(hs, slot, &r);
	t->places[r.place]++;
	t->freed += r.freed;
	t->fixed += r.ring_fixed;
	assert_int_equal(r.already_free, 0);
	assert_int_equal(r.quarantined, 0);
}

/* So that the audit is exact. True when it was not there any more: it died just then, too. */
static bool
stop_or_reap(pid_t pid)
{
	int status = 0;

	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	return !WIFSTOPPED(status);
}

static void
killed_slots_leave_every_mbuf_accounted_for(void **state)
{
	uint32_t kills = (uint32_t)test_number("HAND_KILLS", 300, 100), idle_rounds = 0;
	struct tally t = {0};
	pid_t pids[SLOTS];
	uint64_t last = 0;

	(void)state;
	for (uint32_t s = 0; s < SLOTS; s++)
		pids[s] = start(s);
	for (uint32_t k = 0; k < kills; k++) {
		uint32_t victim = test_one_dies(pids, SLOTS, 3000), other = 1 - victim;
		bool both = stop_or_reap(pids[other]);

		repair(victim, &t);
		if (both)
			repair(other, &t);
		check_all_accounted(k);
		idle_rounds += *packets == last;
		last = *packets;
		pids[victim] = start(victim);
		if (both)
			pids[other] = start(other);
		else
			kill(pids[other], SIGCONT);
	}
	for (uint32_t s = 0; s < SLOTS; s++)
		test_kill(pids[s]);
	assert_true(*packets > 0);
	assert_true(idle_rounds < kills / 2 + 1);
	printf("%u kills, %lu packets, %u mbufs freed, %u rings put right; dead in "
	       "empty %u rx %u ring-in %u run %u tx %u tx-inside %u free %u\n",
	       kills, (unsigned long)*packets, t.freed, t.fixed, t.places[HAND_EMPTY],
	       t.places[HAND_RX], t.places[HAND_RING_IN], t.places[HAND_RUN], t.places[HAND_TX],
	       t.places[HAND_TX_INSIDE], t.places[HAND_FREE]);
}

static void
port_start(uint16_t port, uint32_t hold)
{
	struct rte_eth_conf ec = {0};
	struct port_run *r = &hs->port_run[port];

	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &ec), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL, hs->pools[0]),
			 0);
	assert_int_equal(rte_eth_tx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	r->eth_port = port;
	r->hold = hold;
	r->n_rxq = r->n_txq = 1;
}

static int
setup(void **state)
{
	int rc = test_eal_start("--vdev=net_null0", "--vdev=net_ring0", &hs);

	(void)state;
	if (rc < 0)
		return rc;
	port_start(PORT_NULL, PORT_HOLD_NONE);
	port_start(PORT_RING, PORT_HOLD_RING);
	hs->port_run[PORT_RING].rx_ring[0] = hs->port_run[PORT_RING].tx_ring[0] =
	    rte_ring_lookup("ETH_RXTX0_net_ring0");
	assert_non_null(hs->port_run[PORT_RING].rx_ring[0]);
	slots = test_shared(sizeof(*slots));
	packets = test_shared(sizeof(*packets));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_slots_leave_every_mbuf_accounted_for),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
