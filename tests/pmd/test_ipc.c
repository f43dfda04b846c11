// SPDX-License-Identifier: Apache-2.0
// The command socket with a client that keeps the contract of sluice/ipc.h, and with one that does
// not: whatever is refused leaves the data plane as it was.
#include "sl_check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rig.h"

#define ALL_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static const struct sl_body_pool pool = {
	.forward = SL_FORWARD_NAT,
	.balance = SL_BALANCE_WEIGHTED,
	.n_backends = 2,
	.backends = {{"10.0.0.11", 8000, 1000}, {"10.0.0.12", 8000, 1000}}};
static const struct sl_body_vip vip = {"203.0.113.10", 443, 443, 6, 0};

struct bench {
	struct sl_rig *rig;
	char path[64];
	int fd;
};

static int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void setup(struct bench *b)
{
	struct sl_stats_header *h;

	b->rig = sl_rig_new(2, 256);
	h = b->rig->a.segment.base;
	snprintf(b->path, sizeof(b->path), "/tmp/sl-test-ipc-%d.sock", (int)getpid());
	ck_assert_int_eq(sl_ipc_server_init(&b->rig->a.ipc, &b->rig->a.pub, b->path,
	                                    b->rig->a.segment.read_only_fd, h->instance),
	                 0);
	b->rig->a.has_ipc = true;
	b->fd = dial(b->path);
}

static void teardown(struct bench *b)
{
	close(b->fd);
	sl_rig_free(b->rig);
}

struct answer {
	struct sl_ipc_reply reply;
	int fd;           // -1 = none came
	bool is_received; // false: closed, or nothing
};

static struct answer take_answer(struct bench *b)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct answer a = {.fd = -1};
	struct iovec iov = {&a.reply, sizeof(a.reply)};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = control.bytes,
	                     .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c;

	for (uint32_t turn = 0; turn < 50 && !a.is_received; turn++) {
		sl_rig_turn(b->rig);
		a.is_received = recvmsg(b->fd, &msg, MSG_DONTWAIT) == (ssize_t)sizeof(a.reply);
	}
	c = a.is_received ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c != NULL)
		memcpy(&a.fd, CMSG_DATA(c), sizeof(int));
	return a;
}

static void say(int fd, const void *bytes, size_t n_bytes, int body_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)bytes, n_bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (body_fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &body_fd, sizeof(int));
	}
	ck_assert_int_eq(sendmsg(fd, &msg, 0), (int)n_bytes);
}

static int body_file(const void *body, size_t n_bytes, int seals)
{
	int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(write(fd, body, n_bytes), (ssize_t)n_bytes);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static struct sl_ipc_request request(enum sl_ipc_type type, uint32_t n_bytes)
{
	return (struct sl_ipc_request){SL_IPC_MAGIC, SL_IPC_VERSION, (uint16_t)type, 7, n_bytes};
}

static struct answer push(struct bench *b, enum sl_ipc_type type, struct sl_wire_header *body)
{
	struct sl_ipc_request r = request(type, body->total_bytes);
	int fd = body_file(body, body->total_bytes, ALL_SEALS);

	say(b->fd, &r, sizeof(r), fd);
	close(fd);
	free(body);
	return take_answer(b);
}

static struct answer push_config(struct bench *b, uint64_t generation, uint64_t epoch)
{
	return push(b, SL_IPC_CONFIG,
	            sl_body_config(&(struct sl_body_spec){generation, epoch, &vip, 1, &pool, 1}));
}

START_TEST(hello_tells_who_answers_and_hands_out_read_only_statistics)
{
	struct sl_ipc_request hello = request(SL_IPC_HELLO, 0);
	struct sl_stats_header *h;
	struct answer a;
	struct bench b;

	setup(&b);
	h = b.rig->a.segment.base;
	say(b.fd, &hello, sizeof(hello), -1);
	a = take_answer(&b);
	ck_assert(a.is_received);
	ck_assert_uint_eq(a.reply.status, SL_IPC_OK);
	ck_assert_uint_eq(a.reply.request_id, 7);
	ck_assert_uint_eq(a.reply.instance, h->instance);
	ck_assert_uint_eq(a.reply.n_workers, 2);
	ck_assert_int_ge(a.fd, 0);
	ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd, 0), MAP_FAILED);
	h = mmap(NULL, 4096, PROT_READ, MAP_SHARED, a.fd, 0);
	ck_assert_ptr_ne(h, MAP_FAILED);
	ck_assert_uint_eq(h->magic, SL_STATS_MAGIC);
	munmap(h, 4096);
	close(a.fd);
	teardown(&b);
}
END_TEST

