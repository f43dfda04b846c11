// SPDX-License-Identifier: Apache-2.0
#include "config_schema.h"

#include "config_raw.h"
#include "sluice/types.h"

#define AT(type, member) ((uint32_t)offsetof(struct type, member))
#define OBJECT(id, word, table, choice)                                                            \
	static const struct sl_schema_object id = {word, choice, table,                            \
	                                           sizeof(table) / sizeof((table)[0])}
#define MS_PER_S 1000
#define MS_PER_H (3600 * MS_PER_S)
#define MAX_RATE (10 * 1000 * 1000)
#define MIB      (UINT64_C(1) << 20)

// Orders are those of the enums in model.h, types.h and dpconfig.h; tests/unit/config checks them.
static const char *const protocols[] = {"tcp", "udp", NULL};
static const char *const forwards[] = {"nat", "fullnat", "dsr-l2", "dsr-ipip", "dsr-gue", NULL};
static const char *const mtu_guards[] = {"both", "clamp-mss", "too-big", NULL};
static const char *const client_addresses[] = {"none", "proxy-v2", "toa", NULL};
static const char *const balances[] = {"weighted", "least-connections", "maglev", "adaptive", NULL};
static const char *const affinities[] = {"none", "source", "flow", "quic-cid", NULL};
static const char *const classes[] = {"general", "inference", "training", NULL};
static const char *const syn_cookies[] = {"off", "auto", "always", NULL};
static const char *const switches[] = {"off", "on", NULL};
static const char *const adaptives[] = {"off", "shadow", "enforce", NULL};
static const char *const probe_types[] = {"tcp", "http", "kserve", "grpc", NULL};
static const char *const states[] = {"ready", "drain", "maint", NULL};
static const char *const idles[] = {"poll", "sleep", NULL};
static const char *const hugepages[] = {"auto", "never", NULL};
static const char *const rss_sides[] = {"auto", "source", "destination", "off", NULL};
static const char *const checksums[] = {"auto", "software", NULL};
static const char *const port_modes[] = {"shared", "dedicated", NULL};

#define ONLY_HTTP    (1u << SL_PROBE_HTTP)
#define ONLY_KSERVE  (1u << SL_PROBE_KSERVE)
#define ONLY_GRPC    (1u << SL_PROBE_GRPC)
#define ONLY_FULLNAT (1u << SL_FORWARD_FULLNAT)
#define ONLY_TUNNEL  (1u << SL_FORWARD_DSR_IPIP | 1u << SL_FORWARD_DSR_GUE)

// The same five keys in defaults.probe and in every probe. Default of the idle time of TCP is
// RFC 5382 REQ-5 (2 h 4 min), of UDP RFC 4787 REQ-5 (5 min).
#define TIMING_KEYS(type)                                                                          \
	{"interval", SL_VALUE_DURATION,                                                            \
	 false,      AT(type, timing.interval_ms),                                                 \
	 100,        MS_PER_H,                                                                     \
	 "1s",       .doc = "time from one probe of a backend to the next"},                       \
		{"timeout",                                                                        \
	         SL_VALUE_DURATION,                                                                \
	         false,                                                                            \
	         AT(type, timing.timeout_ms),                                                      \
	         10,                                                                               \
	         60000,                                                                            \
	         "800ms",                                                                          \
	         .doc = "time for connecting and the whole answer; at most the interval"},         \
		{"rise", SL_VALUE_INTEGER,                                                         \
	         false,  AT(type, timing.rise),                                                    \
	         1,      100,                                                                      \
	         "2",    .doc = "successes in a row that bring a backend up"},                     \
		{"fall", SL_VALUE_INTEGER,                                                         \
	         false,  AT(type, timing.fall),                                                    \
	         1,      100,                                                                      \
	         "3",    .doc = "failures in a row that take a backend down"},                     \
	{                                                                                          \
		"jitter", SL_VALUE_PERCENT, false, AT(type, timing.jitter_percent), 0, 50, "10%",  \
			.doc = "random part of the interval, so that probes do not march in step"  \
	}

#define SLOW_START_KEY(type)                                                                       \
	{                                                                                          \
		"slow-start", SL_VALUE_DURATION, false, AT(type, slow_start_ms), 0, MS_PER_H,      \
			"30s", .doc = "time in which a backend that came up gets its full weight"  \
	}

