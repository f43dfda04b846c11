// SPDX-License-Identifier: Apache-2.0
// A data plane for tests: the server side of sluice/ipc.h on the test's own libuv loop, with
// a real socket, a real statistics segment and real sealed bodies; it keeps every message, and
// can be told to answer wrongly.
#ifndef SLUICE_TESTS_FAKE_DATAPLANE_H
#define SLUICE_TESTS_FAKE_DATAPLANE_H

#include <uv.h>

#include "sluice/ipc.h"
#include "sluice/stats.h"
#include "sluice/wire.h"

#define FAKE_MAX_BACKENDS 8
#define FAKE_MAX_VIPS     4
#define FAKE_WORKERS      2
#define FAKE_PORTS        1

enum fake_fault {
	FAKE_GOOD,
	FAKE_SHORT,      // a reply that is too small
	FAKE_LONG,       // a reply that is too large
	FAKE_MAGIC,      // of another protocol
	FAKE_VERSION,    // of another version
	FAKE_REQUEST_ID, // to another request
	FAKE_TYPE,       // of another type
	FAKE_STATUS,     // a status nobody knows
	FAKE_REASON,     // a reason without an end
	FAKE_NO_FD,      // HELLO without statistics
	FAKE_EXTRA_FD,   // two descriptors
	FAKE_BAD_STATS,  // a segment with a broken header
	FAKE_SILENT,     // no reply at all
	FAKE_HANG_UP,    // closes instead of answering
};

struct fake_dataplane {
	uv_loop_t *loop;
	char path[108];
	int listen_fd, fd, stats_fd;
	void *stats; // mapped, writable
	size_t stats_bytes;
	uv_poll_t *listening, *connected;
	uint64_t instance, generation, epoch;
	enum fake_fault fault; // for replies of the type below
	uint16_t fault_type;   // enum sl_ipc_type
	uint32_t next_status;  // of the next CONFIG or WEIGHTS; then OK again
	uint64_t stale_epoch;  // ours is raised to this with a STALE
	uint32_t n_hellos, n_configs, n_weights, n_unsealed;
	uint32_t n_closed;                  // connections that the other side closed
	struct sl_wire_header *last_config; // bodies, owned
	struct sl_wire_header *last_weights;
};

// path is made new; also after fake_stop, as a data plane that starts again.
void fake_start(struct fake_dataplane *fake, uv_loop_t *loop, const char *path, uint64_t instance);
void fake_stop(struct fake_dataplane *fake);
void fake_fini(struct fake_dataplane *fake); // stop, and free what was kept

// What it counts: flows of a backend, in slot 0, and packets dropped for a reason.
void fake_set_flows(struct fake_dataplane *fake, uint64_t backend_id, uint64_t n);
void fake_set_drops(struct fake_dataplane *fake, unsigned int reason, uint64_t n);

// A statistics segment of the sizes above: descriptor and writable mapping.
int fake_stats_new(uint64_t instance, void **base, size_t *n_bytes);

// Runs the loop until done says so; the test fails after 5 s of real time.
void fake_run_until(uv_loop_t *loop, bool (*done)(void *ctx), void *ctx, const char *what);

#endif
