// SPDX-License-Identifier: Apache-2.0
#include "flow_fixture.h"

#define NEAR_WRAP (UINT32_MAX - 100)

static const struct {
	const char *name;
	uint8_t flags;
	bool is_v6;
} modes[] = {
	{"nat v4", 0, false},
	{"nat v6", 0, true},
	{"fullnat v4", SL_FLOW_IS_FULLNAT, false},
	{"fullnat v6", SL_FLOW_IS_FULLNAT, true},
	{"dsr v4", SL_FLOW_IS_DSR, false},
	{"dsr v6", SL_FLOW_IS_DSR, true},
};
#define N_MODES (sizeof(modes) / sizeof(modes[0]))

static struct sl_tuple reversed(const struct sl_tuple *t)
{
	return (struct sl_tuple){.src = t->dst,
	                         .dst = t->src,
	                         .sport_be = t->dport_be,
	                         .dport_be = t->sport_be,
	                         .proto = t->proto};
}

START_TEST(both_directions_find_one_entry)
{
	const struct sl_flow_new new = flow_of(1234, modes[_i].flags, modes[_i].is_v6);
	bool is_dsr = (modes[_i].flags & SL_FLOW_IS_DSR) != 0;
	enum sl_dir dir = SL_DIR_S2C;
	struct sl_flow *flow;
	struct fixture f;

	fixture_init(&f, 64, 0);
	flow = sl_flow_add(f.ft, &new, 0);
	ck_assert_ptr_nonnull(flow);
	ck_assert_ptr_eq(find(&f, &new.c2s, &dir), flow);
	ck_assert_int_eq(dir, SL_DIR_C2S);
	if (is_dsr) {
		ck_assert(!has(&f, &new.s2c));
	} else {
		ck_assert_ptr_eq(find(&f, &new.s2c, &dir), flow);
		ck_assert_int_eq(dir, SL_DIR_S2C);
	}
	fixture_fini(&f);
}
END_TEST

START_TEST(an_entry_gives_all_four_tuples)
{
	const struct sl_flow_new new = flow_of(1234, modes[_i].flags, modes[_i].is_v6);
	bool is_dsr = (modes[_i].flags & SL_FLOW_IS_DSR) != 0;
	struct sl_tuple to_client = reversed(&new.c2s);
	struct sl_tuple from_backend = is_dsr ? to_client : new.s2c;
	struct sl_tuple to_backend;
	struct sl_tuple got;
	struct sl_flow *flow;
	struct fixture f;

	from_backend.src = new.s2c.src; // also under DSR, where the packet itself keeps the VIP
	to_backend = reversed(&from_backend);
	fixture_init(&f, 64, 0);
	flow = sl_flow_add(f.ft, &new, 0);
	got = sl_flow_tuple_from_client(f.ft, flow);
	ck_assert_mem_eq(&got, &new.c2s, sizeof(got));
	got = sl_flow_tuple_to_backend(f.ft, flow);
	ck_assert_mem_eq(&got, &to_backend, sizeof(got));
	got = sl_flow_tuple_from_backend(f.ft, flow);
	ck_assert_mem_eq(&got, &from_backend, sizeof(got));
	got = sl_flow_tuple_to_client(f.ft, flow);
	ck_assert_mem_eq(&got, &to_client, sizeof(got));
	fixture_fini(&f);
}
END_TEST

START_TEST(a_new_entry_holds_what_it_was_given)
{
	const struct sl_flow_new new = flow_of(77, modes[_i].flags, modes[_i].is_v6);
	struct sl_flow *flow;
	struct fixture f;

	fixture_init(&f, 64, 1000);
	flow = sl_flow_add(f.ft, &new, 1000);
	ck_assert_uint_eq(flow->state, SL_FLOW_NEW);
	ck_assert_uint_eq(flow->last_seen, 1000);
	ck_assert_uint_eq(flow->backend, 77);
	ck_assert_uint_eq(flow->backend_generation, 3);
	ck_assert_uint_eq(flow->vip, 5);
	ck_assert_uint_eq(flow->syn_seq, 99);
	ck_assert_uint_eq(flow->idle_ticks, IDLE_TICKS);
	ck_assert_uint_eq(flow->flags,
	                  modes[_i].flags | SL_FLOW_USED | (modes[_i].is_v6 ? SL_FLOW_IS_V6 : 0));
	fixture_fini(&f);
}
END_TEST

