// SPDX-License-Identifier: Apache-2.0
// Form of the decision tree: what tools/train_classifier.py writes, and classify.c walks.
// A node goes to low when its feature is at most the threshold, else to high; a leaf has the kind
// in low, its confidence in threshold and the margin to the next class in high, both in percent.
#ifndef SLUICE_CORE_CLASSIFIER_TREE_H
#define SLUICE_CORE_CLASSIFIER_TREE_H

#include <stdint.h>

#define SL_TREE_LEAF  255
#define SL_TREE_DEPTH 8

struct sl_tree_node {
	uint8_t feature, threshold, low, high;
};

#endif
