// SPDX-License-Identifier: Apache-2.0
// The whole control process on the test's loop: real socket to a fake data plane, real Unix socket
// to the API, real files in a directory of its own.
#ifndef SLUICE_TESTS_DAEMON_FIXTURE_H
#define SLUICE_TESTS_DAEMON_FIXTURE_H

#include <jansson.h>

#include "daemon.h"
#include "fake_dataplane.h"
#include "sl_check.h"
#include "state.h"

#define POOLS(weight_1, more)                                                                      \
	"version: 1\nvips:\n"                                                                      \
	"  - { name: chat, address: 203.0.113.10, ports: [443], protocol: tcp, pool: llama }\n"    \
	"pools:\n  llama:\n    forward: { mode: nat }\n    backends:\n"                            \
	"      - { name: gpu-1, address: 10.0.0.1:443, weight: " weight_1 " }\n"                   \
	"      - { name: gpu-2, address: 10.0.0.2:443, weight: 100 }\n" more

#define GOOD   POOLS("100", "")
#define CHANGE POOLS("50", "")
#define BAD    POOLS("100", "      - { name: gpu-3, adress: 10.0.0.3:443 }\n")

struct fixture {
	uv_loop_t loop;
	char dir[32], config[64], dp_path[64], api_path[64];
	struct fake_dataplane fake;
	struct sl_daemon daemon;
	bool has_fake, is_closed;
	uint32_t want; // of what a predicate waits for
};

// One call of the API, and everything that came back.
struct call {
	uv_loop_t *loop;
	int fd;
	uv_poll_t poll;
	char bytes[262144];
	size_t n_bytes;
	bool is_over, is_poll_closed;
	int status;
	json_t *json;
};

void fixture_exchange(struct fixture *f, struct call *call, const char *text, size_t n_bytes);
void fixture_request(struct fixture *f, struct call *call, const char *method, const char *path,
                     const char *body);
const char *fixture_text_of(const struct call *call, const char *key);
void fixture_write_config(struct fixture *f, const char *text);
void fixture_start_daemon(struct fixture *f);
void fixture_set_up(struct fixture *f, const char *config);
void fixture_start_fake(struct fixture *f, uint64_t instance);
void fixture_stop_daemon(struct fixture *f);
void fixture_tear_down(struct fixture *f);
bool fixture_has_weights(void *ctx);
bool fixture_is_lost(void *ctx);
void fixture_wait_configs(struct fixture *f, uint32_t n);
uint32_t fixture_weight_milli(const struct fixture *f, uint32_t backend);
bool fixture_has_file(const struct fixture *f, const char *name, const char *want);
void fixture_set_up_running(struct fixture *f);

#endif
