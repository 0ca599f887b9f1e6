/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers that lie in several segments. See pull.h. A segment that is emptied is listed among the
 * drops while it still hangs in its packet, and taken out then: a death in between finds it twice,
 * which a repair counts once (hand.h). A slot's thread.
 */
#include "fwd-worker/pull.h"

#include <string.h>

#include "common/fault_point.h"
#include "fwd-worker/worker.h"

bool
pull(struct worker *w, struct rte_mbuf *m, uint32_t len)
{
	uint32_t want = len < m->pkt_len ? len : m->pkt_len;

	if (m->data_len >= want)
		return true;
	if (want - m->data_len > rte_pktmbuf_tailroom(m))
		return false;
	while (m->data_len < want && m->next != NULL) {
		struct rte_mbuf *s = m->next;
		uint32_t part = want - m->data_len;

		if (part > s->data_len)
			part = s->data_len;
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len),
		       rte_pktmbuf_mtod(s, const uint8_t *), part);
		m->data_len = (uint16_t)(m->data_len + part);
		s->data_off = (uint16_t)(s->data_off + part);
		s->data_len = (uint16_t)(s->data_len - part);
		if (s->data_len > 0)
			break;
		FAULT_POINT("pull-emptied");
		hand_drop(w->hand, s);
		FAULT_POINT("pull-dropped");
		m->next = s->next;
		m->nb_segs--;
		FAULT_POINT("pull-unlinked");
		s->next = NULL;
		s->nb_segs = 1;
	}
	return m->data_len >= want;
}
