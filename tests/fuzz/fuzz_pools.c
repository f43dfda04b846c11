// SPDX-License-Identifier: Apache-2.0
// Target: pools.yaml. Refused with a report, or accepted; then the data plane must accept what is
// made of it.
#include "config.h"
#include "fuzz.h"
#include "wirebuild.h"
#include "wirecheck.h"

static void require_body(const struct sl_model *model)
{
	uint32_t *weights_milli = calloc((size_t)model->n_backends + 1, sizeof(*weights_milli));
	char reason[160] = "";
	size_t n_bytes;
	void *body;

	FUZZ_REQUIRE(weights_milli != NULL);
	for (uint32_t i = 0; i < model->n_backends; i++)
		weights_milli[i] = model->backends[i].weight * SL_WEIGHT_ONE_MILLI;
	body = sl_wirebuild_config(model, weights_milli, 1, 1, &n_bytes);
	FUZZ_REQUIRE(body != NULL);
	if (sl_wire_check(body, n_bytes, SL_WIRE_CONFIG, reason, sizeof(reason)) != SL_IPC_OK) {
		fprintf(stderr, "the data plane refuses: %s\n", reason);
		abort();
	}
	free(body);
	free(weights_milli);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	uint8_t *text = fuzz_copy(bytes, n_bytes);
	struct sl_diagnostics diag;
	struct sl_model *model = sl_config_parse_pools("f", (char *)text, n_bytes, &diag);

	FUZZ_REQUIRE((model == NULL) == (diag.n_errors > 0));
	if (diag.n_errors > 0)
		FUZZ_REQUIRE(diag.text != NULL && strlen(diag.text) == diag.n_bytes);
	if (model != NULL)
		require_body(model);
	sl_model_free(model);
	sl_diagnostics_fini(&diag);
	free(text);
	return 0;
}
