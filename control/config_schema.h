// SPDX-License-Identifier: Apache-2.0
// The one table of keys. Parsing, defaults, error words, spelling help, the JSON Schema and the
// reference in config/README.md all come from it, so they cannot disagree.
#ifndef SLUICE_CONTROL_CONFIG_SCHEMA_H
#define SLUICE_CONTROL_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_value_type {
	SL_VALUE_TEXT,     // const char *; min..max bytes
	SL_VALUE_NAME,     // const char *; [A-Za-z0-9._-]{1,63}
	SL_VALUE_PATH,     // const char *; starts with "/", no blanks
	SL_VALUE_INTEGER,  // uint64_t
	SL_VALUE_COUNT,    // uint64_t; k and M accepted
	SL_VALUE_RATE,     // uint64_t, per second
	SL_VALUE_BIT_RATE, // uint64_t, bits per second
	SL_VALUE_DURATION, // uint64_t, ms
	SL_VALUE_SECONDS,  // uint64_t, ms, whole seconds
	SL_VALUE_PERCENT,  // uint64_t
	SL_VALUE_SIZE,     // uint64_t, bytes
	SL_VALUE_WORD,     // uint64_t, number of the word
	SL_VALUE_ADDRESS,  // struct sl_ip
	SL_VALUE_ENDPOINT, // struct raw_endpoint
	SL_VALUE_PREFIX,   // struct sl_prefix
	SL_VALUE_RANGE,    // struct sl_port_range
	SL_VALUE_HEX,      // struct raw_hex; min..max bytes
	SL_VALUE_DEVICE,   // struct raw_device
	SL_VALUE_MAP,      // struct of .object in place
	SL_VALUE_LIST,     // struct raw_list of .item
	SL_VALUE_NAMED,    // struct raw_list of .item; a map from names
};

struct sl_schema_object;

struct sl_schema_key {
	const char *name;
	enum sl_value_type type;
	bool is_required;
	uint32_t offset;          // in the struct of the object (of the item, in a list)
	uint64_t min, max;        // in the stored unit; LIST, NAMED: number of items
	const char *default_text; // as an operator would write it; NULL: 0 or empty
	const char *const *words; // WORD; NULL at the end
	uint32_t only_for;        // bits of the selector's words this key is for; 0 = all
	const char *all_word;     // LIST: this word instead of a list stands for all_item
	const char *all_item;     // LIST: text of the one item that all_word means
	const struct sl_schema_object *object; // MAP
	const struct sl_schema_key *item;      // LIST, NAMED
	uint32_t item_bytes;                   // LIST, NAMED
	const char *doc;
};

struct sl_schema_object {
	const char *what;     // "pool"
	const char *selector; // key that decides which keys are valid; NULL = none
	const struct sl_schema_key *keys;
	uint32_t n_keys;
};

extern const struct sl_schema_object sl_schema_pools;
extern const struct sl_schema_object sl_schema_dataplane;

#endif
