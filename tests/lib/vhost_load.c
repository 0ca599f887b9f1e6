/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost-load: two guests in one thread (vhost_front.h), the first of which sends to the second as
 * fast as frames get there, with never more than a window of them on the way, so that nothing has
 * to be dropped. For benchmarks: reads what agent and slot have counted from the router's region.
 *
 *   vhost-load --config FILE --from PATH --to PATH [--imix 1]
 *   vhost-load --config FILE --watch 1
 *
 * To watch is to read those counters only, while others send.
 *
 * The guests listen at PATHs, and have the MACs 02:00:00:00:00:01 and :02. A first line on standard
 * input says that the agent serves both; each further one is answered by a line of JSON; when it
 * ends, nothing more is sent, what is on the way arrives, and a last line follows. Frames are
 * numbered: one that is missing, in disorder, or changed in its first bytes is 'wrong'.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "common/conf.h"
#include "common/region.h"
#include "common/slot.h"
#include "tests/lib/vhost_front.h"

enum {
	RING = 1024,
	WINDOW = 768,
	IDLE_LOOPS = 20, /* then whoever shares our core may have it */
	IDLE_US = 10,
	BURST = 32,
	CONNECT_MS = 10000,
	SHORTEST = 60,
	IMIX_CYCLE = 12,
	READ_US = 100000, /* the agent has read our last message, surely */
	SETTLE_US = 1000,
	SETTLE_TIMES = 2000, /* until what does not arrive is lost */
};

/* As flowgen.c has it, without FCS. */
static const uint16_t imix[IMIX_CYCLE] = {60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60};

/*
 * What a loop that moved packets costs, in tenths of a cycle for each of them, taken about every
 * millisecond: a thread that lost its core meanwhile spoils one sample, not the sum.
 */
enum { SAMPLES_MAX = 1 << 16, SAMPLE_CYCLES = 2000000, SAMPLE_PACKETS = 512 };
struct samples {
	const struct slot *of;
	uint64_t packets, busy;
	uint32_t n; /* atomic */
	uint32_t shown;
	uint32_t v[SAMPLES_MAX];
};

struct load {
	struct samples agent, slot;
	struct vhost_front *from, *to;
	uint8_t frame[SHORTEST];
	const uint16_t *lengths;
	uint32_t n_lengths;
	bool stop; /* atomic */
	/* the load's thread; read by main */
	uint64_t sent, received, bytes, wrong;
};

/* Where the number stands, and the length before it. */
enum { NUMBER_AT = 44, LENGTH_AT = 42 };

static void
frame_init(struct load *l)
{
	static const uint8_t head[] = {2,    0, 0,  0,  0, 2, 2, 0, 0,  0,  0, 1,  0x08, 0,
				       0x45, 0, 0,  46, 0, 0, 0, 0, 64, 17, 0, 0,  10,   1,
				       0,    1, 10, 2,  0, 1, 4, 0, 0,  9,  0, 26, 0,    0};

	memcpy(l->frame, head, sizeof(head));
}

static uint64_t
send_some(struct load *l)
{
	uint64_t on_the_way = l->sent - l->received, n = WINDOW - on_the_way, before = l->sent;

	if (on_the_way + BURST > WINDOW)
		return 0;
	for (n = n < BURST ? n : BURST; n > 0; n--) {
		uint16_t len = l->lengths[l->sent % l->n_lengths];
		uint8_t *at = vhost_front_place(l->from, 0, len);

		if (at == NULL)
			break;
		memcpy(at, l->frame, sizeof(l->frame));
		memcpy(at + LENGTH_AT, &len, sizeof(len));
		memcpy(at + NUMBER_AT, &l->sent, sizeof(l->sent));
		l->sent++;
	}
	vhost_front_place_flush(l->from, 0);
	return l->sent - before;
}

static bool
is_right(const struct load *l, const uint8_t *at, size_t len)
{
	uint16_t length;
	uint64_t number;

	memcpy(&length, at + LENGTH_AT, sizeof(length));
	memcpy(&number, at + NUMBER_AT, sizeof(number));
	return len == length && number == l->received && memcmp(at, l->frame, LENGTH_AT) == 0;
}

static uint64_t
receive_some(struct load *l)
{
	uint64_t before = l->received;
	const uint8_t *at;
	size_t len;

	for (int i = 0; i < BURST; i++) {
		at = vhost_front_peek(l->to, 0, &len);
		if (at == NULL)
			break;
		l->wrong += !is_right(l, at, len);
		l->bytes += len;
		__atomic_store_n(&l->received, l->received + 1, __ATOMIC_RELAXED);
	}
	vhost_front_peek_flush(l->to, 0);
	return l->received - before;
}

static void
sample_take(struct samples *s)
{
	uint64_t packets = s->of->packets, busy = s->of->busy_tsc, n = packets - s->packets;

	if (n < SAMPLE_PACKETS || s->n == SAMPLES_MAX)
		return;
	s->v[s->n] = (uint32_t)((busy - s->busy) * 10 / n);
	s->packets = packets;
	s->busy = busy;
	__atomic_store_n(&s->n, s->n + 1, __ATOMIC_RELEASE);
}

