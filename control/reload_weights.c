// SPDX-License-Identifier: Apache-2.0
#include "reload_weights.h"

#include <stdlib.h>

struct known {
	uint64_t id;
	uint32_t number;
};

static int order(const void *a, const void *b)
{
	const struct known *ka = a, *kb = b;

	return (ka->id > kb->id) - (ka->id < kb->id);
}

static struct known *index_ids(const struct sl_model *model)
{
	struct known *index = calloc(model->n_backends + 1u, sizeof(*index));

	if (index == NULL)
		return NULL;
	for (uint32_t b = 0; b < model->n_backends; b++)
		index[b] = (struct known){model->backends[b].id, b};
	qsort(index, model->n_backends, sizeof(*index), order);
	return index;
}

static uint32_t carried(const struct sl_model_backend *before, const struct sl_backend_view *view,
                        const struct sl_model_backend *after)
{
	const uint64_t old_milli = (uint64_t)before->weight * SL_WEIGHT_ONE_MILLI;
	const uint64_t new_milli = (uint64_t)after->weight * SL_WEIGHT_ONE_MILLI;

	if (view->override_weight >= 0 || before->weight == after->weight)
		return view->weight_milli;
	if (before->weight == 0) // 0 of 0 says nothing about the backend, its state does
		return view->state == SL_BACKEND_DOWN && !view->in_panic ? 0 : (uint32_t)new_milli;
	return (uint32_t)(view->weight_milli * new_milli / old_milli);
}

uint32_t *sl_reload_weights(const struct sl_model *before, const struct sl_fleet *fleet,
                            const struct sl_model *after)
{
	uint32_t *weights_milli = calloc(after->n_backends + 1u, sizeof(*weights_milli));
	struct known *index = before != NULL ? index_ids(before) : NULL;

	if (weights_milli == NULL || (before != NULL && index == NULL)) {
		free(weights_milli);
		free(index);
		return NULL;
	}
	for (uint32_t b = 0; b < after->n_backends; b++) {
		const struct sl_model_backend *be = &after->backends[b];
		struct known want = {.id = be->id}, *found = NULL;
		struct sl_backend_view view;

		if (be->state != SL_ADMIN_READY)
			continue;
		weights_milli[b] = be->weight * SL_WEIGHT_ONE_MILLI;
		if (before != NULL)
			found = bsearch(&want, index, before->n_backends, sizeof(want), order);
		// What the file said alone (drain, maint) ends with the file that said it.
		if (found == NULL || before->backends[found->number].state != SL_ADMIN_READY)
			continue;
		sl_fleet_view(fleet, found->number, &view);
		weights_milli[b] = carried(&before->backends[found->number], &view, be);
	}
	free(index);
	return weights_milli;
}
