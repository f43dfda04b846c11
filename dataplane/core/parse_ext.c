// SPDX-License-Identifier: Apache-2.0
#include "parse.h"
#include "parse_parts.h"

#define OPTION_END  0
#define OPTION_NOP  1
#define OPTION_LSRR 131
#define OPTION_SSRR 137

#define ROUTING_OFF_TYPE     2
#define ROUTING_OFF_LEFT     3
#define MIN_EXT_HEADER_BYTES 8

int sl_parse_ipv4_options(const uint8_t *options, uint32_t n_bytes)
{
	uint32_t i = 0;

	while (i < n_bytes && options[i] != OPTION_END) {
		if (options[i] == OPTION_NOP) {
			i++;
			continue;
		}
		if (options[i] == OPTION_LSRR || options[i] == OPTION_SSRR)
			return SL_DROP_SOURCE_ROUTE;
		// A length below 2 would not advance.
		if (i + 2 > n_bytes || options[i + 1] < 2 || options[i + 1] > n_bytes - i)
			return SL_DROP_BAD_HEADER;
		i += options[i + 1];
	}
	return SL_PARSED;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_AH || proto == IPPROTO_DSTOPTS;
}

static uint32_t ext_header_bytes(uint8_t proto, const uint8_t *header)
{
	switch (proto) {
	case IPPROTO_FRAGMENT:
		return 8; // its length byte is reserved
	case IPPROTO_AH:
		return (header[1] + 2u) * 4; // RFC 4302 section 2.2
	default:
		return (header[1] + 1u) * 8;
	}
}

// Does this header forbid the walk to go on?
static int check_ext_header(const struct sl_ext_walk *walk, const uint8_t *header, bool is_first)
{
	uint16_t frag;

	switch (walk->proto) {
	case IPPROTO_HOPOPTS:
		return is_first ? SL_PARSED : SL_DROP_BAD_HEADER; // RFC 8200 section 4.1
	case IPPROTO_ROUTING:
		if (walk->is_quote)
			return SL_PARSED;
		// With segments left our address is a stop on the way, and the transport checksum
		// is about another destination.
		return header[ROUTING_OFF_TYPE] == 0 || header[ROUTING_OFF_LEFT] != 0
		               ? SL_DROP_SOURCE_ROUTE
		               : SL_PARSED;
	case IPPROTO_FRAGMENT:
		frag = sl_load16_host(header + SL_FRAG6_OFF_OFFSET);
		if (walk->is_quote)
			return frag & SL_IPV6_FRAG_MASK ? SL_DROP_FRAGMENT : SL_PARSED;
		// A fragment of a fragment: no host sends that.
		return walk->is_fragment ? SL_DROP_FRAGMENT_BAD : SL_PARSED;
	case IPPROTO_AH:
		return header[1] < 1 ? SL_DROP_BAD_HEADER : SL_PARSED; // fixed part is 12 bytes
	default:
		return SL_PARSED;
	}
}

static int truncated(const struct sl_ext_walk *walk)
{
	return walk->is_fragment ? SL_DROP_FRAGMENT_BAD : SL_DROP_TRUNCATED;
}

// Behind the header of a later fragment stands the middle of something: the walk ends there.
static bool ends_at_fragment(struct sl_ext_walk *walk, const uint8_t *header)
{
	const uint16_t frag = sl_load16_host(header + SL_FRAG6_OFF_OFFSET);

	walk->has_frag_header = true;
	if (walk->is_quote || !(frag & (SL_IPV6_FRAG_MASK | SL_IPV6_FRAG_MORE)))
		return false; // an atomic fragment is a whole packet (RFC 6946)
	walk->is_fragment = true;
	walk->frag_off = walk->off;
	return (frag & SL_IPV6_FRAG_MASK) != 0;
}

int sl_parse_ext_walk(struct sl_ext_walk *walk)
{
	const uint32_t start = walk->off;

	for (unsigned int n = 0; is_extension(walk->proto); n++) {
		const uint8_t *header = walk->data + walk->off;
		bool is_last = false;
		uint32_t n_bytes;
		int drop;

		if (n == SL_PARSE_MAX_EXT_HEADERS)
			return SL_DROP_EXT_HEADERS;
		// RFC 7112: the first fragment holds the whole chain, and the header behind it.
		if (walk->end - walk->off < MIN_EXT_HEADER_BYTES)
			return truncated(walk);
		drop = check_ext_header(walk, header, n == 0);
		if (drop != SL_PARSED)
			return drop;
		n_bytes = ext_header_bytes(walk->proto, header);
		if (walk->off - start + n_bytes > SL_PARSE_MAX_EXT_BYTES)
			return SL_DROP_EXT_HEADERS;
		if (n_bytes > walk->end - walk->off)
			return truncated(walk);
		if (walk->proto == IPPROTO_FRAGMENT)
			is_last = ends_at_fragment(walk, header);
		walk->proto = header[0];
		walk->off += n_bytes;
		if (is_last)
			break;
	}
	return SL_PARSED;
}
