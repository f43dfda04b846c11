// SPDX-License-Identifier: Apache-2.0
// Accepted files become exactly the structs they describe.
#include "config_test.h"
#include "ids.h"

static struct sl_ip v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct sl_ip){.bytes = {[10] = 0xff, [11] = 0xff, a, b, c, d}};
}

#define ASSERT_IP(ip, a, b, c, d)                                                                  \
	do {                                                                                       \
		struct sl_ip expected_ = v4(a, b, c, d);                                           \
		ck_assert(sl_ip_equal(&(ip), &expected_));                                         \
	} while (0)

static struct sl_model *example_model(void)
{
	size_t n_bytes;
	char *text = test_read_file("config/pools.example.yaml", &n_bytes);
	struct sl_model *model = test_pools_model(text);

	free(text);
	return model;
}

START_TEST(example_has_its_counts)
{
	struct sl_model *m = example_model();

	ck_assert_uint_eq(m->n_vips, 3);
	ck_assert_uint_eq(m->n_ranges, 4);
	ck_assert_uint_eq(m->n_pools, 3);
	ck_assert_uint_eq(m->n_probes, 5);
	ck_assert_uint_eq(m->n_backends, 7);
	ck_assert_uint_ne(m->hash, 0);
	sl_model_free(m);
}
END_TEST

START_TEST(example_vips_are_exact)
{
	struct sl_model *m = example_model();
	const struct sl_model_vip *chat = &m->vips[0], *embed = &m->vips[1], *any = &m->vips[2];
	const struct sl_ip v6 = {.bytes = {0x20, 0x01, 0x0d, 0xb8, 1, 0, [15] = 0x10}};

	ck_assert_str_eq(chat->name, "chat");
	ck_assert_uint_eq(chat->id, sl_id_of_vip("chat"));
	ASSERT_IP(chat->address, 203, 0, 113, 10);
	ck_assert_uint_eq(chat->proto, 6);
	ck_assert_uint_eq(chat->pool, 0);
	ck_assert_uint_eq(chat->limit_flows, 100000);
	ck_assert_uint_eq(chat->limit_new_flows_per_s, 5000);
	ck_assert_uint_eq(chat->source_new_flows_per_s, 200);
	ck_assert_uint_eq(chat->n_prefixes, 1);
	ck_assert_uint_eq(m->prefixes[0].bits, 24);
	ck_assert(!m->prefixes[0].is_allow);
	ck_assert_uint_eq(chat->first_range, 0);
	ck_assert_uint_eq(chat->n_ranges, 2);
	ck_assert_uint_eq(m->ranges[0].first, 443);
	ck_assert_uint_eq(m->ranges[0].last, 443);
	ck_assert_uint_eq(m->ranges[1].first, 8000);
	ck_assert_uint_eq(m->ranges[1].last, 8003);
	ck_assert(sl_ip_equal(&embed->address, &v6));
	ck_assert_uint_eq(embed->proto, 6);
	ck_assert_uint_eq(embed->pool, 1);
	ck_assert_uint_eq(embed->affinity, SL_AFFINITY_SOURCE);
	ck_assert_uint_eq(chat->affinity, SL_AFFINITY_NONE);
	ck_assert_uint_eq(any->proto, 17);
	ck_assert_uint_eq(any->pool, 2);
	ck_assert_uint_eq(m->ranges[any->first_range].first, 0);
	ck_assert_uint_eq(m->ranges[any->first_range].last, 65535);
	sl_model_free(m);
}
END_TEST

