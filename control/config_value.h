// SPDX-License-Identifier: Apache-2.0
// One value of a file: text to number, address or word, with an explanation when it is none.
#ifndef SLUICE_CONTROL_CONFIG_VALUE_H
#define SLUICE_CONTROL_CONFIG_VALUE_H

#include "config_raw.h"
#include "config_schema.h"

#define SL_VALUE_WHY_BYTES 256

// out: what config_schema.h says the type of the key is stored as; the text itself is borrowed.
// 0, or -EINVAL with the reason (without the key's name) in why.
int sl_value_parse(const struct sl_schema_key *key, const char *text, void *out,
                   char why[SL_VALUE_WHY_BYTES]);

// "kind:rest", split and checked as far as the text goes.
int sl_value_parse_device(const struct sl_schema_key *key, const char *text, struct raw_device *out,
                          char why[SL_VALUE_WHY_BYTES]);

// Value in the stored unit of the type, as an operator would write it.
void sl_value_print(enum sl_value_type type, uint64_t value, char *text, size_t n_bytes);

// "a.b.c.d" or "x::y".
void sl_value_print_ip(const struct sl_ip *ip, char *text, size_t n_bytes);

// Why this can be no address of a host; NULL when it can.
const char *sl_value_martian(const struct sl_ip *ip);

#endif
