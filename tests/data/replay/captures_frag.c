// SPDX-License-Identifier: Apache-2.0
// Datagrams in parts, through three workers: the parts of what leaves for the whole leave for the
// parts.
#include <netinet/in.h>

#include "captures.h"
#include "fragments.h"

struct whole {
	uint8_t in[SL_PACKET_MAX_BYTES], out[SL_PACKET_MAX_BYTES];
	size_t n_bytes;
};

static struct whole datagram(const struct lane *lane, bool is_answer)
{
	struct sl_packet_spec in = is_answer ? lane_from_server(lane) : lane_from_client(lane), out;
	struct whole w;

	in.payload_bytes = 1000;
	out = is_answer ? lane_to_client(lane, &in) : lane_to_server(lane, &in);
	w.n_bytes = sl_packet_build(w.in, sizeof(w.in), &in);
	sl_packet_build(w.out, sizeof(w.out), &out);
	return w;
}

static void part(struct script *s, const struct whole *w, const struct sl_cut *cut,
                 const char *verdict)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];

	script_in_bytes(s, frame, sl_fragment_cut(frame, w->in, w->n_bytes, cut));
	if (strcmp(verdict, "sent") == 0)
		script_out_bytes(s, frame, sl_fragment_cut(frame, w->out, w->n_bytes, cut));
	script_verdict(s, verdict);
}

static void fragments(struct script *s, bool is_v6)
{
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_UDP, 0);

	for (uint32_t id = 1; id <= 4; id++) { // other ids, other workers
		struct whole w = datagram(&lane, id == 2);
		const struct sl_cut first = {0, 400, id, false}, next = {400, 400, id, false},
				    last = {800, 0, id, false};

		part(s, &w, &first, "sent");
		part(s, &w, &last, "sent"); // the order of the others does not matter
		part(s, &w, &next, "sent");
		part(s, &w, &next, "dropped:fragment_early"); // all has passed: forgotten
	}
	for (uint32_t id = 5; id <= 8; id++) {
		struct whole w = datagram(&lane, false);
		const struct sl_cut first = {0, 400, id, false}, next = {400, 400, id, false},
				    over = {392, 16, id, false}, last = {800, 0, id, false};

		part(s, &w, &next, "dropped:fragment_early");
		part(s, &w, &first, "sent");
		part(s, &w, &over, "dropped:fragment_bad");
		part(s, &w, &last, "dropped:fragment_bad"); // nobody puts that one together
	}
}

static void forgotten(struct script *s, bool is_v6)
{
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_UDP, 0);
	struct whole w = datagram(&lane, false);
	const struct sl_cut first = {0, 400, 99, false}, last = {400, 0, 99, false};

	part(s, &w, &first, "sent");
	script_wait(s, 2 * SL_NS_PER_S);
	part(s, &w, &last, "dropped:fragment_early");
}

void capture_fragments_v4(struct script *s)
{
	fragments(s, false);
	forgotten(s, false);
}

void capture_fragments_v6(struct script *s)
{
	fragments(s, true);
	forgotten(s, true);
}
