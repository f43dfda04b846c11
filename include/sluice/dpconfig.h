// SPDX-License-Identifier: Apache-2.0
// dataplane.yaml, compiled: what `sluice compile FILE` writes to standard output and what
// sluice-dataplane reads from it. The data plane never parses text; the one YAML reader lives in
// control/ and is shared by the CLI.
//
// Shape:  one struct, fixed size, host byte order, every string NUL-terminated.
// Checks: the reader verifies magic, version, size, counts and string ends, and refuses otherwise.
#ifndef SLUICE_DPCONFIG_H
#define SLUICE_DPCONFIG_H

#include "sluice/qos.h"
#include "sluice/types.h"

#define SL_DPCONFIG_MAGIC      UINT32_C(0x534c4450) // "SLDP"
#define SL_DPCONFIG_VERSION    5
#define SL_DPCONFIG_PATH_BYTES 108 // sun_path
#define SL_DPCONFIG_ARGS_BYTES 256
#define SL_MAX_PORT_ADDRESSES  8
#define SL_MAX_PORT_MEMBERS    8
#define SL_MAX_MEMBERS         32 // of all bonds
#define SL_MEMBER_BYTES        64 // of a member's device, with the closing NUL

enum sl_device_kind {
	SL_DEVICE_AF_XDP,
	SL_DEVICE_AF_PACKET,
	SL_DEVICE_PCI,
	SL_DEVICE_VDEV,
	SL_DEVICE_BOND, // device is the word of its mode
	SL_DEVICE_VLAN, // no device of its own: the tagged packets of its parent
};
enum sl_bond_mode { SL_BOND_ACTIVE_BACKUP, SL_BOND_BALANCE_XOR, SL_BOND_8023AD, SL_BOND_MODES };
enum sl_port_mode { SL_PORT_SHARED, SL_PORT_DEDICATED }; // XDP: kernel keeps the rest, or nothing
// Which side of a packet received there is the client's, for RSS.
enum sl_rss_side { SL_RSS_AUTO, SL_RSS_SOURCE, SL_RSS_DESTINATION, SL_RSS_OFF };
enum sl_checksums { SL_CHECKSUMS_AUTO, SL_CHECKSUMS_SOFTWARE }; // what devices find counts, or not
enum sl_idle { SL_IDLE_POLL, SL_IDLE_SLEEP };
enum sl_hugepages { SL_HUGEPAGES_AUTO, SL_HUGEPAGES_NEVER };

struct sl_prefix {
	struct sl_ip address; // host part kept: 10.0.0.1/24 is our address in that network
	uint8_t bits;         // of the family: 0..32 or 0..128
	uint8_t zero[7];
};

struct sl_dp_member {
	char device[SL_MEMBER_BYTES]; // as of a port
	uint8_t kind;                 // enum sl_device_kind; the same for all members of a bond
	uint8_t zero[7];
};

// VLANs stand behind all devices, so that a device has the same number everywhere.
struct sl_dp_port {
	char name[SL_NAME_BYTES];
	char device[SL_DPCONFIG_ARGS_BYTES]; // interface, PCI address, or vdev arguments; no
	                                     // "kind:"
	uint8_t kind;                        // enum sl_device_kind
	uint8_t mode;                        // enum sl_port_mode
	uint8_t n_addresses;
	uint8_t rss;              // enum sl_rss_side
	uint16_t mtu_bytes;       // 0 = SL_MTU_DEFAULT_BYTES
	uint16_t vlan_id;         // 1..4094; 0 = a device
	uint16_t parent;          // number of the VLAN's device
	uint8_t bond_mode;        // enum sl_bond_mode
	uint8_t n_members;        // of a bond, the preferred one first; else 0
	uint8_t checksums;        // enum sl_checksums
	uint8_t training_percent; // of rate_bps, while others want the rest; 1..100
	uint8_t zero2[2];
	uint64_t rate_bps; // of what it sends; 0 = as fast as the device
	struct sl_prefix addresses[SL_MAX_PORT_ADDRESSES];
	struct sl_dp_member members[SL_MAX_PORT_MEMBERS];
};

struct sl_dp_route {
	struct sl_prefix to;
	struct sl_ip via;
};

struct sl_dpconfig {
	uint32_t magic;
	uint32_t version;
	uint32_t total_bytes; // sizeof(struct sl_dpconfig)
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t n_routes;
	uint32_t n_cpus; // 0 = any; else cpus[0] is the main core's, the rest workers', in turn
	uint32_t zero;
	uint16_t cpus[SL_MAX_WORKERS + 1];
	uint8_t idle;      // enum sl_idle
	uint8_t hugepages; // enum sl_hugepages
	uint8_t zero2[4];
	uint8_t dscps[SL_QOS_COUNT]; // by enum sl_qos_class; SL_QOS_AS_IT_IS: not changed
	uint8_t pcps[SL_QOS_COUNT];  // the same
	uint8_t zero4[4];
	uint64_t flows;        // table capacity over all workers
	uint64_t memory_bytes; // packet buffers and DPDK heap; 0 = chosen from the ports
	char socket[SL_DPCONFIG_PATH_BYTES]; // "" = SL_IPC_SOCKET
	uint32_t zero3;
	struct sl_dp_port ports[SL_MAX_PORTS];
	struct sl_dp_route routes[SL_MAX_ROUTES];
};

#endif
