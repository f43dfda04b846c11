// SPDX-License-Identifier: Apache-2.0
// `sluice assess` as a child process, on captures made here.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "packets.h"
#include "sl_check.h"
#include "sluice/units.h"

#define NS_PER_MS SL_NS_PER_MS

struct writer {
	struct sl_capture_writer *capture;
	uint64_t t_ns;
	uint32_t seq[2];
	struct sl_packet_spec c2s;
};

static char dir[] = "/tmp/sluice-assess-XXXXXX";
static char path[64], text[65536];

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c.pcap", dir);
}

static void remove_dir(void)
{
	unlink(path);
	rmdir(dir);
}

// Runs it with what it says, errors too, in text. Its exit status.
static int assess(const char *options)
{
	char command[256];
	FILE *out;
	size_t n;
	int status;

	snprintf(command, sizeof(command), "%s assess %s %s 2>&1", SLUICE_CLI, options, path);
	out = popen(command, "r");
	ck_assert_ptr_nonnull(out);
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = '\0';
	status = pclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void put(struct writer *w, bool is_answer, uint8_t flags, const char *payload,
                uint16_t n_bytes)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec = w->c2s;
	uint8_t bytes[2048] = {0};

	if (payload != NULL)
		memcpy(bytes, payload, strlen(payload));
	if (is_answer) {
		spec.src = w->c2s.dst;
		spec.dst = w->c2s.src;
		spec.sport = w->c2s.dport;
		spec.dport = w->c2s.sport;
	}
	spec.tcp_flags = flags;
	spec.tcp_seq = w->seq[is_answer];
	spec.payload = bytes;
	spec.payload_bytes = n_bytes;
	w->seq[is_answer] += n_bytes + ((flags & (SL_TCP_SYN | SL_TCP_FIN)) != 0);
	sl_capture_put(w->capture, frame, (uint32_t)sl_packet_build(frame, sizeof(frame), &spec),
	               w->t_ns);
}

static struct writer opened(uint16_t dport)
{
	return (struct writer){
		.capture = sl_capture_create(path),
		.t_ns = 1700000000 * SL_NS_PER_S,
		.c2s = {.src = sl_packet_ip("192.0.2.1"),
	                .dst = sl_packet_ip("198.51.100.1"),
	                .proto = 6,
	                .sport = 40000,
	                .dport = dport},
	};
}

// A question, 300 ms of thought, and a token each 25 ms.
static void put_stream(struct writer *w, uint32_t n_tokens)
{
	put(w, false, SL_TCP_SYN, NULL, 0);
	put(w, true, SL_TCP_SYN | SL_TCP_ACK, NULL, 0);
	put(w, false, SL_TCP_ACK, NULL, 0);
	put(w, false, SL_TCP_ACK | SL_TCP_PSH, "a question", 1400);
	w->t_ns += 275 * NS_PER_MS;
	for (uint32_t i = 0; i < n_tokens; i++) {
		w->t_ns += (i % 2 == 0 ? 22 : 28) * NS_PER_MS;
		put(w, true, SL_TCP_ACK | SL_TCP_PSH, "a token", 250);
		put(w, false, SL_TCP_ACK, NULL, 0);
	}
	put(w, true, SL_TCP_ACK | SL_TCP_FIN, NULL, 0);
	put(w, false, SL_TCP_ACK | SL_TCP_FIN, NULL, 0);
}

static int count(const char *what)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

START_TEST(a_stream_is_one_line_that_says_so)
{
	struct writer w = opened(22001);

	put_stream(&w, 40);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess("-o json"), 0);
	ck_assert_int_eq(count("\n"), 1);
	ck_assert_msg(strstr(text, "{\"src\": \"192.0.2.1\", \"sport\": 40000, \"dst\": "
	                           "\"198.51.100.1\", \"dport\": 22001, \"proto\": 6, "
	                           "\"packets\": 86, ") == text,
	              "%s", text);
	ck_assert_msg(strstr(text, "\"class\": \"inference\", \"kind\": \"stream\"") != NULL, "%s",
	              text);
}
END_TEST

