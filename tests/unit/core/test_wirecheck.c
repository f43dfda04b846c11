// SPDX-License-Identifier: Apache-2.0
// A good body passes; then each row of the tables breaks one thing in it and names the answer.
#include "wire_fixture.h"

static enum sl_ipc_status check(const struct body *b, char reason[140])
{
	return sl_wire_check(b->header, b->n_bytes, (enum sl_wire_kind)b->header->kind, reason,
	                     140);
}

// Three pools: 2 backends by nat, 3 by DSR, 2 IPv6 by fullnat; six rows of four VIPs.
static struct body good_config(void)
{
	const struct sl_wire_header n = {
		.n_vips = 6, .n_pools = 3, .n_backends = 7, .n_prefixes = 3, .n_quics = 3};
	struct body b = body_new_sized(SL_WIRE_CONFIG, &n);

	set_pool(&b, 0, 2, SL_FORWARD_NAT, SL_BALANCE_WEIGHTED);
	set_pool(&b, 1, 3, SL_FORWARD_DSR_L2, SL_BALANCE_MAGLEV);
	set_pool(&b, 2, 2, SL_FORWARD_FULLNAT, SL_BALANCE_LEAST_CONNECTIONS);
	b.backends[5].address = ip6(5);
	b.backends[6].address = ip6(6);
	set_vip(&b, 0, 0, ip4(1, 1, 1), 443, 443);
	set_vip(&b, 1, 0, ip4(1, 1, 1), 8000, 8009);
	set_vip(&b, 2, 1, ip4(1, 1, 1), 8005, 8006); // within the wider one: the narrower wins
	set_vip(&b, 3, 1, ip4(1, 1, 2), 0, UINT16_MAX);
	set_vip(&b, 4, 2, ip6(1), 443, 443);
	set_vip(&b, 5, 0, ip4(1, 1, 1), 443, 443);
	b.vips[5].proto = PROTO_UDP;
	b.vips[1].id = b.vips[0].id;
	b.vips[3].n_prefixes = 2;
	b.vips[4].first_prefix = 2;
	b.vips[4].n_prefixes = 1;
	b.prefixes[0] = (struct sl_wire_prefix){.address = ip4(0, 0, 0), .bits = 8};
	b.prefixes[1] = (struct sl_wire_prefix){ip4(1, 2, 3), 32, SL_WIRE_ALLOW, {0}};
	b.prefixes[2] = (struct sl_wire_prefix){.address = ip6(0), .bits = 0};
	b.prefixes[2].address.bytes[0] = 0;
	b.quics[0] = (struct sl_wire_quic){0, 0, 2, 4, 0, {0}};
	b.quics[1] = (struct sl_wire_quic){0, 6, 2, 17, 1, {9}};
	b.quics[2] = (struct sl_wire_quic){1, 0, 15, 4, 1, {0}};
	b.backends[0].server_id_bytes = b.backends[1].server_id_bytes = 2;
	b.backends[1].server_id[1] = 1;
	b.backends[2].server_id_bytes = 15;
	b.vips[5].affinity = SL_AFFINITY_QUIC_CID;
	return b;
}

static struct body good_weights(void)
{
	struct body b = body_new(SL_WIRE_WEIGHTS, 0, 0, 0, 3);

	for (uint32_t i = 0; i < 3; i++)
		b.weights[i] = (struct sl_wire_weight){.id = 10 + i, .weight_milli = 1000 * i};
	return b;
}

static struct body good(int kind)
{
	return kind == SL_WIRE_CONFIG ? good_config() : good_weights();
}

START_TEST(a_good_body_passes_without_a_reason)
{
	struct body b = good(_i);
	char reason[140] = "before";

	ck_assert_msg(check(&b, reason) == SL_IPC_OK, "%s", reason);
	ck_assert_str_eq(reason, "");
	body_free(&b);
}
END_TEST

START_TEST(an_empty_body_passes)
{
	struct body b = body_new((enum sl_wire_kind)_i, 0, 0, 0, 0);
	char reason[140];

	ck_assert_msg(check(&b, reason) == SL_IPC_OK, "%s", reason);
	body_free(&b);
}
END_TEST

