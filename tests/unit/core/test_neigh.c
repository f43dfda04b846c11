// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "neigh.h"

#define TICK_MS    100
#define MAX_EVENTS 8
#define START_MS   3600000 // the machine has been up for an hour

static const uint8_t mac_a[6] = {0x02, 0, 0, 0, 0, 0x0a};
static const uint8_t mac_b[6] = {0x02, 0, 0, 0, 0, 0x0b};

struct bench {
	struct sl_neigh_table nt;
	struct sl_neigh *rows;
	_Atomic uint32_t *index;
};

static void setup(struct bench *b, uint64_t seed)
{
	b->rows = calloc(SL_NEIGH_MAX, sizeof(*b->rows));
	b->index = calloc(SL_NEIGH_INDEX_SLOTS, sizeof(*b->index));
	ck_assert_ptr_nonnull(b->rows);
	ck_assert_ptr_nonnull(b->index);
	sl_neigh_init(&b->nt, b->rows, b->index, seed);
}

static void teardown(struct bench *b)
{
	free(b->rows);
	free((void *)b->index);
}

static struct sl_ip host(uint32_t n)
{
	struct sl_ip ip = {{0x20, 0x01, 0x0d, 0xb8}};

	memcpy(&ip.bytes[12], &n, sizeof(n));
	return ip;
}

static uint64_t ms(uint64_t n)
{
	return n * SL_NS_PER_MS;
}

// A story is told by what happens to one row and when; the log says what the main core was told to
// do. Events come before the tick of the same time.
enum event_kind {
	END,      // of the list
	USED,     // a worker resolved through the row
	WANT,     // the main core asked for it again
	ANSWER_A, // solicited answer
	ANSWER_B,
	GRATUITOUS_A,
	GRATUITOUS_B,
	GROUP_MAC, // an answer no host can give
};

struct event {
	uint32_t at_ms;
	enum event_kind kind;
};

struct story {
	const char *name;
	bool is_pinned;
	struct event events[MAX_EVENTS];
	uint32_t until_ms;
	const char *log; // B broadcast, U unicast, X given up, with the time in ms
	uint8_t state;
	const uint8_t *mac; // NULL: not usable
};

// clang-format off
static const struct story stories[] = {
	{"a neighbour that never answers is asked three times, then given up", false, {{0}}, 3900,
	 "B0 B1000 B2000 X3000", SL_NEIGH_FAILED, NULL},
	{"a host nobody wants any more is not asked again", false, {{0}}, 9900,
	 "B0 B1000 B2000 X3000", SL_NEIGH_FAILED, NULL},
	{"a failed host is forgotten 10 s after its last use", false, {{0}}, 10000,
	 "B0 B1000 B2000 X3000", SL_NEIGH_FREE, NULL},
	{"a failed pinned neighbour is asked each second for ever", true, {{0}}, 5900,
	 "B0 B1000 B2000 X3000 B3100 B4100 B5100", SL_NEIGH_FAILED, NULL},
	{"a failed host is asked again when used, at most each second", false, {{3200, USED}, {3300,
	 USED}, {3400, WANT}, }, 8000, "B0 B1000 B2000 X3000 B3200 B4200", SL_NEIGH_FAILED, NULL},
	{"a failed neighbour that answers is usable at once", true, {{3150, ANSWER_A}}, 4900,
	 "B0 B1000 B2000 X3000 B3100", SL_NEIGH_REACHABLE, mac_a},
	{"an answer ends the asking", false, {{500, ANSWER_A}}, 20000, "B0", SL_NEIGH_REACHABLE,
	 mac_a},
	{"an unused host turns stale after 30 s and stays usable", false, {{500, ANSWER_A}}, 60000,
	 "B0", SL_NEIGH_STALE, mac_a},
	{"a pinned neighbour is confirmed every 30 s without use", true, {{500, ANSWER_A}, {30550,
	 ANSWER_A}}, 60600, "B0 U30500 U60600", SL_NEIGH_PROBE, mac_a},
	{"a host in use is confirmed when its 30 s are over", false, {{500, ANSWER_A}, {20000,
	 USED}, {30550, ANSWER_A}}, 40000, "B0 U30500", SL_NEIGH_REACHABLE, mac_a},
	{"a stale host is confirmed when used again", false, {{500, ANSWER_A}, {50000, USED}},
	 50000, "B0 U50000", SL_NEIGH_PROBE, mac_a},
	{"a probe asks the old MAC, then everybody, usable until it gives up", true, {{500,
	 ANSWER_A}}, 35900, "B0 U30500 U31500 U32500 B33500 B34500 B35500", SL_NEIGH_PROBE, mac_a},
	{"a probe that nobody answers makes it unusable", true, {{500, ANSWER_A}}, 36500,
	 "B0 U30500 U31500 U32500 B33500 B34500 B35500 X36500", SL_NEIGH_FAILED, NULL},
	{"a gratuitous MAC is used at once and then confirmed", true, {{500, ANSWER_A}, {5000,
	 GRATUITOUS_B}}, 5500, "B0 U5000", SL_NEIGH_PROBE, mac_b},
	{"a gratuitous repetition confirms nothing", true, {{500, ANSWER_A}, {29000, GRATUITOUS_A}},
	 30500, "B0 U30500", SL_NEIGH_PROBE, mac_a},
	{"a gratuitous repetition does not end a probe", true, {{500, ANSWER_A}, {30900,
	 GRATUITOUS_A}}, 31500, "B0 U30500 U31500", SL_NEIGH_PROBE, mac_a},
	{"an answer with another MAC replaces the old one", true, {{500, ANSWER_A}, {5000,
	 ANSWER_B}}, 6000, "B0", SL_NEIGH_REACHABLE, mac_b},
	{"a gratuitous message resolves what is incomplete", false, {{1500, GRATUITOUS_A}}, 3000,
	 "B0 B1000", SL_NEIGH_STALE, mac_a},
	{"a group address is not learned", false, {{500, GROUP_MAC}}, 1500, "B0 B1000",
	 SL_NEIGH_INCOMPLETE, NULL},
	{"a host unused for 10 min is recycled", false, {{500, ANSWER_A}}, 600000, "B0",
	 SL_NEIGH_FREE, NULL},
	{"a host unused for less is kept", false, {{500, ANSWER_A}}, 599900, "B0", SL_NEIGH_STALE,
	 mac_a},
};
// clang-format on