START_TEST(a_tuple_that_differs_in_one_bit_is_not_found)
{
	const struct sl_flow_new new = flow_of(1234, modes[_i].flags, modes[_i].is_v6);
	uint64_t hash;
	struct fixture f;

	fixture_init(&f, 64, 0);
	sl_flow_add(f.ft, &new, 0);
	hash = sl_flow_hash(f.ft, &new.c2s);
	// With the hash of the right tuple, so that only the comparison can tell.
	for (unsigned int bit = 0; bit < 8 * offsetof(struct sl_tuple, zero); bit++) {
		struct sl_tuple t = new.c2s;
		enum sl_dir dir;

		((uint8_t *)&t)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_msg(sl_flow_find(f.ft, &t, hash, &dir) == NULL, "bit %u", bit);
	}
	fixture_fini(&f);
}
END_TEST

enum { OTHER_CLIENT, SAME_C2S, SAME_S2C, MIXED_FAMILIES, BOTH_EQUAL, OTHER_PROTO };

static const struct {
	const char *name;
	int what;
	bool is_added;
} second_flows[] = {
	{"another client is added", OTHER_CLIENT, true},
	{"the client's tuple twice is refused", SAME_C2S, false},
	{"the backend's tuple twice is refused", SAME_S2C, false},
	{"two address families are refused", MIXED_FAMILIES, false},
	{"one tuple for both directions is refused", BOTH_EQUAL, false},
	{"two protocols are refused", OTHER_PROTO, false},
};

START_TEST(an_insert_that_would_be_ambiguous_is_refused)
{
	const struct sl_flow_new first = flow_of(1, SL_FLOW_IS_FULLNAT, false);
	struct sl_flow_new second = flow_of(2, SL_FLOW_IS_FULLNAT, false);
	struct fixture f;

	switch (second_flows[_i].what) {
	case SAME_C2S:
		second.c2s = first.c2s;
		break;
	case SAME_S2C:
		second.s2c = first.s2c;
		break;
	case MIXED_FAMILIES:
		second.s2c.src = host(true, 4, 7);
		break;
	case BOTH_EQUAL:
		second.s2c = second.c2s;
		break;
	case OTHER_PROTO:
		second.s2c.proto = PROTO_UDP;
		break;
	default:
		break;
	}
	fixture_init(&f, 64, 0);
	ck_assert_ptr_nonnull(sl_flow_add(f.ft, &first, 0));
	ck_assert_msg((sl_flow_add(f.ft, &second, 0) != NULL) == second_flows[_i].is_added, "%s",
	              second_flows[_i].name);
	ck_assert_uint_eq(sl_flow_count(f.ft), second_flows[_i].is_added ? 2 : 1);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_removed_flow_is_found_by_neither_tuple_and_may_come_again)
{
	const struct sl_flow_new new = flow_of(1234, modes[_i].flags, modes[_i].is_v6);
	struct sl_flow *flow;
	struct fixture f;

	fixture_init(&f, 64, 0);
	flow = sl_flow_add(f.ft, &new, 0);
	sl_flow_set_state(f.ft, flow, SL_FLOW_OPEN, 0);
	sl_flow_remove(f.ft, flow);
	ck_assert(!has(&f, &new.c2s) && !has(&f, &new.s2c));
	ck_assert_uint_eq(f.n_gone, 1);
	ck_assert_uint_eq(f.n_evicted, 0);
	ck_assert_uint_eq(f.last_gone.backend, 1234);
	flow = sl_flow_add(f.ft, &new, 9);
	ck_assert_ptr_nonnull(flow);
	ck_assert_uint_eq(flow->state, SL_FLOW_NEW);
	ck_assert_uint_eq(flow->last_seen, 9);
	fixture_fini(&f);
}
END_TEST