static void write_file(const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

// As `tcpdump -s 70` would have written it.
static void cut_packets(uint32_t kept_bytes)
{
	static uint8_t whole[65536], cut[65536];
	FILE *f = fopen(path, "rb");
	const size_t n = fread(whole, 1, sizeof(whole), f);
	size_t at = 24, to = 24;

	fclose(f);
	memcpy(cut, whole, 24);
	while (at < n) {
		uint32_t header[4]; // seconds, fraction, kept, length

		memcpy(header, whole + at, sizeof(header));
		const uint32_t kept = header[2] < kept_bytes ? header[2] : kept_bytes;
		const uint32_t had = header[2];

		header[2] = kept;
		memcpy(cut + to, header, sizeof(header));
		memcpy(cut + to + 16, whole + at + 16, kept);
		at += 16 + had;
		to += 16 + kept;
	}
	write_file(cut, to);
}

START_TEST(a_capture_that_kept_headers_only_says_the_same)
{
	struct writer w = opened(22001);
	static char whole[sizeof(text)];

	put_stream(&w, 40);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess("-o json --hide-ports"), 0);
	memcpy(whole, text, sizeof(whole));
	cut_packets(70);
	ck_assert_int_eq(assess("-o json --hide-ports"), 0);
	ck_assert_str_eq(text, whole);
}
END_TEST

START_TEST(the_summary_tells_mix_latency_and_talkers)
{
	struct writer w = opened(22001);

	put_stream(&w, 40);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess(""), 0);
	ck_assert_msg(strstr(text, "86 packets") == text, "%s", text);
	ck_assert_msg(strstr(text, "inference") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "time to first token  p50    297.0 ms") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "time per token") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "198.51.100.1") != NULL, "%s", text);
}
END_TEST

START_TEST(hidden_ports_do_not_speak)
{
	struct writer w = opened(2049);

	put(&w, false, SL_TCP_SYN, NULL, 0);
	put(&w, true, SL_TCP_SYN | SL_TCP_ACK, NULL, 0);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess("-o json"), 0);
	ck_assert_msg(strstr(text, "\"class\": \"training\", \"kind\": \"bulk\", \"confidence\": "
	                           "0.90, \"decided_at_packet\": 1,") != NULL,
	              "%s", text);
	ck_assert_int_eq(assess("-o json --hide-ports"), 0);
	ck_assert_msg(strstr(text, "\"class\": \"general\"") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "\"decided_at_packet\": null") != NULL, "%s", text);
}
END_TEST

START_TEST(a_tuple_used_again_is_another_flow)
{
	struct writer w = opened(22001);

	put_stream(&w, 10);
	w.seq[0] += 100000;
	put_stream(&w, 10);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess("-o json"), 0);
	ck_assert_int_eq(count("\"packets\": 26"), 2);
}
END_TEST

START_TEST(a_syn_sent_again_is_not)
{
	struct writer w = opened(22001);

	put(&w, false, SL_TCP_SYN, NULL, 0);
	w.seq[0]--;
	put(&w, false, SL_TCP_SYN, NULL, 0);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess("-o json"), 0);
	ck_assert_int_eq(count("\"packets\": 2,"), 1);
}
END_TEST

START_TEST(the_server_is_the_known_port_when_the_beginning_is_missing)
{
	struct writer w = opened(443);

	put(&w, true, SL_TCP_ACK, "x", 100);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess("-o json"), 0);
	ck_assert_msg(strstr(text, "\"dport\": 443") != NULL, "%s", text);
}
END_TEST