START_TEST(example_pools_are_exact)
{
	struct sl_model *m = example_model();
	const struct sl_model_pool *llama = &m->pools[0], *emb = &m->pools[1], *col = &m->pools[2];

	ck_assert_str_eq(llama->name, "llama-70b");
	ck_assert_uint_eq(llama->id, sl_id_of_pool("llama-70b"));
	ck_assert_uint_eq(llama->forward, SL_FORWARD_NAT);
	ck_assert_uint_eq(llama->balance, SL_BALANCE_LEAST_CONNECTIONS);
	ck_assert_uint_eq(llama->adaptive, SL_ADAPTIVE_ENFORCE);
	ck_assert_uint_eq(llama->latency_probe, 1);
	ck_assert_uint_eq(llama->slow_start_ms, 30000);
	ck_assert_uint_eq(llama->tcp_idle_s, 7440);
	ck_assert_uint_eq(llama->udp_idle_s, 300);
	ck_assert_uint_eq(llama->limit_flows, 4000);
	ck_assert_uint_eq(llama->limit_new_flows_per_s, 50);
	ck_assert_uint_eq(llama->n_backends, 3);
	ck_assert_uint_eq(llama->n_probes, 2);
	ck_assert_uint_eq(emb->forward, SL_FORWARD_FULLNAT);
	ck_assert_uint_eq(emb->balance, SL_BALANCE_WEIGHTED);
	ck_assert_uint_eq(emb->adaptive, SL_ADAPTIVE_OFF);
	ck_assert_uint_eq(emb->latency_probe, UINT32_MAX);
	ck_assert_uint_eq(emb->limit_flows, 0);
	ck_assert_uint_eq(emb->first_backend, 3);
	ck_assert_uint_eq(emb->first_probe, 2);
	ck_assert_uint_eq(col->forward, SL_FORWARD_DSR_L2);
	ck_assert_uint_eq(col->balance, SL_BALANCE_MAGLEV);
	ck_assert_uint_eq(col->udp_idle_s, 60);
	ck_assert_uint_eq(col->tcp_idle_s, 7440);
	ck_assert_uint_eq(col->first_backend, 5);
	sl_model_free(m);
}
END_TEST

START_TEST(example_probes_are_exact)
{
	struct sl_model *m = example_model();
	const struct sl_model_probe *health = &m->probes[0], *ttft = &m->probes[1];

	ck_assert_str_eq(health->name, "health");
	ck_assert_uint_eq(health->type, SL_PROBE_HTTP);
	ck_assert_str_eq(health->path, "/health");
	ck_assert_uint_eq(health->expect_status, 200);
	ck_assert_uint_eq(health->interval_ms, 1000);
	ck_assert_uint_eq(health->timeout_ms, 800);
	ck_assert_uint_eq(health->rise, 2);
	ck_assert_uint_eq(health->fall, 3);
	ck_assert_uint_eq(health->jitter_percent, 10);
	ck_assert_uint_eq(health->port, 0);
	ck_assert_str_eq(health->body, "");
	ck_assert_uint_eq(ttft->interval_ms, 5000);
	ck_assert_uint_eq(ttft->timeout_ms, 4000);
	ck_assert_uint_eq(ttft->expect_status, 0);
	ck_assert_str_eq(ttft->body,
	                 "{\"model\":\"llama-70b\",\"prompt\":\"ping\",\"max_tokens\":1}");
	ck_assert_uint_eq(m->probes[2].type, SL_PROBE_KSERVE);
	ck_assert_str_eq(m->probes[2].path, "/v2/health/ready");
	ck_assert_uint_eq(m->probes[3].type, SL_PROBE_GRPC);
	ck_assert_str_eq(m->probes[3].service, "inference.GRPCInferenceService");
	ck_assert_uint_eq(m->probes[3].port, 8001);
	ck_assert_str_eq(m->probes[3].path, "");
	ck_assert_uint_eq(m->probes[4].type, SL_PROBE_TCP);
	sl_model_free(m);
}
END_TEST

START_TEST(example_backends_are_exact)
{
	struct sl_model *m = example_model();
	const struct sl_model_backend *b = m->backends;

	ck_assert_str_eq(b[2].name, "gpu-03");
	ASSERT_IP(b[2].address, 10, 20, 0, 13);
	ck_assert_uint_eq(b[2].port, 8000);
	ck_assert_uint_eq(b[2].weight, 50);
	ck_assert_uint_eq(b[2].state, SL_ADMIN_DRAIN);
	ck_assert_uint_eq(b[2].id, sl_id_of_backend("llama-70b", "gpu-03", &b[2].address, 8000));
	ck_assert_uint_eq(b[1].line, b[0].line + 1);
	ck_assert_uint_eq(b[3].address.bytes[0], 0x20);
	ck_assert_uint_eq(b[3].address.bytes[15], 0x11);
	ck_assert_uint_eq(b[3].port, 8000);
	ck_assert_uint_eq(b[3].weight, 100);
	ck_assert_uint_eq(b[3].state, SL_ADMIN_READY);
	ck_assert_uint_eq(b[5].port, 0);
	sl_model_free(m);
}
END_TEST

#define VIP(more) "vips: [{ name: v, address: 203.0.113.1, ports: [443]" more ", pool: p }]\n"

