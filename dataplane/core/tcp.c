// SPDX-License-Identifier: Apache-2.0
#include "tcp.h"

enum event { EVENT_NONE, EVENT_ACK, EVENT_SYN, EVENT_SYN_ACK, EVENT_FIN, EVENT_RST, EVENT_COUNT };

// Who speaks. Under DSR only the client is heard, so its ACK stands for the server's answer too.
enum speaker { CLIENT, SERVER, CLIENT_DSR, SPEAKER_COUNT };

#define NEW      SL_FLOW_NEW
#define ANSWERED SL_FLOW_ANSWERED
#define PICKED   SL_FLOW_PICKED
#define PROVEN   SL_FLOW_PROVEN
#define REFUSED  SL_FLOW_REFUSED
#define OPEN     SL_FLOW_OPEN
#define FIN_C2S  SL_FLOW_FIN_C2S
#define FIN_S2C  SL_FLOW_FIN_S2C
#define CLOSING  SL_FLOW_CLOSING
#define RESET    SL_FLOW_RESET

// - Until the server has answered, nothing a client sends changes NEW: a flood of spoofed pairs
//   (SYN and FIN, SYN and RST) must not earn the longer life of a confirmed flow.
// - Anything but RST from the server is an answer; that also picks up a connection in its middle.
// - What a client says of a connection met in its middle counts for nothing until the server speaks
//   of it: to an ACK out of the blue a server answers with RST (RFC 9293 section 3.10.7.1).
// - RST before that leaves the flow unconfirmed, or a flood would earn ten seconds for each of its
//   packets; whoever goes on talking is back where he was.
// - RST is believed only until the next ACK: a real one leaves nobody who would send it for long,
//   and a forged one must not cost the connection its backend (RFC 5961 section 3).
// - After both FINs neither RST nor the last ACKs matter: the tuple is free for a new SYN.
// - SYN never moves a flow: retransmissions stay, and sl_tcp_syn_reopens finds new connections.
// clang-format off
static const uint8_t next_state[SL_FLOW_STATE_COUNT][SPEAKER_COUNT][EVENT_COUNT] = {
	//                 nothing   ACK       SYN       SYN+ACK   FIN       RST
	[NEW] = {
		[CLIENT]     = {NEW,      NEW,      NEW,      NEW,      NEW,      NEW},
		[SERVER]     = {ANSWERED, ANSWERED, ANSWERED, ANSWERED, FIN_S2C,  REFUSED},
		[CLIENT_DSR] = {NEW,      OPEN,     NEW,      NEW,      FIN_C2S,  NEW},
	},
	[ANSWERED] = {
		[CLIENT]     = {ANSWERED, OPEN,     ANSWERED, ANSWERED, FIN_C2S,  REFUSED},
		[SERVER]     = {ANSWERED, ANSWERED, ANSWERED, ANSWERED, FIN_S2C,  REFUSED},
		[CLIENT_DSR] = {ANSWERED, OPEN,     ANSWERED, ANSWERED, FIN_C2S,  REFUSED},
	},
	[PICKED] = {
		[CLIENT]     = {PICKED,   PICKED,   PICKED,   PICKED,   PICKED,   PICKED},
		[SERVER]     = {OPEN,     OPEN,     OPEN,     OPEN,     FIN_S2C,  REFUSED},
		[CLIENT_DSR] = {PICKED,   OPEN,     PICKED,   PICKED,   FIN_C2S,  PICKED},
	},
	[PROVEN] = {
		[CLIENT]     = {PROVEN,   PROVEN,   PROVEN,   PROVEN,   PROVEN,   PROVEN},
		[SERVER]     = {PROVEN,   PROVEN,   PROVEN,   PROVEN,   PROVEN,   PROVEN},
		[CLIENT_DSR] = {PROVEN,   PROVEN,   PROVEN,   PROVEN,   PROVEN,   PROVEN},
	},
	[REFUSED] = {
		[CLIENT]     = {REFUSED,  ANSWERED, REFUSED,  REFUSED,  REFUSED,  REFUSED},
		[SERVER]     = {REFUSED,  ANSWERED, REFUSED,  ANSWERED, FIN_S2C,  REFUSED},
		[CLIENT_DSR] = {REFUSED,  ANSWERED, REFUSED,  REFUSED,  REFUSED,  REFUSED},
	},
	[OPEN] = {
		[CLIENT]     = {OPEN,     OPEN,     OPEN,     OPEN,     FIN_C2S,  RESET},
		[SERVER]     = {OPEN,     OPEN,     OPEN,     OPEN,     FIN_S2C,  RESET},
		[CLIENT_DSR] = {OPEN,     OPEN,     OPEN,     OPEN,     FIN_C2S,  RESET},
	},
	[FIN_C2S] = {
		[CLIENT]     = {FIN_C2S,  FIN_C2S,  FIN_C2S,  FIN_C2S,  FIN_C2S,  RESET},
		[SERVER]     = {FIN_C2S,  FIN_C2S,  FIN_C2S,  FIN_C2S,  CLOSING,  RESET},
		[CLIENT_DSR] = {FIN_C2S,  FIN_C2S,  FIN_C2S,  FIN_C2S,  FIN_C2S,  RESET},
	},
	[FIN_S2C] = {
		[CLIENT]     = {FIN_S2C,  FIN_S2C,  FIN_S2C,  FIN_S2C,  CLOSING,  RESET},
		[SERVER]     = {FIN_S2C,  FIN_S2C,  FIN_S2C,  FIN_S2C,  FIN_S2C,  RESET},
		[CLIENT_DSR] = {FIN_S2C,  FIN_S2C,  FIN_S2C,  FIN_S2C,  CLOSING,  RESET},
	},
	[CLOSING] = {
		[CLIENT]     = {CLOSING,  CLOSING,  CLOSING,  CLOSING,  CLOSING,  CLOSING},
		[SERVER]     = {CLOSING,  CLOSING,  CLOSING,  CLOSING,  CLOSING,  CLOSING},
		[CLIENT_DSR] = {CLOSING,  CLOSING,  CLOSING,  CLOSING,  CLOSING,  CLOSING},
	},
	[RESET] = {
		[CLIENT]     = {RESET,    OPEN,     RESET,    RESET,    FIN_C2S,  RESET},
		[SERVER]     = {RESET,    OPEN,     RESET,    RESET,    FIN_S2C,  RESET},
		[CLIENT_DSR] = {RESET,    OPEN,     RESET,    RESET,    FIN_C2S,  RESET},
	},
};
// clang-format on

