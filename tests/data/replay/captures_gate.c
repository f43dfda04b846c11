// SPDX-License-Identifier: Apache-2.0
// Who may open a flow, and where it goes (gates.yaml).
#include <netinet/in.h>

#include "aes.h"
#include "captures.h"

#define PSH_ACK    (SL_TCP_PSH | SL_TCP_ACK)
#define SERVER_ISN 9000

// A client of the network behind the gateway, or one on the link; the n-th of either.
enum where { AWAY, ON_LINK };

struct guest {
	struct lane lane;
	enum where where;
};

static struct guest guest(bool is_v6, uint16_t vip_port, enum where where, uint8_t n)
{
	static const char *const away[2] = {"203.0.113.10", "2001:db8:77::a"};
	struct guest g = {.lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0), .where = where};

	if (where == AWAY)
		g.lane.client = sl_packet_ip(away[is_v6]);
	g.lane.client.bytes[15] = (uint8_t)(g.lane.client.bytes[15] + n);
	g.lane.vip_port = vip_port;
	g.lane.client_port = (uint16_t)(40000 + 20 * vip_port); // no two share one at a server
	g.lane.server_port = 8080;
	return g;
}

// Of the second address, whose VIPs have affinities.
static struct guest regular(bool is_v6, uint16_t vip_port)
{
	struct guest g = guest(is_v6, vip_port, ON_LINK, 0);

	g.lane.vip.bytes[15] = 2;
	return g;
}

static const uint8_t gateway_mac[6] = {2, 0xaa, 0, 0, 0, 1};

static void client_says(struct script *s, const struct guest *g, uint8_t flags, uint32_t ack,
                        const char *verdict)
{
	struct sl_packet_spec in = lane_from_client(&g->lane), out;

	in.tcp_flags = flags;
	in.tcp_seq = 1000;
	in.tcp_ack = ack;
	out = lane_to_server(&g->lane, &in);
	script_in(s, &in);
	if (strcmp(verdict, "sent") == 0)
		script_out(s, &out);
	script_verdict(s, verdict);
}

static void server_says(struct script *s, const struct guest *g, uint8_t flags)
{
	struct sl_packet_spec in = lane_from_server(&g->lane), out;

	in.tcp_flags = flags;
	in.tcp_seq = SERVER_ISN;
	out = lane_to_client(&g->lane, &in);
	if (g->where == AWAY)
		memcpy(out.dst_mac, gateway_mac, 6);
	script_sent(s, &in, &out);
}

static void knocks(struct script *s, struct guest *g, const char *verdict)
{
	client_says(s, g, SL_TCP_SYN, 0, verdict);
	g->lane.client_port++;
}

static void shakes_hands(struct script *s, const struct guest *g, uint32_t ack)
{
	client_says(s, g, SL_TCP_SYN, 0, "sent");
	server_says(s, g, SL_TCP_SYN | SL_TCP_ACK);
	client_says(s, g, SL_TCP_ACK, ack, "sent");
}

static void lists(struct script *s, bool is_v6)
{
	struct guest allowed = guest(is_v6, 80, AWAY, 1), denied = guest(is_v6, 80, AWAY, 64);
	struct guest stranger = guest(is_v6, 80, ON_LINK, 0), other = guest(is_v6, 81, ON_LINK, 0);
	struct guest free = guest(is_v6, 81, AWAY, 64);

	knocks(s, &allowed, "sent");
	knocks(s, &denied, "dropped:denied");   // the smaller network decides
	knocks(s, &stranger, "dropped:denied"); // in no network of a list that allows
	knocks(s, &other, "dropped:denied");
	knocks(s, &free, "sent"); // a list that only denies lets in all others
	stranger.lane.client_port--;
	client_says(s, &stranger, SL_TCP_ACK, 0, "dropped:no_flow"); // nothing was made
}

