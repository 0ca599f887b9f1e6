/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket with real clients: the server runs in a child process, the clients are
 * libvrouter and bare sockets.
 */
#include "ctl/server_test.h"

#include <poll.h>

/* Reads until the server hangs up; how many bytes came. */
static size_t
drain_socket(int fd, uint8_t *out, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, out + n, size - n, 0)) > 0)
		n += (size_t)got;
	assert_int_equal(got, 0);
	return n;
}

static Vrouter__Response *
only_answer(const uint8_t *bytes, size_t size)
{
	Vrouter__Response *r;

	assert_true(size > FRAME_HEADER);
	assert_int_equal(frame_get(bytes), size - FRAME_HEADER);
	r = vrouter__response__unpack(NULL, size - FRAME_HEADER, bytes + FRAME_HEADER);
	assert_non_null(r);
	return r;
}

/* --- tests --- */

static void
pipelined_requests_are_answered_in_order(void **state)
{
	struct vrouter *v = client();
	Vrouter__Response *answer;
	uint64_t id, first = 0;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(vrouter_send(v, VROUTER__OP__ADD, flood(i), &id), 0);
		first = i == 0 ? id : first;
	}
	assert_int_equal(vrouter_flush(v), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(vrouter_receive(v, &answer), 0);
		assert_int_equal(answer->id, first + i);
		assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__OK);
		vrouter_response_free(answer);
	}
	vrouter_close(v);
}

static int
count_objects(void *arg, const Vrouter__Object *o)
{
	assert_int_equal(o->nexthop->id, *(uint32_t *)arg);
	++*(uint32_t *)arg;
	return 0;
}

static void
a_long_list_comes_whole(void **state)
{
	struct vrouter *v = client();
	uint32_t n = 0;

	(void)state;
	assert_int_equal(vrouter_list(v, flood(0), count_objects, &n), 0);
	assert_int_equal(n, 5000);
	vrouter_close(v);
}

static void
a_refusal_reaches_the_client(void **state)
{
	struct vrouter *v = client();
	Vrouter__Response *answer;

	(void)state;
	assert_int_equal(vrouter_call(v, VROUTER__OP__ADD, flood(10000), &answer), -EREMOTE);
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__INVALID);
	assert_string_equal(vrouter_error(v),
			    "nexthop 10000: id 10000 is above 9999 (option nexthops)");
	vrouter_response_free(answer);
	vrouter_close(v);
}

static void
an_oversized_frame_is_refused_and_hung_up_on(void **state)
{
	uint8_t out[512], header[FRAME_HEADER];
	Vrouter__Response *answer;
	int fd = bare_client();

	(void)state;
	frame_put(header, 65537);
	assert_int_equal(send(fd, header, sizeof(header), 0), sizeof(header));
	answer = only_answer(out, drain_socket(fd, out, sizeof(out)));
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__MALFORMED);
	assert_non_null(strstr(answer->result->text, "control-message-max, 65536"));
	vrouter_response_free(answer);
	close(fd);
	assert_serves();
}

static void
a_frame_of_garbage_is_refused_and_hung_up_on(void **state)
{
	uint8_t out[512], frame[] = {0, 0, 0, 3, 0xff, 0xff, 0xff};
	Vrouter__Response *answer;
	int fd = bare_client();

	(void)state;
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	answer = only_answer(out, drain_socket(fd, out, sizeof(out)));
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__MALFORMED);
	vrouter_response_free(answer);
	close(fd);
	assert_serves();
}

static void
a_truncated_frame_is_forgotten(void **state)
{
	uint8_t out[512], frame[] = {0, 0, 0, 9, 8};
	int fd = bare_client();

	(void)state;
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	shutdown(fd, SHUT_WR);
	assert_int_equal(drain_socket(fd, out, sizeof(out)), 0);
	close(fd);
	assert_serves();
}

