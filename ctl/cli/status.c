/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands made by hand: status, drops, mempool audit. They show several objects at once, or
 * judge them by the exit status. vrctl's only thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli/fields.h"
#include "ctl/cli/filter.h"
#include "ctl/cli/message.h"
#include "ctl/cli/text_table.h"
#include "ctl/cli/vrctl.h"
#include "ctl/cli/words.h"

/* --- lists in memory --- */

struct objects {
	size_t n, room;
	Vrouter__Object **list;
};

static int
keep(void *arg, const Vrouter__Object *object)
{
	struct objects *o = arg;
	size_t size = vrouter__object__get_packed_size(object);
	uint8_t *packed;

	if (o->n == o->room) {
		size_t room = o->room == 0 ? 64 : o->room * 2;
		Vrouter__Object **list = realloc(o->list, room * sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		o->list = list;
		o->room = room;
	}
	packed = malloc(size + 1);
	if (packed == NULL)
		return -ENOMEM;
	vrouter__object__pack(object, packed);
	o->list[o->n] = vrouter__object__unpack(NULL, size, packed);
	free(packed);
	if (o->list[o->n] == NULL)
		return -ENOMEM;
	o->n++;
	return 0;
}

static void
objects_free(struct objects *o)
{
	for (size_t i = 0; i < o->n; i++)
		vrouter__object__free_unpacked(o->list[i], NULL);
	free(o->list);
	memset(o, 0, sizeof(*o));
}

static int
collect(struct vrctl *v, const char *kind, struct objects *o)
{
	Vrouter__Object filter;
	ProtobufCMessage *m = words_object(words_kind(kind), &filter);
	int rc;

	memset(o, 0, sizeof(*o));
	if (m == NULL)
		return -ENOMEM;
	rc = vrouter_list(v->router, &filter, keep, o);
	protobuf_c_message_free_unpacked(m, NULL);
	return rc;
}

/* --- status --- */

struct overview {
	Vrouter__Response *answer; /* to GET status */
	struct objects processes, slots, tables, ports, pools;
};

static void
print_json_list(const char *name, const struct objects *o)
{
	printf(",\n \"%s\": [", name);
	for (size_t i = 0; i < o->n; i++) {
		fputs(i == 0 ? "\n  " : ",\n  ", stdout);
		message_print_json(stdout, words_content(o->list[i]));
	}
	fputs("]", stdout);
}

static void
print_json(const struct overview *o)
{
	fputs("{\"status\": ", stdout);
	message_print_json(stdout, &o->answer->object->status->base);
	print_json_list("processes", &o->processes);
	print_json_list("slots", &o->slots);
	print_json_list("tables", &o->tables);
	print_json_list("pools", &o->pools);
	print_json_list("ports", &o->ports);
	fputs("\n}\n", stdout);
}

static void
print_judgement(const struct vrctl *v, const Vrouter__Status *s)
{
	if (s->healthy) {
		puts("HEALTHY");
	} else {
		fputs("DEGRADED", stdout);
		for (size_t i = 0; i < s->n_reasons; i++)
			printf("%s %s", i == 0 ? ":" : ";", s->reasons[i]);
		putchar('\n');
	}
	printf("%s, version %s, tables made ", s->instance, s->version);
	message_print_duration(stdout,
			       v->now_ms > s->created_time_ms ? v->now_ms - s->created_time_ms : 0);
	printf(
	    " ago, region %.1f of %.1f MiB used, EAL generation %u, ctl's longest turn %.1f ms\n",
	    (double)s->used_bytes / 1048576, (double)s->size_bytes / 1048576, s->eal_generation,
	    s->longest_turn_us / 1000.0);
}

/* What text a printing function makes, as a cell. */
static void
cell_duration(struct text_table *t, uint64_t now_ms, uint64_t then_ms)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return;
	if (then_ms == 0)
		fputc('-', out);
	else
		message_print_duration(out, now_ms > then_ms ? now_ms - then_ms : 0);
	fclose(out);
	text_table_cell(t, text);
	free(text);
}

static void
cell_death(struct text_table *t, uint64_t now_ms, const Vrouter__Process__Death *d)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (d == NULL) {
		text_table_cell(t, "-");
		return;
	}
	out = open_memstream(&text, &size);
	if (out == NULL)
		return;
	message_print_duration(out, now_ms > d->died_time_ms ? now_ms - d->died_time_ms : 0);
	fprintf(out, " ago: %s", d->why);
	if (d->recovered_us != 0)
		fprintf(out, "; back after %.1f ms", (double)d->recovered_us / 1000);
	fclose(out);
	text_table_cell(t, text);
	free(text);
}

