// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "flow_private.h"

#define CLIENTS_FIRST   0x14000000u // 20.0.0.0
#define FLOWS_PER_HOST  16
#define CLIENT_PORT     10000
#define BACKEND_PORT    8000        // of the first service
#define OTHER_PORTS     10000       // further up
#define BACKENDS_FIRST  11          // 10.0.0.11
#define FLOOD_FIRST     1000000     // by number, behind those that have flows
#define FLOOD_HOSTS     0x03ffffffu // mask: 20.0.0.0/6
#define CRAFTED_BUCKETS 256
#define PCAP_MAGIC      0xa1b2c3d4u // microsecond time stamps
#define PCAP_SNAP_BYTES 65535
#define PCAP_ETHERNET   1

static const char *const vip_text[2] = {"203.0.113.10", "2001:db8:f::10"};
static const char *const gateway_text[2] = {"192.0.2.254", "2001:db8:1::fe"};

void bench_traffic_config(struct sl_dpconfig *config, uint64_t n_flows)
{
	static const struct {
		const char *address;
		uint8_t bits;
	} own[] = {
		{"192.0.2.1", 24}, {"10.0.0.1", 24}, {"2001:db8:1::1", 64}, {"2001:db8:2::1", 64}};
	struct sl_dp_port *port = &config->ports[0];

	memset(config, 0, sizeof(*config));
	config->n_workers = 1;
	config->n_ports = 1;
	config->flows = n_flows;
	port->mtu_bytes = SL_MTU_DEFAULT_BYTES;
	snprintf(port->name, sizeof(port->name), "wire");
	for (uint32_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		port->addresses[port->n_addresses++] = (struct sl_prefix){
			.address = sl_packet_ip(own[i].address), .bits = own[i].bits};
	config->n_routes = 2;
	config->routes[0].to.address = sl_packet_ip("0.0.0.0");
	config->routes[1].to.address = sl_packet_ip("::");
	for (uint32_t i = 0; i < 2; i++)
		config->routes[i].via = sl_packet_ip(gateway_text[i]);
}

static void backend_text(char *text, size_t n_bytes, uint32_t i, bool is_v6)
{
	snprintf(text, n_bytes, is_v6 ? "2001:db8:2::%u" : "10.0.0.%u", BACKENDS_FIRST + i);
}

static struct sl_ip vip_of(const struct bench_traffic *traffic, uint32_t service)
{
	struct sl_ip ip = sl_packet_ip(vip_text[traffic->is_v6]);
	uint32_t last_be;

	memcpy(&last_be, &ip.bytes[12], sizeof(last_be));
	last_be = htonl(ntohl(last_be) + service);
	memcpy(&ip.bytes[12], &last_be, sizeof(last_be));
	return ip;
}

static void vip_name(char *text, size_t n_bytes, const struct bench_traffic *traffic,
                     uint32_t service)
{
	struct sl_ip ip = vip_of(traffic, service);

	inet_ntop(traffic->is_v6 ? AF_INET6 : AF_INET, &ip.bytes[traffic->is_v6 ? 0 : 12], text,
	          (socklen_t)n_bytes);
}

static void *take_memory(size_t n, size_t n_bytes)
{
	void *memory = calloc(n, n_bytes);

	if (memory == NULL) {
		fprintf(stderr, "no memory for the configuration\n");
		exit(EXIT_FAILURE);
	}
	return memory;
}

struct names {
	char vips[SL_MAX_VIPS][INET6_ADDRSTRLEN];
	char backends[BENCH_BACKENDS][INET6_ADDRSTRLEN];
};

static void fill_pool(struct sl_body_pool *pool, const struct bench_traffic *traffic,
                      const struct names *names, uint32_t service, uint64_t generation)
{
	*pool = (struct sl_body_pool){.forward = traffic->forward,
	                              .balance = SL_BALANCE_WEIGHTED,
	                              .n_backends = traffic->n_backends};
	for (uint32_t i = 0; i < traffic->n_backends; i++) {
		const bool is_spare = traffic->n_services > 1 && i + 2 >= traffic->n_backends;
		uint32_t port = BACKEND_PORT + service;

		if (is_spare && generation % 2 == 0)
			port += OTHER_PORTS;
		pool->backends[i] = (struct sl_body_backend){
			names->backends[i],
			sl_forward_is_dsr(traffic->forward) ? 0 : (uint16_t)port,
			is_spare ? 0 : 1000};
	}
}

struct sl_wire_header *bench_traffic_body(const struct bench_traffic *traffic, uint64_t generation,
                                          uint64_t epoch)
{
	const uint32_t n = traffic->n_services;
	struct names *names = take_memory(1, sizeof(*names));
	struct sl_body_vip *vips = take_memory(n, sizeof(*vips));
	struct sl_body_pool *pools = take_memory(n, sizeof(*pools));
	struct sl_wire_header *body;

	_Static_assert(BENCH_BACKENDS <= SL_BODY_BACKENDS, "they fit");
	for (uint32_t i = 0; i < BENCH_BACKENDS; i++)
		backend_text(names->backends[i], sizeof(names->backends[i]), i, traffic->is_v6);
	for (uint32_t i = 0; i < n; i++) {
		vip_name(names->vips[i], sizeof(names->vips[i]), traffic, i);
		vips[i] = (struct sl_body_vip){names->vips[i], BENCH_PORT, BENCH_PORT,
		                               IPPROTO_TCP,    i,          .is_measured = true};
		fill_pool(&pools[i], traffic, names, i, generation);
	}
	body = sl_body_config(&(struct sl_body_spec){generation, epoch, vips, n, pools, n});
	free(names);
	free(vips);
	free(pools);
	return body;
}

struct sl_wire_header *bench_traffic_weights(const struct bench_traffic *traffic)
{
	const uint32_t n = traffic->n_services * traffic->n_backends;
	struct names *names = take_memory(1, sizeof(*names));
	struct sl_body_backend *rows = take_memory(n, sizeof(*rows));
	struct sl_wire_header *body;
	struct sl_body_pool pool;

	for (uint32_t i = 0; i < BENCH_BACKENDS; i++)
		backend_text(names->backends[i], sizeof(names->backends[i]), i, traffic->is_v6);
	for (uint32_t i = 0; i < traffic->n_services; i++) {
		fill_pool(&pool, traffic, names, i, 1);
		memcpy(&rows[i * traffic->n_backends], pool.backends,
		       traffic->n_backends * sizeof(*rows));
	}
	body = sl_body_weights(1, 1, rows, n);
	free(names);
	free(rows);
	return body;
}

static struct sl_packet_spec fit_to_frame(struct sl_packet_spec spec)
{
	const uint32_t headers = 14 + (sl_ip_is_v4(&spec.dst) ? 20 : 40) + 20;

	if (headers < BENCH_FRAME_BYTES)
		spec.padding_bytes = (uint16_t)(BENCH_FRAME_BYTES - headers);
	return spec;
}

struct sl_packet_spec bench_traffic_from_client(const struct bench_traffic *traffic, uint32_t i,
                                                uint8_t tcp_flags)
{
	struct sl_packet_spec spec = {.proto = IPPROTO_TCP,
	                              .dport = BENCH_PORT,
	                              .sport = (uint16_t)(CLIENT_PORT + i % FLOWS_PER_HOST),
	                              .tcp_seq = i,
	                              .tcp_flags = tcp_flags};
	uint32_t host_be = htonl(CLIENTS_FIRST + i / FLOWS_PER_HOST);

	memcpy(spec.dst_mac, traffic->mac, 6);
	spec.src_mac[0] = 2;
	spec.dst = vip_of(traffic, i % traffic->n_services);
	spec.src = sl_ip_from_v4(host_be);
	if (traffic->is_v6) {
		spec.src = sl_packet_ip("2001:db8:c::");
		memcpy(&spec.src.bytes[12], &host_be, sizeof(host_be));
	}
	return fit_to_frame(spec);
}

// CRC-32 (IEEE 802.3).
static void crc_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (0xedb88320u & (0u - (table[i] & 1)));
	}
}