START_TEST(bursts_of_one_period_are_told)
{
	struct writer w = opened(22001);

	put(&w, false, SL_TCP_SYN, NULL, 0);
	for (uint64_t step = 0; step < 60; step++) {
		w.t_ns = (UINT64_C(1700000000) * 1000 + step * 150) * NS_PER_MS;
		for (int i = 0; i < 400; i++) {
			w.t_ns += 50000;
			put(&w, i % 2 != 0, SL_TCP_ACK, NULL, 1448);
		}
	}
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess(""), 0);
	ck_assert_msg(strstr(text, "every 14") != NULL || strstr(text, "every 15") != NULL, "%s",
	              text);
	ck_assert_msg(strstr(text, "collective") != NULL, "%s", text);
}
END_TEST

// --- what is refused ---

START_TEST(a_file_that_is_no_capture_is_refused)
{
	write_file("what is this", 12);
	ck_assert_int_eq(assess(""), 1);
	ck_assert_msg(strstr(text, "sluice: ") == text, "%s", text);
	write_file("", 0);
	ck_assert_int_eq(assess(""), 1);
	unlink(path);
	ck_assert_int_eq(assess(""), 1);
	ck_assert_msg(strstr(text, "No such file") != NULL, "%s", text);
}
END_TEST

START_TEST(a_capture_that_breaks_off_is_refused_with_the_place)
{
	struct writer w = opened(22001);
	struct stat info;

	put_stream(&w, 10);
	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(stat(path, &info), 0);
	ck_assert_int_eq(truncate(path, info.st_size - 20), 0);
	ck_assert_int_eq(assess("-o json"), 1);
	ck_assert_msg(strstr(text, "is broken after packet 25") != NULL, "%s", text);
	ck_assert_ptr_null(strstr(text, "{"));
}
END_TEST

START_TEST(a_capture_of_another_link_is_refused)
{
	// Classic header: version 2.4, link type 113 (Linux cooked).
	static const uint8_t cooked[24] = {0xd4, 0xc3, 0xb2,        0xa1,        2,         0,
	                                   4,    0,    [16] = 0xff, [17] = 0xff, [20] = 113};

	write_file(cooked, sizeof(cooked));
	ck_assert_int_eq(assess(""), 1);
	ck_assert_msg(strstr(text, "LINUX_SLL") != NULL, "%s", text);
}
END_TEST

START_TEST(an_empty_capture_is_no_error)
{
	struct writer w = opened(1);

	ck_assert_int_eq(sl_capture_finish(w.capture), 0);
	ck_assert_int_eq(assess(""), 0);
	ck_assert_msg(strstr(text, "0 packets, 0 B") == text, "%s", text);
}
END_TEST

START_TEST(wrong_usage_is_2)
{
	write_file("", 0);
	ck_assert_int_eq(assess("-o yaml"), 2);
	ck_assert_int_eq(assess("--nonsense"), 2);
	ck_assert_int_eq(assess("another"), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("assess");
	TCase *tc = tcase_create("assess");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, make_dir, remove_dir);
	tcase_add_test(tc, a_stream_is_one_line_that_says_so);
	tcase_add_test(tc, a_capture_that_kept_headers_only_says_the_same);
	tcase_add_test(tc, the_summary_tells_mix_latency_and_talkers);
	tcase_add_test(tc, hidden_ports_do_not_speak);
	tcase_add_test(tc, a_tuple_used_again_is_another_flow);
	tcase_add_test(tc, a_syn_sent_again_is_not);
	tcase_add_test(tc, the_server_is_the_known_port_when_the_beginning_is_missing);
	tcase_add_test(tc, bursts_of_one_period_are_told);
	tcase_add_test(tc, a_file_that_is_no_capture_is_refused);
	tcase_add_test(tc, a_capture_that_breaks_off_is_refused_with_the_place);
	tcase_add_test(tc, a_capture_of_another_link_is_refused);
	tcase_add_test(tc, an_empty_capture_is_no_error);
	tcase_add_test(tc, wrong_usage_is_2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
