// SPDX-License-Identifier: Apache-2.0
// Changes at scale: thousands of VIPs at once, configurations that replace most of what there is,
// weights that change faster than packets come.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

#define N_VIPS 4000

struct names {
	char text[2 * SL_MAX_BACKENDS][20];
};

static struct names *names_new(uint32_t n, const char *format)
{
	struct names *names = calloc(1, sizeof(*names));

	ck_assert_ptr_nonnull(names);
	for (uint32_t i = 0; i < n; i++)
		snprintf(names->text[i], sizeof(names->text[i]), format, i / 250, 1 + i % 250);
	return names;
}

// Which VIP an ARP of ours announces: sender and target protocol address are the same.
static uint32_t announced_vip(const struct sl_rig_frame *frame)
{
	if (frame->n_bytes < 42 || frame->bytes[12] != 0x08 || frame->bytes[13] != 0x06 ||
	    frame->bytes[28] != 198 || memcmp(&frame->bytes[28], &frame->bytes[38], 4) != 0)
		return N_VIPS;
	return frame->bytes[30] * 250u + frame->bytes[31] - 1;
}

START_TEST(thousands_of_vips_are_announced_once_on_each_port_and_none_is_dropped)
{
	struct names *names = names_new(N_VIPS, "198.18.%u.%u");
	struct sl_body_vip *vips = calloc(N_VIPS, sizeof(*vips));
	struct sl_body_pool pool = {.n_backends = 1, .backends = {{"10.0.0.11", 8000, 1000}}};
	uint8_t(*n_told)[RIG_PORTS] = calloc(N_VIPS, sizeof(*n_told));
	struct sl_rig *rig = sl_rig_new(2, 256);

	ck_assert(vips != NULL && n_told != NULL);
	for (uint32_t i = 0; i < N_VIPS; i++)
		vips[i] = (struct sl_body_vip){names->text[i], 443, 443, IPPROTO_TCP, 0};
	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, vips, N_VIPS, &pool, 1});
	sl_slow_announce(&rig->a.slow);
	for (uint32_t ms = 0; ms < 2 * N_VIPS / SL_SLOW_ANNOUNCE; ms++) {
		sl_rig_turn(rig);
		for (uint32_t p = 0; p < RIG_PORTS; p++) {
			struct sl_rig_frame frame = sl_rig_take(rig, p);

			for (; frame.n_bytes != 0; frame = sl_rig_take(rig, p)) {
				if (announced_vip(&frame) < N_VIPS)
					n_told[announced_vip(&frame)][p]++;
			}
		}
	}
	for (uint32_t i = 0; i < N_VIPS; i++) {
		for (uint32_t p = 0; p < RIG_PORTS; p++)
			ck_assert_msg(n_told[i][p] == 1, "VIP %u told %u times on port %u", i,
			              n_told[i][p], p);
	}
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_HANDOFF_FULL), 0);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
	free(names);
	free(vips);
	free(n_told);
}
END_TEST

