// SPDX-License-Identifier: Apache-2.0
#include "assess.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "parse.h"
#include "sluice/units.h"

#define FIRST_BUCKETS  1024
#define PAIR_BUCKETS   4096
#define TCP            6
#define UDP            17
#define LOOK_NS        SL_NS_PER_S // at a pair's period
#define PERIODIC_TWICE 2
#define PERIODIC_FULL  16 // full segments each way of a flow that takes part in it

int sl_assess_init(struct sl_assess *a, bool hides_ports, FILE *features)
{
	*a = (struct sl_assess){
		.hides_ports = hides_ports,
		.features = features,
		.n_buckets = FIRST_BUCKETS,
		.buckets = calloc(FIRST_BUCKETS, sizeof(*a->buckets)),
		.pairs = calloc(PAIR_BUCKETS, sizeof(*a->pairs)),
	};
	if (a->buckets != NULL && a->pairs != NULL)
		return 0;
	sl_assess_fini(a);
	return -ENOMEM;
}

void sl_assess_fini(struct sl_assess *a)
{
	for (size_t i = 0; i < a->n_flows; i++) {
		free(a->flows[i]->ttft.rows);
		free(a->flows[i]->tpot.rows);
		free(a->flows[i]);
	}
	for (size_t i = 0; a->pairs != NULL && i < PAIR_BUCKETS; i++) {
		while (a->pairs[i] != NULL) {
			struct assess_pair *pair = a->pairs[i];

			a->pairs[i] = pair->next;
			free(pair);
		}
	}
	free(a->flows);
	free(a->buckets);
	free(a->pairs);
}

const char *assess_ip(const struct sl_ip *ip, char text[48])
{
	if (sl_ip_is_v4(ip))
		inet_ntop(AF_INET, &ip->bytes[12], text, 48);
	else
		inet_ntop(AF_INET6, ip->bytes, text, 48);
	return text;
}

int assess_add_sample(struct assess_samples *s, uint32_t us, uint32_t weight)
{
	if (s->n == s->room) {
		const size_t room = s->room > 0 ? 2 * s->room : 4;
		struct assess_sample *rows = realloc(s->rows, room * sizeof(*rows));

		if (rows == NULL)
			return -ENOMEM;
		s->rows = rows;
		s->room = room;
	}
	s->rows[s->n++] = (struct assess_sample){us, weight};
	return 0;
}

// --- tables ---

static uint64_t hash_ends(const struct sl_tuple *tuple)
{
	static const struct sl_hash_key key = {1, 2};
	struct sl_tuple ends = *tuple;

	// The same for both directions.
	if (memcmp(&ends.src, &ends.dst, sizeof(ends.src)) > 0 ||
	    (sl_ip_equal(&ends.src, &ends.dst) && ends.sport_be > ends.dport_be))
		ends = (struct sl_tuple){.src = tuple->dst,
		                         .dst = tuple->src,
		                         .sport_be = tuple->dport_be,
		                         .dport_be = tuple->sport_be,
		                         .proto = tuple->proto};
	return sl_siphash13(&key, &ends, sizeof(ends));
}

static bool is_from_client(const struct assess_flow *flow, const struct sl_tuple *tuple)
{
	return memcmp(&flow->tuple, tuple, sizeof(*tuple)) == 0;
}

static bool is_of(const struct assess_flow *flow, const struct sl_tuple *t)
{
	const struct sl_tuple *f = &flow->tuple;

	return is_from_client(flow, t) ||
	       (f->proto == t->proto && f->sport_be == t->dport_be && f->dport_be == t->sport_be &&
	        sl_ip_equal(&f->src, &t->dst) && sl_ip_equal(&f->dst, &t->src));
}

// The latest flow of these ends.
static struct assess_flow *find(const struct sl_assess *a, uint64_t hash,
                                const struct sl_tuple *tuple)
{
	struct assess_flow *flow = a->buckets[hash & (a->n_buckets - 1)];

	while (flow != NULL && (flow->hash != hash || !is_of(flow, tuple)))
		flow = flow->next;
	return flow;
}