static void limits_of_the_vip(struct script *s, bool is_v6)
{
	struct guest few = guest(is_v6, 82, ON_LINK, 0), slow = guest(is_v6, 83, AWAY, 0);
	struct guest slow_too = guest(is_v6, 83, ON_LINK, 0);

	for (int i = 0; i < 2; i++)
		knocks(s, &few, "sent");
	knocks(s, &few, "dropped:vip_limit");
	few.lane.client_port -= 2; // what is open goes on, and makes room when it ends
	server_says(s, &few, SL_TCP_SYN | SL_TCP_ACK);
	client_says(s, &few, SL_TCP_ACK, SERVER_ISN + 1, "sent");
	client_says(s, &few, SL_TCP_RST | SL_TCP_ACK, SERVER_ISN + 1, "sent");
	few.lane.client_port += 2;
	knocks(s, &few, "sent");
	knocks(s, &few, "dropped:vip_limit");
	knocks(s, &slow, "sent");
	knocks(s, &slow, "dropped:vip_limit");
	knocks(s, &slow_too, "dropped:vip_limit"); // whoever comes
	script_wait(s, 250 * SL_NS_PER_MS);
	knocks(s, &slow_too, "sent");
}

static void limits_of_a_source(struct script *s, bool is_v6)
{
	struct guest one = guest(is_v6, 84, AWAY, 0), other = guest(is_v6, 84, ON_LINK, 0);

	knocks(s, &one, "sent");
	knocks(s, &one, "dropped:source_limit");
	knocks(s, &other, "sent"); // of another network
	one.lane.client.bytes[15]++;
	knocks(s, &one, is_v6 ? "dropped:source_limit" : "sent"); // a /64 is one, a /32 is another
	script_wait(s, 250 * SL_NS_PER_MS);
	knocks(s, &one, "sent");
}

static void limits_of_a_backend(struct script *s, bool is_v6)
{
	struct guest full = guest(is_v6, 85, ON_LINK, 0), steady = guest(is_v6, 86, ON_LINK, 0);

	full.lane.server_port = 8081;
	steady.lane.server_port = 8082;
	knocks(s, &full, "sent");
	knocks(s, &full, "dropped:flow_limit");
	knocks(s, &steady, "sent");
	knocks(s, &steady, "dropped:flow_limit");
	script_wait(s, 250 * SL_NS_PER_MS);
	knocks(s, &steady, "sent");
}

static void gate(struct script *s, bool is_v6)
{
	lists(s, is_v6);
	limits_of_the_vip(s, is_v6);
	limits_of_a_source(s, is_v6);
	limits_of_a_backend(s, is_v6);
}

void capture_gate_v4(struct script *s)
{
	gate(s, false);
}

void capture_gate_v6(struct script *s)
{
	gate(s, true);
}

// Two servers: of one client's open flows two go home, the third would be more than 1.25 times the
// share. With seed 1 its home is the one named here.
static void source_homes(bool is_v6, uint16_t *home, uint16_t *other)
{
	*home = is_v6 ? SOURCE_HOME_V6 : SOURCE_HOME_V4;
	*other = (uint16_t)(9001 + 9002 - *home);
}

static void kept_homes(bool is_v6, uint16_t *home, uint16_t *other)
{
	*home = is_v6 ? KEPT_HOME_V6 : KEPT_HOME_V4;
	*other = (uint16_t)(9021 + 9022 - *home);
}

static void source(struct script *s, bool is_v6)
{
	uint16_t home, other;
	struct guest g = regular(is_v6, 80);

	source_homes(is_v6, &home, &other);
	client_says(s, &g, SL_TCP_ACK, 0, "dropped:no_flow"); // nobody knows where that was
	g.lane.server_port = home;
	for (int i = 0; i < 2; i++) {
		shakes_hands(s, &g, SERVER_ISN + 1);
		g.lane.client_port++;
	}
	g.lane.server_port = other;
	knocks(s, &g, "sent");
}

