// SPDX-License-Identifier: Apache-2.0
#include "nearest.h"

#include <string.h>

#define MAX_LETTERS 96 // longer words are compared by their beginning

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

// Levenshtein distance, one row at a time.
static size_t distance(const char *a, const char *b)
{
	size_t n_a = strnlen(a, MAX_LETTERS), n_b = strnlen(b, MAX_LETTERS);
	size_t row[MAX_LETTERS + 1];

	for (size_t j = 0; j <= n_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n_b];
}

const char *sl_nearest_word(const char *typed, const char *const *words, size_t n_words)
{
	// A third of the letters wrong is still a slip; more is another word.
	size_t best = strnlen(typed, MAX_LETTERS) / 3 + 2;
	const char *word = NULL;

	for (size_t i = 0; i < n_words; i++) {
		size_t d = distance(typed, words[i]);

		if (d < best) {
			best = d;
			word = words[i];
		}
	}
	return word;
}
