// SPDX-License-Identifier: Apache-2.0
// The index holds row + 1. A deleted slot becomes a tombstone, so that a worker's probe sequence is
// never cut, and tombstones before an empty slot become empty again, so that they cannot pile up.
#include "neigh.h"

#include "hash.h"

#define REACHABLE_NS (30 * SL_NS_PER_S) // RFC 4861 section 10, REACHABLE_TIME
#define ASK_NS       (1 * SL_NS_PER_S)  // RETRANS_TIMER there
#define ASK_MAX      3                  // MAX_UNICAST_SOLICIT and MAX_MULTICAST_SOLICIT there
#define HOST_UNUSED_NS                                                                             \
	(600 * SL_NS_PER_S) // RFC 1122 2.3.2.1 wants minutes; ours outlives UDP flows
#define FAILED_UNUSED_NS (10 * SL_NS_PER_S) // RFC 6583: unanswered entries go first
// A worker that found the row just before it was freed has long finished its burst.
#define REST_NS   (1 * SL_NS_PER_S)
#define SLOT_FREE 0u
#define SLOT_GONE UINT32_MAX

_Static_assert((SL_NEIGH_INDEX_SLOTS & (SL_NEIGH_INDEX_SLOTS - 1)) == 0, "masks need a power of 2");

static uint32_t first_slot(const struct sl_neigh_table *nt, const struct sl_ip *address,
                           uint16_t port)
{
	uint64_t high, low;

	memcpy(&high, &address->bytes[0], sizeof(high));
	memcpy(&low, &address->bytes[8], sizeof(low));
	return (uint32_t)sl_mix64(sl_mix64(sl_mix64(nt->seed ^ low) ^ high) ^ port) &
	       (SL_NEIGH_INDEX_SLOTS - 1);
}

static uint32_t next_slot(uint32_t slot)
{
	return (slot + 1) & (SL_NEIGH_INDEX_SLOTS - 1);
}

// Acquire: whoever sees the row's number sees its address.
static uint32_t load_slot(const struct sl_neigh_table *nt, uint32_t slot)
{
	return atomic_load_explicit(&nt->index[slot], memory_order_acquire);
}

static void store_slot(struct sl_neigh_table *nt, uint32_t slot, uint32_t value)
{
	atomic_store_explicit(&nt->index[slot], value, memory_order_release);
}

struct place {
	uint32_t slot;
	uint32_t value; // row + 1; SLOT_FREE: not in the index
};

// Rows fill a quarter of the slots at most, so an empty one ends every search. The value is the one
// that was compared: a worker must not read the slot again, it may hold another row by then.
static struct place find_place(const struct sl_neigh_table *nt, const struct sl_ip *address,
                               uint16_t port)
{
	uint32_t slot = first_slot(nt, address, port);

	for (uint32_t n = 0; n < SL_NEIGH_INDEX_SLOTS; n++, slot = next_slot(slot)) {
		uint32_t value = load_slot(nt, slot);
		const struct sl_neigh *row;

		if (value == SLOT_FREE)
			break;
		if (value == SLOT_GONE)
			continue;
		row = &nt->rows[value - 1];
		if (row->port == port && sl_ip_equal(&row->address, address))
			return (struct place){.slot = slot, .value = value};
	}
	return (struct place){.slot = slot, .value = SLOT_FREE};
}

static void index_add(struct sl_neigh_table *nt, uint16_t row)
{
	uint32_t slot = first_slot(nt, &nt->rows[row].address, nt->rows[row].port);

	while (load_slot(nt, slot) != SLOT_FREE && load_slot(nt, slot) != SLOT_GONE)
		slot = next_slot(slot);
	store_slot(nt, slot, row + 1u);
}

static void index_remove(struct sl_neigh_table *nt, uint16_t row)
{
	uint32_t slot = find_place(nt, &nt->rows[row].address, nt->rows[row].port).slot;

	store_slot(nt, slot, SLOT_GONE);
	if (load_slot(nt, next_slot(slot)) != SLOT_FREE)
		return;
	// Nothing can lie beyond: this tombstone and those right before it stop no search too
	// early.
	while (load_slot(nt, slot) == SLOT_GONE) {
		store_slot(nt, slot, SLOT_FREE);
		slot = (slot - 1) & (SL_NEIGH_INDEX_SLOTS - 1);
	}
}

