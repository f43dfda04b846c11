// SPDX-License-Identifier: Apache-2.0
#include "snapshot_fixture.h"

#include <arpa/inet.h>

#define NONE UINT32_MAX
static const struct {
	const char *name;
	uint8_t c, d; // 10.1.c.d; 0: fd00::d
	uint8_t proto;
	uint16_t port;
	uint32_t row;
} lookups[] = {
	{"the exact port wins over all ranges", 1, 1, PROTO_TCP, 8150, 3},
	{"the narrower range wins", 1, 1, PROTO_TCP, 8100, 2},
	{"to its last port", 1, 1, PROTO_TCP, 8199, 2},
	{"the wider range has the rest", 1, 1, PROTO_TCP, 8200, 1},
	{"before it too", 1, 1, PROTO_TCP, 8099, 1},
	{"from its first port", 1, 1, PROTO_TCP, 8000, 1},
	{"any port has what is left below", 1, 1, PROTO_TCP, 7999, 0},
	{"any port has what is left above", 1, 1, PROTO_TCP, 9000, 0},
	{"any port includes the first", 1, 1, PROTO_TCP, 0, 0},
	{"any port includes the last", 1, 1, PROTO_TCP, 65535, 0},
	{"another protocol has no range", 1, 1, PROTO_UDP, 8150, NONE},
	{"one port, TCP", 1, 2, PROTO_TCP, 443, 4},
	{"one port, UDP", 1, 2, PROTO_UDP, 443, 5},
	{"another port of one port", 1, 2, PROTO_TCP, 444, NONE},
	{"the port with its bytes exchanged", 1, 2, PROTO_TCP, 0xbb01, NONE},
	{"IPv6", 0, 1, PROTO_TCP, 443, 6},
	{"another IPv6 address", 0, 2, PROTO_TCP, 443, NONE},
	{"a range of another address", 1, 3, PROTO_TCP, 8200, 7},
	{"past the range of another address", 1, 3, PROTO_TCP, 8251, NONE},
	{"an address without service", 1, 4, PROTO_TCP, 443, NONE},
};

START_TEST(a_service_is_found_by_the_most_precise_rule)
{
	struct sl_ip ip =
		lookups[_i].c == 0 ? ip6(lookups[_i].d) : ip4(1, lookups[_i].c, lookups[_i].d);
	struct fixture f = setup();
	const struct sl_snap_vip *v =
		sl_snapshot_vip(f.snap, &ip, lookups[_i].proto, htons(lookups[_i].port));

	ck_assert_msg((v == NULL) == (lookups[_i].row == NONE), "%s", lookups[_i].name);
	ck_assert_msg(v == NULL || v->id == 1000 + lookups[_i].row, "%s: %lu", lookups[_i].name,
	              v != NULL ? v->id : 0);
	teardown(&f);
}
END_TEST

static const struct sl_snap_vip *search(const struct sl_snapshot *snap, const struct sl_ip *ip,
                                        uint8_t proto, uint16_t port)
{
	const struct sl_snap_vip *best = NULL;

	for (uint32_t i = 0; i < snap->n_vips; i++) {
		const struct sl_snap_vip *v = &snap->vips[i];

		if (v->proto == proto && sl_ip_equal(&v->address, ip) && v->port_first <= port &&
		    port <= v->port_last &&
		    (best == NULL ||
		     v->port_last - v->port_first < best->port_last - best->port_first))
			best = v;
	}
	return best;
}

START_TEST(every_port_agrees_with_a_search_of_all_rows)
{
	const struct sl_ip ips[] = {ip4(1, 1, 1), ip4(1, 1, 2), ip4(1, 1, 3), ip6(1), ip4(1, 1, 9)};
	struct fixture f = setup();

	for (uint32_t i = 0; i < 5 * 2 * 65536; i++) {
		const struct sl_ip *ip = &ips[i / (2 * 65536)];
		uint8_t proto = i / 65536 % 2 ? PROTO_TCP : PROTO_UDP;
		uint16_t port = (uint16_t)i;

		if (sl_snapshot_vip(f.snap, ip, proto, htons(port)) !=
		    search(f.snap, ip, proto, port))
			ck_abort_msg("address %u, protocol %u, port %u", i / (2 * 65536), proto,
			             port);
	}
	teardown(&f);
}
END_TEST