static uint32_t crc32(const uint32_t table[256], const uint8_t *at, size_t n_bytes)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n_bytes; i++)
		crc = crc >> 8 ^ table[(uint8_t)(crc ^ at[i])];
	return ~crc;
}

static bool is_crafted(const struct sl_packet_spec *spec, enum bench_flood flood,
                       const uint32_t crcs[256])
{
	static const struct sl_hash_key guessed = {0, 0};
	const struct sl_tuple tuple = {.src = spec->src,
	                               .dst = spec->dst,
	                               .sport_be = htons(spec->sport),
	                               .dport_be = htons(spec->dport),
	                               .proto = spec->proto};
	const struct flow_key_v4 key = flow_key_v4(&tuple);
	uint64_t hash = 0; // any will do

	if (flood == BENCH_FLOOD_SIPHASH)
		hash = sl_siphash13(&guessed, &key, sizeof(key));
	else if (flood == BENCH_FLOOD_CRC)
		hash = crc32(crcs, (const uint8_t *)&key, sizeof(key));
	return hash % CRAFTED_BUCKETS == 0;
}

struct sl_packet_spec bench_traffic_flood(const struct bench_traffic *traffic,
                                          enum bench_flood flood, uint64_t *tried)
{
	struct sl_packet_spec spec =
		bench_traffic_from_client(traffic, FLOOD_FIRST + (uint32_t)++ * tried, SL_TCP_SYN);
	uint32_t crcs[256] = {0};