START_TEST(a_configuration_is_acknowledged_by_all_workers_before_the_reply)
{
	struct answer a;
	struct bench b;

	setup(&b);
	a = push_config(&b, 3, 10);
	ck_assert_uint_eq(a.reply.status, SL_IPC_OK);
	ck_assert_uint_eq(a.reply.generation, 3);
	ck_assert_uint_eq(a.reply.epoch, 10);
	ck_assert_uint_eq(a.reply.epoch_acked, 10);
	a = push(&b, SL_IPC_WEIGHTS,
	         sl_body_weights(3, 11, &(struct sl_body_backend){"10.0.0.11", 8000, 500}, 1));
	ck_assert_uint_eq(a.reply.status, SL_IPC_OK);
	ck_assert_uint_eq(a.reply.epoch_acked, 11);
	teardown(&b);
}
END_TEST

START_TEST(a_worker_that_does_not_pass_is_told_of_after_a_second)
{
	struct sl_wire_header *body =
		sl_body_config(&(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	struct sl_ipc_request r = request(SL_IPC_CONFIG, body->total_bytes);
	int fd = body_file(body, body->total_bytes, ALL_SEALS);
	struct sl_ipc_reply reply;
	struct bench b;

	setup(&b);
	say(b.fd, &r, sizeof(r), fd);
	close(fd);
	free(body);
	for (uint32_t ms = 0; ms <= 1000; ms += 100) { // the main core alone; no worker turns
		ck_assert_int_eq(recv(b.fd, &reply, sizeof(reply), MSG_DONTWAIT), -1);
		sl_appliance_poll(&b.rig->a, b.rig->now_ns + ms * SL_NS_PER_MS);
	}
	ck_assert_int_eq(recv(b.fd, &reply, sizeof(reply), MSG_DONTWAIT), sizeof(reply));
	ck_assert_uint_eq(reply.status, SL_IPC_SLOW);
	ck_assert_uint_eq(reply.epoch, 1);
	ck_assert_uint_eq(reply.epoch_acked, 0);
	ck_assert_str_ne(reply.reason, "");
	teardown(&b);
}
END_TEST

enum offence {
	SHORT,
	LONG,
	MAGIC,
	VERSION,
	TYPE,
	NO_BODY,
	UNSEALED,
	SIZE_LIE,
	HUGE,
	GARBAGE,
	CUT,
	OFFENCES
};

static const char *const offence_names[OFFENCES] = {"a short message",
                                                    "a long message",
                                                    "another magic",
                                                    "another version",
                                                    "unknown type",
                                                    "no descriptor",
                                                    "a body that can still change",
                                                    "a wrong size",
                                                    "more bytes than allowed",
                                                    "a body of garbage",
                                                    "a body cut short"};

static void offend(struct bench *b, enum offence what)
{
	struct sl_wire_header *body =
		sl_body_config(&(struct sl_body_spec){5, 50, &vip, 1, &pool, 1});
	struct sl_ipc_request r = request(SL_IPC_CONFIG, body->total_bytes);
	uint8_t bytes[64] = {0};
	size_t n_bytes = sizeof(r);
	int fd = -1, seals = what == UNSEALED ? F_SEAL_SHRINK : ALL_SEALS;

	r.magic ^= what == MAGIC;
	r.version = (uint16_t)(r.version + (what == VERSION));
	if (what == TYPE)
		r.type = 99;
	if (what == GARBAGE)
		memset(body, 0x5a, body->total_bytes);
	if (what == CUT)
		r.body_bytes -= 8;
	if (what != NO_BODY)
		fd = body_file(body, r.body_bytes, seals);
	if (what == SIZE_LIE)
		r.body_bytes -= 8;
	if (what == HUGE)
		r.body_bytes = UINT32_MAX;
	memcpy(bytes, &r, sizeof(r));
	if (what == SHORT)
		n_bytes = 15;
	if (what == LONG)
		n_bytes = 17;
	say(b->fd, bytes, n_bytes, fd);
	if (fd >= 0)
		close(fd);
	free(body);
}

START_TEST(a_message_that_breaks_the_contract_changes_nothing)
{
	const struct sl_snapshot *before;
	struct sl_stats_header *h;
	struct answer a;
	struct bench b;

	setup(&b);
	h = b.rig->a.segment.base;
	a = push_config(&b, 1, 1);
	ck_assert_uint_eq(a.reply.status, SL_IPC_OK);
	before = b.rig->a.pub.current;
	offend(&b, (enum offence)_i);
	a = take_answer(&b);
	ck_assert_msg(a.is_received, "%s: no answer", offence_names[_i]);
	ck_assert_msg(a.reply.status == SL_IPC_MALFORMED, "%s: status %u", offence_names[_i],
	              a.reply.status);
	ck_assert_str_ne(a.reply.reason, "");
	ck_assert_ptr_eq(b.rig->a.pub.current, before);
	ck_assert_uint_eq(b.rig->a.pub.epoch, 1);
	ck_assert_uint_eq(sl_stat_get(&h->config_refused), 1);
	sl_rig_turn(b.rig);
	ck_assert_msg(recv(b.fd, &a.reply, sizeof(a.reply), MSG_DONTWAIT) == 0,
	              "%s: the connection stays open", offence_names[_i]);
	close(b.fd);
	b.fd = dial(b.path); // and a good client is served as before
	a = push_config(&b, 2, 2);
	ck_assert_uint_eq(a.reply.status, SL_IPC_OK);
	teardown(&b);
}
END_TEST

// The first one has a queue of weights; the second one's question does not wait for all of them.
START_TEST(a_client_that_never_stops_starves_no_other)
{
	struct sl_ipc_request status = request(SL_IPC_STATUS, 0);
	struct bench b, other;
	struct answer a;

	setup(&b);
	a = push_config(&b, 1, 1);
	ck_assert_uint_eq(a.reply.status, SL_IPC_OK);
	other = (struct bench){.rig = b.rig, .fd = dial(b.path)};
	sl_rig_turn(b.rig);
	for (uint64_t epoch = 2; epoch <= 9; epoch++) {
		struct sl_wire_header *body = sl_body_weights(
			1, epoch, &(struct sl_body_backend){"10.0.0.11", 8000, 500}, 1);
		struct sl_ipc_request r = request(SL_IPC_WEIGHTS, body->total_bytes);
		int fd = body_file(body, body->total_bytes, ALL_SEALS);

		say(b.fd, &r, sizeof(r), fd);
		close(fd);
		free(body);
	}
	say(other.fd, &status, sizeof(status), -1);
	a = take_answer(&other);
	ck_assert(a.is_received);
	ck_assert_uint_le(a.reply.epoch, 3);
	ck_assert_uint_eq(b.rig->a.pub.epoch, 9);
	close(other.fd);
	teardown(&b);
}
END_TEST

START_TEST(a_command_ends_the_sleep_of_the_main_core_unless_one_is_under_way)
{
	struct sl_ipc_request hello = request(SL_IPC_HELLO, 0);
	struct sl_wire_header *body =
		sl_body_config(&(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	struct pollfd fds[SL_IPC_SERVER_FDS];
	char reason[128];
	struct bench b;

	setup(&b);
	sl_rig_turn(b.rig);
	ck_assert_uint_eq(sl_ipc_server_fds(&b.rig->a.ipc, fds), 2);
	say(b.fd, &hello, sizeof(hello), -1);
	alarm(5);                                             // ends the test that sleeps on
	ck_assert(!sl_appliance_sleep(&b.rig->a, -1, 60000)); // not the signal, but a command
	alarm(0);
	ck_assert_int_eq(sl_publisher_apply_config(&b.rig->a.pub, body, body->total_bytes, reason,
	                                           sizeof(reason)),
	                 SL_IPC_OK);
	ck_assert(sl_appliance_poll(&b.rig->a, b.rig->now_ns)); // turn again: workers are about to
	ck_assert_uint_eq(sl_ipc_server_fds(&b.rig->a.ipc, fds), 0);
	ck_assert(!sl_appliance_poll(&b.rig->a, b.rig->now_ns + 5 * SL_NS_PER_MS)); // one hangs
	free(body);
	teardown(&b);
}
END_TEST

START_TEST(one_client_too_many_is_turned_away_and_the_others_stay)
{
	int fds[SL_IPC_MAX_CLIENTS];
	struct answer a;
	struct bench b;
	char byte;

	setup(&b);
	sl_rig_turn(b.rig);
	for (uint32_t i = 0; i < SL_IPC_MAX_CLIENTS; i++) {
		fds[i] = dial(b.path);
		sl_rig_turn(b.rig);
	}
	ck_assert_int_eq(recv(fds[SL_IPC_MAX_CLIENTS - 1], &byte, 1, MSG_DONTWAIT), 0);
	a = push_config(&b, 1, 1);
	ck_assert_uint_eq(a.reply.status, SL_IPC_OK);
	for (uint32_t i = 0; i < SL_IPC_MAX_CLIENTS; i++)
		close(fds[i]);
	teardown(&b);
}
END_TEST

START_TEST(a_second_server_on_a_live_socket_is_refused)
{
	struct sl_ipc_server second;
	struct bench b;

	setup(&b);
	ck_assert_int_eq(sl_ipc_server_init(&second, &b.rig->a.pub, b.path, -1, 1), -EADDRINUSE);
	teardown(&b);
}
END_TEST

// A stopped or busy process accepts nobody, yet it lives: waiting for it would hang the start.
START_TEST(a_live_socket_with_a_full_backlog_is_not_waited_for)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fds[8];
	struct sl_ipc_server second;
	struct bench b;

	setup(&b);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.50s.full", b.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	for (uint32_t i = 0; i < 8; i++) {
		fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&address, sizeof(address));
	}
	alarm(5); // ends the test that hangs
	ck_assert_int_eq(sl_ipc_server_init(&second, &b.rig->a.pub, address.sun_path, -1, 1),
	                 -EADDRINUSE);
	ck_assert(sl_ipc_server_is_alive(address.sun_path));
	alarm(0);
	for (uint32_t i = 0; i < 8; i++)
		close(fds[i]);
	close(fd);
	unlink(address.sun_path);
	teardown(&b);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
	struct sl_ipc_server second;
	struct bench b;
	char path[80];
	int fd;

	setup(&b);
	snprintf(path, sizeof(path), "%.50s.file", b.path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(sl_ipc_server_init(&second, &b.rig->a.pub, path, -1, 1), -EEXIST);
	ck_assert_int_eq(unlink(path), 0);
	teardown(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ipc");
	TCase *tc = tcase_create("server");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, hello_tells_who_answers_and_hands_out_read_only_statistics);
	tcase_add_test(tc, a_configuration_is_acknowledged_by_all_workers_before_the_reply);
	tcase_add_test(tc, a_worker_that_does_not_pass_is_told_of_after_a_second);
	tcase_add_loop_test(tc, a_message_that_breaks_the_contract_changes_nothing, 0, OFFENCES);
	tcase_add_test(tc, a_client_that_never_stops_starves_no_other);
	tcase_add_test(tc, a_command_ends_the_sleep_of_the_main_core_unless_one_is_under_way);
	tcase_add_test(tc, one_client_too_many_is_turned_away_and_the_others_stay);
	tcase_add_test(tc, a_second_server_on_a_live_socket_is_refused);
	tcase_add_test(tc, a_live_socket_with_a_full_backlog_is_not_waited_for);
	tcase_add_test(tc, a_file_that_is_no_socket_is_left_alone);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
