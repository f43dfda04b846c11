// SPDX-License-Identifier: Apache-2.0
#include "guard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SINKHOLE_SHARE  0.30
#define SINKHOLE_PEERS  5.0
#define ENOUGH          20.0
#define REFUSED_SHARE   0.5
#define REFUSED_IN_ROW  5
#define STALL_NS        (10 * SL_NS_PER_S)
#define STALL_TTFTS     8
#define OUTLIER_Z       3.5
#define OUTLIER_RATIO   6.0 // below it weights do better: it still serves something
#define OUTLIER_US      50000.0
#define OUTLIER_LOOKS   3
#define OUTLIER_PEERS   4
#define LOOK_NS         (2 * SL_NS_PER_S)
#define CUSUM_SLACK     0.5
#define CUSUM_ALARM     5.0
#define BASELINE_TAU_S  600.0
#define DEVIATION_LEAST 0.20
#define DRIFT_LEAST     0.69314718 // ln 2: a busier hour is no drift
#define LEARN_LOOKS     30         // a mean of all looks before it is one of the last ten minutes
#define RELEARN_LOOKS   300
#define EJECT_NS        (30 * SL_NS_PER_S)
#define EJECT_MAX_NS    (300 * SL_NS_PER_S)
#define OUTLIER_MAX_NS  (60 * SL_NS_PER_S) // who is only slow
#define FORGIVEN_NS     (600 * SL_NS_PER_S)
#define EJECTED_DIV     5
#define GOOD_TO_CLOSE   3.0
#define HALF_OPEN       (1.0 / 64)

const char *sl_guard_reason_name(unsigned int reason)
{
	static const char *const names[SL_GUARD_REASONS] = {"ok", "sinkhole", "connect", "stall",
	                                                    "outlier"};

	return reason < SL_GUARD_REASONS ? names[reason] : "?";
}

double sl_guard_factor(const struct sl_guard_member *member)
{
	if (member->state == SL_GUARD_EJECTED)
		return 0;
	return member->state == SL_GUARD_HALF_OPEN ? HALF_OPEN : 1;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), compare);
	return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double fleeting_share(const struct sl_guard_member *m)
{
	return m->ended > 0 ? m->fleeting / m->ended : 0;
}

static void count(struct sl_guard_member *m, const struct sl_guard_seen *seen, uint64_t now_ns)
{
	const double keep =
		exp(-(double)SL_GUARD_TICK_NS / (double)SL_NS_PER_S / SL_GUARD_WINDOW_S);

	m->connected = m->connected * keep + seen->n_connected;
	m->refused = m->refused * keep + seen->n_refused;
	m->ended = m->ended * keep + seen->n_ended;
	m->fleeting = m->fleeting * keep + seen->n_fleeting;
	if (seen->n_answered > 0 || m->answered_ns == 0 || seen->oldest_us == 0)
		m->answered_ns = now_ns;
	if (m->state == SL_GUARD_HALF_OPEN)
		m->good +=
			seen->n_answered > 0 ? seen->n_answered : seen->n_ended - seen->n_fleeting;
}

// The reason that holds now, with the figures that say so.
static enum sl_guard_reason judge(struct sl_guard_member *m, const struct sl_guard_seen *seen,
                                  double peers_fleeting, uint64_t now_ns)
{
	const double share = fleeting_share(m);
	// Half open it gets little: as many as would close it are enough to judge it.
	const double enough = m->state == SL_GUARD_HALF_OPEN ? GOOD_TO_CLOSE : ENOUGH;
	const double patience_ns = fmax(STALL_NS, STALL_TTFTS * seen->ttft_us * SL_NS_PER_US);

	if (m->ended >= enough && share > SINKHOLE_SHARE &&
	    share > SINKHOLE_PEERS * peers_fleeting) {
		m->value = share;
		m->bound = fmax(SINKHOLE_SHARE, SINKHOLE_PEERS * peers_fleeting);
		return SL_GUARD_SINKHOLE;
	}
	if ((m->refused + m->connected >= enough &&
	     m->refused >= REFUSED_SHARE * (m->refused + m->connected)) ||
	    (seen->n_refused >= REFUSED_IN_ROW && seen->n_connected == 0)) {
		m->value = m->refused / (m->refused + m->connected);
		m->bound = REFUSED_SHARE;
		return SL_GUARD_CONNECT;
	}
	if ((double)seen->oldest_us * SL_NS_PER_US >= patience_ns &&
	    (double)(now_ns - m->answered_ns) >= patience_ns) {
		m->value = (double)(now_ns - m->answered_ns) / (double)SL_NS_PER_S;
		m->bound = patience_ns / (double)SL_NS_PER_S;
		return SL_GUARD_STALL;
	}
	if (__builtin_popcount(m->looks) >= OUTLIER_LOOKS)
		return SL_GUARD_OUTLIER;
	return SL_GUARD_OK;
}

