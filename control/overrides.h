// SPDX-License-Identifier: Apache-2.0
// What operators said about single backends, on top of the file. Pure but for the heap.
//
// Precedence: an override holds as long as the file says what it said when the override was made;
//             when the file's value changes afterwards, the file is the newer word and wins. So
//             nothing that was typed at run time beats an edit for ever.
// Time:       each value ends by itself unless it is for ever. now_ns is CLOCK_MONOTONIC; the wall
//             clock is asked for only to get over a restart, and then what is left is never more
//             than the whole, however far the clock was set back.
// Errors:     0 or -errno.
#ifndef SLUICE_CONTROL_OVERRIDES_H
#define SLUICE_CONTROL_OVERRIDES_H

#include "model.h"

#define SL_OVERRIDE_OWNER_BYTES  33  // a user name, useradd(8)
#define SL_OVERRIDE_REASON_BYTES 128 // with its NUL
#define SL_OVERRIDE_TTL_S        (4 * 3600)
#define SL_OVERRIDE_TTL_MAX_S    (365 * 86400)

// Who said it, why, and until when.
struct sl_override_note {
	char owner[SL_OVERRIDE_OWNER_BYTES];
	char reason[SL_OVERRIDE_REASON_BYTES]; // "" = none was given
	uint32_t ttl_s;                        // 0 = for ever
	uint64_t expires_ns;                   // when ttl_s is not 0
};

struct sl_override_clock {
	uint64_t now_ns;
	int64_t unix_s; // the same moment
};

struct sl_override {
	char pool[SL_NAME_BYTES];
	char backend[SL_NAME_BYTES];
	bool is_drained;
	uint8_t file_state;   // enum sl_admin_state when is_drained was set
	int32_t weight;       // -1 = none
	uint16_t file_weight; // when weight was set
	struct sl_override_note drain_note;
	struct sl_override_note weight_note;
};

struct sl_overrides {
	struct sl_override *items; // owned
	uint32_t n_items;
};

typedef void (*sl_override_dropped_fn)(void *ctx, const struct sl_override *override,
                                       const struct sl_override_note *note, const char *why);

void sl_overrides_fini(struct sl_overrides *overrides);

// Borrowed until the next change; NULL when there is none.
const struct sl_override *sl_overrides_find(const struct sl_overrides *overrides, const char *pool,
                                            const char *backend);

// 0 or -ENOMEM. weight -1 takes it back; what says nothing any more is removed. note is copied.
int sl_overrides_set_drain(struct sl_overrides *overrides, const char *pool,
                           const struct sl_model_backend *backend, bool is_drained,
                           const struct sl_override_note *note);
int sl_overrides_set_weight(struct sl_overrides *overrides, const char *pool,
                            const struct sl_model_backend *backend, int32_t weight,
                            const struct sl_override_note *note);

// Drop what the file has overtaken, telling each. Returns how many values were dropped.
uint32_t sl_overrides_reconcile(struct sl_overrides *overrides, const struct sl_model *model,
                                sl_override_dropped_fn dropped, void *ctx);

// Drop what has had its time, telling each. Returns how many values were dropped.
uint32_t sl_overrides_expire(struct sl_overrides *overrides, uint64_t now_ns,
                             sl_override_dropped_fn dropped, void *ctx);

// JSON both ways. load: -EINVAL for anything but what save wrote, and then overrides is untouched.
int sl_overrides_load(struct sl_overrides *overrides, const char *text, size_t n_bytes,
                      const struct sl_override_clock *clock);
char *sl_overrides_save(const struct sl_overrides *overrides,
                        const struct sl_override_clock *clock); // malloced; NULL with errno

#endif
