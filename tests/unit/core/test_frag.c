// SPDX-License-Identifier: Apache-2.0
// The table of datagrams under way: later parts get the ports of their first one, within bounds of
// time and number, and a datagram whose parts overlap is never completed.
#include "sl_check.h"

#include "frag.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PASSES   (-1)
#define NOW      1000000u
#define PORTS_BE 0x1234 // source; the destination's is one more

static const struct sl_hash_key key = {UINT64_C(0x0123456789abcdef), UINT64_C(0x5a5a5a5a5a5a5a5a)};

static struct sl_frag_table *new_table(void)
{
	struct sl_frag_table *ft = malloc(sizeof(*ft));

	ck_assert_ptr_nonnull(ft);
	sl_frag_init(ft, &key);
	return ft;
}

struct part {
	uint16_t at, n_bytes;
	bool is_last;
};

static struct sl_pkt packet(bool is_v6, uint32_t source, uint32_t id, const struct part *part)
{
	struct sl_pkt pkt = {.kind = part->at == 0 ? SL_PKT_UDP : SL_PKT_FRAGMENT,
	                     .is_v6 = is_v6,
	                     .is_fragment = true,
	                     .has_more_fragments = !part->is_last,
	                     .frag_off_bytes = part->at,
	                     .frag_bytes = part->n_bytes,
	                     .frag_id_be = id};

	pkt.tuple.src = sl_ip_from_v4(source);
	pkt.tuple.dst = sl_ip_from_v4(0x01020304);
	if (is_v6)
		pkt.tuple.src.bytes[0] = pkt.tuple.dst.bytes[0] = 0x20;
	pkt.tuple.proto = 17;
	if (part->at == 0) {
		pkt.tuple.sport_be = PORTS_BE;
		pkt.tuple.dport_be = PORTS_BE + 1;
	}
	return pkt;
}

static const struct part first = {0, 800, false};
static const struct part middle = {800, 800, false};
static const struct part last = {1600, 100, true};

static int pass(struct sl_frag_table *ft, uint32_t source, uint32_t id, const struct part *part,
                uint32_t now)
{
	struct sl_pkt pkt = packet(false, source, id, part);

	return sl_frag_pass(ft, &pkt, now);
}

// END in at stops a story; each part with what becomes of it.
#define MAX_PARTS 8
#define OK        PASSES
#define BAD       SL_DROP_FRAGMENT_BAD
#define EARLY     SL_DROP_FRAGMENT_EARLY

static const struct story {
	const char *name;
	struct {
		struct part part;
		int want, want_v6; // want_v6 0: as want
	} parts[MAX_PARTS];        // n_bytes 0 ends them
	uint32_t left;             // datagrams remembered at the end, IPv4
} stories[] = {
	{"in order", {{{0, 800, 0}, OK, 0}, {{800, 800, 0}, OK, 0}, {{1600, 9, 1}, OK, 0}}, 0},
	{"the last one overtakes",
         {{{0, 800, 0}, OK, 0}, {{1600, 9, 1}, OK, 0}, {{800, 800, 0}, OK, 0}},
         0},
	{"backwards behind the first",
         {{{0, 8, 0}, OK, 0}, {{24, 8, 1}, OK, 0}, {{16, 8, 0}, OK, 0}, {{8, 8, 0}, OK, 0}},
         0},
	{"one is lost", {{{0, 800, 0}, OK, 0}, {{1600, 9, 1}, OK, 0}}, 1},
	{"before the first",
         {{{800, 800, 0}, EARLY, 0}, {{0, 800, 0}, OK, 0}, {{1600, 9, 1}, OK, 0}},
         1},
	{"after the end", {{{0, 800, 0}, OK, 0}, {{800, 9, 1}, OK, 0}, {{800, 9, 1}, EARLY, 0}}, 0},
	{"twice the same",
         {{{0, 800, 0}, OK, 0},
          {{800, 800, 0}, OK, 0},
          {{800, 800, 0}, BAD, 0},
          {{1600, 9, 1}, BAD, 0}},
         1},
	{"one byte of the first again",
         {{{0, 800, 0}, OK, 0}, {{792, 8, 0}, BAD, 0}, {{800, 9, 1}, BAD, 0}},
         1},
	{"over two that passed",
         {{{0, 80, 0}, OK, 0}, {{160, 80, 0}, OK, 0}, {{72, 96, 0}, BAD, 0}, {{80, 80, 0}, BAD, 0}},
         1},
	{"across the end",
         {{{0, 80, 0}, OK, 0}, {{160, 8, 1}, OK, 0}, {{168, 8, 0}, BAD, 0}, {{80, 80, 0}, BAD, 0}},
         1},
	{"up to the end without being the last",
         {{{0, 80, 0}, OK, 0}, {{168, 8, 1}, OK, 0}, {{80, 96, 0}, BAD, 0}},
         1},
	{"two ends", {{{0, 80, 0}, OK, 0}, {{160, 8, 1}, OK, 0}, {{80, 8, 1}, BAD, 0}}, 1},
	{"an end before what has passed",
         {{{0, 80, 0}, OK, 0}, {{160, 8, 0}, OK, 0}, {{80, 8, 1}, BAD, 0}},
         1},
	{"four runs are kept, the fifth is one too many",
         {{{0, 8, 0}, OK, 0},
          {{16, 8, 0}, OK, 0},
          {{32, 8, 0}, OK, 0},
          {{48, 8, 0}, OK, 0},
          {{8, 8, 0}, OK, 0},
          {{64, 8, 0}, OK, 0},
          {{80, 8, 0}, BAD, 0}},
         1},
	{"a second first: ids come round in IPv4, not in IPv6",
         {{{0, 800, 0}, OK, 0}, {{0, 800, 0}, OK, BAD}, {{800, 9, 1}, OK, BAD}},
         0},
	{"a new first heals in IPv4",
         {{{0, 800, 0}, OK, 0},
          {{792, 8, 0}, BAD, 0},
          {{0, 800, 0}, OK, BAD},
          {{800, 9, 1}, OK, BAD}},
         0},
	{"the highest end", {{{0, 65528, 0}, OK, 0}, {{65528, 7, 1}, OK, 0}}, 0},
};