START_TEST(an_address_is_known_whatever_its_ports)
{
	struct fixture f = setup();
	const struct sl_ip known[] = {ip4(1, 1, 1), ip4(1, 1, 2), ip4(1, 1, 3), ip6(1)};
	const struct sl_ip unknown[] = {ip4(1, 1, 4), ip4(9, 0, 0), ip6(2), ip6(7)};

	for (int i = 0; i < 4; i++) {
		ck_assert(sl_snapshot_has_address(f.snap, &known[i]));
		ck_assert(!sl_snapshot_has_address(f.snap, &unknown[i]));
	}
	teardown(&f);
}
END_TEST

START_TEST(vips_carry_slot_pool_and_ports)
{
	struct fixture f = setup();

	ck_assert_uint_eq(f.snap->n_vips, 8);
	for (uint32_t i = 0; i < 8; i++) {
		const struct sl_snap_vip *v = &f.snap->vips[i];
		const struct sl_wire_vip *row = &f.body.vips[i];

		ck_assert_mem_eq(&v->address, &row->address, sizeof(v->address));
		ck_assert_uint_eq(v->id, row->id);
		ck_assert_uint_eq(v->slot, i + 90);
		ck_assert_uint_eq(v->pool, row->pool);
		ck_assert_uint_eq(v->port_first, row->port_first);
		ck_assert_uint_eq(v->port_last, row->port_last);
		ck_assert_uint_eq(v->proto, row->proto);
	}
	teardown(&f);
}
END_TEST

START_TEST(backends_stand_at_their_index_and_gaps_are_marked)
{
	struct fixture f = setup();

	ck_assert_uint_eq(f.snap->n_backends, 18);
	for (uint32_t i = 0; i < 18; i++) {
		const struct sl_snap_backend *b = &f.snap->backends[i];
		const struct sl_wire_backend *row = &f.body.backends[i / 2];

		if (i % 2 == 0) {
			ck_assert_uint_eq(b->pool, UINT16_MAX);
			continue;
		}
		ck_assert_mem_eq(&b->address, &row->address, sizeof(b->address));
		ck_assert_uint_eq(b->id, row->id);
		ck_assert_uint_eq(f.snap->weights_milli[i], row->weight_milli);
		ck_assert_uint_eq(b->port_be, htons(row->port));
		ck_assert_uint_eq(b->generation, i / 2 + 50);
		ck_assert_uint_eq(b->next_hop, i / 2 + 70);
		ck_assert_uint_eq(b->pool, row->pool);
	}
	teardown(&f);
}
END_TEST

START_TEST(pools_carry_settings_and_all_members)
{
	static const uint32_t first[] = {0, 3, 7, 9}, n[] = {3, 4, 2, 0};
	struct fixture f = setup();

	ck_assert_uint_eq(f.snap->n_pools, 4);
	ck_assert_uint_eq(f.snap->n_members, 9);
	ck_assert_uint_eq(f.snap->generation, 5);
	ck_assert_uint_eq(f.snap->epoch, 77);
	ck_assert_uint_eq(f.snap->maglev_key.k1, 2);
	for (uint32_t i = 0; i < 4; i++) {
		const struct sl_snap_pool *p = &f.snap->pools[i];

		ck_assert_uint_eq(p->id, 2000 + i);
		ck_assert_uint_eq(p->row, i);
		ck_assert_uint_eq(p->forward, f.body.pools[i].forward);
		ck_assert_uint_eq(p->balance, f.body.pools[i].balance);
		ck_assert_uint_eq(p->tcp_idle_ticks, 29760);
		ck_assert_uint_eq(p->udp_idle_ticks, 1200);
		ck_assert_uint_eq(p->limit_flows, 10 + i);
		ck_assert_uint_eq(p->n_members, n[i]);
		ck_assert_int_eq(p->has_capacity, n[i] != 0);
		for (uint32_t m = 0; m < n[i]; m++) {
			uint32_t row = first[i] + m;

			ck_assert_uint_eq(p->members[m], 2 * row + 1);
			ck_assert_uint_eq(
				p->inverse_weights[m],
				sl_pick_inverse_weight(f.body.backends[row].weight_milli));
		}
	}
	teardown(&f);
}
END_TEST

