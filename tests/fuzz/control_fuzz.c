/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever a client may send to the control socket: the server of vr-ctl over a small router's
 * tables, and a client that sends the input. Run by tests/fuzz/run.sh.
 *
 * An input is a stream: frames, each with its length, and perhaps a piece of one at its end. Beside
 * crashes and what the sanitizers find it is an error if
 *   - a request has no final answer, or two, or one with another id
 *   - a refusal has no words
 *   - a refused write changed anything that a list shows (half a batch, for instance)
 *   - the server no longer serves the next client
 * The mutator knows frames: without it most inputs would be one frame that is never whole. With
 * FUZZ_SEEDS=folder in the environment the program writes inputs to begin with, one for each
 * operation of each kind of object, and ends.
 *
 * The primary is a fake that makes and removes ports, and refuses those whose name begins with 'x'.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/grace.h"
#include "common/log.h"
#include "common/port.h"
#include "common/region.h"
#include "common/slot.h"
#include "ctl/call.h"
#include "ctl/client/frame.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/object.h"
#include "ctl/primary.h"
#include "ctl/rates.h"
#include "ctl/server.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

enum { ANSWER_MAX_MS = 5000, BYTES_MAX = 1 << 20, MESSAGE_MAX = 64 * 1024 };

static struct conf conf;
static struct region region;
static struct ctl ctl = {.conf = &conf, .revision = 1000};
static char dir[64];
static char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

#define CHECK(condition, ...)                         \
	do {                                          \
		if (!(condition)) {                   \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr);          \
			abort();                      \
		}                                     \
	} while (0)

/* --- the router --- */

static void
remove_dir(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", dir);
}

static void
router_open(void)
{
	const char *tmp = getenv("TMPDIR");
	struct fault f = {0};
	bool adopted;

	conf_defaults(&conf);
	conf.vifs = 16;
	conf.nexthops = 16;
	conf.vrfs = 4;
	conf.bridge_entries = 64;
	conf.routes = 64;
	conf.flow_entries = 0;
	conf.labels = 0;
	conf.batch_stores = 1024;
	conf.region_spare_mb = 1;
	conf.n_slots = 2;
	conf.slot_ids[0] = 10;
	conf.slot_ids[1] = 11;
	conf.slot_cores[0] = conf.slot_cores[1] = -1;
	conf.control_message_max = MESSAGE_MAX;
	snprintf(dir, sizeof(dir), "%.40s/fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp");
	CHECK(mkdtemp(dir) != NULL, "cannot make a directory: %s", strerror(errno));
	atexit(remove_dir);
	snprintf(conf.hugepage_dir, sizeof(conf.hugepage_dir), "%s", dir);
	snprintf(conf.run_dir, sizeof(conf.run_dir), "%s", dir);
	CHECK(region_create(&region, &conf, &adopted, &f) == 0 &&
		  tables_find(&ctl.tables, &region, &f) == 0 && tables_adopt(&ctl.tables, &f) == 0,
	      "%s", f.text);
	ctl.region = &region;
	ctl.base = event_base_new();
	ctl.rates = rates_create(&ctl);
	ctl.events = events_create(&ctl);
	CHECK(ctl.base != NULL && ctl.rates != NULL && ctl.events != NULL, "not enough memory");
	server_path(&conf, socket_path, sizeof(socket_path));
	CHECK(server_create(&ctl, &ctl.server, &f) == 0, "%s", f.text);
}

/* --- the primary --- */

struct request {
	primary_reply *reply;
	void *arg;
	int code;
};

static void
on_reply(evutil_socket_t fd, short what, void *arg)
{
	struct request r = *(struct request *)arg;

	(void)fd;
	(void)what;
	free(arg);
	r.reply(r.arg, r.code, r.code < 0 ? "the kernel says no" : "");
}

