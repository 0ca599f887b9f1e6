/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rig's worker on the tables of a real region, written as control writes them: what
 * `vrctl apply` takes goes through vrctl's parser, the contract's messages, vr-ctl's kinds of
 * objects and one batch. For tests/packet only, after rig_reset() and its EAL.
 *
 * The ports are there, like those of the option `port`: device.name=p0 to p5 are the rig's ports 0
 * to 5, tap.name=p6 and p7 its taps.
 */
#ifndef TESTS_PACKET_RIG_TEXT_H
#define TESTS_PACKET_RIG_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* Between rig_reset() and the next: an empty region, and the worker on it. 0 or -1. */
int rig_text_open(void);
/* The worker back on the rig's own tables; fine without an open one. */
void rig_text_close(void);

/*
 * Adds (or deletes; then only keys are looked at) the objects of 'text', lines "vif add id=1 ...",
 * in one batch. 'name' and line numbers are for messages. Returns NULL, or why it was refused, a
 * sentence that lives until the next; the test fails at once if vrctl does not understand it.
 */
const char *rig_text_change(const char *name, const char *text, bool delete);

/* The same, and the test fails if it is refused. */
void rig_apply(const char *text);

#endif
