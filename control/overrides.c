// SPDX-License-Identifier: Apache-2.0
#include "overrides.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "names.h"

#define MAX_WEIGHT 1000 // model.h: configured weights are 0..1000

void sl_overrides_fini(struct sl_overrides *overrides)
{
	free(overrides->items);
	*overrides = (struct sl_overrides){0};
}

static struct sl_override *find(const struct sl_overrides *overrides, const char *pool,
                                const char *backend)
{
	for (uint32_t i = 0; i < overrides->n_items; i++) {
		struct sl_override *item = &overrides->items[i];

		if (strcmp(item->pool, pool) == 0 && strcmp(item->backend, backend) == 0)
			return item;
	}
	return NULL;
}

const struct sl_override *sl_overrides_find(const struct sl_overrides *overrides, const char *pool,
                                            const char *backend)
{
	return find(overrides, pool, backend);
}

static struct sl_override *find_or_add(struct sl_overrides *overrides, const char *pool,
                                       const char *backend)
{
	struct sl_override *item = find(overrides, pool, backend);
	struct sl_override *items;

	if (item != NULL)
		return item;
	items = reallocarray(overrides->items, overrides->n_items + 1, sizeof(*items));
	if (items == NULL)
		return NULL;
	overrides->items = items;
	item = &items[overrides->n_items++];
	*item = (struct sl_override){.weight = -1};
	snprintf(item->pool, sizeof(item->pool), "%s", pool);
	snprintf(item->backend, sizeof(item->backend), "%s", backend);
	return item;
}

static void remove_if_empty(struct sl_overrides *overrides, struct sl_override *item)
{
	uint32_t i = (uint32_t)(item - overrides->items);

	if (item->is_drained || item->weight >= 0)
		return;
	overrides->n_items--;
	memmove(item, item + 1, (overrides->n_items - i) * sizeof(*item));
}

int sl_overrides_set_drain(struct sl_overrides *overrides, const char *pool,
                           const struct sl_model_backend *backend, bool is_drained)
{
	struct sl_override *item = find_or_add(overrides, pool, backend->name);

	if (item == NULL)
		return -ENOMEM;
	item->is_drained = is_drained;
	item->file_state = backend->state;
	remove_if_empty(overrides, item);
	return 0;
}

int sl_overrides_set_weight(struct sl_overrides *overrides, const char *pool,
                            const struct sl_model_backend *backend, int32_t weight)
{
	struct sl_override *item = find_or_add(overrides, pool, backend->name);

	if (item == NULL)
		return -ENOMEM;
	item->weight = weight;
	item->file_weight = backend->weight;
	remove_if_empty(overrides, item);
	return 0;
}

static const struct sl_model_backend *find_backend(const struct sl_model *model,
                                                   const struct sl_override *item)
{
	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];

		if (strcmp(pool->name, item->pool) != 0)
			continue;
		for (uint32_t b = 0; b < pool->n_backends; b++) {
			const struct sl_model_backend *be;

			be = &model->backends[pool->first_backend + b];
			if (strcmp(be->name, item->backend) == 0)
				return be;
		}
	}
	return NULL;
}

uint32_t sl_overrides_reconcile(struct sl_overrides *overrides, const struct sl_model *model,
                                sl_override_dropped_fn dropped, void *ctx)
{
	uint32_t n_dropped = 0, i = 0;

	while (i < overrides->n_items) {
		struct sl_override *item = &overrides->items[i];
		const struct sl_model_backend *be = find_backend(model, item);
		const uint32_t n_before = overrides->n_items;

		if (item->is_drained && (be == NULL || be->state != item->file_state)) {
			dropped(ctx, item,
			        be == NULL ? "drain: no such backend any more"
			                   : "drain: the file's state changed");
			item->is_drained = false;
			n_dropped++;
		}
		if (item->weight >= 0 && (be == NULL || be->weight != item->file_weight)) {
			dropped(ctx, item,
			        be == NULL ? "weight: no such backend any more"
			                   : "weight: the file's weight changed");
			item->weight = -1;
			n_dropped++;
		}
		remove_if_empty(overrides, item);
		if (overrides->n_items == n_before)
			i++;
	}
	return n_dropped;
}

static bool admin_of_word(const char *word, uint8_t *state)
{
	for (uint8_t s = SL_ADMIN_READY; s <= SL_ADMIN_MAINT; s++) {
		if (strcmp(word, sl_name_of_admin(s)) == 0) {
			*state = s;
			return true;
		}
	}
	return false;
}

static int load_item(struct sl_overrides *overrides, json_t *json)
{
	const char *pool, *backend, *file_state;
	int is_drained, weight, file_weight;
	struct sl_override *item;
	uint8_t state;

	if (json_unpack(json, "{s:s, s:s, s:b, s:s, s:i, s:i}", "pool", &pool, "backend", &backend,
	                "drain", &is_drained, "file_state", &file_state, "weight", &weight,
	                "file_weight", &file_weight) != 0 ||
	    strlen(pool) >= SL_NAME_BYTES || strlen(backend) >= SL_NAME_BYTES || weight < -1 ||
	    weight > MAX_WEIGHT || file_weight < 0 || file_weight > MAX_WEIGHT ||
	    !admin_of_word(file_state, &state))
		return -EINVAL;
	item = find_or_add(overrides, pool, backend);
	if (item == NULL)
		return -ENOMEM;
	item->is_drained = is_drained;
	item->file_state = state;
	item->weight = weight;
	item->file_weight = (uint16_t)file_weight;
	return 0;
}

int sl_overrides_load(struct sl_overrides *overrides, const char *text, size_t n_bytes)
{
	struct sl_overrides loaded = {0};
	json_t *root = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_object_get(root, "overrides"), *json;
	int err = json_is_array(list) ? 0 : -EINVAL;
	size_t i;

	json_array_foreach(list, i, json)
	{
		if (err == 0)
			err = load_item(&loaded, json);
	}
	json_decref(root);
	if (err != 0) {
		sl_overrides_fini(&loaded);
		return err;
	}
	sl_overrides_fini(overrides);
	*overrides = loaded;
	return 0;
}

char *sl_overrides_save(const struct sl_overrides *overrides)
{
	json_t *list = json_array();
	json_t *root;
	char *text;

	for (uint32_t i = 0; i < overrides->n_items; i++) {
		const struct sl_override *item = &overrides->items[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:s, s:i, s:i}", "pool", item->pool,
		                        "backend", item->backend, "drain", (int)item->is_drained,
		                        "file_state", sl_name_of_admin(item->file_state), "weight",
		                        (int)item->weight, "file_weight", (int)item->file_weight));
	}
	root = json_pack("{s:i, s:o}", "version", 1, "overrides", list);
	text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	if (text == NULL)
		errno = ENOMEM;
	return text;
}
