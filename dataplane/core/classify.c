// SPDX-License-Identifier: Apache-2.0
#include "classify.h"

#include "classifier_table.h"
#include "peek.h"

#define TCP 6
#define UDP 17

// Sure: the port is of one use by convention, and nobody else takes it. The others are hints.
static const struct sl_class_port ports[] = {
	{4791, 4791, UDP, SL_KIND_RDMA, true, "RoCEv2"},
	{53, 53, UDP, SL_KIND_CONTROL, true, "DNS"},
	{53, 53, TCP, SL_KIND_CONTROL, true, "DNS"},
	{123, 123, UDP, SL_KIND_CONTROL, true, "NTP"},
	{179, 179, TCP, SL_KIND_CONTROL, true, "BGP"},
	{3784, 3784, UDP, SL_KIND_CONTROL, true, "BFD"},
	{2049, 2049, TCP, SL_KIND_BULK, true, "NFS"},
	{3260, 3260, TCP, SL_KIND_BULK, true, "iSCSI"},
	{4420, 4420, TCP, SL_KIND_BULK, true, "NVMe/TCP"},
	{988, 988, TCP, SL_KIND_BULK, true, "Lustre"},
	{3300, 3300, TCP, SL_KIND_BULK, true, "Ceph"},
	{6789, 6789, TCP, SL_KIND_BULK, true, "Ceph"},
	{6800, 7568, TCP, SL_KIND_BULK, false, "Ceph"},
	{8003, 8003, TCP, SL_KIND_BULK, false, "BeeGFS"},
	{14000, 14000, TCP, SL_KIND_BULK, false, "Weka"},
	{9000, 9000, TCP, SL_KIND_BULK, false, "S3"},
	{5201, 5201, TCP, SL_KIND_BULK, true, "iperf3"},
	{29500, 29500, TCP, SL_KIND_COLLECTIVE, true, "torchrun"},
	{29400, 29400, TCP, SL_KIND_COLLECTIVE, true, "torch elastic"},
	{16666, 16666, TCP, SL_KIND_COLLECTIVE, true, "HCCL"},
	{11434, 11434, TCP, SL_KIND_STREAM, true, "Ollama"},
	{30000, 30000, TCP, SL_KIND_STREAM, false, "SGLang"},
	{23333, 23333, TCP, SL_KIND_STREAM, false, "LMDeploy"},
	{4000, 4000, TCP, SL_KIND_STREAM, false, "LiteLLM"},
	{8000, 8000, TCP, SL_KIND_STREAM, false, "vLLM, Triton"},
	{8001, 8001, TCP, SL_KIND_STREAM, false, "Triton over gRPC"},
	{8500, 8501, TCP, SL_KIND_UNARY, false, "TensorFlow Serving"},
	{7070, 7070, TCP, SL_KIND_UNARY, false, "TorchServe"},
	{22, 22, TCP, SL_KIND_OTHER, false, "SSH"},
	{80, 80, TCP, SL_KIND_OTHER, false, "HTTP"},
	{443, 443, TCP, SL_KIND_OTHER, false, "HTTPS"},
	{3306, 3306, TCP, SL_KIND_OTHER, true, "MySQL"},
	{5432, 5432, TCP, SL_KIND_OTHER, true, "PostgreSQL"},
	{6379, 6379, TCP, SL_KIND_OTHER, true, "Redis"},
};

const struct sl_class_port *sl_class_port_find(uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (port >= ports[i].first && port <= ports[i].last && proto == ports[i].proto)
			return &ports[i];
	return NULL;
}

static bool is_in(const struct sl_ip *ip, const struct sl_ip *prefix, uint8_t bits)
{
	const uint8_t whole = bits / 8, rest = bits % 8;

	if (memcmp(ip->bytes, prefix->bytes, whole) != 0)
		return false;
	return rest == 0 || ((ip->bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest)) == 0;
}

static bool fits(const struct sl_class_rule *rule, const struct sl_class_key *key)
{
	return (rule->proto == 0 || rule->proto == key->proto) &&
	       (rule->first_port == 0 ||
	        (key->dport >= rule->first_port && key->dport <= rule->last_port)) &&
	       (rule->dscp == SL_CLASSIFY_ANY_DSCP || rule->dscp == key->dscp) &&
	       (rule->vlan == SL_CLASSIFY_ANY_VLAN || rule->vlan == key->vlan) &&
	       is_in(&key->src, &rule->src, rule->src_bits) &&
	       is_in(&key->dst, &rule->dst, rule->dst_bits);
}

// --- memory of earlier flows ---

static uint64_t prior_tag(const struct sl_classifier *c, const struct sl_class_key *key)
{
	struct {
		struct sl_ip src, dst;
		uint16_t dport;
		uint8_t proto;
		uint8_t zero[5];
	} bytes = {.dst = key->dst, .dport = key->dport, .proto = key->proto};
	const size_t n_net = sl_ip_is_v4(&key->src) ? 15 : 8; // a /24 or a /64

	_Static_assert(sizeof(bytes) == 40, "hashed as bytes");
	memcpy(bytes.src.bytes, key->src.bytes, n_net);
	return sl_siphash13(&c->key, &bytes, sizeof(bytes)) | 1; // 0 = free
}

