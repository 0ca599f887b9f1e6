/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests without virtual machines (vhost_front.h), for system tests. Runs until SIGTERM or SIGINT,
 * then prints what it saw as one JSON object.
 *
 *   vhost-guests storm SEED SOCKET...   each guest connects, goes some random way towards running
 *                                       queues, perhaps sends and receives, and is gone again
 *   vhost-guests flood N TO SOCKET      guest N sends to guest TO as fast as it can, reads nothing,
 *                                       and connects again when the agent dies
 *   vhost-guests pair US SOCKET SOCKET [FIRST [LENGTH]]
 *                                       guest FIRST (1) sends a numbered frame of LENGTH bytes (60)
 *                                       to the next every US microseconds; both reconnect when the
 *                                       agent dies, and when the first frame has arrived after that
 *                                       a line says so: back_ns, by the monotonic clock
 *   vhost-guests lie N SOCKET [LIE]     tells each lie (vhost_lies.def), or one of them, N times
 *   vhost-guests attack HOW SOCKET      keeps the agent from serving others (vhost_liar.h), again
 *                                       and again
 *
 * A socket is s:PATH where the guest listens, c:PATH where the agent does; s2:PATH has 2 queue
 * pairs and takes every feature that is offered. Guest N, from 1, has the MAC 02:00:00:00:00:N. One
 * thread for each guest of a storm; pair has one for both.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/vhost_front.h"
#include "tests/lib/vhost_liar.h"

enum {
	GUESTS_MAX = 64,
	CONNECT_MS = 300,
	FRAME_MIN = 60,
	ETHERNET = 14,
	BATCH = 32,
	ETHERTYPE = 0x88b5, /* for experiments */
	PAIR_RING = 256,
	SETTLE_MS = 50, /* the agent may not have read our last message yet */
	ATTACK_MS = 2000,
	LATE_MS = 500, /* at the end, for what is on its way */
};

struct frame {
	uint8_t to[6], from[6];
	uint8_t type[2];
	uint64_t number;
	uint64_t sent_ns;
} __attribute__((packed));

static volatile sig_atomic_t over;

