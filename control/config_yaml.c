// SPDX-License-Identifier: Apache-2.0
#include "config_yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "config_words.h"

struct builder {
	yaml_parser_t parser;
	struct sl_arena *arena;
	struct sl_diag_list *diag;
	struct sl_node *root;
	struct sl_node *stack[SL_YAML_MAX_DEPTH]; // open lists and maps
	struct sl_node *keys[SL_YAML_MAX_DEPTH];  // key that waits for its value, per level
	uint32_t depth;
	bool is_failed; // what follows cannot be understood
};

static struct sl_span span_of(const yaml_mark_t *start, const yaml_mark_t *end)
{
	struct sl_span span = {.line = (uint32_t)start->line, .column = (uint32_t)start->column};

	if (end->line == start->line && end->column > start->column)
		span.n_columns = (uint32_t)(end->column - start->column);
	return span;
}

static void fail(struct builder *b, const struct sl_span *span, const char *message)
{
	sl_diag_error(b->diag, span, "%s", message);
	b->is_failed = true;
}

static void fail_syntax(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	struct sl_span span = span_of(&p->problem_mark, &p->problem_mark);
	const char *problem = p->problem != NULL ? p->problem : "not readable";

	b->is_failed = true;
	if (p->error == YAML_MEMORY_ERROR)
		sl_diag_error(b->diag, NULL, "out of memory");
	else if (p->error == YAML_READER_ERROR)
		sl_diag_error(b->diag, NULL, "not UTF-8 text: %s at byte %zu", problem,
		              p->problem_offset);
	else if (p->context != NULL)
		sl_diag_error(b->diag, &span, "not valid YAML: %s %s (line %zu)", problem,
		              p->context, p->context_mark.line + 1);
	else
		sl_diag_error(b->diag, &span, "not valid YAML: %s", problem);
}

// Hang a finished or opened node under the innermost open one.
static void attach(struct builder *b, struct sl_node *node)
{
	struct sl_node *parent = b->depth > 0 ? b->stack[b->depth - 1] : NULL;

	if (parent == NULL) {
		b->root = node;
		return;
	}
	if (parent->kind == SL_NODE_MAP && b->keys[b->depth - 1] == NULL) {
		if (node->kind != SL_NODE_SCALAR) {
			sl_diag_error(b->diag, &node->span, "a key must be a word, not a %s",
			              node->kind == SL_NODE_LIST ? "list" : "map");
			node->text = "";
			node->is_bad = true;
		}
		b->keys[b->depth - 1] = node;
		return;
	}
	node->key = b->keys[b->depth - 1];
	b->keys[b->depth - 1] = NULL;
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->n_children++;
}

static struct sl_node *new_node(struct builder *b, const yaml_event_t *event,
                                enum sl_node_kind kind)
{
	struct sl_node *node = sl_arena_alloc(b->arena, sizeof(*node));

	if (node == NULL) {
		fail(b, NULL, "out of memory");
		return NULL;
	}
	node->kind = kind;
	node->span = span_of(&event->start_mark, &event->end_mark);
	if (kind != SL_NODE_SCALAR)
		node->span.n_columns = 1;
	return node;
}

static void refuse_extras(struct builder *b, struct sl_node *node, const yaml_char_t *anchor,
                          const yaml_char_t *tag)
{
	if (anchor != NULL) {
		sl_diag_error(b->diag, &node->span,
		              "anchor \"&%s\" is not accepted; write the value where it is used",
		              (const char *)anchor);
		node->is_bad = true;
	}
	if (tag != NULL) {
		sl_diag_error(b->diag, &node->span,
		              "tag \"%s\" is not accepted; the key decides the type",
		              (const char *)tag);
		node->is_bad = true;
	}
}

static void add_scalar(struct builder *b, const yaml_event_t *event)
{
	struct sl_node *node = new_node(b, event, SL_NODE_SCALAR);

	if (node == NULL)
		return;
	node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text_bytes = event->data.scalar.length;
	node->text = sl_arena_text(b->arena, event->data.scalar.value, node->text_bytes);
	if (node->text == NULL) {
		fail(b, NULL, "out of memory");
		return;
	}
	// "\0" in double quotes: the text would end early for everything that reads it.
	if (strlen(node->text) != node->text_bytes) {
		sl_diag_error(b->diag, &node->span, "NUL character in a text");
		node->is_bad = true;
	}
	refuse_extras(b, node, event->data.scalar.anchor, event->data.scalar.tag);
	attach(b, node);
}

