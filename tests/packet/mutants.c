/* SPDX-License-Identifier: BSD-3-Clause */
/* Words to be left out; see mutants.h. */
#include "tests/packet/mutants.h"

#include <string.h>

static const struct mutant mutants[] = {
#define VIF_FLAG(NAME, bit, name, text) {"vif", "flags", name, NULL},
#define VIF_FLAG_LATER(NAME, number, name, text)
#include "common/vif_flags.def"
#undef VIF_FLAG
#undef VIF_FLAG_LATER
#define NEXTHOP_FLAG(NAME, name, text) {"nexthop", "flags", name, TIED_##NAME},
#define TIED_POLICY                    NULL
#define TIED_RELAXED_POLICY            NULL
#define TIED_FLOW_LOOKUP               NULL
#define TIED_ROUTE_LOOKUP              NULL
#define TIED_L3_VXLAN                  "tunnel.inner_mac"
#define TIED_CONTROL_WORD              NULL
#include "common/nexthop_flags.def"
#undef NEXTHOP_FLAG
    {"vif", "vrf", NULL, NULL},
    {"vif", "mac", NULL, NULL},
    {"vif", "ip", NULL, NULL},
    {"vif", "ip6", NULL, NULL},
    {"vif", "mtu", NULL, NULL},
    {"vif", "vlan", NULL, NULL},
    {"vif", "nexthop", NULL, NULL},
    {"nexthop", "labels", NULL, NULL},
    {"bridge", "label", NULL, NULL},
    {"route", "label", NULL, NULL},
    {"route", "mac", NULL, NULL},
    {"route", "arp_proxy", NULL, NULL},
    {"route", "arp_trap", NULL, NULL},
    {"route", "arp_flood", NULL, NULL},
    {"rule", "protocol", NULL, NULL},
    {"rule", "source_ports", NULL, NULL},
    {"rule", "destination_ports", NULL, NULL},
    {"rule", "source_prefix", NULL, NULL},
    {"rule", "destination_prefix", NULL, NULL},
};

const struct mutant *
mutant_at(size_t n)
{
	return n < sizeof(mutants) / sizeof(mutants[0]) ? &mutants[n] : NULL;
}

/* Names are written with - or _. */
static bool
is_same(const char *a, const char *b, size_t len)
{
	if (strlen(a) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]))
			return false;
	return true;
}

/* What stays of a list "KEY=V,V", written to 'out'; its length, 0: nothing stays. */
static size_t
list_without(const char *word, size_t key, size_t len, const char *value, char *out)
{
	size_t written = key + 1, at = key + 1;
	bool any = false;

	memcpy(out, word, key + 1);
	while (at < len) {
		size_t n = strcspn(word + at, ", ");

		if (!is_same(value, word + at, n)) {
			if (any)
				out[written++] = ',';
			memcpy(out + written, word + at, n);
			written += n;
			any = true;
		}
		at += n + 1;
	}
	return any ? written : 0;
}

bool
mutant_take_out(const struct mutant *m, const char *line, char *out)
{
	size_t kind = strlen(m->kind), written = 0;
	bool changed = false;

	if (strncmp(line, m->kind, kind) != 0 || line[kind] != ' ')
		return false;
	for (const char *word = line; *word != '\0';) {
		size_t len = strcspn(word, " "), key = strcspn(word, "= "), n = len;
		bool ours = key < len && is_same(m->key, word, key);
		bool tied = key < len && m->tied != NULL && is_same(m->tied, word, key);
		size_t begin = written;

		if (written > 0)
			out[written++] = ' ';
		if (ours && m->value != NULL)
			n = list_without(word, key, len, m->value, out + written);
		else if (!ours && !tied)
			memcpy(out + written, word, len);
		else
			n = 0;
		changed |= ours && n != len;
		written = n == 0 ? begin : written + n;
		word += len;
		word += strspn(word, " ");
	}
	out[written] = '\0';
	return changed;
}