static void
on_signal(int number)
{
	(void)number;
	over = 1;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct vhost_front_config
socket_parse(const char *text)
{
	struct vhost_front_config c = {.server = text[0] == 's', .pairs = 1};
	const char *colon = strchr(text, ':');

	if (text[0] != '\0' && text[1] != ':') {
		c.pairs = (uint32_t)atoi(text + 1);
		c.features = ~UINT64_C(0);
	}
	c.path = colon + 1;
	if ((text[0] != 's' && text[0] != 'c') || colon == NULL || c.pairs == 0) {
		fprintf(stderr, "vhost-guests: %s is neither s[PAIRS]:PATH nor c[PAIRS]:PATH\n",
			text);
		exit(EXIT_FAILURE);
	}
	return c;
}

/* --- lies ------------------------------------------------------------------------------------- */

/*
 * One of each in turn, until all have been told n times. A connection is refused now and then while
 * the agent closes the last one: then again. Prints how often each was told, and how often again.
 */
static int
lie(unsigned int n, char **sockets, const char *only)
{
	struct vhost_front_config c = socket_parse(sockets[0]);
	unsigned int told[LIES] = {0}, again = 0;

	for (unsigned int i = 0; i < n && !over; i++)
		for (enum lie l = 0; l < LIES && !over; l++) {
			if (only != NULL && strcmp(only, vhost_lie_name(l)) != 0)
				continue;
			while (!over && !vhost_lie_tell(&c, l, i))
				again++;
			told[l] += !over;
		}
	printf("{\"again\":%u", again);
	for (enum lie l = 0; l < LIES; l++)
		printf(",\"%s\":%u", vhost_lie_name(l), told[l]);
	printf("}\n");
	return EXIT_SUCCESS;
}

/* Again and again, until it is told to stop. */
static int
attack(const char *name, char **sockets)
{
	static const char *const names[VHOST_ATTACKS] = {"call", "receive", "linger", "answers"};
	struct vhost_front_config c = socket_parse(sockets[0]);
	enum vhost_attack a = 0;
	unsigned int times = 0;

	while (a < VHOST_ATTACKS && strcmp(names[a], name) != 0)
		a++;
	if (a == VHOST_ATTACKS) {
		fprintf(stderr, "vhost-guests: no attack is named %s\n", name);
		return EXIT_FAILURE;
	}
	while (!over)
		if (vhost_attack(&c, a, ATTACK_MS) == 0)
			times++;
		else
			usleep(10000);
	printf("{\"attacks\":%u}\n", times);
	return EXIT_SUCCESS;
}

static void
frame_fill(struct frame *f, unsigned int from, unsigned int to, uint64_t number)
{
	memset(f, 0, sizeof(*f));
	f->to[0] = f->from[0] = 2;
	f->to[5] = (uint8_t)to;
	f->from[5] = (uint8_t)from;
	f->type[0] = ETHERTYPE >> 8;
	f->type[1] = ETHERTYPE & 0xff;
	f->number = number;
	f->sent_ns = now_ns();
}

/* --- storm ------------------------------------------------------------------------------------ */

struct storm_guest {
	struct vhost_front_config config;
	unsigned int number, n_guests;
	unsigned int seed;
	pthread_t thread;
	uint64_t connections, runs, resets, sent, received;
};

static unsigned int
dice(struct storm_guest *g, unsigned int sides)
{
	return (unsigned int)rand_r(&g->seed) % sides;
}

static void
storm_traffic(struct storm_guest *g, struct vhost_front *f)
{
	static const struct virtio_net_hdr wish = {
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
	uint8_t bytes[VHOST_FRONT_FRAME_MAX] = {0};
	uint64_t until = now_ns() + (uint64_t)dice(g, 30) * 1000000;

	while (now_ns() < until && !over) {
		for (unsigned int i = 0; i < BATCH; i++) {
			size_t len = FRAME_MIN + dice(g, 1400);

			frame_fill((struct frame *)bytes, g->number, 1 + dice(g, g->n_guests), i);
			g->sent += vhost_front_send(f, dice(g, g->config.pairs), bytes, len,
						    dice(g, 8) == 0 ? &wish : NULL) == 0;
		}
		for (uint32_t pair = 0; pair < g->config.pairs; pair++)
			while (vhost_front_receive(f, pair, bytes, sizeof(bytes), NULL) > 0)
				g->received++;
		usleep(dice(g, 200));
	}
}

/* One connection: most go all the way, the others end at some message. */
static void
storm_visit(struct storm_guest *g, struct vhost_front *f)
{
	uint32_t steps = vhost_front_steps(f);
	int rc = 1;

	if (vhost_front_connect(f, CONNECT_MS) < 0)
		return;
	g->connections++;
	if (dice(g, 10) < 4)
		steps = dice(g, steps);
	for (; steps > 0 && rc > 0; steps--)
		rc = vhost_front_step(f);
	if (rc == 0) {
		g->runs++;
		storm_traffic(g, f);
		if (dice(g, 4) == 0 && vhost_front_stop(f) == 0 && vhost_front_start(f) == 0) {
			g->resets++;
			storm_traffic(g, f);
		}
	}
	vhost_front_disconnect(f);
}

static void *
storm_main(void *arg)
{
	struct storm_guest *g = arg;

	while (!over) {
		struct vhost_front *f;

		g->config.pairs = 1 + dice(g, 2);
		g->config.ring_size = 64u << dice(g, 4);
		g->config.features = dice(g, 2) == 0 ? 0 : ~UINT64_C(0);
		if (vhost_front_create(&g->config, &f) < 0) {
			usleep(1000);
			continue;
		}
		for (unsigned int visits = 1 + dice(g, 8); visits > 0 && !over; visits--)
			storm_visit(g, f);
		vhost_front_destroy(f);
	}
	return NULL;
}

static int
storm(unsigned int seed, char **sockets, unsigned int n)
{
	static struct storm_guest guests[GUESTS_MAX], sum;

	for (unsigned int i = 0; i < n; i++) {
		guests[i].config = socket_parse(sockets[i]);
		guests[i].number = i + 1;
		guests[i].n_guests = n;
		guests[i].seed = seed * 1000 + i;
		if (pthread_create(&guests[i].thread, NULL, storm_main, &guests[i]) != 0)
			return EXIT_FAILURE;
	}
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(guests[i].thread, NULL);
		sum.connections += guests[i].connections;
		sum.runs += guests[i].runs;
		sum.resets += guests[i].resets;
		sum.sent += guests[i].sent;
		sum.received += guests[i].received;
	}
	printf("{\"connections\":%" PRIu64 ",\"runs\":%" PRIu64 ",\"resets\":%" PRIu64
	       ",\"sent\":%" PRIu64 ",\"received\":%" PRIu64 "}\n",
	       sum.connections, sum.runs, sum.resets, sum.sent, sum.received);
	return EXIT_SUCCESS;
}

/* --- pair ------------------------------------------------------------------------------------- */

struct pair {
	uint32_t pairs;     /* it sends on the last and receives on all, so that order is kept */
	unsigned int first; /* MAC's last byte of who sends; the next one receives */
	struct vhost_front *guest[2];
	uint64_t connections;
	size_t length;
	uint64_t sent, received, lost, doubled, refused, wrong;
	uint64_t expected; /* number of the next frame */
	uint64_t last_ns;  /* when one arrived, 0: none yet */
	uint64_t gap_ns;   /* longest time without a frame */
	uint64_t delay_ns; /* longest time on the way */
	bool returning;    /* connected again, and no frame has arrived since */
};

static void
pair_connect(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		if (vhost_front_connected(p->guest[i]) || vhost_front_connect(p->guest[i], 1) < 0)
			continue;
		if (vhost_front_start(p->guest[i]) < 0)
			vhost_front_disconnect(p->guest[i]);
		else
			p->returning = ++p->connections > 2;
	}
}

