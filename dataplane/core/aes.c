// SPDX-License-Identifier: Apache-2.0
#include "aes.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAS_X86 1
#else
#define HAS_X86 0
#endif

// Multiplication by x in GF(2^8), FIPS 197 section 4.2.1.
static uint8_t xtime(uint8_t a)
{
	return (uint8_t)(a << 1 ^ (a >> 7) * 0x1b);
}

static uint8_t multiply(uint8_t a, uint8_t b)
{
	uint8_t product = 0;

	for (; b != 0; b >>= 1, a = xtime(a))
		product ^= (uint8_t)((b & 1) * a);
	return product;
}

static uint8_t rotate(uint8_t a, int n)
{
	return (uint8_t)(a << n | a >> (8 - n));
}

// Walks all non-zero bytes as powers of 3 next to their inverses; section 5.1.1.
static void make_sboxes(struct sl_aes *aes)
{
	uint8_t p = 1, inverse = 1;

	do {
		uint8_t s;

		p = (uint8_t)(p ^ xtime(p));
		inverse = multiply(inverse, 0xf6); // 3 times 0xf6 is 1
		s = (uint8_t)(inverse ^ rotate(inverse, 1) ^ rotate(inverse, 2) ^
		              rotate(inverse, 3) ^ rotate(inverse, 4) ^ 0x63);
		aes->sbox[p] = s;
		aes->inverse_sbox[s] = p;
	} while (p != 1);
	aes->sbox[0] = 0x63;
	aes->inverse_sbox[0x63] = 0;
}

// row[r] * column: the matrix of MixColumns or its inverse, of which every row is the one above
// turned by one.
static void mix_columns(uint8_t s[SL_AES_BYTES], const uint8_t first_row[4])
{
	for (int c = 0; c < 4; c++) {
		uint8_t *column = &s[4 * c], mixed[4] = {0};

		for (int r = 0; r < 4; r++) {
			for (int i = 0; i < 4; i++)
				mixed[r] ^= multiply(column[i], first_row[(i - r + 4) % 4]);
		}
		memcpy(column, mixed, 4);
	}
}

static const uint8_t mix_row[4] = {2, 3, 1, 1};
static const uint8_t inverse_mix_row[4] = {14, 11, 13, 9};

// Section 5.2, and 5.3.5 for decryption.
static void expand_key(struct sl_aes *aes, const uint8_t key[SL_AES_BYTES])
{
	uint8_t *w = &aes->encrypt[0][0], round_constant = 1;

	memcpy(w, key, SL_AES_BYTES);
	for (int i = SL_AES_BYTES; i < SL_AES_BYTES * (SL_AES_ROUNDS + 1); i += 4) {
		uint8_t t[4];

		memcpy(t, &w[i - 4], 4);
		if (i % SL_AES_BYTES == 0) {
			uint8_t first = t[0];

			t[0] = (uint8_t)(aes->sbox[t[1]] ^ round_constant);
			t[1] = aes->sbox[t[2]];
			t[2] = aes->sbox[t[3]];
			t[3] = aes->sbox[first];
			round_constant = xtime(round_constant);
		}
		for (int b = 0; b < 4; b++)
			w[i + b] = (uint8_t)(w[i + b - SL_AES_BYTES] ^ t[b]);
	}
	for (int round = 0; round <= SL_AES_ROUNDS; round++) {
		memcpy(aes->decrypt[round], aes->encrypt[SL_AES_ROUNDS - round], SL_AES_BYTES);
		if (round > 0 && round < SL_AES_ROUNDS)
			mix_columns(aes->decrypt[round], inverse_mix_row);
	}
}

void sl_aes_init(struct sl_aes *aes, const uint8_t key[SL_AES_BYTES])
{
	memset(aes, 0, sizeof(*aes));
	make_sboxes(aes);
	expand_key(aes, key);
#if HAS_X86
	aes->has_instructions = __builtin_cpu_supports("aes") != 0;
#endif
}

static void add_key(uint8_t s[SL_AES_BYTES], const uint8_t key[SL_AES_BYTES])
{
	for (int i = 0; i < SL_AES_BYTES; i++)
		s[i] ^= key[i];
}

// SubBytes and ShiftRows in one: row r moves by r columns, to the left or (step 3) to the right.
static void substitute_and_shift(uint8_t s[SL_AES_BYTES], const uint8_t box[256], int step)
{
	uint8_t old[SL_AES_BYTES];

	memcpy(old, s, SL_AES_BYTES);
	for (int c = 0; c < 4; c++) {
		for (int r = 0; r < 4; r++)
			s[4 * c + r] = box[old[4 * ((c + step * r) % 4) + r]];
	}
}

static void by_tables(uint8_t s[SL_AES_BYTES], const uint8_t keys[][SL_AES_BYTES],
                      const uint8_t box[256], bool is_inverse)
{
	add_key(s, keys[0]);
	for (int round = 1; round <= SL_AES_ROUNDS; round++) {
		substitute_and_shift(s, box, is_inverse ? 3 : 1);
		if (round < SL_AES_ROUNDS)
			mix_columns(s, is_inverse ? inverse_mix_row : mix_row);
		add_key(s, keys[round]);
	}
}

#if HAS_X86
__attribute__((target("aes,sse2"))) static void
by_instructions(uint8_t s[SL_AES_BYTES], const uint8_t keys[][SL_AES_BYTES], bool is_inverse)
{
	__m128i x = _mm_loadu_si128((const void *)s);

	x = _mm_xor_si128(x, _mm_loadu_si128((const void *)keys[0]));
	for (int round = 1; round < SL_AES_ROUNDS; round++) {
		__m128i key = _mm_loadu_si128((const void *)keys[round]);

		x = is_inverse ? _mm_aesdec_si128(x, key) : _mm_aesenc_si128(x, key);
	}
	x = is_inverse ? _mm_aesdeclast_si128(x, _mm_loadu_si128((const void *)keys[10]))
	               : _mm_aesenclast_si128(x, _mm_loadu_si128((const void *)keys[10]));
	_mm_storeu_si128((void *)s, x);
}
#endif

static void crypt_block(const struct sl_aes *aes, const uint8_t *in, uint8_t *out, bool is_inverse)
{
	const uint8_t(*keys)[SL_AES_BYTES] = is_inverse ? aes->decrypt : aes->encrypt;

	memmove(out, in, SL_AES_BYTES);
#if HAS_X86
	if (aes->has_instructions) {
		by_instructions(out, keys, is_inverse);
		return;
	}
#endif
	by_tables(out, keys, is_inverse ? aes->inverse_sbox : aes->sbox, is_inverse);
}

void sl_aes_encrypt(const struct sl_aes *aes, const uint8_t in[SL_AES_BYTES],
                    uint8_t out[SL_AES_BYTES])
{
	crypt_block(aes, in, out, false);
}

void sl_aes_decrypt(const struct sl_aes *aes, const uint8_t in[SL_AES_BYTES],
                    uint8_t out[SL_AES_BYTES])
{
	crypt_block(aes, in, out, true);
}
