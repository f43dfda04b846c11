// SPDX-License-Identifier: Apache-2.0
// Target: dataplane.yaml. Refused with a report, or accepted; then the routes must build.
#include "config.h"
#include "fuzz.h"
#include "route.h"

static void require_routes(const struct sl_dpconfig *config)
{
	struct sl_route_table *routes = malloc(sizeof(*routes));
	uint32_t bad;

	FUZZ_REQUIRE(routes != NULL);
	FUZZ_REQUIRE(config->magic == SL_DPCONFIG_MAGIC && config->n_ports <= SL_MAX_PORTS);
	FUZZ_REQUIRE(config->n_workers >= 1 && config->n_workers <= SL_MAX_WORKERS);
	FUZZ_REQUIRE(sl_route_build(routes, config, &bad) == 0);
	free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	uint8_t *text = fuzz_copy(bytes, n_bytes);
	struct sl_dpconfig *config = malloc(sizeof(*config));
	struct sl_diagnostics diag;
	int err;

	FUZZ_REQUIRE(config != NULL);
	err = sl_config_parse_dataplane("f", (char *)text, n_bytes, config, &diag);
	FUZZ_REQUIRE((err != 0) == (diag.n_errors > 0));
	if (err == 0)
		require_routes(config);
	sl_diagnostics_fini(&diag);
	free(config);
	free(text);
	return 0;
}
