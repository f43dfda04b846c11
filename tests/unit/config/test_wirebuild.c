// SPDX-License-Identifier: Apache-2.0
// Model and weights to message bodies, field by field; ids.
#include <errno.h>

#include "config_test.h"
#include "ids.h"
#include "wirebuild.h"

#define GENERATION UINT64_C(7)
#define EPOCH      UINT64_C(42)

static const char text[] =
	"version: 1\n"
	"vips:\n"
	"  - { name: chat, address: 203.0.113.10, ports: [443, 8000-8003], pool: b,\n"
	"      affinity: source, persistence: { timeout: 10m, prefix: 24 },\n"
	"      allow: [10.0.0.0/8], deny: [10.1.0.0/16],\n"
	"      limits: { flows: 5k, new-flows: 50/s, source-new-flows: 2k/s } }\n"
	"  - { name: dns, address: 203.0.113.11, ports: any, protocol: udp, pool: a }\n"
	"pools:\n"
	"  a:\n"
	"    forward: { mode: dsr-l2 }\n"
	"    balance: maglev\n"
	"    timeouts: { tcp: 1h, udp: 30s }\n"
	"    backends: [{ name: x, address: 10.0.0.1 }]\n"
	"  b:\n"
	"    forward: { mode: fullnat }\n"
	"    balance: weighted\n"
	"    limits: { flows: 256, new-flows: 30/s }\n"
	"    quic:\n"
	"      - { config-id: 0, server-id-bytes: 2, nonce-bytes: 6 }\n"
	"      - { config-id: 5, server-id-bytes: 2, nonce-bytes: 14,\n"
	"          key: 000102030405060708090a0b0c0d0e0F }\n"
	"    backends:\n"
	"      - { name: x, address: 10.0.0.2:8000, server-id: 0aFF }\n"
	"      - { name: y, address: 10.0.0.3:8001 }\n";
static const uint32_t weights_milli[] = {100000, 0, UINT32_MAX};

struct bodies {
	struct sl_wire_header header;
	struct sl_wire_vip vips[3];
	struct sl_wire_pool pools[2];
	struct sl_wire_backend backends[3];
	struct sl_wire_prefix prefixes[2];
	struct sl_wire_quic quics[2];
};
_Static_assert(sizeof(struct bodies) == 56 + 3 * 64 + 2 * 40 + 3 * 56 + 2 * 24 + 2 * 24,
               "no padding");

struct fixture {
	struct sl_model *model;
	struct bodies *body;
};

static struct fixture fixture_new(void)
{
	struct fixture f = {.model = test_pools_model(text)};
	size_t n_bytes = 0;

	f.body = sl_wirebuild_config(f.model, weights_milli, GENERATION, EPOCH, &n_bytes);
	ck_assert_ptr_nonnull(f.body);
	ck_assert_uint_eq(n_bytes, sizeof(*f.body));
	return f;
}

static void fixture_free(struct fixture *f)
{
	free(f->body);
	sl_model_free(f->model);
}

START_TEST(config_header_counts_its_rows)
{
	struct fixture f = fixture_new();
	const struct sl_wire_header expected = {
		.magic = SL_WIRE_MAGIC,
		.version = SL_WIRE_VERSION,
		.kind = SL_WIRE_CONFIG,
		.generation = GENERATION,
		.epoch = EPOCH,
		.total_bytes = sizeof(struct bodies),
		.n_vips = 3,
		.n_pools = 2,
		.n_backends = 3,
		.n_prefixes = 2,
		.n_quics = 2,
	};

	ck_assert_mem_eq(&f.body->header, &expected, sizeof(expected));
	fixture_free(&f);
}
END_TEST

START_TEST(each_port_range_is_one_vip_row)
{
	struct fixture f = fixture_new();
	const struct {
		uint64_t id;
		uint32_t pool;
		uint16_t first, last;
		uint8_t proto, last_byte, affinity;
	} expected[] = {
		{sl_id_of_vip("chat"), 1, 443, 443, 6, 10, SL_AFFINITY_SOURCE},
		{sl_id_of_vip("chat"), 1, 8000, 8003, 6, 10, SL_AFFINITY_SOURCE},
		{sl_id_of_vip("dns"), 0, 0, 65535, 17, 11, SL_AFFINITY_NONE},
	};

	for (size_t i = 0; i < 3; i++) {
		const struct sl_wire_vip *row = &f.body->vips[i];

		ck_assert_uint_eq(row->id, expected[i].id);
		ck_assert_uint_eq(row->pool, expected[i].pool);
		ck_assert_uint_eq(row->port_first, expected[i].first);
		ck_assert_uint_eq(row->port_last, expected[i].last);
		ck_assert_uint_eq(row->proto, expected[i].proto);
		ck_assert(sl_ip_is_v4(&row->address));
		ck_assert_uint_eq(row->address.bytes[15], expected[i].last_byte);
		ck_assert_uint_eq(row->affinity, expected[i].affinity);
		ck_assert_uint_eq(row->is_measured, i < 2); // on by default, for TCP
		ck_assert_uint_eq(row->limit_flows, i < 2 ? 5000 : 0);
		ck_assert_uint_eq(row->limit_new_flows_per_s, i < 2 ? 50 : 0);
		ck_assert_uint_eq(row->source_new_flows_per_s, i < 2 ? 2000 : 0);
		ck_assert_uint_eq(row->first_prefix, i < 2 ? 0 : 2);
		ck_assert_uint_eq(row->n_prefixes, i < 2 ? 2 : 0);
		ck_assert_uint_eq(row->persist_s, i < 2 ? 600 : 0);
		ck_assert_uint_eq(row->persist_bits, i < 2 ? 24 : 0);
		ck_assert_uint_eq(row->syn_cookies, SL_SYN_COOKIES_OFF);
	}
	fixture_free(&f);
}
END_TEST