START_TEST(the_extremes_of_what_is_allowed_pass)
{
	struct body b = good_config();
	char reason[140];

	b.backends[0].weight_milli = SL_WEIGHT_MAX_MILLI;
	b.backends[1].weight_milli = 0;
	b.vips[0].port_first = b.vips[0].port_last = UINT16_MAX;
	b.vips[2].port_first = 7999; // partly outside the wider range
	b.vips[2].port_last = 8000;
	b.vips[3].port_first = b.vips[3].port_last = 53; // one port by TCP and by UDP
	b.vips[5] = b.vips[3];
	b.vips[5].proto = PROTO_UDP;
	ck_assert_msg(check(&b, reason) == SL_IPC_OK, "%s", reason);
	body_free(&b);
}
END_TEST

START_TEST(tunnels_and_fullnat_lead_to_backends_of_either_family)
{
	struct body b = good_config();
	char reason[140];

	b.pools[1].forward = SL_FORWARD_FULLNAT;
	b.backends[3].address = ip6(9);
	ck_assert_msg(check(&b, reason) == SL_IPC_OK, "%s", reason);
	for (int forward = SL_FORWARD_DSR_IPIP; forward <= SL_FORWARD_DSR_GUE; forward++) {
		b.pools[1].forward = (uint8_t)forward;
		b.pools[1].mtu_guard = SL_MTU_GUARD_TOO_BIG;
		ck_assert_msg(check(&b, reason) == SL_IPC_OK, "%s", reason);
	}
	body_free(&b);
}
END_TEST

