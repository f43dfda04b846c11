// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <arpa/inet.h>
#include <errno.h>

#include "route.h"

static struct sl_ip ip(const char *text)
{
	struct sl_ip out = {{0}};
	uint32_t v4_be;

	if (inet_pton(AF_INET, text, &v4_be) == 1)
		return sl_ip_from_v4(v4_be);
	ck_assert_msg(inet_pton(AF_INET6, text, out.bytes) == 1, "not an address: %s", text);
	return out;
}

static struct sl_prefix prefix(const char *text)
{
	char copy[64];
	char *slash;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	ck_assert_ptr_nonnull(slash);
	*slash = '\0';
	return (struct sl_prefix){.address = ip(copy), .bits = (uint8_t)atoi(slash + 1)};
}

// One appliance for most tests: a client side, a server side, both families.
static const char *const port_addresses[2][4] = {
	{"192.0.2.1/24", "2001:db8:1::1/64"},
	{"10.0.0.1/24", "10.0.0.2/24", "10.1.0.1/16", "2001:db8:2::1/64"},
};

static const struct {
	const char *to;
	const char *via;
} static_routes[] = {
	{"0.0.0.0/0", "192.0.2.254"},
	{"10.9.0.0/16", "10.0.0.9"},
	{"10.9.8.0/24", "10.0.0.8"},
	{"10.9.8.0/24", "10.0.0.7"}, // same prefix, later in the file: never used
	{"10.1.2.128/25", "10.0.0.6"},
	{"::/0", "2001:db8:1::fe"},
	{"2001:db8:9::/48", "2001:db8:2::9"},
};

static void fill_ports(struct sl_dpconfig *config)
{
	memset(config, 0, sizeof(*config));
	config->n_ports = 2;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 4 && port_addresses[i][j] != NULL; j++) {
			config->ports[i].addresses[j] = prefix(port_addresses[i][j]);
			config->ports[i].n_addresses++;
		}
}

static void add_route(struct sl_dpconfig *config, const char *to, const char *via)
{
	config->routes[config->n_routes++] = (struct sl_dp_route){.to = prefix(to), .via = ip(via)};
}

static void build(struct sl_route_table *rt)
{
	static struct sl_dpconfig config;
	uint32_t bad;

	fill_ports(&config);
	for (size_t i = 0; i < sizeof(static_routes) / sizeof(static_routes[0]); i++)
		add_route(&config, static_routes[i].to, static_routes[i].via);
	ck_assert_int_eq(sl_route_build(rt, &config, &bad), 0);
}

static const struct {
	const char *name;
	const char *dst;
	const char *next_hop;
	uint16_t port;
	const char *source;
} finds[] = {
	{"a host on a connected network is its own next hop", "192.0.2.77", "192.0.2.77", 0,
         "192.0.2.1"},
	{"the first address of two in one network speaks", "10.0.0.55", "10.0.0.55", 1, "10.0.0.1"},
	{"a host of the /16 beside the /25 is connected", "10.1.2.127", "10.1.2.127", 1,
         "10.1.0.1"},
	{"a static route longer than a connected one wins", "10.1.2.128", "10.0.0.6", 1,
         "10.0.0.1"},
	{"a host inside the /25, not at its start", "10.1.2.200", "10.0.0.6", 1, "10.0.0.1"},
	{"the shorter static route", "10.9.7.1", "10.0.0.9", 1, "10.0.0.1"},
	{"the longer of two static routes", "10.9.8.1", "10.0.0.8", 1, "10.0.0.1"},
	{"the default route takes the rest", "203.0.113.9", "192.0.2.254", 0, "192.0.2.1"},
	{"a connected v6 host", "2001:db8:2::5", "2001:db8:2::5", 1, "2001:db8:2::1"},
	{"a v6 static route", "2001:db8:9:1::5", "2001:db8:2::9", 1, "2001:db8:2::1"},
	{"the v6 default route", "2a00::1", "2001:db8:1::fe", 0, "2001:db8:1::1"},
};

