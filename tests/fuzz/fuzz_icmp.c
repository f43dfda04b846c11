// SPDX-License-Identifier: Apache-2.0
// Target: ICMP errors. The outer headers are right, so that all effort goes into what they quote:
// byte 0 chooses family, type and whether the checksum is made right; the rest is the quote.
#include "csum.h"
#include "fuzz.h"
#include "fuzz_packet.h"
#include "layout.h"
#include "packets.h"
#include "parse.h"

#define MAX_QUOTE_BYTES 600

static size_t build(uint8_t *frame, const uint8_t *bytes, size_t n_bytes)
{
	static const uint8_t types4[] = {3, 11, 12, 3}, types6[] = {1, 2, 3, 4};
	bool is_v6 = bytes[0] & 1;
	uint32_t type = bytes[0] >> 1 & 3;
	struct sl_packet_spec spec = {
		.src = is_v6 ? sl_packet_ip("2001:db8::1") : sl_packet_ip("192.0.2.1"),
		.dst = is_v6 ? sl_packet_ip("2001:db8::2") : sl_packet_ip("198.51.100.2"),
		.proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.icmp_type = is_v6 ? types6[type] : types4[type],
		.icmp_rest = 1400,
		.payload = bytes + 1,
		.payload_bytes = (uint16_t)(n_bytes - 1),
	};

	return sl_packet_build(frame, SL_PACKET_MAX_BYTES, &spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	uint8_t whole[SL_PACKET_MAX_BYTES], *frame;
	struct sl_pkt pkt;

	if (n_bytes < 1 || n_bytes > MAX_QUOTE_BYTES)
		return 0;
	n_bytes = build(whole, bytes, n_bytes);
	frame = fuzz_copy(whole, n_bytes);
	pkt = (struct sl_pkt){.data = frame, .len = (uint32_t)n_bytes};
	if (sl_parse(&pkt) == -1) {
		FUZZ_REQUIRE(pkt.kind == SL_PKT_ICMP_ERROR);
		fuzz_require_inside(&pkt);
		fuzz_require_rewrites(&pkt);
	}
	free(frame);
	return 0;
}