static void add_alias(struct builder *b, const yaml_event_t *event)
{
	struct sl_node *node = new_node(b, event, SL_NODE_SCALAR);

	if (node == NULL)
		return;
	node->text = "";
	node->is_bad = true;
	sl_diag_error(b->diag, &node->span,
	              "alias \"*%s\" is not accepted; write the value where it is used",
	              (const char *)event->data.alias.anchor);
	attach(b, node);
}

static void open_node(struct builder *b, const yaml_event_t *event, enum sl_node_kind kind)
{
	struct sl_node *node = new_node(b, event, kind);

	if (node == NULL)
		return;
	if (kind == SL_NODE_MAP)
		refuse_extras(b, node, event->data.mapping_start.anchor,
		              event->data.mapping_start.tag);
	else
		refuse_extras(b, node, event->data.sequence_start.anchor,
		              event->data.sequence_start.tag);
	attach(b, node);
	if (b->depth == SL_YAML_MAX_DEPTH) {
		fail(b, &node->span, "nested too deeply; nothing here needs more than 16 levels");
		return;
	}
	b->keys[b->depth] = NULL;
	b->stack[b->depth++] = node;
}

static void refuse_duplicate(const struct sl_word *later, const struct sl_word *first, void *ctx)
{
	struct builder *b = ctx;

	sl_diag_error(b->diag, later->span, "duplicate key \"%.64s\"; first on line %u",
	              (const char *)later->bytes, first->span->line + 1);
}

static void close_node(struct builder *b)
{
	struct sl_node *node = b->stack[--b->depth];
	struct sl_word *words;
	uint32_t n = 0;

	if (node->kind != SL_NODE_MAP || node->n_children < 2)
		return;
	words = calloc(node->n_children, sizeof(*words));
	if (words == NULL) {
		fail(b, NULL, "out of memory");
		return;
	}
	for (const struct sl_node *c = node->first; c != NULL; c = c->next)
		if (!c->key->is_bad)
			words[n++] =
				(struct sl_word){c->key->text, c->key->text_bytes, &c->key->span};
	sl_words_find_duplicates(words, n, refuse_duplicate, b);
	free(words);
}

static void start_document(struct builder *b, const yaml_event_t *event)
{
	struct sl_span span = span_of(&event->start_mark, &event->end_mark);

	if (b->root != NULL)
		fail(b, &span, "a second document starts here; one file holds one document");
	else if (event->data.document_start.version_directive != NULL ||
	         event->data.document_start.tag_directives.start !=
	                 event->data.document_start.tag_directives.end)
		sl_diag_error(b->diag, &span, "directives (%%...) are not accepted");
}

static void handle(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		start_document(b, event);
		break;
	case YAML_ALIAS_EVENT:
		add_alias(b, event);
		break;
	case YAML_SCALAR_EVENT:
		add_scalar(b, event);
		break;
	case YAML_SEQUENCE_START_EVENT:
		open_node(b, event, SL_NODE_LIST);
		break;
	case YAML_MAPPING_START_EVENT:
		open_node(b, event, SL_NODE_MAP);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_node(b);
		break;
	default:
		break;
	}
}

struct sl_node *sl_yaml_parse(const char *text, size_t n_bytes, struct sl_arena *arena,
                              struct sl_diag_list *diag)
{
	struct builder b = {.arena = arena, .diag = diag};
	bool is_end = false;

	if (yaml_parser_initialize(&b.parser) == 0) {
		sl_diag_error(diag, NULL, "out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, n_bytes);
	while (!is_end && !b.is_failed) {
		yaml_event_t event;

		if (yaml_parser_parse(&b.parser, &event) == 0) {
			fail_syntax(&b);
			break;
		}
		handle(&b, &event);
		is_end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&b.parser);
	if (!b.is_failed && b.root == NULL)
		sl_diag_error(diag, NULL, "the file holds no configuration");
	return b.is_failed ? NULL : b.root;
}

struct sl_node *sl_node_find(const struct sl_node *map, const char *key)
{
	if (map == NULL || map->kind != SL_NODE_MAP)
		return NULL;
	for (struct sl_node *node = map->first; node != NULL; node = node->next)
		if (strcmp(node->key->text, key) == 0)
			return node;
	return NULL;
}

struct sl_node *sl_node_good(const struct sl_node *map, const char *key)
{
	struct sl_node *node = sl_node_find(map, key);

	return node != NULL && !node->is_bad ? node : NULL;
}

const struct sl_span *sl_node_place(const struct sl_node *node)
{
	return node->key != NULL ? &node->key->span : &node->span;
}

bool sl_node_is_null(const struct sl_node *node)
{
	return node->kind == SL_NODE_SCALAR && !node->is_quoted &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
	        strcmp(node->text, "null") == 0);
}
