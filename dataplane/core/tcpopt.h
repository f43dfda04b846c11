// SPDX-License-Identifier: Apache-2.0
// A walk over TCP options that broken ones end, as they do in a receiver (RFC 9293 section 3.1).
//
//	struct sl_tcpopt opt = SL_TCPOPT_START;
//	while (sl_tcpopt_next(tcp, header_bytes, &opt))
//		... opt.kind, tcp + opt.at, opt.n_bytes ...
#ifndef SLUICE_CORE_TCPOPT_H
#define SLUICE_CORE_TCPOPT_H

#include "layout.h"

#define SL_TCPOPT_END       0
#define SL_TCPOPT_NOP       1
#define SL_TCPOPT_SACK      5         // RFC 2018
#define SL_TCPOPT_MAX_BYTES (60 - 20) // the data offset has four bits

struct sl_tcpopt {
	uint32_t at; // from the start of the TCP header
	uint8_t kind;
	uint8_t n_bytes; // kind and length included
};

#define SL_TCPOPT_START                                                                            \
	{                                                                                          \
		.at = SL_TCP_BYTES                                                                 \
	}

// The next option that is not padding, whole within header_bytes; false when there is none.
static inline bool sl_tcpopt_next(const uint8_t *tcp, uint32_t header_bytes, struct sl_tcpopt *opt)
{
	uint32_t at = opt->at + opt->n_bytes;

	while (at < header_bytes && tcp[at] == SL_TCPOPT_NOP)
		at++;
	if (at + 2 > header_bytes || tcp[at] == SL_TCPOPT_END || tcp[at + 1] < 2 ||
	    tcp[at + 1] > header_bytes - at)
		return false;
	*opt = (struct sl_tcpopt){.at = at, .kind = tcp[at], .n_bytes = tcp[at + 1]};
	return true;
}

#endif