static void eject(struct sl_guard_pool *pool, struct sl_guard_member *m,
                  enum sl_guard_reason reason, uint64_t now_ns)
{
	const uint64_t most_ns = reason == SL_GUARD_OUTLIER ? OUTLIER_MAX_NS : EJECT_MAX_NS;
	uint64_t lasts_ns = EJECT_NS;

	if (now_ns - m->ejected_ns > FORGIVEN_NS)
		m->n_ejections = 0;
	for (uint32_t i = 0; i < m->n_ejections && lasts_ns < most_ns; i++)
		lasts_ns *= 2;
	if (lasts_ns > most_ns)
		lasts_ns = most_ns;
	// 80 % to 120 %, so that those ejected together do not come back together.
	pool->random = pool->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	lasts_ns = lasts_ns / 10 * (8 + (pool->random >> 33) % 5);
	m->until_ns = now_ns + lasts_ns;
	m->ejected_ns = now_ns;
	m->n_ejections += m->n_ejections < UINT8_MAX;
	m->state = SL_GUARD_EJECTED;
	m->reason = (uint8_t)reason;
	m->connected = m->refused = m->ended = m->fleeting = m->good = 0;
}

static void learn(struct sl_guard_member *m, double x)
{
	const double share = m->n_looks < LEARN_LOOKS
	                             ? 1.0 / (m->n_looks + 1)
	                             : 1 - exp(-(double)LOOK_NS / SL_NS_PER_S / BASELINE_TAU_S);
	// Of a normal distribution the mean absolute deviation is 0.8 of the standard one.
	const double off = fabs(x - m->mean_ln) * 1.25;

	if (m->n_looks > 0)
		m->deviation_ln += (off - m->deviation_ln) * share;
	m->mean_ln += (x - m->mean_ln) * share;
	m->n_looks++;
}

// The past stays what it is compared with while it drifts; after ten minutes that is the new
// normal.
static void look_back(struct sl_guard_member *m, double latency_us)
{
	const double x = log(latency_us + 1);
	const double off = (x - m->mean_ln) / fmax(m->deviation_ln, DEVIATION_LEAST);

	if (m->n_looks < LEARN_LOOKS) {
		learn(m, x);
		return;
	}
	m->cusum = fmin(fmax(0, m->cusum + off - CUSUM_SLACK), 2 * CUSUM_ALARM);
	m->is_drifting = m->cusum > CUSUM_ALARM && x - m->mean_ln > DRIFT_LEAST;
	m->n_drifting = m->is_drifting ? m->n_drifting + 1 : 0;
	if (m->n_drifting >= RELEARN_LOOKS) {
		m->n_looks = 0;
		m->cusum = 0;
		m->is_drifting = false;
	}
	if (!m->is_drifting)
		learn(m, x);
}

struct peers {
	double median_ln, deviation, n;
};

static struct peers find_peers(const struct sl_guard_seen *seen, const bool *takes_flows,
                               double *scratch, size_t n)
{
	struct peers p = {0};
	size_t n_known = 0;

	for (size_t i = 0; i < n; i++) {
		if (takes_flows[i] && seen[i].latency_us > 0)
			scratch[n_known++] = log(seen[i].latency_us);
	}
	p.n = (double)n_known;
	p.median_ln = median(scratch, n_known);
	for (size_t i = 0; i < n_known; i++)
		scratch[i] = fabs(scratch[i] - p.median_ln);
	p.deviation = 1.4826 * median(scratch, n_known) + 0.1;
	return p;
}