START_TEST(defaults_reach_what_does_not_set_its_own)
{
	struct sl_model *m = test_pools_model(
		"version: 1\n"
		"defaults: { probe: { interval: 3s, fall: 5 }, slow-start: 0s, timeouts: { udp: 9s "
		"} }\n" VIP("") "pools:\n"
				"  p:\n"
				"    slow-start: 4s\n"
				"    probes: { a: { type: tcp, fall: 1 }, b: { type: http } }\n"
				"    backends: [{ name: x, address: 10.0.0.1:80 }]\n"
				"  q: { timeouts: { udp: 7s }, backends: [{ name: x, address: "
				"10.0.0.1:80 }] }\n");

	ck_assert_uint_eq(m->probes[0].interval_ms, 3000);
	ck_assert_uint_eq(m->probes[0].fall, 1);
	ck_assert_uint_eq(m->probes[0].rise, 2);
	ck_assert_uint_eq(m->probes[1].fall, 5);
	ck_assert_str_eq(m->probes[1].path, "/");
	ck_assert_uint_eq(m->pools[0].slow_start_ms, 4000);
	ck_assert_uint_eq(m->pools[1].slow_start_ms, 0);
	ck_assert_uint_eq(m->pools[0].udp_idle_s, 9);
	ck_assert_uint_eq(m->pools[1].udp_idle_s, 7);
	ck_assert_uint_eq(m->pools[1].tcp_idle_s, 7440);
	ck_assert_uint_eq(m->pools[0].balance, SL_BALANCE_LEAST_CONNECTIONS);
	ck_assert_uint_ne(m->backends[0].id, m->backends[1].id);
	sl_model_free(m);
}
END_TEST

// Every word of every choice, against the enum it must land in.
static const struct {
	const char *pool_keys;
	size_t offset;
	uint8_t value;
} word_cases[] = {
	{"forward: { mode: nat }", offsetof(struct sl_model_pool, forward), SL_FORWARD_NAT},
	{"forward: { mode: fullnat }", offsetof(struct sl_model_pool, forward), SL_FORWARD_FULLNAT},
	{"forward: { mode: dsr-l2 }", offsetof(struct sl_model_pool, forward), SL_FORWARD_DSR_L2},
	{"forward: { mode: dsr-ipip }", offsetof(struct sl_model_pool, forward),
         SL_FORWARD_DSR_IPIP},
	{"forward: { mode: dsr-gue }", offsetof(struct sl_model_pool, forward), SL_FORWARD_DSR_GUE},
	{"forward: { mode: dsr-gue }", offsetof(struct sl_model_pool, mtu_guard),
         SL_MTU_GUARD_BOTH},
	{"forward: { mode: dsr-gue, mtu-guard: both }", offsetof(struct sl_model_pool, mtu_guard),
         SL_MTU_GUARD_BOTH},
	{"forward: { mode: dsr-ipip, mtu-guard: clamp-mss }",
         offsetof(struct sl_model_pool, mtu_guard), SL_MTU_GUARD_CLAMP_MSS},
	{"forward: { mode: dsr-ipip, mtu-guard: too-big }",
         offsetof(struct sl_model_pool, mtu_guard), SL_MTU_GUARD_TOO_BIG},
	{"forward: { mode: fullnat }", offsetof(struct sl_model_pool, client_address),
         SL_CLIENT_ADDRESS_NONE},
	{"forward: { mode: fullnat, client-address: none }",
         offsetof(struct sl_model_pool, client_address), SL_CLIENT_ADDRESS_NONE},
	{"forward: { mode: fullnat, client-address: proxy-v2 }",
         offsetof(struct sl_model_pool, client_address), SL_CLIENT_ADDRESS_PROXY_V2},
	{"forward: { mode: fullnat, client-address: toa }",
         offsetof(struct sl_model_pool, client_address), SL_CLIENT_ADDRESS_TOA},
	{"balance: weighted", offsetof(struct sl_model_pool, balance), SL_BALANCE_WEIGHTED},
	{"balance: least-connections", offsetof(struct sl_model_pool, balance),
         SL_BALANCE_LEAST_CONNECTIONS},
	{"balance: maglev", offsetof(struct sl_model_pool, balance), SL_BALANCE_MAGLEV},
	{"balance: adaptive", offsetof(struct sl_model_pool, balance), SL_BALANCE_ADAPTIVE},
	{"balance: adaptive", offsetof(struct sl_model_pool, adaptive), SL_ADAPTIVE_ENFORCE},
	{"balance: adaptive\n    adaptive: { mode: off }", offsetof(struct sl_model_pool, adaptive),
         SL_ADAPTIVE_OFF},
	{"balance: adaptive\n    adaptive: { mode: shadow }",
         offsetof(struct sl_model_pool, adaptive), SL_ADAPTIVE_SHADOW},
	{"adaptive: { mode: enforce }", offsetof(struct sl_model_pool, adaptive),
         SL_ADAPTIVE_ENFORCE},
	{"adaptive: { mode: off }", offsetof(struct sl_model_pool, adaptive), SL_ADAPTIVE_OFF},
	{"adaptive: { mode: shadow, probe: a }", offsetof(struct sl_model_pool, adaptive),
         SL_ADAPTIVE_SHADOW},
	{"adaptive: { mode: enforce, probe: a }", offsetof(struct sl_model_pool, adaptive),
         SL_ADAPTIVE_ENFORCE},
};