static int grow(struct sl_assess *a)
{
	const size_t room = a->flows_room > 0 ? 2 * a->flows_room : FIRST_BUCKETS;
	struct assess_flow **flows, **buckets;

	if (a->n_flows < a->flows_room)
		return 0;
	flows = realloc(a->flows, room * sizeof(*flows));
	if (flows == NULL)
		return -ENOMEM;
	a->flows = flows;
	buckets = calloc(room, sizeof(*buckets));
	if (buckets == NULL)
		return -ENOMEM;
	// In their order, so that the latest stands first in its bucket again.
	for (size_t i = 0; i < a->n_flows; i++) {
		struct assess_flow **bucket = &buckets[flows[i]->hash & (room - 1)];

		flows[i]->next = *bucket;
		*bucket = flows[i];
	}
	free(a->buckets);
	a->buckets = buckets;
	a->n_buckets = room;
	a->flows_room = room;
	return 0;
}

static struct assess_pair *pair_of(struct sl_assess *a, const struct sl_tuple *tuple,
                                   uint32_t now_us)
{
	const struct sl_tuple ends = {.src = tuple->src, .dst = tuple->dst};
	struct assess_pair **bucket = &a->pairs[hash_ends(&ends) % PAIR_BUCKETS];

	for (struct assess_pair *pair = *bucket; pair != NULL; pair = pair->next)
		if ((sl_ip_equal(&pair->a, &ends.src) && sl_ip_equal(&pair->b, &ends.dst)) ||
		    (sl_ip_equal(&pair->b, &ends.src) && sl_ip_equal(&pair->a, &ends.dst)))
			return pair;
	struct assess_pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL)
		return NULL;
	pair->a = ends.src;
	pair->b = ends.dst;
	pair->next = *bucket;
	sl_periodic_init(&pair->periodic, 0, now_us);
	*bucket = pair;
	return pair;
}

// --- one flow ---

static bool is_to_client(const struct sl_assess *a, const struct sl_pkt *pkt)
{
	const uint16_t sport = ntohs(pkt->tuple.sport_be), dport = ntohs(pkt->tuple.dport_be);
	const bool is_known = sl_class_port_find(pkt->tuple.proto, sport) != NULL;

	if (pkt->kind == SL_PKT_TCP && (pkt->tcp_flags & SL_TCP_SYN) != 0)
		return (pkt->tcp_flags & SL_TCP_ACK) != 0;
	if (a->hides_ports)
		return false;
	if (is_known != (sl_class_port_find(pkt->tuple.proto, dport) != NULL))
		return is_known;
	return sport < dport;
}

static uint8_t dscp_of(const struct sl_pkt *pkt)
{
	const uint8_t *ip = pkt->data + pkt->l3_off;

	return pkt->is_v6 ? (uint8_t)((ip[0] & 15) << 2 | ip[1] >> 6) : ip[1] >> 2;
}

static struct assess_flow *open_flow(struct sl_assess *a, const struct sl_pkt *pkt, uint64_t hash,
                                     uint64_t t_ns)
{
	const uint32_t now_us = (uint32_t)(t_ns / SL_NS_PER_US);
	struct assess_flow *flow, **bucket;
	struct sl_tuple t = pkt->tuple;

	if (grow(a) != 0 || (flow = calloc(1, sizeof(*flow))) == NULL)
		return NULL;
	if (is_to_client(a, pkt))
		t = (struct sl_tuple){.src = pkt->tuple.dst,
		                      .dst = pkt->tuple.src,
		                      .sport_be = pkt->tuple.dport_be,
		                      .dport_be = pkt->tuple.sport_be,
		                      .proto = pkt->tuple.proto};
	flow->tuple = t;
	flow->hash = hash;
	flow->first_ns = t_ns;
	flow->has_syn = pkt->kind == SL_PKT_TCP && (pkt->tcp_flags & SL_TCP_SYN) != 0;
	flow->syn_seq = pkt->tcp_seq;
	flow->key = (struct sl_class_key){.src = t.src,
	                                  .dst = t.dst,
	                                  .dport = ntohs(t.dport_be),
	                                  .vlan = SL_CLASSIFY_ANY_VLAN,
	                                  .proto = t.proto,
	                                  .dscp = dscp_of(pkt)};
	flow->pair = pair_of(a, &t, now_us);
	if (flow->pair == NULL) {
		free(flow);
		return NULL;
	}
	sl_features_open(&flow->features, now_us, t.proto == UDP);
	// Without its SYN a flow counts from here; its first byte is then the one after this.
	sl_phase_open(&flow->phase, pkt->tcp_seq - !flow->has_syn, now_us,
	              (uint32_t)(t_ns / SL_NS_PER_MS));
	if (!a->hides_ports)
		sl_classify_first(&a->classifier, &flow->features, &flow->key);
	flow->decided_at = flow->features.confidence_pct > SL_CLASSIFY_HINT_PCT;
	bucket = &a->buckets[hash & (a->n_buckets - 1)];
	flow->next = *bucket;
	*bucket = flow;
	a->flows[a->n_flows++] = flow;
	return flow;
}

