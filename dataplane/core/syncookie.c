// SPDX-License-Identifier: Apache-2.0
#include "syncookie.h"

#include "csum.h"
#include "tcpopt.h"

#define PERIOD_LOG2 8 // in ticks: 64 s
#define MAC_MASK    ((UINT32_C(1) << 27) - 1)
#define SACK_BIT    (UINT32_C(1) << 27)
#define MSS_SHIFT   28
#define CLOCK_SHIFT 31

#define OPT_MSS       2
#define OPT_MSS_BYTES 4
#define OPT_SACK_OK   4
#define OFF_WINDOW    14
#define FRAME_MIN     60u // without the frame check sequence
#define TTL           64
#define DONT_FRAGMENT 0x4000

// What Ethernet, PPPoE, tunnels and jumbo frames make of it; the first is less than RFC 879 wants.
static const uint16_t mss_bytes_of[8] = {216, 536, 1220, 1300, 1380, 1440, 1460, 8960};

// Hashed as bytes.
struct proof {
	struct sl_tuple tuple;
	uint32_t client_isn;
	uint32_t period;
	uint32_t known; // the cookie without its hash
	uint32_t zero;
};
_Static_assert(sizeof(struct proof) == sizeof(struct sl_tuple) + 16, "no hidden padding");

struct sl_hash_key sl_syncookie_key(const struct sl_hash_key *secret)
{
	static const char names[2][8] = {"cookie 0", "cookie 1"};

	return (struct sl_hash_key){sl_siphash13(secret, names[0], sizeof(names[0])),
	                            sl_siphash13(secret, names[1], sizeof(names[1]))};
}

static uint32_t complete(const struct sl_hash_key *key, const struct sl_tuple *tuple,
                         uint32_t client_isn, uint32_t period, uint32_t known)
{
	const struct proof proof = {*tuple, client_isn, period, known, 0};

	return known | ((uint32_t)sl_siphash13(key, &proof, sizeof(proof)) & MAC_MASK);
}

// What a SYN offers.
struct offer {
	uint16_t mss_bytes;
	bool has_mss, has_sack;
};

static struct offer read_offer(const struct sl_pkt *pkt)
{
	const uint8_t *tcp = pkt->data + pkt->l4_off;
	struct offer offer = {.mss_bytes = pkt->is_v6 ? 1220 : 536}; // RFC 9293 section 3.7.1
	struct sl_tcpopt opt = SL_TCPOPT_START;

	while (sl_tcpopt_next(tcp, (uint32_t)pkt->payload_off - pkt->l4_off, &opt)) {
		if (opt.kind == OPT_MSS && opt.n_bytes == OPT_MSS_BYTES) {
			offer.has_mss = true;
			offer.mss_bytes = sl_load16_host(tcp + opt.at + 2);
		} else if (opt.kind == OPT_SACK_OK && opt.n_bytes == 2) {
			offer.has_sack = true;
		}
	}
	return offer;
}

static uint32_t mss_index(uint16_t mss_bytes)
{
	uint32_t index = 7;

	while (index > 0 && mss_bytes_of[index] > mss_bytes)
		index--;
	return index;
}

static uint32_t put_options(uint8_t *at, const struct offer *offer)
{
	uint32_t n_bytes = 0;

	if (offer->has_mss) {
		at[0] = OPT_MSS;
		at[1] = OPT_MSS_BYTES;
		sl_store16_host(at + 2, offer->mss_bytes);
		n_bytes = OPT_MSS_BYTES;
	}
	if (offer->has_sack) {
		at[n_bytes] = at[n_bytes + 1] = SL_TCPOPT_NOP;
		at[n_bytes + 2] = OPT_SACK_OK;
		at[n_bytes + 3] = 2;
		n_bytes += 4;
	}
	return n_bytes;
}

struct header {
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window; // host order
	struct offer offer;
};

static void put_lengths(struct sl_pkt *pkt)
{
	uint8_t *l3 = pkt->data + pkt->l3_off;
	const uint32_t ip_bytes = (uint32_t)pkt->l4_off - pkt->l3_off;

	if (pkt->is_v6) {
		sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD,
		                (uint16_t)(ip_bytes - SL_IPV6_BYTES + pkt->l4_bytes));
		return;
	}
	sl_store16_host(l3 + SL_IPV4_OFF_TOTAL, (uint16_t)(ip_bytes + pkt->l4_bytes));
	sl_store16(l3 + SL_IPV4_OFF_CSUM, 0);
	sl_store16(l3 + SL_IPV4_OFF_CSUM, (uint16_t)~sl_csum_fold(sl_csum_add(0, l3, ip_bytes)));
}

