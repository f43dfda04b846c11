// SPDX-License-Identifier: Apache-2.0
// The loader on a veth of its own namespace: what it detaches, what it refuses, what it writes.
#include "xdp_bench.h"

#include <netinet/in.h>

static uint32_t attached_id(const char *ifname)
{
	uint32_t id = 0;

	ck_assert_int_eq(bpf_xdp_query_id((int)if_nametoindex(ifname), 0, &id), 0);
	return id;
}

static bool is_pinned(const char *map)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/bpf/%s", map);
	return access(path, F_OK) == 0;
}

// What SIGKILL leaves: the program attached, the maps pinned, nobody behind them.
static void leave_stale(const char *ifname, uint32_t mode_flag)
{
	struct bpf_object *object = xdp_bench_load();

	ck_assert_int_eq(xdp_bench_attach(ifname, xdp_bench_program(object), mode_flag), 0);
	bpf_object__close(object);
	ck_assert_uint_ne(attached_id(ifname), 0);
}

START_TEST(prepare_replaces_our_own_program_left_by_a_crash)
{
	static const uint32_t mode_flags[] = {0, XDP_FLAGS_SKB_MODE};
	struct bpf_object *object;

	xdp_bench_prepare("slx0"); // mounts the bpffs
	leave_stale("slx0", mode_flags[_i]);
	xdp_bench_prepare("slx0");
	ck_assert_uint_eq(attached_id("slx0"), 0);
	ck_assert(!is_pinned(SL_XDP_MAP_OWN) && !is_pinned(SL_XDP_MAP_BACK) &&
	          !is_pinned(SL_XDP_MAP_MODE));
	object = xdp_bench_load();
	ck_assert_int_eq(xdp_bench_attach("slx0", xdp_bench_program(object), 0), 0);
	bpf_object__close(object);
}
END_TEST

START_TEST(prepare_refuses_the_program_of_somebody_else_and_names_it)
{
	const struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
	                                {.code = BPF_JMP | BPF_EXIT}};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass, N_OF(pass), NULL);
	char why[256] = "";
	uint32_t id;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(xdp_bench_attach("slx0", fd, 0), 0);
	id = attached_id("slx0");
	ck_assert_int_eq(sl_xdp_prepare("slx0", why, sizeof(why)), -EBUSY);
	ck_assert_msg(strstr(why, "slx0") != NULL && strstr(why, "somebody") != NULL, "%s", why);
	ck_assert_uint_eq(attached_id("slx0"), id);
	close(fd);
}
END_TEST

START_TEST(prepare_refuses_an_interface_that_is_not_there)
{
	char why[256] = "";

	ck_assert_int_eq(sl_xdp_prepare("slx9", why, sizeof(why)), -ENODEV);
	ck_assert_msg(strstr(why, "slx9") != NULL, "%s", why);
}
END_TEST

START_TEST(open_says_what_is_missing_when_no_program_was_loaded)
{
	struct sl_xdp *xdp = NULL;
	char why[256] = "";

	xdp_bench_prepare("slx0");
	ck_assert_int_eq(sl_xdp_open(&xdp, why, sizeof(why)), -ENOENT);
	ck_assert_ptr_null(xdp);
	ck_assert_msg(strstr(why, SL_XDP_MAP_MODE) != NULL, "%s", why);
}
END_TEST

START_TEST(set_mode_refuses_an_interface_that_is_not_there)
{
	struct bpf_object *object;
	struct sl_xdp *xdp;

	xdp_bench_prepare("slx0");
	object = xdp_bench_load();
	xdp = xdp_bench_open();
	ck_assert_int_eq(sl_xdp_set_mode(xdp, "slx9", true), -ENODEV);
	sl_xdp_close(xdp);
	bpf_object__close(object);
}
END_TEST

static uint32_t held_by(int fd, const char *address)
{
	struct sl_ip ip = sl_packet_ip(address);
	uint32_t value = 0;

	return bpf_map_lookup_elem(fd, &ip, &value) == 0 ? value : 0;
}

static bool has_backend(int fd, const char *address, uint16_t port, uint8_t proto)
{
	struct sl_ip ip = sl_packet_ip(address);
	struct sl_xdp_endpoint key = {.port_be = htons(port), .proto = proto};
	uint32_t value;

	memcpy(&key.address, &ip, sizeof(ip));
	return bpf_map_lookup_elem(fd, &key, &value) == 0;
}

