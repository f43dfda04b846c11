// SPDX-License-Identifier: Apache-2.0
// The flow table against a list that is too slow and too simple to be wrong, through long random
// runs of every operation. The universe of tuples is small, so that duplicates and full buckets
// are common.
#include "flow_fixture.h"

#define N_FLOWS    48
#define UNIVERSE   96
#define OPERATIONS 70000

struct model_flow {
	bool is_there;
	struct sl_flow_new new;
	uint8_t state;
	uint32_t last_seen;
};

struct run {
	struct fixture f;
	struct model_flow flows[UNIVERSE]; // by number
	uint32_t n_there;
	uint32_t now;
	uint64_t seed, random;
	uint32_t n_added, n_refused, n_evicted, n_expired;
};

// The backend index of a flow is its number here.
static void model_gone(void *ctx, const struct sl_flow *flow, bool is_eviction)
{
	struct run *r = ctx;
	struct model_flow *m = &r->flows[flow->backend];

	ck_assert_msg(m->is_there, "gone twice, seed %lu", r->seed);
	ck_assert_msg(!is_eviction || !sl_flow_is_confirmed(m->state), "evicted open, seed %lu",
	              r->seed);
	ck_assert_msg(m->state == flow->state, "seed %lu", r->seed);
	r->n_evicted += is_eviction;
	m->is_there = false;
	r->n_there--;
}

static uint32_t pick(struct run *r, uint32_t n)
{
	return (uint32_t)(sl_check_random(&r->random) % n);
}

static uint8_t flags_of(uint32_t number)
{
	return (const uint8_t[]){0, SL_FLOW_IS_FULLNAT, SL_FLOW_IS_DSR}[number % 3];
}

static struct sl_flow_new new_of(uint32_t number)
{
	// Halves of the universe share their tuples towards the backend.
	struct sl_flow_new new = flow_of(number, flags_of(number), number % 4 == 3);

	if (number % 12 == 1)
		new.s2c = flow_of(number + 12, flags_of(number), false).s2c;
	new.backend = (uint16_t)number;
	new.idle_ticks = 50 + 97 * number;
	return new;
}