static const struct sl_schema_key timeout_keys[] = {
	{"tcp", SL_VALUE_SECONDS, false, AT(raw_timeouts, tcp_ms), MS_PER_S, 168 * MS_PER_H, "124m",
         .doc = "idle time after which an established TCP flow is forgotten (RFC 5382 REQ-5)"},
	{"udp", SL_VALUE_SECONDS, false, AT(raw_timeouts, udp_ms), MS_PER_S, 168 * MS_PER_H, "5m",
         .doc = "idle time after which a UDP flow is forgotten (RFC 4787 REQ-5)"},
};
OBJECT(timeouts_object, "timeouts", timeout_keys, NULL);

static const struct sl_schema_key default_probe_keys[] = {TIMING_KEYS(raw_default_probe)};
OBJECT(default_probe_object, "defaults.probe", default_probe_keys, NULL);

static const struct sl_schema_key default_keys[] = {
	{"probe", SL_VALUE_MAP, .offset = AT(raw_defaults, probe), .object = &default_probe_object,
         .doc = "timing of probes that do not set their own"},
	SLOW_START_KEY(raw_defaults),
	{"timeouts", SL_VALUE_MAP, .offset = AT(raw_defaults, timeouts), .object = &timeouts_object,
         .doc = "idle times of flows"},
};
OBJECT(defaults_object, "defaults", default_keys, NULL);

static const struct sl_schema_key range_item = {
	"port",   SL_VALUE_RANGE, .offset = AT(raw_ports, range),
	.min = 1, .max = 65535,   .doc = "a port or a range, first-last"};

static const struct sl_schema_key vip_limit_keys[] = {
	{"flows", SL_VALUE_COUNT, false, AT(raw_vip_limits, flows), 1, UINT32_MAX,
         .doc = "flows of the VIP over all workers; no limit when left out"},
	{"new-flows", SL_VALUE_RATE, false, AT(raw_vip_limits, new_flows_per_s), 1, MAX_RATE,
         .doc = "new flows of the VIP, with bursts of a quarter of a second's worth"},
	{"source-new-flows", SL_VALUE_RATE, false, AT(raw_vip_limits, source_new_flows_per_s), 1,
         100000,
         .doc = "new flows of one source, which is a /32 of IPv4 or a /64 of IPv6; bursts as "
                "above"},
};
OBJECT(vip_limits_object, "limits", vip_limit_keys, NULL);

static const struct sl_schema_key persistence_keys[] = {
	{"timeout", SL_VALUE_SECONDS, true, AT(raw_persistence, timeout_ms), MS_PER_S,
         (uint64_t)SL_PERSIST_MAX_S *MS_PER_S,
         .doc = "how long after a client's flow was confirmed or ended its new flows go to the "
                "same "
                "backend, unless that takes no new flows"},
	{"prefix", SL_VALUE_INTEGER, false, AT(raw_persistence, prefix_bits), 1, 128,
         .doc = "clients that share so many bits of address are one; 32 of IPv4 and 64 of IPv6 "
                "when "
                "left out"},
};
OBJECT(persistence_object, "persistence", persistence_keys, NULL);

static const struct sl_schema_key client_prefix_item = {
	"prefix", SL_VALUE_PREFIX, .offset = AT(raw_prefix, prefix), .doc = "clients of a network"};

