// SPDX-License-Identifier: Apache-2.0
#include "scenarios.h"

#include <string.h>

// 16 servers of the default engine serve 155 requests a second.
#define FULL_RPS 155.0

static const struct scenario scenarios[] = {
	{.name = "S1", .what = "16 equal servers, 84 % load", .rate_rps = 0.84 * FULL_RPS},
	{.name = "S2",
         .what = "half of them twice as slow, 86 % load",
         .rate_rps = 0.86 * 0.75 * FULL_RPS,
         .slow_factor = 2},
	{.name = "S3",
         .what = "half of them loaded by others, 5 requests/s each",
         .rate_rps = 0.84 * FULL_RPS - 40,
         .hidden_rps = 5},
	{.name = "S4",
         .what = "one server six times as slow from 200 s to 500 s",
         .rate_rps = 0.80 * FULL_RPS,
         .faults = {{FAULT_SLOW, 3, 6, 200, 500}}},
	{.name = "S5",
         .what = "one server fails fast from 200 s to 260 s",
         .rate_rps = 0.80 * FULL_RPS,
         .faults = {{FAULT_FAST_FAIL, 3, 0, 200, 260}}},
	{.name = "overload-106",
         .what = "106 % load, 80 flows' worth per server at most",
         .rate_rps = 1.06 * FULL_RPS,
         .cap = 80},
	{.name = "overload-129",
         .what = "129 % load, 80 flows' worth per server at most",
         .rate_rps = 1.29 * FULL_RPS,
         .cap = 80},
	{.name = "join",
         .what = "a server is away from 100 s to 200 s and comes back cold",
         .rate_rps = 0.84 * FULL_RPS,
         .faults = {{FAULT_ABSENT, 3, 0, 100, 200}}},
	{.name = "hang",
         .what = "one server takes connections and answers nothing from 200 s to 300 s",
         .rate_rps = 0.75 * FULL_RPS,
         .faults = {{FAULT_HANG, 3, 0, 200, 300}}},
	{.name = "flap",
         .what = "one server fails for 5 s of every 15 s from 200 s to 400 s",
         .rate_rps = 0.80 * FULL_RPS,
         .faults = {{FAULT_FLAP, 3, 0, 200, 400}}},
	{.name = "slow-2x",
         .what = "one server twice as slow from 200 s to 500 s",
         .rate_rps = 0.80 * FULL_RPS,
         .faults = {{FAULT_SLOW, 3, 2, 200, 500}}},
	{.name = "slow-20x",
         .what = "one server twenty times as slow from 200 s to 500 s",
         .rate_rps = 0.80 * FULL_RPS,
         .faults = {{FAULT_SLOW, 3, 20, 200, 500}}},
	{.name = "bursts",
         .what = "40 % more for 10 s of each minute, 70 % load else",
         .rate_rps = 0.70 * FULL_RPS,
         .burst_factor = 1.4},
	{.name = "keep-alive-20",
         .what = "20 requests a connection",
         .rate_rps = 0.84 * FULL_RPS,
         .keep_alive = 20},
	{.name = "embeddings",
         .what = "half of the requests are embeddings",
         .rate_rps = 1.5 * FULL_RPS,
         .embeddings = 0.5},
	{.name = "1-server", .what = "one server", .n_servers = 1, .rate_rps = 0.6 * FULL_RPS / 16},
	{.name = "4-servers",
         .what = "4 servers, 75 % load",
         .n_servers = 4,
         .rate_rps = 0.75 * FULL_RPS / 4},
	{.name = "128-servers",
         .what = "128 servers, 84 % load",
         .n_servers = 128,
         .rate_rps = 8 * 0.84 * FULL_RPS},
	{.name = "8-workers",
         .what = "8 workers that share counts each millisecond",
         .rate_rps = 0.84 * FULL_RPS,
         .n_workers = 8},
	{.name = "32-workers",
         .what = "32 workers that share counts each millisecond",
         .rate_rps = 0.84 * FULL_RPS,
         .n_workers = 32},
	{.name = "8-workers-100ms",
         .what = "8 workers that share counts each 100 ms",
         .rate_rps = 0.84 * FULL_RPS,
         .n_workers = 8,
         .sync_ms = 100},
	{.name = "2-appliances",
         .what = "two appliances that share nothing",
         .rate_rps = 0.84 * FULL_RPS,
         .n_appliances = 2},
	{.name = "4-appliances",
         .what = "four appliances that share nothing",
         .rate_rps = 0.84 * FULL_RPS,
         .n_appliances = 4},
	{.name = "blackout",
         .what = "half of them twice as slow; nothing is seen from 200 s to 400 s",
         .rate_rps = 0.80 * 0.75 * FULL_RPS,
         .slow_factor = 2,
         .blackout_from_s = 200,
         .blackout_to_s = 400},
};

size_t scenario_count(void)
{
	return sizeof(scenarios) / sizeof(scenarios[0]);
}

const struct scenario *scenario_at(size_t i)
{
	return &scenarios[i];
}

const struct scenario *scenario_find(const char *name)
{
	for (size_t i = 0; i < scenario_count(); i++) {
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	}
	return NULL;
}
