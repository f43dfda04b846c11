// SPDX-License-Identifier: Apache-2.0
// A PROXY header through real buffers: it goes into the headroom of the client's ACK, whatever
// worker that came to; what is cut at the start of a stream ends by name.
#include <netinet/in.h>

#include "fragments.h"
#include "sl_check.h"
#include "world.h"

#define CLIENT_PORT 40000
#define TCP_BYTES   20

static struct sl_rig *start(const struct sl_world *w, uint32_t n_workers)
{
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_FULLNAT, n_workers, IPPROTO_TCP);
	struct sl_body_pool pool = {.forward = SL_FORWARD_FULLNAT,
	                            .client_address = SL_CLIENT_ADDRESS_PROXY_V2,
	                            .n_backends = 1,
	                            .backends = {{w->backends[0], 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};

	sl_rig_configure(rig, &(struct sl_body_spec){2, 2, &vip, 1, &pool, 1});
	sl_world_forget(rig);
	return rig;
}

static struct sl_packet_spec from_client(const struct sl_world *w, uint16_t sport, uint8_t flags,
                                         uint32_t seq)
{
	struct sl_packet_spec spec = sl_world_request(w, IPPROTO_TCP, sport);

	spec.tcp_flags = flags;
	spec.tcp_seq = seq;
	return spec;
}

START_TEST(a_header_goes_into_the_headroom)
{
	const struct sl_world *w = &sl_worlds[_i % 2];
	const uint32_t n_workers = (uint32_t)_i / 2 + 1, l3_bytes = _i % 2 ? 40 : 20;
	const uint32_t n_header = _i % 2 ? 52 : 28, l4_off = 14 + l3_bytes;
	struct sl_rig *rig = start(w, n_workers);
	int backend;

	for (uint16_t port = CLIENT_PORT; port < CLIENT_PORT + 10; port++) {
		struct sl_packet_spec in = from_client(w, port, SL_TCP_SYN, 1000);
		struct sl_rig_frame frame = sl_world_send(rig, &in, &backend);
		const uint8_t *payload = frame.bytes + l4_off + TCP_BYTES;

		in = from_client(w, port, SL_TCP_ACK, 1001);
		in.payload_bytes = 100;
		frame = sl_world_send(rig, &in, &backend);
		ck_assert_uint_eq(frame.n_bytes, l4_off + TCP_BYTES + n_header + 100);
		ck_assert(sl_packet_csums_are_right(frame.bytes, frame.n_bytes));
		ck_assert_mem_eq(payload, "\r\n\r\n\0\r\nQUIT\n\x21", 13);
		ck_assert_uint_eq(payload[n_header - 4] << 8 | payload[n_header - 3], port);
		ck_assert_uint_eq(payload[n_header - 2] << 8 | payload[n_header - 1], 443);
		ck_assert_uint_eq(payload[n_header], 1); // and the client's own first byte
	}
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(what_is_cut_at_the_start_of_a_stream_ends_by_name)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = start(w, 1);
	uint8_t whole[SL_PACKET_MAX_BYTES], part[SL_PACKET_MAX_BYTES];
	int backend;

	for (uint16_t i = 0; i < 2; i++) {
		const struct sl_cut cut = {.at = 0, .n_bytes = 800, .id = 7u + i};
		struct sl_packet_spec in = from_client(w, CLIENT_PORT, SL_TCP_SYN, 1000);
		size_t n_bytes;

		if (i == 1) {
			sl_world_send(rig, &in, &backend);
			in = from_client(w, CLIENT_PORT, SL_TCP_ACK, 1001);
		}
		in.payload_bytes = 1200;
		memcpy(in.dst_mac, rig->a.ports.macs[RIG_FRONT], 6);
		n_bytes = sl_packet_build(whole, sizeof(whole), &in);
		sl_rig_put(rig, RIG_FRONT, part, sl_fragment_cut(part, whole, n_bytes, &cut));
		sl_rig_turn(rig);
		sl_rig_expect_nothing(rig, RIG_BACK);
		ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_FRAGMENT), i + 1);
	}
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clientaddr");
	TCase *tc = tcase_create("clientaddr");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_header_goes_into_the_headroom, 0, 4);
	tcase_add_loop_test(tc, what_is_cut_at_the_start_of_a_stream_ends_by_name, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
