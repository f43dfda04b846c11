// SPDX-License-Identifier: Apache-2.0
// A sweep over the prefixes in order of address with a stack of those that are open: prefixes nest
// or are apart, they never overlap in part.
#include "acl.h"

#include <endian.h>
#include <stdlib.h>

#define MAX_OPEN 130 // everybody, and prefixes that hold one address: lengths 0 to 128

struct span {
	uint64_t high, low;           // first address
	uint64_t last_high, last_low; // last address
	uint8_t bits;                 // of 128
	bool is_allowed;
};

struct sweep {
	struct sl_acl_range *ranges;
	uint32_t n_ranges;
	struct span open[MAX_OPEN];
	uint32_t n_open;
};

static bool is_before(uint64_t high_a, uint64_t low_a, uint64_t high_b, uint64_t low_b)
{
	return high_a != high_b ? high_a < high_b : low_a < low_b;
}

static void load(const struct sl_ip *ip, uint64_t *high, uint64_t *low)
{
	memcpy(high, ip->bytes, sizeof(*high));
	memcpy(low, ip->bytes + 8, sizeof(*low));
	*high = be64toh(*high);
	*low = be64toh(*low);
}

static uint64_t host_mask(uint32_t bits)
{
	return bits >= 64 ? 0 : UINT64_MAX >> bits;
}

static struct span span_of(const struct sl_wire_prefix *prefix)
{
	struct span s = {.is_allowed = prefix->action == SL_WIRE_ALLOW};

	s.bits = (uint8_t)(prefix->bits + (sl_ip_is_v4(&prefix->address) ? 96 : 0));
	load(&prefix->address, &s.high, &s.low);
	s.last_high = s.high | host_mask(s.bits);
	s.last_low = s.low | (s.bits <= 64 ? UINT64_MAX : host_mask(s.bits - 64u));
	return s;
}

static int by_address(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->bits != y->bits)
		return x->bits < y->bits ? -1 : 1;
	return x->is_allowed - y->is_allowed; // deny first: it is the one that stays
}

static void emit(struct sweep *w, uint64_t high, uint64_t low, bool is_allowed)
{
	struct sl_acl_range *last = &w->ranges[w->n_ranges - 1];

	if (last->high == high && last->low == low) {
		last->is_allowed = is_allowed;
		return;
	}
	w->ranges[w->n_ranges++] = (struct sl_acl_range){high, low, is_allowed};
}

// What comes after the innermost open prefix belongs to the one around it.
static void close_one(struct sweep *w)
{
	const struct span *s = &w->open[--w->n_open];
	uint64_t low = s->last_low + 1, high = s->last_high + (low == 0);

	if ((high | low) != 0)
		emit(w, high, low, w->open[w->n_open - 1].is_allowed);
}

static void open_one(struct sweep *w, const struct span *s)
{
	const struct span *top = &w->open[w->n_open - 1];

	while (w->n_open > 1 && is_before(top->last_high, top->last_low, s->high, s->low)) {
		close_one(w);
		top = &w->open[w->n_open - 1];
	}
	if (w->n_open > 1 && top->bits == s->bits)
		return; // the same prefix again
	emit(w, s->high, s->low, s->is_allowed);
	w->open[w->n_open++] = *s;
}

uint32_t sl_acl_build(struct sl_acl_range *ranges, const struct sl_wire_prefix *prefixes,
                      uint32_t n_prefixes)
{
	struct span *spans = malloc((n_prefixes + 1) * sizeof(*spans));
	struct sweep w = {.ranges = ranges, .n_open = 1};
	bool has_allow = false;

	if (spans == NULL)
		return 0;
	for (uint32_t i = 0; i < n_prefixes; i++) {
		spans[i] = span_of(&prefixes[i]);
		has_allow |= spans[i].is_allowed;
	}
	qsort(spans, n_prefixes, sizeof(*spans), by_address);
	w.open[0] = (struct span){.is_allowed = !has_allow};
	w.ranges[w.n_ranges++] = (struct sl_acl_range){0, 0, !has_allow};
	for (uint32_t i = 0; i < n_prefixes; i++)
		open_one(&w, &spans[i]);
	while (w.n_open > 1)
		close_one(&w);
	free(spans);
	return w.n_ranges;
}

bool sl_acl_allows(const struct sl_acl_range *ranges, uint32_t n_ranges, const struct sl_ip *ip)
{
	uint32_t first = 0, n = n_ranges;
	uint64_t high, low;

	if (n_ranges == 0)
		return true;
	load(ip, &high, &low);
	while (n > 1) { // the answer is in [first, first + n)
		uint32_t half = n / 2;
		const struct sl_acl_range *r = &ranges[first + half];

		if (!is_before(high, low, r->high, r->low))
			first += half;
		n -= is_before(high, low, r->high, r->low) ? n - half : half;
	}
	return ranges[first].is_allowed;
}
