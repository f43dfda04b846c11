// SPDX-License-Identifier: Apache-2.0
// From model and weights to the message bodies of sluice/wire.h. Pure.
#ifndef SLUICE_CONTROL_WIREBUILD_H
#define SLUICE_CONTROL_WIREBUILD_H

#include "model.h"
#include "sluice/wire.h"

// weights_milli: by backend of the model. Malloced body, *n_bytes its size; NULL with errno.
void *sl_wirebuild_config(const struct sl_model *model, const uint32_t *weights_milli,
                          uint64_t generation, uint64_t epoch, size_t *n_bytes);
void *sl_wirebuild_weights(const struct sl_model *model, const uint32_t *weights_milli,
                           uint64_t generation, uint64_t epoch, size_t *n_bytes);

#endif
