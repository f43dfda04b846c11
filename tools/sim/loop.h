// SPDX-License-Identifier: Apache-2.0
// The event loop of every sluice-sim command: epoll, one deadline on the monotonic clock, signals.
//
// A watch is embedded in what it watches. It may be deleted from any callback, its own too: events
// of the same batch that still point at it are forgotten.
// Errors: 0 or -errno. Thread: one.
#ifndef SLUICE_SIM_LOOP_H
#define SLUICE_SIM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define SL_LOOP_BATCH 128
#define SL_LOOP_NEVER UINT64_MAX

struct sl_watch {
	void (*on_ready)(struct sl_watch *watch, uint32_t events);
	int fd;
};

struct sl_loop {
	int epoll_fd;
	struct sl_watch timer, signals;
	void (*on_deadline)(void *ctx);
	void *ctx;
	bool is_stopped; // set it to leave sl_loop_run()
	struct epoll_event batch[SL_LOOP_BATCH];
	int n_batch;
};

// SIGINT and SIGTERM stop the loop; SIGPIPE is ignored.
int sl_loop_init(struct sl_loop *loop, void (*on_deadline)(void *ctx), void *ctx);
void sl_loop_fini(struct sl_loop *loop);

int sl_loop_add(struct sl_loop *loop, struct sl_watch *watch, uint32_t events);
int sl_loop_change(struct sl_loop *loop, struct sl_watch *watch, uint32_t events);
void sl_loop_delete(struct sl_loop *loop, struct sl_watch *watch); // does not close the fd

// on_deadline is called once when the clock reaches due_ns.
void sl_loop_set_deadline(struct sl_loop *loop, uint64_t due_ns);

// One round: waits at most timeout_ms (-1: for ever) and calls back what is ready.
int sl_loop_turn(struct sl_loop *loop, int timeout_ms);

uint64_t sl_loop_now_ns(void);

#endif
