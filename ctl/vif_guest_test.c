/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests in the API: their sockets, what is known about them, and moving them. */
#include "ctl/vif_guest.h"

#include "ctl/ctl_test.h"

#include "ctl/object_vif.h"

static char path[] = "/run/guests/a.sock";
static char empty[] = "";

static Vrouter__Vif
guest_vif(Vrouter__Vif__Vhost *h, char *socket)
{
	Vrouter__Vif m = VROUTER__VIF__INIT;

	vrouter__vif__vhost__init(h);
	h->path = socket;
	m.has_id_case = VROUTER__VIF__HAS_ID_ID;
	m.id = 1;
	m.type = VROUTER__VIF__TYPE__VIRTUAL;
	m.transport_case = VROUTER__VIF__TRANSPORT_VHOST;
	m.vhost = h;
	return m;
}

static int
parse(const Vrouter__Vif__Vhost *h, struct port_wish *wish, struct refusal *r)
{
	memset(wish, 0, sizeof(*wish));
	memset(r, 0, sizeof(*r));
	return vif_guest_parse(h, &test_conf, wish, r);
}

static void
paths_that_lead_elsewhere_are_refused(void **state)
{
	static char longest[109];
	static const struct {
		const char *path, *words;
	} cases[] = {
	    {"", "is no absolute path"},
	    {"guest.sock", "is no absolute path"},
	    {"/run/../etc/passwd", "has an empty part"},
	    {"/run/./guest", "has an empty part"},
	    {"/run//guest", "has an empty part"},
	    {"/run/guests/", "has an empty part"},
	    {"/", "has an empty part"},
	    {longest, "has 108 bytes, a socket's at most 107"},
	};
	Vrouter__Vif__Vhost h = VROUTER__VIF__VHOST__INIT;
	struct port_wish wish;
	struct refusal r;

	(void)state;
	memset(longest, 'a', 108);
	longest[0] = '/';
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		h.path = (char *)(uintptr_t)cases[i].path;
		assert_int_equal(parse(&h, &wish, &r), -EINVAL);
		assert_string_equal(r.field, "vhost.path");
		assert_non_null(strstr(r.text, cases[i].words));
	}
	longest[107] = '\0';
	h.path = longest;
	assert_int_equal(parse(&h, &wish, &r), 0);
}

static void
sockets_stay_in_the_configured_directory(void **state)
{
	Vrouter__Vif__Vhost h = VROUTER__VIF__VHOST__INIT;
	static char beside[] = "/run/guests2/a.sock", below[] = "/run/guests/b/a.sock";
	struct port_wish wish;
	struct refusal r;

	(void)state;
	strcpy(test_conf.vhost_dir, "/run/guests/");
	h.path = path;
	assert_int_equal(parse(&h, &wish, &r), 0);
	h.path = below;
	assert_int_equal(parse(&h, &wish, &r), 0);
	h.path = beside;
	assert_int_equal(parse(&h, &wish, &r), -EACCES);
	assert_non_null(strstr(r.text, "option vhost-dir"));
	*test_conf.vhost_dir = '\0';
}

static void
mode_and_owner_are_the_vifs_or_the_configurations(void **state)
{
	static char root[] = "root", nobody_at_all[] = "no-such-user-here", number[] = "4711";
	Vrouter__Vif__Vhost h = VROUTER__VIF__VHOST__INIT;
	struct port_wish wish;
	struct refusal r;

	(void)state;
	h.path = path;
	assert_int_equal(parse(&h, &wish, &r), 0);
	assert_int_equal(wish.mode, 0660);
	assert_int_equal(wish.uid, GUEST_ID_KEEP);
	assert_int_equal(wish.gid, GUEST_ID_KEEP);
	h.mode = 0600;
	h.owner = root;
	h.group = number;
	assert_int_equal(parse(&h, &wish, &r), 0);
	assert_int_equal(wish.mode, 0600);
	assert_int_equal(wish.uid, 0);
	assert_int_equal(wish.gid, 4711);
	h.owner = nobody_at_all;
	assert_int_equal(parse(&h, &wish, &r), -EINVAL);
	assert_string_equal(r.field, "vhost.owner");
	h.owner = empty;
	h.mode = 01777;
	assert_int_equal(parse(&h, &wish, &r), -EINVAL);
	assert_string_equal(r.field, "vhost.mode");
	strcpy(test_conf.vhost_group, "4712");
	h.mode = 0;
	h.group = empty;
	assert_int_equal(parse(&h, &wish, &r), 0);
	assert_int_equal(wish.gid, 4712);
	*test_conf.vhost_group = '\0';
}

