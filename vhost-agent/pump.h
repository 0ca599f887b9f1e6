/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pump: the one thread of an agent that touches packets. It takes them out of guests'
 * virtqueues into the rings of the mesh that lead to slots, and out of the rings into virtqueues.
 * Started and stopped by the main thread.
 */
#ifndef VHOST_AGENT_PUMP_H
#define VHOST_AGENT_PUMP_H

#include <stdint.h>

#include "common/fault.h"

struct conf;
struct guest_list;
struct process_client;
struct pump;

struct pump_config {
	const struct conf *conf;
	const struct process_client *client; /* ready */
	uint32_t agent;
	int32_t core; /* CPU it is pinned to, -1: any */
};

int pump_create(const struct pump_config *config, struct pump **pump, struct fault *f);
/* Empties the rings that lead here as far as guests take it, leaves the hand empty. NULL is fine.
 */
void pump_destroy(struct pump *pump);
int pump_start(struct pump *pump, struct fault *f);
void pump_stop(struct pump *pump);

/* Becomes readable when ports_version is another than last acknowledged. */
int pump_event_fd(const struct pump *pump);
/* Main thread: reads the event, returns the version to act on; afterwards says that it has. */
uint64_t pump_ports_changed(struct pump *pump);
void pump_ports_seen(struct pump *pump, uint64_t version);

/* From now on these; when it returns, no other list is looked at any more. */
void pump_guests(struct pump *pump, const struct guest_list *list);

/*
 * Any other thread: returns when the pump is between two bursts that began after the call, so that
 * it has noticed what the caller took away. At once when the pump does not run.
 */
void pump_sync(const struct pump *pump);

#endif