static const struct sl_schema_key vip_keys[] = {
	{"name", SL_VALUE_NAME, true, AT(raw_vip, name), .doc = "unique name"},
	{"address", SL_VALUE_ADDRESS, true, AT(raw_vip, address),
         .doc = "IPv4 or IPv6 address clients connect to"},
	{"ports", SL_VALUE_LIST, true, AT(raw_vip, ports), 1, 256, .all_word = "any",
         .all_item = "0-65535", .item = &range_item, .item_bytes = sizeof(struct raw_ports),
         .doc = "ports and ranges, or the word any"},
	{"protocol", SL_VALUE_WORD, false, AT(raw_vip, protocol), .default_text = "tcp",
         .words = protocols, .doc = "transport protocol"},
	{"pool", SL_VALUE_NAME, true, AT(raw_vip, pool), .doc = "name of the pool that serves it"},
	{"affinity", SL_VALUE_WORD, false, AT(raw_vip, affinity), .default_text = "none",
         .words = affinities,
         .doc = "what keeps new flows on one backend: source, the client's address, as long as "
                "that backend has at most 1.25 times its share; flow, its address and port; "
                "quic-cid, the server in QUIC connection ids; none "
                "leaves all to the pool's balance"},
	{"persistence", SL_VALUE_MAP, .offset = AT(raw_vip, persistence),
         .object = &persistence_object,
         .doc = "affinity source only; clients keep their backend, whatever weights and load "
                "become"},
	{"measure", SL_VALUE_WORD, false, AT(raw_vip, measure), .default_text = "on",
         .words = switches,
         .doc = "tcp: follow requests and answers in what passes, for time to first token, time "
                "per "
                "token and load of each backend; off costs nothing and shows nothing"},
	{"syn-cookies", SL_VALUE_WORD, false, AT(raw_vip, syn_cookies), .default_text = "off",
         .words = syn_cookies,
         .doc = "tcp over nat or fullnat: answer SYNs by SYN cookie and ask the backend only when "
                "the client has shown its address; auto, while unconfirmed flows take a quarter of "
                "a worker's table; connections made so have no window scaling and no timestamps"},
	{"class", SL_VALUE_WORD, false, AT(raw_vip, class), .default_text = "general",
         .words = classes,
         .doc = "what its packets are where they leave by a port that has a rate: inference goes "
                "first, training and general share what is left"},
	{"limits", SL_VALUE_MAP, .offset = AT(raw_vip, limits), .object = &vip_limits_object,
         .doc = "bounds of the VIP as a whole and of each source"},
	{"allow", SL_VALUE_LIST, false, AT(raw_vip, allow), 1, 1024, .item = &client_prefix_item,
         .item_bytes = sizeof(struct raw_prefix),
         .doc = "networks that may open flows; all others may not. Of all networks listed that "
                "hold a client, the smallest decides"},
	{"deny", SL_VALUE_LIST, false, AT(raw_vip, deny), 1, 1024, .item = &client_prefix_item,
         .item_bytes = sizeof(struct raw_prefix),
         .doc = "networks that may not open flows; flows that are open go on"},
};
OBJECT(vip_object, "VIP", vip_keys, NULL);

static const struct sl_schema_key probe_keys[] = {
	{"type", SL_VALUE_WORD, true, AT(raw_probe, type), .words = probe_types,
         .doc = "what is asked: a TCP connection, an HTTP request, KServe v2 readiness (Open "
                "Inference Protocol) or grpc.health.v1"},
	{"port", SL_VALUE_INTEGER, false, AT(raw_probe, port), 1, 65535,
         .doc = "port to probe; the backend's when left out"},
	{"path", SL_VALUE_PATH, false, AT(raw_probe, path), 1, 255,
         .only_for = ONLY_HTTP | ONLY_KSERVE,
         .doc = "HTTP path; http: / when left out, kserve: /v2/health/ready"},
	{"expect", SL_VALUE_INTEGER, false, AT(raw_probe, expect), 100, 599, .only_for = ONLY_HTTP,
         .doc = "HTTP status that means healthy; any 2xx when left out"},
	{"contains", SL_VALUE_TEXT, false, AT(raw_probe, contains), 1, 127, .only_for = ONLY_HTTP,
         .doc = "text the body must hold"},
	{"body", SL_VALUE_TEXT, false, AT(raw_probe, body), 1, 1023, .only_for = ONLY_HTTP,
         .doc = "sent with POST as application/json; GET when left out"},
	{"service", SL_VALUE_TEXT, false, AT(raw_probe, service), 1, 127, .only_for = ONLY_GRPC,
         .doc = "gRPC service to ask for; the server as a whole when left out"},
	TIMING_KEYS(raw_probe),
};
OBJECT(probe_object, "probe", probe_keys, "type");

static const struct sl_schema_key backend_keys[] = {
	{"name", SL_VALUE_NAME, true, AT(raw_backend, name), .doc = "name, unique in the pool"},
	{"address", SL_VALUE_ENDPOINT, true, AT(raw_backend, endpoint),
         .doc = "address and port; the port may be left out under dsr-* only"},
	{"weight", SL_VALUE_INTEGER, false, AT(raw_backend, weight), 0, 1000, "100",
         .doc = "share of new flows relative to the others; 0 takes none"},
	{"state", SL_VALUE_WORD, false, AT(raw_backend, state), .default_text = "ready",
         .words = states,
         .doc = "drain keeps flows and takes no new ones; maint is not probed either"},
	{"server-id", SL_VALUE_HEX, false, AT(raw_backend, server_id), 1, 15,
         .doc = "server id that it puts in QUIC connection ids"},
};
OBJECT(backend_object, "backend", backend_keys, NULL);

