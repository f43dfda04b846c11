// SPDX-License-Identifier: Apache-2.0
// Stage A's answers, what the first payload tells, and when a flow changes its kind.
#include "classify.h"
#include "packets.h"
#include "peek.h"
#include "sl_check.h"

#define TCP 6
#define UDP 17

#define ANY .dscp = SL_CLASSIFY_ANY_DSCP, .vlan = SL_CLASSIFY_ANY_VLAN

static const struct sl_class_rule rules[] = {
	{.dst = SL_PACKET_V4(198, 51, 100, 9),
         .dst_bits = 128,
         .first_port = 80,
         .last_port = 89,
         ANY,
         .kind = SL_KIND_STREAM},
	{.src = SL_PACKET_V4(10, 1, 128, 0), .src_bits = 96 + 17, ANY, .kind = SL_KIND_COLLECTIVE},
	{.dscp = 8, .vlan = SL_CLASSIFY_ANY_VLAN, .kind = SL_KIND_CHECKPOINT},
	{.dscp = SL_CLASSIFY_ANY_DSCP, .vlan = 70, .kind = SL_KIND_DATASET},
	{.proto = UDP, .first_port = 4791, .last_port = 4791, ANY, .kind = SL_KIND_CONTROL},
};

#define KEY_OF(src_, dst_, port_, proto_, dscp_, vlan_)                                            \
	{                                                                                          \
		.src = src_, .dst = dst_, .dport = port_, .proto = proto_, .dscp = dscp_,          \
		.vlan = vlan_                                                                      \
	}
#define KEY(src_, dst_, port_)                                                                     \
	{                                                                                          \
		.src = src_, .dst = dst_, .dport = port_, .proto = TCP,                            \
		.vlan = SL_CLASSIFY_ANY_VLAN                                                       \
	}
#define CLIENT    SL_PACKET_V4(10, 1, 1, 1)
#define RANK      SL_PACKET_V4(10, 1, 255, 1)
#define BELOW     SL_PACKET_V4(10, 1, 127, 255)
#define NEIGHBOUR SL_PACKET_V4(10, 1, 1, 200)
#define ELSEWHERE SL_PACKET_V4(10, 1, 2, 1)
#define SERVICE   SL_PACKET_V4(198, 51, 100, 1)
#define VIP       SL_PACKET_V4(198, 51, 100, 9)

static const struct {
	const char *name;
	struct sl_class_key key;
	uint8_t kind, confidence_pct;
	bool is_locked;
} firsts[] = {
	{"a service's ports", KEY(CLIENT, VIP, 85), SL_KIND_STREAM, 100, true},
	{"not the port behind them", KEY(CLIENT, VIP, 90), SL_KIND_OTHER, 0, false},
	{"a prefix that ends within a byte", KEY(RANK, SERVICE, 90), SL_KIND_COLLECTIVE, 100, true},
	{"not the address below it", KEY(BELOW, SERVICE, 90), SL_KIND_OTHER, 0, false},
	{"a DSCP", KEY_OF(CLIENT, SERVICE, 90, TCP, 8, SL_CLASSIFY_ANY_VLAN), SL_KIND_CHECKPOINT,
         100, true},
	{"a VLAN", KEY_OF(CLIENT, SERVICE, 90, TCP, 0, 70), SL_KIND_DATASET, 100, true},
	{"the first rule that fits wins", KEY_OF(CLIENT, VIP, 80, TCP, 8, SL_CLASSIFY_ANY_VLAN),
         SL_KIND_STREAM, 100, true},
	{"a rule goes before a port", KEY_OF(CLIENT, SERVICE, 4791, UDP, 0, SL_CLASSIFY_ANY_VLAN),
         SL_KIND_CONTROL, 100, true},
	{"a port of one use", KEY(CLIENT, SERVICE, 2049), SL_KIND_BULK, 90, true},
	{"a port of many uses is a hint", KEY(CLIENT, SERVICE, 8000), SL_KIND_STREAM, 40, false},
	{"a port is one of its protocol",
         KEY_OF(CLIENT, SERVICE, 2049, UDP, 0, SL_CLASSIFY_ANY_VLAN), SL_KIND_OTHER, 0, false},
};

static const struct sl_classifier no_memory = {
	.rules = rules,
	.n_rules = sizeof(rules) / sizeof(rules[0]),
};

START_TEST(a_first_packet_is_known_by)
{
	struct sl_features f;

	sl_features_open(&f, 0, false);
	sl_classify_first(&no_memory, &f, &firsts[_i].key);
	ck_assert_msg(f.kind == firsts[_i].kind && f.confidence_pct == firsts[_i].confidence_pct &&
	                      f.is_locked == firsts[_i].is_locked,
	              "%s: %s, %u %%, locked %d", firsts[_i].name, sl_kind_word(f.kind),
	              f.confidence_pct, f.is_locked);
}
END_TEST

