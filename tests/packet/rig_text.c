/* SPDX-License-Identifier: BSD-3-Clause */
/* Text to tables; see rig_text.h. The test's only thread. */
#include "tests/packet/rig_text.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/cli/config.h"
#include "ctl/cli/words.h"
#include "ctl/ctl_test.h"
#include "tests/packet/rig.h"

/* Small, so that a case can fill them. As many vifs as the rig has counters for. */
enum { VIFS = 64, ENTRIES = 64, FLOW_ENTRIES = 16, STORES = 4096 };

static struct worker plain; /* with the rig's own tables */
static bool is_open;

static void
conf_fill(struct conf *c)
{
	conf_defaults(c);
	c->vifs = VIFS;
	c->nexthops = c->bridge_entries = c->routes = c->rules = c->labels = c->vnis = ENTRIES;
	c->vrfs = 16;
	c->flow_entries = FLOW_ENTRIES;
	c->batch_stores = STORES;
	c->region_spare_mb = 0;
	c->n_slots = 2;
	c->slot_ids[0] = 10;
	c->slot_ids[1] = 11;
	c->slot_cores[0] = c->slot_cores[1] = -1;
	strcpy(c->hugepage_dir, test_dir);
	strcpy(c->run_dir, test_dir);
}

/* As the configuration's option `port` has them made. */
static void
ports_make(struct conf *c)
{
	char name[8];

	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		make_port(name, i < RIG_TAP ? PORT_DEVICE : PORT_TAP, "", 1);
		if (i < RIG_TAP)
			snprintf(c->ports.v[c->ports.n++], sizeof(c->ports.v[0]), "%s=net_null%u",
				 name, i);
	}
}

int
rig_text_open(void)
{
	struct worker *w = rig_worker();
	struct tables *t = &test_ctl.tables;
	struct fault f = {0};
	bool adopted;

	strcpy(test_dir, "/tmp/ctl-test-XXXXXX");
	if (mkdtemp(test_dir) == NULL)
		return -1;
	conf_fill(&test_conf);
	if (region_create(&test_region, &test_conf, &adopted, &f) < 0 ||
	    tables_find(t, &test_region, &f) < 0 || tables_adopt(t, &f) < 0) {
		fprintf(stderr, "rig: %s\n", f.text);
		return -1;
	}
	test_ctl.region = &test_region;
	ports_make(&test_conf);
	plain = *w;
	w->vifs = t->vifs;
	w->roles = t->vif_roles;
	w->nexthops = t->nexthops;
	w->bridge = t->bridge;
	w->stitched = t->stitched;
	w->labels = t->labels;
	w->vnis = t->vnis;
	w->routes = t->routes;
	w->rules = t->rules;
	w->flows = t->flows;
	w->agent = &t->agent_rings[0];
	w->counters = t->counters;
	w->count = counters_at(t->counters, 0, 0);
	w->no_vif = VIFS;
	is_open = true;
	return 0;
}

void
rig_text_close(void)
{
	struct worker *w = rig_worker();

	if (!is_open)
		return;
	is_open = false;
	w->vifs = plain.vifs;
	w->roles = plain.roles;
	w->nexthops = plain.nexthops;
	w->bridge = plain.bridge;
	w->stitched = plain.stitched;
	w->labels = plain.labels;
	w->vnis = plain.vnis;
	w->routes = plain.routes;
	w->rules = plain.rules;
	w->flows = plain.flows;
	w->agent = plain.agent;
	w->counters = plain.counters;
	w->count = plain.count;
	w->no_vif = plain.no_vif;
	asker_forget();
	if (router_close(NULL) != 0)
		fprintf(stderr, "rig: %s stays\n", test_dir);
}

/* As `vrctl apply` sends it. */
static const Vrouter__Result *
send_batch(const struct config *c, bool delete)
{
	Vrouter__Request request = VROUTER__REQUEST__INIT;
	Vrouter__Batch batch = VROUTER__BATCH__INIT;
	Vrouter__Change *changes = calloc(c->n, sizeof(*changes));
	Vrouter__Change **list = calloc(c->n, sizeof(void *));
	Vrouter__Object *objects = calloc(c->n, sizeof(*objects));
	const Vrouter__Result *result;
	uint8_t *packed;
	size_t size;

	assert_true(changes != NULL && list != NULL && objects != NULL);
	for (size_t i = 0; i < c->n; i++) {
		vrouter__change__init(&changes[i]);
		words_put(&objects[i], c->list[i].kind, c->list[i].m);
		changes[i].op = delete ? VROUTER__OP__DEL : VROUTER__OP__ADD;
		changes[i].object = &objects[i];
		list[i] = &changes[i];
	}
	batch.changes = list;
	batch.n_changes = c->n;
	request.id = 1;
	request.batch = &batch;
	size = vrouter__request__get_packed_size(&request);
	packed = malloc(size);
	assert_non_null(packed);
	vrouter__request__pack(&request, packed);
	result = ask_bytes(packed, size);
	free(packed);
	free(objects);
	free(list);
	free(changes);
	return result;
}

const char *
rig_text_change(const char *name, const char *text, bool delete)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	struct config config = {0};
	const Vrouter__Result *result;
	int mistakes;

	assert_non_null(in);
	mistakes = config_parse(&config, in, name, stderr);
	fclose(in);
	if (mistakes != 0 || config.n == 0) {
		config_free(&config);
		fail_msg("%s: vrctl would not take it", name);
	}
	result = send_batch(&config, delete);
	config_free(&config);
	rig_worker()->vifs_scanned_tsc = 0; /* as if some time had passed */
	return result->code == VROUTER__RESULT__CODE__OK ? NULL : result->text;
}

void
rig_apply(const char *text)
{
	const char *why = rig_text_change("text", text, false);

	if (why != NULL)
		fail_msg("refused: %s", why);
}
