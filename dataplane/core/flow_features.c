// SPDX-License-Identifier: Apache-2.0
#include "flow_features.h"

// The last is never reached: counts are halved before.
const uint16_t sl_features_steps[16] = {
	1,     8,          16,         32,         128,        512,        2048,       8192,
	32768, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX};
// 5, 20, 80 and 320 s are just above; ages wrap at 1073 s, so there is none beyond.
const uint16_t sl_features_ages[8] = {304,        1219,       4881,       19530,
                                      UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX};

void sl_features_open(struct sl_features *f, uint32_t now_us, bool is_udp)
{
	*f = (struct sl_features){
		.last_us = now_us,
		.start = (uint16_t)(now_us >> SL_FEATURES_START_SHIFT),
		.is_udp = is_udp,
	};
}

void sl_features_turn(struct sl_features *f, enum sl_dir dir, uint32_t gap_us)
{
	const uint8_t run = sl_features_log(f->run);
	const uint8_t silence = sl_features_log(gap_us >> SL_FEATURES_GAP_SHIFT);

	if (f->turns == UINT16_MAX)
		sl_features_halve(f);
	if (run > f->run_max)
		f->run_max = run;
	if (f->has_begun && dir == SL_DIR_S2C && silence > f->silence)
		f->silence = silence;
	f->turns = (uint16_t)(f->turns + f->has_begun);
	f->is_answer = dir == SL_DIR_S2C;
	f->has_begun = true;
}

void sl_features_halve(struct sl_features *f)
{
	for (int dir = 0; dir < 2; dir++) {
		f->n_pkts[dir] /= 2;
		f->n_full[dir] /= 2;
	}
	f->n_small /= 2;
	f->turns /= 2;
}

// Several marks may be passed at once; they are one checkpoint.
void sl_features_passed(struct sl_features *f, uint32_t now_us)
{
	const uint16_t age = (uint16_t)((now_us >> SL_FEATURES_START_SHIFT) - f->start);

	while (f->n_pkts[SL_DIR_S2C] >= sl_features_steps[f->step])
		f->step++;
	for (int dir = 0; dir < 2; dir++)
		while ((uint64_t)f->bytes[dir] >> (SL_FEATURES_CHECK_SHIFT + 2 * f->byte_step) != 0)
			f->byte_step++;
	while (age > sl_features_ages[f->age_step])
		f->age_step++;
}

static uint8_t share(uint32_t part, uint32_t whole)
{
	return (uint8_t)(whole > 0 ? part * 255 / whole : 0);
}

static uint8_t mean_log(uint32_t bytes, uint32_t n)
{
	return sl_features_log(n > 0 ? bytes / n : 0);
}

// Logarithms as far apart as they are, around 128.
static uint8_t against(uint8_t a, uint8_t b)
{
	return (uint8_t)(128 + ((int)a - (int)b) / 2);
}

void sl_features_vector(const struct sl_features *f, uint8_t vector[SL_FEATURE_COUNT])
{
	const uint32_t n_c2s = f->n_pkts[SL_DIR_C2S], n_s2c = f->n_pkts[SL_DIR_S2C];
	const uint32_t c2s = f->bytes[SL_DIR_C2S], s2c = f->bytes[SL_DIR_S2C];
	const uint16_t age = (uint16_t)((f->last_us >> SL_FEATURES_START_SHIFT) - f->start);
	const uint8_t run = sl_features_log(f->run);
	const uint64_t rate = ((uint64_t)c2s + s2c) / (age + 1u);

	vector[SL_FEATURE_PORT] = f->port;
	vector[SL_FEATURE_UDP] = f->is_udp;
	vector[SL_FEATURE_WIRE] = f->wire;
	vector[SL_FEATURE_BYTES_C2S] = sl_features_log(c2s);
	vector[SL_FEATURE_BYTES_S2C] = sl_features_log(s2c);
	vector[SL_FEATURE_RATIO] = against(sl_features_log(c2s), sl_features_log(s2c));
	vector[SL_FEATURE_SIZE_C2S] = mean_log(c2s, n_c2s);
	vector[SL_FEATURE_SIZE_S2C] = mean_log(s2c, n_s2c);
	vector[SL_FEATURE_SMALL] = share(f->n_small, n_s2c);
	vector[SL_FEATURE_FULL_C2S] = share(f->n_full[SL_DIR_C2S], n_c2s);
	vector[SL_FEATURE_FULL_S2C] = share(f->n_full[SL_DIR_S2C], n_s2c);
	vector[SL_FEATURE_GAP] = sl_features_log(f->gap);
	vector[SL_FEATURE_JITTER] = against(sl_features_log(f->gap_dev), sl_features_log(f->gap));
	vector[SL_FEATURE_SILENCE] = f->silence;
	vector[SL_FEATURE_TURNS] = sl_features_log(f->turns);
	vector[SL_FEATURE_PER_TURN] = sl_features_log(16 * (n_c2s + n_s2c) / (f->turns + 1u));
	vector[SL_FEATURE_IDLE] = f->idle;
	vector[SL_FEATURE_RUN] = run > f->run_max ? run : f->run_max;
	vector[SL_FEATURE_AGE] = sl_features_log(age);
	vector[SL_FEATURE_N_C2S] = sl_features_log(n_c2s);
	vector[SL_FEATURE_N_S2C] = sl_features_log(n_s2c);
	vector[SL_FEATURE_RATE] = sl_features_log(rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX);
}
