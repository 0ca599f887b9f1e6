/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of tunnels, ECMP and VRF translation; packet_test.c lists them. */
#ifndef TESTS_PACKET_TUNNEL_CASES_H
#define TESTS_PACKET_TUNNEL_CASES_H

/* Named by drops.def and nexthop_types.def; in the network of packet_test.c. */
void drop_NO_MEMBER(void **state);
void drop_BAD_MEMBER(void **state);
void drop_INVALID_LABEL(void **state);
void drop_INVALID_VNI(void **state);
void drop_BAD_TUNNEL_HEADER(void **state);
void drop_TUNNEL_LOOP(void **state);
void nexthop_TUNNEL(void **state);
void nexthop_ECMP(void **state);
void nexthop_VRF_TRANSLATE(void **state);

/* All others; how many failed. */
int tunnel_cases_run(void);

#endif