/* When frames arrive again, by the monotonic clock. */
static void
pair_returned(struct pair *p, uint64_t now)
{
	if (!p->returning)
		return;
	p->returning = false;
	printf("{\"back_ns\":%" PRIu64 "}\n", now);
	fflush(stdout);
}

/* What follows the frame's number differs from byte to byte and from frame to frame. */
static void
pattern_fill(uint8_t *bytes, size_t len, uint64_t number)
{
	for (size_t i = sizeof(struct frame); i < len; i++)
		bytes[i] = (uint8_t)(number + i + i / 256);
}

static bool
is_pattern(const uint8_t *bytes, size_t len, uint64_t number)
{
	for (size_t i = sizeof(struct frame); i < len; i++)
		if (bytes[i] != (uint8_t)(number + i + i / 256))
			return false;
	return true;
}

static void
pair_receive_on(struct pair *p, uint32_t queue)
{
	uint8_t bytes[VHOST_FRONT_FRAME_MAX] = {0};
	const struct frame *f = (const struct frame *)bytes;
	size_t len;

	while ((len = vhost_front_receive(p->guest[1], queue, bytes, sizeof(bytes), NULL)) >=
	       sizeof(*f)) {
		uint64_t now = now_ns();

		if (f->type[0] != ETHERTYPE >> 8 || f->type[1] != (ETHERTYPE & 0xff))
			continue;
		if (f->number < p->expected) {
			p->doubled++;
			continue;
		}
		p->wrong += len != p->length || !is_pattern(bytes, len, f->number);
		p->lost += f->number - p->expected;
		p->expected = f->number + 1;
		p->received++;
		pair_returned(p, now);
		if (p->last_ns != 0 && now - p->last_ns > p->gap_ns)
			p->gap_ns = now - p->last_ns;
		p->last_ns = now;
		if (now - f->sent_ns > p->delay_ns)
			p->delay_ns = now - f->sent_ns;
	}
}

static void
pair_receive(struct pair *p)
{
	for (uint32_t i = 0; i < p->pairs; i++)
		pair_receive_on(p, i);
}

/* A frame that the queue does not take is not sent: the next one gets its number. */
static void
pair_send(struct pair *p)
{
	uint8_t bytes[VHOST_FRONT_FRAME_MAX];

	frame_fill((struct frame *)bytes, p->first, p->first + 1, p->sent);
	pattern_fill(bytes, p->length, p->sent);
	if (vhost_front_send(p->guest[0], p->pairs - 1, bytes, p->length, NULL) == 0)
		p->sent++;
	else
		p->refused++;
}