START_TEST(a_pool_has_the_table_of_its_algorithm_only)
{
	struct fixture f = setup();
	const struct sl_snap_pool *p = f.snap->pools;
	bool has_been_picked[18] = {false};
	uint32_t cursor = 0;

	ck_assert(p[0].turns.n_leaves == 2 && p[0].maglev == NULL);
	ck_assert(p[1].turns.n_leaves == 0 && p[1].maglev != NULL);
	ck_assert(p[2].turns.n_leaves == 0 && p[2].maglev == NULL);
	ck_assert_uint_eq(p[1].n_maglev, SL_PICK_MAGLEV_SMALL);
	for (uint32_t i = 0; i < 4; i++)
		has_been_picked[sl_pick_turns_next(&p[0].turns, &cursor)] = true;
	for (uint32_t i = 0; i < p[1].n_maglev; i++)
		has_been_picked[p[1].maglev[i]] = true;
	// Rows 0, 2 and 3..6; row 1 has weight 0.
	for (uint32_t i = 0; i < 18; i++)
		ck_assert_int_eq(has_been_picked[i], i % 2 == 1 && i != 3 && i < 14);
	// A pool of nobody picks nobody.
	ck_assert_uint_eq(sl_pick_turns_next(&p[3].turns, &cursor), SL_NO_BACKEND);
	teardown(&f);
}
END_TEST

START_TEST(given_weights_replace_the_configured_ones)
{
	struct fixture f = setup();
	struct sl_snapshot *snap;
	uint32_t n_first = 0, cursor = 0;

	f.inputs->weights_milli[1] = 3000;
	f.inputs->weights_milli[2] = 1000;
	f.inputs->in.weights_milli = f.inputs->weights_milli;
	snap = sl_snapshot_build(&f.inputs->in);
	ck_assert_ptr_nonnull(snap);
	for (uint32_t i = 0; i < 4096; i++) {
		uint16_t backend = sl_pick_turns_next(&snap->pools[0].turns, &cursor);

		ck_assert_uint_ne(backend, 1);
		n_first += backend == 3;
	}
	ck_assert_uint_eq(n_first, 3072);
	ck_assert_uint_eq(snap->weights_milli[3], 3000);
	ck_assert_uint_eq(snap->pools[0].inverse_weights[0], 0);
	ck_assert(snap->pools[0].has_capacity && !snap->pools[1].has_capacity);
	for (uint32_t i = 0; i < snap->pools[1].n_maglev; i++)
		ck_assert_uint_eq(snap->pools[1].maglev[i], SL_NO_BACKEND);
	sl_snapshot_free(snap);
	teardown(&f);
}
END_TEST

START_TEST(idle_times_are_at_least_a_tick_and_never_wrap)
{
	static const struct {
		uint32_t idle_s, ticks;
	} rows[] = {{0, 1}, {1, 4}, {7440, 29760}, {UINT32_MAX, UINT32_C(1) << 30}};
	struct fixture f = setup();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_snapshot *snap;

		f.body.pools[0].tcp_idle_s = f.body.pools[0].udp_idle_s = rows[i].idle_s;
		snap = sl_snapshot_build(&f.inputs->in);
		ck_assert_ptr_nonnull(snap);
		ck_assert_uint_eq(snap->pools[0].tcp_idle_ticks, rows[i].ticks);
		ck_assert_uint_eq(snap->pools[0].udp_idle_ticks, rows[i].ticks);
		sl_snapshot_free(snap);
	}
	teardown(&f);
}
END_TEST

START_TEST(a_maglev_pool_above_40_members_has_the_large_table)
{
	struct body b = body_new(SL_WIRE_CONFIG, 0, 1, 41, 0);
	struct inputs *inputs;
	struct sl_snapshot *snap;

	set_pool(&b, 0, 41, SL_FORWARD_NAT, SL_BALANCE_MAGLEV);
	inputs = inputs_new(&b);
	snap = sl_snapshot_build(&inputs->in);
	ck_assert_ptr_nonnull(snap);
	ck_assert_uint_eq(snap->pools[0].n_maglev, SL_PICK_MAGLEV_SLOTS);
	sl_snapshot_free(snap);
	free(inputs);
	body_free(&b);
}
END_TEST

START_TEST(an_empty_configuration_finds_nothing)
{
	struct body b = body_new(SL_WIRE_CONFIG, 0, 0, 0, 0);
	struct inputs *inputs = inputs_new(&b);
	struct sl_snapshot *snap = sl_snapshot_build(&inputs->in);
	struct sl_ip ip = ip4(1, 1, 1);

	ck_assert_ptr_nonnull(snap);
	ck_assert_ptr_null(sl_snapshot_vip(snap, &ip, PROTO_TCP, htons(443)));
	ck_assert(!sl_snapshot_has_address(snap, &ip));
	sl_snapshot_free(snap);
	sl_snapshot_free(NULL);
	free(inputs);
	body_free(&b);
}
END_TEST

