// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which packets of an interface are Sluice's? They go to the AF_XDP socket of their queue; the rest
// stays with the kernel. README.md says why each rule is there.
//
// Rules for shared (the first that speaks decides):
//   to an address the kernel holds         kernel (its probes to the backends come back this way)
//   to a VIP or an address of ours         socket, whatever it is
//   TCP, UDP from a backend's endpoint     socket
//   fragment of these from a backend       socket: all parts go one way, and most have no ports
//   ICMP error about a packet to a backend socket
//   ARP, NS asking for or telling ours     socket
//   anything else                          kernel
// With no socket on the queue (start, or after a crash) everything is the kernel's.
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp_maps.h"

#define MAX_QUEUES         64
#define MAX_VLANS          2
#define MAX_EXT_HEADERS    4 // more before TCP or UDP is not seen from real servers
#define IP_FRAG_MASK       0x3fff
#define ARPHRD_ETHER       1
#define ICMP_UNREACHABLE   3 // the errors of RFC 792 that a router or host sends today
#define ICMP_TIME_EXCEEDED 11
#define ICMP_BAD_PARAMETER 12
#define ICMPV6_FIRST_INFO  128 // the types below are errors (RFC 4443 2.1)
#define ND_SOLICIT         135

// The PMD looks it up by name in the object it loads: one per port, so not pinned.
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_QUEUES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u32);
} sluice_mode SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SL_XDP_MAX_OWN);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct sl_xdp_address);
	__type(value, __u32);
} sluice_own SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SL_XDP_MAX_BACK);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct sl_xdp_endpoint);
	__type(value, __u32);
} sluice_back SEC(".maps");

// The part of the packet not looked at yet.
struct cursor {
	void *at;
	void *end;
};

// The headers of these in <linux/...> need libc's, which does not exist for this target.
struct icmp {
	__u8 type, code;
	__be16 csum;
	__be32 rest;
};

struct vlan {
	__be16 tci;
	__be16 ethertype;
};

struct arp {
	__be16 hw, proto;
	__u8 hw_bytes, proto_bytes;
	__be16 op;
	__u8 sender_mac[6], sender[4], target_mac[6], target[4];
};

struct ports {
	__be16 src, dst;
};

static __always_inline void mapped(struct sl_xdp_address *address, const void *v4)
{
	__builtin_memset(address, 0, sizeof(*address));
	address->bytes[10] = 0xff;
	address->bytes[11] = 0xff;
	__builtin_memcpy(&address->bytes[12], v4, 4);
}

// enum sl_xdp_holder, or 0: nobody here.
static __always_inline __u32 holder(const struct sl_xdp_address *address)
{
	const __u32 *value = bpf_map_lookup_elem(&sluice_own, address);

	return value ? *value : 0;
}

static __always_inline _Bool is_backend(const struct sl_xdp_address *address, __be16 port_be,
                                        __u8 proto)
{
	struct sl_xdp_endpoint key = {.address = *address, .port_be = port_be, .proto = proto};

	return bpf_map_lookup_elem(&sluice_back, &key) != NULL;
}

static __always_inline _Bool is_return_traffic(const struct cursor *l4, __u8 proto,
                                               const struct sl_xdp_address *src)
{
	const struct ports *ports = l4->at;

	if ((const void *)(ports + 1) > l4->end)
		return 0;
	return is_backend(src, ports->src, proto) || is_backend(src, 0, proto);
}

static __always_inline _Bool is_error_about_backend_v4(const struct cursor *l4)
{
	const struct icmp *icmp = l4->at;
	const struct iphdr *quoted = (const void *)(icmp + 1);
	struct sl_xdp_address dst;

	if ((const void *)(quoted + 1) > l4->end)
		return 0;
	if (icmp->type != ICMP_UNREACHABLE && icmp->type != ICMP_TIME_EXCEEDED &&
	    icmp->type != ICMP_BAD_PARAMETER)
		return 0;
	mapped(&dst, &quoted->daddr);
	return is_backend(&dst, 0, 0);
}

static __always_inline _Bool is_ours_by_icmp_v6(const struct cursor *l4)
{
	const struct icmp *icmp = l4->at;
	const void *after = icmp + 1;
	struct sl_xdp_address address;

	if (after > l4->end)
		return 0;
	if (icmp->type == ND_SOLICIT) {
		if (after + sizeof(address) > l4->end)
			return 0;
		__builtin_memcpy(&address, after, sizeof(address)); // target
		return holder(&address) == SL_XDP_OURS;
	}
	if (icmp->type >= ICMPV6_FIRST_INFO || after + sizeof(struct ipv6hdr) > l4->end)
		return 0;
	__builtin_memcpy(&address, after + offsetof(struct ipv6hdr, daddr), sizeof(address));
	return is_backend(&address, 0, 0);
}