// The whole of TCP anew, where it stood; what was behind it is padding now, or gone. tuple and the
// IP header are those of the new packet.
static void put_tcp(struct sl_pkt *pkt, const struct header *h)
{
	uint8_t *tcp = pkt->data + pkt->l4_off;
	const uint32_t room = pkt->len - pkt->l4_off;
	uint32_t n_bytes = SL_TCP_BYTES, n_kept;

	memset(tcp, 0, SL_TCP_BYTES);
	sl_store16(tcp, pkt->tuple.sport_be);
	sl_store16(tcp + 2, pkt->tuple.dport_be);
	sl_store32_host(tcp + SL_TCP_OFF_SEQ, h->seq);
	sl_store32_host(tcp + SL_TCP_OFF_ACK, h->ack);
	tcp[SL_TCP_OFF_FLAGS] = h->flags;
	sl_store16_host(tcp + OFF_WINDOW, h->window);
	n_bytes += put_options(tcp + SL_TCP_BYTES, &h->offer);
	tcp[SL_TCP_OFF_DATA] = (uint8_t)(n_bytes / 4 << 4);
	pkt->l4_bytes = (uint16_t)n_bytes;
	put_lengths(pkt);
	sl_store16(tcp + SL_TCP_OFF_CSUM,
	           sl_csum_l4(&pkt->tuple.src, &pkt->tuple.dst, IPPROTO_TCP, tcp, pkt->l4_bytes));
	n_kept = pkt->l4_off + n_bytes < FRAME_MIN ? FRAME_MIN - pkt->l4_off : n_bytes;
	if (n_kept > room)
		n_kept = room;
	memset(tcp + n_bytes, 0, n_kept - n_bytes);
	pkt->len = pkt->l4_off + n_kept;
	pkt->payload_off = (uint16_t)(pkt->l4_off + n_bytes);
	pkt->tcp_flags = h->flags;
	pkt->tcp_seq = h->seq;
}

static void turn_around(struct sl_pkt *pkt)
{
	const struct sl_tuple t = pkt->tuple;
	uint8_t *l3 = pkt->data + pkt->l3_off;

	pkt->tuple.src = t.dst;
	pkt->tuple.dst = t.src;
	pkt->tuple.sport_be = t.dport_be;
	pkt->tuple.dport_be = t.sport_be;
	pkt->ttl = TTL;
	if (pkt->is_v6) {
		memset(l3, 0, SL_IPV6_BYTES);
		l3[0] = 6 << 4;
		l3[SL_IPV6_OFF_NEXT] = IPPROTO_TCP;
		l3[SL_IPV6_OFF_HOPS] = TTL;
		memcpy(l3 + SL_IPV6_OFF_SRC, pkt->tuple.src.bytes, 16);
		memcpy(l3 + SL_IPV6_OFF_DST, pkt->tuple.dst.bytes, 16);
		return;
	}
	memset(l3, 0, SL_IPV4_BYTES);
	l3[0] = 4 << 4 | SL_IPV4_BYTES / 4;
	sl_store16_host(l3 + SL_IPV4_OFF_FRAG, DONT_FRAGMENT); // so the id may be 0 (RFC 6864 4.1)
	l3[SL_IPV4_OFF_TTL] = TTL;
	l3[SL_IPV4_OFF_PROTO] = IPPROTO_TCP;
	memcpy(l3 + SL_IPV4_OFF_SRC, pkt->tuple.src.bytes + 12, 4);
	memcpy(l3 + SL_IPV4_OFF_DST, pkt->tuple.dst.bytes + 12, 4);
}

bool sl_syncookie_answer(struct sl_pkt *pkt, const struct sl_hash_key *key, uint32_t now,
                         uint16_t mss_bytes)
{
	const uint32_t ip_bytes = pkt->is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES;
	const uint32_t period = now >> PERIOD_LOG2;
	struct offer offer;
	struct header h;
	uint32_t known;

	if (pkt->is_fragment || (uint32_t)pkt->l4_off - pkt->l3_off != ip_bytes)
		return false;
	offer = read_offer(pkt);
	known = period << CLOCK_SHIFT | mss_index(offer.mss_bytes) << MSS_SHIFT |
	        (offer.has_sack ? SACK_BIT : 0);
	offer.mss_bytes = mss_bytes;
	// Both options fit: the SYN had them, and is a multiple of 4.
	h = (struct header){.seq = complete(key, &pkt->tuple, pkt->tcp_seq, period, known),
	                    .ack = pkt->tcp_seq + 1,
	                    .flags = SL_TCP_SYN | SL_TCP_ACK,
	                    .offer = offer};
	turn_around(pkt);
	put_tcp(pkt, &h);
	return true;
}

