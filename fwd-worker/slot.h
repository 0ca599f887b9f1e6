/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread for one slot of this process: waits until the slot is ours, animates it, lets it go when
 * it is another's or the process stops. Started and stopped by the main thread.
 */
#ifndef FWD_WORKER_SLOT_H
#define FWD_WORKER_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/fault.h"

struct conf;
struct links;
struct process_client;
struct slot_thread;
struct taps;

struct slot_thread_config {
	const struct conf *conf;
	const struct process_client *client; /* ready */
	struct taps *taps;
	const struct links *links;
	uint32_t index; /* of the slot in the region */
	bool io_forward;
};

int slot_thread_create(const struct slot_thread_config *config, struct slot_thread **st,
		       struct fault *f);
/* Asks it to leave its slot, empty-handed; returns at once. */
void slot_thread_stop(struct slot_thread *st);
/* Waits until it has left. NULL is fine. */
void slot_thread_destroy(struct slot_thread *st);

#endif