static const struct sl_schema_key forward_keys[] = {
	{"mode", SL_VALUE_WORD, true, AT(raw_forward, mode), .words = forwards,
         .default_text = "nat",
         .doc = "nat keeps the client's address; fullnat replaces it by ours, and the backend may "
                "be "
                "of the other IP version; dsr-l2 changes the destination MAC alone, dsr-ipip and "
                "dsr-gue put the packet inside another one (IP in IP, GUE on UDP port 6080), and "
                "replies bypass Sluice"},
	{"mtu-guard", SL_VALUE_WORD, false, AT(raw_forward, mtu_guard), .words = mtu_guards,
         .default_text = "both", .only_for = ONLY_TUNNEL,
         .doc = "dsr-ipip and dsr-gue only; against packets that encapsulation makes longer than "
                "the port's mtu: clamp-mss lowers the MSS of SYNs, too-big tells senders by ICMP"},
	{"client-address", SL_VALUE_WORD, false, AT(raw_forward, client_address),
         .words = client_addresses, .default_text = "none", .only_for = ONLY_FULLNAT,
         .doc = "fullnat over TCP only; how backends learn who the client is: proxy-v2 puts a "
                "PROXY header before the first byte (HTTP and gRPC probes of the same port have "
                "one "
                "of version 1), toa an option of kind 254 into the first packets"},
};
OBJECT(forward_object, "forward", forward_keys, "mode");

static const struct sl_schema_key adaptive_keys[] = {
	{"mode", SL_VALUE_WORD, true, AT(raw_adaptive, mode), .default_text = "off",
         .words = adaptives,
         .doc = "enforce steers weights by latency and takes backends out that fail real flows; "
                "shadow computes and shows it only. Without this section: enforce under balance: "
                "adaptive, else off"},
	{"probe", SL_VALUE_NAME, false, AT(raw_adaptive, probe),
         .doc = "probe of this pool whose time to first byte is the latency; when left out, what "
                "the flows themselves show (its VIPs are tcp and measured)"},
	{"ttft-objective", SL_VALUE_DURATION, false, AT(raw_adaptive, ttft_objective_ms), 1,
         MS_PER_H, "2s",
         .doc = "without probe: while half of the backends need longer than this for a first "
                "token, all count as full and weights go back to the configured ones"},
};
OBJECT(adaptive_object, "adaptive", adaptive_keys, NULL);

static const struct sl_schema_key limit_keys[] = {
	{"flows", SL_VALUE_COUNT, false, AT(raw_limits, flows), 1, UINT32_MAX,
         .doc = "flows per backend over all workers; no limit when left out"},
	{"new-flows", SL_VALUE_RATE, false, AT(raw_limits, new_flows_per_s), 1, MAX_RATE,
         .doc = "new flows per backend over all workers, with bursts of a quarter of a second's "
                "worth; no limit when left out"},
};
OBJECT(limits_object, "limits", limit_keys, NULL);

static const struct sl_schema_key quic_keys[] = {
	{"config-id", SL_VALUE_INTEGER, true, AT(raw_quic, config_id), 0, 6,
         .doc = "first three bits of the connection ids it explains"},
	{"server-id-bytes", SL_VALUE_INTEGER, true, AT(raw_quic, server_id_bytes), 1, 15,
         .doc = "length of server ids, the same in all entries"},
	{"nonce-bytes", SL_VALUE_INTEGER, true, AT(raw_quic, nonce_bytes), 4, 18,
         .doc = "length of the nonce; with the server id at most 19"},
	{"key", SL_VALUE_HEX, false, AT(raw_quic, key), 16, 16,
         .doc = "AES-128 key that hides server ids; they are readable when left out"},
};
OBJECT(quic_object, "quic", quic_keys, NULL);

static const struct sl_schema_key quic_item = {"configuration", SL_VALUE_MAP,
                                               .object = &quic_object};
static const struct sl_schema_key probe_item = {"probe", SL_VALUE_MAP, .object = &probe_object};
static const struct sl_schema_key backend_item = {"backend", SL_VALUE_MAP,
                                                  .object = &backend_object};