static int
reply_soon(primary_reply *reply, void *arg, int code)
{
	const struct timeval now = {0};
	struct request *r = malloc(sizeof(*r));

	CHECK(r != NULL, "not enough memory");
	*r = (struct request){reply, arg, code};
	return event_base_once(ctl.base, -1, EV_TIMEOUT, on_reply, r, &now);
}

int
primary_port_add(struct primary *p, const struct port_wish *wish, primary_reply *reply, void *arg)
{
	struct ports *t = ctl.tables.ports;

	(void)p;
	if (*wish->name == 'x')
		return reply_soon(reply, arg, -EIO);
	for (uint32_t i = 0; i < t->n; i++) {
		struct port *port = &t->p[i];

		if (port->state != PORT_FREE)
			continue;
		memset(port, 0, sizeof(*port));
		snprintf(port->name, sizeof(port->name), "%s", wish->name);
		if (wish->devargs != NULL)
			snprintf(port->devargs, sizeof(port->devargs), "%s", wish->devargs);
		port->kind = wish->kind;
		port->queues = wish->queues != 0 ? wish->queues : 1;
		port->agent = wish->agent;
		port->flags = wish->flags;
		port->state = PORT_ACTIVE;
		return reply_soon(reply, arg, 0);
	}
	return reply_soon(reply, arg, -ENOSPC);
}

int
primary_port_move(struct primary *p, uint32_t port, const char *name, uint32_t agent,
		  primary_reply *reply, void *arg)
{
	(void)p;
	(void)name;
	ctl.tables.ports->p[port].agent = agent;
	return reply_soon(reply, arg, 0);
}

int
primary_port_del(struct primary *p, uint32_t port, const char *name, primary_reply *reply,
		 void *arg)
{
	(void)p;
	(void)name;
	ctl.tables.ports->p[port].state = PORT_FREE;
	return reply_soon(reply, arg, 0);
}

bool
primary_connected(const struct primary *p)
{
	(void)p;
	return true;
}

/* --- what a list shows --- */

static uint64_t hash;

static void
hash_answer(struct caller *caller, const Vrouter__Response *answer)
{
	static uint8_t packed[BYTES_MAX];
	size_t size;

	(void)caller;
	if (answer->object == NULL)
		return;
	size = vrouter__object__get_packed_size(answer->object);
	CHECK(size <= sizeof(packed), "an object of %zu bytes", size);
	vrouter__object__pack(answer->object, packed);
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ packed[i]) * UINT64_C(0x100000001b3);
}

static void
hash_kind(const struct object_info *info)
{
	struct caller caller = {.may_read = true, .send = hash_answer};
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	const ProtobufCMessageDescriptor *d = info->member->descriptor;
	_Alignas(16) char content[4096];
	uint8_t packed[64];
	struct call *call;
	size_t size;

	CHECK(d->sizeof_message <= sizeof(content), "%s is large", info->name);
	protobuf_c_message_init(d, content);
	object.kind_case = info->member->id;
	*(void **)((char *)&object + info->member->offset) = content;
	request.op = VROUTER__OP__LIST;
	request.object = &object;
	size = vrouter__request__pack(&request, packed);
	call = call_create(&ctl, &caller, packed, size);
	CHECK(call != NULL, "list %s is malformed", info->name);
	while (call_run(call, 1000) != CALL_DONE)
		;
}

/* Of all that clients write. */
static uint64_t
hash_tables(void)
{
	const struct object_info *kinds;
	uint32_t n;

	hash = UINT64_C(0xcbf29ce484222325);
	kinds = object_kinds(&n);
	for (uint32_t i = 0; i < n; i++)
		if ((kinds[i].kind->put != NULL || kinds[i].kind->add != NULL) &&
		    kinds[i].kind->list != NULL)
			hash_kind(&kinds[i]);
	return hash;
}

/* --- the client --- */

static struct {
	int fd;
	uint8_t in[BYTES_MAX];
	size_t n;
	bool closed; /* by the server */
} client;

