// SPDX-License-Identifier: Apache-2.0
// Servers behind fullnat that are told who the client is: whole connections by PROXY header and by
// option, with what is repeated, forged or too long. Files: told.yaml.
#include <netinet/in.h>

#include "captures.h"

#define ACK          SL_TCP_ACK
#define PSH_ACK      (SL_TCP_PSH | SL_TCP_ACK)
#define FIN_ACK      (SL_TCP_FIN | SL_TCP_ACK)
#define ISN          0xfffffff0u // the stream passes 0 soon
#define SERVER_ISN   9000u
#define MSS(n)       2, 4, (n) >> 8, (n)&0xff
#define U32(n)       (uint8_t)((n) >> 24), (uint8_t)((n) >> 16), (uint8_t)((n) >> 8), (uint8_t)(n)
#define N            1 // NOP
#define MAX_TOLD     52
#define DATA_BYTES   333
#define TOA_VIP_PORT 81

// Port 40000 of the client, and the VIP's port 80.
static const uint8_t header_v4[28] = {13,   10, 13,   10,   0,    13,   10,  0x51, 0x55, 0x49,
                                      0x54, 10, 0x21, 0x11, 0,    12,   198, 51,   100,  10,
                                      192,  0,  2,    2,    0x9c, 0x40, 0,   80};
static const uint8_t header_v6[52] = {
	13,   10,   13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x21, 0x21, 0,    36, 0x20, 1,
	0x0d, 0xb8, 0,  1,  0, 0,  0,  0,    0,    0,    0,    0,  0,    0x10, 0x20, 1,  0x0d, 0xb8,
	0,    3,    0,  0,  0, 0,  0,  0,    0,    0,    0,    2,  0x9c, 0x40, 0,    80};
static const uint8_t toa_v4[8] = {254, 8, 0x9c, 0x40, 198, 51, 100, 10};
static const uint8_t toa_v6[20] = {254, 20, 0x9c, 0x40, 0x20, 1, 0x0d, 0xb8, 0, 1,
                                   0,   0,  0,    0,    0,    0, 0,    0,    0, 0x10};

// seq and ack count from the start of the streams.
static struct sl_packet_spec client(const struct lane *lane, uint8_t flags, uint32_t seq)
{
	struct sl_packet_spec in = lane_from_client(lane);

	in.tcp_flags = flags;
	in.tcp_seq = ISN + 1 + seq;
	in.tcp_ack = SERVER_ISN + 1;
	return in;
}

static struct sl_packet_spec server(const struct lane *lane, uint8_t flags, uint32_t ack)
{
	struct sl_packet_spec in = lane_from_server(lane);

	in.tcp_flags = flags;
	in.tcp_seq = SERVER_ISN + (flags & SL_TCP_SYN ? 0 : 1);
	in.tcp_ack = ISN + 1 + ack;
	return in;
}

static void to_server(struct script *s, const struct lane *lane, const struct sl_packet_spec *in,
                      struct sl_packet_spec want)
{
	struct sl_packet_spec out = lane_to_server(lane, &want);

	script_sent(s, in, &out);
}

static void to_client(struct script *s, const struct lane *lane, const struct sl_packet_spec *in,
                      struct sl_packet_spec want)
{
	struct sl_packet_spec out = lane_to_client(lane, &want);

	script_sent(s, in, &out);
}

// What begins where the stream begins comes with the header.
static void with_header(struct script *s, const struct lane *lane, const struct sl_packet_spec *in)
{
	const uint16_t n_bytes = lane->is_v6 ? sizeof(header_v6) : sizeof(header_v4);
	struct sl_packet_spec want = *in;
	uint8_t payload[MAX_TOLD + DATA_BYTES];

	memcpy(payload, lane->is_v6 ? header_v6 : header_v4, n_bytes);
	for (uint16_t i = 0; i < in->payload_bytes; i++)
		payload[n_bytes + i] = (uint8_t)(i + 1);
	want.payload = payload;
	want.payload_bytes = (uint16_t)(in->payload_bytes + n_bytes);
	want.padding_bytes = 0;
	to_server(s, lane, in, want);
}

// A request without options or data, although the client would; an answer that announces less.
static void proxy_handshake(struct script *s, const struct lane *lane, uint16_t n_bytes)
{
	static const uint8_t wish[16] = {MSS(1460), 34, 10, 1, 2, 3, 4, 5, 6, 7, 8, N, N};
	static const uint8_t plain[16] = {MSS(1460), N, N, N, N, N, N, N, N, N, N, N, N};
	const uint16_t less = (uint16_t)(1440 - n_bytes);
	const uint8_t answer[4] = {MSS(1440)}, lower[4] = {MSS(less)};
	struct sl_packet_spec in = client(lane, SL_TCP_SYN, -1u), want;

	in.tcp_ack = 0;
	in.tcp_options = wish;
	in.tcp_options_bytes = sizeof(wish);
	want = in;
	in.payload_bytes = 50;
	want.tcp_options = plain;
	to_server(s, lane, &in, want);
	in = server(lane, SL_TCP_SYN | ACK, 0);
	in.tcp_options = answer;
	in.tcp_options_bytes = sizeof(answer);
	want = in;
	want.tcp_options = lower;
	to_client(s, lane, &in, want);
}

