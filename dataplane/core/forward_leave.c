// SPDX-License-Identifier: Apache-2.0
// Out of ports that are not plain: tags, and packets longer than what the port carries.
#include "forward_private.h"
#include "layout.h"

// The next router would have told the sender so; the port is that router. Turned into its ICMP
// error, the packet goes the way of all ICMP errors, which undoes what was rewritten. A packet that
// was not rewritten (direct return) needs no such way. As in forward_tunnel.c the packet counts as
// dropped and the error as made here.
static void refuse_too_big(struct sl_forwarder *fw, struct sl_pkt *pkt, uint16_t mtu_bytes)
{
	if (!sl_toobig_is_allowed(pkt) || !sl_toobig_take(&fw->too_bigs, fw->now)) {
		sl_forward_drop(pkt, SL_DROP_TOO_BIG);
		return;
	}
	sl_stat_add(&fw->stats->drops[SL_DROP_TOO_BIG], 1);
	sl_stat_add(&fw->stats->generated_pkts, 1);
	sl_toobig_make(pkt, mtu_bytes);
	if (sl_snapshot_has_address(fw->snap, &pkt->inner.dst))
		sl_forward_leave_towards(fw, pkt, &pkt->tuple.dst, NULL);
	else
		sl_forward_icmp_error(fw, pkt);
}

bool sl_forward_fit(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	const struct sl_link *out;

	if (fw->links == NULL || !fw->links->ports[pkt->out_port].is_careful)
		return true;
	out = &fw->links->ports[pkt->out_port];
	if (pkt->len - SL_ETH_BYTES - pkt->n_vlans * SL_VLAN_BYTES > out->mtu_bytes) {
		refuse_too_big(fw, pkt, out->mtu_bytes);
		return false;
	}
	if (sl_links_tag(fw->links, pkt))
		return true;
	sl_forward_drop(pkt, SL_DROP_NO_HEADROOM);
	return false;
}
