/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of uplinks, the host, the agent, ARP and neighbour discovery; packet_test.c lists them. */
#ifndef TESTS_PACKET_HOST_CASES_H
#define TESTS_PACKET_HOST_CASES_H

/* Named by drops.def and nexthop_types.def; in the network of packet_test.c. */
void drop_WRONG_VLAN(void **state);
void drop_NOT_BRIDGED(void **state);
void drop_NO_HOST_VIF(void **state);
void drop_NO_AGENT_VIF(void **state);
void drop_TRAP_FULL(void **state);
void drop_BAD_ARP(void **state);
void drop_ARP_REFUSED(void **state);
void drop_UNKNOWN_PROTOCOL(void **state);
void nexthop_RECEIVE(void **state);
void nexthop_L2_RECEIVE(void **state);
void nexthop_RESOLVE(void **state);

/* All others; how many failed. */
int host_cases_run(void);

#endif
