// SPDX-License-Identifier: Apache-2.0
// Words of a file compared with each other: which are the same, which was probably meant.
#ifndef SLUICE_CONTROL_CONFIG_WORDS_H
#define SLUICE_CONTROL_CONFIG_WORDS_H

#include "config_diag.h"

struct sl_word {
	const void *bytes;
	size_t n_bytes;
	const struct sl_span *span;
};

typedef void (*sl_duplicate_fn)(const struct sl_word *later, const struct sl_word *first,
                                void *ctx);

// Calls found for every word that stands in the file again. Sorts the words; n log n.
void sl_words_find_duplicates(struct sl_word *words, uint32_t n, sl_duplicate_fn found, void *ctx);

// Remembers the nearest of the words it is shown; close enough means about a third of the letters.
struct sl_nearest {
	const char *wanted;
	const char *best; // NULL: none is near
	unsigned int best_distance;
};
void sl_nearest_init(struct sl_nearest *nearest, const char *wanted);
void sl_nearest_offer(struct sl_nearest *nearest, const char *word);

// `; did you mean "x"?` or "".
const char *sl_nearest_text(const struct sl_nearest *nearest, char *buffer, size_t n_bytes);

#endif
