/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets through the API: what is injected reaches a slot's ring, what makes no sense is refused.
 */
#include "ctl/ctl_test.h"

#include "common/trap.h"
#include "common/vif.h"

static void
add_vif(uint32_t id, Vrouter__Vif__Type type)
{
	Vrouter__Vif m = VROUTER__VIF__INIT;

	m.has_id_case = VROUTER__VIF__HAS_ID_ID;
	m.id = id;
	m.type = type;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
}

static Vrouter__Packet
packet(uint8_t *frame, size_t size)
{
	Vrouter__Packet m = VROUTER__PACKET__INIT;

	m.command = VROUTER__PACKET__COMMAND__ROUTE;
	m.has_vif_case = VROUTER__PACKET__HAS_VIF_VIF;
	m.vif = 1;
	m.vrf = 3;
	m.frame.data = frame;
	m.frame.len = size;
	return m;
}

static void
what_makes_no_sense_is_refused(void **state)
{
	const Vrouter__Result__Code INVALID = VROUTER__RESULT__CODE__INVALID;
	static uint8_t frame[TRAP_FRAME_MAX + 1];
	Vrouter__Packet m = packet(frame, 60);

	(void)state;
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), VROUTER__RESULT__CODE__NOT_FOUND, "vif",
		       "there is no vif 1");
	add_vif(1, VROUTER__VIF__TYPE__VIRTUAL);
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), VROUTER__RESULT__CODE__NOT_FOUND, "",
		       "there is no vif of type agent");
	add_vif(2, VROUTER__VIF__TYPE__AGENT);
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), VROUTER__RESULT__CODE__UNAVAILABLE, "",
		       "no slot has a process");
	m.command = VROUTER__PACKET__COMMAND__COMMAND_UNSET;
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), INVALID, "command",
		       "command is missing");
	m = packet(frame, 60);
	m.has_vif_case = 0;
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), INVALID, "vif", "vif is missing");
	m = packet(frame, 60);
	m.vrf = 8;
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), INVALID, "vrf", "vrf 8 is above 7");
	m = packet(frame, 13);
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), INVALID, "frame",
		       "frame has 13 bytes, not 14 to 9216");
	m = packet(frame, sizeof(frame));
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), INVALID, "frame", "9217 bytes");
	m = packet(frame, 60);
	m.reason = VROUTER__PACKET__REASON__ARP;
	assert_refused(ask(VROUTER__OP__SET, "packet", &m), INVALID, "reason",
		       "are the router's to say");
}

static void
an_injected_packet_reaches_the_first_slot_that_is_animated(void **state)
{
	struct byte_ring *ring = &test_ctl.tables.agent_rings[1].inject;
	uint8_t frame[61], read[61];
	Vrouter__Packet m = packet(frame, sizeof(frame));
	struct trap_record r;

	(void)state;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 5);
	test_ctl.tables.slots->s[1].animated_by = 77;
	assert_ok(ask(VROUTER__OP__SET, "packet", &m));
	assert_int_equal(byte_ring_filled(ring), sizeof(r) + 64);
	byte_ring_read(ring, 0, &r, sizeof(r));
	byte_ring_read(ring, sizeof(r), read, sizeof(read));
	assert_int_equal(r.length, sizeof(frame));
	assert_int_equal(r.reason, INJECT_ROUTE);
	assert_int_equal(r.vif, 1);
	assert_int_equal(r.vrf, 3);
	assert_memory_equal(read, frame, sizeof(frame));
	assert_int_equal(byte_ring_filled(&test_ctl.tables.agent_rings[0].inject), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_makes_no_sense_is_refused),
	    cmocka_unit_test(an_injected_packet_reaches_the_first_slot_that_is_animated),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}