static const struct {
	const char *name;
	uint8_t proto, state;
	uint32_t idle_ticks, timeout_ticks;
} timeouts[] = {
	{"a SYN without answer goes after 30 s", PROTO_TCP, SL_FLOW_NEW, 29760, 120},
	{"an answered SYN too", PROTO_TCP, SL_FLOW_ANSWERED, 29760, 120},
	{"an open flow stays for the pool's idle time", PROTO_TCP, SL_FLOW_OPEN, 29760, 29760},
	{"a short idle time counts as well", PROTO_TCP, SL_FLOW_OPEN, 40, 40},
	{"half closed keeps a quarter", PROTO_TCP, SL_FLOW_FIN_C2S, 29760, 7440},
	{"half closed by the server too", PROTO_TCP, SL_FLOW_FIN_S2C, 29760, 7440},
	{"half closed keeps 5 min at least", PROTO_TCP, SL_FLOW_FIN_C2S, 2400, 1200},
	{"but no more than the idle time", PROTO_TCP, SL_FLOW_FIN_S2C, 600, 600},
	{"closed both ways goes after 10 s", PROTO_TCP, SL_FLOW_CLOSING, 29760, 40},
	{"reset goes after 10 s", PROTO_TCP, SL_FLOW_RESET, 29760, 40},
	{"refused goes with the SYNs", PROTO_TCP, SL_FLOW_REFUSED, 29760, 120},
	{"met in its middle goes after 30 s", PROTO_TCP, SL_FLOW_PICKED, 29760, 120},
	{"one datagram stays for 30 s", PROTO_UDP, SL_FLOW_NEW, 1200, 120},
	{"answered datagrams for the idle time", PROTO_UDP, SL_FLOW_OPEN, 1200, 1200},
};
#define N_TIMEOUTS (sizeof(timeouts) / sizeof(timeouts[0]))

static void flow_lives_exactly_its_timeout(int row, uint32_t start)
{
	struct sl_flow_new new = flow_of(1, 0, false);
	uint32_t end = start + timeouts[row].timeout_ticks;
	struct sl_flow *flow;
	struct fixture f;

	new.c2s.proto = new.s2c.proto = timeouts[row].proto;
	new.idle_ticks = timeouts[row].idle_ticks;
	fixture_init(&f, 64, start);
	flow = sl_flow_add(f.ft, &new, start);
	sl_flow_set_state(f.ft, flow, timeouts[row].state, start);
	ck_assert_uint_eq(sl_flow_timeout_ticks(flow), timeouts[row].timeout_ticks);
	for (uint32_t now = start; now != end; now++) {
		ck_assert_msg(sl_flow_expire(f.ft, now, 100) == 0, "%s: gone %u early",
		              timeouts[row].name, end - now);
	}
	ck_assert_msg(sl_flow_expire(f.ft, end, 100) == 1, "%s: still there", timeouts[row].name);
	ck_assert(!has(&f, &new.c2s) && !has(&f, &new.s2c));
	ck_assert_uint_eq(f.n_gone, 1);
	fixture_fini(&f);
}

START_TEST(a_silent_flow_lives_exactly_its_timeout)
{
	flow_lives_exactly_its_timeout(_i, 0);
	flow_lives_exactly_its_timeout(_i, 12345);
}
END_TEST

START_TEST(ticks_may_wrap)
{
	flow_lives_exactly_its_timeout(_i, NEAR_WRAP);
	flow_lives_exactly_its_timeout(_i, UINT32_MAX - 5000); // looked at before, ends after
	flow_lives_exactly_its_timeout(_i, (UINT32_C(1) << 31) - 100);
}
END_TEST

START_TEST(a_packet_postpones_the_end)
{
	const struct sl_flow_new new = flow_of(1, 0, false);
	struct sl_flow *flow;
	struct fixture f;

	fixture_init(&f, 64, NEAR_WRAP);
	flow = sl_flow_add(f.ft, &new, NEAR_WRAP);
	sl_flow_set_state(f.ft, flow, SL_FLOW_CLOSING, NEAR_WRAP);
	flow->last_seen = NEAR_WRAP + 39;
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 78, 100), 0);
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 79, 100), 1);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_packet_of_an_unconfirmed_flow_sends_it_once_more_through_the_queue)
{
	const struct sl_flow_new new = flow_of(1, 0, false), other = flow_of(2, 0, false);
	struct sl_flow *flow;
	struct fixture f;

	fixture_init(&f, 64, NEAR_WRAP);
	flow = sl_flow_add(f.ft, &new, NEAR_WRAP);
	ck_assert_ptr_nonnull(sl_flow_add(f.ft, &other, NEAR_WRAP + 1));
	if (_i == 0)
		flow->last_seen = NEAR_WRAP + 1;
	else
		sl_flow_set_state(f.ft, flow, SL_FLOW_ANSWERED, NEAR_WRAP + 1);
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 120, 100), 0);
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 121, 100), 1);
	ck_assert(has(&f, &new.c2s) && !has(&f, &other.c2s));
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 239, 100), 0);
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 240, 100), 1);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_change_of_state_counts_as_a_packet)
{
	const struct sl_flow_new new = flow_of(1, 0, false);
	struct sl_flow *flow;
	struct fixture f;

	fixture_init(&f, 64, 0);
	flow = sl_flow_add(f.ft, &new, 0);
	sl_flow_set_state(f.ft, flow, SL_FLOW_CLOSING, 0);
	sl_flow_set_state(f.ft, flow, SL_FLOW_RESET, 30);
	ck_assert_uint_eq(flow->last_seen, 30);
	ck_assert_uint_eq(sl_flow_expire(f.ft, 69, 100), 0);
	ck_assert_uint_eq(sl_flow_expire(f.ft, 70, 100), 1);
	fixture_fini(&f);
}
END_TEST