static const struct sl_schema_key pool_keys[] = {
	{"forward", SL_VALUE_MAP, .offset = AT(raw_pool, forward), .object = &forward_object,
         .doc = "how packets get to the backends"},
	{"balance", SL_VALUE_WORD, .offset = AT(raw_pool, balance),
         .default_text = "least-connections", .words = balances,
         .doc = "how a backend is picked for a new flow; adaptive is least-connections over what "
                "flows are worth: streaming or waiting ones count as one, idle ones an eighth, and "
                "bytes asked and not answered yet count too; its VIPs are tcp and measured"},
	{"adaptive", SL_VALUE_MAP, .offset = AT(raw_pool, adaptive), .object = &adaptive_object,
         .doc = "weights that follow live latency"},
	{"probes", SL_VALUE_NAMED, .offset = AT(raw_pool, probes), .max = 16, .item = &probe_item,
         .item_bytes = sizeof(struct raw_probe),
         .doc = "health checks by name; a backend is up when all of them say so"},
	SLOW_START_KEY(raw_pool),
	{"timeouts", SL_VALUE_MAP, .offset = AT(raw_pool, timeouts), .object = &timeouts_object,
         .doc = "idle times of flows"},
	{"limits", SL_VALUE_MAP, .offset = AT(raw_pool, limits), .object = &limits_object,
         .doc = "bounds per backend"},
	{"quic", SL_VALUE_LIST, false, AT(raw_pool, quic), 1, 7, .item = &quic_item,
         .item_bytes = sizeof(struct raw_quic),
         .doc = "how backends encode their server id in connection ids (QUIC-LB, draft 21); two "
                "entries while one is rotated in"},
	{"backends", SL_VALUE_LIST, true, AT(raw_pool, backends), 1, SL_MAX_BACKENDS,
         .item = &backend_item, .item_bytes = sizeof(struct raw_backend),
         .doc = "the servers of the pool"},
};
OBJECT(pool_object, "pool", pool_keys, NULL);

static const struct sl_schema_key vip_item = {"VIP", SL_VALUE_MAP, .object = &vip_object};
static const struct sl_schema_key pool_item = {"pool", SL_VALUE_MAP, .object = &pool_object};

static const struct sl_schema_key pools_file_keys[] = {
	{"version", SL_VALUE_INTEGER, true, AT(raw_pools_file, version), 1, 1,
         .doc = "version of this format"},
	{"defaults", SL_VALUE_MAP, .offset = AT(raw_pools_file, defaults),
         .object = &defaults_object, .doc = "values for pools that do not set their own"},
	{"vips", SL_VALUE_LIST, true, AT(raw_pools_file, vips), 0, SL_MAX_VIPS, .item = &vip_item,
         .item_bytes = sizeof(struct raw_vip), .doc = "what clients connect to"},
	{"pools", SL_VALUE_NAMED, true, AT(raw_pools_file, pools), 0, SL_MAX_POOLS,
         .item = &pool_item, .item_bytes = sizeof(struct raw_pool),
         .doc = "groups of backends by name"},
};
const struct sl_schema_object sl_schema_pools = {
	"pools.yaml", NULL, pools_file_keys, sizeof(pools_file_keys) / sizeof(pools_file_keys[0])};

static const struct sl_schema_key cpu_item = {
	"cpu", SL_VALUE_INTEGER, .offset = AT(raw_cpu, cpu), .min = 0, .max = 1023, .doc = "a CPU"};
static const struct sl_schema_key prefix_item = {
	"address", SL_VALUE_PREFIX, .offset = AT(raw_prefix, prefix),
	.doc = "own address with the length of its network"};

#define ADDRESSES_KEY(type)                                                                        \
	{                                                                                          \
		"addresses", SL_VALUE_LIST, false, AT(type, addresses), 0, SL_MAX_PORT_ADDRESSES,  \
			.item = &prefix_item, .item_bytes = sizeof(struct raw_prefix),             \
			.doc = "own addresses, each with the length of its network"                \
	}