static void
client_open(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	client.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	strcpy(addr.sun_path, socket_path);
	CHECK(connect(client.fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "connect: %s",
	      strerror(errno));
	client.n = 0;
	client.closed = false;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Lets the server work, and reads what it sends. */
static void
pump(void)
{
	ssize_t got;

	event_base_loop(ctl.base, EVLOOP_NONBLOCK);
	grace_poll(ctl.tables.grace);
	got = recv(client.fd, client.in + client.n, sizeof(client.in) - client.n, 0);
	CHECK(client.n < sizeof(client.in), "more answers than anything asks for");
	if (got > 0)
		client.n += (size_t)got;
	else if (got == 0 || errno == ECONNRESET)
		client.closed = true;
}

static void
client_send(const uint8_t *bytes, size_t size)
{
	while (size > 0 && !client.closed) {
		ssize_t sent = send(client.fd, bytes, size, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			client.closed = true;
		if (sent > 0) {
			bytes += sent;
			size -= (size_t)sent;
		}
		pump();
	}
}

/* Of a frame whose id we cannot tell. */
#define ANY_ID UINT64_MAX

/* Whether the last final answer is one after which the server hangs up. */
static bool hangs_up;

/* The next answer that has come; NULL: none. */
static Vrouter__Response *
client_receive(void)
{
	Vrouter__Response *r;
	uint32_t size;

	if (client.n < FRAME_HEADER)
		return NULL;
	size = frame_get(client.in);
	if (client.n < FRAME_HEADER + (size_t)size)
		return NULL;
	r = vrouter__response__unpack(NULL, size, client.in + FRAME_HEADER);
	CHECK(r != NULL, "the server sent what is no answer");
	client.n -= FRAME_HEADER + size;
	memmove(client.in, client.in + FRAME_HEADER + size, client.n);
	return r;
}

/* The final answer's code; -1: hung up without any. */
static int
final_answer(uint64_t id)
{
	uint64_t start = now_ms();
	int code = -1;

	while (code < 0) {
		Vrouter__Response *r = client_receive();

		if (r == NULL) {
			if (client.closed)
				return -1;
			CHECK(now_ms() - start < ANSWER_MAX_MS, "no answer in time");
			pump();
			continue;
		}
		if (r->event == NULL && !r->more) {
			CHECK(r->result != NULL, "a final answer without a result");
			code = r->result->code;
			CHECK(code == VROUTER__RESULT__CODE__OK || *r->result->text != '\0',
			      "refused without a word");
			CHECK(r->id == id || id == ANY_ID ||
				  code == VROUTER__RESULT__CODE__MALFORMED,
			      "another request's answer");
			hangs_up =
			    code == VROUTER__RESULT__CODE__MALFORMED && r->result->change == 0;
		}
		CHECK(r->event != NULL || r->result == NULL || !r->more, "a result, and more");
		vrouter__response__free_unpacked(r, NULL);
	}
	return code;
}

/*
 * One whole frame. False: the server hangs up after such a one. Changes of a batch are unpacked
 * when their turn comes, so one that is none is refused like others.
 */
static bool
try_frame(const uint8_t *frame, size_t size)
{
	Vrouter__Request *q =
	    vrouter__request__unpack(NULL, size - FRAME_HEADER, frame + FRAME_HEADER);
	bool writes = q == NULL || q->batch != NULL ||
		      (q->op >= VROUTER__OP__ADD && q->op <= VROUTER__OP__DEL);
	uint64_t id = q != NULL ? q->id : ANY_ID, before = writes ? hash_tables() : 0;
	int code;

	vrouter__request__free_unpacked(q, NULL);
	client_send(frame, size);
	code = final_answer(id);
	CHECK(code >= 0, "hung up without an answer");
	CHECK(q != NULL || code != VROUTER__RESULT__CODE__OK, "garbage was taken");
	if (writes && code != VROUTER__RESULT__CODE__OK)
		CHECK(hash_tables() == before, "a refused write has changed something");
	return !hangs_up;
}

static size_t
frame_size(const uint8_t *data, size_t size)
{
	uint32_t n = size >= FRAME_HEADER ? frame_get(data) : 0;

	return size >= FRAME_HEADER && n <= MESSAGE_MAX && n <= size - FRAME_HEADER
		   ? FRAME_HEADER + (size_t)n
		   : 0;
}

static void
client_close(void)
{
	uint64_t start = now_ms();

	shutdown(client.fd, SHUT_WR);
	while (!client.closed) {
		pump();
		client.n = 0;
		CHECK(now_ms() - start < ANSWER_MAX_MS, "not hung up on in time");
	}
	close(client.fd);
}

/* Everybody is served after whatever came, and the next input finds the tables empty. */
static void
reset(void)
{
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	Vrouter__Reset everything = VROUTER__RESET__INIT;
	uint8_t frame[64];
	size_t size;

	everything.tables = true;
	object.kind_case = VROUTER__OBJECT__KIND_RESET;
	object.reset = &everything;
	request.op = VROUTER__OP__SET;
	request.object = &object;
	size = vrouter__request__pack(&request, frame + FRAME_HEADER);
	frame_put(frame, (uint32_t)size);
	client_open();
	client_send(frame, FRAME_HEADER + size);
	CHECK(final_answer(0) == VROUTER__RESULT__CODE__OK, "the next client is not served");
	client_close();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool more = true;
	size_t n;

	client_open();
	for (n = frame_size(data, size); n > 0 && more; n = frame_size(data, size)) {
		more = try_frame(data, n);
		data += n;
		size -= n;
	}
	client_send(data, size);
	client_close();
	reset();
	return 0;
}

/* --- inputs --- */

/* Frame number 'which' (modulo their number) in a stream; 0 if there is none. */
static size_t
find_frame(const uint8_t *data, size_t size, unsigned int which, size_t *at)
{
	size_t starts[256], n = 0, pos = 0, len;

	for (len = frame_size(data, size); len > 0 && n < 256;
	     len = frame_size(data + pos, size - pos)) {
		starts[n++] = pos;
		pos += len;
	}
	if (n == 0)
		return 0;
	*at = starts[which % n];
	return frame_size(data + *at, size - *at);
}

/* Mostly changes a frame's content and corrects its length; sometimes doubles a frame. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t at = 0, len = find_frame(data, size, seed / 16, &at), rest, content, room;
	uint8_t *tail;

	if (len == 0 || seed % 16 == 0)
		return LLVMFuzzerMutate(data, size, max);
	rest = size - at - len;
	if (seed % 16 == 1 && size + len <= max) {
		memmove(data + at + len, data + at, len + rest);
		return size + len;
	}
	tail = malloc(rest + 1);
	if (tail == NULL)
		return size;
	memcpy(tail, data + at + len, rest);
	room = max - at - FRAME_HEADER - rest;
	content = LLVMFuzzerMutate(data + at + FRAME_HEADER, len - FRAME_HEADER, room);
	frame_put(data + at, (uint32_t)content);
	memcpy(data + at + FRAME_HEADER + content, tail, rest);
	free(tail);
	return at + FRAME_HEADER + content + rest;
}

/* --- inputs to begin with --- */

/* A field as it goes over the wire, with a value that its kind may like. */
static size_t put_message(uint8_t *out, const ProtobufCMessageDescriptor *d, bool write);

static size_t
put_varint(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

static size_t
put_sized(uint8_t *out, uint32_t tag, const void *bytes, size_t size)
{
	size_t n = put_varint(out, (uint64_t)tag << 3 | 2);

	n += put_varint(out + n, size);
	memcpy(out + n, bytes, size);
	return n + size;
}

static size_t
put_field(uint8_t *out, const ProtobufCFieldDescriptor *f, bool write)
{
	static const uint8_t bytes[32] = {2, 0, 0, 0, 24, 8};
	uint8_t sub[2048];
	size_t n;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return put_sized(out, f->id, "/x", strstr(f->name, "path") != NULL ? 2 : 1);
	case PROTOBUF_C_TYPE_BYTES:
		return put_sized(out, f->id, bytes,
				 strcmp(f->name, "mac") == 0      ? 6
				 : strcmp(f->name, "prefix") == 0 ? 5
								  : 14);
	case PROTOBUF_C_TYPE_MESSAGE:
		return put_sized(out, f->id, sub, put_message(sub, f->descriptor, write));
	default:
		n = put_varint(out, (uint64_t)f->id << 3);
		return n + put_varint(out + n, strcmp(f->name, "slot") == 0 ? 10 : 1);
	}
}

static size_t
put_message(uint8_t *out, const ProtobufCMessageDescriptor *d, bool write)
{
	size_t n = 0;

	for (unsigned int i = 0; i < d->n_fields; i++)
		if (!write || strcmp(d->fields[i].name, "state") != 0)
			n += put_field(out + n, &d->fields[i], write);
	return n;
}

static void
write_seed(const char *folder, const char *name, const uint8_t *content, size_t size)
{
	uint8_t header[FRAME_HEADER];
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "w");
	CHECK(out != NULL, "cannot write %s: %s", path, strerror(errno));
	frame_put(header, (uint32_t)size);
	fwrite(header, 1, sizeof(header), out);
	fwrite(content, 1, size, out);
	fclose(out);
}

static void
write_seeds(const char *folder)
{
	/* Adds nexthop 1 and then deletes nexthop 2, which is not there: half of it may be done. */
	static const uint8_t half[] = {0x22, 0x18, 0x0a, 0x0b, 0x08, 0x01, 0x12, 0x07, 0x8a,
				       0x01, 0x04, 0x08, 0x01, 0x10, 0x01, 0x0a, 0x09, 0x08,
				       0x03, 0x12, 0x05, 0x8a, 0x01, 0x02, 0x08, 0x02};
	const ProtobufCEnumDescriptor *ops = &vrouter__op__descriptor;
	static uint8_t content[8192], object[8192], change[8192], request[8192];
	const struct object_info *kinds;
	char name[64];
	uint32_t n;

	write_seed(folder, "batch-half", half, sizeof(half));
	kinds = object_kinds(&n);
	for (uint32_t i = 0; i < n; i++) {
		for (unsigned int j = 0; j < ops->n_values; j++) {
			int op = ops->values[j].value;
			size_t size, at;

			if (!object_can(&kinds[i], op))
				continue;
			size = put_message(content, kinds[i].member->descriptor, true);
			size = put_sized(object, kinds[i].member->id, content, size);
			at = put_varint(request, 2 << 3);
			at += put_varint(request + at, (uint64_t)op);
			at += put_sized(request + at, 3, object, size);
			snprintf(name, sizeof(name), "%s-%s", kinds[i].name, ops->values[j].name);
			write_seed(folder, name, request, at);
			if (op != VROUTER__OP__ADD && op != VROUTER__OP__DEL)
				continue;
			at = put_varint(change, 1 << 3);
			at += put_varint(change + at, (uint64_t)op);
			at += put_sized(change + at, 2, object, size);
			at = put_sized(content, 1, change, at);
			at = put_sized(request, 4, content, at);
			snprintf(name, sizeof(name), "batch-%s-%s", kinds[i].name,
				 ops->values[j].name);
			write_seed(folder, name, request, at);
		}
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("FUZZ_SEEDS");

	(void)argc;
	(void)argv;
	if (folder != NULL) {
		write_seeds(folder);
		exit(0);
	}
	log_init("control_fuzz", false, LOG_LEVEL_ERROR);
	router_open();
	return 0;
}