START_TEST(parts_pass_by_the_story)
{
	const struct story *story = &stories[_i / 2];
	bool is_v6 = _i % 2;
	struct sl_frag_table *ft = new_table();

	for (size_t i = 0; i < MAX_PARTS && story->parts[i].part.n_bytes != 0; i++) {
		struct sl_pkt pkt = packet(is_v6, 1, 7, &story->parts[i].part);
		int want = is_v6 && story->parts[i].want_v6 != 0 ? story->parts[i].want_v6
		                                                 : story->parts[i].want;
		int got = sl_frag_pass(ft, &pkt, NOW);

		ck_assert_msg(got == want, "%s: part %zu: %d", story->name, i, got);
		if (got == PASSES) {
			ck_assert_uint_eq(pkt.tuple.sport_be, PORTS_BE);
			ck_assert_uint_eq(pkt.tuple.dport_be, PORTS_BE + 1);
			ck_assert_uint_eq(pkt.tuple.proto, 17);
		}
	}
	if (!is_v6)
		ck_assert_msg(sl_frag_count(ft, NOW) == story->left, "%s: %u left", story->name,
		              sl_frag_count(ft, NOW));
	free(ft);
}
END_TEST

static const struct other {
	const char *name;
	bool is_v6;
	uint8_t src_bit, dst_bit, id_bit, proto;
	int want;
} others[] = {
	{"the same", false, 0, 0, 0, 17, PASSES},
	{"another source", false, 1, 0, 0, 17, EARLY},
	{"another destination", false, 0, 1, 0, 17, EARLY},
	{"another id", false, 0, 0, 1, 17, EARLY},
	{"another protocol", false, 0, 0, 0, 6, EARLY},
	{"another protocol in IPv6: only the first one's counts", true, 0, 0, 0, 60, PASSES},
	{"another id in IPv6", true, 0, 0, 1, 17, EARLY},
};

START_TEST(only_parts_of_the_same_datagram_belong_together)
{
	const struct other *row = &others[_i];
	struct sl_frag_table *ft = new_table();
	struct sl_pkt a = packet(row->is_v6, 1, 7, &first), b = packet(row->is_v6, 1, 7, &middle);

	b.tuple.src.bytes[15] ^= row->src_bit;
	b.tuple.dst.bytes[15] ^= row->dst_bit;
	b.frag_id_be ^= (uint32_t)row->id_bit;
	b.tuple.proto = row->proto;
	ck_assert_int_eq(sl_frag_pass(ft, &a, NOW), PASSES);
	ck_assert_msg(sl_frag_pass(ft, &b, NOW) == row->want, "%s", row->name);
	if (row->want == PASSES)
		ck_assert_uint_eq(b.tuple.proto, 17);
	free(ft);
}
END_TEST

START_TEST(a_datagram_is_forgotten_after_two_seconds_whatever_comes)
{
	// Also where the tick wraps around.
	const uint32_t start = _i == 0 ? NOW : UINT32_MAX - 3;
	struct sl_frag_table *ft = new_table();

	ck_assert_int_eq(pass(ft, 1, 7, &first, start), PASSES);
	ck_assert_int_eq(pass(ft, 1, 7, &middle, start + SL_FRAG_TICKS - 1), PASSES);
	ck_assert_uint_eq(sl_frag_count(ft, start + SL_FRAG_TICKS - 1), 1);
	ck_assert_int_eq(pass(ft, 1, 7, &last, start + SL_FRAG_TICKS), EARLY);
	ck_assert_uint_eq(sl_frag_count(ft, start + SL_FRAG_TICKS), 0);
	// The id used again starts anew and does not meet what was left of the old one.
	ck_assert_int_eq(pass(ft, 1, 7, &first, start + 2 * SL_FRAG_TICKS), PASSES);
	ck_assert_int_eq(pass(ft, 1, 7, &middle, start + 2 * SL_FRAG_TICKS), PASSES);
	ck_assert_int_eq(pass(ft, 1, 7, &last, start + 2 * SL_FRAG_TICKS), PASSES);
	ck_assert_uint_eq(sl_frag_count(ft, start + 2 * SL_FRAG_TICKS), 0);
	free(ft);
}
END_TEST

