/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timer thread; see watchdog.h.
 *
 * A heart that stands still has three reasons. The whole machine was suspended: then this thread
 * was late too, and everybody gets a fresh start. The process had no CPU: then it is runnable, or
 * sleeps though its time is over (a virtual CPU that does not run has no timers), and its CPU time
 * stands still too, and it gets more time. Else it hangs (stopped, blocked, or looping without
 * end).
 */
#include "primary/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

#include <rte_launch.h>
#include <rte_rcu_qsbr.h>

#include "primary/ports.h"
#include "primary/primary.h"
#include "primary/starved.h"
#include "primary/token.h"

#define LOG_MODULE "timer"
#include "common/log.h"

enum {
	TIMER_LCORE = 1,
	TICK_MS_MAX = 10,
	FIRST_BEAT_MS = 2000, /* from ANIMATE to the first loop */
	STARVED_MAX = 20,     /* times hung-ms that a process without CPU gets */
	READER_BLOCKS_MS = 1000,
	SECOND_MS = 1000,
	HEARTS_MAX = SLOTS_MAX + AGENTS_MAX, /* slots', then agents' */
};

struct heart {
	process_key key; /* 0: nobody */
	int pidfd;
	uint64_t beat;
	uint64_t since_ms;   /* when 'beat' was first seen */
	uint64_t sampled_ms; /* when the process' CPU time was last looked at, 0: not yet */
	bool told;           /* that it gets no CPU */
	struct cpu_time cpu;
};

struct reader {
	uint64_t since_ms; /* 0: not behind */
	uint64_t count;
	bool told;
};

struct watchdog {
	struct primary *p;
	pthread_mutex_t mutex; /* hearts and killed */
	struct heart hearts[HEARTS_MAX];
	process_key killed[HEARTS_MAX]; /* newest first come, first overwritten */
	uint32_t n_killed;
	struct reader readers[HANDS_MAX];
	bool stop;
};

static void
heart_owned(struct watchdog *t, struct heart *h, const struct slot *s, process_key key, int pidfd)
{
	pthread_mutex_lock(&t->mutex);
	memset(h, 0, sizeof(*h));
	h->key = key;
	h->pidfd = pidfd;
	h->beat = __atomic_load_n(&s->beat, __ATOMIC_RELAXED);
	h->since_ms = now_ms();
	pthread_mutex_unlock(&t->mutex);
}

void
watchdog_slot_owned(struct watchdog *t, uint32_t index, process_key key, int pidfd)
{
	heart_owned(t, &t->hearts[index], &t->p->slots->s[index], key, pidfd);
}

void
watchdog_agent_owned(struct watchdog *t, uint32_t number, process_key key, int pidfd)
{
	heart_owned(t, &t->hearts[SLOTS_MAX + number], &t->p->agents->s[number], key, pidfd);
}

bool
watchdog_hung(struct watchdog *t, process_key key)
{
	bool hung = false;

	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < HEARTS_MAX; i++)
		hung |= t->killed[i] == key;
	pthread_mutex_unlock(&t->mutex);
	return hung;
}

static const char *
kind_of(const struct watchdog *t, const struct heart *h)
{
	return h < &t->hearts[SLOTS_MAX] ? "slot" : "agent";
}

static void
kill_hung(struct watchdog *t, struct heart *h, const struct slot *s, uint64_t still_ms)
{
	log_warning("%s %u: hung for %lu ms; killing process %d", kind_of(t, h), s->id,
		    (unsigned long)still_ms, (int)(uint32_t)h->key);
	t->killed[t->n_killed++ % HEARTS_MAX] = h->key;
	pidfd_send_signal(h->pidfd, SIGKILL, NULL, 0);
	h->key = 0;
}

