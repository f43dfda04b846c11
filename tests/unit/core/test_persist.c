// SPDX-License-Identifier: Apache-2.0
// The table of clients and their backends: what is found, for how long, and who is forgotten.
#include "sl_check.h"

#include "packets.h"
#include "persist.h"
#include "sluice/wire.h"

#define N_CLIENTS 64
#define VIP       UINT64_C(77)
#define NOW_S     1000u

static const struct sl_persist_backend home = {5, 1}, other = {6, 1};

static struct sl_persist *table_new(uint32_t n_clients)
{
	size_t n_bytes = (sl_persist_bytes(n_clients) + 63) / 64 * 64;
	struct sl_persist *table = aligned_alloc(64, n_bytes);

	ck_assert_ptr_nonnull(table);
	memset(table, 0, n_bytes);
	sl_persist_init(table, n_clients, &(struct sl_hash_key){1, 2});
	return table;
}

static bool has(const struct sl_persist *table, uint64_t hash, uint32_t now_s,
                struct sl_persist_backend want)
{
	struct sl_persist_backend got;

	return sl_persist_find(table, hash, now_s, &got) && got.index == want.index &&
	       got.generation == want.generation;
}

START_TEST(a_client_has_its_backend_until_its_time_is_over)
{
	struct sl_persist *table = table_new(N_CLIENTS);
	const struct sl_ip client = sl_packet_ip(_i == 0 ? "198.51.100.7" : "2001:db8::7");
	uint64_t hash = sl_persist_hash(table, &client, VIP);

	ck_assert(!has(table, hash, NOW_S, home));
	ck_assert_int_eq(sl_persist_begin(table, hash, home, NOW_S, 60), SL_PERSIST_MADE);
	ck_assert(has(table, hash, NOW_S, home));
	ck_assert(has(table, hash, NOW_S + 59, home));
	ck_assert(!has(table, hash, NOW_S + 60, home));
	ck_assert(!has(table, sl_persist_hash(table, &client, VIP + 1), NOW_S, home));
	free(table);
}
END_TEST

START_TEST(a_flow_more_starts_the_time_anew_and_another_backend_takes_the_place)
{
	struct sl_persist *table = table_new(N_CLIENTS);
	const uint64_t hash = UINT64_C(0x123456789abcdef0);

	sl_persist_begin(table, hash, home, NOW_S, 60);
	ck_assert_int_eq(sl_persist_begin(table, hash, home, NOW_S + 50, 60), SL_PERSIST_SAME);
	ck_assert(has(table, hash, NOW_S + 109, home));
	ck_assert_int_eq(sl_persist_begin(table, hash, other, NOW_S + 50, 60), SL_PERSIST_MOVED);
	ck_assert(has(table, hash, NOW_S + 50, other));
	ck_assert_int_eq(sl_persist_begin(table, hash, home, NOW_S + 110, 60), SL_PERSIST_MADE);
	free(table);
}
END_TEST

START_TEST(the_end_of_a_flow_counts_unless_a_later_one_went_elsewhere)
{
	struct sl_persist *table = table_new(N_CLIENTS);
	const uint64_t hash = 99;

	sl_persist_begin(table, hash, home, NOW_S, 60);
	ck_assert_int_eq(sl_persist_end(table, hash, other, NOW_S + 30, 60), SL_PERSIST_LEFT);
	ck_assert(has(table, hash, NOW_S + 59, home));
	ck_assert(!has(table, hash, NOW_S + 60, home));
	ck_assert_int_eq(sl_persist_end(table, hash, home, NOW_S + 30, 60), SL_PERSIST_SAME);
	ck_assert(has(table, hash, NOW_S + 89, home));
	ck_assert_int_eq(sl_persist_end(table, hash, other, NOW_S + 90, 60), SL_PERSIST_MADE);
	ck_assert(has(table, hash, NOW_S + 90, other));
	free(table);
}
END_TEST

// All of one bucket: the hash's low bits are equal, its high ones differ.
static uint64_t in_bucket(uint32_t n)
{
	return (uint64_t)(n + 1) << 46 | 3;
}

START_TEST(a_full_bucket_gives_up_who_would_end_first)
{
	struct sl_persist *table = table_new(N_CLIENTS);

	for (uint32_t n = 0; n < SL_PERSIST_WAYS; n++)
		ck_assert_int_eq(sl_persist_begin(table, in_bucket(n), home,
		                                  NOW_S + (n + 3) % SL_PERSIST_WAYS, 60),
		                 SL_PERSIST_MADE);
	// Number 5 came first.
	ck_assert_int_eq(sl_persist_begin(table, in_bucket(8), other, NOW_S + 20, 60),
	                 SL_PERSIST_EVICTED);
	for (uint32_t n = 0; n < SL_PERSIST_WAYS; n++)
		ck_assert_msg(has(table, in_bucket(n), NOW_S + 20, home) == (n != 5), "client %u",
		              n);
	ck_assert(has(table, in_bucket(8), NOW_S + 20, other));
	// Whose time is over makes room and is nobody's loss.
	ck_assert_int_eq(sl_persist_begin(table, in_bucket(9), other, NOW_S + 61, 60),
	                 SL_PERSIST_MADE);
	free(table);
}
END_TEST