void sl_neigh_init(struct sl_neigh_table *nt, struct sl_neigh *rows, _Atomic uint32_t *index,
                   uint64_t seed)
{
	*nt = (struct sl_neigh_table){.rows = rows, .index = index, .seed = seed};
	memset(rows, 0, SL_NEIGH_MAX * sizeof(*rows));
	for (uint32_t slot = 0; slot < SL_NEIGH_INDEX_SLOTS; slot++)
		store_slot(nt, slot, SLOT_FREE);
}

static uint16_t take_row(struct sl_neigh_table *nt, uint64_t now_ns)
{
	if (nt->n_rows < SL_NEIGH_MAX)
		return (uint16_t)nt->n_rows++;
	if (nt->n_free == 0)
		return SL_NEIGH_NONE;
	for (uint32_t n = 0; n < SL_NEIGH_MAX; n++) {
		struct sl_neigh *row = &nt->rows[nt->cursor];
		uint16_t number = (uint16_t)nt->cursor;

		nt->cursor = (nt->cursor + 1) % SL_NEIGH_MAX;
		if (row->state != SL_NEIGH_FREE || now_ns - row->changed_ns < REST_NS)
			continue;
		nt->n_free--;
		return number;
	}
	return SL_NEIGH_NONE;
}

uint16_t sl_neigh_want(struct sl_neigh_table *nt, const struct sl_ip *address, uint16_t port,
                       bool is_pinned, uint64_t now_ns)
{
	uint16_t number = sl_neigh_find(nt, address, port);
	struct sl_neigh *row;

	if (number != SL_NEIGH_NONE) {
		row = &nt->rows[number];
		row->is_pinned |= is_pinned;
		row->used_ns = now_ns;
		return number;
	}
	number = take_row(nt, now_ns);
	if (number == SL_NEIGH_NONE)
		return number;
	row = &nt->rows[number];
	row->address = *address;
	row->port = port;
	row->state = SL_NEIGH_INCOMPLETE;
	row->n_asked = 0;
	row->is_pinned = is_pinned;
	row->is_gateway = false;
	atomic_store_explicit(&row->used, 0, memory_order_relaxed);
	row->changed_ns = now_ns;
	row->asked_ns = 0;
	row->used_ns = now_ns;
	index_add(nt, number);
	return number;
}

void sl_neigh_make_gateway(struct sl_neigh_table *nt, uint16_t row)
{
	nt->rows[row].is_pinned = true;
	nt->rows[row].is_gateway = true;
}

// Workers that still use the snapshot before name this row for a moment: counting as used just now,
// it outlives them.
void sl_neigh_unpin(struct sl_neigh_table *nt, uint16_t row, uint64_t now_ns)
{
	if (nt->rows[row].is_gateway)
		return;
	nt->rows[row].is_pinned = false;
	nt->rows[row].used_ns = now_ns;
}

uint16_t sl_neigh_find(const struct sl_neigh_table *nt, const struct sl_ip *address, uint16_t port)
{
	uint32_t value = find_place(nt, address, port).value;

	return value == SLOT_FREE ? SL_NEIGH_NONE : (uint16_t)(value - 1);
}

// A MAC one host can have: neither zero nor a group address.
static bool is_host_mac(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return (mac[0] & 1) == 0 && memcmp(mac, zero, sizeof(zero)) != 0;
}

static uint64_t usable_word(const struct sl_neigh_table *nt, uint16_t port, const uint8_t mac[6])
{
	uint64_t word = 0;

	for (int i = 0; i < 6; i++)
		word = word << 8 | mac[i];
	word |= SL_NEIGH_USABLE;
	return nt->careful_ports >> port & 1 ? word : word | SL_NEIGH_DIRECT;
}

static void enter(struct sl_neigh *row, enum sl_neigh_state state, uint64_t now_ns)
{
	row->state = state;
	row->n_asked = 0;
	row->changed_ns = now_ns;
}