START_TEST(find_takes_the_longest_prefix_then_the_order_of_the_file)
{
	struct sl_route_table rt;
	struct sl_ip next_hop, dst = ip(finds[_i].dst), want = ip(finds[_i].next_hop);
	struct sl_ip source = ip(finds[_i].source);
	const struct sl_route *route;

	build(&rt);
	route = sl_route_find(&rt, &dst, &next_hop);
	ck_assert_msg(route != NULL, "%s: no route", finds[_i].name);
	ck_assert_msg(sl_ip_equal(&next_hop, &want), "%s: next hop", finds[_i].name);
	ck_assert_msg(route->port == finds[_i].port, "%s: port %u", finds[_i].name, route->port);
	ck_assert_msg(sl_ip_equal(sl_route_source(&rt, &dst), &source), "%s: source",
	              finds[_i].name);
}
END_TEST

START_TEST(a_default_route_of_one_family_is_none_for_the_other)
{
	static const struct {
		const char *to, *via, *dst;
	} cases[] = {
		{"::/0", "2001:db8:1::fe", "203.0.113.9"},
		{"0.0.0.0/0", "192.0.2.254", "2a00::1"},
	};
	static struct sl_dpconfig config;
	struct sl_route_table rt;
	struct sl_ip next_hop, dst = ip(cases[_i].dst);
	uint32_t bad;

	fill_ports(&config);
	add_route(&config, cases[_i].to, cases[_i].via);
	ck_assert_int_eq(sl_route_build(&rt, &config, &bad), 0);
	ck_assert_ptr_null(sl_route_find(&rt, &dst, &next_hop));
	ck_assert_ptr_null(sl_route_source(&rt, &dst));
}
END_TEST

static const struct {
	const char *name;
	const char *to;
	const char *via;
} refused[] = {
	{"via outside every connected network", "10.9.0.0/16", "172.16.0.1"},
	{"via only reachable through another static route", "10.8.0.0/16", "10.9.0.1"},
	{"via of the other family", "10.9.0.0/16", "2001:db8:2::9"},
	{"via is our own address", "10.9.0.0/16", "10.0.0.2"},
	{"a v4 prefix longer than 32", "10.9.0.0/33", "10.0.0.9"},
	{"a v6 prefix longer than 128", "2001:db8:9::/129", "2001:db8:2::9"},
};

START_TEST(build_refuses_a_route_that_can_not_work_and_names_it)
{
	static struct sl_dpconfig config;
	struct sl_route_table rt;
	uint32_t bad = 0;

	fill_ports(&config);
	add_route(&config, "10.9.0.0/16", "10.0.0.9");
	add_route(&config, refused[_i].to, refused[_i].via);
	ck_assert_msg(sl_route_build(&rt, &config, &bad) == -EINVAL, "%s", refused[_i].name);
	ck_assert_uint_eq(bad, 1);
}
END_TEST

START_TEST(build_refuses_a_port_address_with_an_impossible_prefix)
{
	static struct sl_dpconfig config;
	struct sl_route_table rt;
	uint32_t bad = 0;

	fill_ports(&config);
	config.ports[1].addresses[0].bits = 33;
	ck_assert_int_eq(sl_route_build(&rt, &config, &bad), -EINVAL);
	ck_assert_uint_eq(bad, SL_ROUTE_BAD_ADDRESS);
}
END_TEST

