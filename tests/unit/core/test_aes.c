// SPDX-License-Identifier: Apache-2.0
// The vectors of FIPS 197 and SP 800-38A, through the instructions and through the tables.
#include "sl_check.h"

#include "aes.h"

static const struct {
	const char *name;
	uint8_t key[16], plain[16], cipher[16];
} vectors[] = {
	{"FIPS 197 appendix B",
         {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f,
          0x3c},
         {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07,
          0x34},
         {0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b,
          0x32}},
	{"FIPS 197 appendix C.1",
         {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
          0x0f},
         {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
          0xff},
         {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5,
          0x5a}},
	{"SP 800-38A F.1.1 block 1",
         {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f,
          0x3c},
         {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17,
          0x2a},
         {0x3a, 0xd7, 0x7b, 0xb4, 0x0d, 0x7a, 0x36, 0x60, 0xa8, 0x9e, 0xca, 0xf3, 0x24, 0x66, 0xef,
          0x97}},
};
#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

START_TEST(published_blocks_come_out_both_ways)
{
	size_t v = (size_t)_i % N_VECTORS;
	struct sl_aes aes;
	uint8_t out[16];

	sl_aes_init(&aes, vectors[v].key);
	if ((size_t)_i >= N_VECTORS)
		aes.has_instructions = false;
	sl_aes_encrypt(&aes, vectors[v].plain, out);
	ck_assert_mem_eq(out, vectors[v].cipher, 16);
	sl_aes_decrypt(&aes, out, out);
	ck_assert_mem_eq(out, vectors[v].plain, 16);
}
END_TEST

START_TEST(tables_and_instructions_agree_on_random_blocks)
{
	uint64_t seed = sl_check_seed(), random = seed;

	for (int round = 0; round < 300; round++) {
		struct sl_aes fast, slow;
		uint8_t key[16], block[16], a[16], b[16];

		for (int i = 0; i < 16; i++) {
			key[i] = (uint8_t)sl_check_random(&random);
			block[i] = (uint8_t)sl_check_random(&random);
		}
		sl_aes_init(&fast, key);
		slow = fast;
		slow.has_instructions = false;
		sl_aes_encrypt(&fast, block, a);
		sl_aes_encrypt(&slow, block, b);
		ck_assert_msg(memcmp(a, b, 16) == 0, "encrypt, seed %lu", seed);
		sl_aes_decrypt(&fast, a, a);
		sl_aes_decrypt(&slow, b, b);
		ck_assert_msg(memcmp(a, block, 16) == 0 && memcmp(b, block, 16) == 0,
		              "decrypt, seed %lu", seed);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aes");
	TCase *tc = tcase_create("aes");

	tcase_add_loop_test(tc, published_blocks_come_out_both_ways, 0, 2 * (int)N_VECTORS);
	tcase_add_test(tc, tables_and_instructions_agree_on_random_blocks);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