// Probes of the port that clients are sent to are to look like clients.
static const struct {
	const char *forward, *probe;
	bool has_header;
} probe_cases[] = {
	{"fullnat, client-address: proxy-v2", "type: http", true},
	{"fullnat, client-address: proxy-v2", "type: http, port: 9000", false},
	{"fullnat, client-address: toa", "type: http", false},
	{"nat", "type: http", false},
};

START_TEST(probes_have_a_proxy_header_where_clients_do)
{
	char text[512];
	struct sl_model *m;

	snprintf(text, sizeof(text),
	         "version: 1\nvips: [{ name: v, address: 203.0.113.1, ports: [80], pool: p }]\n"
	         "pools: { p: { forward: { mode: %s }, probes: { a: { %s } },"
	         " backends: [{ name: x, address: 10.0.0.1:80 }] } }\n",
	         probe_cases[_i].forward, probe_cases[_i].probe);
	m = test_pools_model(text);
	ck_assert(m->probes[0].has_proxy_header == probe_cases[_i].has_header);
	sl_model_free(m);
}
END_TEST

START_TEST(words_become_their_enum_values)
{
	char text[512];
	struct sl_model *m;

	snprintf(text, sizeof(text),
	         "version: 1\n" VIP(
			 "") "pools:\n  p:\n    %s\n    probes: { a: { type: tcp } }\n"
	                     "    backends: [{ name: x, address: 10.0.0.1:443, state: maint }]\n",
	         word_cases[_i].pool_keys);
	m = test_pools_model(text);
	ck_assert_uint_eq(*((const uint8_t *)&m->pools[0] + word_cases[_i].offset),
	                  word_cases[_i].value);
	ck_assert_uint_eq(m->backends[0].state, SL_ADMIN_MAINT);
	sl_model_free(m);
}
END_TEST

static const struct {
	const char *adaptive;
	uint32_t latency_probe, ttft_objective_ms;
} objective_cases[] = {
	{"", UINT32_MAX, 2000},
	{"adaptive: { mode: enforce }", UINT32_MAX, 2000},
	{"adaptive: { mode: shadow, ttft-objective: 750ms }", UINT32_MAX, 750},
	{"adaptive: { mode: enforce, probe: b }", 1, 2000},
};

START_TEST(without_a_probe_latency_is_that_of_flows_and_has_an_objective)
{
	char text[512];
	struct sl_model *m;

	snprintf(text, sizeof(text),
	         "version: 1\n" VIP(
			 "") "pools:\n  p:\n    probes: { a: { type: tcp }, b: { type: tcp } }\n"
	                     "    %s\n    backends: [{ name: x, address: 10.0.0.1:443 }]\n",
	         objective_cases[_i].adaptive);
	m = test_pools_model(text);
	ck_assert_uint_eq(m->pools[0].latency_probe, objective_cases[_i].latency_probe);
	ck_assert_uint_eq(m->pools[0].ttft_objective_ms, objective_cases[_i].ttft_objective_ms);
	sl_model_free(m);
}
END_TEST

static const struct {
	const char *name, *ports, *backend;
	uint16_t port;
	const char *mode; // NULL = dsr-l2
} dsr_cases[] = {
	{"the VIP's port may be repeated", "[443]", "10.0.0.1:443", 443},
	{"a port left out is the VIP's", "[443]", "10.0.0.1", 443},
	{"of several ports none is the backend's", "[80, 443]", "10.0.0.1", 0},
	{"a tunnel's backend may repeat it", "[443]", "10.0.0.1:443", 443, "dsr-ipip"},
	{"a tunnel's backend may leave it out", "[443]", "10.0.0.1", 443, "dsr-gue"},
};

