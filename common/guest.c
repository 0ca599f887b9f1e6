/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests' notes: their table, and what follows from what they do. See guest.h. */
#include "common/guest.h"

#include <time.h>

#include "common/conf.h"

static const struct {
	const char *name, *text;
	bool grave;
} offences[] = {
#define GUEST_OFFENCE(NAME, name, text, grave) {name, text, grave},
#include "common/guest_offences.def"
#undef GUEST_OFFENCE
};

size_t
guests_size(const struct conf *c)
{
	return sizeof(struct guests_table) + c->vifs * sizeof(struct guest_note);
}

void
guests_init(struct guests_table *t, const struct conf *c)
{
	t->n = (uint32_t)c->vifs;
}

uint64_t
guest_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

const char *
guest_offence_name(uint32_t offence)
{
	return offence < GUEST_OFFENCES ? offences[offence].name : "?";
}

const char *
guest_offence_text(uint32_t offence)
{
	return offence < GUEST_OFFENCES ? offences[offence].text : "?";
}

uint64_t
guest_blame(struct guest_note *g, enum guest_offence offence, uint32_t grave_max, uint64_t now_ms)
{
	uint64_t time_ms = GUEST_QUARANTINE_MS, served_ms;

	g->offences[offence]++;
	g->last_offence = offence;
	g->last_ms = now_ms;
	if (!offences[offence].grave)
		return 0;
	served_ms =
	    g->quarantine_until_ms > g->last_death_ms ? g->quarantine_until_ms : g->last_death_ms;
	if (now_ms > served_ms + GUEST_PEACE_MS)
		g->deaths_in_row = 0;
	g->last_death_ms = now_ms;
	g->deaths_in_row++;
	if (g->deaths_in_row < grave_max)
		return 0;
	for (uint32_t i = grave_max; i < g->deaths_in_row && time_ms < GUEST_QUARANTINE_MAX_MS; i++)
		time_ms *= 2;
	if (time_ms > GUEST_QUARANTINE_MAX_MS)
		time_ms = GUEST_QUARANTINE_MAX_MS;
	__atomic_store_n(&g->quarantine_until_ms, now_ms + time_ms, __ATOMIC_RELEASE);
	return time_ms;
}

uint64_t
guest_quarantined_ms(const struct guest_note *g, uint64_t now_ms)
{
	uint64_t until = __atomic_load_n(&g->quarantine_until_ms, __ATOMIC_ACQUIRE);

	return until > now_ms ? until - now_ms : 0;
}
