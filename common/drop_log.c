/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The drop log; see drop_log.h. Its writers are the threads that carry packets, and get here for a
 * few packets a second.
 */
#include "common/drop_log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/conf.h"
#include "common/fault_point.h"

size_t
drop_log_size(const struct conf *c)
{
	return (c->n_slots + c->agents + 1) * sizeof(struct drop_log);
}

void
drop_sampler_init(struct drop_sampler *s, struct drop_log *log, uint32_t per_second,
		  uint64_t tsc_hz)
{
	memset(s, 0, sizeof(*s));
	s->log = log;
	s->next_tsc = UINT64_MAX;
	if (log == NULL || per_second == 0)
		return;
	s->every_tsc = tsc_hz / per_second;
	s->next_tsc = 0;
	memset(s->tokens, DROP_LOG_TOKENS, sizeof(s->tokens));
}

void
drop_sampler_refill(struct drop_sampler *s, uint64_t now_tsc)
{
	if (s->every_tsc == 0) {
		s->next_tsc = UINT64_MAX;
		return;
	}
	if (s->next_tsc != 0)
		for (int i = 0; i < DROPS; i++)
			s->tokens[i] += s->tokens[i] < DROP_LOG_TOKENS;
	s->next_tsc = now_tsc + s->every_tsc;
}

/* The coarse clock is read from memory: no system call, whatever the clock source. */
static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
drop_sampler_keep(struct drop_sampler *s, enum drop why, const char *stage, uint32_t vif,
		  const struct rte_mbuf *m)
{
	struct drop_log *log = s->log;
	uint64_t n = log->next != 0 ? log->next : 1;
	struct dropped_packet *p = &log->packet[n % DROP_LOG_ENTRIES];

	s->tokens[why]--;
	__atomic_store_n(&p->sequence, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	FAULT_POINT("drop-log-begun");
	p->dropped_ms = now_ms();
	p->vif = vif;
	p->length = m->pkt_len;
	p->reason = (uint16_t)why;
	p->n_bytes = (uint16_t)RTE_MIN(m->data_len, DROP_LOG_BYTES);
	snprintf(p->stage, sizeof(p->stage), "%s", stage);
	memcpy(p->bytes, rte_pktmbuf_mtod(m, const void *), p->n_bytes);
	__atomic_store_n(&p->sequence, n, __ATOMIC_RELEASE);
	FAULT_POINT("drop-log-written");
	__atomic_store_n(&log->next, n + 1, __ATOMIC_RELEASE);
}

bool
drop_log_read(const struct drop_log *log, uint64_t n, struct dropped_packet *copy)
{
	const struct dropped_packet *p = &log->packet[n % DROP_LOG_ENTRIES];

	if (n == 0 || __atomic_load_n(&p->sequence, __ATOMIC_ACQUIRE) != n)
		return false;
	memcpy(copy, p, sizeof(*copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&p->sequence, __ATOMIC_RELAXED) != n)
		return false;
	copy->stage[sizeof(copy->stage) - 1] = '\0';
	return copy->reason < DROPS && copy->n_bytes <= DROP_LOG_BYTES;
}

void
drop_log_range(const struct drop_log *log, uint64_t *first, uint64_t *last)
{
	uint64_t next = __atomic_load_n(&log->next, __ATOMIC_ACQUIRE);

	*last = next; /* one more: a writer may have died before it moved 'next' */
	*first = next > DROP_LOG_ENTRIES ? next - DROP_LOG_ENTRIES : 1;
}
