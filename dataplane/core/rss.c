// SPDX-License-Identifier: Apache-2.0
#include "rss.h"

#include "hash.h"

#define LANE_BITS     7
#define FIRST_OFF     25 // of the key bits that an input bit adds to the lane
#define V4_PORT_BIT   64 // where the source port stands in the input
#define V6_PORT_BIT   256
#define ADDRESS_SHIFT 32 // from source to destination address, and
#define PORT_SHIFT    16 // from source to destination port

// Bits of the source key that may be set: seen from each field that is not to count, all of its
// windows are 0 (tests/unit/core/test_rss.c goes through them all).
static const struct {
	uint16_t first, n;
} address_bits = {31, 26}, port_bits = {95, 10}, address6_bits = {127, 26}, port6_bits = {287, 10};

static void set_bit(uint8_t *key, uint32_t bit)
{
	key[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static bool has_bit(const uint8_t *key, uint32_t bit)
{
	return (key[bit / 8] & 0x80 >> bit % 8) != 0;
}

static uint8_t window(const uint8_t *key, uint32_t input_bit)
{
	uint8_t lane = 0;

	for (uint32_t k = 0; k < LANE_BITS; k++)
		lane = (uint8_t)(lane << 1 | has_bit(key, input_bit + FIRST_OFF + k));
	return lane;
}

// Do these input bits together reach every lane?
static bool is_full_rank(const uint8_t *key, uint32_t first_bit, uint32_t n_bits)
{
	uint8_t basis[LANE_BITS] = {0};
	uint32_t rank = 0;

	for (uint32_t i = 0; i < n_bits; i++) {
		uint8_t row = window(key, first_bit + i);

		for (int b = LANE_BITS - 1; b >= 0 && row != 0; b--) {
			if (!(row >> b & 1))
				continue;
			if (basis[b] == 0) {
				basis[b] = row;
				rank++;
				break;
			}
			row ^= basis[b];
		}
	}
	return rank == LANE_BITS;
}

static void draw(uint8_t *key, uint32_t first, uint32_t n, uint64_t random)
{
	// Both ends are set, so that the outermost input bits count too.
	random |= 1 | UINT64_C(1) << (n - 1);
	for (uint32_t i = 0; i < n; i++)
		if (random >> i & 1)
			set_bit(key, first + i);
}

static void draw_source_key(uint8_t key[SL_RSS_KEY_BYTES], uint64_t *seed)
{
	do {
		memset(key, 0, SL_RSS_KEY_BYTES);
		draw(key, address_bits.first, address_bits.n, sl_mix64(++*seed));
		draw(key, port_bits.first, port_bits.n, sl_mix64(++*seed));
		draw(key, address6_bits.first, address6_bits.n, sl_mix64(++*seed));
		draw(key, port6_bits.first, port6_bits.n, sl_mix64(++*seed));
	} while (!is_full_rank(key, 0, 32) || !is_full_rank(key, V4_PORT_BIT, 16) ||
	         !is_full_rank(key, 64, 64) || !is_full_rank(key, V6_PORT_BIT, 16));
}

static void shift_to_destination(uint8_t *to, const uint8_t *from)
{
	memset(to, 0, SL_RSS_KEY_BYTES);
	for (uint32_t i = 0; i < address_bits.n; i++)
		if (has_bit(from, address_bits.first + i))
			set_bit(to, address_bits.first + i + ADDRESS_SHIFT);
	for (uint32_t i = 0; i < port_bits.n; i++)
		if (has_bit(from, port_bits.first + i))
			set_bit(to, port_bits.first + i + PORT_SHIFT);
}

// Rows of n_bytes that stand in the input from first_bit on.
static void fill(uint8_t (*rows)[256], uint32_t n_bytes, const uint8_t *key, uint32_t first_bit)
{
	for (uint32_t byte = 0; byte < n_bytes; byte++)
		for (uint32_t value = 0; value < 256; value++) {
			rows[byte][value] = 0;
			for (uint32_t bit = 0; bit < 8; bit++)
				if (value & 0x80 >> bit)
					rows[byte][value] ^=
						window(key, first_bit + 8 * byte + bit);
		}
}

// Evenly, but in no order: the last bits of a port change the first bits of a lane only, and a
// client's next port is to be another worker's.
static void deal(uint8_t owners[SL_RSS_LANES], uint32_t n_workers, uint64_t seed)
{
	for (uint32_t lane = 0; lane < SL_RSS_LANES; lane++) {
		uint32_t other = (uint32_t)(sl_mix64(++seed) % (lane + 1));

		owners[lane] = owners[other];
		owners[other] = (uint8_t)(lane % n_workers);
	}
}

void sl_rss_init(struct sl_rss *rss, uint64_t seed, uint32_t n_workers)
{
	draw_source_key(rss->source_key, &seed);
	shift_to_destination(rss->destination_key, rss->source_key);
	fill(rss->v4, 4, rss->source_key, 0);
	fill(rss->v4 + 4, 2, rss->source_key, V4_PORT_BIT);
	fill(rss->v6, 16, rss->source_key, 0);
	fill(rss->v6 + 16, 2, rss->source_key, V6_PORT_BIT);
	deal(rss->owners, n_workers, seed);
}

uint8_t sl_rss_lane(const struct sl_rss *rss, const struct sl_ip *client, uint16_t port_be)
{
	const bool is_v4 = sl_ip_is_v4(client);
	const uint8_t(*rows)[256] = is_v4 ? rss->v4 : rss->v6;
	uint8_t port[2], lane = 0;
	uint32_t n = 0;

	for (uint32_t i = is_v4 ? 12 : 0; i < 16; i++)
		lane ^= rows[n++][client->bytes[i]];
	memcpy(port, &port_be, sizeof(port));
	return lane ^ rows[n][port[0]] ^ rows[n + 1][port[1]];
}
