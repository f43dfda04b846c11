// SPDX-License-Identifier: Apache-2.0
// Floods of packets with invented sources, through the real worker loop, in a time of its own: what
// becomes of connections that are there, and of those that are being made.
//
// The flood is several times what the table holds, and as fast as leaves an unconfirmed flow some
// 80 ms (core/flow.h): for a table of 1 M flows the same is 12 M packets/s. Backends answer what is
// invented, too; the clients' network takes 20 ms each way.
#include "sl_check.h"

#include <netinet/in.h>

#include "parse.h"
#include "world.h"

#define N_FLOWS     8192 // of all workers
#define N_NEW_MAX   800
#define FLOOD_MS    500
#define RTT_MS      40
#define END_MS      (FLOOD_MS + 10 * RTT_MS)
#define PORT_OPEN   2000
#define PORT_NEW    10000
#define ASKED_BYTES 120

// A connection that is made during the flood: what its client has seen.
enum stage { ASKING, ANSWERED, SERVED, CLOSED };

struct client {
	enum stage stage;
	uint32_t stage_ms; // since when
	bool is_due;       // its next packet is yet to be sent
};

struct scene {
	const struct sl_world *w;
	struct sl_rig *rig;
	uint16_t n_open, open_each_ms, n_new;
	uint32_t now_ms;
	uint64_t seed;
	struct client clients[N_NEW_MAX];
	uint32_t n_open_sent, n_open_served, n_invented;
};

static const struct {
	const char *name;
	enum sl_forward forward;
	enum sl_balance balance;
	uint32_t n_workers;
	uint8_t flags;                 // of the flood
	uint16_t flood_each_ms;        // packets
	uint16_t n_open, open_each_ms; // connections, and time between the packets of one
	uint16_t n_new;
} cases[] = {
	{"nat", SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, 1, SL_TCP_SYN, 90, 500, 10, 800},
	{"nat, most of it open", SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, 1, SL_TCP_SYN, 10, 7000, 100,
         200},
	{"fullnat", SL_FORWARD_FULLNAT, SL_BALANCE_LEAST_CONNECTIONS, 1, SL_TCP_SYN, 90, 500, 10,
         800},
	{"nat, two workers", SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, 2, SL_TCP_SYN, 90, 500, 10, 800},
	{"maglev, ACKs", SL_FORWARD_NAT, SL_BALANCE_MAGLEV, 1, SL_TCP_ACK, 90, 500, 10, 800},
	{"maglev, FINs", SL_FORWARD_NAT, SL_BALANCE_MAGLEV, 1, SL_TCP_FIN | SL_TCP_ACK, 90, 500, 10,
         800},
};