// Not above the device's line rate, or the queue is not here.
#define RATE_KEYS(type)                                                                            \
	{"rate",                                                                                   \
	 SL_VALUE_BIT_RATE,                                                                        \
	 false,                                                                                    \
	 AT(type, rate_bps),                                                                       \
	 SL_QOS_RATE_MIN_BPS,                                                                      \
	 SL_QOS_RATE_MAX_BPS,                                                                      \
	 .doc = "frames it sends, a little below what the link behind it carries, so that they "   \
	        "queue here, by class; as fast as the device, without queues, when left out"},     \
	{                                                                                          \
		"training", SL_VALUE_PERCENT, false, AT(type, training_percent), 1, 100, "100%",   \
			.doc = "of the rate, for training and RoCE while others want the rest; "   \
			       "what nobody wants they have anyway"                                \
	}

static const struct sl_schema_key vlan_keys[] = {
	{"name", SL_VALUE_NAME, true, AT(raw_vlan, name), .doc = "unique name, also among ports"},
	{"id", SL_VALUE_INTEGER, true, AT(raw_vlan, id), 1, 4094, .doc = "VLAN id of the tag"},
	{"mtu", SL_VALUE_INTEGER, false, AT(raw_vlan, mtu_bytes), SL_MTU_MIN_BYTES,
         SL_MTU_MAX_BYTES,
         .doc = "as of the port, without the tag; the port's when left out, never above it"},
	RATE_KEYS(raw_vlan),
	ADDRESSES_KEY(raw_vlan),
};
OBJECT(vlan_object, "VLAN", vlan_keys, NULL);

static const struct sl_schema_key vlan_item = {"VLAN", SL_VALUE_MAP, .object = &vlan_object};

static const struct sl_schema_key member_item = {"member",
                                                 SL_VALUE_DEVICE,
                                                 .offset = AT(raw_member, device),
                                                 .min = 1,
                                                 .max = SL_MEMBER_BYTES - 1,
                                                 .doc = "a device of a bond"};

static const struct sl_schema_key port_keys[] = {
	{"name", SL_VALUE_NAME, true, AT(raw_port, name), .doc = "unique name"},
	{"device", SL_VALUE_DEVICE, true, AT(raw_port, device), 1, SL_DPCONFIG_ARGS_BYTES - 1,
         .doc = "af_xdp:INTERFACE, af_packet:INTERFACE, pci:DDDD:BB:DD.F, vdev:ARGUMENTS or "
                "bond:MODE with members; modes: active-backup, balance-xor (by addresses and "
                "ports), 802.3ad (LACP)"},
	{"members", SL_VALUE_LIST, false, AT(raw_port, members), 1, SL_MAX_PORT_MEMBERS,
         .item = &member_item, .item_bytes = sizeof(struct raw_member),
         .doc = "devices of a bond, all of one kind: af_packet, pci or vdev; the first one gives "
                "the "
                "MAC address and is active while its link is up"},
	{"mode", SL_VALUE_WORD, false, AT(raw_port, mode), .default_text = "shared",
         .words = port_modes,
         .doc = "af_xdp only; shared leaves the kernel all traffic that is not for a VIP"},
	{"mtu", SL_VALUE_INTEGER, false, AT(raw_port, mtu_bytes), SL_MTU_MIN_BYTES,
         SL_MTU_MAX_BYTES, "1500",
         .doc = "longest IP packet the port sends and receives, bytes; the interface itself is "
                "raised to it where it is lower; af_xdp takes no more than 1766"},
	{"rss", SL_VALUE_WORD, false, AT(raw_port, rss), .default_text = "auto", .words = rss_sides,
         .doc = "with several workers, which side of received packets is the client's, so that the "
                "NIC gives requests and replies to one worker; auto: source where a default route "
                "leads, else destination. No effect on devices without programmable RSS"},
	RATE_KEYS(raw_port),
	{"checksums", SL_VALUE_WORD, false, AT(raw_port, checksums), .default_text = "auto",
         .words = checksums,
         .doc = "auto drops as bad_checksum what a device that checks finds wrong; software leaves "
                "it to the ends, as on devices that do not check"},
	ADDRESSES_KEY(raw_port),
	{"vlans", SL_VALUE_LIST, false, AT(raw_port, vlans), 1, SL_MAX_PORTS - 1,
         .item = &vlan_item, .item_bytes = sizeof(struct raw_vlan),
         .doc = "ports of their own on this device, told apart by the 802.1Q tag; untagged packets "
                "are the port's, other tags are dropped as vlan. Without this key tags pass "
                "unchanged"},
};
OBJECT(port_object, "port", port_keys, NULL);