static enum event event_of(uint8_t flags)
{
	if (flags & SL_TCP_RST)
		return EVENT_RST;
	if (flags & SL_TCP_SYN)
		return flags & SL_TCP_ACK ? EVENT_SYN_ACK : EVENT_SYN;
	if (flags & SL_TCP_FIN)
		return EVENT_FIN;
	return flags & SL_TCP_ACK ? EVENT_ACK : EVENT_NONE;
}

uint8_t sl_tcp_next(uint8_t state, enum sl_dir dir, uint8_t flags, bool is_dsr)
{
	enum speaker speaker = dir == SL_DIR_S2C ? SERVER : is_dsr ? CLIENT_DSR : CLIENT;

	if (state >= SL_FLOW_STATE_COUNT)
		return SL_FLOW_CLOSING; // not a state: an entry to forget soon
	return next_state[state][speaker][event_of(flags)];
}

bool sl_tcp_syn_reopens(uint8_t state, uint32_t syn_seq, uint32_t flow_syn_seq)
{
	switch (state) {
	case SL_FLOW_CLOSING:
	case SL_FLOW_RESET:
	case SL_FLOW_REFUSED:
		return true;
	case SL_FLOW_FIN_C2S:
	case SL_FLOW_FIN_S2C:
		return syn_seq != flow_syn_seq;
	default:
		return false;
	}
}
