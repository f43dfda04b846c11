// SPDX-License-Identifier: Apache-2.0
#include "config_fill.h"

#include "config_value.h"
#include "config_words.h"

#define SHOWN 48

static void fill_value(struct sl_fill *f, const struct sl_schema_key *key, struct sl_node *node,
                       void *base);

// What stands there, for "expected X, found ...".
static void describe(const struct sl_node *node, char *text, size_t n_bytes)
{
	if (sl_node_is_null(node))
		snprintf(text, n_bytes, "nothing");
	else if (node->kind == SL_NODE_SCALAR)
		snprintf(text, n_bytes, "\"%.*s\"", SHOWN, node->text);
	else
		snprintf(text, n_bytes, "a %s", node->kind == SL_NODE_LIST ? "list" : "map");
}

static void refuse_kind(struct sl_fill *f, struct sl_node *node, const char *name,
                        const char *expected)
{
	char found[SHOWN + 8];

	node->is_bad = true;
	describe(node, found, sizeof(found));
	sl_diag_error(f->diag, sl_node_is_null(node) ? sl_node_place(node) : &node->span,
	              "%.64s: expected %s, found %s", name, expected, found);
}

static bool is_number(enum sl_value_type type)
{
	return type == SL_VALUE_INTEGER || type == SL_VALUE_COUNT;
}

static void fill_scalar(struct sl_fill *f, const struct sl_schema_key *key, struct sl_node *node,
                        void *out)
{
	char why[SL_VALUE_WHY_BYTES];

	if (node->kind != SL_NODE_SCALAR || sl_node_is_null(node)) {
		refuse_kind(f, node, key->name, "a value");
		return;
	}
	if (is_number(key->type) && node->is_quoted) {
		node->is_bad = true;
		sl_diag_error(f->diag, &node->span,
		              "%s: expected a number, found text; remove the quotes", key->name);
		return;
	}
	if (sl_value_parse(key, node->text, out, why) != 0) {
		node->is_bad = true;
		sl_diag_error(f->diag, &node->span, "%s: %s", key->name, why);
	}
}

static void check_count(struct sl_fill *f, const struct sl_schema_key *key, struct sl_node *node)
{
	const char *what = key->item->name;

	if (node->n_children < key->min) {
		node->is_bad = true;
		sl_diag_error(f->diag, sl_node_place(node), "%s: needs at least one %s", key->name,
		              what);
	} else if (node->n_children > key->max) {
		node->is_bad = true;
		sl_diag_error(f->diag, sl_node_place(node), "%s: %u are more than the most, %ju",
		              key->name, node->n_children, (uintmax_t)key->max);
	}
}

static void *new_items(struct sl_fill *f, const struct sl_schema_key *key, uint32_t n,
                       struct raw_list *list)
{
	list->items = sl_arena_alloc(f->arena, (size_t)n * key->item_bytes);
	if (list->items == NULL) {
		f->is_out_of_memory = true;
		return NULL;
	}
	list->n = n;
	return list->items;
}

// The one word that stands for a list, as in `ports: any`.
static void fill_all(struct sl_fill *f, const struct sl_schema_key *key, struct sl_node *node,
                     struct raw_list *list)
{
	struct sl_schema_key whole = *key->item;
	char why[SL_VALUE_WHY_BYTES];
	char *item = new_items(f, key, 1, list);

	if (item == NULL)
		return;
	whole.min = 0;
	*(const struct sl_node **)(void *)item = node;
	(void)sl_value_parse(&whole, key->all_item, item + whole.offset, why);
}

static void fill_list(struct sl_fill *f, const struct sl_schema_key *key, struct sl_node *node,
                      struct raw_list *list)
{
	bool is_named = key->type == SL_VALUE_NAMED;
	char expected[64];
	char *item;

	if (key->all_word != NULL && node->kind == SL_NODE_SCALAR &&
	    strcmp(node->text, key->all_word) == 0) {
		fill_all(f, key, node, list);
		return;
	}
	if (node->kind != (is_named ? SL_NODE_MAP : SL_NODE_LIST)) {
		snprintf(expected, sizeof(expected), "a %s%s%s",
		         is_named ? "map from names" : "list",
		         key->all_word != NULL ? " or the word " : "",
		         key->all_word != NULL ? key->all_word : "");
		refuse_kind(f, node, key->name, expected);
		return;
	}
	check_count(f, key, node);
	item = new_items(f, key, node->n_children, list);
	if (item == NULL)
		return;
	for (struct sl_node *c = node->first; c != NULL; c = c->next, item += key->item_bytes) {
		static const struct sl_schema_key name_key = {"name", SL_VALUE_NAME};
		const char *name;
		char why[SL_VALUE_WHY_BYTES];

		if (is_named && !c->key->is_bad &&
		    sl_value_parse(&name_key, c->key->text, &name, why) != 0) {
			c->key->is_bad = true;
			sl_diag_error(f->diag, &c->key->span, "name of a %s: %s", key->item->name,
			              why);
		}
		*(const struct sl_node **)(void *)item = c;
		fill_value(f, key->item, c, item);
	}
}

