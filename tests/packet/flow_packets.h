/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet tests of flows; run by packet_test.c. */
#ifndef TESTS_PACKET_FLOW_PACKETS_H
#define TESTS_PACKET_FLOW_PACKETS_H

void drop_FLOW_DENIED(void **state);
void drop_FLOW_TABLE_FULL(void **state);
void drop_NEW_FLOWS(void **state);
void drop_FRAGMENT(void **state);
void drop_BAD_L4_HEADER(void **state);
void drop_FLOW_WITHOUT_NEXTHOP(void **state);

void both_directions_of_a_flow_are_counted_apart(void **state);
void a_routed_packet_makes_a_flow(void **state);
void answers_pass_where_nothing_may_begin(void **state);
void rules_of_the_vif_it_leaves_by_count_too(void **state);
void the_first_rule_that_matches_decides(void **state);
void a_change_of_rules_is_heeded_by_established_flows(void **state);
void what_was_denied_one_way_may_begin_the_other(void **state);
void icmp_echo_is_one_flow_and_errors_belong_to_theirs(void **state);
void packets_to_groups_make_no_flow(void **state);
void packets_of_a_flow_that_come_to_two_slots_are_counted_exactly(void **state);
void headers_in_several_segments_make_the_same_flow(void **state);
void ipv6_behind_extension_headers_makes_a_flow(void **state);

#endif