START_TEST(a_full_configuration_fits)
{
	static struct sl_dpconfig config;
	struct sl_route_table *rt = malloc(sizeof(*rt));
	struct sl_ip next_hop, dst = ip("10.15.7.1"), want = ip("10.15.7.1");
	char text[64];
	uint32_t bad;

	memset(&config, 0, sizeof(config));
	config.n_ports = SL_MAX_PORTS;
	for (int i = 0; i < SL_MAX_PORTS; i++) {
		config.ports[i].n_addresses = SL_MAX_PORT_ADDRESSES;
		for (int j = 0; j < SL_MAX_PORT_ADDRESSES; j++) {
			snprintf(text, sizeof(text), "10.%d.%d.254/24", i, j);
			config.ports[i].addresses[j] = prefix(text);
		}
	}
	for (int i = 0; i < SL_MAX_ROUTES; i++) {
		snprintf(text, sizeof(text), "172.16.%d.0/24", i);
		add_route(&config, text, "10.0.0.1");
	}
	ck_assert_int_eq(sl_route_build(rt, &config, &bad), 0);
	ck_assert_ptr_nonnull(sl_route_find(rt, &dst, &next_hop));
	ck_assert(sl_ip_equal(&next_hop, &want));
	dst = ip("172.16.255.9");
	ck_assert_ptr_nonnull(sl_route_find(rt, &dst, &next_hop));
	dst = ip("172.17.0.1");
	ck_assert_ptr_null(sl_route_find(rt, &dst, &next_hop));
	free(rt);
}
END_TEST

START_TEST(own_addresses_are_those_of_the_ports_only)
{
	static const struct {
		const char *address;
		bool is_own;
	} cases[] = {
		{"192.0.2.1", true},       {"10.0.0.2", true},  {"2001:db8:2::1", true},
		{"192.0.2.254", false},    {"10.0.0.0", false}, {"::", false},
		{"2001:db8:1::fe", false}, {"0.0.0.0", false},
	};
	struct sl_route_table rt;
	struct sl_ip address = ip(cases[_i].address);

	build(&rt);
	ck_assert_msg(sl_route_is_own_address(&rt, &address) == cases[_i].is_own, "%s",
	              cases[_i].address);
}
END_TEST

START_TEST(a_route_carries_the_mtu_of_its_port)
{
	static const struct {
		const char *dst;
		uint16_t mtu_bytes;
	} cases[] = {{"192.0.2.7", SL_MTU_DEFAULT_BYTES}, // not set
	             {"8.8.8.8", SL_MTU_DEFAULT_BYTES},
	             {"10.0.0.7", 1400},
	             {"10.9.0.1", 1400}, // through a gateway
	             {"2001:db8:9::1", 1400}};
	struct sl_route_table *rt = calloc(1, sizeof(*rt));
	static struct sl_dpconfig config;
	uint32_t bad;

	ck_assert_ptr_nonnull(rt);
	fill_ports(&config);
	for (size_t i = 0; i < sizeof(static_routes) / sizeof(static_routes[0]); i++)
		add_route(&config, static_routes[i].to, static_routes[i].via);
	config.ports[1].mtu_bytes = 1400;
	ck_assert_int_eq(sl_route_build(rt, &config, &bad), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_ip dst = ip(cases[i].dst), hop;
		const struct sl_route *route = sl_route_find(rt, &dst, &hop);

		ck_assert_msg(route != NULL && route->mtu_bytes == cases[i].mtu_bytes, "%s",
		              cases[i].dst);
	}
	free(rt);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("route");
	TCase *tc = tcase_create("route");

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, find_takes_the_longest_prefix_then_the_order_of_the_file, 0,
	                    sizeof(finds) / sizeof(finds[0]));
	tcase_add_loop_test(tc, a_default_route_of_one_family_is_none_for_the_other, 0, 2);
	tcase_add_loop_test(tc, build_refuses_a_route_that_can_not_work_and_names_it, 0,
	                    sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tc, build_refuses_a_port_address_with_an_impossible_prefix);
	tcase_add_test(tc, a_route_carries_the_mtu_of_its_port);
	tcase_add_test(tc, a_full_configuration_fits);
	tcase_add_loop_test(tc, own_addresses_are_those_of_the_ports_only, 0, 8);
	return sl_check_run(suite);
}