static const struct sl_schema_key route_keys[] = {
	{"to", SL_VALUE_PREFIX, true, AT(raw_route, to), .doc = "destination network"},
	{"via", SL_VALUE_ADDRESS, true, AT(raw_route, via),
         .doc = "next hop, inside the network of a port"},
};
OBJECT(route_object, "route", route_keys, NULL);

static const struct sl_schema_key memory_keys[] = {
	{"hugepages", SL_VALUE_WORD, false, AT(raw_memory, hugepages), .default_text = "auto",
         .words = hugepages, .doc = "auto uses them when the host has some"},
	{"size", SL_VALUE_SIZE, false, AT(raw_memory, size_bytes), 64 * MIB, UINT64_C(1) << 40,
         .doc = "packet buffers and DPDK heap; chosen from the ports when left out"},
};
OBJECT(memory_object, "memory", memory_keys, NULL);

static const struct sl_schema_key marking_keys[] = {
	{"dscp", SL_VALUE_INTEGER, false, AT(raw_marking, dscp), 0, 63,
         .doc = "DSCP that packets of the class leave with; their own when left out"},
	{"pcp", SL_VALUE_INTEGER, false, AT(raw_marking, pcp), 0, 7,
         .doc = "the same of the priority in the 802.1Q tag, where they have one"},
};
OBJECT(marking_object, "marking", marking_keys, NULL);

static const struct sl_schema_key markings_keys[] = {
#define MARKING(id, word, weight, pkts, help)                                                      \
	{word, SL_VALUE_MAP, .offset = AT(raw_markings, queues[SL_QOS_##id]),                      \
	 .object = &marking_object, .doc = help},
	SL_QOS_LIST(MARKING)
#undef MARKING
};
OBJECT(markings_object, "markings", markings_keys, NULL);

static const struct sl_schema_key port_item = {"port", SL_VALUE_MAP, .object = &port_object};
static const struct sl_schema_key route_item = {"route", SL_VALUE_MAP, .object = &route_object};

static const struct sl_schema_key dataplane_keys[] = {
	{"version", SL_VALUE_INTEGER, false, AT(raw_dataplane_file, version), 1, 1, "1",
         .doc = "version of this format"},
	{"workers", SL_VALUE_INTEGER, false, AT(raw_dataplane_file, workers), 1, SL_MAX_WORKERS,
         "1", .doc = "packet-processing threads"},
	{"cpus", SL_VALUE_LIST, false, AT(raw_dataplane_file, cpus), 0, SL_MAX_WORKERS + 1,
         .item = &cpu_item, .item_bytes = sizeof(struct raw_cpu),
         .doc = "CPU of the main thread, then one per worker; any when left out"},
	{"flows", SL_VALUE_COUNT, false, AT(raw_dataplane_file, flows), 1024, 268435456, "262144",
         .doc = "flow table capacity over all workers"},
	{"idle", SL_VALUE_WORD, false, AT(raw_dataplane_file, idle), .default_text = "sleep",
         .words = idles, .doc = "poll is fastest; sleep frees the CPU when there is no traffic"},
	{"socket", SL_VALUE_PATH, false, AT(raw_dataplane_file, socket), 2,
         SL_DPCONFIG_PATH_BYTES - 1,
         .doc = "command socket; /run/sluice/dataplane.sock when left out"},
	{"memory", SL_VALUE_MAP, .offset = AT(raw_dataplane_file, memory), .object = &memory_object,
         .doc = "where packet buffers live"},
	{"markings", SL_VALUE_MAP, .offset = AT(raw_dataplane_file, markings),
         .object = &markings_object,
         .doc = "by class, of packets that leave by a port with a rate"},
	{"ports", SL_VALUE_LIST, true, AT(raw_dataplane_file, ports), 1, SL_MAX_DEVICES,
         .item = &port_item, .item_bytes = sizeof(struct raw_port), .doc = "network interfaces"},
	{"routes", SL_VALUE_LIST, false, AT(raw_dataplane_file, routes), 0, SL_MAX_ROUTES,
         .item = &route_item, .item_bytes = sizeof(struct raw_route), .doc = "static routes"},
};
const struct sl_schema_object sl_schema_dataplane = {
	"dataplane.yaml", NULL, dataplane_keys, sizeof(dataplane_keys) / sizeof(dataplane_keys[0])};
