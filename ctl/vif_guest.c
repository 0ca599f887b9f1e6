/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests in the API; see vif_guest.h. */
#include "ctl/vif_guest.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/port.h"
#include "ctl/ctl.h"

enum {
	SOCKET_PATH_MAX = 107, /* sizeof sockaddr_un.sun_path - 1 */
	MODE_MAX = 0777,
	RING_PACKED = 34, /* bit of the features */
};

/* --- what a client may say --- */

/* Octal, as chmod takes it; 0 in the message: as configured. */
static int
mode_of(const Vrouter__Vif__Vhost *m, const struct conf *conf, uint32_t *mode, struct refusal *r)
{
	char *end;

	if (m->mode > MODE_MAX)
		return refuse(r, EINVAL, "vhost.mode", "vhost.mode %u is above %u (octal 777)",
			      m->mode, MODE_MAX);
	*mode = m->mode;
	if (m->mode != 0)
		return 0;
	*mode = (uint32_t)strtoul(conf->vhost_mode, &end, 8);
	return *end == '\0' && *mode <= MODE_MAX
		   ? 0
		   : refuse(r, EINVAL, "vhost.mode", "option vhost-mode = %s is not 0 to 777 octal",
			    conf->vhost_mode);
}

/* A user or group by name or number: whatever 'find' makes of a name. */
static int
id_of(const char *field, const char *given, const char *configured,
      bool (*find)(const char *, uint32_t *), uint32_t *id, struct refusal *r)
{
	const char *name = *given != '\0' ? given : configured;
	unsigned long n;
	char *end;

	*id = GUEST_ID_KEEP;
	if (*name == '\0')
		return 0;
	n = strtoul(name, &end, 10);
	if (*end == '\0' && n < GUEST_ID_KEEP) {
		*id = (uint32_t)n;
		return 0;
	}
	return find(name, id)
		   ? 0
		   : refuse(r, EINVAL, field, "%s \"%.64s\" is neither known here nor a number",
			    field, name);
}

static bool
find_user(const char *name, uint32_t *id)
{
	const struct passwd *user = getpwnam(name);

	if (user != NULL)
		*id = user->pw_uid;
	return user != NULL;
}

static bool
find_group(const char *name, uint32_t *id)
{
	const struct group *group = getgrnam(name);

	if (group != NULL)
		*id = group->gr_gid;
	return group != NULL;
}

/* Somebody else may own a directory on the way: nothing in a path may lead up again. */
static int
check_socket_path(const char *path, const struct conf *conf, struct refusal *r)
{
	const char *field = "vhost.path";
	size_t dir = strlen(conf->vhost_dir);

	if (*path != '/')
		return refuse(r, EINVAL, field, "vhost.path \"%.80s\" is no absolute path", path);
	if (strlen(path) > SOCKET_PATH_MAX)
		return refuse(r, EINVAL, field, "vhost.path has %zu bytes, a socket's at most %d",
			      strlen(path), SOCKET_PATH_MAX);
	for (const char *part = path; part != NULL; part = strchr(part, '/')) {
		size_t n = strcspn(++part, "/");

		if (n == 0 || (n == 1 && *part == '.') || (n == 2 && strncmp(part, "..", 2) == 0))
			return refuse(r, EINVAL, field,
				      "vhost.path \"%.107s\" has an empty part, \".\" or \"..\": "
				      "write it out",
				      path);
	}
	while (dir > 0 && conf->vhost_dir[dir - 1] == '/')
		dir--;
	if (dir > 0 && (strncmp(path, conf->vhost_dir, dir) != 0 || path[dir] != '/'))
		return refuse(r, EACCES, field,
			      "vhost.path \"%.107s\" is not in %s (option vhost-dir)", path,
			      conf->vhost_dir);
	return 0;
}

int
vif_guest_parse(const Vrouter__Vif__Vhost *m, const struct conf *conf, struct port_wish *wish,
		struct refusal *r)
{
	int rc = check_socket_path(m->path, conf, r);

	if (rc == 0)
		rc = mode_of(m, conf, &wish->mode, r);
	if (rc == 0)
		rc = id_of("vhost.owner", m->owner, conf->vhost_owner, find_user, &wish->uid, r);
	if (rc == 0)
		rc = id_of("vhost.group", m->group, conf->vhost_group, find_group, &wish->gid, r);
	return rc;
}

/* --- what is known --- */

static void
describe_features(uint64_t features, struct vif_guest_view *v)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} known[] = {
#define VIRTIO_FEATURE(bit, name) {bit, name},
#include "ctl/virtio_features.def"
#undef VIRTIO_FEATURE
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if ((features >> known[i].bit & 1) != 0)
			v->features[v->guest.n_features++] = (char *)(uintptr_t)known[i].name;
	v->guest.features = v->features;
	v->guest.rings =
	    (char *)(uintptr_t)((features >> RING_PACKED & 1) != 0 ? "packed" : "split");
}

void
vif_guest_describe(const struct ctl *ctl, uint32_t index, struct vif_guest_view *v)
{
	const struct guest_note *note = &ctl->tables.guests->note[index];
	const struct port *p = &ctl->tables.ports->p[index];
	Vrouter__Vif__Guest *g = &v->guest;

	vrouter__vif__guest__init(g);
	g->connected = p->link_up != 0;
	if (p->guest != 0) {
		describe_features(p->guest, v);
		g->rx_queues = (uint32_t)__builtin_popcount(note->rx_pairs);
		g->tx_queues = (uint32_t)__builtin_popcount(note->tx_pairs);
		for (uint32_t i = 0; i < GUEST_RINGS_MAX; i++)
			if (note->ring_size[i] != 0)
				v->ring_sizes[g->n_ring_sizes++] = note->ring_size[i];
		g->ring_sizes = v->ring_sizes;
		g->mtu = note->mtu;
	}
	g->connections = note->connections;
	g->messages = note->messages;
	g->calls = note->calls;
	for (uint32_t i = 0; i < GUEST_OFFENCES; i++)
		g->offences += note->offences[i];
	if (note->last_ms != 0)
		g->last_offence = (char *)(uintptr_t)guest_offence_name(note->last_offence);
	g->agent_deaths = note->offences[GUEST_CRASH] + note->offences[GUEST_HANG];
	g->quarantine_ms = guest_quarantined_ms(note, guest_now_ms());
}
