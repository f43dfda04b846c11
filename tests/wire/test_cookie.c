// SPDX-License-Identifier: Apache-2.0
// Connections by SYN cookie between real stacks: the client's window opens only when the backend's
// is known, its numbers are shifted, and a server that speaks first is heard.
#include <string.h>

#include "wire_client.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define N_CLIENTS 4
// A server that speaks first is heard when it has repeated its SYN-ACK, a second later.
#define OPEN_MS 10000
#define ECHO_MS 20000

static const char *const forwards[] = {"nat", "fullnat"};

static struct sl_lab_spec spec_of(const char *forward)
{
	return (struct sl_lab_spec){
		.device = "af_packet",
		.forward = forward,
		.balance = "least-connections",
		.n_servers = 2,
		.n_workers = 1,
		.vip_keys = {[0] = "syn-cookies: always", [2] = "syn-cookies: always"}};
}

static json_int_t vip_number(struct sl_lab *lab, const char *vip, const char *key)
{
	json_t *view = sl_lab_json(lab, "vip list"), *row;
	json_int_t number = -1;
	size_t i;

	json_array_foreach(json_object_get(view, "items"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "name")), vip) == 0)
			number = json_integer_value(json_object_get(row, key));
	}
	json_decref(view);
	return number;
}

// Control looks once a second which services there are.
static void wait_for_number(struct sl_lab *lab, bool is_v6, const char *key, json_int_t least)
{
	const uint64_t deadline_ms = sl_proc_now_ms() + OPEN_MS;

	while (vip_number(lab, is_v6 ? "tcp6" : "tcp4", key) < least)
		ck_assert_msg(sl_proc_now_ms() < deadline_ms, "%s stays below %d", key, (int)least);
}

START_TEST(connections_by_cookie_carry_what_others_carry)
{
	const struct sl_lab_spec spec = spec_of(forwards[_i / 2]);
	const bool is_v6 = _i % 2;
	struct sl_client clients[N_CLIENTS];
	struct sl_lab lab;

	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	for (int i = 0; i < N_CLIENTS; i++)
		ck_assert_msg(sl_client_open(&clients[i], is_v6, OPEN_MS), "connection %d", i);
	for (int i = 0; i < N_CLIENTS; i++)
		ck_assert_msg(sl_client_echoes(&clients[i], i == 0 ? 4000000 : 100000, ECHO_MS),
		              "echo %d", i);
	for (int i = 0; i < N_CLIENTS; i++)
		sl_client_close(&clients[i]);
	wait_for_number(&lab, is_v6, "syn_cookies_sent_total", N_CLIENTS);
	wait_for_number(&lab, is_v6, "syn_cookies_good_total", N_CLIENTS);
	sl_lab_stop(&lab);
}
END_TEST

// To curl the connection was made and broken, or never was: it depends on when it looks.
START_TEST(a_backend_that_refuses_ends_the_client_at_once)
{
	const struct sl_lab_spec spec = spec_of(forwards[_i / 2]);
	char ns[SL_NET_NAME_BYTES], *out;
	struct sl_lab lab;
	int status;

	sl_lab_start(&lab, &spec); // nobody listens
	status = sl_proc_run(sl_net_name(ns, "cli"), OPEN_MS, &out,
	                     "curl -sS -g --max-time 5 http://%s:%d/",
	                     _i % 2 ? "[" SL_LAB_VIP6 "]" : SL_LAB_VIP4, SL_LAB_TCP_PORT);
	ck_assert_int_ne(status, 0);
	ck_assert_msg(strstr(out, "reset by peer") != NULL ||
	                      strstr(out, "connect to server") != NULL,
	              "%s", out);
	wait_for_number(&lab, _i % 2, "syn_cookies_good_total", 1);
	free(out);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cookie");
	TCase *tcase = tcase_create("stacks");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, connections_by_cookie_carry_what_others_carry, 0, 4);
	tcase_add_loop_test(tcase, a_backend_that_refuses_ends_the_client_at_once, 0, 4);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