	if (flood == BENCH_FLOOD_CRC)
		crc_table(crcs);
	while (flood != BENCH_FLOOD_HOSTS) {
		const uint64_t random = sl_mix64(++*tried);

		spec.src = sl_ip_from_v4(htonl(CLIENTS_FIRST + (uint32_t)(random & FLOOD_HOSTS)));
		spec.sport = (uint16_t)(1024 + (random >> 32) % 64000);
		if (is_crafted(&spec, flood, crcs))
			break;
	}
	return spec;
}

struct sl_packet_spec bench_traffic_from_backend(const struct bench_traffic *traffic,
                                                 const struct sl_tuple *sent, uint8_t tcp_flags)
{
	struct sl_packet_spec spec = {.proto = IPPROTO_TCP,
	                              .src = sent->dst,
	                              .dst = sent->src,
	                              .sport = ntohs(sent->dport_be),
	                              .dport = ntohs(sent->sport_be),
	                              .tcp_seq = 1,
	                              .tcp_flags = tcp_flags};

	memcpy(spec.dst_mac, traffic->mac, 6);
	spec.src_mac[0] = 2;
	return fit_to_frame(spec);
}

void bench_traffic_hosts(bench_host_fn learn, void *ctx)
{
	for (uint32_t v6 = 0; v6 < 2; v6++) {
		struct sl_ip ip = sl_packet_ip(gateway_text[v6]);
		char text[32];

		learn(ctx, &ip);
		for (uint32_t i = 0; i < BENCH_BACKENDS; i++) {
			backend_text(text, sizeof(text), i, v6 != 0);
			ip = sl_packet_ip(text);
			learn(ctx, &ip);
		}
	}
}

FILE *bench_capture_open(const char *path)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, snap_bytes, link;
	} header = {PCAP_MAGIC, 2, 4, 0, 0, PCAP_SNAP_BYTES, PCAP_ETHERNET};
	FILE *f = fopen(path, "w");

	if (f == NULL || fwrite(&header, sizeof(header), 1, f) != 1) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	return f;
}

void bench_capture_put(FILE *capture, const void *frame, uint32_t n_bytes)
{
	const uint32_t header[4] = {0, 0, n_bytes, n_bytes};

	if (fwrite(header, sizeof(header), 1, capture) != 1 ||
	    fwrite(frame, n_bytes, 1, capture) != 1) {
		perror("capture");
		exit(EXIT_FAILURE);
	}
}
