/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases in files, tests/packet/cases/NAME.txt (or the folder in $PACKET_CASES): a configuration as
 * `vrctl apply` takes it, packets in, and all that comes of them. One thing a line:
 *
 *   case WORDS                  begins a case; what stands before the first is for each of the file
 *   KIND add ...                configuration: consecutive lines are one batch
 *   del KIND KEYS               deletes
 *   refused KIND add ...        is refused
 *   in PORT [xN] FRAME          a packet comes in at the rig's port (N times); frame_words.h
 *   inject route|switch vif=N vrf=N FRAME   a client injects it
 *   out PORT FRAME              has left by that port, the oldest first; FRAME "same": the last in
 *   trap REASON vif=N FRAME     has gone to the agent, the oldest first
 *   drop VIF REASON [N]         N more packets of a vif (none: no vif) are dropped, 1 if not given
 *   count VIF COUNTER=N...      rx, tx, rx_bytes, tx_bytes, rx_errors, tx_errors
 *   room PORT N                 the port takes N packets from now on
 *   mbufs N                     so many are left in the pool
 *   headroom N                  frames that come in from now on have N bytes in front
 *   peer PORT                   the port is the other slot's; what goes there fills a ring,
 *   waiting N                   in which there are N packets, which are taken out
 *   left PORT N                 N more frames have left by that port, whatever they are
 *   trapped N                   N more have gone to the agent, whatever they are
 *
 * At the end of a case nothing else may have left, been trapped or been dropped, and all mbufs must
 * be home. Over all cases, whatever drops.def, nexthop_types.def, nexthop_flags.def, vif_types.def,
 * vif_flags.def, trap_reasons.def and stages.def declare must occur: a stage when packets went
 * through it, a drop or trap when it was expected and seen, the others when they were configured.
 * Of each flag, and of what else may be left out (mutants.h), there must be a case that fails when
 * it is left out.
 */
#ifndef TESTS_PACKET_TEXT_CASES_H
#define TESTS_PACKET_TEXT_CASES_H

/* How many failed. */
int text_cases_run(void);

#endif
