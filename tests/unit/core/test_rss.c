// SPDX-License-Identifier: Apache-2.0
// Keys against a model of a NIC: the Toeplitz hash of the whole tuple, bit by bit as the
// specification has it, sharing nothing with dataplane/core/rss.c.
#include "sl_check.h"

#include <arpa/inet.h>

#include "rss.h"

#define N_KEYS    20
#define N_CLIENTS 500
#define N_WORKERS 5

struct side {
	struct sl_ip ip;
	uint16_t port;
};

static uint32_t toeplitz(const uint8_t *key, const uint8_t *input, uint32_t n_bytes)
{
	uint32_t hash = 0;

	for (uint32_t bit = 0; bit < 8 * n_bytes; bit++) {
		uint64_t window = 0; // 40 bits of the key, from the byte where this bit stands

		for (uint32_t i = 0; i < 5; i++)
			window = window << 8 | key[bit / 8 + i];
		if (input[bit / 8] & 0x80 >> bit % 8)
			hash ^= (uint32_t)(window >> (8 - bit % 8));
	}
	return hash;
}

// What a NIC with this key says of a packet; the lane is the low bits.
static uint8_t nic_lane(const uint8_t *key, const struct side *from, const struct side *to)
{
	const uint32_t first = sl_ip_is_v4(&from->ip) ? 12 : 0, n = 16 - first;
	const uint16_t ports[2] = {htons(from->port), htons(to->port)};
	uint8_t input[36];

	memcpy(input, from->ip.bytes + first, n);
	memcpy(input + n, to->ip.bytes + first, n);
	memcpy(input + 2 * n, ports, sizeof(ports));
	return toeplitz(key, input, 2 * n + 4) % SL_RSS_LANES;
}

static struct side random_side(uint64_t *state, bool is_v6)
{
	struct side side = {.port = (uint16_t)sl_check_random(state)};
	uint64_t words[2] = {sl_check_random(state), sl_check_random(state)};

	if (is_v6)
		memcpy(side.ip.bytes, words, sizeof(words));
	else
		side.ip = sl_ip_from_v4((uint32_t)words[0]);
	return side;
}

// The verification suite of the specification; a model that fails it proves nothing.
START_TEST(the_model_is_a_toeplitz_hash)
{
	static const uint8_t key[44] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	                                0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	                                0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	                                0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
	static const uint8_t input[12] = {66,  9,  149,       187,         161,       142,
	                                  100, 80, 2794 >> 8, 2794 & 0xff, 1766 >> 8, 1766 & 0xff};

	ck_assert_uint_eq(toeplitz(key, input, sizeof(input)), 0x51ccc178);
}
END_TEST

// _i: bit 0 the family, bit 1 the key. IPv6 has no destination key.
static const struct {
	const char *name;
	bool is_v6, is_destination;
} sides[] = {
	{"IPv4 requests", false, false},
	{"IPv6 requests", true, false},
	{"IPv4 replies", false, true},
};

START_TEST(a_nic_with_the_key_hashes_the_client_alone)
{
	const uint64_t seed = sl_check_seed();
	uint64_t state = seed;
	static struct sl_rss rss;
	static uint8_t key[SL_RSS_KEY_BYTES + 4]; // the model reads a little further

	for (int k = 0; k < N_KEYS; k++) {
		sl_rss_init(&rss, sl_check_random(&state), N_WORKERS);
		memcpy(key, sides[_i].is_destination ? rss.destination_key : rss.source_key,
		       SL_RSS_KEY_BYTES);
		for (int c = 0; c < N_CLIENTS; c++) {
			struct side client = random_side(&state, sides[_i].is_v6);
			struct side other = random_side(&state, sides[_i].is_v6);
			uint8_t lane = sides[_i].is_destination ? nic_lane(key, &other, &client)
			                                        : nic_lane(key, &client, &other);

			ck_assert_msg(lane == sl_rss_lane(&rss, &client.ip, htons(client.port)),
			              "%s: seed %lu key %d client %d: lane %u", sides[_i].name,
			              (unsigned long)seed, k, c, lane);
		}
	}
}
END_TEST

START_TEST(ports_of_one_client_spread_evenly_over_all_lanes)
{
	const uint64_t seed = sl_check_seed();
	uint64_t state = seed;
	static struct sl_rss rss;

	for (int k = 0; k < N_KEYS; k++) {
		struct side client = random_side(&state, _i == 1);
		uint32_t counts[SL_RSS_LANES] = {0};

		sl_rss_init(&rss, sl_check_random(&state), N_WORKERS);
		for (uint32_t port = 0; port <= UINT16_MAX; port++)
			counts[sl_rss_lane(&rss, &client.ip, htons((uint16_t)port))]++;
		for (int lane = 0; lane < SL_RSS_LANES; lane++)
			ck_assert_msg(counts[lane] == (UINT16_MAX + 1) / SL_RSS_LANES,
			              "seed %lu key %d: %u ports in lane %d", (unsigned long)seed,
			              k, counts[lane], lane);
	}
}
END_TEST

START_TEST(every_bit_of_an_ipv4_address_counts)
{
	static struct sl_rss rss;
	const struct sl_ip none = sl_ip_from_v4(0);

	for (int k = 0; k < N_KEYS; k++) {
		sl_rss_init(&rss, (uint64_t)k, N_WORKERS);
		for (int bit = 0; bit < 32; bit++) {
			struct sl_ip ip = sl_ip_from_v4(htonl(UINT32_C(1) << bit));

			ck_assert_msg(sl_rss_lane(&rss, &ip, 0) != sl_rss_lane(&rss, &none, 0),
			              "key %d bit %d", k, bit);
		}
	}
}
END_TEST

START_TEST(lanes_are_dealt_evenly_and_following_ports_go_apart)
{
	static struct sl_rss rss;
	const struct sl_ip client = sl_ip_from_v4(htonl(0xc6336407));

	for (uint32_t n = 1; n <= SL_MAX_WORKERS; n++) {
		uint32_t lanes[SL_MAX_WORKERS] = {0}, flows[SL_MAX_WORKERS] = {0};

		sl_rss_init(&rss, n, n);
		for (int lane = 0; lane < SL_RSS_LANES; lane++)
			lanes[rss.owners[lane]]++;
		for (uint16_t port = 40000; port < 40000 + 16 * SL_RSS_LANES; port++)
			flows[rss.owners[sl_rss_lane(&rss, &client, htons(port))]]++;
		for (uint32_t w = 0; w < n; w++) {
			ck_assert_uint_ge(lanes[w], SL_RSS_LANES / n);
			ck_assert_uint_le(lanes[w], SL_RSS_LANES / n + 1);
			ck_assert_msg(flows[w] > 0, "%u workers: %u gets none", n, w);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rss");
	TCase *tc = tcase_create("rss");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_model_is_a_toeplitz_hash);
	tcase_add_loop_test(tc, a_nic_with_the_key_hashes_the_client_alone, 0,
	                    sizeof(sides) / sizeof(sides[0]));
	tcase_add_loop_test(tc, ports_of_one_client_spread_evenly_over_all_lanes, 0, 2);
	tcase_add_test(tc, every_bit_of_an_ipv4_address_counts);
	tcase_add_test(tc, lanes_are_dealt_evenly_and_following_ports_go_apart);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