static void print_features(const struct sl_assess *a, const struct assess_flow *flow)
{
	uint8_t vector[SL_FEATURE_COUNT];
	char src[48], dst[48];

	sl_features_vector(&flow->features, vector);
	fprintf(a->features, "%s %u %s %u %u %llu", assess_ip(&flow->tuple.src, src),
	        ntohs(flow->tuple.sport_be), assess_ip(&flow->tuple.dst, dst),
	        ntohs(flow->tuple.dport_be), flow->tuple.proto, (unsigned long long)flow->first_ns);
	for (int i = 0; i < SL_FEATURE_COUNT; i++)
		fprintf(a->features, " %u", vector[i]);
	putc('\n', a->features);
}

static void settled(struct assess_flow *flow)
{
	flow->decided_at = flow->n_pkts;
	flow->decided_answer = flow->features.n_pkts[SL_DIR_S2C];
}

static void classify(struct sl_assess *a, struct assess_flow *flow, const struct sl_pkt *pkt,
                     enum sl_dir dir, uint32_t n_bytes, uint32_t now_us)
{
	struct sl_features *f = &flow->features;

	if (!a->hides_ports && !f->has_looked) {
		const uint8_t kind = f->kind, is_locked = f->is_locked;

		sl_classify_peek(f, pkt->data + pkt->payload_off, n_bytes);
		if (kind != f->kind || is_locked != f->is_locked)
			settled(flow);
	}
	if (sl_features_add(f, dir, n_bytes, now_us)) {
		const bool was_unsure = f->confidence_pct <= SL_CLASSIFY_HINT_PCT;

		if (sl_classify_checkpoint(f) ||
		    (was_unsure && f->confidence_pct > SL_CLASSIFY_HINT_PCT))
			settled(flow);
		flow->n_checkpoints++;
		if (a->features != NULL)
			print_features(a, flow);
	}
	if (flow->pair->period_us > 0 && !f->is_locked && f->n_full[SL_DIR_C2S] >= PERIODIC_FULL &&
	    f->n_full[SL_DIR_S2C] >= PERIODIC_FULL) {
		if (f->kind != SL_KIND_COLLECTIVE)
			settled(flow);
		sl_classify_periodic(f);
	}
}

static void look_at_pair(struct assess_pair *pair, uint32_t n_bytes, uint64_t t_ns, uint32_t now_us)
{
	uint32_t period_us;

	sl_periodic_add(&pair->periodic, n_bytes, now_us);
	pair->n_bytes += n_bytes;
	if (t_ns < pair->looked_ns + LOOK_NS)
		return;
	pair->looked_ns = t_ns;
	period_us = sl_periodic_find(&pair->periodic);
	pair->n_found = period_us > 0 ? pair->n_found + 1 : 0;
	if (pair->n_found >= PERIODIC_TWICE)
		pair->period_us = period_us;
}

static int hear(struct assess_flow *flow, const struct sl_phase_told *told)
{
	if (told->ttft_us > 0 && assess_add_sample(&flow->ttft, told->ttft_us, 1) != 0)
		return -ENOMEM;
	if (told->n_tokens > 0 &&
	    assess_add_sample(&flow->tpot, told->tpot_us, told->n_tokens) != 0)
		return -ENOMEM;
	return 0;
}