START_TEST(rocev2_is_known_without_a_rule)
{
	const struct sl_classifier plain = {0};
	const struct sl_class_key key = KEY_OF(CLIENT, SERVICE, 4791, UDP, 0, SL_CLASSIFY_ANY_VLAN);
	struct sl_features f;

	sl_features_open(&f, 0, true);
	sl_classify_first(&plain, &f, &key);
	ck_assert_uint_eq(f.kind, SL_KIND_RDMA);
	ck_assert(f.is_locked);
}
END_TEST

// --- memory ---

static uint8_t kind_after(struct sl_classifier *c, const struct sl_class_key *key,
                          uint32_t n_streams, uint32_t n_others)
{
	struct sl_features f = {.kind = SL_KIND_STREAM, .confidence_pct = 90};
	struct sl_features other = {.kind = SL_KIND_OTHER, .confidence_pct = 90};

	for (uint32_t i = 0; i < n_streams; i++)
		sl_classify_learn(c, &f, key);
	for (uint32_t i = 0; i < n_others; i++)
		sl_classify_learn(c, &other, key);
	sl_features_open(&f, 0, false);
	sl_classify_first(c, &f, key);
	return f.confidence_pct == SL_CLASSIFY_PRIOR_PCT ? f.kind : UINT8_MAX;
}

static const struct {
	const char *name;
	uint32_t n_streams, n_others;
	uint8_t kind; // UINT8_MAX: memory says nothing
} memories[] = {
	{"63 flows are too few", 63, 0, UINT8_MAX},
	{"64 flows are enough", 64, 0, SL_KIND_STREAM},
	{"5 of 100 may differ", 95, 5, SL_KIND_STREAM},
	{"6 of 100 may not", 94, 6, UINT8_MAX},
	{"70000 flows do not overflow", 70000, 0, SL_KIND_STREAM},
};

START_TEST(memory_of_earlier_flows)
{
	static struct sl_class_prior rows[64];
	const struct sl_class_key key = KEY(CLIENT, SERVICE, 90);
	struct sl_classifier c = {.priors = rows, .prior_mask = 63};
	uint8_t kind;

	memset(rows, 0, sizeof(rows));
	kind = kind_after(&c, &key, memories[_i].n_streams, memories[_i].n_others);
	ck_assert_msg(kind == memories[_i].kind, "%s: %u", memories[_i].name, kind);
}
END_TEST

START_TEST(memory_is_of_a_network_and_a_service)
{
	static struct sl_class_prior rows[1024];
	const struct sl_class_key key = KEY(CLIENT, SERVICE, 90);
	const struct sl_class_key neighbour = KEY(NEIGHBOUR, SERVICE, 90);
	const struct sl_class_key elsewhere = KEY(ELSEWHERE, SERVICE, 90);
	const struct sl_class_key other_port = KEY(CLIENT, SERVICE, 91);
	struct sl_classifier c = {.priors = rows, .prior_mask = 1023};

	memset(rows, 0, sizeof(rows));
	ck_assert_uint_eq(kind_after(&c, &key, 64, 0), SL_KIND_STREAM);
	ck_assert_uint_eq(kind_after(&c, &neighbour, 0, 0), SL_KIND_STREAM);
	ck_assert_uint_eq(kind_after(&c, &elsewhere, 0, 0), UINT8_MAX);
	ck_assert_uint_eq(kind_after(&c, &other_port, 0, 0), UINT8_MAX);
}
END_TEST

// --- the first payload ---

#define T(text) (const uint8_t *)(text), sizeof(text) - 1
#define HELLO_HEAD                                                                                 \
	"\x16\x03\x01\x00\x60\x01\x00\x00\x5c\x03\x03"                                             \
	"01234567890123456789012345678901"                                                         \
	"\x00\x00\x02\x13\x01\x01\x00"
#define HELLO_SNI                                                                                  \
	"\x00\x00\x00\x0c\x00\x0a\x00\x00\x07"                                                     \
	"ai.test"
#define HELLO_ALPN "\x00\x10\x00\x0e\x00\x0c\x08http/1.1\x02h2"

