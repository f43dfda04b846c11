// SPDX-License-Identifier: Apache-2.0
// Four nginx servers behind the appliance, fetched by curl and wrk: real stacks, real keep-alive,
// thousands of short connections.
#include <signal.h>
#include <string.h>

#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define N_SERVERS      4
#define BLOB_BYTES     (1 << 20)
#define WRK_SECONDS    2
#define WRK_TIMEOUT_MS 15000
// Far below what the slowest machine does, far above what a stalled path lets through.
#define MIN_REQUESTS 200

static const char *const devices[] = {"af_packet", "af_xdp"};

static void write_site(const struct sl_lab *lab)
{
	sl_proc_must(NULL, "mkdir -p %s/www", lab->dir);
	sl_proc_must(NULL, "sh -c 'echo hello >%s/www/index.html'", lab->dir);
	sl_proc_must(NULL, "head -c %d /dev/urandom >%s/www/blob", BLOB_BYTES, lab->dir);
}

// All of its files are in the lab's directory; one process, so that one pid ends it.
static void write_conf(const struct sl_lab *lab, const char *part, const char *path)
{
	const char *const modules[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"};
	char conf[2048];
	size_t n = 0;

	n += (size_t)snprintf(conf, sizeof(conf),
	                      "daemon off; master_process off; pid %s/nginx-%s.pid;\n"
	                      "events { worker_connections 2048; }\n"
	                      "http { access_log off; keepalive_requests 100000000;\n",
	                      lab->dir, part);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		n += (size_t)snprintf(conf + n, sizeof(conf) - n, "%s_temp_path %s/%s;\n",
		                      modules[i], lab->dir, modules[i]);
	snprintf(conf + n, sizeof(conf) - n,
	         "server { listen 8000 backlog=1024; listen [::]:8000 backlog=1024;"
	         " root %s/www; } }\n",
	         lab->dir);
	sl_proc_write_file(path, conf);
}

static void start_nginx(struct sl_lab *lab, uint32_t n)
{
	char part[8], ns[SL_NET_NAME_BYTES], path[96], log[96];

	sl_net_name(ns, sl_lab_server(part, n));
	snprintf(path, sizeof(path), "%s/nginx-%s.conf", lab->dir, part);
	snprintf(log, sizeof(log), "%s/nginx-%s.log", lab->dir, part);
	write_conf(lab, part, path);
	sl_proc_start(&lab->servers[n][0], ns, log, "/usr/sbin/nginx -p %s -c %s -e stderr",
	              lab->dir, path);
}

static void start_lab(struct sl_lab *lab, const char *device, bool is_crossed)
{
	const struct sl_lab_spec spec = {.device = device,
	                                 .forward = is_crossed ? "fullnat" : "nat",
	                                 .balance = "least-connections",
	                                 .n_servers = N_SERVERS,
	                                 .n_workers = 1,
	                                 .is_crossed = is_crossed};

	sl_lab_start(lab, &spec);
	write_site(lab);
	for (uint32_t n = 0; n < N_SERVERS; n++)
		start_nginx(lab, n);
	for (uint32_t n = 0; n < N_SERVERS; n++)
		sl_proc_wait_port(&lab->servers[n][0], "tcp6", SL_LAB_TCP_PORT);
}

static const char *url_of(bool is_v6)
{
	return is_v6 ? "http://[" SL_LAB_VIP6 "]:8000" : "http://" SL_LAB_VIP4 ":8000";
}

// From servers of the VIP's family, and from those of the other one.
START_TEST(curl_fetches_a_megabyte_unchanged)
{
	char ns[SL_NET_NAME_BYTES];
	struct sl_lab lab;

	start_lab(&lab, devices[_i / 2], _i % 2);
	for (int i = 0; i < 2 * N_SERVERS; i++)
		sl_proc_must(sl_net_name(ns, "cli"),
		             "sh -c 'curl -sS -g --max-time 8 %s/blob | cmp - %s/www/blob'",
		             url_of(i % 2), lab.dir);
	sl_lab_stop(&lab);
}
END_TEST

// wrk names socket errors and bad statuses only when there are some.
static void check_wrk(const char *what, const char *report)
{
	const char *line = strstr(report, " requests in ");
	long n_requests = 0;

	while (line != NULL && line > report && line[-1] != '\n')
		line--;
	if (line != NULL)
		n_requests = strtol(line, NULL, 10);
	ck_assert_msg(strstr(report, "Socket errors") == NULL, "%s:\n%s", what, report);
	ck_assert_msg(strstr(report, "Non-2xx") == NULL, "%s:\n%s", what, report);
	ck_assert_msg(n_requests > MIN_REQUESTS, "%s: only %ld requests\n%s", what, n_requests,
	              report);
}

static void run_wrk(const char *device, const char *options)
{
	char ns[SL_NET_NAME_BYTES], what[128], *report;
	struct sl_lab lab;

	start_lab(&lab, device, false);
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		snprintf(what, sizeof(what), "wrk %s over %s, %s", options, device, url_of(is_v6));
		report = sl_proc_output(sl_net_name(ns, "cli"), WRK_TIMEOUT_MS,
		                        "wrk -t1 -c32 -d%ds %s %s/", WRK_SECONDS, options,
		                        url_of(is_v6));
		check_wrk(what, report);
		free(report);
	}
	sl_lab_stop(&lab);
}

START_TEST(wrk_with_keep_alive_sees_no_socket_error)
{
	run_wrk(devices[_i], "");
}
END_TEST

START_TEST(wrk_with_connection_close_sees_no_socket_error)
{
	run_wrk(devices[_i], "-H \"Connection: close\"");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *tcase = tcase_create("nginx");
	int n_devices = sl_wire_has_af_xdp() ? 2 : 1;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, curl_fetches_a_megabyte_unchanged, 0, 2 * n_devices);
	tcase_add_loop_test(tcase, wrk_with_keep_alive_sees_no_socket_error, 0, n_devices);
	tcase_add_loop_test(tcase, wrk_with_connection_close_sees_no_socket_error, 0, n_devices);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