START_TEST(dsr_backends_keep_the_port_of_their_vip)
{
	struct sl_ip address = v4(10, 0, 0, 1);
	char text[512];
	struct sl_model *m;

	snprintf(text, sizeof(text),
	         "version: 1\nvips: [{ name: v, address: 203.0.113.1, ports: %s, pool: p }]\n"
	         "pools: { p: { forward: { mode: %s }, backends: [{ name: x, address: %s }] } "
	         "}\n",
	         dsr_cases[_i].ports, dsr_cases[_i].mode != NULL ? dsr_cases[_i].mode : "dsr-l2",
	         dsr_cases[_i].backend);
	m = test_pools_model(text);
	ck_assert_msg(m->backends[0].port == dsr_cases[_i].port, "%s: %u", dsr_cases[_i].name,
	              m->backends[0].port);
	ck_assert(sl_ip_equal(&m->backends[0].address, &address));
	sl_model_free(m);
}
END_TEST

START_TEST(tunnels_and_fullnat_lead_to_backends_of_the_other_family)
{
	sl_model_free(test_pools_model(
		"version: 1\nvips:\n"
		"  - { name: a, address: 203.0.113.1, ports: [443], pool: p }\n"
		"  - { name: b, address: \"2001:db8::1\", ports: [443], pool: p }\n"
		"pools: { p: { forward: { mode: fullnat }, backends: [\n"
		"  { name: x, address: \"10.0.0.1:80\" }, { name: y, address: \"[fd00::1]:80\" }] "
		"} }\n"));
	sl_model_free(test_pools_model(
		"version: 1\nvips:\n"
		"  - { name: a, address: 203.0.113.1, ports: [443], pool: p }\n"
		"  - { name: b, address: \"2001:db8::1\", ports: [443], pool: p }\n"
		"pools: { p: { forward: { mode: dsr-ipip }, backends: [\n"
		"  { name: x, address: 10.0.0.1 }, { name: y, address: \"fd00::1\" }] } }\n"));
}
END_TEST

START_TEST(same_ports_may_serve_other_addresses_and_protocols)
{
	sl_model_free(test_pools_model(
		"version: 1\nvips:\n"
		"  - { name: a, address: 203.0.113.1, ports: [80-90, 443], pool: p }\n"
		"  - { name: b, address: 203.0.113.2, ports: [80-90, 443], pool: p }\n"
		"  - { name: c, address: 203.0.113.1, ports: [443], protocol: udp, pool: p }\n"
		"  - { name: d, address: 203.0.113.1, ports: [91-442], pool: p }\n"
		"pools: { p: { backends: [{ name: x, address: 10.0.0.1:80 },\n"
		"  { name: y, address: 10.0.0.1:81 }] } }\n"));
}
END_TEST

START_TEST(hash_follows_the_text)
{
	struct sl_model *a = test_pools_model("version: 1\nvips: []\npools: {}\n");
	struct sl_model *b = test_pools_model("version: 1\nvips: []\npools: {} \n");

	ck_assert_uint_ne(a->hash, b->hash);
	sl_model_free(a);
	sl_model_free(b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_model");
	TCase *tc = tcase_create("pools");

	tcase_add_test(tc, example_has_its_counts);
	tcase_add_test(tc, example_vips_are_exact);
	tcase_add_test(tc, example_pools_are_exact);
	tcase_add_test(tc, example_probes_are_exact);
	tcase_add_test(tc, example_backends_are_exact);
	tcase_add_test(tc, defaults_reach_what_does_not_set_its_own);
	tcase_add_loop_test(tc, words_become_their_enum_values, 0,
	                    sizeof(word_cases) / sizeof(word_cases[0]));
	tcase_add_loop_test(tc, without_a_probe_latency_is_that_of_flows_and_has_an_objective, 0,
	                    sizeof(objective_cases) / sizeof(objective_cases[0]));
	tcase_add_loop_test(tc, probes_have_a_proxy_header_where_clients_do, 0,
	                    sizeof(probe_cases) / sizeof(probe_cases[0]));
	tcase_add_loop_test(tc, dsr_backends_keep_the_port_of_their_vip, 0,
	                    sizeof(dsr_cases) / sizeof(dsr_cases[0]));
	tcase_add_test(tc, tunnels_and_fullnat_lead_to_backends_of_the_other_family);
	tcase_add_test(tc, same_ports_may_serve_other_addresses_and_protocols);
	tcase_add_test(tc, hash_follows_the_text);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
