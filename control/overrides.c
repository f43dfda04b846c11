// SPDX-License-Identifier: Apache-2.0
#include "overrides.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "names.h"
#include "sluice/units.h"

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
                           const struct sl_model_backend *backend, bool is_drained,
                           const struct sl_override_note *note)
{
	struct sl_override *item = find_or_add(overrides, pool, backend->name);

	if (item == NULL)
		return -ENOMEM;
	item->is_drained = is_drained;
	item->file_state = backend->state;
	item->drain_note = *note;
	remove_if_empty(overrides, item);
	return 0;
}

int sl_overrides_set_weight(struct sl_overrides *overrides, const char *pool,
                            const struct sl_model_backend *backend, int32_t weight,
                            const struct sl_override_note *note)
{
	struct sl_override *item = find_or_add(overrides, pool, backend->name);

	if (item == NULL)
		return -ENOMEM;
	item->weight = weight;
	item->file_weight = backend->weight;
	item->weight_note = *note;
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

// Why each of the two values of an item has to go; NULL = it stays.
struct verdict {
	const char *drain;
	const char *weight;
};

static uint32_t drop(struct sl_overrides *overrides, struct sl_override *item,
                     const struct verdict *verdict, sl_override_dropped_fn dropped, void *ctx)
{
	uint32_t n_dropped = 0;

	if (item->is_drained && verdict->drain != NULL) {
		dropped(ctx, item, &item->drain_note, verdict->drain);
		item->is_drained = false;
		n_dropped++;
	}
	if (item->weight >= 0 && verdict->weight != NULL) {
		dropped(ctx, item, &item->weight_note, verdict->weight);
		item->weight = -1;
		n_dropped++;
	}
	remove_if_empty(overrides, item);
	return n_dropped;
}

// From the last to the first: what drop() moves up has been looked at.
uint32_t sl_overrides_reconcile(struct sl_overrides *overrides, const struct sl_model *model,
                                sl_override_dropped_fn dropped, void *ctx)
{
	uint32_t n_dropped = 0;

	for (uint32_t i = overrides->n_items; i-- > 0;) {
		struct sl_override *item = &overrides->items[i];
		const struct sl_model_backend *be = find_backend(model, item);
		struct verdict verdict = {0};

		if (be == NULL) {
			verdict.drain = "drain: no such backend any more";
			verdict.weight = "weight: no such backend any more";
		} else {
			if (be->state != item->file_state)
				verdict.drain = "drain: the file's state changed";
			if (be->weight != item->file_weight)
				verdict.weight = "weight: the file's weight changed";
		}
		n_dropped += drop(overrides, item, &verdict, dropped, ctx);
	}
	return n_dropped;
}

static bool is_over(const struct sl_override_note *note, uint64_t now_ns)
{
	return note->ttl_s != 0 && now_ns >= note->expires_ns;
}

uint32_t sl_overrides_expire(struct sl_overrides *overrides, uint64_t now_ns,
                             sl_override_dropped_fn dropped, void *ctx)
{
	uint32_t n_dropped = 0;

	for (uint32_t i = overrides->n_items; i-- > 0;) {
		struct sl_override *item = &overrides->items[i];
		const struct verdict verdict = {
			is_over(&item->drain_note, now_ns) ? "drain: its time is over" : NULL,
			is_over(&item->weight_note, now_ns) ? "weight: its time is over" : NULL,
		};

		n_dropped += drop(overrides, item, &verdict, dropped, ctx);
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

// Files of before there were notes have none: their overrides have no owner and no end.
static int load_note(struct sl_override_note *note, json_t *json,
                     const struct sl_override_clock *clock)
{
	const char *owner, *reason;
	json_int_t ttl_s, expires_unix_s, left_s;

	*note = (struct sl_override_note){0};
	if (json == NULL)
		return 0;
	if (json_unpack(json, "{s:s, s:s, s:I, s:I}", "owner", &owner, "reason", &reason,
	                "ttl_seconds", &ttl_s, "expires_unix_seconds", &expires_unix_s) != 0 ||
	    strlen(owner) >= sizeof(note->owner) || strlen(reason) >= sizeof(note->reason) ||
	    ttl_s < 0 || ttl_s > SL_OVERRIDE_TTL_MAX_S || expires_unix_s < 0)
		return -EINVAL;
	snprintf(note->owner, sizeof(note->owner), "%s", owner);
	snprintf(note->reason, sizeof(note->reason), "%s", reason);
	note->ttl_s = (uint32_t)ttl_s;
	left_s = expires_unix_s > clock->unix_s ? expires_unix_s - clock->unix_s : 0;
	if (left_s > ttl_s)
		left_s = ttl_s;
	note->expires_ns = clock->now_ns + (uint64_t)left_s * SL_NS_PER_S;
	return 0;
}

static int load_item(struct sl_overrides *overrides, json_t *json,
                     const struct sl_override_clock *clock)
{
	const char *pool, *backend, *file_state;
	json_t *drain_note = NULL, *weight_note = NULL;
	int is_drained, weight, file_weight;
	struct sl_override *item;
	uint8_t state;

	if (json_unpack(json, "{s:s, s:s, s:b, s:s, s:i, s:i, s?o, s?o}", "pool", &pool, "backend",
	                &backend, "drain", &is_drained, "file_state", &file_state, "weight",
	                &weight, "file_weight", &file_weight, "drain_note", &drain_note,
	                "weight_note", &weight_note) != 0 ||
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
	if (load_note(&item->drain_note, drain_note, clock) != 0 ||
	    load_note(&item->weight_note, weight_note, clock) != 0)
		return -EINVAL;
	return 0;
}

int sl_overrides_load(struct sl_overrides *overrides, const char *text, size_t n_bytes,
                      const struct sl_override_clock *clock)
{
	struct sl_overrides loaded = {0};
	json_t *root = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_object_get(root, "overrides"), *json;
	int err = json_is_array(list) ? 0 : -EINVAL;
	size_t i;

	json_array_foreach(list, i, json)
	{
		if (err == 0)
			err = load_item(&loaded, json, clock);
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

static json_t *save_note(const struct sl_override_note *note, const struct sl_override_clock *clock)
{
	uint64_t left_ns = note->expires_ns > clock->now_ns ? note->expires_ns - clock->now_ns : 0;

	return json_pack("{s:s, s:s, s:I, s:I}", "owner", note->owner, "reason", note->reason,
	                 "ttl_seconds", (json_int_t)note->ttl_s, "expires_unix_seconds",
	                 (json_int_t)clock->unix_s + (json_int_t)(left_ns / SL_NS_PER_S));
}

char *sl_overrides_save(const struct sl_overrides *overrides, const struct sl_override_clock *clock)
{
	json_t *list = json_array();
	json_t *root;
	char *text;

	for (uint32_t i = 0; i < overrides->n_items; i++) {
		const struct sl_override *item = &overrides->items[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:b, s:s, s:i, s:i, s:o, s:o}", "pool", item->pool,
		                  "backend", item->backend, "drain", (int)item->is_drained,
		                  "file_state", sl_name_of_admin(item->file_state), "weight",
		                  (int)item->weight, "file_weight", (int)item->file_weight,
		                  "drain_note", save_note(&item->drain_note, clock), "weight_note",
		                  save_note(&item->weight_note, clock)));
	}
	root = json_pack("{s:i, s:o}", "version", 1, "overrides", list);
	text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	if (text == NULL)
		errno = ENOMEM;
	return text;
}