START_TEST(one_call_after_a_long_silence_finds_all_that_ended)
{
	struct fixture f;

	fixture_init(&f, 512, NEAR_WRAP);
	for (uint32_t i = 0; i < 300; i++) {
		const struct sl_flow_new new = flow_of(i, 0, false);
		struct sl_flow *flow = sl_flow_add(f.ft, &new, NEAR_WRAP + 7 * i);

		sl_flow_set_state(f.ft, flow, i % 3 ? SL_FLOW_OPEN : SL_FLOW_NEW, NEAR_WRAP);
		sl_flow_expire(f.ft, NEAR_WRAP + i / 4, 10);
	}
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 20000, 1000), 100);
	ck_assert_uint_eq(sl_flow_expire(f.ft, NEAR_WRAP + 2000000, 1000), 200);
	fixture_fini(&f);
}
END_TEST

START_TEST(one_call_looks_at_no_more_than_its_budget)
{
	struct fixture f;
	uint32_t n_removed = 0;

	fixture_init(&f, 512, 0);
	for (uint32_t i = 0; i < 500; i++) {
		const struct sl_flow_new new = flow_of(i, 0, false);

		sl_flow_add(f.ft, &new, 0);
	}
	ck_assert_uint_eq(sl_flow_expire(f.ft, 1000, 0), 0);
	for (int i = 0; i < 50; i++) {
		uint32_t n = sl_flow_expire(f.ft, 1000, 10);

		ck_assert_uint_eq(n, 10);
		n_removed += n;
	}
	ck_assert_uint_eq(n_removed, 500);
	ck_assert_uint_eq(sl_flow_count(f.ft), 0);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_flow_costs_no_more_memory_than_promised)
{
	for (uint32_t n = 1000; n < 3000000; n += n / 3) {
		size_t v6_lines = (size_t)n * sizeof(struct sl_flow_v6);

		ck_assert_uint_le(sl_flow_table_bytes(n), (size_t)n * 192 + 8192);
		ck_assert_uint_le(sl_flow_table_bytes(n) - v6_lines, (size_t)n * 128 + 8192);
	}
}
END_TEST

static const struct {
	const char *name;
	uint32_t n_flows;
	int shift, missing;
} impossible[] = {
	{"no flows", 0, 0, 0},
	{"more flows than references", (UINT32_C(1) << 30) + 1, 0, 0},
	{"memory not aligned to a line", 64, 8, 0},
	{"memory one byte short", 64, 0, 1},
};

START_TEST(impossible_parameters_are_refused)
{
	const struct sl_flow_params params = {.n_flows = impossible[_i].n_flows};
	size_t n_bytes = sl_flow_table_bytes(64);
	uint8_t *mem = aligned_alloc(64, (n_bytes + 127) & ~(size_t)63);
	size_t claimed =
		impossible[_i].n_flows == 64 ? n_bytes - (size_t)impossible[_i].missing : SIZE_MAX;

	ck_assert_msg(sl_flow_table_init(mem + impossible[_i].shift, claimed, &params) == NULL,
	              "%s", impossible[_i].name);
	ck_assert_ptr_null(sl_flow_table_init(NULL, SIZE_MAX, &params));
	free(mem);
}
END_TEST