START_TEST(pool_rows_follow_the_model)
{
	struct fixture f = fixture_new();
	const struct sl_wire_pool expected[] = {
		{.id = sl_id_of_pool("a"),
	         .first_backend = 0,
	         .n_backends = 1,
	         .tcp_idle_s = 3600,
	         .udp_idle_s = 30,
	         .forward = SL_FORWARD_DSR_L2,
	         .balance = SL_BALANCE_MAGLEV},
		{.id = sl_id_of_pool("b"),
	         .first_backend = 1,
	         .n_backends = 2,
	         .tcp_idle_s = 7440,
	         .udp_idle_s = 300,
	         .limit_flows = 256,
	         .limit_new_flows_per_s = 30,
	         .forward = SL_FORWARD_FULLNAT,
	         .balance = SL_BALANCE_WEIGHTED},
	};

	ck_assert_mem_eq(f.body->pools, expected, sizeof(expected));
	fixture_free(&f);
}
END_TEST

START_TEST(backend_rows_carry_weights_and_dsr_ones_no_port)
{
	struct fixture f = fixture_new();
	static const uint16_t ports[] = {0, 8000, 8001};
	static const uint32_t pools[] = {0, 1, 1};
	static const uint32_t weights[] = {100000, 0, SL_WEIGHT_MAX_MILLI};

	for (size_t i = 0; i < 3; i++) {
		const struct sl_wire_backend *row = &f.body->backends[i];

		ck_assert_uint_eq(row->id, f.model->backends[i].id);
		ck_assert_uint_eq(row->pool, pools[i]);
		ck_assert_uint_eq(row->port, ports[i]);
		ck_assert_uint_eq(row->weight_milli, weights[i]);
		ck_assert_uint_eq(row->address.bytes[15], i + 1);
	}
	fixture_free(&f);
}
END_TEST

START_TEST(quic_rows_carry_keys_and_backends_their_server_id)
{
	struct fixture f = fixture_new();
	const struct sl_wire_quic expected[] = {
		{.pool = 1, .codepoint = 0, .server_id_bytes = 2, .nonce_bytes = 6},
		{.pool = 1,
	         .codepoint = 5,
	         .server_id_bytes = 2,
	         .nonce_bytes = 14,
	         .has_key = 1,
	         .key = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
	};
	const uint8_t server_id[15] = {0x0a, 0xff}, none[15] = {0};

	ck_assert_mem_eq(f.body->quics, expected, sizeof(expected));
	ck_assert_uint_eq(f.body->backends[1].server_id_bytes, 2);
	ck_assert_mem_eq(f.body->backends[1].server_id, server_id, sizeof(server_id));
	ck_assert_uint_eq(f.body->backends[2].server_id_bytes, 0);
	ck_assert_mem_eq(f.body->backends[2].server_id, none, sizeof(none));
	fixture_free(&f);
}
END_TEST

START_TEST(prefix_rows_are_allow_then_deny)
{
	struct fixture f = fixture_new();
	const struct sl_wire_prefix expected[] = {
		{.address = {.bytes = {[10] = 0xff, 0xff, 10}}, .bits = 8, .action = SL_WIRE_ALLOW},
		{.address = {.bytes = {[10] = 0xff, 0xff, 10, 1}},
	         .bits = 16,
	         .action = SL_WIRE_DENY},
	};

	ck_assert_mem_eq(f.body->prefixes, expected, sizeof(expected));
	fixture_free(&f);
}
END_TEST

static const struct {
	const char *forward;
	uint8_t mode, mtu_guard;
} dsr_modes[] = {
	{"mode: dsr-l2", SL_FORWARD_DSR_L2, 0},
	{"mode: dsr-ipip, mtu-guard: too-big", SL_FORWARD_DSR_IPIP, SL_MTU_GUARD_TOO_BIG},
	{"mode: dsr-gue, mtu-guard: clamp-mss", SL_FORWARD_DSR_GUE, SL_MTU_GUARD_CLAMP_MSS},
};

START_TEST(dsr_row_has_no_port_even_when_the_file_gives_one)
{
	char yaml[512];
	struct sl_model *dsr;
	const uint32_t weight = 1;
	size_t n_bytes;
	char *wire;
	struct sl_wire_backend row;
	struct sl_wire_pool pool;

	snprintf(yaml, sizeof(yaml),
	         "version: 1\nvips: [{ name: v, address: 203.0.113.1, ports: [80], pool: p }]\n"
	         "pools: { p: { forward: { %s }, backends: [{ name: x, address: 10.0.0.1:80 }] } "
	         "}\n",
	         dsr_modes[_i].forward);
	dsr = test_pools_model(yaml);
	wire = sl_wirebuild_config(dsr, &weight, 1, 1, &n_bytes);
	memcpy(&row, wire + n_bytes - sizeof(row), sizeof(row));
	memcpy(&pool, wire + n_bytes - sizeof(row) - sizeof(pool), sizeof(pool));
	ck_assert_uint_eq(pool.forward, dsr_modes[_i].mode);
	ck_assert_uint_eq(pool.mtu_guard, dsr_modes[_i].mtu_guard);
	ck_assert_uint_eq(dsr->backends[0].port, 80);
	ck_assert_uint_eq(row.id, dsr->backends[0].id);
	ck_assert_uint_eq(row.port, 0);
	free(wire);
	sl_model_free(dsr);
}
END_TEST

START_TEST(weights_body_has_one_row_per_backend)
{
	struct fixture f = fixture_new();
	size_t n_bytes = 0;
	struct {
		struct sl_wire_header header;
		struct sl_wire_weight rows[3];
	} *w = sl_wirebuild_weights(f.model, weights_milli, GENERATION, EPOCH, &n_bytes);

	ck_assert_uint_eq(n_bytes, sizeof(*w));
	ck_assert_uint_eq(w->header.kind, SL_WIRE_WEIGHTS);
	ck_assert_uint_eq(w->header.total_bytes, sizeof(*w));
	ck_assert_uint_eq(w->header.n_weights, 3);
	ck_assert_uint_eq(w->header.n_vips + w->header.n_pools + w->header.n_backends, 0);
	ck_assert_uint_eq(w->header.generation, GENERATION);
	ck_assert_uint_eq(w->header.epoch, EPOCH);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(w->rows[i].id, f.model->backends[i].id);
		ck_assert_uint_eq(w->rows[i].weight_milli, f.body->backends[i].weight_milli);
		ck_assert_uint_eq(w->rows[i].zero, 0);
	}
	free(w);
	fixture_free(&f);
}
END_TEST

