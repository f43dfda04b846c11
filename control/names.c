// SPDX-License-Identifier: Apache-2.0
#include "names.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const char *pick(const char *const *words, size_t n_words, unsigned int number)
{
	return number < n_words ? words[number] : "unknown";
}

#define PICK(words, number) pick(words, sizeof(words) / sizeof((words)[0]), number)

const char *sl_name_of_forward(unsigned int forward)
{
	static const char *const words[] = {[SL_FORWARD_NAT] = "nat",
	                                    [SL_FORWARD_FULLNAT] = "fullnat",
	                                    [SL_FORWARD_DSR_L2] = "dsr-l2",
	                                    [SL_FORWARD_DSR_IPIP] = "dsr-ipip",
	                                    [SL_FORWARD_DSR_GUE] = "dsr-gue"};

	return PICK(words, forward);
}

const char *sl_name_of_mtu_guard(unsigned int mtu_guard)
{
	static const char *const words[] = {[SL_MTU_GUARD_BOTH] = "both",
	                                    [SL_MTU_GUARD_CLAMP_MSS] = "clamp-mss",
	                                    [SL_MTU_GUARD_TOO_BIG] = "too-big"};

	return PICK(words, mtu_guard);
}

const char *sl_name_of_client_address(unsigned int client_address)
{
	static const char *const words[] = {[SL_CLIENT_ADDRESS_NONE] = "none",
	                                    [SL_CLIENT_ADDRESS_PROXY_V2] = "proxy-v2",
	                                    [SL_CLIENT_ADDRESS_TOA] = "toa"};

	return PICK(words, client_address);
}

const char *sl_name_of_balance(unsigned int balance)
{
	static const char *const words[] = {[SL_BALANCE_WEIGHTED] = "weighted",
	                                    [SL_BALANCE_LEAST_CONNECTIONS] = "least-connections",
	                                    [SL_BALANCE_MAGLEV] = "maglev",
	                                    [SL_BALANCE_ADAPTIVE] = "adaptive"};

	return PICK(words, balance);
}

const char *sl_name_of_class(unsigned int class)
{
	static const char *const words[] = {[SL_VIP_GENERAL] = "general",
	                                    [SL_VIP_INFERENCE] = "inference",
	                                    [SL_VIP_TRAINING] = "training"};

	return PICK(words, class);
}

const char *sl_name_of_affinity(unsigned int affinity)
{
	static const char *const words[] = {[SL_AFFINITY_NONE] = "none",
	                                    [SL_AFFINITY_SOURCE] = "source",
	                                    [SL_AFFINITY_FLOW] = "flow",
	                                    [SL_AFFINITY_QUIC_CID] = "quic-cid"};

	return PICK(words, affinity);
}

const char *sl_name_of_syn_cookies(unsigned int mode)
{
	static const char *const words[] = {[SL_SYN_COOKIES_OFF] = "off",
	                                    [SL_SYN_COOKIES_AUTO] = "auto",
	                                    [SL_SYN_COOKIES_ALWAYS] = "always"};

	return PICK(words, mode);
}

const char *sl_name_of_adaptive(unsigned int mode)
{
	static const char *const words[] = {[SL_ADAPTIVE_OFF] = "off",
	                                    [SL_ADAPTIVE_SHADOW] = "shadow",
	                                    [SL_ADAPTIVE_ENFORCE] = "enforce"};

	return PICK(words, mode);
}

const char *sl_name_of_admin(unsigned int state)
{
	static const char *const words[] = {
		[SL_ADMIN_READY] = "ready", [SL_ADMIN_DRAIN] = "drain", [SL_ADMIN_MAINT] = "maint"};

	return PICK(words, state);
}

const char *sl_name_of_probe_type(unsigned int type)
{
	static const char *const words[] = {[SL_PROBE_TCP] = "tcp",
	                                    [SL_PROBE_HTTP] = "http",
	                                    [SL_PROBE_KSERVE] = "kserve",
	                                    [SL_PROBE_GRPC] = "grpc"};

	return PICK(words, type);
}

const char *sl_name_of_proto(unsigned int proto)
{
	return proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" : "unknown";
}

const char *sl_name_of_ip(const struct sl_ip *ip, char text[SL_ADDRESS_BYTES])
{
	const bool is_v4 = sl_ip_is_v4(ip);

	if (inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? &ip->bytes[12] : ip->bytes, text,
	              SL_ADDRESS_BYTES) == NULL)
		text[0] = '\0';
	return text;
}

const char *sl_name_of_endpoint(const struct sl_ip *ip, uint16_t port, char text[SL_ADDRESS_BYTES])
{
	char address[SL_ADDRESS_BYTES];

	if (port == 0)
		return sl_name_of_ip(ip, text);
	snprintf(text, SL_ADDRESS_BYTES, sl_ip_is_v4(ip) ? "%.40s:%u" : "[%.46s]:%u",
	         sl_name_of_ip(ip, address), port);
	return text;
}

const char *sl_name_of_ports(const struct sl_port_range *range, char text[SL_ADDRESS_BYTES])
{
	if (range->first == 0 && range->last == UINT16_MAX)
		snprintf(text, SL_ADDRESS_BYTES, "any");
	else if (range->first == range->last)
		snprintf(text, SL_ADDRESS_BYTES, "%u", range->first);
	else
		snprintf(text, SL_ADDRESS_BYTES, "%u-%u", range->first, range->last);
	return text;
}
