// SPDX-License-Identifier: Apache-2.0
// Target: the parser on raw bytes, then the rewriter on what it accepts.
#include "fuzz.h"
#include "fuzz_packet.h"
#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	uint8_t *frame = fuzz_copy(bytes, n_bytes);
	struct sl_pkt pkt = {.data = frame, .len = (uint32_t)n_bytes};
	int result = sl_parse(&pkt);

	FUZZ_REQUIRE(result >= -1 && result < SL_DROP_COUNT);
	if (n_bytes > 0)
		FUZZ_REQUIRE(memcmp(frame, bytes, n_bytes) == 0);
	if (result == -1) {
		fuzz_require_inside(&pkt);
		fuzz_require_rewrites(&pkt);
	}
	free(frame);
	return 0;
}
