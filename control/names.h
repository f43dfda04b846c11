// SPDX-License-Identifier: Apache-2.0
// The words of pools.yaml for the numbers of the model, as the diff, the API and the metrics say
// them. "unknown" for a number outside its list.
#ifndef SLUICE_CONTROL_NAMES_H
#define SLUICE_CONTROL_NAMES_H

#include "model.h"

#define SL_ADDRESS_BYTES 56 // [IPv6]:port and the closing NUL

const char *sl_name_of_forward(unsigned int forward);
const char *sl_name_of_mtu_guard(unsigned int mtu_guard);
const char *sl_name_of_client_address(unsigned int client_address);
const char *sl_name_of_balance(unsigned int balance);
const char *sl_name_of_class(unsigned int class);
const char *sl_name_of_affinity(unsigned int affinity);
const char *sl_name_of_syn_cookies(unsigned int mode);
const char *sl_name_of_adaptive(unsigned int mode);
const char *sl_name_of_admin(unsigned int state);
const char *sl_name_of_probe_type(unsigned int type);
const char *sl_name_of_proto(unsigned int proto);

// text is returned.
const char *sl_name_of_ip(const struct sl_ip *ip, char text[SL_ADDRESS_BYTES]);
// Without the port when it is 0.
const char *sl_name_of_endpoint(const struct sl_ip *ip, uint16_t port, char text[SL_ADDRESS_BYTES]);
// "443", "8000-8003", "any".
const char *sl_name_of_ports(const struct sl_port_range *range, char text[SL_ADDRESS_BYTES]);

#endif