// 10,000 backends behind 1,000 VIPs, and a tenth of the pools by maglev.
START_TEST(a_large_configuration_builds_within_a_second_and_finds_every_vip)
{
	struct body b = body_new(SL_WIRE_CONFIG, 1000, 1000, 10000, 0);
	struct inputs *inputs;
	struct sl_snapshot *snap;
	clock_t start;
	double cpu_s;

	for (uint32_t i = 0; i < 1000; i++) {
		set_pool(&b, i, 10, SL_FORWARD_NAT,
		         i % 10 ? SL_BALANCE_WEIGHTED : SL_BALANCE_MAGLEV);
		set_vip(&b, i, i, ip4(1, (uint8_t)(i / 4), (uint8_t)(i % 2)),
		        (uint16_t)(443 + i % 4), (uint16_t)(443 + i % 4));
	}
	inputs = inputs_new(&b);
	start = clock();
	snap = sl_snapshot_build(&inputs->in);
	cpu_s = (double)(clock() - start) / CLOCKS_PER_SEC;
	ck_assert_ptr_nonnull(snap);
	for (uint32_t i = 0; i < 1000; i++) {
		struct sl_ip ip = ip4(1, (uint8_t)(i / 4), (uint8_t)(i % 2));
		const struct sl_snap_vip *v =
			sl_snapshot_vip(snap, &ip, PROTO_TCP, htons((uint16_t)(443 + i % 4)));

		ck_assert(v != NULL && v->id == 1000 + i);
		v = sl_snapshot_vip(snap, &ip, PROTO_UDP, htons((uint16_t)(443 + i % 4)));
		ck_assert_ptr_null(v);
	}
	ck_assert_msg(cpu_s < 1.0, "%f s of CPU time", cpu_s);
	sl_snapshot_free(snap);
	free(inputs);
	body_free(&b);
}
END_TEST

// Only a tunnel needs them; weights alone do not lose them.
START_TEST(tunnels_carry_source_mtu_and_guard)
{
	struct fixture f = setup();
	struct sl_route_table *rt = calloc(1, sizeof(*rt));
	struct sl_snapshot *snap;

	ck_assert_ptr_nonnull(rt);
	rt->n_routes = 1;
	rt->routes[0] = (struct sl_route){.network = f.body.backends[3].address,
	                                  .bits = 112,
	                                  .is_connected = true,
	                                  .mtu_bytes = 1400,
	                                  .source = ip4(9, 9, 9)};
	memset(&rt->routes[0].network.bytes[14], 0, 2);
	f.inputs->in.routes = rt;
	f.body.pools[1].forward = SL_FORWARD_DSR_GUE;
	f.body.pools[1].mtu_guard = SL_MTU_GUARD_TOO_BIG;
	f.body.backends[4].address = ip6(4); // no route
	snap = sl_snapshot_build(&f.inputs->in);
	ck_assert_ptr_nonnull(snap);
	ck_assert_uint_eq(snap->pools[1].mtu_guard, SL_MTU_GUARD_TOO_BIG);
	ck_assert_uint_eq(snap->pools[0].mtu_guard, 0);
	ck_assert_uint_eq(snap->backends[2 * 3 + 1].mtu_bytes, 1400);
	ck_assert(sl_ip_equal(&snap->backends[2 * 3 + 1].tunnel_source, &rt->routes[0].source));
	ck_assert_uint_eq(snap->backends[2 * 4 + 1].mtu_bytes, 0);
	ck_assert_uint_eq(snap->backends[2 * 0 + 1].mtu_bytes, 0); // nat
	sl_snapshot_free(snap);
	free(rt);
	teardown(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *tc = tcase_create("snapshot");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, a_service_is_found_by_the_most_precise_rule, 0,
	                    sizeof(lookups) / sizeof(lookups[0]));
	tcase_add_test(tc, every_port_agrees_with_a_search_of_all_rows);
	tcase_add_test(tc, an_address_is_known_whatever_its_ports);
	tcase_add_test(tc, vips_carry_slot_pool_and_ports);
	tcase_add_test(tc, backends_stand_at_their_index_and_gaps_are_marked);
	tcase_add_test(tc, pools_carry_settings_and_all_members);
	tcase_add_test(tc, a_pool_has_the_table_of_its_algorithm_only);
	tcase_add_test(tc, given_weights_replace_the_configured_ones);
	tcase_add_test(tc, tunnels_carry_source_mtu_and_guard);
	tcase_add_test(tc, idle_times_are_at_least_a_tick_and_never_wrap);
	tcase_add_test(tc, a_maglev_pool_above_40_members_has_the_large_table);
	tcase_add_test(tc, an_empty_configuration_finds_nothing);
	tcase_add_test(tc, a_large_configuration_builds_within_a_second_and_finds_every_vip);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