// The same with persistence: all go home for as long as the backend's word was heard last.
static void kept(struct script *s, bool is_v6)
{
	struct guest g = regular(is_v6, 81), liar = regular(is_v6, 81);
	uint16_t home, other;

	kept_homes(is_v6, &home, &other);
	g.lane.server_port = home;
	shakes_hands(s, &g, SERVER_ISN + 1);
	for (int i = 0; i < 6; i++) {
		g.lane.client_port++;
		client_says(s, &g, SL_TCP_SYN, 0, "sent");
	}
	script_wait(s, 61 * SL_NS_PER_S);
	// The half-open ones are gone by now, the open one is not: one more and the bound is met.
	g.lane.client_port++;
	liar.lane.client_port = g.lane.client_port;
	liar.lane.server_port = g.lane.server_port;
	shakes_hands(s, &liar, 12345678); // never heard the server
	liar.lane.client_port++;
	liar.lane.server_port = other;
	client_says(s, &liar, SL_TCP_SYN, 0, "sent");
}

static void flow(struct script *s, bool is_v6)
{
	struct guest g = regular(is_v6, 82);

	g.lane.server_port = 9012;
	client_says(s, &g, PSH_ACK, 77, "sent"); // met in its middle: all agree where it is
	g.lane.client_port++;
	knocks(s, &g, "sent");
	client_says(s, &g, SL_TCP_RST, 0, "dropped:no_flow");
}

// ---- QUIC ----

static void says_quic(struct script *s, const struct guest *g, const uint8_t *payload,
                      uint16_t n_bytes)
{
	struct sl_packet_spec in = lane_from_client(&g->lane), out;

	in.payload = payload;
	in.payload_bytes = n_bytes;
	out = lane_to_server(&g->lane, &in);
	script_sent(s, &in, &out);
}

// A short header with an id that this server made under configuration 0 or 3.
static void says_short(struct script *s, const struct guest *g, uint8_t config, uint8_t server)
{
	static const uint8_t key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	uint8_t payload[40] = {0x40, (uint8_t)(config << 5), 0, server};
	struct sl_aes aes;

	for (uint8_t i = 4; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * (server + 1)); // nonce, then what would be encrypted
	sl_aes_init(&aes, key);
	if (config == 3)
		sl_aes_encrypt(&aes, &payload[2], &payload[2]);
	says_quic(s, g, payload, sizeof(payload));
}

static void quic(struct script *s, bool is_v6)
{
	static const uint8_t configs[] = {0, 3}; // both live, as while one is rotated in
	static const uint8_t initial[40] = {0xc0, 0, 0, 0, 1, 8, 0xe0, 1, 2, 3, 4, 5, 6};
	static const uint8_t unknown[40] = {0x40, 5 << 5, 0, 1};
	struct guest g = regular(is_v6, 443);

	g.lane.proto = IPPROTO_UDP;
	for (uint8_t c = 0; c < 2; c++) {
		for (uint8_t server = 1; server <= 2; server++) {
			g.lane.server_port = (uint16_t)(4430 + server);
			g.lane.client_port++;
			says_short(s, &g, configs[c], server);
			g.lane.client_port++; // rebound by a NAT on the way
			says_short(s, &g, configs[c], server);
		}
	}
	// The first is draining: its connections find it, nobody new does.
	g.lane.server_port = 4432;
	g.lane.client_port++;
	says_quic(s, &g, initial, sizeof(initial));
	g.lane.client_port++;
	says_quic(s, &g, unknown, sizeof(unknown));
	g.lane.client_port++;
	says_short(s, &g, 0, 9); // a server that is not there
	g.lane.client_port++;
	says_quic(s, &g, unknown, 1); // no id at all
}

static void affinity(struct script *s, bool is_v6)
{
	source(s, is_v6);
	kept(s, is_v6);
	flow(s, is_v6);
	quic(s, is_v6);
}

void capture_affinity_v4(struct script *s)
{
	affinity(s, false);
}

void capture_affinity_v6(struct script *s)
{
	affinity(s, true);
}