// Both families and directions mixed, every third unknown. Between the steps, as bursts overlap,
// some of the flows go, their entries are taken by others, and some of the unknown come.
START_TEST(a_burst_finds_what_single_lookups_find)
{
	const bool is_changing = _i >= 64;
	const uint32_t round = (uint32_t)_i % 64, n = 1 + round % SL_FLOW_BURST;
	struct sl_pkt packets[SL_FLOW_BURST], *pkts[SL_FLOW_BURST];
	struct sl_flow_search search;
	struct fixture f;

	fixture_init(&f, 200, 0);
	memset(packets, 0, sizeof(packets));
	for (uint32_t i = 0; i < n; i++) {
		bool is_v6 = (i + round) % 5 == 0;
		struct sl_flow_new new = flow_of(1000 + i, 0, is_v6);

		if ((i + round) % 3 != 0)
			ck_assert_ptr_nonnull(sl_flow_add(f.ft, &new, 0));
		packets[i].tuple = (i + round / 8) % 2 == 0 ? new.c2s : new.s2c;
		packets[i].is_v6 = is_v6;
		packets[i].kind = SL_PKT_TCP;
		pkts[i] = &packets[i];
	}
	sl_flow_search_start(f.ft, pkts, n, &search);
	sl_flow_search_guess(f.ft, n, &search);
	for (uint32_t i = 0; i < n && is_changing; i++) {
		struct sl_flow_new same = flow_of(1000 + i, 0, packets[i].is_v6);
		struct sl_flow_new other = flow_of(5000 + i, SL_FLOW_IS_DSR, packets[i].is_v6);
		enum sl_dir dir;
		struct sl_flow *flow = find(&f, &packets[i].tuple, &dir);

		if (flow == NULL) {
			ck_assert_ptr_nonnull(sl_flow_add(f.ft, &same, 0));
		} else if (i % 2 == 0) {
			sl_flow_remove(f.ft, flow);
			ck_assert(i % 4 != 0 || sl_flow_add(f.ft, &other, 0) == flow);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		enum sl_dir dir = SL_DIR_C2S, dir_burst;
		struct sl_flow *flow = find(&f, &packets[i].tuple, &dir);

		ck_assert_ptr_eq(sl_flow_search_take(f.ft, &search, i, pkts[i], &dir_burst), flow);
		ck_assert(is_changing || (flow != NULL) == ((i + round) % 3 != 0));
		ck_assert(flow == NULL || dir_burst == dir);
		ck_assert(packets[i].hash == sl_flow_hash(f.ft, &packets[i].tuple));
	}
	fixture_fini(&f);
}
END_TEST

// A reference to the reply side of a flow that went; its entry is now a dsr flow's with the same
// ends, whose replies are nobody's.
START_TEST(a_burst_does_not_take_the_replies_of_dsr_for_those_of_a_flow_that_went)
{
	struct sl_flow_new nat = flow_of(1, 0, _i == 1), dsr = flow_of(1, SL_FLOW_IS_DSR, _i == 1);
	struct sl_pkt packet = {.kind = SL_PKT_TCP, .is_v6 = _i == 1, .tuple = nat.s2c};
	struct sl_pkt *pkt = &packet;
	struct sl_flow_search search;
	struct sl_flow *flow;
	enum sl_dir dir;
	struct fixture f;

	fixture_init(&f, 10, 0);
	nat.s2c.dst = nat.c2s.src;
	nat.s2c.sport_be = nat.c2s.dport_be;
	packet.tuple = nat.s2c;
	flow = sl_flow_add(f.ft, &nat, 0);
	ck_assert_ptr_nonnull(flow);
	sl_flow_search_start(f.ft, &pkt, 1, &search);
	sl_flow_search_guess(f.ft, 1, &search);
	ck_assert_ptr_eq(sl_flow_search_take(f.ft, &search, 0, pkt, &dir), flow);
	sl_flow_remove(f.ft, flow);
	ck_assert_ptr_null(sl_flow_search_take(f.ft, &search, 0, pkt, &dir));
	ck_assert_ptr_eq(sl_flow_add(f.ft, &dsr, 0), flow);
	ck_assert_ptr_null(sl_flow_search_take(f.ft, &search, 0, pkt, &dir));
	fixture_fini(&f);
}
END_TEST

START_TEST(changes_count_flows_that_come_and_go)
{
	struct fixture f;
	struct sl_flow_new new = flow_of(1, 0, false);
	struct sl_flow *flow;
	uint32_t before;

	fixture_init(&f, 10, 0);
	before = sl_flow_changes(f.ft);
	flow = sl_flow_add(f.ft, &new, 0);
	ck_assert_uint_eq(sl_flow_changes(f.ft), before + 1);
	ck_assert_ptr_null(sl_flow_add(f.ft, &new, 0));
	ck_assert_uint_eq(sl_flow_changes(f.ft), before + 1);
	sl_flow_remove(f.ft, flow);
	ck_assert_uint_eq(sl_flow_changes(f.ft), before + 2);
	fixture_fini(&f);
}
END_TEST

// Every family inside and outside; what is read back is what was put in, and one bit of the
// client's address makes another flow.
START_TEST(a_tunnel_leads_to_a_backend_of_either_family)
{
	const bool is_v6 = _i & 1, is_to_v6 = _i & 2;
	const uint8_t kind = _i & 4 ? SL_FLOW_IS_GUE : SL_FLOW_IS_IPIP;
	struct sl_flow_new new = flow_of(77, SL_FLOW_IS_DSR | kind, is_v6);
	struct sl_tuple to_backend, from_client;
	struct sl_flow *flow;
	struct fixture f;
	enum sl_dir dir;

	new.s2c.src = host(is_to_v6, 4, 7);
	fixture_init(&f, 64, 0);
	flow = sl_flow_add(f.ft, &new, 0);
	ck_assert_ptr_nonnull(flow);
	ck_assert_ptr_eq(find(&f, &new.c2s, &dir), flow);
	ck_assert_uint_eq(flow->flags & SL_FLOW_IS_TUNNEL, kind);
	to_backend = sl_flow_tuple_to_backend(f.ft, flow);
	from_client = sl_flow_tuple_from_client(f.ft, flow);
	ck_assert(sl_ip_equal(&to_backend.dst, &new.s2c.src));
	ck_assert_mem_eq(&from_client, &new.c2s, sizeof(from_client));
	new.c2s.src.bytes[15] ^= 1;
	ck_assert(!has(&f, &new.c2s));
	new.c2s.src.bytes[15] ^= 1;
	sl_flow_remove(f.ft, flow);
	ck_assert(!has(&f, &new.c2s));
	new.flags = SL_FLOW_IS_DSR;
	ck_assert((sl_flow_add(f.ft, &new, 0) != NULL) == (is_v6 == is_to_v6));
	fixture_fini(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow");
	TCase *tc = tcase_create("flow");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, both_directions_find_one_entry, 0, N_MODES);
	tcase_add_loop_test(tc, an_entry_gives_all_four_tuples, 0, N_MODES);
	tcase_add_loop_test(tc, a_new_entry_holds_what_it_was_given, 0, N_MODES);
	tcase_add_loop_test(tc, a_tuple_that_differs_in_one_bit_is_not_found, 0, N_MODES);
	tcase_add_loop_test(tc, an_insert_that_would_be_ambiguous_is_refused, 0,
	                    sizeof(second_flows) / sizeof(second_flows[0]));
	tcase_add_loop_test(tc, a_removed_flow_is_found_by_neither_tuple_and_may_come_again, 0,
	                    N_MODES);
	tcase_add_loop_test(tc, a_silent_flow_lives_exactly_its_timeout, 0, N_TIMEOUTS);
	tcase_add_loop_test(tc, ticks_may_wrap, 0, N_TIMEOUTS);
	tcase_add_test(tc, a_packet_postpones_the_end);
	tcase_add_loop_test(
		tc, a_packet_of_an_unconfirmed_flow_sends_it_once_more_through_the_queue, 0, 2);
	tcase_add_test(tc, a_change_of_state_counts_as_a_packet);
	tcase_add_test(tc, one_call_after_a_long_silence_finds_all_that_ended);
	tcase_add_test(tc, one_call_looks_at_no_more_than_its_budget);
	tcase_add_test(tc, a_flow_costs_no_more_memory_than_promised);
	tcase_add_loop_test(tc, impossible_parameters_are_refused, 0,
	                    sizeof(impossible) / sizeof(impossible[0]));
	tcase_add_loop_test(tc, a_burst_finds_what_single_lookups_find, 0, 128);
	tcase_add_loop_test(
		tc, a_burst_does_not_take_the_replies_of_dsr_for_those_of_a_flow_that_went, 0, 2);
	tcase_add_loop_test(tc, a_tunnel_leads_to_a_backend_of_either_family, 0, 8);
	tcase_add_test(tc, changes_count_flows_that_come_and_go);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