static void happen(struct bench *b, enum event_kind kind, uint64_t now_ns)
{
	static const uint8_t group[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct sl_ip ip = host(1);
	uint16_t row = sl_neigh_find(&b->nt, &ip, 0);

	switch (kind) {
	case USED:
		ck_assert_uint_ne(row, SL_NEIGH_NONE);
		atomic_store(&b->rows[row].used, 1);
		break;
	case WANT:
		ck_assert_uint_eq(sl_neigh_want(&b->nt, &ip, 0, false, now_ns), row);
		break;
	case ANSWER_A:
	case ANSWER_B:
		sl_neigh_learn(&b->nt, &ip, 0, kind == ANSWER_A ? mac_a : mac_b, true, now_ns);
		break;
	case GRATUITOUS_A:
	case GRATUITOUS_B:
		sl_neigh_learn(&b->nt, &ip, 0, kind == GRATUITOUS_A ? mac_a : mac_b, false, now_ns);
		break;
	case GROUP_MAC:
		ck_assert_uint_eq(sl_neigh_learn(&b->nt, &ip, 0, group, true, now_ns),
		                  SL_NEIGH_NONE);
		break;
	case END:
		break;
	}
}

static void tell(struct bench *b, const struct story *s, char *log, size_t n_bytes)
{
	static const char letters[] = {[SL_NEIGH_ASK_BROADCAST] = 'B',
	                               [SL_NEIGH_ASK_UNICAST] = 'U',
	                               [SL_NEIGH_GIVE_UP] = 'X'};
	const struct event *next = s->events;
	struct sl_ip ip = host(1);
	uint16_t row = sl_neigh_want(&b->nt, &ip, 0, s->is_pinned, ms(START_MS));
	size_t used = 0;

	log[0] = '\0';
	for (uint32_t t = 0; t <= s->until_ms; t += TICK_MS) {
		enum sl_neigh_action action;

		for (; next->kind != END && next->at_ms <= t; next++)
			happen(b, next->kind, ms(START_MS + next->at_ms));
		action = sl_neigh_tick(&b->nt, row, ms(START_MS + t));
		if (action != SL_NEIGH_NOTHING)
			used += (size_t)snprintf(log + used, n_bytes - used, "%s%c%u",
			                         used > 0 ? " " : "", letters[action], t);
		ck_assert_msg(used < n_bytes, "%s: endless asking", s->name);
	}
}

START_TEST(a_neighbour_lives_by_its_timers)
{
	const struct story *s = &stories[_i];
	struct bench b;
	char log[256];
	uint8_t mac[6];
	uint64_t word;

	setup(&b, 7);
	tell(&b, s, log, sizeof(log));
	ck_assert_msg(strcmp(log, s->log) == 0, "%s: \"%s\"", s->name, log);
	ck_assert_msg(b.rows[0].state == s->state, "%s: state %u", s->name, b.rows[0].state);
	word = sl_neigh_word(&b.rows[0]);
	ck_assert_msg((s->mac != NULL) == ((word & SL_NEIGH_USABLE) != 0), "%s: word %lx", s->name,
	              word);
	sl_neigh_word_mac(word, mac);
	if (s->mac != NULL)
		ck_assert_mem_eq(mac, s->mac, sizeof(mac));
	teardown(&b);
}
END_TEST

START_TEST(learn_names_the_row_only_when_there_is_news)
{
	struct bench b;
	struct sl_ip known = host(1), unknown = host(2);
	uint16_t row;

	setup(&b, 7);
	row = sl_neigh_want(&b.nt, &known, 3, false, 0);
	ck_assert_uint_eq(sl_neigh_learn(&b.nt, &unknown, 3, mac_a, true, 1), SL_NEIGH_NONE);
	ck_assert_uint_eq(sl_neigh_learn(&b.nt, &known, 4, mac_a, true, 1), SL_NEIGH_NONE);
	ck_assert_uint_eq(sl_neigh_find(&b.nt, &unknown, 3), SL_NEIGH_NONE);
	ck_assert_uint_eq(sl_neigh_learn(&b.nt, &known, 3, mac_a, true, 1), row);
	ck_assert_uint_eq(sl_neigh_learn(&b.nt, &known, 3, mac_a, true, 2), SL_NEIGH_NONE);
	ck_assert_uint_eq(sl_neigh_learn(&b.nt, &known, 3, mac_b, false, 3), row);
	teardown(&b);
}
END_TEST

// As many as make some of them share a slot of the index.
START_TEST(one_address_on_many_ports_is_as_many_neighbours)
{
	enum { N_PORTS = 8000 };
	struct bench b;
	struct sl_ip ip = host(1);

	setup(&b, 7);
	for (uint16_t port = 0; port < N_PORTS; port++)
		ck_assert_uint_eq(sl_neigh_want(&b.nt, &ip, port, false, 0), port);
	for (uint16_t port = 0; port < N_PORTS; port++)
		ck_assert_uint_eq(sl_neigh_find(&b.nt, &ip, port), port);
	ck_assert_uint_eq(sl_neigh_find(&b.nt, &ip, N_PORTS), SL_NEIGH_NONE);
	teardown(&b);
}
END_TEST

START_TEST(wanting_as_pinned_keeps_a_host_for_ever)
{
	struct bench b;
	struct sl_ip ip = host(1);
	uint16_t row;

	setup(&b, 7);
	row = sl_neigh_want(&b.nt, &ip, 0, false, 0);
	ck_assert_uint_eq(sl_neigh_want(&b.nt, &ip, 0, true, ms(1)), row);
	ck_assert_uint_eq(sl_neigh_want(&b.nt, &ip, 0, false, ms(2)), row);
	sl_neigh_tick(&b.nt, row, ms(3600000));
	ck_assert_uint_eq(sl_neigh_find(&b.nt, &ip, 0), row);
	teardown(&b);
}
END_TEST

START_TEST(an_unpinned_neighbour_is_forgotten_like_a_host_and_a_gateway_never)
{
	const struct sl_ip ip = host(1);
	struct bench b;
	uint16_t row;

	setup(&b, 1);
	row = sl_neigh_want(&b.nt, &ip, 0, true, ms(START_MS));
	if (_i == 1)
		sl_neigh_make_gateway(&b.nt, row);
	for (uint64_t t = START_MS; t < START_MS + 60000; t += TICK_MS) // pinned: asked for ever
		sl_neigh_tick(&b.nt, row, ms(t));
	ck_assert_uint_eq(sl_neigh_find(&b.nt, &ip, 0), row);
	sl_neigh_unpin(&b.nt, row, ms(START_MS + 60000));
	sl_neigh_tick(&b.nt, row, ms(START_MS + 69000));
	ck_assert_uint_eq(sl_neigh_find(&b.nt, &ip, 0), row); // a worker may still name it
	sl_neigh_tick(&b.nt, row, ms(START_MS + 70000));
	ck_assert_uint_eq(sl_neigh_find(&b.nt, &ip, 0), _i == 1 ? row : SL_NEIGH_NONE);
	teardown(&b);
}
END_TEST

START_TEST(a_full_table_refuses_and_has_room_again_when_hosts_are_forgotten)
{
	struct bench b;
	struct sl_ip ip;
	uint16_t row;

	setup(&b, 7);
	for (uint32_t i = 0; i < SL_NEIGH_MAX; i++) {
		ip = host(i);
		ck_assert_uint_eq(sl_neigh_want(&b.nt, &ip, 0, i != 5, 0), i);
	}
	ip = host(SL_NEIGH_MAX);
	ck_assert_uint_eq(sl_neigh_want(&b.nt, &ip, 0, false, ms(1)), SL_NEIGH_NONE);
	sl_neigh_tick(&b.nt, 5, ms(600000));
	// A worker may still be reading the row that was just freed.
	ck_assert_uint_eq(sl_neigh_want(&b.nt, &ip, 0, false, ms(600100)), SL_NEIGH_NONE);
	row = sl_neigh_want(&b.nt, &ip, 0, false, ms(601000));
	ck_assert_uint_eq(row, 5);
	ck_assert_uint_eq(sl_neigh_word(&b.rows[5]), 0);
	ck_assert_uint_eq(b.rows[5].state, SL_NEIGH_INCOMPLETE);
	ip = host(5);
	ck_assert_uint_eq(sl_neigh_find(&b.nt, &ip, 0), SL_NEIGH_NONE);
	ck_assert_uint_eq(sl_neigh_want(&b.nt, &ip, 0, false, ms(601000)), SL_NEIGH_NONE);
	teardown(&b);
}
END_TEST

static void toggle(struct bench *b, uint16_t *known, uint32_t n, uint64_t now_ns)
{
	struct sl_ip ip = host(n);

	if (known[n] == SL_NEIGH_NONE) {
		known[n] = sl_neigh_want(&b->nt, &ip, 0, false, now_ns);
		return;
	}
	sl_neigh_tick(&b->nt, known[n], now_ns); // unused for 10 min: forgotten
	known[n] = SL_NEIGH_NONE;
}

// Hosts come and go at random, enough of them that many share a run of slots in the index: whoever
// is known is found under its own number, nobody else is, and the last one leaves nothing behind.
START_TEST(the_index_agrees_with_the_rows_after_any_churn)
{
	enum { N_HOSTS = 12000, N_STEPS = 60000 };
	uint64_t seed = sl_check_seed(), state = seed, now_ns = 0;
	static uint16_t known[N_HOSTS];
	struct bench b;

	setup(&b, seed);
	memset(known, 0xff, sizeof(known));
	for (uint32_t step = 0; step < N_STEPS; step++) {
		uint32_t other = (uint32_t)(sl_check_random(&state) % N_HOSTS);
		struct sl_ip ip = host(other);

		now_ns += ms(700000);
		toggle(&b, known, (uint32_t)(sl_check_random(&state) % N_HOSTS), now_ns);
		ck_assert_msg(sl_neigh_find(&b.nt, &ip, 0) == known[other], "seed %lu step %u",
		              seed, step);
	}
	for (uint32_t n = 0; n < N_HOSTS; n++)
		if (known[n] != SL_NEIGH_NONE)
			toggle(&b, known, n, now_ns + ms(700000));
	for (uint32_t slot = 0; slot < SL_NEIGH_INDEX_SLOTS; slot++)
		ck_assert_msg(b.index[slot] == 0, "seed %lu: slot %u is left over", seed, slot);
	teardown(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("neigh");
	TCase *tc = tcase_create("neigh");

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, a_neighbour_lives_by_its_timers, 0,
	                    sizeof(stories) / sizeof(stories[0]));
	tcase_add_test(tc, learn_names_the_row_only_when_there_is_news);
	tcase_add_test(tc, one_address_on_many_ports_is_as_many_neighbours);
	tcase_add_test(tc, wanting_as_pinned_keeps_a_host_for_ever);
	tcase_add_loop_test(tc, an_unpinned_neighbour_is_forgotten_like_a_host_and_a_gateway_never,
	                    0, 2);
	tcase_add_test(tc, a_full_table_refuses_and_has_room_again_when_hosts_are_forgotten);
	tcase_add_test(tc, the_index_agrees_with_the_rows_after_any_churn);
	return sl_check_run(suite);
}
