// SPDX-License-Identifier: Apache-2.0
// Writes the fuzzers' first inputs: make_seeds DIR; one folder per target in there.
#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "body.h"
#include "fuzz.h"
#include "localpkt.h"
#include "packets.h"
#include "random_packet.h"
#include "sl_check.h"

#define N_RANDOM 48

struct writer {
	const char *dir, *target;
	unsigned int n_files;
};

static void put(struct writer *w, const void *bytes, size_t n_bytes)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->dir, w->target);
	FUZZ_REQUIRE(mkdir(path, 0777) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%s/seed-%03u", w->dir, w->target, w->n_files++);
	f = fopen(path, "wb");
	FUZZ_REQUIRE(f != NULL);
	FUZZ_REQUIRE(fwrite(bytes, 1, n_bytes, f) == n_bytes && fclose(f) == 0);
}

static void put_packets(const char *dir)
{
	struct writer parse = {dir, "parse", 0}, icmp = {dir, "icmp", 0};
	uint8_t frame[SL_PACKET_MAX_BYTES], quote[SL_PACKET_MAX_BYTES];
	struct random_packet random;
	uint64_t state = 1;

	for (unsigned int i = 0; i < N_RANDOM; i++) {
		size_t n_bytes, l3_off;

		random_packet_make(&random, &state);
		random.spec.payload_bytes %= 64;
		n_bytes = sl_packet_build(frame, sizeof(frame), &random.spec);
		put(&parse, frame, n_bytes);
		if (random.spec.quote != NULL || n_bytes > 500)
			continue;
		l3_off = 14u + 4u * random.spec.n_vlans;
		quote[0] = (uint8_t)((sl_ip_is_v4(&random.spec.dst) ? 0 : 1) | i << 1);
		memcpy(quote + 1, frame + l3_off, n_bytes - l3_off);
		put(&icmp, quote, n_bytes - l3_off + 1);
	}
}

static void put_local(const char *dir)
{
	struct writer w = {dir, "localpkt", 0};
	static const char *const targets[] = {"192.0.2.1", "2001:db8::1"};
	static const char *const sources[] = {"192.0.2.9", "2001:db8::9"};
	uint8_t frame[SL_PACKET_MAX_BYTES];

	for (unsigned int i = 0; i < 2; i++) {
		struct sl_ip target = sl_packet_ip(targets[i]), source = sl_packet_ip(sources[i]);
		struct sl_l2 l2 = {.our_mac = {2, 0, 0, 0, 0, 9}};
		struct sl_packet_spec echo = {.src = source,
		                              .dst = target,
		                              .proto = i == 0 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		                              .icmp_type = i == 0 ? 8 : 128,
		                              .payload_bytes = 32};

		put(&w, frame, sl_build_ask(frame, sizeof(frame), &l2, &source, &target));
		put(&w, frame, sl_build_announce(frame, sizeof(frame), &target, l2.our_mac));
		put(&w, frame, sl_packet_build(frame, sizeof(frame), &echo));
	}
}

static void put_bodies(const char *dir)
{
	struct writer w = {dir, "wire", 0};
	struct sl_body_pool pools[2] = {
		{.n_backends = 2, .backends = {{"10.0.0.1", 80, 1000}, {"10.0.0.2", 80, 500}}},
		{.forward = SL_FORWARD_DSR_L2,
	         .n_backends = 1,
	         .backends = {{"2001:db8::2", 0, 1000}}}};
	struct sl_body_vip vips[2] = {{"192.0.2.1", 80, 90, IPPROTO_TCP, 0},
	                              {"2001:db8::1", 0, UINT16_MAX, IPPROTO_UDP, 1}};

	for (uint8_t balance = 0; balance < SL_BALANCE_COUNT; balance++) {
		struct sl_wire_header *body;

		pools[0].balance = pools[1].balance = balance;
		body = sl_body_config(&(struct sl_body_spec){1, 1, vips, 2, pools, 2});
		put(&w, body, body->total_bytes);
		free(body);
		body = sl_body_weights(1, 2, pools[0].backends, 2);
		put(&w, body, body->total_bytes);
		free(body);
	}
}

// Runs of everything, found by chance; the fuzzer takes it from there.
static void put_runs(const char *dir)
{
	struct writer w = {dir, "pipeline", 0};
	uint64_t state = 2;
	uint8_t bytes[1024];

	for (unsigned int i = 0; i < 32; i++) {
		for (size_t b = 0; b < sizeof(bytes); b++)
			bytes[b] = (uint8_t)sl_check_random(&state);
		bytes[0] = (uint8_t)(i | (i & 1 ? 0x40 : 0));
		bytes[1] = 250; // a configuration first
		bytes[2] = 0;
		put(&w, bytes, 128 + i * 28);
	}
}

// Datagrams in order; every kind of step of the others, by chance.
static void put_sequences(const char *dir)
{
	struct writer frag = {dir, "frag", 0}, quic = {dir, "quic", 0}, ipc = {dir, "ipc", 0};
	uint64_t state = 3;
	uint8_t bytes[256];

	for (uint8_t which = 0; which < 16; which++) {
		const uint8_t request = which & 4 ? (uint8_t)(which & 3) : which;
		const uint8_t parts[] = {request, 0x30, request, 0x84, which, 0x30,
		                         which,   0x34, which,   0x38, which, 0x8c};

		put(&frag, parts, sizeof(parts));
	}
	for (unsigned int i = 0; i < 16; i++) {
		for (size_t b = 0; b < sizeof(bytes); b++)
			bytes[b] = (uint8_t)sl_check_random(&state);
		put(&quic, bytes, sizeof(bytes));
		bytes[0] |= 7;
		bytes[1] = 16;
		bytes[6] = 0;
		bytes[7] = 1;
		bytes[8] = (uint8_t)(1 + i % 4);
		bytes[9] = 0;
		put(&ipc, bytes, 18 + 8 * i);
	}
}

static void copy_file(struct writer *w, const char *path)
{
	static char text[1 << 16];
	FILE *f = fopen(path, "rb");
	size_t n_bytes;

	FUZZ_REQUIRE(f != NULL);
	n_bytes = fread(text, 1, sizeof(text), f);
	fclose(f);
	put(w, text, n_bytes);
}

int main(int argc, char **argv)
{
	struct writer pools = {argc > 1 ? argv[1] : "", "pools", 0};
	struct writer dataplane = {argc > 1 ? argv[1] : "", "dataplane", 0};

	if (argc < 4) {
		fprintf(stderr, "usage: make_seeds DIR POOLS.yaml DATAPLANE.yaml\n");
		return 2;
	}
	put_packets(argv[1]);
	put_local(argv[1]);
	put_bodies(argv[1]);
	put_runs(argv[1]);
	put_sequences(argv[1]);
	copy_file(&pools, argv[2]);
	copy_file(&dataplane, argv[3]);
	return 0;
}