static __always_inline _Bool is_ours_v4(struct cursor *c)
{
	const struct iphdr *ip = c->at;
	struct sl_xdp_address src, dst;
	__u32 held_by;

	if ((const void *)(ip + 1) > c->end || ip->version != 4 || ip->ihl < 5)
		return 0;
	mapped(&dst, &ip->daddr);
	held_by = holder(&dst);
	if (held_by != 0)
		return held_by == SL_XDP_OURS;
	mapped(&src, &ip->saddr);
	if (ip->frag_off & bpf_htons(IP_FRAG_MASK))
		return (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) &&
		       is_backend(&src, 0, 0);
	c->at += ip->ihl * 4;
	switch (ip->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return is_return_traffic(c, ip->protocol, &src);
	case IPPROTO_ICMP:
		return is_error_about_backend_v4(c);
	default:
		return 0;
	}
}

// Moves the cursor over extension headers; returns the protocol behind them, or IPPROTO_NONE when
// there are too many. A fragment header is not skipped: what follows it need not be ports (and an
// atomic fragment, whole as it is, goes where the others go).
static __always_inline __u8 skip_ext_headers(struct cursor *c, __u8 next)
{
	for (int i = 0; i <= MAX_EXT_HEADERS; i++) {
		const struct ipv6_opt_hdr *ext = c->at;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return next;
		if ((const void *)(ext + 1) > c->end)
			return IPPROTO_NONE;
		next = ext->nexthdr;
		c->at += (ext->hdrlen + 1) * 8;
	}
	return IPPROTO_NONE;
}

static __always_inline _Bool is_fragment_of_backend(const struct cursor *c,
                                                    const struct sl_xdp_address *src)
{
	const struct ipv6_opt_hdr *fragment = c->at;

	if ((const void *)(fragment + 1) > c->end || fragment->nexthdr == IPPROTO_ICMPV6)
		return 0;
	return is_backend(src, 0, 0);
}

static __always_inline _Bool is_ours_v6(struct cursor *c)
{
	const struct ipv6hdr *ip = c->at;
	struct sl_xdp_address address;
	__u32 held_by;
	__u8 proto;

	if ((const void *)(ip + 1) > c->end || ip->version != 6)
		return 0;
	__builtin_memcpy(&address, &ip->daddr, sizeof(address));
	held_by = holder(&address);
	if (held_by != 0)
		return held_by == SL_XDP_OURS;
	__builtin_memcpy(&address, &ip->saddr, sizeof(address));
	c->at = (void *)(ip + 1);
	proto = skip_ext_headers(c, ip->nexthdr);
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return is_return_traffic(c, proto, &address);
	case IPPROTO_FRAGMENT:
		return is_fragment_of_backend(c, &address);
	case IPPROTO_ICMPV6:
		return is_ours_by_icmp_v6(c);
	default:
		return 0;
	}
}

// Questions for ours, and the answers to our questions: both have us as the target.
static __always_inline _Bool is_ours_arp(const struct cursor *c)
{
	const struct arp *arp = c->at;
	struct sl_xdp_address target;

	if ((const void *)(arp + 1) > c->end || arp->hw != bpf_htons(ARPHRD_ETHER) ||
	    arp->proto != bpf_htons(ETH_P_IP))
		return 0;
	mapped(&target, arp->target);
	return holder(&target) == SL_XDP_OURS;
}

static __always_inline _Bool is_ours(struct cursor *c)
{
	const struct ethhdr *eth = c->at;
	__be16 ethertype;

	c->at = (void *)(eth + 1);
	if (c->at > c->end)
		return 0;
	ethertype = eth->h_proto;
	for (int i = 0; i < MAX_VLANS; i++) {
		const struct vlan *tag = c->at;

		if (ethertype != bpf_htons(ETH_P_8021Q) && ethertype != bpf_htons(ETH_P_8021AD))
			break;
		c->at = (void *)(tag + 1);
		if (c->at > c->end)
			return 0;
		ethertype = tag->ethertype;
	}
	switch (ethertype) {
	case bpf_htons(ETH_P_IP):
		return is_ours_v4(c);
	case bpf_htons(ETH_P_IPV6):
		return is_ours_v6(c);
	case bpf_htons(ETH_P_ARP):
		return is_ours_arp(c);
	default:
		return 0;
	}
}

SEC("xdp")
int sluice_xdp(struct xdp_md *ctx)
{
	struct cursor c = {.at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end};
	__u32 ifindex = ctx->ingress_ifindex;
	const __u32 *mode = bpf_map_lookup_elem(&sluice_mode, &ifindex);

	if ((!mode || *mode != SL_XDP_DEDICATED) && !is_ours(&c))
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

const char program_license[] SEC("license") = "Dual BSD/GPL";