START_TEST(a_source_has_64_datagrams_under_way_and_pushes_out_its_oldest)
{
	struct sl_frag_table *ft = new_table();

	for (uint32_t id = 0; id <= SL_FRAG_WAYS; id++)
		ck_assert_int_eq(pass(ft, 1, id, &first, NOW), PASSES);
	ck_assert_uint_eq(sl_frag_count(ft, NOW), SL_FRAG_WAYS);
	ck_assert_int_eq(pass(ft, 1, 0, &middle, NOW), EARLY);
	for (uint32_t id = 1; id <= SL_FRAG_WAYS; id++)
		ck_assert_int_eq(pass(ft, 1, id, &middle, NOW), PASSES);
	free(ft);
}
END_TEST

START_TEST(datagrams_that_complete_push_out_nothing)
{
	struct sl_frag_table *ft = new_table();

	ck_assert_int_eq(pass(ft, 1, 0, &first, NOW), PASSES);
	for (uint32_t id = 1; id <= 10 * SL_FRAG_WAYS; id++) {
		ck_assert_int_eq(pass(ft, 1, id, &first, NOW), PASSES);
		ck_assert_int_eq(pass(ft, 1, id, &middle, NOW), PASSES);
		ck_assert_int_eq(pass(ft, 1, id, &last, NOW), PASSES);
	}
	ck_assert_int_eq(pass(ft, 1, 0, &middle, NOW), PASSES);
	free(ft);
}
END_TEST

// Sources share a set by chance only: of 100 others nearly all keep theirs.
START_TEST(a_flood_from_one_source_leaves_the_others_alone)
{
	struct sl_frag_table *ft = new_table();
	uint32_t n_lost = 0;

	for (uint32_t source = 1; source <= 100; source++)
		ck_assert_int_eq(pass(ft, source, 9, &first, NOW), PASSES);
	for (uint32_t id = 0; id < 100 * SL_FRAG_WAYS; id++)
		ck_assert_int_eq(pass(ft, 0xffff, id, &first, NOW), PASSES);
	for (uint32_t source = 1; source <= 100; source++)
		n_lost += pass(ft, source, 9, &middle, NOW) != PASSES;
	ck_assert_uint_le(n_lost, 8);
	free(ft);
}
END_TEST

START_TEST(random_parts_never_exceed_the_table)
{
	const uint64_t seed = sl_check_seed();
	struct sl_frag_table *ft = new_table();
	uint64_t state = seed;

	for (uint32_t i = 0; i < 50000; i++) {
		const uint64_t r = sl_check_random(&state);
		const uint16_t at = (uint16_t)(r % 4 == 0 ? 0 : 8 * ((r >> 8) % 64));
		const struct part part = {at, (uint16_t)(8 + 8 * ((r >> 16) % 4)),
		                          (r >> 24) % 4 == 0};
		int got = pass(ft, (uint32_t)(r >> 32) % 300, (uint32_t)(r >> 48) % 100, &part,
		               NOW + i / 1000);

		ck_assert_msg(got == PASSES || got == BAD || got == EARLY, "%d, seed %lu", got,
		              (unsigned long)seed);
	}
	for (uint32_t s = 0; s < SL_FRAG_SETS; s++) {
		for (uint32_t way = 0; way < SL_FRAG_WAYS; way++) {
			const struct sl_frag_set *set = &ft->sets[s];

			for (uint32_t twin = 0; twin < way && set->hashes[way] != 0; twin++)
				ck_assert_msg(set->hashes[twin] != set->hashes[way],
				              "a datagram is held twice, seed %lu",
				              (unsigned long)seed);
			ck_assert_uint_le(set->entries[way].n_spans, SL_FRAG_SPANS);
		}
	}
	ck_assert_uint_gt(sl_frag_count(ft, NOW + 49), 0);
	free(ft);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frag");
	TCase *tc = tcase_create("table");

	tcase_add_loop_test(tc, parts_pass_by_the_story, 0, 2 * COUNT(stories));
	tcase_add_loop_test(tc, only_parts_of_the_same_datagram_belong_together, 0, COUNT(others));
	tcase_add_loop_test(tc, a_datagram_is_forgotten_after_two_seconds_whatever_comes, 0, 2);
	tcase_add_test(tc, a_source_has_64_datagrams_under_way_and_pushes_out_its_oldest);
	tcase_add_test(tc, datagrams_that_complete_push_out_nothing);
	tcase_add_test(tc, a_flood_from_one_source_leaves_the_others_alone);
	tcase_add_test(tc, random_parts_never_exceed_the_table);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
