// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "clientaddr.h"
#include "packets.h"
#include "parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM     64
#define N        1 // NOP
#define SYN      SL_TCP_SYN
#define ACK      SL_TCP_ACK

// 192.0.2.1:40000 to 198.51.100.1:443, 2001:db8::1 to 2001:db8::2 with the same ports.
static const uint8_t header_v4[28] = {13,   10, 13,   10,   0,    13,   10,   0x51, 0x55, 0x49,
                                      0x54, 10, 0x21, 0x11, 0,    12,   192,  0,    2,    1,
                                      198,  51, 100,  1,    0x9c, 0x40, 0x01, 0xbb};
static const uint8_t header_v6[52] = {13, 10,   13,   10, 0,    13,   10,   0x51, 0x55, 0x49, 0x54,
                                      10, 0x21, 0x21, 0,  36,   0x20, 1,    0x0d, 0xb8, 0,    0,
                                      0,  0,    0,    0,  0,    0,    0,    0,    0,    1,    0x20,
                                      1,  0x0d, 0xb8, 0,  0,    0,    0,    0,    0,    0,    0,
                                      0,  0,    0,    2,  0x9c, 0x40, 0x01, 0xbb};
static const uint8_t toa_v4[8] = {254, 8, 0x9c, 0x40, 192, 0, 2, 1};
static const uint8_t toa_v6[20] = {254, 20, 0x9c, 0x40, 0x20, 1, 0x0d, 0xb8, 0, 0,
                                   0,   0,  0,    0,    0,    0, 0,    0,    0, 1};

struct frame {
	uint8_t bytes[ROOM + SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt;
};

static struct sl_packet_spec spec_of(bool is_v6, uint8_t flags)
{
	static const struct sl_ip v4[2] = {SL_PACKET_V4(192, 0, 2, 1),
	                                   SL_PACKET_V4(198, 51, 100, 1)};
	static const struct sl_ip v6[2] = {SL_PACKET_V6(1), SL_PACKET_V6(2)};

