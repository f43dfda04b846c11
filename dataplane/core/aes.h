// SPDX-License-Identifier: Apache-2.0
// AES-128, one block at a time: what QUIC-LB needs to read a connection id, and nothing else.
//
// Shape:   the key schedule is made off the packet path, for both directions. Blocks go through
//          AES-NI where the processor has it, else through tables made at init, whose timing tells
//          somebody on the same machine about the key; a connection id hides who serves a client,
//          no content, and processors of the last decade do not need the tables.
// Source:  FIPS 197; the names are its names.
// Thread:  a key is read-only after sl_aes_init.
#ifndef SLUICE_CORE_AES_H
#define SLUICE_CORE_AES_H

#include <stdbool.h>
#include <stdint.h>

#define SL_AES_BYTES  16
#define SL_AES_ROUNDS 10

struct sl_aes {
	uint8_t encrypt[SL_AES_ROUNDS + 1][SL_AES_BYTES];
	uint8_t decrypt[SL_AES_ROUNDS + 1]
		       [SL_AES_BYTES]; // for the equivalent inverse cipher, 5.3.5
	uint8_t sbox[256], inverse_sbox[256];
	bool has_instructions;
};

void sl_aes_init(struct sl_aes *aes, const uint8_t key[SL_AES_BYTES]);

// in and out may be the same.
void sl_aes_encrypt(const struct sl_aes *aes, const uint8_t in[SL_AES_BYTES],
                    uint8_t out[SL_AES_BYTES]);
void sl_aes_decrypt(const struct sl_aes *aes, const uint8_t in[SL_AES_BYTES],
                    uint8_t out[SL_AES_BYTES]);

#endif
