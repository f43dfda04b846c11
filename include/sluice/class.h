// SPDX-License-Identifier: Apache-2.0
// What a flow is: three classes that an operator reads and decides by, and kinds below them that
// say why. One list each: enums, words and the table from kind to class cannot disagree.
#ifndef SLUICE_CLASS_H
#define SLUICE_CLASS_H

// X(enum suffix, word)
#define SL_CLASS_LIST(X)                                                                           \
	X(GENERAL, "general")                                                                      \
	X(INFERENCE, "inference")                                                                  \
	X(TRAINING, "training")

// X(enum suffix, word, class, what it is)
#define SL_KIND_LIST(X)                                                                            \
	X(OTHER, "other", GENERAL, "web, databases, shells: whatever is none of the below")        \
	X(CONTROL, "control", GENERAL, "keeps the rest going: name service, clock, routing")       \
	X(STREAM, "stream", INFERENCE, "answers that come token by token")                         \
	X(UNARY, "unary", INFERENCE, "one answer at once: embeddings, classic models")             \
	X(COLLECTIVE, "collective", TRAINING, "gradients and parameters between ranks")            \
	X(BULK, "bulk", TRAINING, "as much as the path carries, for whatever reason")              \
	X(CHECKPOINT, "checkpoint", TRAINING, "bulk towards a server")                             \
	X(DATASET, "dataset", TRAINING, "bulk from a server")                                      \
	X(RDMA, "rdma", TRAINING, "RoCEv2: must never be balanced or translated")

enum sl_class {
#define X(name, word) SL_CLASS_##name,
	SL_CLASS_LIST(X)
#undef X
		SL_CLASS_COUNT
};

enum sl_kind {
#define X(name, word, class_, help) SL_KIND_##name,
	SL_KIND_LIST(X)
#undef X
		SL_KIND_COUNT
};

static inline enum sl_class sl_class_of(unsigned int kind)
{
	static const unsigned char classes[SL_KIND_COUNT] = {
#define X(name, word, class_, help) SL_CLASS_##class_,
		SL_KIND_LIST(X)
#undef X
	};

	return (enum sl_class)classes[kind];
}

static inline const char *sl_class_word(unsigned int class_)
{
	static const char *const words[SL_CLASS_COUNT] = {
#define X(name, word) word,
		SL_CLASS_LIST(X)
#undef X
	};

	return words[class_];
}

static inline const char *sl_kind_word(unsigned int kind)
{
	static const char *const words[SL_KIND_COUNT] = {
#define X(name, word, class_, help) word,
		SL_KIND_LIST(X)
#undef X
	};

	return words[kind];
}

#endif