static int
pair(uint64_t interval_ns, char **sockets, unsigned int first, size_t length)
{
	static struct pair p;
	uint64_t due, end;

	p.first = first;
	p.length = length;
	for (int i = 0; i < 2; i++) {
		struct vhost_front_config c = socket_parse(sockets[i]);

		c.ring_size = PAIR_RING;
		c.mtu = length > FRAME_MIN ? (uint16_t)(length - ETHERNET) : 0;
		p.pairs = c.pairs;
		if (vhost_front_create(&c, &p.guest[i]) < 0)
			return EXIT_FAILURE;
	}
	while (!over && p.connections < 2)
		pair_connect(&p);
	printf("{\"ready\":true}\n");
	fflush(stdout);
	usleep(SETTLE_MS * 1000);
	for (due = now_ns(); !over;) {
		pair_connect(&p);
		/* Late is late: frames that were due meanwhile would come as a flood. */
		if (due <= now_ns()) {
			pair_send(&p);
			due = now_ns() + interval_ns;
		}
		pair_receive(&p);
		usleep(20);
	}
	for (end = now_ns() + LATE_MS * UINT64_C(1000000); now_ns() < end; usleep(100))
		pair_receive(&p);
	vhost_front_destroy(p.guest[0]);
	vhost_front_destroy(p.guest[1]);
	printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"doubled\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"wrong\":%" PRIu64
	       ",\"gap_ms\":%.1f,\"delay_ms\":%.1f"
	       ",\"connections\":%" PRIu64 "}\n",
	       p.sent, p.received, p.lost + (p.sent - p.expected), p.doubled, p.refused, p.wrong,
	       (double)p.gap_ns / 1e6, (double)p.delay_ns / 1e6, p.connections);
	return EXIT_SUCCESS;
}

/* --- flood ------------------------------------------------------------------------------------ */

static int
flood(unsigned int number, unsigned int to, const char *socket)
{
	struct vhost_front_config c = socket_parse(socket);
	uint8_t bytes[FRAME_MIN] = {0};
	struct vhost_front *f;
	uint64_t sent = 0;

	c.ring_size = PAIR_RING;
	if (vhost_front_create(&c, &f) < 0)
		return EXIT_FAILURE;
	while (!over) {
		if (!vhost_front_connected(f) &&
		    (vhost_front_connect(f, CONNECT_MS) < 0 || vhost_front_start(f) < 0)) {
			vhost_front_disconnect(f);
			continue;
		}
		frame_fill((struct frame *)bytes, number, to, sent);
		for (int i = 0;
		     i < BATCH && vhost_front_send(f, 0, bytes, sizeof(bytes), NULL) == 0; i++)
			sent++;
		usleep(20);
	}
	vhost_front_destroy(f);
	printf("{\"sent\":%" PRIu64 "}\n", sent);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 4 && argc - 3 <= GUESTS_MAX && strcmp(argv[1], "storm") == 0)
		return storm((unsigned int)atoi(argv[2]), &argv[3], (unsigned int)argc - 3);
	if (argc >= 5 && argc <= 7 && strcmp(argv[1], "pair") == 0 &&
	    (argc < 7 || (atoi(argv[6]) >= FRAME_MIN && atoi(argv[6]) <= VHOST_FRONT_FRAME_MAX)))
		return pair(strtoull(argv[2], NULL, 10) * 1000, &argv[3],
			    argc > 5 ? (unsigned int)atoi(argv[5]) : 1,
			    argc > 6 ? (size_t)atoi(argv[6]) : FRAME_MIN);
	if (argc == 5 && strcmp(argv[1], "flood") == 0)
		return flood((unsigned int)atoi(argv[2]), (unsigned int)atoi(argv[3]), argv[4]);
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "lie") == 0)
		return lie((unsigned int)atoi(argv[2]), &argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "attack") == 0)
		return attack(argv[2], &argv[3]);
	fprintf(stderr, "usage: vhost-guests lie N SOCKET [LIE] | attack HOW SOCKET | storm SEED "
			"SOCKET... | pair US SOCKET SOCKET [FIRST [LENGTH]]\n");
	return EXIT_FAILURE;
}
