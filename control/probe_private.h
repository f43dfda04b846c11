// SPDX-License-Identifier: Apache-2.0
// Inside of the prober, shared by probe.c (targets, timers, queue), probe_tcp.c and probe_http.c
// (how one attempt runs) and probe_reply.c (pure judgement of answers).
//
// Life:   target idle -> queued -> running -> idle. An attempt belongs to its target; whoever ends
//         it calls sl_probe_finish last, since done may call anything, even sl_prober_close.
// Handles: every open uv handle is counted; the prober is freed when the last one is closed.
#ifndef SLUICE_CONTROL_PROBE_PRIVATE_H
#define SLUICE_CONTROL_PROBE_PRIVATE_H

#include <curl/curl.h>

#include "probe.h"

enum sl_target_state { SL_TARGET_IDLE, SL_TARGET_QUEUED, SL_TARGET_RUNNING };

// A probe definition, shared by all targets that were set with the same one.
struct sl_probe_spec {
	struct sl_model_probe def;
	struct curl_slist *headers; // http kinds
	char body[1024];            // what is posted
	uint32_t n_body_bytes;
	uint32_t n_users;
};

struct sl_probe_tcp;
struct sl_probe_http;

struct sl_target {
	uv_timer_t timer; // next probe
	struct sl_prober *prober;
	uint64_t key;
	struct sl_ip address;
	uint16_t port; // host order
	uint8_t state; // enum sl_target_state
	struct sl_probe_spec *spec;
	struct sl_probe_tcp *tcp;   // while running
	struct sl_probe_http *http; // while running
	struct sl_target *queue_next, *queue_prev;
};

struct sl_prober {
	uv_loop_t *loop;
	sl_probe_done_fn done;
	void *ctx;
	void (*closed)(void *ctx);
	void *closed_ctx;
	uint64_t random;
	struct sl_target **targets; // by key
	uint32_t n_targets;
	uint32_t n_running, max_running;
	struct sl_target *queue_first, *queue_last;
	uint32_t n_handles; // uv handles not yet closed
	bool is_closing;
	struct sl_probe_tcp *tcp_free;
	// --- curl ---
	CURLM *multi;
	uv_timer_t curl_timer;
	struct sl_probe_http *http_free;
};

// probe.c
void sl_probe_finish(struct sl_target *target, const struct sl_probe_result *result);
void sl_probe_pump(struct sl_prober *prober);
void sl_probe_handle_closed(struct sl_prober *prober);

// probe_tcp.c: 0, or -errno when nothing was started.
int sl_probe_tcp_start(struct sl_target *target);
void sl_probe_tcp_cancel(struct sl_target *target);
void sl_probe_tcp_fini(struct sl_prober *prober);
uint8_t sl_probe_reason_of_errno(int err);

// probe_http.c
int sl_probe_http_init(struct sl_prober *prober);
void sl_probe_http_fini(struct sl_prober *prober);
int sl_probe_http_spec_init(struct sl_probe_spec *spec);
int sl_probe_http_start(struct sl_target *target);
void sl_probe_http_cancel(struct sl_target *target);

#endif