static void *
load_main(void *arg)
{
	struct load *l = arg;
	uint64_t sampled = 0;
	uint32_t idle = 0;

	prctl(PR_SET_NAME, "load");
	prctl(PR_SET_TIMERSLACK, 1);
	/* When it wakes up, nobody loses the core in the middle of a burst that is measured. */
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){.sched_priority = 0});
	while (!__atomic_load_n(&l->stop, __ATOMIC_RELAXED)) {
		uint64_t n = 0;

		if (l->from != NULL)
			n = receive_some(l) + send_some(l);
		if (rte_rdtsc() - sampled > SAMPLE_CYCLES) {
			sample_take(&l->agent);
			sample_take(&l->slot);
			sampled = rte_rdtsc();
		}
		idle = n > 0 ? 0 : idle + 1;
		if (idle > IDLE_LOOPS)
			usleep(IDLE_US);
	}
	for (int i = 0; i < SETTLE_TIMES && l->received < l->sent; i++) {
		receive_some(l);
		usleep(SETTLE_US);
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* With the quartiles of the samples since it was shown last. */
static void
samples_print(const char *name, struct samples *s)
{
	uint32_t n = __atomic_load_n(&s->n, __ATOMIC_ACQUIRE) - s->shown;
	uint32_t *v = &s->v[s->shown];

	qsort(v, n, sizeof(v[0]), compare);
	printf(",\"%s\":{\"packets\":%" PRIu64 ",\"bursts\":%" PRIu64 ",\"samples\":%u"
	       ",\"quartiles\":[%.1f,%.1f,%.1f]}",
	       name, s->of->packets, s->of->bursts, n, n == 0 ? 0 : v[n / 4] / 10.0,
	       n == 0 ? 0 : v[n / 2] / 10.0, n == 0 ? 0 : v[(uint64_t)n * 3 / 4] / 10.0);
	s->shown += n;
}

static void
figures_print(struct load *l)
{
	printf("{\"tsc\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"received\":%" PRIu64
	       ",\"bytes\":%" PRIu64 ",\"wrong\":%" PRIu64,
	       rte_rdtsc(), l->sent, __atomic_load_n(&l->received, __ATOMIC_RELAXED), l->bytes,
	       l->wrong);
	samples_print("agent", &l->agent);
	samples_print("slot", &l->slot);
	printf("}\n");
	fflush(stdout);
}

static int
guest_start(const char *path, struct vhost_front **guest)
{
	struct vhost_front_config c = {.path = path,
				       .server = true,
				       .pairs = 1,
				       .huge = true,
				       .ring_size = RING,
				       .features = UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF};

	return vhost_front_create(&c, guest);
}

static int
guests_connect(struct load *l)
{
	struct vhost_front *guests[] = {l->from, l->to};

	for (int i = 0; i < 2; i++) {
		int rc = vhost_front_connect(guests[i], CONNECT_MS);

		if (rc == 0)
			rc = vhost_front_start(guests[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static const uint16_t shortest = SHORTEST;
	static struct load l = {.lengths = &shortest, .n_lengths = 1};
	static struct conf conf;
	struct conf_extra extra[] = {
	    {.name = "from", .help = "socket of the guest that sends", .metavar = "PATH"},
	    {.name = "to", .help = "socket of the guest that receives", .metavar = "PATH"},
	    {.name = "imix", .help = "1: lengths of IMIX", .metavar = "0|1"},
	    {.name = "watch", .help = "1: sends nothing", .metavar = "0|1"},
	    {.name = NULL}};
	struct fault f = {.code = 0};
	struct region region;
	char path[2 * CONF_TEXT + sizeof("/.region")], line[64];
	pthread_t thread;
	bool watch;

	signal(SIGPIPE, SIG_IGN);
	if (conf_load(&conf, argc, argv, "Sends from guest to guest.", extra, &f) < 0)
		goto failed;
	snprintf(path, sizeof(path), "%s/%s.region", conf.hugepage_dir, conf.instance);
	if (extra[2].value != NULL && extra[2].value[0] == '1') {
		l.lengths = imix;
		l.n_lengths = IMIX_CYCLE;
	}
	frame_init(&l);
	watch = extra[3].value != NULL && extra[3].value[0] == '1';
	if (!watch && (extra[0].value == NULL || extra[1].value == NULL))
		fault_set(&f, EINVAL, "needs --from and --to");
	else if (region_attach(&region, path, conf.region_address, &f) < 0 || watch)
		;
	else if (guest_start(extra[0].value, &l.from) < 0 || guest_start(extra[1].value, &l.to) < 0)
		fault_set(&f, EIO, "cannot make the guests' sockets");
	else if (guests_connect(&l) < 0)
		fault_set(&f, EIO, "no agent connects, or none that makes sense");
	if (f.code < 0)
		goto failed;
	l.agent.of = ((const struct slots *)region_table(&region, "agents"))->s;
	l.slot.of = ((const struct slots *)region_table(&region, "slots"))->s;
	/* A frame that comes before the other's queues run would be dropped. */
	if (fgets(line, sizeof(line), stdin) == NULL)
		return EXIT_FAILURE;
	usleep(READ_US);
	if (pthread_create(&thread, NULL, load_main, &l) != 0)
		return EXIT_FAILURE;
	while (fgets(line, sizeof(line), stdin) != NULL)
		figures_print(&l);
	__atomic_store_n(&l.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	figures_print(&l);
	vhost_front_destroy(l.from); /* NULL is fine */
	vhost_front_destroy(l.to);
	return EXIT_SUCCESS;

failed:
	fprintf(stderr, "vhost-load: %s\n", f.text);
	return EXIT_FAILURE;
}