static void
what_was_sent_before_the_end_is_answered(void **state)
{
	uint8_t out[512], frame[256];
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Response *answer;
	int fd = bare_client();
	size_t size;

	(void)state;
	request.id = 99;
	request.op = VROUTER__OP__ADD;
	request.object = flood(5);
	size = vrouter__request__pack(&request, frame + FRAME_HEADER);
	frame_put(frame, (uint32_t)size);
	for (size_t i = 0; i < FRAME_HEADER + size; i++)
		assert_int_equal(send(fd, frame + i, 1, 0), 1);
	shutdown(fd, SHUT_WR);
	answer = only_answer(out, drain_socket(fd, out, sizeof(out)));
	assert_int_equal(answer->id, 99);
	assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__OK);
	vrouter_response_free(answer);
	close(fd);
}

/* It asks for more lists than any queue should hold, and reads nothing. */
static void
a_client_that_does_not_read_delays_nobody(void **state)
{
	uint8_t frame[256];
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	int fd = bare_client(), sent = 0;
	size_t size;

	(void)state;
	request.op = VROUTER__OP__LIST;
	request.object = flood(0);
	size = vrouter__request__pack(&request, frame + FRAME_HEADER);
	frame_put(frame, (uint32_t)size);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (sent < 100000 &&
	       send(fd, frame, FRAME_HEADER + size, 0) == (ssize_t)(FRAME_HEADER + size))
		sent++;
	assert_true(sent > 0);
	for (int i = 0; i < 100; i++)
		assert_serves();
	close(fd);
	assert_serves();
}

/* All are there before the first one is served. */
static void
a_thousand_clients_are_served_and_more_are_not(void **state)
{
	enum { CLIENTS = 1001, ROUNDS = 5 };
	static struct vrouter *v[CLIENTS];
	Vrouter__Response *answer;
	int served = 0;

	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		bool sent;

		v[i] = vrouter_open(socket_path, 20000);
		sent = vrouter_connect(v[i]) == 0;
		for (int j = 0; j < ROUNDS && sent; j++)
			sent = vrouter_send(v[i], VROUTER__OP__ADD, flood((uint32_t)i), NULL) == 0;
	}
	for (int i = 0; i < CLIENTS; i++)
		vrouter_flush(v[i]);
	for (int i = 0; i < CLIENTS; i++) {
		bool all = true;

		for (int j = 0; j < ROUNDS && all; j++) {
			all = vrouter_receive(v[i], &answer) == 0;
			if (!all)
				break;
			assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__OK);
			vrouter_response_free(answer);
		}
		served += all;
	}
	for (int i = 0; i < CLIENTS; i++)
		vrouter_close(v[i]);
	assert_int_equal(served, 1000);
	assert_serves();
}

/* Far more than there is room for come and die, in the middle of everything. */
static void
dead_clients_leave_nothing_behind(void **state)
{
	const struct linger at_once = {.l_onoff = 1};
	uint8_t frame[256];
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	size_t size;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		int fd = bare_client();

		request.op = i % 3 == 0 ? VROUTER__OP__LIST : VROUTER__OP__ADD;
		request.object = flood((uint32_t)i);
		if (i % 3 == 1) {
			request.op = VROUTER__OP__WATCH;
			request.object = vif_object(1);
		}
		size = vrouter__request__pack(&request, frame + FRAME_HEADER);
		frame_put(frame, (uint32_t)size);
		/* Every other frame is cut off. */
		assert_true(send(fd, frame, i % 2 == 0 ? FRAME_HEADER + size : size, 0) > 0);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
		if (i % 500 == 0)
			assert_serves();
	}
	assert_serves();
}

static void
restart_with(uint64_t unread_s)
{
	assert_int_equal(stop(SIGTERM), 0);
	test_conf.control_unread_s = unread_s;
	start();
}