uint16_t sl_neigh_learn(struct sl_neigh_table *nt, const struct sl_ip *address, uint16_t port,
                        const uint8_t mac[6], bool is_solicited, uint64_t now_ns)
{
	uint16_t number = sl_neigh_find(nt, address, port);
	uint64_t word = usable_word(nt, port, mac);
	struct sl_neigh *row;
	bool is_news;

	if (number == SL_NEIGH_NONE || !is_host_mac(mac))
		return SL_NEIGH_NONE;
	row = &nt->rows[number];
	is_news = atomic_load_explicit(&row->mac_word, memory_order_relaxed) != word;
	if (is_solicited)
		enter(row, SL_NEIGH_REACHABLE, now_ns);
	else if (is_news)
		enter(row, SL_NEIGH_STALE, now_ns); // used at once, confirmed by the next tick
	if (!is_news)
		return SL_NEIGH_NONE;
	atomic_store_explicit(&row->mac_word, word, memory_order_release);
	return number;
}

static void release(struct sl_neigh_table *nt, uint16_t number, uint64_t now_ns)
{
	struct sl_neigh *row = &nt->rows[number];

	index_remove(nt, number);
	atomic_store_explicit(&row->mac_word, 0, memory_order_release);
	enter(row, SL_NEIGH_FREE, now_ns);
	nt->n_free++;
}

static enum sl_neigh_action ask(struct sl_neigh *row, uint64_t now_ns)
{
	row->asked_ns = now_ns;
	if (row->n_asked < UINT8_MAX)
		row->n_asked++;
	if (row->state == SL_NEIGH_PROBE && row->n_asked <= ASK_MAX)
		return SL_NEIGH_ASK_UNICAST;
	return SL_NEIGH_ASK_BROADCAST;
}

// INCOMPLETE and PROBE: ask each second, then give up.
static enum sl_neigh_action tick_asking(struct sl_neigh *row, uint64_t now_ns)
{
	uint32_t n_max = row->state == SL_NEIGH_PROBE ? 2 * ASK_MAX : ASK_MAX;

	if (row->n_asked > 0 && now_ns - row->asked_ns < ASK_NS)
		return SL_NEIGH_NOTHING;
	if (row->n_asked < n_max)
		return ask(row, now_ns);
	enter(row, SL_NEIGH_FAILED, now_ns);
	atomic_store_explicit(&row->mac_word, 0, memory_order_release);
	return SL_NEIGH_GIVE_UP;
}

static enum sl_neigh_action tick_failed(struct sl_neigh *row, uint64_t now_ns)
{
	bool is_wanted = row->is_pinned || row->used_ns > row->asked_ns;

	if (!is_wanted || now_ns - row->asked_ns < ASK_NS)
		return SL_NEIGH_NOTHING;
	return ask(row, now_ns);
}

// REACHABLE and STALE: usable, and asked again in time when somebody uses it.
static enum sl_neigh_action tick_usable(struct sl_neigh *row, uint64_t now_ns)
{
	bool is_wanted = row->is_pinned || row->used_ns > row->changed_ns;

	if (row->state == SL_NEIGH_REACHABLE && now_ns - row->changed_ns < REACHABLE_NS)
		return SL_NEIGH_NOTHING;
	if (is_wanted) {
		enter(row, SL_NEIGH_PROBE, now_ns);
		return ask(row, now_ns);
	}
	if (row->state == SL_NEIGH_REACHABLE)
		enter(row, SL_NEIGH_STALE, now_ns);
	return SL_NEIGH_NOTHING;
}

static bool is_forgotten(const struct sl_neigh *row, uint64_t now_ns)
{
	uint64_t unused_ns = row->state == SL_NEIGH_FAILED ? FAILED_UNUSED_NS : HOST_UNUSED_NS;

	return !row->is_pinned && now_ns - row->used_ns >= unused_ns;
}

enum sl_neigh_action sl_neigh_tick(struct sl_neigh_table *nt, uint16_t row, uint64_t now_ns)
{
	struct sl_neigh *neigh = &nt->rows[row];

	if (neigh->state == SL_NEIGH_FREE)
		return SL_NEIGH_NOTHING;
	if (atomic_load_explicit(&neigh->used, memory_order_relaxed) != 0) {
		atomic_store_explicit(&neigh->used, 0, memory_order_relaxed);
		neigh->used_ns = now_ns;
	}
	if (is_forgotten(neigh, now_ns)) {
		release(nt, row, now_ns);
		return SL_NEIGH_NOTHING;
	}
	switch (neigh->state) {
	case SL_NEIGH_INCOMPLETE:
	case SL_NEIGH_PROBE:
		return tick_asking(neigh, now_ns);
	case SL_NEIGH_FAILED:
		return tick_failed(neigh, now_ns);
	default:
		return tick_usable(neigh, now_ns);
	}
}
