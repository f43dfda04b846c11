// SPDX-License-Identifier: Apache-2.0
// Captures by libpcap: classic pcap and pcapng (without interface names) are read, classic pcap
// with nanoseconds is written. Ethernet only.
// Errors: NULL or -EINVAL/-EIO, the cause is told on standard error.
#ifndef SLUICE_REPLAY_CAPTURE_H
#define SLUICE_REPLAY_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

struct sl_capture;
struct sl_capture_writer;

#define SL_CAPTURE_HEADROOM_BYTES 64 // before each frame, may be written to as well

struct sl_captured {
	uint8_t *frame; // owned by the capture, may be written to until the next one
	uint32_t n_bytes;
	uint32_t
		wire_bytes; // that it had, capped at what libpcap accepts; zeros stand for the rest
	bool is_cut;        // the capture kept only a part of it
	uint64_t t_ns;
};

struct sl_capture *sl_capture_open(const char *path);
int sl_capture_next(struct sl_capture *c, struct sl_captured *packet); // 1, 0 at the end, -EIO
void sl_capture_close(struct sl_capture *c);

struct sl_capture_writer *sl_capture_create(const char *path);
void sl_capture_put(struct sl_capture_writer *w, const uint8_t *frame, uint32_t n_bytes,
                    uint64_t t_ns);
int sl_capture_finish(struct sl_capture_writer *w); // 0 when everything is on disk; NULL is fine

#endif