// n_pools pools of 16 backends from number first on.
static struct sl_wire_header *large_config(const struct names *names, uint64_t epoch,
                                           uint32_t first, uint32_t n_pools)
{
	struct sl_body_vip vip = {sl_worlds[0].vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_body_pool *pools = calloc(n_pools, sizeof(*pools));
	struct sl_wire_header *body;

	ck_assert_ptr_nonnull(pools);
	for (uint32_t i = 0; i < n_pools; i++) {
		pools[i].n_backends = SL_BODY_BACKENDS;
		for (uint32_t b = 0; b < SL_BODY_BACKENDS; b++)
			pools[i].backends[b] = (struct sl_body_backend){
				names->text[first + i * SL_BODY_BACKENDS + b], 8000, 1000};
	}
	body = sl_body_config(&(struct sl_body_spec){epoch, epoch, &vip, 1, pools, n_pools});
	free(pools);
	return body;
}

static void check_applied(struct sl_rig *rig, struct sl_wire_header *body, const char *want)
{
	char reason[128] = "";
	enum sl_ipc_status status = sl_publisher_apply_config(&rig->a.pub, body, body->total_bytes,
	                                                      reason, sizeof(reason));

	ck_assert_msg(strcmp(reason, want) == 0, "reason: %s", reason);
	ck_assert_int_eq(status, want[0] == '\0' ? SL_IPC_OK : SL_IPC_NO_SPACE);
	sl_rig_turn(rig);
	sl_world_forget(rig);
	free(body);
}

START_TEST(a_replacement_that_does_not_fit_says_why_and_what_to_do)
{
	const uint32_t n_pools = 625, n = 625 * SL_BODY_BACKENDS;
	struct names *names = names_new(n + SL_MAX_BACKENDS, "10.0.%u.%u");
	struct sl_packet_spec request = sl_world_request(&sl_worlds[0], IPPROTO_TCP, 40000);
	struct sl_rig *rig = sl_rig_new(1, 256);

	sl_rig_neighbour(rig, RIG_FRONT, sl_worlds[0].gateway, sl_world_gateway_mac);
	check_applied(rig, large_config(names, 1, 0, n_pools), "");
	sl_rig_put_spec(rig, RIG_FRONT, &request); // one flow on one of the first sixteen
	sl_rig_turn(rig);
	sl_world_forget(rig);
	check_applied(rig, large_config(names, 2, n, n_pools),
	              "backends: 10000 in force, 0 removed but with flows, 6384 free: apply in two "
	              "steps, first remove, then add");
	ck_assert_uint_eq(rig->a.pub.generation, 1);
	check_applied(rig, large_config(names, 3, n, 1), "");
	check_applied(rig, large_config(names, 4, n, SL_MAX_BACKENDS / SL_BODY_BACKENDS),
	              "backends: 16 in force, 1 removed but with flows, 16367 free: apply in two "
	              "steps, first remove, then add");
	check_applied(rig, large_config(names, 5, n, n_pools), "");
	sl_rig_free(rig);
	free(names);
}
END_TEST

#define N_FLOWS 200

// A packet of each flow, as many at once as fit a burst and more; 0 lost, 0 moved.
static void check_flows(struct sl_rig *rig, int *backend_of, uint8_t tcp_flags)
{
	const struct sl_world *w = &sl_worlds[0];
	uint32_t n_out = 0;

	for (uint16_t i = 0; i < N_FLOWS; i++) {
		struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, (uint16_t)(40000 + i));

		in.tcp_flags = tcp_flags;
		sl_rig_put_spec(rig, RIG_FRONT, &in);
	}
	sl_rig_turn(rig);
	for (;;) {
		struct sl_rig_frame frame = sl_rig_take(rig, RIG_BACK);
		uint32_t flow;
		int backend;

		if (frame.n_bytes == 0)
			break;
		flow = (uint32_t)(frame.bytes[34] << 8 | frame.bytes[35]) - 40000;
		ck_assert_uint_lt(flow, N_FLOWS);
		backend = sl_world_backend_of(&frame);
		ck_assert_msg(backend_of[flow] < 0 || backend_of[flow] == backend, "flow %u moved",
		              flow);
		backend_of[flow] = backend;
		n_out++;
	}
	ck_assert_uint_eq(n_out, N_FLOWS);
}

START_TEST(a_storm_of_weights_moves_no_flow_and_loses_no_packet)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 2, IPPROTO_TCP);
	struct sl_stats_header *h = rig->a.segment.base;
	struct sl_body_backend rows[] = {{w->backends[0], 8000, 0}, {w->backends[1], 8000, 0}};
	uint64_t seed = sl_check_seed(), random = seed;
	uint64_t applied = sl_stat_get(&h->config_applied);
	int backend_of[N_FLOWS], b;
	char reason[128] = "";

	memset(backend_of, 0xff, sizeof(backend_of));
	check_flows(rig, backend_of, SL_TCP_SYN);
	for (uint64_t epoch = 2; epoch < 2002; epoch++) {
		struct sl_wire_header *body;

		for (uint32_t i = 0; i < 2; i++) // drained now and then, one or both
			rows[i].weight_milli = (uint32_t)(sl_check_random(&random) % 4) * 500;
		body = sl_body_weights(1, epoch, rows, 2);
		ck_assert_msg(sl_publisher_apply_weights(&rig->a.pub, body, body->total_bytes,
		                                         reason, sizeof(reason)) == SL_IPC_OK,
		              "%s, seed %lu", reason, seed);
		free(body);
		if (epoch % 10 == 0)
			check_flows(rig, backend_of, SL_TCP_ACK);
		else
			sl_rig_turn(rig);
		ck_assert_uint_eq(rig->a.pub.acked_epoch, epoch);
		sl_world_forget(rig);
	}
	ck_assert_uint_eq(sl_stat_get(&h->config_applied) - applied, 2000);
	for (int only = 0; only < 2; only++) { // and new flows follow the last weights
		struct sl_packet_spec in =
			sl_world_request(w, IPPROTO_TCP, (uint16_t)(50000 + only));
		struct sl_wire_header *body;

		rows[only].weight_milli = 1000;
		rows[!only].weight_milli = 0;
		body = sl_body_weights(1, 2002 + (uint64_t)only, rows, 2);
		ck_assert_int_eq(sl_publisher_apply_weights(&rig->a.pub, body, body->total_bytes,
		                                            reason, sizeof(reason)),
		                 SL_IPC_OK);
		free(body);
		sl_rig_turn(rig);
		sl_world_send(rig, &in, &b);
		ck_assert_int_eq(b, only);
	}
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("change");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 120); // of a loaded machine under sanitizers
	tcase_add_test(tc, thousands_of_vips_are_announced_once_on_each_port_and_none_is_dropped);
	tcase_add_test(tc, a_replacement_that_does_not_fit_says_why_and_what_to_do);
	tcase_add_test(tc, a_storm_of_weights_moves_no_flow_and_loses_no_packet);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