/* Adds vif 1 with a guest's port; returns the port. */
static struct port *
guest_add(Vrouter__Vif__Vhost *h)
{
	Vrouter__Vif m = guest_vif(h, path);
	int64_t index;

	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	index = vif_find_port(&test_ctl, "vif1");
	assert_true(index >= 0);
	return &test_ctl.tables.ports->p[index];
}

static void
guest_del(void)
{
	Vrouter__Vif m = VROUTER__VIF__INIT;

	m.has_id_case = VROUTER__VIF__HAS_ID_ID;
	m.id = 1;
	assert_ok(ask(VROUTER__OP__DEL, "vif", &m));
}

static void
a_guest_moves_to_another_agent(void **state)
{
	Vrouter__Vif__Vhost h;
	struct port *port = guest_add(&h);
	Vrouter__Vif m = guest_vif(&h, empty);

	(void)state;
	m.type = VROUTER__VIF__TYPE__TYPE_UNSET;
	h.agent = 2;
	assert_ok(ask(VROUTER__OP__SET, "vif", &m));
	assert_int_equal(port->agent, 2);
	/* It is there: nothing to do. */
	assert_ok(ask(VROUTER__OP__SET, "vif", &m));

	/* Adding again says the same. */
	m = guest_vif(&h, path);
	h.agent = 1;
	assert_ok(ask(VROUTER__OP__ADD, "vif", &m));
	assert_int_equal(port->agent, 1);
	guest_del();
}

static void
what_cannot_be_set_is_named(void **state)
{
	Vrouter__Vif__Vhost h;
	Vrouter__Vif m = guest_vif(&h, empty);

	(void)state;
	m.type = VROUTER__VIF__TYPE__TYPE_UNSET;
	assert_refused(ask(VROUTER__OP__SET, "vif", &m), VROUTER__RESULT__CODE__NOT_FOUND, "id",
		       "it does not exist");
	guest_add(&h);
	m = guest_vif(&h, path);
	assert_refused(ask(VROUTER__OP__SET, "vif", &m), VROUTER__RESULT__CODE__INVALID,
		       "transport", "nothing of its transport but vhost.agent");
	m = guest_vif(&h, empty);
	m.type = VROUTER__VIF__TYPE__TYPE_UNSET;
	h.agent = 9;
	assert_refused(ask(VROUTER__OP__SET, "vif", &m), VROUTER__RESULT__CODE__INVALID,
		       "vhost.agent", "there is no agent 9");
	guest_del();
}

static void
a_guest_is_described_by_names(void **state)
{
	struct vif_guest_view v = {0};
	Vrouter__Vif__Vhost h;
	struct port *port = guest_add(&h);
	uint32_t index = (uint32_t)(port - test_ctl.tables.ports->p);
	struct guest_note *note = &test_ctl.tables.guests->note[index];

	(void)state;
	port->guest = UINT64_C(1) << 15 | UINT64_C(1) << 32 | UINT64_C(1) << 62;
	note->rx_pairs = 3;
	note->tx_pairs = 1;
	note->ring_size[0] = 256;
	note->ring_size[1] = 1024;
	guest_blame(note, GUEST_MESSAGE, 3, guest_now_ms());
	guest_blame(note, GUEST_CRASH, 1, guest_now_ms());
	vif_guest_describe(&test_ctl, index, &v);
	assert_int_equal(v.guest.n_features, 2);
	assert_string_equal(v.guest.features[0], "mrg_rxbuf");
	assert_string_equal(v.guest.features[1], "version_1");
	assert_string_equal(v.guest.rings, "split");
	assert_int_equal(v.guest.rx_queues, 2);
	assert_int_equal(v.guest.tx_queues, 1);
	assert_int_equal(v.guest.n_ring_sizes, 2);
	assert_int_equal(v.guest.ring_sizes[1], 1024);
	assert_int_equal(v.guest.offences, 2);
	assert_string_equal(v.guest.last_offence, "crash");
	assert_int_equal(v.guest.agent_deaths, 1);
	assert_in_range(v.guest.quarantine_ms, 1, 1000);
	guest_del();
}

static int
no_requests_yet(void **state)
{
	(void)state;
	memset(&fake_primary, 0, sizeof(fake_primary));
	test_conf.agents = 3;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, no_requests_yet)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(paths_that_lead_elsewhere_are_refused),
	    TEST(sockets_stay_in_the_configured_directory),
	    TEST(mode_and_owner_are_the_vifs_or_the_configurations),
	    TEST(a_guest_moves_to_another_agent),
	    TEST(what_cannot_be_set_is_named),
	    TEST(a_guest_is_described_by_names),
	};

	return cmocka_run_group_tests(tests, router_open, router_close);
}
