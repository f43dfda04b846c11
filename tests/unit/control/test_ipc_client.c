// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fake_dataplane.h"
#include "ipc_client.h"

struct fixture {
	uv_loop_t loop;
	char dir[32], path[64];
	struct fake_dataplane fake;
	struct sl_ipc_client *client;
	uint32_t n_connected, n_lost, n_replied;
	bool is_closed;
	struct sl_ipc_reply last;
	off_t stats_bytes;
	char why[200];
};

static bool on_connected(void *ctx, const struct sl_ipc_reply *hello, int stats_fd)
{
	struct fixture *f = ctx;

	f->n_connected++;
	f->last = *hello;
	f->stats_bytes = lseek(stats_fd, 0, SEEK_END);
	return true;
}

static void on_lost(void *ctx, const char *why)
{
	struct fixture *f = ctx;

	f->n_lost++;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void on_replied(void *ctx, const struct sl_ipc_reply *reply)
{
	struct fixture *f = ctx;

	f->n_replied++;
	f->last = *reply;
}

static void on_closed(void *ctx)
{
	((struct fixture *)ctx)->is_closed = true;
}

static bool is_connected(void *ctx)
{
	return ((struct fixture *)ctx)->n_connected > 0;
}

static bool is_connected_twice(void *ctx)
{
	return ((struct fixture *)ctx)->n_connected > 1;
}

static bool is_lost(void *ctx)
{
	return ((struct fixture *)ctx)->n_lost > 0;
}

static bool is_replied(void *ctx)
{
	return ((struct fixture *)ctx)->n_replied > 0;
}

static bool is_closed(void *ctx)
{
	return ((struct fixture *)ctx)->is_closed;
}

static void set_up(struct fixture *f)
{
	const struct sl_ipc_events events = {on_connected, on_lost, on_replied, f};

	*f = (struct fixture){.dir = "/tmp/sl-ctl-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/dp.sock", f->dir);
	ck_assert_int_eq(uv_loop_init(&f->loop), 0);
	f->client = sl_ipc_client_new(&f->loop, f->path, &events);
	ck_assert_ptr_nonnull(f->client);
}

static void tear_down(struct fixture *f)
{
	sl_ipc_client_close(f->client, on_closed, f);
	fake_run_until(&f->loop, is_closed, f, "client closed");
	fake_fini(&f->fake);
	while (uv_loop_close(&f->loop) == UV_EBUSY)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	rmdir(f->dir);
}

static size_t make_body(struct sl_wire_header *body, uint64_t epoch)
{
	*body = (struct sl_wire_header){.magic = SL_WIRE_MAGIC,
	                                .version = SL_WIRE_VERSION,
	                                .kind = SL_WIRE_CONFIG,
	                                .generation = 1,
	                                .epoch = epoch,
	                                .total_bytes = sizeof(*body)};
	return sizeof(*body);
}

START_TEST(hello_brings_the_reply_and_the_statistics)
{
	struct fixture f;

	set_up(&f);
	f.fake.epoch = 41;
	fake_start(&f.fake, &f.loop, f.path, 7);
	fake_run_until(&f.loop, is_connected, &f, "connected");
	ck_assert_uint_eq(f.last.instance, 7);
	ck_assert_uint_eq(f.last.epoch, 41);
	ck_assert_int_eq(f.stats_bytes, (off_t)f.fake.stats_bytes);
	ck_assert(sl_ipc_client_is_idle(f.client));
	tear_down(&f);
}
END_TEST

START_TEST(a_body_arrives_sealed_and_one_at_a_time)
{
	struct sl_wire_header body;
	struct fixture f;
	size_t n_bytes;

	set_up(&f);
	fake_start(&f.fake, &f.loop, f.path, 7);
	ck_assert_int_eq(sl_ipc_client_send(f.client, SL_IPC_CONFIG, &body, 0), -EBUSY);
	fake_run_until(&f.loop, is_connected, &f, "connected");
	n_bytes = make_body(&body, 9);
	ck_assert_int_eq(sl_ipc_client_send(f.client, SL_IPC_CONFIG, &body, n_bytes), 0);
	ck_assert_int_eq(sl_ipc_client_send(f.client, SL_IPC_CONFIG, &body, n_bytes), -EBUSY);
	fake_run_until(&f.loop, is_replied, &f, "replied");
	ck_assert_uint_eq(f.last.status, SL_IPC_OK);
	ck_assert_uint_eq(f.last.epoch_acked, 9);
	ck_assert_uint_eq(f.fake.n_configs, 1);
	ck_assert_uint_eq(f.fake.n_unsealed, 0);
	ck_assert_int_eq(memcmp(f.fake.last_config, &body, n_bytes), 0);
	tear_down(&f);
}
END_TEST

START_TEST(a_refusal_is_handed_on_with_its_reason)
{
	struct sl_wire_header body;
	struct fixture f;
	size_t n_bytes = make_body(&body, 9);

	set_up(&f);
	fake_start(&f.fake, &f.loop, f.path, 7);
	f.fake.next_status = SL_IPC_INVALID;
	fake_run_until(&f.loop, is_connected, &f, "connected");
	ck_assert_int_eq(sl_ipc_client_send(f.client, SL_IPC_CONFIG, &body, n_bytes), 0);
	fake_run_until(&f.loop, is_replied, &f, "replied");
	ck_assert_uint_eq(f.last.status, SL_IPC_INVALID);
	ck_assert_str_eq(f.last.reason, "as the test said");
	ck_assert_uint_eq(f.n_lost, 0);
	ck_assert(sl_ipc_client_is_idle(f.client));
	tear_down(&f);
}
END_TEST

START_TEST(a_data_plane_that_comes_late_or_again_is_found)
{
	struct fixture f;

	set_up(&f);
	fake_run_until(&f.loop, is_lost, &f, "first attempt failed");
	ck_assert_ptr_nonnull(strstr(f.why, "cannot connect"));
	fake_start(&f.fake, &f.loop, f.path, 7);
	fake_run_until(&f.loop, is_connected, &f, "connected");
	fake_stop(&f.fake);
	fake_start(&f.fake, &f.loop, f.path, 8);
	fake_run_until(&f.loop, is_connected_twice, &f, "connected again");
	ck_assert_uint_eq(f.last.instance, 8);
	tear_down(&f);
}
END_TEST

static const struct {
	const char *name;
	enum fake_fault fault;
	uint16_t type;
	const char *why;
} faults[] = {
	{"short hello", FAKE_SHORT, SL_IPC_HELLO, "wrong size"},
	{"long hello", FAKE_LONG, SL_IPC_HELLO, "wrong size"},
	{"hello of another protocol", FAKE_MAGIC, SL_IPC_HELLO, "another protocol"},
	{"hello of another version", FAKE_VERSION, SL_IPC_HELLO, "another protocol or version"},
	{"hello to another request", FAKE_REQUEST_ID, SL_IPC_HELLO, "another request"},
	{"reply of another type", FAKE_TYPE, SL_IPC_HELLO, "another request"},
	{"unknown status", FAKE_STATUS, SL_IPC_HELLO, "unknown status"},
	{"endless reason", FAKE_REASON, SL_IPC_HELLO, "does not end"},
	{"hello without statistics", FAKE_NO_FD, SL_IPC_HELLO, "number of descriptors"},
	{"hello with two descriptors", FAKE_EXTRA_FD, SL_IPC_HELLO, "number of descriptors"},
	{"hang up at hello", FAKE_HANG_UP, SL_IPC_HELLO, "closed the connection"},
	{"short config reply", FAKE_SHORT, SL_IPC_CONFIG, "wrong size"},
	{"long config reply", FAKE_LONG, SL_IPC_CONFIG, "wrong size"},
	{"config reply of another request", FAKE_REQUEST_ID, SL_IPC_CONFIG, "another request"},
	{"config reply with a descriptor", FAKE_EXTRA_FD, SL_IPC_CONFIG, "number of descriptors"},
	{"hang up at config", FAKE_HANG_UP, SL_IPC_CONFIG, "closed the connection"},
};

// Descriptors open now: what a refused reply brought must not stay.
static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(a_broken_reply_ends_the_connection_and_a_good_one_follows)
{
	struct sl_wire_header body;
	struct fixture f;
	size_t n_bytes = make_body(&body, 9);
	uint32_t n_before = 0;
	int n_fds;

	set_up(&f);
	f.fake.fault = faults[_i].fault;
	f.fake.fault_type = faults[_i].type;
	fake_start(&f.fake, &f.loop, f.path, 7);
	if (faults[_i].type == SL_IPC_CONFIG) {
		fake_run_until(&f.loop, is_connected, &f, faults[_i].name);
		n_before = f.n_connected;
		f.n_lost = 0;
		ck_assert_int_eq(sl_ipc_client_send(f.client, SL_IPC_CONFIG, &body, n_bytes), 0);
	}
	fake_run_until(&f.loop, is_lost, &f, faults[_i].name);
	ck_assert_msg(strstr(f.why, faults[_i].why) != NULL, "%s: %s", faults[_i].name, f.why);
	ck_assert_uint_eq(f.n_connected, n_before);
	ck_assert_uint_eq(f.n_replied, 0);
	n_fds = count_fds();
	f.fake.fault = FAKE_GOOD;
	fake_run_until(&f.loop, n_before > 0 ? is_connected_twice : is_connected, &f,
	               "connected after the fault");
	ck_assert_int_le(count_fds(), n_fds + 2); // both ends of the one connection
	tear_down(&f);
}
END_TEST

START_TEST(closing_while_a_message_is_in_flight_calls_nothing_back)
{
	struct sl_wire_header body;
	struct fixture f;
	size_t n_bytes = make_body(&body, 9);

	set_up(&f);
	f.fake.fault = FAKE_SILENT;
	f.fake.fault_type = SL_IPC_CONFIG;
	fake_start(&f.fake, &f.loop, f.path, 7);
	fake_run_until(&f.loop, is_connected, &f, "connected");
	f.n_lost = 0;
	ck_assert_int_eq(sl_ipc_client_send(f.client, SL_IPC_CONFIG, &body, n_bytes), 0);
	tear_down(&f);
	ck_assert_uint_eq(f.n_lost + f.n_replied, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ipc_client");
	TCase *tc = tcase_create("ipc_client");

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, hello_brings_the_reply_and_the_statistics);
	tcase_add_test(tc, a_body_arrives_sealed_and_one_at_a_time);
	tcase_add_test(tc, a_refusal_is_handed_on_with_its_reason);
	tcase_add_test(tc, a_data_plane_that_comes_late_or_again_is_found);
	tcase_add_loop_test(tc, a_broken_reply_ends_the_connection_and_a_good_one_follows, 0,
	                    sizeof(faults) / sizeof(faults[0]));
	tcase_add_test(tc, closing_while_a_message_is_in_flight_calls_nothing_back);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