/* It watches, and asks for a list that no queue should hold, and reads nothing. */
static void
a_client_that_never_reads_is_disconnected(void **state)
{
	uint8_t frame[256];
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	struct pollfd p = {.events = POLLRDHUP};
	size_t size;
	int n;

	(void)state;
	restart_with(1);
	p.fd = bare_client();
	request.op = VROUTER__OP__LIST;
	request.object = flood(0);
	size = vrouter__request__pack(&request, frame + FRAME_HEADER);
	frame_put(frame, (uint32_t)size);
	for (int i = 0; i < 100; i++)
		assert_int_equal(send(p.fd, frame, FRAME_HEADER + size, 0), FRAME_HEADER + size);
	for (n = 0; n < 3000; n++) {
		if (poll(&p, 1, 10) == 1)
			break;
		assert_serves();
	}
	assert_true((p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
	close(p.fd);
	restart_with(60);
}

/* --- events --- */

static const uint32_t vif_kind = VROUTER__OBJECT__KIND_VIF;

static void
change_vif(struct vrouter *v, bool add)
{
	assert_int_equal(
	    vrouter_send(v, add ? VROUTER__OP__ADD : VROUTER__OP__DEL, vif_object(1), NULL), 0);
}

static void
assert_answered(struct vrouter *v, int n)
{
	Vrouter__Response *answer;

	for (; n > 0; n--) {
		assert_int_equal(vrouter_receive(v, &answer), 0);
		assert_non_null(answer->result);
		assert_int_equal(answer->result->code, VROUTER__RESULT__CODE__OK);
		vrouter_response_free(answer);
	}
}

static void
events_come_beside_the_answers(void **state)
{
	struct vrouter *v = client();
	Vrouter__Response *event;

	(void)state;
	assert_int_equal(vrouter_watch(v, &vif_kind, 1), 0);
	for (int i = 0; i < 100; i++)
		change_vif(v, i % 2 == 0);
	assert_answered(v, 100);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(vrouter_event(v, 10000, &event), 0);
		assert_int_equal(event->event->sequence, i + 1);
		assert_int_equal(event->event->what, i % 2 == 0 ? VROUTER__EVENT__WHAT__ADDED
								: VROUTER__EVENT__WHAT__REMOVED);
		assert_int_equal(event->object->vif->id, 1);
		vrouter_response_free(event);
	}
	assert_int_equal(vrouter_event(v, 0, &event), -ETIMEDOUT);
	assert_int_equal(vrouter_watch(v, NULL, 0), 0);
	change_vif(v, true);
	change_vif(v, false);
	assert_answered(v, 2);
	assert_int_equal(vrouter_event(v, 0, &event), -EINVAL);
	vrouter_close(v);
}

/* Events that a client reads while 'n' changes are made, a hundred at a time. */
static void
change_and_read(struct vrouter *changer, struct vrouter *reader, int n)
{
	Vrouter__Response *event;

	for (int i = 0; i < n; i += 100) {
		for (int j = 0; j < 100; j++)
			change_vif(changer, j % 2 == 0);
		assert_answered(changer, 100);
		for (int j = 0; j < 100; j++) {
			assert_int_equal(vrouter_event(reader, 20000, &event), 0);
			assert_int_equal(event->event->sequence, i + j + 1);
			assert_true(event->event->what != VROUTER__EVENT__WHAT__MISSED);
			vrouter_response_free(event);
		}
	}
}

static void
who_reads_no_events_misses_some_and_others_none(void **state)
{
	enum { CHANGES = 20000 };
	struct vrouter *slow = client(), *reader = client(), *changer = client();
	Vrouter__Response *event;
	uint64_t sequence = 0, missed = 0;

	(void)state;
	assert_int_equal(vrouter_watch(slow, &vif_kind, 1), 0);
	assert_int_equal(vrouter_watch(reader, &vif_kind, 1), 0);
	change_and_read(changer, reader, CHANGES);
	while (sequence < CHANGES) {
		assert_int_equal(vrouter_event(slow, 20000, &event), 0);
		assert_non_null(event);
		missed += event->event->missed;
		assert_int_equal(event->event->sequence,
				 sequence + (event->event->missed > 0 ? event->event->missed : 1));
		sequence = event->event->sequence;
		vrouter_response_free(event);
	}
	assert_in_range(missed, 1, CHANGES - 1);
	vrouter_close(slow);
	vrouter_close(reader);
	vrouter_close(changer);
}

static void
who_watches_survives_the_servers_restart(void **state)
{
	struct vrouter *v = client(), *changer;
	Vrouter__Response *event;

	(void)state;
	assert_int_equal(vrouter_watch(v, &vif_kind, 1), 0);
	stop(SIGKILL);
	assert_int_equal(vrouter_event(v, 20000, &event), -EPIPE);
	assert_int_equal(vrouter_event(v, 100, &event), -ETIMEDOUT);
	start();
	assert_int_equal(vrouter_event(v, 20000, &event), 0);
	assert_null(event);
	changer = client();
	change_vif(changer, true);
	change_vif(changer, false);
	assert_answered(changer, 2);
	assert_int_equal(vrouter_event(v, 20000, &event), 0);
	assert_string_equal(event->event->text, "vif 1 was added");
	vrouter_response_free(event);
	assert_int_equal(vrouter_event(v, 20000, &event), 0);
	assert_string_equal(event->event->text, "vif 1 was removed");
	vrouter_response_free(event);
	/* Also when another call has connected again, behind its back. */
	stop(SIGKILL);
	start();
	assert_int_equal(vrouter_call(v, VROUTER__OP__GET, flood(1), NULL), 0);
	assert_int_equal(vrouter_event(v, 20000, &event), -EPIPE);
	assert_int_equal(vrouter_event(v, 20000, &event), 0);
	assert_null(event);
	vrouter_close(v);
	vrouter_close(changer);
}

static void
a_client_survives_the_servers_restart(void **state)
{
	struct vrouter *v = client();

	(void)state;
	assert_int_equal(vrouter_call(v, VROUTER__OP__ADD, flood(42), NULL), 0);
	stop(SIGKILL);
	start();
	assert_int_equal(vrouter_call(v, VROUTER__OP__GET, flood(42), NULL), 0);
	vrouter_close(v);
}

static void
nobody_there_is_said_at_once(void **state)
{
	struct vrouter *v = vrouter_open("/nowhere/control.sock", 10000);

	(void)state;
	assert_int_equal(vrouter_call(v, VROUTER__OP__GET, flood(1), NULL), -ENOENT);
	assert_string_equal(vrouter_error(v),
			    "cannot connect to /nowhere/control.sock: No such file or directory");
	vrouter_close(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pipelined_requests_are_answered_in_order),
	    cmocka_unit_test(a_long_list_comes_whole),
	    cmocka_unit_test(a_refusal_reaches_the_client),
	    cmocka_unit_test(an_oversized_frame_is_refused_and_hung_up_on),
	    cmocka_unit_test(a_frame_of_garbage_is_refused_and_hung_up_on),
	    cmocka_unit_test(a_truncated_frame_is_forgotten),
	    cmocka_unit_test(what_was_sent_before_the_end_is_answered),
	    cmocka_unit_test(a_client_that_does_not_read_delays_nobody),
	    cmocka_unit_test(a_thousand_clients_are_served_and_more_are_not),
	    cmocka_unit_test(dead_clients_leave_nothing_behind),
	    cmocka_unit_test(a_client_that_never_reads_is_disconnected),
	    cmocka_unit_test(events_come_beside_the_answers),
	    cmocka_unit_test(who_reads_no_events_misses_some_and_others_none),
	    cmocka_unit_test(who_watches_survives_the_servers_restart),
	    cmocka_unit_test(a_client_survives_the_servers_restart),
	    cmocka_unit_test(nobody_there_is_said_at_once),
	};
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, server_open, server_close);
}