static void proxy(struct script *s, bool is_v6)
{
	const struct lane lane =
		lane_make(SL_FORWARD_FULLNAT, is_v6, IPPROTO_TCP, FIRST_LOCAL_PORT);
	const uint16_t n_bytes = is_v6 ? sizeof(header_v6) : sizeof(header_v4);
	const uint8_t twice[12] = {N, N, 5, 10, U32(ISN + 1), U32(ISN + 1 + n_bytes)};
	static const uint8_t nothing[12] = {N, N, N, N, N, N, N, N, N, N, N, N};
	struct sl_packet_spec in, want;

	proxy_handshake(s, &lane, n_bytes);
	in = client(&lane, ACK, 0);
	in.padding_bytes = 6;
	with_header(s, &lane, &in);
	in = client(&lane, PSH_ACK, 0);
	in.payload_bytes = DATA_BYTES;
	with_header(s, &lane, &in);
	in = server(&lane, ACK, n_bytes + DATA_BYTES); // it got the header twice, and says so
	in.tcp_options = twice;
	in.tcp_options_bytes = sizeof(twice);
	want = in;
	want.tcp_ack = ISN + 1 + DATA_BYTES;
	want.tcp_options = nothing;
	to_client(s, &lane, &in, want);
	in = client(&lane, PSH_ACK, 0); // the client has not heard of it
	in.payload_bytes = DATA_BYTES;
	want = in;
	want.tcp_seq += n_bytes;
	to_server(s, &lane, &in, want);
	in = server(&lane, FIN_ACK, n_bytes + DATA_BYTES);
	want = in;
	want.tcp_ack -= n_bytes;
	to_client(s, &lane, &in, want);
	in = client(&lane, FIN_ACK, DATA_BYTES);
	want = in;
	want.tcp_seq += n_bytes;
	to_server(s, &lane, &in, want);
}

void capture_proxy_v4(struct script *s)
{
	proxy(s, false);
}

void capture_proxy_v6(struct script *s)
{
	proxy(s, true);
}

// A segment that fits alone, but not behind the header, and may be neither cut nor answered.
void capture_proxy_long(struct script *s)
{
	const struct lane lane =
		lane_make(SL_FORWARD_FULLNAT, false, IPPROTO_TCP, FIRST_LOCAL_PORT);
	struct sl_packet_spec in;

	proxy_handshake(s, &lane, sizeof(header_v4));
	in = client(&lane, ACK, 0);
	in.payload_bytes = 1460;
	script_ends(s, &in, "dropped:too_big");
	in.payload_bytes = DATA_BYTES;
	with_header(s, &lane, &in);
}

static void toa(struct script *s, bool is_v6)
{
	static const uint8_t lie[8] = {254, 8, 1, 2, 8, 8, 8, 8},
			     nops[8] = {N, N, N, N, N, N, N, N};
	struct lane lane = lane_make(SL_FORWARD_FULLNAT, is_v6, IPPROTO_TCP, FIRST_LOCAL_PORT);
	const uint16_t n_bytes = is_v6 ? sizeof(toa_v6) : sizeof(toa_v4);
	uint8_t options[40];
	struct sl_packet_spec in, want;

	lane.vip_port = TOA_VIP_PORT;
	in = client(&lane, SL_TCP_SYN, -1u);
	in.tcp_options = lie;
	in.tcp_options_bytes = sizeof(lie);
	want = in;
	want.tcp_options = nops;
	to_server(s, &lane, &in, want);
	in = server(&lane, SL_TCP_SYN | ACK, 0);
	to_client(s, &lane, &in, in);
	memcpy(options, is_v6 ? toa_v6 : toa_v4, n_bytes);
	memcpy(options + n_bytes, nops, sizeof(nops));
	for (int i = 0; i < 2; i++) { // the ACK of the handshake, and first data with a lie
		in = client(&lane, i == 0 ? ACK : PSH_ACK, 0);
		in.tcp_options = lie;
		in.tcp_options_bytes = i == 0 ? 0 : sizeof(lie);
		in.payload_bytes = i == 0 ? 0 : DATA_BYTES;
		want = in;
		want.tcp_options = options;
		want.tcp_options_bytes = (uint16_t)(in.tcp_options_bytes + n_bytes);
		to_server(s, &lane, &in, want);
	}
	in = server(&lane, ACK, DATA_BYTES);
	to_client(s, &lane, &in, in);
	in = client(&lane, PSH_ACK, DATA_BYTES);
	in.payload_bytes = DATA_BYTES;
	to_server(s, &lane, &in, in);
}

void capture_toa_v4(struct script *s)
{
	toa(s, false);
}

void capture_toa_v6(struct script *s)
{
	toa(s, true);
}