// One break per line: a name, the kind of body, the status, a word of the reason, the change of b.
#define BREAKS(X)                                                                                  \
	X(wrong_magic, CONFIG, MALFORMED, "magic", b->header->magic++)                             \
	X(wrong_version, CONFIG, MALFORMED, "version", b->header->version++)                       \
	X(header_zero_set, CONFIG, MALFORMED, "zero", b->header->zero = 1)                         \
	X(total_too_small, CONFIG, MALFORMED, "total_bytes", b->header->total_bytes--)             \
	X(total_too_large, WEIGHTS, MALFORMED, "total_bytes", b->header->total_bytes++)            \
	X(one_vip_too_many, CONFIG, MALFORMED, "counts", b->header->n_vips++)                      \
	X(one_pool_too_few, CONFIG, MALFORMED, "counts", b->header->n_pools--)                     \
	X(one_backend_too_many, CONFIG, MALFORMED, "counts", b->header->n_backends++)              \
	X(one_weight_too_many, WEIGHTS, MALFORMED, "counts", b->header->n_weights++)               \
	X(weights_in_a_config, CONFIG, MALFORMED, "other kind", b->header->n_weights = 1)          \
	X(vips_in_weights, WEIGHTS, MALFORMED, "other kind", b->header->n_vips = 1)                \
	X(pools_in_weights, WEIGHTS, MALFORMED, "other kind", b->header->n_pools = 1)              \
	X(backends_in_weights, WEIGHTS, MALFORMED, "other kind", b->header->n_backends = 1)        \
	X(vips_above_limit, CONFIG, NO_SPACE, "at most", b->header->n_vips = SL_MAX_VIPS + 1)      \
	X(pools_above_limit, CONFIG, NO_SPACE, "at most", b->header->n_pools = SL_MAX_POOLS + 1)   \
	X(backends_above_limit, CONFIG, NO_SPACE, "at most",                                       \
	  b->header->n_backends = SL_MAX_BACKENDS + 1)                                             \
	X(weights_above_limit, WEIGHTS, NO_SPACE, "at most", b->header->n_weights = UINT32_MAX)    \
	X(vip_id_0, CONFIG, MALFORMED, "vip row 3: id", b->vips[3].id = 0)                         \
	X(vip_pool_unknown, CONFIG, MALFORMED, "vip row 3: pool", b->vips[3].pool = 3)             \
	X(vip_ports_reversed, CONFIG, MALFORMED, "port_first", b->vips[1].port_first = 8010)       \
	X(vip_protocol_unknown, CONFIG, MALFORMED, "protocol", b->vips[3].proto = 1)               \
	X(vip_cookies_unknown, CONFIG, MALFORMED, "syn_cookies 3", b->vips[3].syn_cookies = 3)     \
	X(vip_cookies_in_part, CONFIG, INVALID, "two policies", b->vips[1].syn_cookies = 1)        \
	X(vip_zero2_set, CONFIG, MALFORMED, "vip row 3: zero", b->vips[3].zero2[1] = 1)            \
	X(persistence_without_time, CONFIG, MALFORMED, "persistence of 0 s",                       \
	  b->vips[3].persist_bits = 24)                                                            \
	X(persistence_without_bits, CONFIG, MALFORMED, "for 0 bits", b->vips[3].persist_s = 60)    \
	X(persistence_too_long, CONFIG, MALFORMED, "persistence of 604801 s",                      \
	  b->vips[4].affinity = SL_AFFINITY_SOURCE;                                                \
	  b->vips[4].persist_bits = 24; b->vips[4].persist_s = SL_PERSIST_MAX_S + 1)               \
	X(persistence_of_33_bits, CONFIG, MALFORMED, "for 33 bits", b->vips[0].persist_bits = 33;  \
	  b->vips[0].persist_s = 60)                                                               \
	X(persistence_without_source, CONFIG, INVALID, "without affinity source",                  \
	  b->vips[3].affinity = SL_AFFINITY_FLOW;                                                  \
	  b->vips[3].persist_bits = 24; b->vips[3].persist_s = 60)                                 \
	X(vip_class_unknown, CONFIG, MALFORMED, "class 3 is unknown",                              \
	  b->vips[1].class = SL_VIP_CLASS_COUNT)                                                   \
	X(vip_class_in_part, CONFIG, INVALID, "two policies", b->vips[1].class = SL_VIP_TRAINING)  \
	X(vip_measured_unknown, CONFIG, MALFORMED, "is_measured", b->vips[3].is_measured = 2)      \
	X(vip_measured_in_part, CONFIG, INVALID, "two policies", b->vips[1].is_measured = 1)       \
	X(vip_affinity_unknown, CONFIG, MALFORMED, "affinity",                                     \
	  b->vips[3].affinity = SL_AFFINITY_COUNT)                                                 \
	X(vip_of_two_affinities, CONFIG, INVALID, "two policies",                                  \
	  b->vips[1].affinity = SL_AFFINITY_SOURCE)                                                \
	X(vip_prefixes_beyond, CONFIG, MALFORMED, "prefixes", b->vips[4].n_prefixes = 2)           \
	X(vip_prefixes_overflow, CONFIG, MALFORMED, "prefixes", b->vips[4].n_prefixes--;           \
	  b->vips[4].first_prefix = UINT32_MAX)                                                    \
	X(vip_of_two_limits, CONFIG, INVALID, "two policies", b->vips[1].limit_flows = 1)          \
	X(vip_of_two_rates, CONFIG, INVALID, "two policies", b->vips[1].limit_new_flows_per_s = 1) \
	X(vip_of_two_persistences, CONFIG, INVALID, "two policies",                                \
	  b->vips[0].affinity = b->vips[1].affinity = SL_AFFINITY_SOURCE;                          \
	  b->vips[0].persist_bits = b->vips[1].persist_bits = 24; b->vips[0].persist_s = 60;       \
	  b->vips[1].persist_s = 61)                                                               \
	X(vip_of_two_source_rates, CONFIG, INVALID, "two policies",                                \
	  b->vips[1].source_new_flows_per_s = 1)                                                   \
	X(vip_of_two_lists, CONFIG, INVALID, "two policies", b->vips[1].n_prefixes = 1)            \
	X(one_prefix_too_many, CONFIG, MALFORMED, "counts", b->header->n_prefixes++)               \
	X(prefixes_above_limit, CONFIG, NO_SPACE, "at most",                                       \
	  b->header->n_prefixes = SL_MAX_PREFIXES + 1)                                             \
	X(prefixes_in_weights, WEIGHTS, MALFORMED, "other kind", b->header->n_prefixes = 1)        \
	X(prefix_too_long, CONFIG, MALFORMED, "prefix row 1", b->prefixes[1].bits = 33)            \
	X(prefix_action_unknown, CONFIG, MALFORMED, "prefix row 1",                                \
	  b->prefixes[1].action = SL_WIRE_ACTION_COUNT)                                            \
	X(prefix_zero_set, CONFIG, MALFORMED, "prefix row 2", b->prefixes[2].zero[5] = 1)          \
	X(prefix_with_host_bits, CONFIG, MALFORMED, "beyond length 8",                             \
	  b->prefixes[0].address.bytes[13] = 1)                                                    \
	X(prefix_of_other_family, CONFIG, INVALID, "prefix row 2", b->vips[3].first_prefix = 1)    \
	X(quic_cid_over_tcp, CONFIG, INVALID, "without UDP",                                       \
	  b->vips[3].affinity = SL_AFFINITY_QUIC_CID)                                              \
	X(quic_pool_unknown, CONFIG, MALFORMED, "quic row 2: pool", b->quics[2].pool = 3)          \
	X(quic_pools_out_of_order, CONFIG, MALFORMED, "out of order", b->quics[0].pool = 1)        \
	X(quic_codepoint_7, CONFIG, MALFORMED, "codepoint 7", b->quics[2].codepoint = 7)           \
	X(quic_key_without_key, CONFIG, MALFORMED, "quic row 0", b->quics[0].key[15] = 1)          \
	X(quic_has_key_2, CONFIG, MALFORMED, "quic row 1", b->quics[1].has_key = 2)                \
	X(quic_nonce_too_short, CONFIG, INVALID, "nonce of 3", b->quics[0].nonce_bytes = 3)        \
	X(quic_id_too_long, CONFIG, INVALID, "nonce of 18", b->quics[1].nonce_bytes = 18)          \
	X(quic_id_empty, CONFIG, INVALID, "server id of 0", b->quics[0].server_id_bytes = 0)       \
	X(quic_codepoint_twice, CONFIG, INVALID, "quic rows 0 and 1", b->quics[1].codepoint = 0)   \
	X(quic_two_lengths, CONFIG, INVALID, "quic rows 0 and 1", b->quics[1].server_id_bytes = 1) \
	X(one_quic_too_many, CONFIG, MALFORMED, "counts", b->header->n_quics++)                    \
	X(quics_above_limit, CONFIG, NO_SPACE, "at most", b->header->n_quics = UINT32_MAX)         \
	X(quics_in_weights, WEIGHTS, MALFORMED, "other kind", b->header->n_quics = 1)              \
	X(server_id_too_long, CONFIG, MALFORMED, "server id", b->backends[2].server_id_bytes = 16) \
	X(server_id_behind_its_end, CONFIG, MALFORMED, "server id",                                \
	  b->backends[0].server_id[2] = 1)                                                         \
	X(server_id_twice, CONFIG, INVALID, "one server id", b->backends[1].server_id[1] = 0)      \
	X(server_id_of_other_length, CONFIG, INVALID, "server id of 14",                           \
	  b->backends[2].server_id_bytes = 14)                                                     \
	X(vip_of_two_addresses, CONFIG, INVALID, "two addresses",                                  \
	  b->vips[1].address = ip4(1, 1, 9))                                                       \
	X(vip_row_twice, CONFIG, INVALID, "overlap", b->vips[5].affinity = 0;                      \
	  b->vips[5].proto = PROTO_TCP)                                                            \
	X(equal_ranges_overlap, CONFIG, INVALID, "overlap", b->vips[2].port_last = 8014)           \
	X(vip_of_other_family, CONFIG, INVALID, "family", b->vips[4].address = ip4(1, 1, 3))       \
	X(backend_of_other_family, CONFIG, INVALID, "family", b->backends[3].address = ip6(9))     \
	X(pool_id_0, CONFIG, MALFORMED, "pool row 1: id", b->pools[1].id = 0)                      \
	X(pool_not_contiguous, CONFIG, MALFORMED, "follow", b->pools[1].first_backend = 3)         \
	X(pool_beyond_backends, CONFIG, MALFORMED, "follow", b->pools[2].n_backends = 3)           \
	X(pool_size_overflows, CONFIG, MALFORMED, "follow", b->pools[2].n_backends = UINT32_MAX)   \
	X(backend_without_pool, CONFIG, MALFORMED, "no pool", b->pools[2].n_backends = 1)          \
	X(forward_unknown, CONFIG, MALFORMED, "forward", b->pools[0].forward = SL_FORWARD_COUNT)   \
	X(balance_unknown, CONFIG, MALFORMED, "balance", b->pools[0].balance = SL_BALANCE_COUNT)   \
	X(pool_zero_set, CONFIG, MALFORMED, "pool row 2: zero", b->pools[2].zero[3] = 1)           \
	X(mtu_guard_unknown, CONFIG, MALFORMED, "mtu_guard",                                       \
	  b->pools[0].mtu_guard = SL_MTU_GUARD_COUNT)                                              \
	X(mtu_guard_without_tunnel, CONFIG, INVALID, "mtu_guard",                                  \
	  b->pools[1].mtu_guard = SL_MTU_GUARD_CLAMP_MSS)                                          \
	X(client_address_unknown, CONFIG, MALFORMED, "client_address",                             \
	  b->pools[0].forward = SL_FORWARD_FULLNAT;                                                \
	  b->pools[0].client_address = SL_CLIENT_ADDRESS_COUNT)                                    \
	X(client_address_without_fullnat, CONFIG, INVALID, "client_address",                       \
	  b->pools[1].client_address = SL_CLIENT_ADDRESS_TOA)                                      \
	X(pool_twice, CONFIG, INVALID, "two pools", b->pools[2].id = b->pools[0].id)               \
	X(backend_id_0, CONFIG, MALFORMED, "backend row 6: id", b->backends[6].id = 0)             \
	X(backend_of_other_pool, CONFIG, MALFORMED, "run of", b->backends[2].pool = 0)             \
	X(backend_too_heavy, CONFIG, INVALID, "weight_milli",                                      \
	  b->backends[6].weight_milli = SL_WEIGHT_MAX_MILLI + 1)                                   \
	X(backend_zero_set, CONFIG, MALFORMED, "backend row 0: zero", b->backends[0].zero[5] = 1)  \
	X(backend_twice, CONFIG, INVALID, "two backends", b->backends[6].id = b->backends[0].id)   \
	X(dsr_with_a_port, CONFIG, INVALID, "DSR", b->backends[2].port = 8000)                     \
	X(tunnel_with_a_port, CONFIG, INVALID, "DSR", b->pools[0].forward = SL_FORWARD_DSR_GUE)    \
	X(weight_id_0, WEIGHTS, MALFORMED, "weight row 1: id", b->weights[1].id = 0)               \
	X(weight_zero_set, WEIGHTS, MALFORMED, "weight row 2: zero", b->weights[2].zero = 1)       \
	X(weight_too_heavy, WEIGHTS, INVALID, "weight_milli",                                      \
	  b->weights[0].weight_milli = SL_WEIGHT_MAX_MILLI + 1)                                    \
	X(weight_twice, WEIGHTS, INVALID, "two weights", b->weights[2].id = b->weights[0].id)

