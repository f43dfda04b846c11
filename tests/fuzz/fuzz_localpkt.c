// SPDX-License-Identifier: Apache-2.0
// Target: packets for Sluice itself. ARP and ND are read and answered, echo requests turned round;
// every answer must parse, with right checksums.
#include "fuzz.h"
#include "fuzz_packet.h"
#include "localpkt.h"
#include "packets.h"
#include "parse.h"

static const uint8_t our_mac[6] = {2, 0x53, 0x4c, 0, 0, 1};

static void require_answer(const struct sl_pkt *asked, const struct sl_neigh_msg *msg)
{
	uint8_t frame[SL_LOCALPKT_MAX_BYTES], *exact;
	size_t n_bytes = sl_build_tell(frame, sizeof(frame), asked, msg, our_mac);
	static const uint8_t no_mac[6];
	struct sl_pkt answer;

	if (n_bytes == 0) { // the asker has no MAC to answer to
		FUZZ_REQUIRE((msg->sender_mac[0] & 1) || memcmp(msg->sender_mac, no_mac, 6) == 0);
		return;
	}
	FUZZ_REQUIRE(n_bytes <= sizeof(frame));
	exact = fuzz_copy(frame, n_bytes);
	answer = (struct sl_pkt){.data = exact, .len = (uint32_t)n_bytes};
	FUZZ_REQUIRE(sl_parse(&answer) == -1);
	FUZZ_REQUIRE(answer.kind == asked->kind && answer.n_vlans == asked->n_vlans);
	if (answer.kind == SL_PKT_ND)
		FUZZ_REQUIRE(sl_packet_csums_are_right(exact, n_bytes));
	free(exact);
}

static void require_message(const struct sl_pkt *pkt)
{
	struct sl_neigh_msg msg = sl_neigh_msg_parse(pkt);

	FUZZ_REQUIRE(msg.kind <= SL_NEIGH_MSG_TELLS);
	if (msg.kind == SL_NEIGH_MSG_NONE)
		FUZZ_REQUIRE(!msg.has_sender_mac);
	if (msg.kind == SL_NEIGH_MSG_ASKS)
		require_answer(pkt, &msg);
}

static void require_echo(struct sl_pkt *pkt)
{
	struct sl_pkt again = {.data = pkt->data, .len = pkt->len};
	bool was_right = sl_packet_csums_are_right(pkt->data, pkt->len);
	struct sl_ip asker = pkt->tuple.src;
	int result;

	if (!sl_echo_reply(pkt, our_mac))
		return;
	FUZZ_REQUIRE(memcmp(pkt->data + 6, our_mac, 6) == 0);
	result = sl_parse(&again);
	if (result == SL_DROP_BAD_ADDRESS) // asked for 240/4, which is never ours to answer for
		return;
	FUZZ_REQUIRE(result == -1);
	FUZZ_REQUIRE(sl_ip_equal(&again.tuple.dst, &asker));
	if (was_right)
		FUZZ_REQUIRE(sl_packet_csums_are_right(pkt->data, pkt->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	uint8_t *frame = fuzz_copy(bytes, n_bytes);
	struct sl_pkt pkt = {.data = frame, .len = (uint32_t)n_bytes};

	if (sl_parse(&pkt) == -1) {
		if (pkt.kind == SL_PKT_ARP || pkt.kind == SL_PKT_ND)
			require_message(&pkt);
		else if (pkt.kind == SL_PKT_ECHO)
			require_echo(&pkt);
	}
	free(frame);
	return 0;
}