static void fill_value(struct sl_fill *f, const struct sl_schema_key *key, struct sl_node *node,
                       void *base)
{
	void *out = (char *)base + key->offset;

	if (node->is_bad && node->kind == SL_NODE_SCALAR)
		return; // already reported where it was read
	if (key->type == SL_VALUE_MAP)
		sl_fill_object(f, key->object, node, out);
	else if (key->type == SL_VALUE_LIST || key->type == SL_VALUE_NAMED)
		fill_list(f, key, node, out);
	else
		fill_scalar(f, key, node, out);
}

static void fill_default(struct sl_fill *f, const struct sl_schema_key *key, void *base)
{
	void *out = (char *)base + key->offset;
	char why[SL_VALUE_WHY_BYTES];

	if (key->type == SL_VALUE_MAP)
		sl_fill_object(f, key->object, NULL, out);
	else if (key->default_text != NULL)
		(void)sl_value_parse(key, key->default_text, out, why); // tests parse them all
}

static void refuse_unknown(struct sl_fill *f, const struct sl_schema_object *object,
                           struct sl_node *node)
{
	struct sl_nearest nearest;
	char hint[96];

	node->is_bad = true;
	if (node->key->is_bad)
		return; // not a word, an alias: reported already
	sl_nearest_init(&nearest, node->key->text);
	if (!sl_diag_is_full(f->diag))
		for (uint32_t i = 0; i < object->n_keys; i++)
			sl_nearest_offer(&nearest, object->keys[i].name);
	sl_diag_error(f->diag, &node->key->span, "unknown key \"%.*s\" in %s%s", SHOWN,
	              node->key->text, object->what, sl_nearest_text(&nearest, hint, sizeof(hint)));
}

static const struct sl_schema_key *find_key(const struct sl_schema_object *object, const char *name)
{
	for (uint32_t i = 0; i < object->n_keys; i++)
		if (strcmp(object->keys[i].name, name) == 0)
			return &object->keys[i];
	return NULL;
}

// A key of another kind of the same object, such as the path of a tcp probe.
static void refuse_misplaced(struct sl_fill *f, const struct sl_schema_object *object,
                             const struct sl_schema_key *key, struct sl_node *node, uint64_t kind)
{
	const struct sl_schema_key *selector = find_key(object, object->selector);
	char owners[64];
	size_t n = 0;

	owners[0] = '\0';
	for (uint32_t i = 0; selector->words[i] != NULL; i++)
		if ((key->only_for & (1u << i)) != 0)
			n += (size_t)snprintf(owners + n, sizeof(owners) - n, "%s%s",
			                      n > 0 ? " and " : "", selector->words[i]);
	node->is_bad = true;
	sl_diag_error(f->diag, &node->key->span, "%s is no key of a %s %s; it belongs to %s",
	              key->name, selector->words[kind], object->what, owners);
}

static void fill_keys(struct sl_fill *f, const struct sl_schema_object *object,
                      struct sl_node *node, void *out)
{
	const struct sl_node *selected = NULL;
	const struct sl_schema_key *selector = NULL;

	if (object->selector != NULL) {
		selector = find_key(object, object->selector);
		selected = sl_node_find(node, object->selector);
		if (selected != NULL)
			fill_value(f, selector, sl_node_find(node, object->selector), out);
	}
	for (struct sl_node *c = node->first; c != NULL; c = c->next) {
		const struct sl_schema_key *key = find_key(object, c->key->text);

		if (key == NULL) {
			refuse_unknown(f, object, c);
			continue;
		}
		if (key == selector)
			continue;
		if (key->only_for != 0 && selected != NULL && !selected->is_bad) {
			uint64_t kind = *(uint64_t *)(void *)((char *)out + selector->offset);

			if ((key->only_for & (1u << kind)) == 0) {
				refuse_misplaced(f, object, key, c, kind);
				continue;
			}
		}
		fill_value(f, key, c, out);
	}
}

void sl_fill_object(struct sl_fill *f, const struct sl_schema_object *object, struct sl_node *node,
                    void *out)
{
	for (uint32_t i = 0; i < object->n_keys; i++)
		fill_default(f, &object->keys[i], out);
	if (node == NULL)
		return;
	*(const struct sl_node **)out = node;
	if (node->kind != SL_NODE_MAP) {
		refuse_kind(f, node, object->what, "a map of keys");
		return;
	}
	fill_keys(f, object, node, out);
	for (uint32_t i = 0; i < object->n_keys; i++)
		if (object->keys[i].is_required && sl_node_find(node, object->keys[i].name) == NULL)
			sl_diag_error(f->diag, sl_node_place(node), "missing key \"%s\" in %s",
			              object->keys[i].name, object->what);
}
