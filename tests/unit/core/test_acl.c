// SPDX-License-Identifier: Apache-2.0
// The longest prefix decides; ranges agree with a search of all prefixes.
#include "sl_check.h"

#include "acl.h"
#include "packets.h"

#define MAX_PREFIXES 300

static struct sl_wire_prefix prefix(const char *address, uint8_t bits, enum sl_wire_action action)
{
	return (struct sl_wire_prefix){
		.address = sl_packet_ip(address), .bits = bits, .action = (uint8_t)action};
}

static bool allows(const struct sl_wire_prefix *prefixes, uint32_t n, const char *ip_text)
{
	struct sl_acl_range ranges[SL_ACL_RANGES(MAX_PREFIXES)];
	struct sl_ip ip = sl_packet_ip(ip_text);
	uint32_t n_ranges = sl_acl_build(ranges, prefixes, n);

	ck_assert_uint_gt(n_ranges, 0);
	ck_assert_uint_le(n_ranges, SL_ACL_RANGES(n));
	return sl_acl_allows(ranges, n_ranges, &ip);
}

#define ALLOW SL_WIRE_ALLOW
#define DENY  SL_WIRE_DENY
static const struct {
	const char *name;
	struct {
		const char *address;
		uint8_t bits, action;
	} prefixes[3];
	const char *client;
	bool is_allowed;
} cases[] = {
	{"without an allow list the rest may come", {{"10.0.0.0", 8, DENY}}, "11.0.0.0", true},
	{"denied", {{"10.0.0.0", 8, DENY}}, "10.255.255.255", false},
	{"with an allow list the rest may not", {{"10.0.0.0", 8, ALLOW}}, "11.0.0.0", false},
	{"allowed, first address", {{"10.0.0.0", 8, ALLOW}}, "10.0.0.0", true},
	{"just below", {{"10.0.0.0", 8, ALLOW}}, "9.255.255.255", false},
	{"a hole in what is allowed",
         {{"10.0.0.0", 8, ALLOW}, {"10.1.0.0", 16, DENY}},
         "10.1.2.3",
         false},
	{"behind the hole", {{"10.0.0.0", 8, ALLOW}, {"10.1.0.0", 16, DENY}}, "10.2.0.0", true},
	{"one host in the hole",
         {{"10.1.2.3", 32, ALLOW}, {"10.0.0.0", 8, ALLOW}, {"10.1.0.0", 16, DENY}},
         "10.1.2.3",
         true},
	{"beside that host",
         {{"10.1.2.3", 32, ALLOW}, {"10.0.0.0", 8, ALLOW}, {"10.1.0.0", 16, DENY}},
         "10.1.2.4",
         false},
	{"nested at the same first address",
         {{"10.0.0.0", 8, DENY}, {"10.0.0.0", 24, ALLOW}},
         "10.0.0.255",
         true},
	{"behind it", {{"10.0.0.0", 8, DENY}, {"10.0.0.0", 24, ALLOW}}, "10.0.1.0", false},
	{"in both lists", {{"10.0.0.0", 8, ALLOW}, {"10.0.0.0", 8, DENY}}, "10.0.0.1", false},
	{"in both lists, the other order",
         {{"10.0.0.0", 8, DENY}, {"10.0.0.0", 8, ALLOW}},
         "10.0.0.1",
         false},
	{"everybody, to the last", {{"0.0.0.0", 0, DENY}}, "255.255.255.255", false},
	{"the last host", {{"255.255.255.255", 32, DENY}}, "255.255.255.255", false},
	{"IPv6 /64", {{"2001:db8:1:2::", 64, DENY}}, "2001:db8:1:2:ffff:ffff:ffff:ffff", false},
	{"beside the /64", {{"2001:db8:1:2::", 64, DENY}}, "2001:db8:1:3::", true},
	{"IPv6 /65", {{"2001:db8::8000:0:0:0", 65, DENY}}, "2001:db8::ffff:0:0:1", false},
	{"beside the /65", {{"2001:db8::8000:0:0:0", 65, DENY}}, "2001:db8::7fff:0:0:1", true},
	{"all of IPv6", {{"::", 0, DENY}}, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
	{"IPv6 /128", {{"2001:db8::1", 128, DENY}}, "2001:db8::1", false},
};

START_TEST(the_longest_prefix_decides)
{
	struct sl_wire_prefix prefixes[3];
	uint32_t n = 0;

	for (; n < 3 && cases[_i].prefixes[n].address != NULL; n++)
		prefixes[n] = prefix(cases[_i].prefixes[n].address, cases[_i].prefixes[n].bits,
		                     cases[_i].prefixes[n].action);
	ck_assert_msg(allows(prefixes, n, cases[_i].client) == cases[_i].is_allowed, "%s",
	              cases[_i].name);
}
END_TEST

START_TEST(no_ranges_admit_everybody)
{
	struct sl_ip ip = sl_packet_ip("192.0.2.1");

	ck_assert(sl_acl_allows(NULL, 0, &ip));
}
END_TEST

static bool bits_equal(const struct sl_ip *a, const struct sl_ip *b, uint32_t bits)
{
	for (uint32_t i = 0; i < bits; i++) {
		if ((a->bytes[i / 8] ^ b->bytes[i / 8]) & 0x80u >> i % 8)
			return false;
	}
	return true;
}

static bool search(const struct sl_wire_prefix *prefixes, uint32_t n, const struct sl_ip *ip)
{
	bool has_allow = false, is_allowed = false;
	int best = -1;

	for (uint32_t i = 0; i < n; i++) {
		int bits = prefixes[i].bits + (sl_ip_is_v4(&prefixes[i].address) ? 96 : 0);

		has_allow |= prefixes[i].action == ALLOW;
		if (bits < best || !bits_equal(&prefixes[i].address, ip, (uint32_t)bits))
			continue;
		is_allowed = prefixes[i].action == ALLOW && (bits > best || is_allowed);
		best = bits;
	}
	return best >= 0 ? is_allowed : !has_allow;
}

// Few different bits, so that prefixes nest, repeat and touch.
static struct sl_ip crowded(uint64_t *random, uint32_t bits, bool is_v6)
{
	struct sl_ip ip = is_v6 ? sl_packet_ip("::") : sl_packet_ip("0.0.0.0");
	uint32_t first = is_v6 ? 0 : 96;

	for (uint32_t i = first; i < first + bits; i++) {
		if (sl_check_random(random) % 4 == 0)
			ip.bytes[i / 8] |= (uint8_t)(0x80u >> i % 8);
	}
	return ip;
}

START_TEST(ranges_agree_with_a_search_of_all_prefixes)
{
	struct sl_acl_range ranges[SL_ACL_RANGES(MAX_PREFIXES)];
	struct sl_wire_prefix prefixes[MAX_PREFIXES];
	uint64_t seed = sl_check_seed(), random = seed;
	bool is_v6 = _i == 1;
	uint32_t family_bits = is_v6 ? 128 : 32;

	for (int round = 0; round < 60; round++) {
		uint32_t n = (uint32_t)(sl_check_random(&random) % MAX_PREFIXES) + 1, n_ranges;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t bits = (uint32_t)(sl_check_random(&random) % (family_bits + 1));

			prefixes[i] = (struct sl_wire_prefix){
				.address = crowded(&random, bits, is_v6),
				.bits = (uint8_t)bits,
				.action = sl_check_random(&random) % 2 ? ALLOW : DENY};
		}
		n_ranges = sl_acl_build(ranges, prefixes, n);
		ck_assert_uint_le(n_ranges, SL_ACL_RANGES(n));
		for (int i = 0; i < 300; i++) {
			struct sl_ip ip = crowded(&random, family_bits, is_v6);

			ck_assert_msg(sl_acl_allows(ranges, n_ranges, &ip) ==
			                      search(prefixes, n, &ip),
			              "seed %lu", seed);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("acl");
	TCase *tc = tcase_create("acl");

	tcase_add_loop_test(tc, the_longest_prefix_decides, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, no_ranges_admit_everybody);
	tcase_add_loop_test(tc, ranges_agree_with_a_search_of_all_prefixes, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
