// SPDX-License-Identifier: Apache-2.0
#include "script.h"

#include <stdlib.h>

static void fail(const char *what)
{
	fprintf(stderr, "make_captures: %s\n", what);
	abort();
}

void script_start(struct script *s, const char *dir, const char *name)
{
	char path[4096];

	*s = (struct script){.t_ns = SCRIPT_START_NS - SL_NS_PER_MS};
	snprintf(path, sizeof(path), "%s/%s.in.pcap", dir, name);
	s->in = sl_capture_create(path);
	snprintf(path, sizeof(path), "%s/%s.out.pcap", dir, name);
	s->out = sl_capture_create(path);
	snprintf(path, sizeof(path), "%s/%s.verdicts", dir, name);
	s->verdicts = fopen(path, "w");
	if (s->in == NULL || s->out == NULL || s->verdicts == NULL)
		fail(path);
}

void script_end(struct script *s)
{
	if (sl_capture_finish(s->in) != 0 || sl_capture_finish(s->out) != 0 ||
	    fclose(s->verdicts) != 0)
		fail("the files cannot be written");
}

void script_wait(struct script *s, uint64_t ns)
{
	s->t_ns += ns;
}

void script_in_bytes(struct script *s, const uint8_t *frame, size_t n_bytes)
{
	s->t_ns += SL_NS_PER_MS;
	s->n++;
	sl_capture_put(s->in, frame, (uint32_t)n_bytes, s->t_ns);
}

void script_in(struct script *s, const struct sl_packet_spec *spec)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];

	script_in_bytes(s, frame, sl_packet_build(frame, sizeof(frame), spec));
}

void script_verdict(struct script *s, const char *verdict)
{
	script_late(s, s->n, verdict);
}

void script_out_bytes(struct script *s, const uint8_t *frame, size_t n_bytes)
{
	sl_capture_put(s->out, frame, (uint32_t)n_bytes, s->t_ns);
}

void script_out(struct script *s, const struct sl_packet_spec *spec)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];

	script_out_bytes(s, frame, sl_packet_build(frame, sizeof(frame), spec));
}

void script_sent(struct script *s, const struct sl_packet_spec *in,
                 const struct sl_packet_spec *out)
{
	script_in(s, in);
	script_out(s, out);
	script_verdict(s, "sent");
}

void script_ends(struct script *s, const struct sl_packet_spec *in, const char *verdict)
{
	script_in(s, in);
	script_verdict(s, verdict);
}

void script_generated(struct script *s, const uint8_t *frame, size_t n_bytes, uint64_t t_ns)
{
	sl_capture_put(s->out, frame, (uint32_t)n_bytes, t_ns);
	fputs("- generated\n", s->verdicts);
}

void script_late(struct script *s, unsigned int n, const char *verdict)
{
	fprintf(s->verdicts, "%u %s\n", n, verdict);
}