static void
check_heart(struct watchdog *t, struct heart *h, const struct slot *s, uint64_t now)
{
	uint64_t hung_ms = t->p->conf.hung_ms;
	uint64_t beat = __atomic_load_n(&s->beat, __ATOMIC_RELAXED);
	bool begun = __atomic_load_n(&s->animated_by, __ATOMIC_RELAXED) == h->key;
	uint64_t limit = begun || hung_ms > FIRST_BEAT_MS ? hung_ms : FIRST_BEAT_MS;
	struct cpu_time cpu;

	if (beat != h->beat) {
		h->beat = beat;
		h->since_ms = now;
		h->sampled_ms = 0;
		h->told = false;
		return;
	}
	if (h->sampled_ms == 0) {
		if (now - h->since_ms < limit / 2)
			return;
		cpu_time_read((pid_t)(uint32_t)h->key, &h->cpu);
		h->sampled_ms = now;
		return;
	}
	if (now - h->since_ms < limit || now - h->sampled_ms < limit / 2)
		return;
	cpu_time_read((pid_t)(uint32_t)h->key, &cpu);
	if (cpu_starved(&h->cpu, &cpu, now - h->sampled_ms,
			__atomic_load_n(&s->asleep, __ATOMIC_RELAXED) != 0) &&
	    now - h->since_ms < STARVED_MAX * limit) {
		if (!h->told)
			log_warning("%s %u: no CPU for %lu ms; waiting", kind_of(t, h), s->id,
				    (unsigned long)(now - h->since_ms));
		h->told = true;
		h->cpu = cpu;
		h->sampled_ms = now;
		return;
	}
	kill_hung(t, h, s, now - h->since_ms);
}

/* Heart i's entry in the table of slots, or of agents. */
static const struct slot *
slot_of(const struct watchdog *t, uint32_t i)
{
	return i < SLOTS_MAX ? &t->p->slots->s[i] : &t->p->agents->s[i - SLOTS_MAX];
}

static void
check_hearts(struct watchdog *t, uint64_t now, bool late)
{
	pthread_mutex_lock(&t->mutex);
	for (uint32_t i = 0; i < HEARTS_MAX; i++) {
		struct heart *h = &t->hearts[i];

		if (h->key == 0)
			continue;
		if (late) {
			h->since_ms = now;
			h->sampled_ms = 0;
			continue;
		}
		check_heart(t, h, slot_of(t, i), now);
	}
	pthread_mutex_unlock(&t->mutex);
}

/* A reader that is online and passes no quiescent point holds up everything that is to be freed. */
static void
check_readers(struct watchdog *t, uint64_t now)
{
	struct rte_rcu_qsbr *v = t->p->grace;
	uint64_t token = __atomic_load_n(&v->token, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < t->p->hs->n_hands && i < v->max_threads; i++) {
		uint64_t count = __atomic_load_n(&v->qsbr_cnt[i].cnt, __ATOMIC_RELAXED);
		struct reader *r = &t->readers[i];

		if (count == __RTE_QSBR_CNT_THR_OFFLINE || count >= token || count != r->count) {
			r->count = count;
			r->since_ms = 0;
			r->told = false;
			continue;
		}
		if (r->since_ms == 0)
			r->since_ms = now;
		if (r->told || now - r->since_ms < READER_BLOCKS_MS)
			continue;
		r->told = true;
		log_warning("reader %u holds up grace periods for more than %d ms", i,
			    READER_BLOCKS_MS);
	}
}

static int
timer_main(void *arg)
{
	struct watchdog *t = arg;
	uint64_t hung_ms = t->p->conf.hung_ms;
	uint64_t tick = hung_ms / 10 < TICK_MS_MAX ? hung_ms / 10 : TICK_MS_MAX;
	uint64_t last = now_ms(), second = last;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		struct timespec pause = {.tv_nsec = (long)(tick * 1000000)};
		uint64_t now;

		nanosleep(&pause, NULL);
		now = now_ms();
		check_hearts(t, now, now - last > tick + hung_ms / 2);
		last = now;
		check_readers(t, now);
		if (!token_timer_begin(t->p->token))
			continue;
		if (now - second < SECOND_MS) {
			ports_peers(t->p);
		} else {
			ports_links(t->p);
			second = now;
		}
		token_timer_end(t->p->token);
	}
	return 0;
}

struct watchdog *
watchdog_create(struct primary *p)
{
	struct watchdog *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->p = p;
	pthread_mutex_init(&t->mutex, NULL);
	if (rte_eal_remote_launch(timer_main, t, TIMER_LCORE) != 0) {
		free(t);
		return NULL;
	}
	return t;
}

void
watchdog_destroy(struct watchdog *t)
{
	if (t == NULL)
		return;
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	rte_eal_wait_lcore(TIMER_LCORE);
	pthread_mutex_destroy(&t->mutex);
	free(t);
}
