// SPDX-License-Identifier: Apache-2.0
// What the benchmark's packets are: flows by number, so that nothing about them has to be stored.
//
// Layout:  one port "wire" carries everything: clients behind a gateway, backends connected.
//          64-byte frames (IPv6: the least it can be), as a switch would deliver them.
// Capture: classic pcap, read by net_pcap here and by testpmd.
#ifndef SLUICE_BENCH_TRAFFIC_H
#define SLUICE_BENCH_TRAFFIC_H

#include <stdio.h>

#include "body.h"
#include "packets.h"
#include "sluice/dpconfig.h"

#define BENCH_FRAME_BYTES 64
#define BENCH_BACKENDS    16 // of a pool, at most
#define BENCH_PORT        443

struct bench_traffic {
	uint8_t mac[6]; // of our port
	uint8_t forward;
	bool is_v6;
	uint32_t n_services; // VIPs with a pool of their own; flow i is to service i mod n_services
	uint32_t n_backends; // of each
};

// Addresses of the port, connected networks and the way to the clients.
void bench_traffic_config(struct sl_dpconfig *config, uint64_t n_flows);

// Each service has one VIP and one weighted pool. Pools have the same hosts at ports of their own.
// Of several services each has two backends without weight, which every other generation replaces
// by ones at other ports: flows to removed backends would look for their next hop at each packet,
// and that is not what a reload costs.
struct sl_wire_header *bench_traffic_body(const struct bench_traffic *traffic, uint64_t generation,
                                          uint64_t epoch);

// A weight for each backend of generation 1, for the caller to change.
struct sl_wire_header *bench_traffic_weights(const struct bench_traffic *traffic);

// What flow i sends to the VIP.
struct sl_packet_spec bench_traffic_from_client(const struct bench_traffic *traffic, uint32_t i,
                                                uint8_t tcp_flags);

// What its backend answers; sent is the tuple under which the request left us.
struct sl_packet_spec bench_traffic_from_backend(const struct bench_traffic *traffic,
                                                 const struct sl_tuple *sent, uint8_t tcp_flags);

// SYNs of sources that nobody has seen.
enum bench_flood {
	BENCH_FLOOD_HOSTS,  // every port of a few on one host, then the next host
	BENCH_FLOOD_RANDOM, // any host, any port
	// What someone can craft who knows all but the key: only sources that a table would keep in
	// one bucket of 256, if its hash were SipHash-1-3 under the key 0, or a CRC.
	BENCH_FLOOD_SIPHASH,
	BENCH_FLOOD_CRC,
};

// The next one; *tried is 0 at first.
struct sl_packet_spec bench_traffic_flood(const struct bench_traffic *traffic,
                                          enum bench_flood flood, uint64_t *tried);

// Every host of the wire: calls learn with the address of each backend and of the gateways.
typedef void (*bench_host_fn)(void *ctx, const struct sl_ip *ip);
void bench_traffic_hosts(bench_host_fn learn, void *ctx);

FILE *bench_capture_open(const char *path);
void bench_capture_put(FILE *capture, const void *frame, uint32_t n_bytes);

#endif
