// SPDX-License-Identifier: Apache-2.0
#include "config_words.h"

#include <ctype.h>
#include <stdlib.h>

#define WORD_MAX 64 // longer words are not guessed at

static int compare_bytes(const struct sl_word *a, const struct sl_word *b)
{
	size_t n = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
	int order = memcmp(a->bytes, b->bytes, n);

	if (order != 0)
		return order;
	return a->n_bytes < b->n_bytes ? -1 : a->n_bytes > b->n_bytes;
}

static int compare_words(const void *a, const void *b)
{
	const struct sl_word *x = a, *y = b;
	int order = compare_bytes(x, y);

	if (order != 0)
		return order;
	if (x->span->line != y->span->line)
		return x->span->line < y->span->line ? -1 : 1;
	return x->span->column < y->span->column ? -1 : x->span->column > y->span->column;
}

void sl_words_find_duplicates(struct sl_word *words, uint32_t n, sl_duplicate_fn found, void *ctx)
{
	uint32_t first = 0;

	qsort(words, n, sizeof(*words), compare_words);
	for (uint32_t i = 1; i < n; i++) {
		if (compare_bytes(&words[first], &words[i]) == 0)
			found(&words[i], &words[first], ctx);
		else
			first = i;
	}
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

// Optimal string alignment: insert, delete, replace, or swap two neighbours, one each. Letter case
// does not count, so that "TCP" is next to "tcp".
static unsigned int distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	unsigned int rows[3][WORD_MAX + 1];

	for (size_t j = 0; j <= n_b; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= n_a; i++) {
		unsigned int *row = rows[i % 3], *above = rows[(i - 1) % 3];
		const unsigned int *above2 = rows[(i + 1) % 3];
		int ca = tolower((unsigned char)a[i - 1]);

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= n_b; j++) {
			int cb = tolower((unsigned char)b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]) && above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
	}
	return rows[n_a % 3][n_b];
}

void sl_nearest_init(struct sl_nearest *nearest, const char *wanted)
{
	*nearest = (struct sl_nearest){
		.wanted = wanted,
		.best_distance = (unsigned int)(strnlen(wanted, WORD_MAX) + 2) / 3 + 1,
	};
}

void sl_nearest_offer(struct sl_nearest *nearest, const char *word)
{
	size_t n_wanted = strnlen(nearest->wanted, WORD_MAX + 1);
	size_t n_word = strnlen(word, WORD_MAX + 1);
	unsigned int d;

	if (n_wanted == 0 || n_wanted > WORD_MAX || n_word > WORD_MAX)
		return;
	d = distance(nearest->wanted, n_wanted, word, n_word);
	if (d < nearest->best_distance && d < n_word) {
		nearest->best = word;
		nearest->best_distance = d;
	}
}

const char *sl_nearest_text(const struct sl_nearest *nearest, char *buffer, size_t n_bytes)
{
	if (nearest->best == NULL)
		return "";
	snprintf(buffer, n_bytes, "; did you mean \"%s\"?", nearest->best);
	return buffer;
}