static bool is_outlier(struct sl_guard_member *m, const struct peers *p, double latency_us)
{
	const double median_us = exp(p->median_ln), ratio = latency_us / median_us;
	const double z = (log(latency_us) - p->median_ln) / p->deviation;

	if (p->n < 2 || latency_us < median_us + OUTLIER_US)
		return false;
	m->value = p->n < OUTLIER_PEERS ? ratio : z;
	m->bound = p->n < OUTLIER_PEERS ? OUTLIER_RATIO : OUTLIER_Z;
	return m->value > m->bound && ratio > OUTLIER_RATIO;
}

// Who is ejected is not looked at: what it did before is no reason to eject it again.
static void look(struct sl_guard_pool *pool, struct sl_guard_member *members,
                 const struct sl_guard_seen *seen, const bool *takes_flows, double *scratch,
                 size_t n)
{
	const struct peers p = find_peers(seen, takes_flows, scratch, n);
	size_t n_taking = 0, n_shifted = 0;

	for (size_t i = 0; i < n; i++) {
		struct sl_guard_member *m = &members[i];
		const bool is_in = takes_flows[i] && m->state != SL_GUARD_EJECTED;
		bool is_one = false;

		if (is_in && seen[i].latency_us > 0) {
			look_back(m, seen[i].latency_us);
			is_one = is_outlier(m, &p, seen[i].latency_us);
		}
		m->looks = (uint8_t)((m->looks << 1 | is_one) & ((1u << SL_GUARD_LOOKS) - 1));
		n_taking += is_in;
		n_shifted += is_in && m->is_drifting;
	}
	pool->is_degraded = n_taking > 1 && 2 * n_shifted > n_taking;
}

// How many more may be ejected now.
static size_t places(const struct sl_guard_member *members, const bool *takes_flows, size_t n)
{
	size_t n_taking = 0, n_out = 0, most;

	for (size_t i = 0; i < n; i++) {
		n_taking += takes_flows[i];
		n_out += takes_flows[i] && members[i].state == SL_GUARD_EJECTED;
	}
	most = n_taking / EJECTED_DIV > 1 ? n_taking / EJECTED_DIV : 1;
	if (most > n_taking / 2) // the only one, or one of a pair less the half that panics
		most = n_taking / 2;
	return most > n_out ? most - n_out : 0;
}

static double peers_fleeting(const struct sl_guard_member *members, const bool *takes_flows,
                             double *scratch, size_t n)
{
	size_t n_known = 0;

	for (size_t i = 0; i < n; i++) {
		if (takes_flows[i] && members[i].ended >= 1)
			scratch[n_known++] = fleeting_share(&members[i]);
	}
	return n_known > 2 ? median(scratch, n_known) : 0;
}

void sl_guard_tick(struct sl_guard_pool *pool, struct sl_guard_member *members,
                   const struct sl_guard_seen *seen, const bool *takes_flows, double *scratch,
                   size_t n, uint64_t now_ns)
{
	double fleeting;
	size_t n_places;

	for (size_t i = 0; i < n; i++)
		count(&members[i], &seen[i], now_ns);
	if (now_ns >= pool->look_ns) {
		pool->look_ns = now_ns + LOOK_NS;
		look(pool, members, seen, takes_flows, scratch, n);
	}
	fleeting = peers_fleeting(members, takes_flows, scratch, n);
	n_places = places(members, takes_flows, n);
	for (size_t i = 0; i < n; i++) {
		struct sl_guard_member *m = &members[i];
		enum sl_guard_reason reason;

		if (m->state == SL_GUARD_EJECTED) {
			if (now_ns >= m->until_ns)
				m->state = SL_GUARD_HALF_OPEN;
			m->answered_ns = now_ns;
			continue;
		}
		reason = takes_flows[i] ? judge(m, &seen[i], fleeting, now_ns) : SL_GUARD_OK;
		if (reason == SL_GUARD_OUTLIER && pool->is_degraded)
			continue;
		if (reason != SL_GUARD_OK && n_places > 0) {
			eject(pool, m, reason, now_ns);
			n_places--;
		} else if (m->state == SL_GUARD_HALF_OPEN && m->good >= GOOD_TO_CLOSE) {
			m->state = SL_GUARD_CLOSED;
		}
	}
}