	return (struct sl_packet_spec){.src = is_v6 ? v6[0] : v4[0],
	                               .dst = is_v6 ? v6[1] : v4[1],
	                               .proto = 6,
	                               .sport = 40000,
	                               .dport = 443,
	                               .tcp_flags = flags};
}

static void load(struct frame *f, const struct sl_packet_spec *spec)
{
	f->pkt = (struct sl_pkt){.data = f->bytes + ROOM, .headroom = ROOM};
	f->pkt.len = (uint32_t)sl_packet_build(f->pkt.data, SL_PACKET_MAX_BYTES, spec);
	ck_assert_int_eq(sl_parse(&f->pkt), -1);
}

// Bytes as if built so, and what is known of the packet as if parsed from them.
static void expect(const struct frame *f, const struct sl_packet_spec *want, const char *name)
{
	uint8_t bytes[SL_PACKET_MAX_BYTES];
	struct sl_pkt again = {.data = f->pkt.data, .len = f->pkt.len};
	uint32_t n_bytes = (uint32_t)sl_packet_build(bytes, sizeof(bytes), want);

	ck_assert_msg(f->pkt.len == n_bytes, "%s: %u bytes, want %u", name, f->pkt.len, n_bytes);
	ck_assert_msg(memcmp(f->pkt.data, bytes, n_bytes) == 0, "%s", name);
	ck_assert_int_eq(sl_parse(&again), -1);
	ck_assert_msg(again.l4_off == f->pkt.l4_off && again.l4_bytes == f->pkt.l4_bytes &&
	                      again.payload_off == f->pkt.payload_off,
	              "%s: offsets", name);
	ck_assert_msg(f->bytes + f->pkt.headroom == f->pkt.data, "%s: headroom", name);
}

static const uint8_t timestamp[12] = {N, N, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t nops[8] = {N, N, N, N, N, N, N, N};

// What the packet has besides; each with IPv4 and IPv6.
static const struct {
	const char *name;
	uint8_t n_vlans, n_options, n_ext;
	uint16_t payload_bytes, padding_bytes;
} shapes[] = {
	{"a bare ACK", 0, 0, 0, 0, 0},          {"a padded ACK", 0, 0, 0, 0, 6},
	{"with an odd payload", 0, 0, 0, 7, 0}, {"with a long payload", 0, 12, 0, 1400, 0},
	{"with two tags", 2, 12, 0, 9, 3},      {"with IP options or extensions", 0, 12, 8, 20, 0},
};

static struct sl_packet_spec shaped(int shape, bool is_v6)
{
	static const uint8_t ext[8] = {6, 0, 1, 4, 0, 0, 0, 0};
	struct sl_packet_spec spec = spec_of(is_v6, ACK);

	spec.n_vlans = shapes[shape].n_vlans;
	spec.tcp_options = timestamp;
	spec.tcp_options_bytes = shapes[shape].n_options;
	spec.payload_bytes = shapes[shape].payload_bytes;
	spec.padding_bytes = shapes[shape].padding_bytes;
	if (shapes[shape].n_ext != 0) {
		spec.ext = is_v6 ? ext : nops;
		spec.ext_bytes = 8;
		spec.ext_next = 60;
	}
	return spec;
}

START_TEST(a_proxy_header_stands_before_the_payload)
{
	const bool is_v6 = _i % 2;
	const size_t n_bytes = is_v6 ? sizeof(header_v6) : sizeof(header_v4);
	struct sl_packet_spec spec = shaped(_i / 2, is_v6);
	uint8_t payload[2000];
	struct frame f;

	load(&f, &spec);
	memcpy(payload, is_v6 ? header_v6 : header_v4, n_bytes);
	for (uint16_t i = 0; i < spec.payload_bytes; i++)
		payload[n_bytes + i] = (uint8_t)(i + 1);
	spec.payload = payload;
	spec.payload_bytes = (uint16_t)(spec.payload_bytes + n_bytes);
	spec.padding_bytes = 0;
	ck_assert(sl_clientaddr_push_proxy(&f.pkt));
	expect(&f, &spec, shapes[_i / 2].name);
}
END_TEST

START_TEST(a_toa_option_is_the_first_of_all)
{
	const bool is_v6 = _i % 2;
	const size_t n_bytes = is_v6 ? sizeof(toa_v6) : sizeof(toa_v4);
	struct sl_packet_spec spec = shaped(_i / 2, is_v6);
	uint8_t options[40];
	struct frame f;

	load(&f, &spec);
	memcpy(options, is_v6 ? toa_v6 : toa_v4, n_bytes);
	memcpy(options + n_bytes, timestamp, spec.tcp_options_bytes);
	spec.tcp_options = options;
	spec.tcp_options_bytes = (uint16_t)(spec.tcp_options_bytes + n_bytes);
	spec.padding_bytes = 0;
	ck_assert(sl_clientaddr_push_toa(&f.pkt));
	expect(&f, &spec, shapes[_i / 2].name);
}
END_TEST

// Options of n bytes leave 40 - n.
static const struct {
	bool is_v6;
	uint16_t n_options;
	bool is_pushed;
} rooms[] = {{false, 32, true},
             {false, 36, false},
             {false, 40, false},
             {true, 20, true},
             {true, 24, false}};

START_TEST(a_toa_option_needs_room_among_the_options)
{
	static const uint8_t options[40] = {3, 3, 7};
	struct sl_packet_spec spec = spec_of(rooms[_i].is_v6, ACK);
	struct frame f, before;

	spec.tcp_options = options;
	spec.tcp_options_bytes = rooms[_i].n_options;
	load(&f, &spec);
	before = f;
	before.pkt.data = f.pkt.data; // a pointer into f
	ck_assert(sl_clientaddr_push_toa(&f.pkt) == rooms[_i].is_pushed);
	ck_assert(sl_packet_csums_are_right(f.pkt.data, f.pkt.len));
	if (!rooms[_i].is_pushed)
		ck_assert_mem_eq(&f, &before, sizeof(f));
}
END_TEST

START_TEST(nothing_is_pushed_without_headroom)
{
	const bool is_v6 = _i / 2;
	const uint16_t n_bytes = _i % 2 ? (is_v6 ? 20 : 8) : (is_v6 ? 52 : 28);
	struct sl_packet_spec spec = spec_of(is_v6, ACK);
	struct frame f;

	load(&f, &spec);
	f.pkt.headroom = (uint16_t)(n_bytes - 1);
	ck_assert(!(_i % 2 ? sl_clientaddr_push_toa(&f.pkt) : sl_clientaddr_push_proxy(&f.pkt)));
	f.pkt.headroom = ROOM;
	expect(&f, &spec, "unchanged");
	f.pkt.headroom = n_bytes;
	ck_assert(_i % 2 ? sl_clientaddr_push_toa(&f.pkt) : sl_clientaddr_push_proxy(&f.pkt));
	ck_assert_uint_eq(f.pkt.headroom, 0);
}
END_TEST

// Options before and after.
static const struct {
	const char *name;
	bool is_syn_plain; // by sl_clientaddr_plain_syn, else sl_clientaddr_strip
	uint8_t n_bytes;
	uint8_t options[40], want[40];
} strips[] = {
	{"an IPv4 address", false, 8, {254, 8, 1, 2, 3, 4, 5, 6}, {N, N, N, N, N, N, N, N}},
	{"of the other kind", false, 8, {253, 8, 1, 2, 3, 4, 5, 6}, {N, N, N, N, N, N, N, N}},
	{"an IPv6 address",
         false,
         20,
         {254, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
         {N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N}},
	{"of any length", false, 8, {254, 5, 1, 2, 3, 253, 2, N}, {N, N, N, N, N, N, N, N}},
	{"twice, at odd offsets, others between",
         false,
         24,
         {N, 254, 8, 1, 2, 3, 4, 5, 6, 2, 4, 5, 0xb4, 254, 8, 1, 2, 3, 4, 5, 6, 3, 3, 7},
         {N, N, N, N, N, N, N, N, N, 2, 4, 5, 0xb4, N, N, N, N, N, N, N, N, 3, 3, 7}},
	{"others stay",
         false,
         12,
         {N, N, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
         {N, N, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}},
	{"a number inside another option is no kind",
         false,
         12,
         {8, 10, 254, 8, 1, 2, 254, 8, 1, 2, N, N},
         {8, 10, 254, 8, 1, 2, 254, 8, 1, 2, N, N}},
	{"one past the header is none", false, 4, {N, N, 254, 8}, {N, N, 254, 8}},
	{"one behind the end is none",
         false,
         12,
         {0, N, 254, 8, 1, 2, 3, 4, 5, 6, N, N},
         {0, N, 254, 8, 1, 2, 3, 4, 5, 6, N, N}},
	{"a Fast Open request", true, 8, {2, 4, 5, 0xb4, 34, 2, N, N}, {2, 4, 5, 0xb4, N, N, N, N}},
	{"a Fast Open cookie",
         true,
         12,
         {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, N, N},
         {N, N, N, N, N, N, N, N, N, N, N, N}},
	{"Multipath TCP",
         true,
         12,
         {30, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
         {N, N, N, N, N, N, N, N, N, N, N, N}},
	{"others of a SYN stay", true, 8, {2, 4, 5, 0xb4, 3, 3, 7, N}, {2, 4, 5, 0xb4, 3, 3, 7, N}},
};

START_TEST(options_become_padding_and_nothing_else_changes)
{
	const int row = _i / 2;
	struct sl_packet_spec spec = spec_of(_i % 2, strips[row].is_syn_plain ? SYN : ACK);
	struct frame f;

	spec.tcp_options = strips[row].options;
	spec.tcp_options_bytes = strips[row].n_bytes;
	spec.payload_bytes = strips[row].is_syn_plain ? 0 : 5;
	load(&f, &spec);
	spec.tcp_options = strips[row].want;
	if (strips[row].is_syn_plain)
		sl_clientaddr_plain_syn(&f.pkt);
	else
		ck_assert(
			sl_clientaddr_strip(&f.pkt) ==
			(memcmp(strips[row].options, strips[row].want, strips[row].n_bytes) != 0));
	expect(&f, &spec, strips[row].name);
}
END_TEST

START_TEST(data_of_a_syn_is_cut_off)
{
	struct sl_packet_spec spec = shaped(_i / 2, _i % 2);
	struct frame f;

	spec.tcp_flags = SYN;
	load(&f, &spec);
	sl_clientaddr_plain_syn(&f.pkt);
	if (spec.payload_bytes != 0)
		spec.padding_bytes = 0;
	spec.payload_bytes = 0;
	expect(&f, &spec, shapes[_i / 2].name);
}
END_TEST

START_TEST(a_wrong_checksum_stays_wrong)
{
	struct sl_packet_spec spec = spec_of(_i / 2, ACK);
	struct frame f;

	spec.payload_bytes = 6;
	load(&f, &spec);
	f.pkt.data[f.pkt.len - 1] ^= 0x10;
	ck_assert(_i % 2 ? sl_clientaddr_push_toa(&f.pkt) : sl_clientaddr_push_proxy(&f.pkt));
	ck_assert(!sl_packet_csums_are_right(f.pkt.data, f.pkt.len));
	f.pkt.data[f.pkt.len - 1] ^= 0x10;
	ck_assert(sl_packet_csums_are_right(f.pkt.data, f.pkt.len));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clientaddr");
	TCase *tc = tcase_create("clientaddr");

	tcase_add_loop_test(tc, a_proxy_header_stands_before_the_payload, 0, 2 * COUNT(shapes));
	tcase_add_loop_test(tc, a_toa_option_is_the_first_of_all, 0, 2 * COUNT(shapes));
	tcase_add_loop_test(tc, a_toa_option_needs_room_among_the_options, 0, COUNT(rooms));
	tcase_add_loop_test(tc, nothing_is_pushed_without_headroom, 0, 4);
	tcase_add_loop_test(tc, options_become_padding_and_nothing_else_changes, 0,
	                    2 * COUNT(strips));
	tcase_add_loop_test(tc, data_of_a_syn_is_cut_off, 0, 2 * COUNT(shapes));
	tcase_add_loop_test(tc, a_wrong_checksum_stays_wrong, 0, 4);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