static const struct {
	const char *name;
	const uint8_t *bytes;
	size_t n_bytes;
	uint8_t wire, kind;
	bool is_sure;
	const char *server;
} payloads[] = {
	{"a chat", T("POST /v1/chat/completions HTTP/1.1\r\n"), SL_WIRE_HTTP, SL_KIND_STREAM, true,
         NULL},
	{"embeddings", T("POST /v1/embeddings HTTP/1.1\r\n"), SL_WIRE_HTTP, SL_KIND_UNARY, true,
         NULL},
	{"a classic model", T("POST /v2/models/resnet/infer HTTP/1.1\r\n"), SL_WIRE_HTTP,
         SL_KIND_UNARY, true, NULL},
	{"a GET of a path of inference is not sure", T("GET /v1/completions HTTP/1.1\r\n"),
         SL_WIRE_HTTP, SL_KIND_OTHER, false, NULL},
	{"half a path", T("POST /v1/chat/compl"), SL_WIRE_HTTP, SL_KIND_OTHER, false, NULL},
	{"HTTP/2", T("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), SL_WIRE_H2, SL_KIND_OTHER, false, NULL},
	{"SSH", T("SSH-2.0-OpenSSH_9"), SL_WIRE_SSH, SL_KIND_OTHER, false, NULL},
	{"NCCL", T("\x6c\x9d\x4b\xfc\xf2\xb9\x4a\x56rest"), SL_WIRE_NCCL, SL_KIND_COLLECTIVE, true,
         NULL},
	{"nearly NCCL", T("\x6c\x9d\x4b\xfc\xf2\xb9\x4a\x57"), SL_WIRE_OTHER, SL_KIND_OTHER, false,
         NULL},
	{"TLS with a name", T(HELLO_HEAD "\x00\x10" HELLO_SNI), SL_WIRE_TLS, SL_KIND_OTHER, false,
         "ai.test"},
	{"TLS with a name that offers h2", T(HELLO_HEAD "\x00\x22" HELLO_SNI HELLO_ALPN),
         SL_WIRE_TLS_H2, SL_KIND_OTHER, false, "ai.test"},
	{"nothing", T(""), SL_WIRE_OTHER, SL_KIND_OTHER, false, NULL},
};

START_TEST(a_first_payload_tells)
{
	const struct sl_peek peek = sl_peek(payloads[_i].bytes, (uint32_t)payloads[_i].n_bytes);
	const char *server = payloads[_i].server;

	ck_assert_msg(peek.wire == payloads[_i].wire && peek.kind == payloads[_i].kind &&
	                      peek.is_sure == payloads[_i].is_sure,
	              "%s: wire %u, %s, sure %d", payloads[_i].name, peek.wire,
	              sl_kind_word(peek.kind), peek.is_sure);
	ck_assert((server != NULL) == (peek.name != NULL));
	if (server != NULL) {
		ck_assert_uint_eq(peek.name_bytes, strlen(server));
		ck_assert_mem_eq(peek.name, server, strlen(server));
	}
}
END_TEST

// Every beginning of every payload, and noise: in a buffer of just that length, so that a
// sanitizer sees a byte too far.
START_TEST(a_look_stays_within_the_payload)
{
	uint64_t seed = sl_check_seed();

	for (size_t n = 0; n <= payloads[_i].n_bytes; n++) {
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, payloads[_i].bytes, n);
		for (int round = 0; round < 200; round++) {
			const struct sl_peek peek = sl_peek(copy, (uint32_t)n);

			if (peek.name != NULL)
				ck_assert(peek.name + peek.name_bytes <= copy + n);
			if (n > 6)
				copy[6 + sl_check_random(&seed) % (n - 6)] =
					(uint8_t)sl_check_random(&seed);
		}
		free(copy);
	}
}
END_TEST

// --- behaviour ---

static void stream(struct sl_features *f, uint32_t n)
{
	sl_features_add(f, SL_DIR_C2S, 1400, 0);
	for (uint32_t i = 0; i < n; i++)
		if (sl_features_add(f, SL_DIR_S2C, 250, 300000 + i * 25000))
			sl_classify_checkpoint(f);
}

static void upload(struct sl_features *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (sl_features_add(f, SL_DIR_C2S, 1448, i * 60))
			sl_classify_checkpoint(f);
}

START_TEST(a_token_stream_is_inference_within_32_segments)
{
	struct sl_features f;

	sl_features_open(&f, 0, false);
	stream(&f, 32);
	ck_assert_str_eq(sl_class_word(sl_class_of(f.kind)), "inference");
	ck_assert_str_eq(sl_kind_word(f.kind), "stream");
}
END_TEST

START_TEST(a_long_upload_is_training)
{
	struct sl_features f;

	sl_features_open(&f, 0, false);
	upload(&f, 20000);
	ck_assert_str_eq(sl_class_word(sl_class_of(f.kind)), "training");
}
END_TEST

START_TEST(a_locked_class_stays_and_its_kind_may_change)
{
	struct sl_features f;

	sl_features_open(&f, 0, false);
	f.kind = SL_KIND_BULK;
	f.confidence_pct = 90;
	f.is_locked = true;
	stream(&f, 200);
	ck_assert_uint_eq(sl_class_of(f.kind), SL_CLASS_TRAINING);
	sl_features_open(&f, 0, false);
	f.kind = SL_KIND_UNARY;
	f.confidence_pct = 90;
	f.is_locked = true;
	stream(&f, 200);
	ck_assert_uint_eq(f.kind, SL_KIND_STREAM);
}
END_TEST

START_TEST(a_kind_that_is_believed_changes_at_the_second_checkpoint_in_a_row)
{
	struct sl_features f;
	int n_checkpoints = 0;

	sl_features_open(&f, 0, false);
	f.kind = SL_KIND_OTHER;
	f.confidence_pct = 90;
	sl_features_add(&f, SL_DIR_C2S, 1400, 0);
	for (uint32_t i = 0; i < 600 && f.kind == SL_KIND_OTHER; i++) {
		const bool is_due = sl_features_add(&f, SL_DIR_S2C, 250, 300000 + i * 25000);
		struct sl_class_guess guess;
		uint8_t vector[SL_FEATURE_COUNT];

		if (!is_due)
			continue;
		sl_features_vector(&f, vector);
		guess = sl_classify_tree(vector);
		n_checkpoints = guess.kind == SL_KIND_STREAM ? n_checkpoints + 1 : 0;
		sl_classify_checkpoint(&f);
	}
	ck_assert_uint_eq(f.kind, SL_KIND_STREAM);
	ck_assert_int_eq(n_checkpoints, 2);
	ck_assert_uint_eq(f.flips, 1);
}
END_TEST

START_TEST(a_class_changes_three_times_at_most)
{
	struct sl_features stream_like, upload_like, f;
	uint32_t n_changes = 0;

	sl_features_open(&stream_like, 0, false);
	stream(&stream_like, 200);
	sl_features_open(&upload_like, 0, false);
	upload(&upload_like, 20000);
	sl_features_open(&f, 0, false);
	f.kind = SL_KIND_OTHER;
	f.confidence_pct = 90;
	for (int i = 0; i < 20; i++) {
		const struct sl_features decided = f;

		f = i / 2 % 2 == 0 ? stream_like : upload_like;
		f.kind = decided.kind;
		f.confidence_pct = decided.confidence_pct;
		f.rival = decided.rival;
		f.has_rival = decided.has_rival;
		f.flips = decided.flips;
		n_changes += sl_classify_checkpoint(&f);
	}
	ck_assert_uint_eq(n_changes, SL_CLASSIFY_MAX_FLIPS);
}
END_TEST

START_TEST(bursts_of_one_period_are_a_collective_unless_a_rule_says_otherwise)
{
	struct sl_features f = {.kind = SL_KIND_OTHER, .confidence_pct = 60};

	sl_classify_periodic(&f);
	ck_assert_uint_eq(f.kind, SL_KIND_COLLECTIVE);
	f = (struct sl_features){.kind = SL_KIND_STREAM, .confidence_pct = 100, .is_locked = true};
	sl_classify_periodic(&f);
	ck_assert_uint_eq(f.kind, SL_KIND_STREAM);
}
END_TEST

// Whatever the features are, the table answers with a kind.
START_TEST(every_vector_ends_in_a_leaf)
{
	uint64_t seed = sl_check_seed();

	for (int i = 0; i < 200000; i++) {
		uint8_t vector[SL_FEATURE_COUNT];
		struct sl_class_guess guess;

		for (int k = 0; k < SL_FEATURE_COUNT; k++)
			vector[k] = (uint8_t)sl_check_random(&seed);
		guess = sl_classify_tree(vector);
		ck_assert_uint_lt(guess.kind, SL_KIND_COUNT);
		ck_assert_uint_le(guess.confidence_pct, 100);
		ck_assert_uint_le(guess.margin_pct, guess.confidence_pct);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("classify");
	TCase *tc = tcase_create("classify");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_first_packet_is_known_by, 0, sizeof(firsts) / sizeof(firsts[0]));
	tcase_add_test(tc, rocev2_is_known_without_a_rule);
	tcase_add_loop_test(tc, memory_of_earlier_flows, 0, sizeof(memories) / sizeof(memories[0]));
	tcase_add_test(tc, memory_is_of_a_network_and_a_service);
	tcase_add_loop_test(tc, a_first_payload_tells, 0, sizeof(payloads) / sizeof(payloads[0]));
	tcase_add_loop_test(tc, a_look_stays_within_the_payload, 0,
	                    sizeof(payloads) / sizeof(payloads[0]));
	tcase_add_test(tc, a_token_stream_is_inference_within_32_segments);
	tcase_add_test(tc, a_long_upload_is_training);
	tcase_add_test(tc, a_locked_class_stays_and_its_kind_may_change);
	tcase_add_test(tc, a_kind_that_is_believed_changes_at_the_second_checkpoint_in_a_row);
	tcase_add_test(tc, a_class_changes_three_times_at_most);
	tcase_add_test(tc, bursts_of_one_period_are_a_collective_unless_a_rule_says_otherwise);
	tcase_add_test(tc, every_vector_ends_in_a_leaf);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