static void
cell_enum(struct text_table *t, const ProtobufCEnumDescriptor *d, int value)
{
	const ProtobufCEnumValue *e = protobuf_c_enum_descriptor_get_value(d, value);
	char name[32];

	message_value_name(e != NULL ? e->name : "?", name, sizeof(name));
	text_table_cell(t, name);
}

static struct text_table *
table(const char *const *titles, const char *numbers)
{
	struct text_table *t = text_table_create();

	for (size_t i = 0; t != NULL && titles[i] != NULL; i++)
		text_table_column(t, titles[i], numbers[i] == 'n');
	return t;
}

static void
finish(const struct vrctl *v, struct text_table *t, size_t rows)
{
	if (rows != 0) {
		putchar('\n');
		text_table_print(t, stdout, v->width);
	}
	text_table_destroy(t);
}

static void
print_processes(const struct vrctl *v, const struct objects *o)
{
	static const char *const titles[] = {"PROCESS",  "STATE",      "PID", "UP",
					     "RESTARTS", "LAST DEATH", NULL};
	struct text_table *t = table(titles, "ttntnt");

	for (size_t i = 0; t != NULL && i < o->n; i++) {
		const Vrouter__Process *p = o->list[i]->process;
		bool lives = p->state != VROUTER__PROCESS__STATE__DEAD &&
			     p->state != VROUTER__PROCESS__STATE__FREE;

		text_table_cell(t, p->name);
		cell_enum(t, &vrouter__process__state__descriptor, (int)p->state);
		text_table_cellf(t, lives ? "%u" : "-", p->pid);
		cell_duration(t, v->now_ms, lives ? p->started_time_ms : 0);
		text_table_cellf(t, "%u", p->restarts);
		cell_death(t, v->now_ms, p->death);
	}
	finish(v, t, o->n);
}

static void
print_slots(const struct vrctl *v, const struct objects *o)
{
	static const char *const titles[] = {"SLOT",     "PID",           "CORE",     "BUSY",
					     "MPPS",     "CYCLES/PACKET", "RX DROPS", "RING MAX",
					     "RESTARTS", "QUARANTINED",   NULL};
	struct text_table *t = table(titles, "nnnnnnnnnn");

	for (size_t i = 0; t != NULL && i < o->n; i++) {
		const Vrouter__Slot *s = o->list[i]->slot;

		text_table_cellf(t, "%u", s->id);
		text_table_cellf(t, s->pid != 0 ? "%u" : "-", s->pid);
		text_table_cellf(t, s->core >= 0 ? "%d" : "any", s->core);
		text_table_cellf(t, "%u %%", s->busy_percent);
		text_table_cellf(t, "%.3f", (double)s->packets_per_second / 1e6);
		text_table_cellf(t, s->cycles_per_packet != 0 ? "%u" : "-", s->cycles_per_packet);
		text_table_cellf(t, "%" PRIu64, s->rx_drops);
		text_table_cellf(t, "%u/%u", s->ring_max, s->ring_size);
		text_table_cellf(t, "%u", s->restarts);
		text_table_cellf(t, "%" PRIu64, s->quarantined);
	}
	finish(v, t, o->n);
}

static void
print_tables(const struct vrctl *v, const struct objects *tables, const struct objects *pools)
{
	static const char *const titles[] = {"TABLE", "USED", "SIZE", "FULL", NULL};
	struct text_table *t = table(titles, "tnnn");

	for (size_t i = 0; t != NULL && i < tables->n; i++) {
		const Vrouter__Table *e = tables->list[i]->table;

		if (e->has_used_case == 0)
			continue;
		text_table_cell(t, e->name);
		text_table_cellf(t, "%" PRIu64, e->used);
		text_table_cellf(t, "%" PRIu64, e->size);
		text_table_cellf(t, "%" PRIu64 " %%", e->size != 0 ? e->used * 100 / e->size : 0);
	}
	for (size_t i = 0; t != NULL && i < pools->n; i++) {
		const Vrouter__Mempool *p = pools->list[i]->mempool;

		text_table_cellf(t, "pool %s%s", p->name, p->foreign ? " (foreign)" : "");
		text_table_cellf(t, "%u", p->size - p->available);
		text_table_cellf(t, "%u", p->size);
		text_table_cellf(t, "%u %%", p->used_percent);
	}
	finish(v, t, tables->n);
}

