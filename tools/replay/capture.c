// SPDX-License-Identifier: Apache-2.0
#include "capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/units.h"

#define MAX_FRAME_BYTES (256u << 10) // what libpcap itself accepts

struct sl_capture {
	pcap_t *pcap;
	uint8_t room[SL_CAPTURE_HEADROOM_BYTES + MAX_FRAME_BYTES];
};

struct sl_capture_writer {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	const char *path; // borrowed
};

struct sl_capture *sl_capture_open(const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	struct sl_capture *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (c->pcap == NULL) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, why);
		free(c);
		return NULL;
	}
	if (pcap_datalink(c->pcap) != DLT_EN10MB) {
		fprintf(stderr, "%s: %s: link type %s, but Sluice speaks Ethernet\n",
		        program_invocation_short_name, path,
		        pcap_datalink_val_to_name(pcap_datalink(c->pcap)));
		sl_capture_close(c);
		return NULL;
	}
	return c;
}

int sl_capture_next(struct sl_capture *c, struct sl_captured *packet)
{
	struct pcap_pkthdr *header;
	uint32_t wire_bytes;
	const u_char *bytes;
	int got = pcap_next_ex(c->pcap, &header, &bytes);

	if (got == PCAP_ERROR_BREAK)
		return 0;
	if (got != 1 || header->caplen > MAX_FRAME_BYTES) {
		fprintf(stderr, "%s: reading the capture: %s\n", program_invocation_short_name,
		        pcap_geterr(c->pcap));
		return -EIO;
	}
	wire_bytes = header->len < MAX_FRAME_BYTES ? header->len : MAX_FRAME_BYTES;
	if (wire_bytes < header->caplen)
		wire_bytes = header->caplen;
	memcpy(c->room + SL_CAPTURE_HEADROOM_BYTES, bytes, header->caplen);
	memset(c->room + SL_CAPTURE_HEADROOM_BYTES + header->caplen, 0,
	       wire_bytes - header->caplen);
	*packet = (struct sl_captured){
		.frame = c->room + SL_CAPTURE_HEADROOM_BYTES,
		.n_bytes = header->caplen,
		.wire_bytes = wire_bytes,
		.is_cut = header->caplen < header->len,
		// tv_usec counts nanoseconds: that is what was asked for.
		.t_ns = (uint64_t)header->ts.tv_sec * SL_NS_PER_S + (uint64_t)header->ts.tv_usec,
	};
	return 1;
}

void sl_capture_close(struct sl_capture *c)
{
	if (c == NULL)
		return;
	pcap_close(c->pcap);
	free(c);
}

struct sl_capture_writer *sl_capture_create(const char *path)
{
	struct sl_capture_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->path = path;
	w->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, (int)MAX_FRAME_BYTES,
	                                               PCAP_TSTAMP_PRECISION_NANO);
	if (w->pcap != NULL)
		w->dumper = pcap_dump_open(w->pcap, path);
	if (w->dumper == NULL) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name,
		        w->pcap != NULL ? pcap_geterr(w->pcap) : "out of memory");
		if (w->pcap != NULL)
			pcap_close(w->pcap);
		free(w);
		return NULL;
	}
	return w;
}

void sl_capture_put(struct sl_capture_writer *w, const uint8_t *frame, uint32_t n_bytes,
                    uint64_t t_ns)
{
	struct pcap_pkthdr header = {
		.ts = {.tv_sec = (time_t)(t_ns / SL_NS_PER_S),
	               .tv_usec = (suseconds_t)(t_ns % SL_NS_PER_S)},
		.caplen = n_bytes,
		.len = n_bytes,
	};

	pcap_dump((u_char *)w->dumper, &header, frame);
}

int sl_capture_finish(struct sl_capture_writer *w)
{
	int err = 0;

	if (w == NULL)
		return 0;
	if (pcap_dump_flush(w->dumper) != 0 || ferror(pcap_dump_file(w->dumper))) {
		fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, w->path,
		        strerror(errno));
		err = -EIO;
	}
	pcap_dump_close(w->dumper);
	pcap_close(w->pcap);
	free(w);
	return err;
}
