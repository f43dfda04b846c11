// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the word of a list that takes the fewest changes to reach from what was typed.
#ifndef SLUICE_CONTROL_NEAREST_H
#define SLUICE_CONTROL_NEAREST_H

#include <stddef.h>

// Borrowed from words; NULL when nothing is near enough to be what was meant.
const char *sl_nearest_word(const char *typed, const char *const *words, size_t n_words);

#endif
