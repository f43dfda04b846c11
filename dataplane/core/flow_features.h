// SPDX-License-Identifier: Apache-2.0
// Features: how a flow behaves, from sizes, directions and times of its segments with payload.
//
// Shape:  40 bytes per flow. sl_features_add takes one segment and says when a checkpoint is due:
//         the client's 4th segment, the server's 1st, 8th, 16th and 32nd, 1 MB in a direction, 5 s;
//         then each time four times as much. There sl_features_vector makes small integers of it
//         for a decision (classify.h).
// Units:  microseconds of a monotonic clock in 32 bits, wrapping. Sizes are of payload.
// Limits: counts of segments are halved together when one is full, which keeps their shares. A flow
//         that is silent for longer than 71 minutes looks as if it had been for less.
// Cost:   no division, no loop per packet; both are at checkpoints only.
// Thread: pure; the flow's worker.
// Source: reference/ai-aware.md section 3.2.
#ifndef SLUICE_CORE_FLOW_FEATURES_H
#define SLUICE_CORE_FLOW_FEATURES_H

#include "tcp.h"

#define SL_FEATURES_FULL_BYTES  1100  // fills a packet: below the least MSS of a usual path
#define SL_FEATURES_SMALL_BYTES 600   // a token with what is around it
#define SL_FEATURES_IDLE_US     20000 // a pause that is none of the network's
#define SL_FEATURES_GAP_SHIFT   6     // gaps are in units of 64 us
#define SL_FEATURES_RUN_SHIFT   6     // runs in units of 64 bytes
#define SL_FEATURES_START_SHIFT 14    // age in units of 16 ms
#define SL_FEATURES_CHECK_ASKS  4
#define SL_FEATURES_CHECK_SHIFT 20 // 1 MB

// X(enum suffix, name in files, what it is). Order is that of the trained table.
#define SL_FEATURE_LIST(X)                                                                         \
	X(PORT, "port", "kind that the well-known port stands for, plus 1; 0 = none or hidden")    \
	X(UDP, "udp", "1 for UDP")                                                                 \
	X(WIRE, "wire", "enum sl_wire; 0 = not looked at")                                         \
	X(BYTES_C2S, "bytes_c2s", "logarithm")                                                     \
	X(BYTES_S2C, "bytes_s2c", "logarithm")                                                     \
	X(RATIO, "ratio", "of the two: 128 = equal, above = more from the client")                 \
	X(SIZE_C2S, "size_c2s", "mean segment, logarithm")                                         \
	X(SIZE_S2C, "size_s2c", "mean segment, logarithm")                                         \
	X(SMALL, "small", "share of the server's segments that are small; 255 = all")              \
	X(FULL_C2S, "full_c2s", "share of full segments")                                          \
	X(FULL_S2C, "full_s2c", "share of full segments")                                          \
	X(GAP, "gap", "between the server's segments, logarithm")                                  \
	X(JITTER, "jitter", "deviation of the gaps against the gap: 128 = equal")                  \
	X(SILENCE, "silence", "longest between a request and its answer, logarithm")               \
	X(TURNS, "turns", "changes of direction, logarithm")                                       \
	X(PER_TURN, "per_turn", "segments between changes of direction, logarithm")                \
	X(IDLE, "idle", "share of pauses within answers, smoothed; 240 = all")                     \
	X(RUN, "run", "longest run of bytes in one direction, logarithm")                          \
	X(AGE, "age", "logarithm of 16 ms")                                                        \
	X(N_C2S, "n_c2s", "segments, logarithm")                                                   \
	X(N_S2C, "n_s2c", "segments, logarithm")                                                   \
	X(RATE, "rate", "bytes per age, logarithm")

enum sl_feature {
#define X(name, word, help) SL_FEATURE_##name,
	SL_FEATURE_LIST(X)
#undef X
		SL_FEATURE_COUNT
};

struct sl_features {
	uint32_t bytes[2]; // by enum sl_dir; stay at their end
	uint32_t last_us;
	uint16_t start;     // SL_FEATURES_START_SHIFT
	uint16_t run;       // SL_FEATURES_RUN_SHIFT: since the direction changed; stays at its end
	uint16_t n_pkts[2]; // this and the next three are halved together
	uint16_t n_full[2];
	uint16_t n_small; // of the server's
	uint16_t turns;
	uint16_t gap, gap_dev; // of the server's, smoothed; SL_FEATURES_GAP_SHIFT
	uint8_t silence;       // sl_features_log of SL_FEATURES_GAP_SHIFT
	uint8_t idle;          // share of pauses within answers, smoothed
	uint8_t run_max;       // sl_features_log of runs that ended
	uint8_t port : 4;
	uint8_t wire : 3; // enum sl_wire
	uint8_t is_udp : 1;
	// --- checkpoints passed ---
	uint8_t step : 4; // by the server's segments
	uint8_t is_answer : 1;
	uint8_t age_step : 3;
	// --- what was decided: classify.c ---
	uint8_t kind : 4;
	uint8_t rival : 4; // another kind that the last checkpoint was for
	uint8_t confidence_pct : 7;
	uint8_t is_locked : 1; // the class is known, the kind may be told better
	uint8_t flips : 2;
	uint8_t has_rival : 1;
	uint8_t byte_step : 3;
	uint8_t has_begun : 1;
	uint8_t has_looked : 1; // at the first payload
};
_Static_assert(sizeof(struct sl_features) == 40, "issue: at most 40 bytes");

