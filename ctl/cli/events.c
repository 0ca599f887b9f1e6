/* SPDX-License-Identifier: BSD-3-Clause */
/* `vrctl events`: what happens, as it happens. vrctl's only thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/cli/contract.h"
#include "ctl/cli/message.h"
#include "ctl/cli/vrctl.h"
#include "ctl/cli/words.h"

enum { KINDS_MAX = 64 };

static bool
can_be_watched(const ProtobufCFieldDescriptor *kind)
{
	return (contract_ops(kind->descriptor) & 1u << VROUTER__OP__WATCH) != 0;
}

/* The kinds named by words 1 to argc - 1; all if there are none. */
static int
kinds_of(int argc, char **argv, uint32_t kinds[KINDS_MAX], unsigned int *n)
{
	const ProtobufCMessageDescriptor *d = &vrouter__object__descriptor;
	const char *separator = "";

	*n = 0;
	for (unsigned int i = 0; argc == 1 && i < d->n_fields && *n < KINDS_MAX; i++)
		if (can_be_watched(&d->fields[i]))
			kinds[(*n)++] = d->fields[i].id;
	for (int i = 1; i < argc && *n < KINDS_MAX; i++) {
		const ProtobufCFieldDescriptor *kind = words_kind(argv[i]);

		if (kind != NULL && can_be_watched(kind)) {
			kinds[(*n)++] = kind->id;
			continue;
		}
		fprintf(stderr, "vrctl: events: there are none about \"%s\"; there are about ",
			argv[i]);
		for (unsigned int j = 0; j < d->n_fields; j++) {
			if (!can_be_watched(&d->fields[j]))
				continue;
			fprintf(stderr, "%s%s", separator, d->fields[j].name);
			separator = ", ";
		}
		fputc('\n', stderr);
		return -EINVAL;
	}
	return 0;
}

/* "21:14:07.123  process fwd 10 died: killed by signal 9 (Killed)" */
static void
print_text(const Vrouter__Event *e)
{
	time_t s = (time_t)(e->happened_time_ms / 1000);
	char at[16];
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(at, sizeof(at), "%T", &tm);
	printf("%s.%03u  %s\n", at, (unsigned int)(e->happened_time_ms % 1000), e->text);
}

static void
print_json(const Vrouter__Response *r)
{
	const ProtobufCMessage *content = r->object != NULL ? words_content(r->object) : NULL;

	fputs("{\"event\": ", stdout);
	message_print_json(stdout, &r->event->base);
	if (content != NULL) {
		printf(", \"%s\": ", protobuf_c_message_descriptor_get_field(
					 &vrouter__object__descriptor, r->object->kind_case)
					 ->name);
		message_print_json(stdout, content);
	}
	fputs("}\n", stdout);
}

enum exit_status
command_events(struct vrctl *v, int argc, char **argv)
{
	uint32_t kinds[KINDS_MAX];
	Vrouter__Response *r;
	unsigned int n;
	int rc;

	if (kinds_of(argc, argv, kinds, &n) < 0)
		return EXIT_USAGE;
	rc = vrouter_watch(v->router, kinds, n);
	if (rc < 0)
		return vrctl_fail(v, rc);
	for (uint64_t seen = 0; (v->count == 0 || seen < v->count) && !ferror(stdout);) {
		rc = vrouter_event(v->router, -1, &r);
		if (rc == -EPIPE) {
			fprintf(stderr, "vrctl: %s; connecting again\n", vrouter_error(v->router));
			continue;
		}
		if (rc < 0)
			return vrctl_fail(v, rc);
		if (r == NULL) {
			fputs("vrctl: connected again; what happened meanwhile is not shown\n",
			      stderr);
			continue;
		}
		if (v->json)
			print_json(r);
		else
			print_text(r->event);
		fflush(stdout);
		vrouter_response_free(r);
		seen++;
	}
	return EXIT_OK;
}