static void
print_ports(const struct vrctl *v, const struct objects *o)
{
	static const char *const titles[] = {"PORT", "KIND", "LINK",  "VIF",      "RX/S", "TX/S",
					     "RX",   "TX",   "DROPS", "MOST FOR", NULL};
	struct text_table *t = table(titles, "tttnnnnnnt");

	for (size_t i = 0; t != NULL && i < o->n; i++) {
		const Vrouter__Port *p = o->list[i]->port;

		text_table_cell(t, p->name);
		cell_enum(t, &vrouter__port__kind__descriptor, (int)p->kind);
		if (p->link_up && p->link_mbps != 0)
			text_table_cellf(t, "%u Mb/s", p->link_mbps);
		else
			text_table_cell(t, p->link_up ? "up" : "down");
		text_table_cellf(t, p->has_vif_case != 0 ? "%u" : "-",
				 p->has_vif_case != 0 ? p->vif : 0);
		text_table_cellf(t, "%" PRIu64, p->rx_packets_per_second);
		text_table_cellf(t, "%" PRIu64, p->tx_packets_per_second);
		text_table_cellf(t, "%" PRIu64, p->rx_packets);
		text_table_cellf(t, "%" PRIu64, p->tx_packets);
		text_table_cellf(t, "%" PRIu64, p->drops);
		text_table_cell(t, *p->top_drop != '\0' ? p->top_drop : "-");
	}
	finish(v, t, o->n);
}

/* Pools are known a moment later than the rest, when vr-ctl is attached: then they are left out. */
static int
look(struct vrctl *v, struct overview *o)
{
	Vrouter__Object object;
	ProtobufCMessage *m = words_object(words_kind("status"), &object);
	int rc;

	memset(o, 0, sizeof(*o));
	if (m == NULL)
		return -ENOMEM;
	rc = vrouter_call(v->router, VROUTER__OP__GET, &object, &o->answer);
	protobuf_c_message_free_unpacked(m, NULL);
	if (rc == 0)
		rc = collect(v, "process", &o->processes);
	if (rc == 0)
		rc = collect(v, "slot", &o->slots);
	if (rc == 0)
		rc = collect(v, "table", &o->tables);
	if (rc == 0)
		rc = collect(v, "port", &o->ports);
	if (rc == 0) {
		rc = collect(v, "mempool", &o->pools);
		rc = rc == -EREMOTE ? 0 : rc;
	}
	return rc;
}

enum exit_status
command_status(struct vrctl *v, int argc, char **argv)
{
	enum exit_status status;
	struct overview o;
	int rc;

	(void)argc;
	(void)argv;
	rc = look(v, &o);
	if (rc < 0) {
		status = vrctl_fail(v, rc);
		goto free_overview;
	}
	if (v->json) {
		print_json(&o);
	} else {
		print_judgement(v, o.answer->object->status);
		print_processes(v, &o.processes);
		print_slots(v, &o.slots);
		print_tables(v, &o.tables, &o.pools);
		print_ports(v, &o.ports);
	}
	status = o.answer->object->status->healthy ? EXIT_OK : EXIT_UNHEALTHY;

free_overview:
	objects_free(&o.processes);
	objects_free(&o.slots);
	objects_free(&o.tables);
	objects_free(&o.ports);
	objects_free(&o.pools);
	vrouter_response_free(o.answer);
	return status;
}

/* --- drops, audit --- */

/* `vrctl drops vif=1` is `vrctl drop list vif=1`, with --last of the packets themselves. */
enum exit_status
command_drops(struct vrctl *v, int argc, char **argv)
{
	int n = 2, from = argc > 1 && strcmp(argv[1], "list") == 0 ? 2 : 1;
	char **words = calloc((size_t)argc + 2, sizeof(*words));
	enum exit_status status;

	if (words == NULL)
		return vrctl_no_memory();
	words[0] = (char *)(uintptr_t)(v->last ? "dropped" : "drop");
	words[1] = (char *)(uintptr_t) "list";
	for (int i = from; i < argc; i++)
		words[n++] = argv[i];
	status = command_object(v, n, words);
	free(words);
	return status;
}

static int
judge_audit(void *arg, const Vrouter__Object *object)
{
	const Vrouter__Audit *a = object->audit;

	*(bool *)arg |= a->unaccounted != 0 || a->twice != 0;
	return 0;
}

enum exit_status
command_audit(struct vrctl *v, int argc, char **argv)
{
	struct filter *where;
	enum exit_status status;
	Vrouter__Object object;
	ProtobufCMessage *m;
	bool wrong = false;

	status = command_where(&vrouter__audit__descriptor, 2, &argc, argv, &where);
	if (status != EXIT_OK)
		return status;
	if (argc > 2) {
		fprintf(stderr,
			"vrctl: mempool audit: \"%s\" is too much; only `where` may follow\n",
			argv[2]);
		filter_free(where);
		return EXIT_USAGE;
	}
	m = words_object(words_kind("audit"), &object);
	if (m == NULL) {
		filter_free(where);
		return vrctl_no_memory();
	}
	status = command_list(v, "audit", &object, where, judge_audit, &wrong);
	protobuf_c_message_free_unpacked(m, NULL);
	filter_free(where);
	return status == EXIT_OK && wrong ? EXIT_UNHEALTHY : status;
}