static inline uint8_t sl_features_log(uint32_t x)
{
	const uint32_t top = 31 - (uint32_t)__builtin_clz(x | 8);

	return (uint8_t)(x < 8 ? x : (top - 2) * 8 + ((x >> (top - 3)) & 7));
}

void sl_features_open(struct sl_features *f, uint32_t now_us, bool is_udp);

// The direction changed, or a counter is full: seldom, so not inline.
void sl_features_turn(struct sl_features *f, enum sl_dir dir, uint32_t gap_us);
void sl_features_halve(struct sl_features *f);
void sl_features_passed(struct sl_features *f, uint32_t now_us);

extern const uint16_t sl_features_steps[16];
extern const uint16_t sl_features_ages[8];

static inline void sl_features_gap(struct sl_features *f, uint32_t gap_us)
{
	const uint32_t wide = gap_us >> SL_FEATURES_GAP_SHIFT;
	const int32_t gap = wide < INT16_MAX ? (int32_t)wide : INT16_MAX;
	const int32_t off = gap - f->gap, size = off < 0 ? -off : off;

	// Shifts of negative numbers are arithmetic in gcc and clang.
	f->gap = (uint16_t)(f->gap + (off >> 3));
	f->gap_dev = (uint16_t)(f->gap_dev + ((size - f->gap_dev) >> 3));
	f->idle = (uint8_t)(f->idle +
	                    (((gap_us > SL_FEATURES_IDLE_US ? UINT8_MAX : 0) - f->idle) >> 4));
}

// A segment with n_bytes > 0 of payload. True when a checkpoint is due.
static inline bool sl_features_add(struct sl_features *f, enum sl_dir dir, uint32_t n_bytes,
                                   uint32_t now_us)
{
	const uint32_t gap_us = now_us - f->last_us, bytes = f->bytes[dir] + n_bytes;
	const uint32_t run = f->run + ((n_bytes + 63) >> SL_FEATURES_RUN_SHIFT);
	const uint16_t age = (uint16_t)((now_us >> SL_FEATURES_START_SHIFT) - f->start);
	bool is_due;

	f->last_us = now_us;
	f->bytes[dir] = bytes >= n_bytes ? bytes : UINT32_MAX;
	if (f->is_answer != (dir == SL_DIR_S2C) || !f->has_begun) {
		sl_features_turn(f, dir, gap_us);
		f->run = (uint16_t)((n_bytes + 63) >> SL_FEATURES_RUN_SHIFT);
	} else {
		f->run = (uint16_t)(run < UINT16_MAX ? run : UINT16_MAX);
		if (dir == SL_DIR_S2C)
			sl_features_gap(f, gap_us);
	}
	f->n_pkts[dir]++;
	f->n_full[dir] = (uint16_t)(f->n_full[dir] + (n_bytes >= SL_FEATURES_FULL_BYTES));
	f->n_small =
		(uint16_t)(f->n_small + (dir == SL_DIR_S2C && n_bytes <= SL_FEATURES_SMALL_BYTES));
	if (f->n_pkts[dir] == UINT16_MAX)
		sl_features_halve(f);
	is_due = dir == SL_DIR_S2C ? f->n_pkts[SL_DIR_S2C] >= sl_features_steps[f->step]
	                           : f->n_pkts[SL_DIR_C2S] == SL_FEATURES_CHECK_ASKS;
	is_due |= (uint64_t)f->bytes[dir] >> (SL_FEATURES_CHECK_SHIFT + 2 * f->byte_step) != 0;
	is_due |= age > sl_features_ages[f->age_step];
	if (is_due)
		sl_features_passed(f, now_us);
	return is_due;
}

// At a checkpoint, or whenever somebody asks.
void sl_features_vector(const struct sl_features *f, uint8_t vector[SL_FEATURE_COUNT]);

static inline const char *sl_feature_word(unsigned int feature)
{
	static const char *const words[SL_FEATURE_COUNT] = {
#define X(name, word, help) word,
		SL_FEATURE_LIST(X)
#undef X
	};

	return words[feature];
}

#endif