static int prior_find(const struct sl_classifier *c, const struct sl_class_key *key)
{
	const uint64_t tag = prior_tag(c, key);
	const struct sl_class_prior *row = &c->priors[(tag >> 32) & c->prior_mask];
	uint32_t n = 0;

	if (row->tag != tag)
		return -1;
	for (int i = 0; i < SL_CLASS_COUNT; i++)
		n += row->n[i];
	if (n < SL_CLASS_PRIOR_FLOWS)
		return -1;
	for (int i = 0; i < SL_CLASS_COUNT; i++)
		if ((uint32_t)row->n[i] * 100 >= n * SL_CLASS_PRIOR_PCT)
			return row->kind[i];
	return -1;
}

void sl_classify_learn(struct sl_classifier *c, const struct sl_features *f,
                       const struct sl_class_key *key)
{
	struct sl_class_prior *row;
	const int class_ = sl_class_of(f->kind);
	uint64_t tag;

	if (c->priors == NULL || f->confidence_pct == 0)
		return;
	tag = prior_tag(c, key);
	row = &c->priors[(tag >> 32) & c->prior_mask];
	if (row->tag != tag) // the later one stays: its ends are in use now
		*row = (struct sl_class_prior){.tag = tag};
	if (row->n[class_] == UINT16_MAX)
		for (int i = 0; i < SL_CLASS_COUNT; i++)
			row->n[i] /= 2;
	row->n[class_]++;
	row->kind[class_] = f->kind;
}

// --- stage A ---

static void settle(struct sl_features *f, uint8_t kind, uint8_t confidence_pct, bool is_locked)
{
	f->kind = kind & 15;
	f->confidence_pct = confidence_pct & 127;
	f->is_locked = is_locked;
}

void sl_classify_first(const struct sl_classifier *c, struct sl_features *f,
                       const struct sl_class_key *key)
{
	const struct sl_class_port *port = sl_class_port_find(key->proto, key->dport);
	int kind;

	f->port = port != NULL ? (port->kind + 1) & 15 : 0;
	for (uint32_t i = 0; i < c->n_rules; i++) {
		if (!fits(&c->rules[i], key))
			continue;
		settle(f, c->rules[i].kind, SL_CLASSIFY_RULE_PCT, true);
		return;
	}
	if (port != NULL && port->is_sure) {
		settle(f, port->kind, SL_CLASSIFY_PORT_PCT, true);
		return;
	}
	kind = c->priors != NULL ? prior_find(c, key) : -1;
	if (kind >= 0)
		settle(f, (uint8_t)kind, SL_CLASSIFY_PRIOR_PCT, false);
	else if (port != NULL && port->kind != SL_KIND_OTHER)
		settle(f, port->kind, SL_CLASSIFY_HINT_PCT, false);
}

void sl_classify_peek(struct sl_features *f, const uint8_t *payload, uint32_t n_bytes)
{
	const struct sl_peek peek = sl_peek(payload, n_bytes);

	f->wire = peek.wire & 7;
	f->has_looked = true;
	if (peek.is_sure && !f->is_locked)
		settle(f, peek.kind, SL_CLASSIFY_PORT_PCT, true);
}

// --- stage B ---

struct sl_class_guess sl_classify_tree(const uint8_t vector[SL_FEATURE_COUNT])
{
	const struct sl_tree_node *node = tree;

	while (node->feature != SL_TREE_LEAF)
		node = &tree[vector[node->feature] <= node->threshold ? node->low : node->high];
	return (struct sl_class_guess){
		.kind = node->low, .confidence_pct = node->threshold, .margin_pct = node->high};
}

// Takes what a checkpoint is for. True when the kind changed.
static bool vote(struct sl_features *f, struct sl_class_guess guess)
{
	const bool is_other_class = sl_class_of(guess.kind) != sl_class_of(f->kind);
	const bool is_first = f->confidence_pct <= SL_CLASSIFY_HINT_PCT && f->flips == 0;

	if (guess.kind == f->kind) {
		f->has_rival = false;
		if (guess.confidence_pct > f->confidence_pct)
			f->confidence_pct = guess.confidence_pct & 127;
		return false;
	}
	if (guess.margin_pct < SL_CLASSIFY_MARGIN_PCT || (is_other_class && f->is_locked))
		return false;
	if (!is_first && (!f->has_rival || f->rival != guess.kind)) {
		f->has_rival = true;
		f->rival = guess.kind & 15;
		return false;
	}
	if (is_other_class && !is_first) {
		if (f->flips == SL_CLASSIFY_MAX_FLIPS)
			return false;
		f->flips++;
	}
	f->has_rival = false;
	settle(f, guess.kind, guess.confidence_pct, f->is_locked);
	return true;
}

bool sl_classify_checkpoint(struct sl_features *f)
{
	uint8_t vector[SL_FEATURE_COUNT];

	struct sl_class_guess guess;

	sl_features_vector(f, vector);
	guess = sl_classify_tree(vector);
	if (sl_class_of(guess.kind) == SL_CLASS_TRAINING &&
	    (uint64_t)f->bytes[0] + f->bytes[1] < SL_CLASSIFY_TRAINING_BYTES)
		return false;
	return vote(f, guess);
}

void sl_classify_periodic(struct sl_features *f)
{
	if (!f->is_locked)
		settle(f, SL_KIND_COLLECTIVE, SL_CLASSIFY_PORT_PCT, true);
}
