// SPDX-License-Identifier: Apache-2.0
// Who may open a connection: allow and deny lists, limits of the VIP, of a source and of backends,
// as a real client meets them, with what the operator is shown.
#include <errno.h>
#include <string.h>

#include "wire_client.h"
#include "wire_lab.h"
#include "wire_main.h"

#define TIMEOUT_MS 5000
#define REFUSED_MS 400 // a SYN that is dropped is sent again after a second

// Rows of AF_XDP come last.
static const char *const devices[] = {"af_packet", "af_xdp"};

struct gate {
	const char *name, *vip4, *vip6, *pool; // keys
	int n_admitted;                        // connections held open at once
	const char *drop;                      // of the next one
	const char *vip_count;                 // where it is counted, of the VIP
};

static const struct gate gates[] = {
	{"deny", "deny: [10.10.0.0/24]", "deny: [\"fd10::/64\"]", NULL, 0, "denied",
         "denied_total"},
	{"allow others", "allow: [10.99.0.0/16]", "allow: [\"fd99::/16\"]", NULL, 0, "denied",
         "denied_total"},
	{"flows of the vip", "limits: {flows: 3}", "limits: {flows: 3}", NULL, 3, "vip_limit",
         "refused_total"},
	{"flows of a backend", NULL, NULL, "limits: {flows: 2}", 4, "flow_limit", "refused_total"},
	{"rate of the vip", "limits: {new-flows: 1/s}", "limits: {new-flows: 1/s}", NULL, 1,
         "vip_limit", "refused_total"},
	{"rate of a source", "limits: {source-new-flows: 1/s}", "limits: {source-new-flows: 1/s}",
         NULL, 1, "source_limit", "refused_total"},
};
#define N_GATES (int)(sizeof(gates) / sizeof(gates[0]))

static json_int_t drops(struct sl_lab *lab, const char *reason)
{
	json_t *json = sl_lab_json(lab, "drops");
	json_int_t n;

	ck_assert_msg(json_object_get(json, reason) != NULL, "%s is no reason", reason);
	n = json_integer_value(json_object_get(json, reason));
	json_decref(json);
	return n;
}

static json_int_t of_vip(struct sl_lab *lab, const char *name, const char *count)
{
	json_t *json = sl_lab_json(lab, "vip list"), *row;
	json_int_t n = -1;
	size_t i;

	json_array_foreach(json_object_get(json, "items"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
			n = json_integer_value(json_object_get(row, count));
	}
	json_decref(json);
	return n;
}

// What is open goes on, and what ends, or time, lets the next one in.
static void check_room(const struct gate *gate, struct sl_client *open, bool is_v6)
{
	struct sl_client client;

	for (int i = 0; i < gate->n_admitted; i++)
		ck_assert_msg(sl_client_echoes(&open[i], 50, TIMEOUT_MS), "%s: %d is dead",
		              gate->name, i);
	if (gate->n_admitted == 0)
		return;
	sl_client_reset(&open[0]);
	ck_assert_msg(sl_client_open(&client, is_v6, 3 * TIMEOUT_MS), "%s: no room: %s", gate->name,
	              strerror(errno));
	sl_client_reset(&client);
}

START_TEST(a_gate_admits_what_it_should_and_no_more)
{
	const struct gate *gate = &gates[_i / 2 % N_GATES];
	const bool is_v6 = _i % 2;
	struct sl_lab_spec spec = {.device = devices[_i / (2 * N_GATES)],
	                           .forward = "nat",
	                           .balance = "least-connections",
	                           .n_servers = 2,
	                           .n_workers = 1}; // counts of flows hold at once
	const char *vip = is_v6 ? "tcp6" : "tcp4";
	uint64_t deadline_ms;
	struct sl_client open[8], client;
	struct sl_lab lab;

	spec.vip_keys[0] = gate->vip4;
	spec.vip_keys[2] = gate->vip6;
	spec.pool_keys[0] = gate->pool;
	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	ck_assert_int_eq(drops(&lab, gate->drop), 0);
	for (int i = 0; i < gate->n_admitted; i++)
		ck_assert_msg(sl_client_open(&open[i], is_v6, TIMEOUT_MS), "%s: %d: %s", gate->name,
		              i, strerror(errno));
	ck_assert_msg(!sl_client_open(&client, is_v6, REFUSED_MS), "%s: one too many", gate->name);
	// Control looks at its VIPs once a second.
	deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;
	while (drops(&lab, gate->drop) < 1 || of_vip(&lab, vip, gate->vip_count) < 1)
		ck_assert_msg(sl_proc_now_ms() < deadline_ms, "%s: not counted", gate->name);
	check_room(gate, open, is_v6);
	for (int i = 1; i < gate->n_admitted; i++)
		sl_client_reset(&open[i]);
	sl_lab_stop(&lab);
}
END_TEST

// A list that is taken away lets the client in; one that comes leaves what is open.
START_TEST(lists_change_under_open_connections)
{
	const bool is_v6 = _i % 2;
	struct sl_lab_spec spec = {.device = devices[_i / 2],
	                           .forward = "nat",
	                           .balance = "least-connections",
	                           .n_servers = 2,
	                           .n_workers = 1};
	struct sl_client first, second;
	struct sl_lab lab;
	char *text;

	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	ck_assert(sl_client_open(&first, is_v6, TIMEOUT_MS));
	for (int round = 0; round < 2; round++) {
		lab.spec.vip_keys[0] = round == 0 ? gates[0].vip4 : NULL;
		lab.spec.vip_keys[2] = round == 0 ? gates[0].vip6 : NULL;
		sl_lab_write_pools(&lab);
		ck_assert_msg(sl_lab_sluice(&lab, &text, "apply") == 0, "apply: %s", text);
		free(text);
		ck_assert(sl_client_echoes(&first, 50, TIMEOUT_MS));
		ck_assert(sl_client_open(&second, is_v6, round == 0 ? REFUSED_MS : TIMEOUT_MS) ==
		          (round == 1));
	}
	sl_client_reset(&first);
	sl_client_reset(&second);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gate");
	TCase *tcase = tcase_create("gate");
	const int n_devices = sl_wire_has_af_xdp() ? 2 : 1;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, a_gate_admits_what_it_should_and_no_more, 0,
	                    2 * N_GATES * n_devices);
	tcase_add_loop_test(tcase, lists_change_under_open_connections, 0, 2 * n_devices);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