START_TEST(an_empty_table_is_empty_at_any_time)
{
	static const uint32_t times_s[] = {0, 1, (1u << 24) - 1, 1u << 24, UINT32_MAX};
	struct sl_persist *table = table_new(N_CLIENTS);
	struct sl_persist_backend found;

	for (uint64_t hash = 0; hash < 64; hash++)
		ck_assert(!sl_persist_find(table, hash, times_s[_i], &found));
	free(table);
}
END_TEST

START_TEST(the_longest_time_holds_over_the_wrap_of_the_clock)
{
	static const uint32_t starts_s[] = {0, (1u << 24) - 2, UINT32_MAX - 5};
	struct sl_persist *table = table_new(N_CLIENTS);
	const uint64_t hash = UINT64_MAX;
	const struct sl_persist_backend last = {SL_MAX_BACKENDS - 1, 255};
	uint32_t start_s = starts_s[_i];

	sl_persist_begin(table, hash, last, start_s, SL_PERSIST_MAX_S);
	ck_assert(has(table, hash, start_s, last));
	ck_assert(has(table, hash, start_s + SL_PERSIST_MAX_S - 1, last));
	ck_assert(!has(table, hash, start_s + SL_PERSIST_MAX_S, last));
	ck_assert(!has(table, hash, start_s + 2 * SL_PERSIST_MAX_S, last));
	free(table);
}
END_TEST

static const struct {
	const char *client;
	uint8_t bits;
	const char *prefix;
} prefixes[] = {
	{"198.51.100.7", 32, "198.51.100.7"},        {"198.51.100.7", 24, "198.51.100.0"},
	{"198.51.103.7", 22, "198.51.100.0"},        {"255.255.255.255", 1, "128.0.0.0"},
	{"2001:db8:1:2:3::7", 64, "2001:db8:1:2::"}, {"2001:db8::7", 128, "2001:db8::7"},
	{"2001:db8:ffff::", 33, "2001:db8:8000::"},  {"ffff::1", 1, "8000::"},
};

START_TEST(a_prefix_keeps_the_bits_of_its_family)
{
	const struct sl_ip client = sl_packet_ip(prefixes[_i].client);
	const struct sl_ip want = sl_packet_ip(prefixes[_i].prefix);
	const struct sl_ip got = sl_persist_prefix(&client, prefixes[_i].bits);

	ck_assert_msg(sl_ip_equal(&got, &want), "%s/%u", prefixes[_i].client, prefixes[_i].bits);
}
END_TEST

// Random beginnings, ends and time against a list that forgets nothing but by time: what the table
// finds, the list knows, and with room for all nothing is lost.
START_TEST(it_finds_what_a_plain_list_knows)
{
	struct {
		struct sl_persist_backend backend;
		uint32_t due_s;
	} list[N_CLIENTS] = {0};
	struct sl_persist *table = table_new(64 * N_CLIENTS);
	uint64_t state = sl_check_seed();
	uint32_t now_s = NOW_S, n_found = 0;

	for (uint32_t i = 0; i < 50000; i++) {
		const uint32_t n = (uint32_t)(sl_check_random(&state) >> 32) % N_CLIENTS;
		const uint64_t hash = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
		const struct sl_persist_backend backend = {(uint16_t)(i % 3), 1};
		bool is_known = list[n].due_s > now_s;

		ck_assert(has(table, hash, now_s, list[n].backend) == is_known);
		n_found += is_known;
		if (i % 2 != 0) {
			sl_persist_begin(table, hash, backend, now_s, 30);
			list[n].backend = backend;
			list[n].due_s = now_s + 30;
		} else {
			sl_persist_end(table, hash, backend, now_s, 40);
			if (!is_known || list[n].backend.index == backend.index) {
				list[n].backend = backend;
				list[n].due_s = now_s + 40;
			}
		}
		now_s += sl_check_random(&state) % 4 == 0 ? 3 : 0;
	}
	ck_assert_uint_gt(n_found, 1000);
	ck_assert_uint_lt(n_found, 49000);
	free(table);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("persist");
	TCase *tc = tcase_create("table");

	tcase_add_loop_test(tc, a_client_has_its_backend_until_its_time_is_over, 0, 2);
	tcase_add_test(tc, a_flow_more_starts_the_time_anew_and_another_backend_takes_the_place);
	tcase_add_test(tc, the_end_of_a_flow_counts_unless_a_later_one_went_elsewhere);
	tcase_add_test(tc, a_full_bucket_gives_up_who_would_end_first);
	tcase_add_loop_test(tc, an_empty_table_is_empty_at_any_time, 0, 5);
	tcase_add_loop_test(tc, the_longest_time_holds_over_the_wrap_of_the_clock, 0, 3);
	tcase_add_loop_test(tc, a_prefix_keeps_the_bits_of_its_family, 0,
	                    sizeof(prefixes) / sizeof(prefixes[0]));
	tcase_add_test(tc, it_finds_what_a_plain_list_knows);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
