// SPDX-License-Identifier: Apache-2.0
// Target: the whole pipeline, with state. Byte 0 chooses the plant, the others what happens to it.
#include "plant.h"

#define MAX_STEPS 400

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct fuzz_input in = {bytes, bytes + n_bytes};
	uint8_t choice = fuzz_u8(&in);
	struct plant_params params = {.n_workers = 1 + choice % 3,
	                              .n_flows = 64u << (choice >> 2 & 3),
	                              .n_pools = 2,
	                              .max_builds = 3,
	                              .is_configured = choice & 0x40,
	                              .seed = choice,
	                              .is_shared = choice & 0x10,
	                              .is_trusting = choice & 0x20};
	struct plant *plant = plant_new(&params);

	for (uint32_t i = 0; i < MAX_STEPS && fuzz_left(&in) > 0; i++) {
		plant_step(plant, &in);
		if (i % 16 == 0)
			plant_require_sound(plant);
	}
	plant_require_sound(plant);
	plant_free(plant);
	return 0;
}