static int follow_phase(struct assess_flow *flow, const struct sl_pkt *pkt, enum sl_dir dir,
                        uint32_t n_bytes, uint32_t now_us)
{
	struct sl_phase_told late = {0}, told = {0};
	const struct sl_phase_segment seg = {
		.now_us = now_us,
		.seq = pkt->tcp_seq,
		.n_bytes = n_bytes,
		.payload = pkt->data + pkt->payload_off,
		.dir = dir,
		.is_fin = (pkt->tcp_flags & SL_TCP_FIN) != 0,
		.is_rst = (pkt->tcp_flags & SL_TCP_RST) != 0,
	};

	sl_phase_check(&flow->phase, now_us, &late);
	if (n_bytes > 0 || seg.is_fin || seg.is_rst)
		sl_phase_segment(&flow->phase, &seg, false, &told);
	return hear(flow, &late) != 0 || hear(flow, &told) != 0 ? -ENOMEM : 0;
}

static int follow(struct sl_assess *a, struct assess_flow *flow, const struct sl_pkt *pkt,
                  uint64_t t_ns)
{
	const enum sl_dir dir = is_from_client(flow, &pkt->tuple) ? SL_DIR_C2S : SL_DIR_S2C;
	const uint32_t header = (uint32_t)(pkt->payload_off - pkt->l4_off);
	const uint32_t n_bytes = pkt->l4_bytes > header ? pkt->l4_bytes - header : 0;
	const uint32_t now_us = (uint32_t)(t_ns / SL_NS_PER_US);

	flow->last_ns = t_ns;
	flow->n_pkts++;
	flow->n_bytes += (uint64_t)(pkt->l4_off - pkt->l3_off) + pkt->l4_bytes;
	if (n_bytes > 0) {
		look_at_pair(flow->pair, n_bytes, t_ns, now_us);
		classify(a, flow, pkt, dir, n_bytes, now_us);
	}
	if (pkt->kind != SL_PKT_TCP)
		return 0;
	if ((pkt->tcp_flags & SL_TCP_FIN) != 0)
		flow->fins |= (uint8_t)(1 << dir);
	flow->is_over |= flow->fins == 3 || (pkt->tcp_flags & SL_TCP_RST) != 0;
	return follow_phase(flow, pkt, dir, n_bytes, now_us);
}

static bool begins_anew(const struct assess_flow *flow, const struct sl_pkt *pkt)
{
	if (pkt->kind != SL_PKT_TCP || (pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK)) != SL_TCP_SYN)
		return false;
	return flow->is_over || (flow->has_syn && flow->syn_seq != pkt->tcp_seq);
}

int sl_assess_packet(struct sl_assess *a, const struct sl_captured *packet)
{
	struct sl_pkt pkt = {.data = packet->frame, .len = packet->wire_bytes};
	struct assess_flow *flow;
	uint64_t hash;

	if (a->n_pkts == 0)
		a->first_ns = packet->t_ns;
	if (packet->t_ns > a->last_ns)
		a->last_ns = packet->t_ns;
	a->n_pkts++;
	a->n_cut += packet->is_cut;
	a->n_bytes += packet->wire_bytes;
	if (sl_parse(&pkt) >= 0 || (pkt.kind != SL_PKT_TCP && pkt.kind != SL_PKT_UDP) ||
	    pkt.is_fragment) {
		a->n_skipped++;
		return 0;
	}
	hash = hash_ends(&pkt.tuple);
	flow = find(a, hash, &pkt.tuple);
	if (flow == NULL || begins_anew(flow, &pkt))
		flow = open_flow(a, &pkt, hash, packet->t_ns);
	return flow != NULL ? follow(a, flow, &pkt, packet->t_ns) : -ENOMEM;
}

// What was still open when the capture ended.
int sl_assess_finish(struct sl_assess *a)
{
	for (size_t i = 0; i < a->n_flows; i++) {
		struct assess_flow *flow = a->flows[i];
		struct sl_phase_told told = {0};

		if (flow->tuple.proto == TCP)
			sl_phase_check(&flow->phase, (uint32_t)(a->last_ns / SL_NS_PER_US), &told);
		if (hear(flow, &told) != 0)
			return -ENOMEM;
	}
	return 0;
}