static unsigned int count_rows(int fd)
{
	struct sl_xdp_endpoint key, *from = NULL;
	unsigned int n = 0;

	for (; bpf_map_get_next_key(fd, from, &key) == 0; from = &key)
		n++;
	return n;
}

START_TEST(sync_adds_what_is_new_and_deletes_what_is_gone)
{
	const struct sl_ip own_1[] = {sl_packet_ip("198.51.100.1"), sl_packet_ip("2001:db8::1")};
	const struct sl_ip own_2[] = {sl_packet_ip("198.51.100.2"), sl_packet_ip("2001:db8::1")};
	const struct sl_xdp_backend back_1[] = {xdp_bench_backend("10.0.0.11", 8000, IPPROTO_TCP),
	                                        xdp_bench_backend("10.0.0.11", 8000, IPPROTO_UDP),
	                                        xdp_bench_backend("10.0.0.12", 8000, IPPROTO_TCP)};
	const struct sl_xdp_backend back_2[] = {xdp_bench_backend("10.0.0.11", 9000, IPPROTO_TCP)};
	const struct sl_xdp_sets first = {own_1, 2, back_1, 3}, second = {own_2, 2, back_2, 1};
	struct bpf_object *object;
	struct sl_xdp *xdp;
	int own, back;

	xdp_bench_prepare("slx0");
	object = xdp_bench_load();
	xdp = xdp_bench_open();
	own = bpf_object__find_map_fd_by_name(object, SL_XDP_MAP_OWN);
	back = bpf_object__find_map_fd_by_name(object, SL_XDP_MAP_BACK);
	xdp_bench_sync(xdp, &first);
	ck_assert_uint_eq(held_by(own, "198.51.100.1"), SL_XDP_OURS);
	ck_assert_uint_eq(held_by(own, "2001:db8::1"), SL_XDP_OURS);
	ck_assert_uint_eq(held_by(own, "198.51.100.2"), 0);
	ck_assert_uint_eq(count_rows(back), 5); // three endpoints, two addresses
	ck_assert(has_backend(back, "10.0.0.11", 8000, IPPROTO_UDP));
	ck_assert(has_backend(back, "10.0.0.12", 0, 0));

	xdp_bench_sync(xdp, &second);
	ck_assert_uint_eq(held_by(own, "198.51.100.1"), 0);
	ck_assert_uint_eq(held_by(own, "2001:db8::1"), SL_XDP_OURS);
	ck_assert_uint_eq(held_by(own, "198.51.100.2"), SL_XDP_OURS);
	ck_assert_uint_eq(count_rows(back), 2);
	ck_assert(has_backend(back, "10.0.0.11", 9000, IPPROTO_TCP));
	ck_assert(has_backend(back, "10.0.0.11", 0, 0));

	xdp_bench_sync(xdp, &(struct sl_xdp_sets){.n_own = 0});
	ck_assert_uint_eq(held_by(own, "2001:db8::1"), 0);
	ck_assert_uint_eq(count_rows(back), 0);
	sl_xdp_close(xdp);
	bpf_object__close(object);
}
END_TEST

START_TEST(sync_knows_the_addresses_of_the_kernel_and_ours_win)
{
	const struct sl_ip own[] = {sl_packet_ip("10.0.0.5")};
	const struct sl_xdp_sets ours = {.own = own, .n_own = 1}, none = {.n_own = 0};
	struct bpf_object *object;
	struct sl_xdp *xdp;
	int fd;

	xdp_bench_prepare("slx0");
	xdp_bench_ip("addr add 10.0.0.5/24 dev slx1");
	xdp_bench_ip("addr add 2001:db8::5/64 dev slx1");
	object = xdp_bench_load();
	xdp = xdp_bench_open();
	fd = bpf_object__find_map_fd_by_name(object, SL_XDP_MAP_OWN);
	xdp_bench_sync(xdp, &none);
	ck_assert_uint_eq(held_by(fd, "10.0.0.5"), SL_XDP_KERNEL);
	ck_assert_uint_eq(held_by(fd, "2001:db8::5"), SL_XDP_KERNEL);
	ck_assert_uint_eq(held_by(fd, "127.0.0.1"), SL_XDP_KERNEL);
	xdp_bench_sync(xdp, &ours);
	ck_assert_uint_eq(held_by(fd, "10.0.0.5"), SL_XDP_OURS);
	xdp_bench_ip("addr del 2001:db8::5/64 dev slx1");
	xdp_bench_sync(xdp, &none);
	ck_assert_uint_eq(held_by(fd, "10.0.0.5"), SL_XDP_KERNEL);
	ck_assert_uint_eq(held_by(fd, "2001:db8::5"), 0);
	sl_xdp_close(xdp);
	bpf_object__close(object);
}
END_TEST

