// SPDX-License-Identifier: Apache-2.0
// YAML text to a tree of nodes that remember where they stood. Only the plain part of YAML is
// accepted: one document, no anchors, aliases, tags or directives, every key once.
//
// Source: libyaml events (its document API forgets anchors and lets duplicate keys pass).
// Bounds: depth SL_YAML_MAX_DEPTH; memory is proportional to the text.
#ifndef SLUICE_CONTROL_CONFIG_YAML_H
#define SLUICE_CONTROL_CONFIG_YAML_H

#include "config_arena.h"
#include "config_diag.h"

#define SL_YAML_MAX_DEPTH 16

enum sl_node_kind { SL_NODE_SCALAR, SL_NODE_LIST, SL_NODE_MAP };

struct sl_node {
	enum sl_node_kind kind;
	bool is_quoted; // scalar in quotes or as a block
	bool is_bad;    // an error was reported: nobody should reason about its value
	struct sl_span span;
	const char *text; // scalar
	size_t text_bytes;
	struct sl_node *key; // its key, when it is a value of a map
	struct sl_node *first, *last, *next;
	uint32_t n_children;
};

// NULL when the text is not even YAML, or is empty; the list says why.
struct sl_node *sl_yaml_parse(const char *text, size_t n_bytes, struct sl_arena *arena,
                              struct sl_diag_list *diag);

// Value of a key; NULL when map is NULL, no map, or has no such key.
struct sl_node *sl_node_find(const struct sl_node *map, const char *key);

// The value as sl_node_find does, unless it is bad: for checks that relate several values.
struct sl_node *sl_node_good(const struct sl_node *map, const char *key);

// Where to point when something is missing inside: the key of the map, or its start.
const struct sl_span *sl_node_place(const struct sl_node *node);

bool sl_node_is_null(const struct sl_node *node);

#endif