static bool same(const struct sl_tuple *a, const struct sl_tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

// Number of the flow that owns the tuple, UNIVERSE without one.
static uint32_t model_find(const struct run *r, const struct sl_tuple *tuple, enum sl_dir *dir)
{
	for (uint32_t i = 0; i < UNIVERSE; i++) {
		const struct model_flow *m = &r->flows[i];

		if (!m->is_there)
			continue;
		if (same(&m->new.c2s, tuple)) {
			*dir = SL_DIR_C2S;
			return i;
		}
		if (!(m->new.flags &SL_FLOW_IS_DSR) && same(&m->new.s2c, tuple)) {
			*dir = SL_DIR_S2C;
			return i;
		}
	}
	return UNIVERSE;
}

static void do_add(struct run *r)
{
	uint32_t number = pick(r, UNIVERSE);
	struct sl_flow_new new = new_of(number);
	uint32_t n_before = r->n_there;
	enum sl_dir dir;
	bool is_taken = model_find(r, &new.c2s, &dir) != UNIVERSE ||
	                (!(new.flags &SL_FLOW_IS_DSR) && model_find(r, &new.s2c, &dir) != UNIVERSE);
	struct sl_flow *flow = sl_flow_add(r->f.ft, &new, r->now);

	if (is_taken) {
		ck_assert_msg(flow == NULL, "duplicate added, seed %lu", r->seed);
		r->n_refused++;
		return;
	}
	ck_assert_msg(flow != NULL || n_before == N_FLOWS, "refused at %u, seed %lu", n_before,
	              r->seed);
	if (flow == NULL)
		return;
	r->flows[number] = (struct model_flow){true, new, SL_FLOW_NEW, r->now};
	r->n_there++;
	r->n_added++;
}

static struct sl_flow *do_find(struct run *r, uint32_t *number)
{
	struct sl_flow_new new = new_of(pick(r, UNIVERSE));
	const struct sl_tuple *tuple = pick(r, 2) ? &new.c2s : &new.s2c;
	enum sl_dir dir = SL_DIR_C2S, expected_dir = SL_DIR_C2S;
	struct sl_flow *flow = find(&r->f, tuple, &dir);

	*number = model_find(r, tuple, &expected_dir);
	ck_assert_msg((flow != NULL) == (*number != UNIVERSE), "seed %lu", r->seed);
	ck_assert_msg(flow == NULL || (flow->backend == *number && dir == expected_dir), "seed %lu",
	              r->seed);
	return flow;
}

static void do_touch(struct run *r)
{
	uint32_t number;
	struct sl_flow *flow = do_find(r, &number);

	if (flow == NULL)
		return;
	flow->last_seen = r->now;
	r->flows[number].last_seen = r->now;
}

static void do_state(struct run *r)
{
	uint32_t number;
	struct sl_flow *flow = do_find(r, &number);

	if (flow == NULL)
		return;
	r->flows[number].state = (uint8_t)pick(r, SL_FLOW_STATE_COUNT);
	r->flows[number].last_seen = r->now;
	sl_flow_set_state(r->f.ft, flow, r->flows[number].state, r->now);
}

static void do_remove(struct run *r)
{
	uint32_t number;
	struct sl_flow *flow = do_find(r, &number);

	if (flow == NULL)
		return;
	sl_flow_remove(r->f.ft, flow);
	ck_assert_msg(!r->flows[number].is_there, "seed %lu", r->seed);
}

// What must be gone after expiry is what was silent for its timeout, all of that and nothing else;
// but the queue of unconfirmed flows may look at one that has spoken a timeout late.
static void do_expire(struct run *r)
{
	bool may_go[UNIVERSE], must_go[UNIVERSE];
	uint32_t n_before = r->n_there, n_removed;

	r->now += pick(r, 50) == 0 ? pick(r, 8000) : pick(r, 20);
	for (uint32_t i = 0; i < UNIVERSE; i++) {
		const struct model_flow *m = &r->flows[i];
		const struct sl_flow like = {.state = m->state, .idle_ticks = m->new.idle_ticks};
		const uint32_t silent_ticks = r->now - m->last_seen;
		const uint32_t timeout_ticks = sl_flow_timeout_ticks(&like);

		may_go[i] = !m->is_there || silent_ticks >= timeout_ticks;
		must_go[i] =
			silent_ticks >= timeout_ticks * (sl_flow_is_confirmed(m->state) ? 1 : 2);
	}
	n_removed = sl_flow_expire(r->f.ft, r->now, UINT32_MAX);
	ck_assert_msg(n_removed == n_before - r->n_there, "seed %lu", r->seed);
	for (uint32_t i = 0; i < UNIVERSE; i++) {
		const bool is_there = r->flows[i].is_there;

		ck_assert_msg(is_there ? !must_go[i] : may_go[i], "flow %u, seed %lu", i, r->seed);
	}
	r->n_expired += n_removed;
}

static void step(struct run *r)
{
	uint32_t number;

	switch (pick(r, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		do_add(r);
		break;
	case 4:
		(void)do_find(r, &number);
		break;
	case 5:
		do_touch(r);
		break;
	case 6:
	case 7:
		do_state(r);
		break;
	case 8:
		do_remove(r);
		break;
	default:
		if (pick(r, 4) == 0)
			do_expire(r);
		break;
	}
}

START_TEST(the_table_agrees_with_a_list_through_random_operations)
{
	struct run r = {.seed = sl_check_seed() + (uint64_t)_i, .now = UINT32_MAX - 20000};

	r.random = r.seed;
	fixture_init(&r.f, N_FLOWS, r.now);
	sl_flow_table_on_gone(r.f.ft, model_gone, &r);
	for (int i = 0; i < OPERATIONS; i++) {
		step(&r);
		ck_assert_msg(sl_flow_count(r.f.ft) == r.n_there, "seed %lu", r.seed);
		if (i % 64 == 0)
			ck_assert_msg(sl_flow_table_is_sound(r.f.ft), "seed %lu, step %d", r.seed,
			              i);
	}
	// The run has seen what it is for.
	ck_assert_msg(r.n_added > 1000 && r.n_refused > 1000 && r.n_evicted > 100 &&
	                      r.n_expired > 100,
	              "%u added, %u refused, %u evicted, %u expired, seed %lu", r.n_added,
	              r.n_refused, r.n_evicted, r.n_expired, r.seed);
	fixture_fini(&r.f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_model");
	TCase *tc = tcase_create("model");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, the_table_agrees_with_a_list_through_random_operations, 0, 3);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