#define BREAK_FUNCTION(name, kind, status, word, change)                                           \
	static void name(struct body *b)                                                           \
	{                                                                                          \
		change;                                                                            \
	}
BREAKS(BREAK_FUNCTION)

#define BREAK_ROW(name, kind, status, word, change)                                                \
	{#name, SL_WIRE_##kind, SL_IPC_##status, word, name},
static const struct {
	const char *name;
	int kind;
	enum sl_ipc_status status;
	const char *word;
	void (*apply)(struct body *b);
} breaks[] = {BREAKS(BREAK_ROW)};

START_TEST(a_body_broken_in_one_place_is_refused_and_the_reason_names_it)
{
	struct body b = good(breaks[_i].kind);
	enum sl_ipc_status status;
	char reason[140];

	breaks[_i].apply(&b);
	status = check(&b, reason);
	ck_assert_msg(status == breaks[_i].status, "%s: status %d, %s", breaks[_i].name, status,
	              reason);
	ck_assert_msg(strstr(reason, breaks[_i].word) != NULL, "%s: %s", breaks[_i].name, reason);
	body_free(&b);
}
END_TEST

START_TEST(a_body_of_the_other_kind_is_refused)
{
	struct body b = good_weights();
	char reason[140];

	ck_assert_int_eq(sl_wire_check(b.header, b.n_bytes, SL_WIRE_CONFIG, reason, 140),
	                 SL_IPC_MALFORMED);
	ck_assert_ptr_nonnull(strstr(reason, "kind"));
	body_free(&b);
}
END_TEST

START_TEST(a_body_cut_short_anywhere_is_refused)
{
	struct body b = good_config();
	char reason[140];

	for (size_t n = 0; n < b.n_bytes; n++) {
		// No longer than said, so that ASan sees a read past the end.
		void *cut = malloc(n > 0 ? n : 1);

		memcpy(cut, b.header, n);
		ck_assert_int_eq(sl_wire_check(cut, n, SL_WIRE_CONFIG, reason, 140),
		                 SL_IPC_MALFORMED);
		ck_assert_str_ne(reason, "");
		free(cut);
	}
	body_free(&b);
}
END_TEST

START_TEST(a_short_buffer_for_the_reason_is_not_overrun)
{
	struct body b = good_config();
	char *reason = malloc(4);

	b.header->magic = 0;
	ck_assert_int_eq(sl_wire_check(b.header, b.n_bytes, SL_WIRE_CONFIG, reason, 4),
	                 SL_IPC_MALFORMED);
	ck_assert_uint_eq(strlen(reason), 3);
	ck_assert_int_eq(sl_wire_check(b.header, b.n_bytes, SL_WIRE_CONFIG, NULL, 0),
	                 SL_IPC_MALFORMED);
	free(reason);
	body_free(&b);
}
END_TEST

// Whatever the bytes: an answer, a reason exactly when refused, and no read outside the body.
START_TEST(random_damage_gets_an_answer)
{
	uint64_t seed = sl_check_seed(), random = seed;
	uint32_t n_ok = 0, n_refused = 0;

	for (int round = 0; round < 20000; round++) {
		struct body b = good(round % 2 ? SL_WIRE_CONFIG : SL_WIRE_WEIGHTS);
		uint32_t n_flips = (uint32_t)(sl_check_random(&random) % 3) + 1;
		enum sl_wire_kind kind = (enum sl_wire_kind)b.header->kind;
		enum sl_ipc_status status;
		char reason[140];

		while (n_flips-- > 0) {
			uint64_t bit = sl_check_random(&random) % (8 * b.n_bytes);

			((uint8_t *)b.header)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		status = sl_wire_check(b.header, b.n_bytes, kind, reason, sizeof(reason));
		ck_assert_msg((status == SL_IPC_OK) == (reason[0] == '\0'), "seed %lu", seed);
		n_ok += status == SL_IPC_OK;
		n_refused += status != SL_IPC_OK;
		body_free(&b);
	}
	ck_assert_msg(n_ok > 100 && n_refused > 100, "%u ok, %u refused, seed %lu", n_ok, n_refused,
	              seed);
}
END_TEST

START_TEST(rows_are_where_they_were_put)
{
	struct body c = good_config(), w = good_weights();

	ck_assert_ptr_eq(sl_wire_vips(c.header), c.vips);
	ck_assert_ptr_eq(sl_wire_pools(c.header), c.pools);
	ck_assert_ptr_eq(sl_wire_backends(c.header), c.backends);
	ck_assert_ptr_eq(sl_wire_prefixes(c.header), c.prefixes);
	ck_assert_ptr_eq(sl_wire_quics(c.header), c.quics);
	ck_assert_ptr_eq(sl_wire_weights(w.header), w.weights);
	body_free(&c);
	body_free(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wirecheck");
	TCase *tc = tcase_create("wirecheck");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, a_good_body_passes_without_a_reason, 1, 3);
	tcase_add_loop_test(tc, an_empty_body_passes, 1, 3);
	tcase_add_test(tc, the_extremes_of_what_is_allowed_pass);
	tcase_add_test(tc, tunnels_and_fullnat_lead_to_backends_of_either_family);
	tcase_add_loop_test(tc, a_body_broken_in_one_place_is_refused_and_the_reason_names_it, 0,
	                    sizeof(breaks) / sizeof(breaks[0]));
	tcase_add_test(tc, a_body_of_the_other_kind_is_refused);
	tcase_add_test(tc, a_body_cut_short_anywhere_is_refused);
	tcase_add_test(tc, a_short_buffer_for_the_reason_is_not_overrun);
	tcase_add_test(tc, random_damage_gets_an_answer);
	tcase_add_test(tc, rows_are_where_they_were_put);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
