// SPDX-License-Identifier: Apache-2.0
// Local ports of fullnat on the real workers: used up, refused by name, rested, and there again.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

#define FLOOD 600 // packets beyond the last port

static struct sl_rig *one_backend(const struct sl_world *w, uint32_t n_workers)
{
	struct sl_body_pool pool = {.forward = SL_FORWARD_FULLNAT,
	                            .n_backends = 1,
	                            .backends = {{w->backends[0], 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_FULLNAT, n_workers, IPPROTO_TCP);

	sl_rig_configure(rig, &(struct sl_body_spec){2, 2, &vip, 1, &pool, 1});
	sl_world_forget(rig);
	return rig;
}

// A SYN of the n-th client; the local port it leaves from, 0 when it does not.
static uint16_t port_of_client(struct sl_rig *rig, const struct sl_world *w, uint32_t n)
{
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, (uint16_t)(1024 + n % 60000));
	size_t l4 = sl_ip_is_v4(&in.src) ? 34 : 54;
	struct sl_rig_frame frame;

	in.src.bytes[15] = (uint8_t)(1 + n / 60000);
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	return frame.n_bytes == 0 ? 0 : (uint16_t)(frame.bytes[l4] << 8 | frame.bytes[l4 + 1]);
}

static uint64_t busy(struct sl_rig *rig, bool is_peak)
{
	uint64_t n = 0;

	for (uint32_t worker = 0; worker < rig->a.io.n_workers; worker++) {
		for (uint32_t b = 0; b < 4; b++) { // two of them are of the first configuration
			struct sl_stats_local_ports *row =
				sl_stats_local_ports_at(rig->a.io.stats, worker, b);

			n += sl_stat_get(is_peak ? &row->busy_peak : &row->busy);
		}
	}
	return n;
}

// The table is small, so old attempts are pushed out and their ports rest: no SYN may get one.
START_TEST(a_flood_of_syns_uses_each_port_once_and_is_then_refused_by_name)
{
	const struct sl_world *w = &sl_worlds[_i / 2];
	struct sl_rig *rig = one_backend(w, 1 + (uint32_t)_i % 2);
	static bool seen[65536];
	uint32_t n_sent = 0, n = 0;

	memset(seen, 0, sizeof(seen));
	rig->is_time_frozen = true;
	for (; n < SL_STATS_LOCAL_PORTS + FLOOD || n_sent < SL_STATS_LOCAL_PORTS; n++) {
		uint16_t port = port_of_client(rig, w, n);

		ck_assert_uint_lt(n, 2 * SL_STATS_LOCAL_PORTS);
		if (port == 0)
			continue;
		ck_assert_msg(!seen[port], "port %u twice", port);
		seen[port] = true;
		n_sent++;
	}
	ck_assert_uint_eq(n_sent, SL_STATS_LOCAL_PORTS);
	ck_assert(!seen[4791]);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NO_PORT), n - n_sent);
	ck_assert_uint_eq(busy(rig, false), SL_STATS_LOCAL_PORTS);
	rig->is_time_frozen = false;
	sl_rig_pass(rig, 9 * SL_NS_PER_S); // those that were pushed out have rested
	ck_assert_uint_lt(busy(rig, false), 3000);
	ck_assert_uint_eq(busy(rig, true), SL_STATS_LOCAL_PORTS);
	ck_assert_uint_ne(port_of_client(rig, w, n), 0);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ports");
	TCase *tc = tcase_create("fullnat");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_flood_of_syns_uses_each_port_once_and_is_then_refused_by_name, 0,
	                    4);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
