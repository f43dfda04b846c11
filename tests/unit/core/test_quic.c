// SPDX-License-Identifier: Apache-2.0
// Connection ids of the draft's appendix, and packets that lie about their length.
#include "sl_check.h"

#include "quic.h"

static const uint8_t draft_key[16] = {0x8f, 0x95, 0xf0, 0x92, 0x45, 0x76, 0x5f, 0x80,
                                      0x25, 0x69, 0x34, 0xe5, 0x0c, 0x66, 0x20, 0x7f};
static const uint8_t text_key[16] = {0xfd, 0xf7, 0x26, 0xa9, 0x89, 0x3e, 0xc0, 0x5c,
                                     0x06, 0x32, 0xd3, 0x95, 0x66, 0x80, 0xba, 0xf0};

static const struct {
	const char *name;
	const uint8_t *key;
	const char *server_id, *cid; // hex
	uint8_t nonce_bytes, codepoint;
} vectors[] = {
	{"plain, config 0", NULL, "c4605e", "07c4605e4504cc4f", 4, 0},
	{"four passes, odd, three needed", draft_key, "ed793a", "0720b1d07b359d3c", 4, 0},
	{"four passes, server id longer than nonce", draft_key, "ed793a51d49b8f5fab65",
         "2fcc381bc74cb4fbad2823a3d1f8fed2", 5, 1},
	{"one block", draft_key, "ed793a51d49b8f5f", "504dd2d05a7b0de9b2b9907afb5ecf8cc3", 8, 2},
	{"18 octets", draft_key, "ed793a51d49b8f5fab", "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc", 9,
         0},
	{"the worked example", text_key, "31441a", "0767947d29be054a", 4, 0},
};

static uint32_t from_hex(const char *text, uint8_t *bytes)
{
	uint32_t n = 0;

	for (; text[2 * n] != '\0'; n++) {
		unsigned int byte;

		ck_assert_int_eq(sscanf(&text[2 * n], "%2x", &byte), 1);
		bytes[n] = (uint8_t)byte;
	}
	return n;
}

struct world {
	struct sl_quic_config config;
	struct sl_quic_server servers[2];
	struct sl_quic_pool pool;
	uint8_t cid[32];
	uint32_t n_cid;
};

static void world_init(struct world *w, size_t v)
{
	memset(w, 0, sizeof(*w));
	w->n_cid = from_hex(vectors[v].cid, w->cid);
	w->config.server_id_bytes = (uint8_t)from_hex(vectors[v].server_id, w->servers[1].id);
	w->config.nonce_bytes = vectors[v].nonce_bytes;
	w->config.has_key = vectors[v].key != NULL;
	if (w->config.has_key)
		sl_aes_init(&w->config.aes, vectors[v].key);
	w->servers[0].backend = 5; // id 0
	w->servers[1].backend = 6;
	w->pool = (struct sl_quic_pool){.servers = w->servers, .n_servers = 2};
	w->pool.configs[vectors[v].codepoint] = &w->config;
}

START_TEST(connection_ids_of_the_draft_lead_to_their_server)
{
	struct world w;
	struct sl_quic_cid cid;

	world_init(&w, (size_t)_i);
	cid = (struct sl_quic_cid){w.cid, w.n_cid, true};
	ck_assert_msg(sl_quic_backend(&w.pool, &cid) == 6, "%s", vectors[_i].name);
	cid.n_bytes--;
	ck_assert_msg(sl_quic_backend(&w.pool, &cid) == SL_NO_BACKEND, "%s: cut", vectors[_i].name);
	cid.n_bytes++;
	w.pool.n_servers = 1;
	ck_assert_msg(sl_quic_backend(&w.pool, &cid) == SL_NO_BACKEND, "%s: gone",
	              vectors[_i].name);
	w.pool.n_servers = 2;
	w.cid[0] = (uint8_t)(w.cid[0] ^ 0x80);
	ck_assert_msg(sl_quic_backend(&w.pool, &cid) == SL_NO_BACKEND, "%s: other configuration",
	              vectors[_i].name);
	w.cid[0] = 0xe7;
	ck_assert_msg(sl_quic_backend(&w.pool, &cid) == SL_NO_BACKEND, "%s: codepoint 7",
	              vectors[_i].name);
}
END_TEST

START_TEST(another_key_finds_another_server)
{
	struct world w;
	struct sl_quic_cid cid;
	uint8_t id[SL_QUIC_ID_BYTES];

	world_init(&w, (size_t)_i);
	sl_aes_init(&w.config.aes, _i == 5 ? draft_key : text_key);
	cid = (struct sl_quic_cid){w.cid, w.n_cid, true};
	ck_assert(sl_quic_server_id(&w.config, &cid, id));
	ck_assert_mem_ne(id, w.servers[1].id, sizeof(id));
}
END_TEST

static const struct {
	const char *name, *payload;
	bool is_found, is_long;
	uint32_t n_cid;
} packets[] = {
	{"nothing", "", false, false, 0},
	{"a first octet alone", "40", false, false, 0},
	{"short header, one octet of id", "4001", true, false, 1},
	{"short header, more than an id can have",
         "40000102030405060708090a0b0c0d0e0f101112131415161718", true, false, 20},
	{"long header without a length", "c000000001", false, true, 0},
	{"long header, empty id", "c00000000100", true, true, 0},
	{"long header, id of 8", "c000000001080102030405060708ff", true, true, 8},
	{"long header, id of 8 cut", "c0000000010801020304050607", false, true, 0},
	{"long header, id of 255 of which 1 is there", "c000000001ff01", false, true, 0},
};

START_TEST(the_id_is_found_or_the_packet_is_too_short)
{
	uint8_t bytes[64];
	uint32_t n = from_hex(packets[_i].payload, bytes);
	uint8_t *exact = malloc(n > 0 ? n : 1); // ASan sees a read past the end
	struct sl_quic_cid cid = {0};

	memcpy(exact, bytes, n);
	ck_assert_msg(sl_quic_find_cid(exact, n, &cid) == packets[_i].is_found, "%s",
	              packets[_i].name);
	if (packets[_i].is_found) {
		ck_assert_uint_eq(cid.n_bytes, packets[_i].n_cid);
		ck_assert(cid.is_long == packets[_i].is_long);
		ck_assert_ptr_eq(cid.bytes, exact + (cid.is_long ? 6 : 1));
	}
	free(exact);
}
END_TEST

int main(void)
{
	const int n_vectors = sizeof(vectors) / sizeof(vectors[0]);
	Suite *suite = suite_create("quic");
	TCase *tc = tcase_create("quic");

	tcase_add_loop_test(tc, connection_ids_of_the_draft_lead_to_their_server, 0, n_vectors);
	tcase_add_loop_test(tc, another_key_finds_another_server, 1, n_vectors);
	tcase_add_loop_test(tc, the_id_is_found_or_the_packet_is_too_short, 0,
	                    sizeof(packets) / sizeof(packets[0]));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
