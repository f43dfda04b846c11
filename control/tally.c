// SPDX-License-Identifier: Apache-2.0
#include "tally.h"

#include <math.h>
#include <string.h>

static void next_slice(struct sl_tally *tally, uint64_t now_ns)
{
	uint64_t n;

	if (tally->slice_ns == 0)
		tally->slice_ns = now_ns;
	n = (now_ns - tally->slice_ns) / SL_TALLY_SLICE_NS;
	tally->slice_ns += n * SL_TALLY_SLICE_NS;
	for (n = n < SL_TALLY_SLICES ? n : SL_TALLY_SLICES; n > 0; n--) {
		tally->slice = (tally->slice + 1) % SL_TALLY_SLICES;
		memset(tally->slices[tally->slice], 0, sizeof(tally->slices[0]));
	}
}

// Samples of the kind that are new.
static uint32_t look_at_kind(struct sl_tally *tally, const struct sl_tally_row *row, uint32_t kind,
                             bool is_first)
{
	uint32_t n = 0;

	for (uint32_t b = 0; b < SL_LATENCY_BUCKETS; b++) {
		const uint32_t more = row->counts[kind][b] - tally->seen[kind][b];

		if (more == 0)
			continue;
		tally->seen[kind][b] = row->counts[kind][b];
		tally->totals[kind][b] += more;
		if (!is_first)
			tally->slices[tally->slice][kind][b] += more;
		n += more;
	}
	return n;
}

void sl_tally_look(struct sl_tally *tally, const struct sl_tally_row *row, bool is_first,
                   uint64_t now_ns, struct sl_steer_seen *since)
{
	uint32_t n[SL_LATENCY_KINDS] = {0};
	uint64_t sums_us[SL_LATENCY_KINDS] = {0};
	const uint32_t ended = row->ended - tally->seen_ended;
	const uint32_t fleeting = row->fleeting - tally->seen_fleeting;
	const uint32_t refused = row->refused - tally->seen_refused;

	next_slice(tally, now_ns);
	for (uint32_t kind = 0; kind < SL_LATENCY_KINDS; kind++) {
		if (!(row->changed & 1u << kind))
			continue;
		n[kind] = look_at_kind(tally, row, kind, is_first);
		sums_us[kind] = row->sums_us[kind] - tally->seen_sums_us[kind];
		tally->seen_sums_us[kind] = row->sums_us[kind];
		tally->total_us[kind] += sums_us[kind];
	}
	tally->ended += ended;
	tally->fleeting += fleeting;
	tally->seen_ended = row->ended;
	tally->seen_fleeting = row->fleeting;
	tally->seen_refused = row->refused;
	tally->load_units = row->load_units;
	tally->oldest_us = row->oldest_us;
	since->oldest_us = row->oldest_us;
	if (is_first)
		return;
	since->n_ttft += n[SL_LATENCY_TTFT];
	since->ttft_sum_us += (double)sums_us[SL_LATENCY_TTFT];
	since->n_tokens += n[SL_LATENCY_TPOT];
	since->tpot_sum_us += (double)sums_us[SL_LATENCY_TPOT];
	since->n_connected += n[SL_LATENCY_CONNECT];
	since->n_refused += refused;
	since->n_ended += ended;
	since->n_fleeting += fleeting;
	since->duration_sum_us += (double)sums_us[SL_LATENCY_DURATION];
}

void sl_tally_pass(struct sl_tally *tally)
{
	memset(tally->totals, 0, sizeof(tally->totals));
	memset(tally->total_us, 0, sizeof(tally->total_us));
	memset(tally->slices, 0, sizeof(tally->slices));
	tally->slice_ns = 0;
	tally->ended = tally->fleeting = 0;
	tally->load_units = tally->oldest_us = 0;
}

static uint64_t count_at(const struct sl_tally *tally, enum sl_latency_kind kind,
                         enum sl_tally_span span, uint32_t bucket)
{
	uint64_t n = 0;

	if (span == SL_TALLY_EVER)
		return tally->totals[kind][bucket];
	for (uint32_t s = 0; s < SL_TALLY_SLICES; s++)
		n += tally->slices[s][kind][bucket];
	return n;
}

uint64_t sl_tally_count(const struct sl_tally *tally, enum sl_latency_kind kind,
                        enum sl_tally_span span)
{
	uint64_t n = 0;

	for (uint32_t b = 0; b < SL_LATENCY_BUCKETS; b++)
		n += count_at(tally, kind, span, b);
	return n;
}

uint32_t sl_tally_quantile_us(const struct sl_tally *tally, enum sl_latency_kind kind,
                              enum sl_tally_span span, double share)
{
	const uint64_t n = sl_tally_count(tally, kind, span);
	const uint64_t rank = (uint64_t)fmax(ceil(share * (double)n), 1);
	uint64_t below = 0;

	for (uint32_t b = 0; n > 0 && b < SL_LATENCY_BUCKETS; b++) {
		below += count_at(tally, kind, span, b);
		if (below >= rank)
			return sl_latency_value_us(b);
	}
	return 0;
}

void sl_tally_histogram(const struct sl_tally *tally, enum sl_latency_kind kind,
                        struct sl_histogram *histogram)
{
	uint32_t bound = 0;

	*histogram = (struct sl_histogram){.sum_us = tally->total_us[kind]};
	for (uint32_t b = 0; b < SL_LATENCY_BUCKETS; b++) {
		while (bound < SL_HISTOGRAM_BOUNDS &&
		       sl_latency_value_us(b) > sl_histogram_bounds_us[bound])
			bound++;
		histogram->counts[bound] += tally->totals[kind][b];
	}
}