START_TEST(a_body_above_the_limit_is_refused)
{
	struct sl_model huge = {.n_backends = 2u << 20};
	size_t n_bytes;

	ck_assert_ptr_null(sl_wirebuild_config(&huge, weights_milli, 1, 1, &n_bytes));
	ck_assert_int_eq(errno, E2BIG);
	errno = 0;
	ck_assert_ptr_null(sl_wirebuild_weights(&huge, weights_milli, 1, 1, &n_bytes));
	ck_assert_int_eq(errno, E2BIG);
}
END_TEST

// Written down once: a change would make every backend another one for a running data plane.
START_TEST(ids_never_change_between_versions)
{
	struct sl_ip ip = {.bytes = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}};

	ck_assert_uint_eq(sl_id_of_vip("chat"), UINT64_C(0xd09733efc49ddd58));
	ck_assert_uint_eq(sl_id_of_pool("chat"), UINT64_C(0xa324fa689505a6eb));
	ck_assert_uint_eq(sl_id_of_backend("p", "b", &ip, 8000), UINT64_C(0x5a2bca4c73644841));
}
END_TEST

START_TEST(ids_differ_in_every_part)
{
	struct sl_ip ip = {.bytes = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}}, other = ip;
	uint64_t id = sl_id_of_backend("p", "b", &ip, 8000);

	other.bytes[15] = 2;
	ck_assert_uint_ne(id, sl_id_of_backend("q", "b", &ip, 8000));
	ck_assert_uint_ne(id, sl_id_of_backend("p", "c", &ip, 8000));
	ck_assert_uint_ne(id, sl_id_of_backend("p", "b", &other, 8000));
	ck_assert_uint_ne(id, sl_id_of_backend("p", "b", &ip, 8001));
	ck_assert_uint_ne(sl_id_of_backend("pb", "c", &ip, 1), sl_id_of_backend("p", "bc", &ip, 1));
	ck_assert_uint_ne(sl_id_of_vip("x"), sl_id_of_pool("x"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wirebuild");
	TCase *tc = tcase_create("wirebuild");

	tcase_add_test(tc, config_header_counts_its_rows);
	tcase_add_test(tc, each_port_range_is_one_vip_row);
	tcase_add_test(tc, pool_rows_follow_the_model);
	tcase_add_test(tc, backend_rows_carry_weights_and_dsr_ones_no_port);
	tcase_add_test(tc, quic_rows_carry_keys_and_backends_their_server_id);
	tcase_add_test(tc, prefix_rows_are_allow_then_deny);
	tcase_add_loop_test(tc, dsr_row_has_no_port_even_when_the_file_gives_one, 0, 3);
	tcase_add_test(tc, weights_body_has_one_row_per_backend);
	tcase_add_test(tc, a_body_above_the_limit_is_refused);
	tcase_add_test(tc, ids_never_change_between_versions);
	tcase_add_test(tc, ids_differ_in_every_part);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
