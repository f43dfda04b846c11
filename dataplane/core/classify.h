// SPDX-License-Identifier: Apache-2.0
// Classifier: what a flow is (sluice/class.h).
//
// Shape:  stage A at the SYN, first match wins: rules of the operator, well-known ports, the memory
//         of earlier flows between the same ends; it may be told better by a look at the first
//         payload (peek.h). What is sure locks the class, and only the kind may still change.
//         Stage B at each checkpoint (flow_features.h): a decision tree over the flow's features.
// Change: a kind is left for another when two checkpoints in a row are for that one with a margin
// of
//         SL_CLASSIFY_MARGIN_PCT; a class three times at most.
// Unsure: a flow of which nothing is known is other/general, with a confidence of 0.
// Thread: pure; tables are read-only but the memory of earlier flows, which is its worker's.
// Source: reference/ai-aware.md section 3.2; reference/roce.md section 3.1.
#ifndef SLUICE_CORE_CLASSIFY_H
#define SLUICE_CORE_CLASSIFY_H

#include "flow_features.h"
#include "hash.h"
#include "sluice/class.h"

#define SL_CLASSIFY_MARGIN_PCT 20
#define SL_CLASSIFY_MAX_FLIPS  3
// Nothing smaller is taken for training by behaviour: it would not be worth a queue.
#define SL_CLASSIFY_TRAINING_BYTES (256u << 10)
#define SL_CLASSIFY_ANY_DSCP       UINT8_MAX
#define SL_CLASSIFY_ANY_VLAN       UINT16_MAX

// How sure stage A is.
#define SL_CLASSIFY_RULE_PCT  100
#define SL_CLASSIFY_PORT_PCT  90
#define SL_CLASSIFY_PRIOR_PCT 80
#define SL_CLASSIFY_HINT_PCT  40 // of a port that many things use

// What is known of a flow at its first packet.
struct sl_class_key {
	struct sl_ip src, dst; // client and service
	uint16_t dport;        // host order
	uint16_t vlan;         // SL_CLASSIFY_ANY_VLAN = untagged
	uint8_t proto;
	uint8_t dscp;
};

// A row of the operator's table. Zero prefix bits fit any address, zero ports any port.
struct sl_class_rule {
	struct sl_ip src, dst;
	uint8_t src_bits, dst_bits; // of 128; an IPv4 prefix counts its 96 mapped bits, too
	uint8_t proto;              // 0 = any
	uint8_t dscp;               // SL_CLASSIFY_ANY_DSCP
	uint16_t first_port, last_port;
	uint16_t vlan; // SL_CLASSIFY_ANY_VLAN = any, or none
	uint8_t kind;
};

struct sl_class_port {
	uint16_t first, last;
	uint8_t proto;
	uint8_t kind;
	bool is_sure; // nothing else is usual there: the class is locked
	const char *name;
};

// Rows by (service, client network), each with how many flows were of each class.
#define SL_CLASS_PRIOR_FLOWS 64 // so many, and
#define SL_CLASS_PRIOR_PCT   95 // so much agreement are needed
struct sl_class_prior {
	uint64_t tag;
	uint16_t n[SL_CLASS_COUNT];
	uint8_t kind[SL_CLASS_COUNT]; // the last one of each
};

struct sl_classifier {
	const struct sl_class_rule *rules; // in the operator's order
	uint32_t n_rules;
	uint32_t prior_mask;           // rows less one
	struct sl_class_prior *priors; // a power of two, zeroed; NULL = no memory
	struct sl_hash_key key;
};

// NULL when the port is not well known.
const struct sl_class_port *sl_class_port_find(uint8_t proto, uint16_t port);

// Stage A: sets kind, confidence and lock of a flow that was just opened.
void sl_classify_first(const struct sl_classifier *c, struct sl_features *f,
                       const struct sl_class_key *key);

// The first payload of the client, or of a server that speaks first.
void sl_classify_peek(struct sl_features *f, const uint8_t *payload, uint32_t n_bytes);

// Stage B. True when the kind changed.
bool sl_classify_checkpoint(struct sl_features *f);

// The periodic detector (periodic.h) found the flow's ends to exchange bursts of one period.
void sl_classify_periodic(struct sl_features *f);

// A flow ended: remember what it was.
void sl_classify_learn(struct sl_classifier *c, const struct sl_features *f,
                       const struct sl_class_key *key);

// The tree alone: what these features are for.
struct sl_class_guess {
	uint8_t kind;
	uint8_t confidence_pct;
	uint8_t margin_pct; // to the next class
};
struct sl_class_guess sl_classify_tree(const uint8_t vector[SL_FEATURE_COUNT]);

#endif
