// SPDX-License-Identifier: Apache-2.0
// What operators said about single backends, on top of the file. Pure but for the heap.
//
// Precedence: an override holds as long as the file says what it said when the override was made;
//             when the file's value changes afterwards, the file is the newer word and wins. So
//             nothing that was typed at run time beats an edit for ever.
// Errors:     0 or -errno.
#ifndef SLUICE_CONTROL_OVERRIDES_H
#define SLUICE_CONTROL_OVERRIDES_H

#include "model.h"

struct sl_override {
	char pool[SL_NAME_BYTES];
	char backend[SL_NAME_BYTES];
	bool is_drained;
	uint8_t file_state;   // enum sl_admin_state when is_drained was set
	int32_t weight;       // -1 = none
	uint16_t file_weight; // when weight was set
};

struct sl_overrides {
	struct sl_override *items; // owned
	uint32_t n_items;
};

typedef void (*sl_override_dropped_fn)(void *ctx, const struct sl_override *override,
                                       const char *why);

void sl_overrides_fini(struct sl_overrides *overrides);

// Borrowed until the next change; NULL when there is none.
const struct sl_override *sl_overrides_find(const struct sl_overrides *overrides, const char *pool,
                                            const char *backend);

// 0 or -ENOMEM. weight -1 takes it back; what says nothing any more is removed.
int sl_overrides_set_drain(struct sl_overrides *overrides, const char *pool,
                           const struct sl_model_backend *backend, bool is_drained);
int sl_overrides_set_weight(struct sl_overrides *overrides, const char *pool,
                            const struct sl_model_backend *backend, int32_t weight);

// Drop what the file has overtaken, telling each. Returns how many values were dropped.
uint32_t sl_overrides_reconcile(struct sl_overrides *overrides, const struct sl_model *model,
                                sl_override_dropped_fn dropped, void *ctx);

// JSON both ways. load: -EINVAL for anything but what save wrote, and then overrides is untouched.
int sl_overrides_load(struct sl_overrides *overrides, const char *text, size_t n_bytes);
char *sl_overrides_save(const struct sl_overrides *overrides); // malloced; NULL with errno

#endif