START_TEST(sync_replaces_a_full_set_by_another)
{
	enum { N_BACKENDS = 2000 };
	static struct sl_xdp_backend backends[N_BACKENDS];
	const struct sl_xdp_sets sets = {.backends = backends, .n_backends = N_BACKENDS};
	struct bpf_object *object;
	struct sl_xdp *xdp;
	int fd;

	xdp_bench_prepare("slx0");
	object = xdp_bench_load();
	xdp = xdp_bench_open();
	fd = bpf_object__find_map_fd_by_name(object, SL_XDP_MAP_BACK);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < N_BACKENDS; i++)
			backends[i] = (struct sl_xdp_backend){
				.address = sl_ip_from_v4(htonl(0x0a000000 + round * 65536 + i)),
				.port_be = htons(8000),
				.proto = IPPROTO_TCP};
		xdp_bench_sync(xdp, &sets);
		ck_assert_uint_eq(count_rows(fd), 2 * N_BACKENDS);
	}
	ck_assert(has_backend(fd, "10.1.0.7", 8000, IPPROTO_TCP));
	ck_assert(!has_backend(fd, "10.0.0.7", 8000, IPPROTO_TCP));
	sl_xdp_close(xdp);
	bpf_object__close(object);
}
END_TEST

START_TEST(close_leaves_nothing_attached_or_pinned)
{
	struct bpf_object *object;
	struct sl_xdp *xdp;

	xdp_bench_prepare("slx0");
	object = xdp_bench_load();
	ck_assert_int_eq(xdp_bench_attach("slx0", xdp_bench_program(object), 0), 0);
	xdp = xdp_bench_open();
	ck_assert_int_eq(sl_xdp_set_mode(xdp, "slx0", false), 0);
	sl_xdp_close(xdp);
	ck_assert_uint_eq(attached_id("slx0"), 0);
	ck_assert(!is_pinned(SL_XDP_MAP_OWN) && !is_pinned(SL_XDP_MAP_BACK) &&
	          !is_pinned(SL_XDP_MAP_MODE));
	bpf_object__close(object);
	sl_xdp_close(NULL);
}
END_TEST

START_TEST(close_leaves_the_maps_of_another_instance)
{
	struct bpf_object *object, *other;
	struct sl_xdp *xdp;

	xdp_bench_prepare("slx0");
	object = xdp_bench_load();
	xdp = xdp_bench_open();
	xdp_bench_prepare("slx1"); // the other one starts
	other = xdp_bench_load();
	sl_xdp_close(xdp);
	ck_assert(is_pinned(SL_XDP_MAP_OWN) && is_pinned(SL_XDP_MAP_BACK) &&
	          is_pinned(SL_XDP_MAP_MODE));
	bpf_object__close(object);
	bpf_object__close(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xdp_loader");
	TCase *tc = tcase_create("loader");

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, xdp_bench_enter, NULL);
	tcase_add_loop_test(tc, prepare_replaces_our_own_program_left_by_a_crash, 0, 2);
	tcase_add_test(tc, prepare_refuses_the_program_of_somebody_else_and_names_it);
	tcase_add_test(tc, prepare_refuses_an_interface_that_is_not_there);
	tcase_add_test(tc, open_says_what_is_missing_when_no_program_was_loaded);
	tcase_add_test(tc, set_mode_refuses_an_interface_that_is_not_there);
	tcase_add_test(tc, sync_adds_what_is_new_and_deletes_what_is_gone);
	tcase_add_test(tc, sync_knows_the_addresses_of_the_kernel_and_ours_win);
	tcase_add_test(tc, sync_replaces_a_full_set_by_another);
	tcase_add_test(tc, close_leaves_nothing_attached_or_pinned);
	tcase_add_test(tc, close_leaves_the_maps_of_another_instance);
	return xdp_bench_run(suite);
}