bool sl_syncookie_is_right(const struct sl_pkt *pkt, const struct sl_hash_key *key, uint32_t now,
                           uint32_t *cookie)
{
	const uint32_t seen = sl_load32_host(pkt->data + pkt->l4_off + SL_TCP_OFF_ACK) - 1;
	uint32_t period = now >> PERIOD_LOG2;

	if (((period ^ seen >> CLOCK_SHIFT) & 1) != 0) // of the period before
		period = (period - 1) & (UINT32_MAX >> PERIOD_LOG2);
	*cookie = seen;
	return complete(key, &pkt->tuple, pkt->tcp_seq - 1, period, seen & ~MAC_MASK) == seen;
}

// Moves all before TCP towards the front, so that it has n_bytes.
static bool make_room(struct sl_pkt *pkt, uint32_t n_bytes)
{
	const uint32_t room = pkt->len - pkt->l4_off;

	if (n_bytes <= room)
		return true;
	if (pkt->headroom < n_bytes - room)
		return false;
	memmove(pkt->data - (n_bytes - room), pkt->data, pkt->l4_off);
	pkt->data -= n_bytes - room;
	pkt->headroom = (uint16_t)(pkt->headroom - (n_bytes - room));
	pkt->len += n_bytes - room;
	return true;
}

void sl_syncookie_to_syn(struct sl_pkt *pkt, uint32_t client_isn, uint32_t cookie)
{
	struct header h = {
		.seq = client_isn,
		.flags = SL_TCP_SYN,
		.window = sl_load16_host(pkt->data + pkt->l4_off + OFF_WINDOW),
		.offer = {.mss_bytes = mss_bytes_of[cookie >> MSS_SHIFT & 7],
	                  .has_mss = true,
	                  .has_sack = (cookie & SACK_BIT) != 0},
	};

	if (!make_room(pkt, SL_TCP_BYTES + OPT_MSS_BYTES + (h.offer.has_sack ? 4 : 0)))
		h.offer.has_mss = h.offer.has_sack = false;
	put_tcp(pkt, &h);
}

// A wrong checksum stays wrong.
static void edit(struct sl_pkt *pkt, const uint8_t *old, uint32_t n_bytes)
{
	uint8_t *tcp = pkt->data + pkt->l4_off;
	const uint16_t delta = sl_csum_delta(0, old, tcp, n_bytes);

	sl_store16(tcp + SL_TCP_OFF_CSUM, sl_csum_apply(sl_load16(tcp + SL_TCP_OFF_CSUM), delta));
	pkt->tcp_flags = tcp[SL_TCP_OFF_FLAGS];
	pkt->tcp_seq = sl_load32_host(tcp + SL_TCP_OFF_SEQ);
}

void sl_syncookie_to_update(struct sl_pkt *pkt)
{
	uint8_t *tcp = pkt->data + pkt->l4_off;
	const uint32_t n_bytes = (uint32_t)pkt->payload_off - pkt->l4_off;
	uint8_t old[SL_TCP_BYTES + SL_TCPOPT_MAX_BYTES];

	memcpy(old, tcp, n_bytes);
	sl_store32_host(tcp + SL_TCP_OFF_SEQ, pkt->tcp_seq + 1);
	tcp[SL_TCP_OFF_FLAGS] = SL_TCP_ACK;
	memset(tcp + SL_TCP_BYTES, SL_TCPOPT_NOP, n_bytes - SL_TCP_BYTES);
	edit(pkt, old, n_bytes);
}

void sl_syncookie_to_reset(struct sl_pkt *pkt)
{
	uint8_t *tcp = pkt->data + pkt->l4_off;
	uint8_t old[SL_TCP_BYTES];

	memcpy(old, tcp, sizeof(old));
	sl_store32_host(tcp + SL_TCP_OFF_SEQ, 1);
	edit(pkt, old, sizeof(old));
}