static void start(struct scene *s, int row)
{
	struct sl_body_pool pool = {
		.forward = (uint8_t)cases[row].forward,
		.balance = (uint8_t)cases[row].balance,
		.n_backends = 2,
		.backends = {{s->w->backends[0], 8000, 1000}, {s->w->backends[1], 8000, 1000}}};
	struct sl_body_vip vip = {s->w->vip, 443, 443, IPPROTO_TCP, 0};

	s->rig = sl_rig_new(cases[row].n_workers, N_FLOWS / cases[row].n_workers);
	s->rig->is_time_frozen = true;
	sl_rig_configure(s->rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	for (uint32_t i = 0; i < WORLDS; i++)
		sl_rig_neighbour(s->rig, RIG_FRONT, sl_worlds[i].gateway, sl_world_gateway_mac);
	for (uint32_t b = 0; b < 2; b++)
		sl_rig_neighbour(s->rig, RIG_BACK, s->w->backends[b], sl_world_backend_macs[b]);
	sl_world_forget(s->rig);
}

static void client_sends(struct scene *s, uint16_t port, uint8_t flags, uint16_t n_bytes)
{
	struct sl_packet_spec spec = sl_world_request(s->w, IPPROTO_TCP, port);

	spec.tcp_flags = flags;
	spec.payload_bytes = n_bytes;
	sl_rig_put_spec(s->rig, RIG_FRONT, &spec);
}

// From anywhere, the client's own network as well, but never from its address.
static void invent(struct scene *s, uint8_t flags)
{
	struct sl_packet_spec spec = sl_world_request(s->w, IPPROTO_TCP, 0);
	const uint64_t random = sl_check_random(&s->seed);

	spec.src.bytes[13] ^= 0x80;
	memcpy(spec.src.bytes + 14, &random, 2);
	spec.sport = (uint16_t)(1024 + (random >> 16) % 60000);
	spec.tcp_flags = flags;
	spec.tcp_seq = (uint32_t)(random >> 32);
	sl_rig_put_spec(s->rig, RIG_FRONT, &spec);
	s->n_invented++;
}

// What a server does with it: one that has seen no SYN of this connection has nothing to answer
// with but RST.
static uint8_t answer_to(const struct sl_pkt *pkt, bool is_invented)
{
	if (pkt->tcp_flags & SL_TCP_RST)
		return 0;
	if (pkt->tcp_flags & SL_TCP_SYN)
		return SL_TCP_SYN | SL_TCP_ACK;
	if (is_invented)
		return SL_TCP_RST;
	if (pkt->tcp_flags & SL_TCP_FIN)
		return SL_TCP_FIN | SL_TCP_ACK;
	return pkt->l4_off + pkt->l4_bytes > pkt->payload_off ? SL_TCP_PSH | SL_TCP_ACK : 0;
}

static void backends_answer(struct scene *s)
{
	struct sl_rig_frame frame;

	while ((frame = sl_rig_take(s->rig, RIG_BACK)).n_bytes != 0) {
		struct sl_pkt pkt = {.data = frame.bytes, .len = (uint32_t)frame.n_bytes};
		struct sl_packet_spec spec;
		uint8_t flags;

		if (sl_parse(&pkt) != -1 || pkt.kind != SL_PKT_TCP)
			continue;
		flags = answer_to(&pkt, pkt.payload_off == pkt.l4_off + pkt.l4_bytes);
		if (flags == 0)
			continue;
		spec = (struct sl_packet_spec){.src = pkt.tuple.dst,
		                               .dst = pkt.tuple.src,
		                               .proto = IPPROTO_TCP,
		                               .sport = ntohs(pkt.tuple.dport_be),
		                               .dport = ntohs(pkt.tuple.sport_be),
		                               .tcp_flags = flags,
		                               .payload_bytes = flags & SL_TCP_PSH ? 99 : 0};
		memcpy(spec.src_mac, sl_world_backend_macs[0], 6);
		sl_rig_put_spec(s->rig, RIG_BACK, &spec);
	}
}

static void client_receives(struct scene *s, const struct sl_pkt *pkt)
{
	const uint16_t port = ntohs(pkt->tuple.dport_be);
	struct client *c;
	enum stage before;

	if (port < PORT_NEW) {
		s->n_open_served += (pkt->tcp_flags & SL_TCP_PSH) != 0;
		return;
	}
	c = &s->clients[port - PORT_NEW];
	before = c->stage;
	if (pkt->tcp_flags & SL_TCP_RST)
		return;
	if (c->stage == ASKING && pkt->tcp_flags & SL_TCP_SYN)
		c->stage = ANSWERED;
	else if (c->stage == ANSWERED && pkt->tcp_flags & SL_TCP_PSH)
		c->stage = SERVED;
	else if (c->stage == SERVED && pkt->tcp_flags & SL_TCP_FIN)
		c->stage = CLOSED;
	if (c->stage != before) {
		c->stage_ms = s->now_ms;
		c->is_due = true;
	}
}

static void clients_receive(struct scene *s)
{
	const struct sl_ip client = sl_packet_ip(s->w->client);
	struct sl_rig_frame frame;

	while ((frame = sl_rig_take(s->rig, RIG_FRONT)).n_bytes != 0) {
		struct sl_pkt pkt = {.data = frame.bytes, .len = (uint32_t)frame.n_bytes};

		if (sl_parse(&pkt) == -1 && pkt.kind == SL_PKT_TCP &&
		    sl_ip_equal(&pkt.tuple.dst, &client))
			client_receives(s, &pkt);
	}
}

// One try each: whoever asks again because of us has not been served well.
static void new_clients_send(struct scene *s)
{
	for (uint16_t i = 0; i < s->n_new; i++) {
		struct client *c = &s->clients[i];
		const uint16_t port = (uint16_t)(PORT_NEW + i);

		if (c->stage == ASKING && s->now_ms == i * FLOOD_MS / s->n_new)
			client_sends(s, port, SL_TCP_SYN, 0);
		if (!c->is_due || s->now_ms < c->stage_ms + RTT_MS)
			continue;
		c->is_due = false;
		if (c->stage == ANSWERED)
			client_sends(s, port, SL_TCP_ACK | SL_TCP_PSH, ASKED_BYTES);
		else if (c->stage == SERVED)
			client_sends(s, port, SL_TCP_ACK | SL_TCP_FIN, 1);
		else
			client_sends(s, port, SL_TCP_ACK, 1);
	}
}

static void open_clients_send(struct scene *s)
{
	for (uint16_t i = 0; i < s->n_open; i++) {
		if ((s->now_ms + i) % s->open_each_ms == 0 && s->now_ms < FLOOD_MS) {
			client_sends(s, (uint16_t)(PORT_OPEN + i), SL_TCP_ACK | SL_TCP_PSH,
			             ASKED_BYTES);
			s->n_open_sent++;
		}
	}
}

static void settle(struct scene *s)
{
	for (int i = 0; i < 3; i++) { // to the backends, back, and what is left
		sl_rig_turn(s->rig);
		backends_answer(s);
	}
	clients_receive(s);
}

static void open_all(struct scene *s)
{
	for (uint16_t i = 0; i < s->n_open; i++) {
		client_sends(s, (uint16_t)(PORT_OPEN + i), SL_TCP_SYN, 0);
		settle(s);
		client_sends(s, (uint16_t)(PORT_OPEN + i), SL_TCP_ACK, 0);
		settle(s);
	}
	s->n_open_served = 0;
}

static void one_ms(struct scene *s, int row)
{
	s->rig->now_ns += SL_NS_PER_MS;
	open_clients_send(s);
	new_clients_send(s);
	for (int i = 0; i < cases[row].flood_each_ms && s->now_ms < FLOOD_MS; i++)
		invent(s, cases[row].flags);
	settle(s);
	s->now_ms++;
}

START_TEST(a_flood_leaves_open_and_new_connections_alone)
{
	const int row = _i / WORLDS;
	const uint64_t seed = sl_check_seed();
	struct scene *s = calloc(1, sizeof(*s));
	uint32_t n_closed = 0;
	uint64_t n_evicted = 0;

	s->seed = seed;
	s->w = &sl_worlds[_i % WORLDS];
	s->n_open = cases[row].n_open;
	s->open_each_ms = cases[row].open_each_ms;
	s->n_new = cases[row].n_new;
	start(s, row);
	open_all(s);
	while (s->now_ms < END_MS)
		one_ms(s, row);
	for (uint32_t i = 0; i < s->n_new; i++)
		n_closed += s->clients[i].stage == CLOSED;
	for (uint32_t i = 0; i < cases[row].n_workers; i++)
		n_evicted += sl_stat_get(&s->rig->a.io.workers[i]->stats->flows_evicted);
	printf("# %s, seed %lu: %u invented, %lu evicted; open: %u of %u served; new: %u of %u\n",
	       cases[row].name, (unsigned long)seed, s->n_invented, (unsigned long)n_evicted,
	       s->n_open_served, s->n_open_sent, n_closed, s->n_new);
	fflush(stdout);
	ck_assert_uint_ge(n_evicted, 3 * (N_FLOWS - s->n_open)); // it was a flood
	ck_assert_uint_ge(1000 * s->n_open_served, 999 * s->n_open_sent);
	ck_assert_uint_ge(100 * n_closed, 99 * s->n_new);
	sl_rig_check_accounts(s->rig);
	sl_rig_free(s->rig);
	free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flood");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, a_flood_leaves_open_and_new_connections_alone, 0,
	                    WORLDS * (int)(sizeof(cases) / sizeof(cases[0])));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
