// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BAR_WIDTH    12
#define WAIT_STEP_MS 200 // between two looks of --wait

const char *sl_cli_text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL ? text : "";
}

double sl_cli_number_of(const json_t *json, const char *key)
{
	return json_number_value(json_object_get(json, key));
}

void sl_cli_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
}

static const char *count_of(const json_t *json, const char *key, char text[16])
{
	return sl_cli_human_count(sl_cli_number_of(json, key), text);
}

// ---- status ----

static void print_config(const json_t *config)
{
	char age[16];

	const bool is_newest = json_is_null(json_object_get(config, "error"));

	printf("config      %s, generation %.0f, applied %s ago (%s%s)\n",
	       sl_cli_text_of(config, "state"), sl_cli_number_of(config, "generation"),
	       sl_cli_human_seconds(json_object_get(config, "applied_age_seconds"), age),
	       is_newest ? "" : "not this: ", sl_cli_text_of(config, "file"));
}

static void print_queues(const json_t *port)
{
	char sent[16], waited[16];
	const char *name;
	json_t *queue;

	json_object_foreach(json_object_get(port, "queues"), name, queue)
	{
		printf("  %-10s %s packets out, %s waited (at most %.3f ms), %.0f now, %.0f "
		       "marked, "
		       "%.0f dropped\n",
		       name, count_of(queue, "tx_packets_total", sent),
		       count_of(queue, "waited_total", waited),
		       sl_cli_number_of(queue, "wait_max_ns") / 1e6,
		       sl_cli_number_of(queue, "held"), sl_cli_number_of(queue, "marked_total"),
		       sl_cli_number_of(queue, "dropped_total"));
	}
}

static void print_members(const json_t *port)
{
	json_t *member;
	size_t i;

	json_array_foreach(json_object_get(port, "members"), i, member)
	{
		printf("  member    %s: %s\n", sl_cli_text_of(member, "device"),
		       sl_cli_text_of(member, "state"));
	}
}

static void print_ports(const json_t *dp)
{
	char rx[16], tx[16], handed[16];
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(dp, "ports"), i, port)
	{
		printf("port        %s: %s, %s packets in, %s out, RSS %s, %s handed over\n",
		       sl_cli_text_of(port, "name"), sl_cli_text_of(port, "device"),
		       count_of(port, "rx_packets_total", rx),
		       count_of(port, "tx_packets_total", tx), sl_cli_text_of(port, "rss"),
		       count_of(port, "handed_total", handed));
		print_queues(port);
		print_members(port);
	}
}

static void print_dataplane(const json_t *dp)
{
	char beat[16], flows[16], room[16], rx[16], tx[16];

	if (!json_is_true(json_object_get(dp, "connected"))) {
		printf("data plane  not connected\n");
		return;
	}
	printf("data plane  %.0f workers, epoch %.0f, acknowledged %.0f, heartbeat %s ago\n",
	       sl_cli_number_of(dp, "workers"), sl_cli_number_of(dp, "epoch"),
	       sl_cli_number_of(dp, "epoch_acked"),
	       sl_cli_human_seconds(json_object_get(dp, "heartbeat_age_seconds"), beat));
	printf("traffic     %s flows of %s, %s packets in, %s out\n", count_of(dp, "flows", flows),
	       count_of(dp, "flow_capacity", room), count_of(dp, "rx_packets_total", rx),
	       count_of(dp, "tx_packets_total", tx));
	print_ports(dp);
}

static void print_status(const json_t *status)
{
	const json_t *backends = json_object_get(status, "backends");
	const json_t *reasons = json_object_get(status, "degraded_reasons");
	json_t *reason;
	char up[16];
	size_t i;

	printf("control     sluice-control %s, up %s\n", sl_cli_text_of(status, "version"),
	       sl_cli_human_seconds(json_object_get(status, "uptime_seconds"), up));
	print_config(json_object_get(status, "config"));
	print_dataplane(json_object_get(status, "dataplane"));
	printf("backends    %.0f up, %.0f slow start, %.0f unknown, %.0f down, %.0f drained, "
	       "%.0f in maintenance; %.0f vips, %.0f pools\n",
	       sl_cli_number_of(backends, "up"), sl_cli_number_of(backends, "slow_start"),
	       sl_cli_number_of(backends, "unknown"), sl_cli_number_of(backends, "down"),
	       sl_cli_number_of(backends, "drain"), sl_cli_number_of(backends, "maint"),
	       sl_cli_number_of(status, "vips"), sl_cli_number_of(status, "pools"));
	printf("health      %s\n", json_array_size(reasons) == 0 ? "good" : "degraded:");
	json_array_foreach(reasons, i, reason) printf("  - %s\n", json_string_value(reason));
	if (json_is_string(json_object_get(json_object_get(status, "config"), "error")))
		printf("\n%s\n", sl_cli_text_of(json_object_get(status, "config"), "error"));
}

static bool is_degraded(const json_t *status)
{
	return json_is_true(json_object_get(status, "degraded"));
}

long sl_cli_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sl_cli_sleep_ms(long ms)
{
	const struct timespec step = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&step, NULL);
}

// Until control answers and nothing is degraded, or the time is over. The last answer is kept.
static void wait_until_good(const struct sl_cli *cli, json_t **status)
{
	const long end_ms = sl_cli_now_ms() + cli->wait_ms;

	while (sl_cli_request_quietly(cli, "/api/v1/status", status) != SL_CLI_OK ||
	       is_degraded(*status)) {
		if (sl_cli_now_ms() + WAIT_STEP_MS > end_ms)
			return;
		json_decref(*status);
		*status = NULL;
		sl_cli_sleep_ms(WAIT_STEP_MS);
	}
}

int sl_cli_status(const struct sl_cli *cli, int argc, char **argv)
{
	json_t *status = NULL;
	int rc;

	(void)argc;
	(void)argv;
	if (cli->wait_ms > 0)
		wait_until_good(cli, &status);
	if (status == NULL) {
		rc = sl_cli_request(cli, "/api/v1/status", NULL, &status);
		if (rc != SL_CLI_OK)
			return rc;
	}
	rc = !is_degraded(status) ? SL_CLI_OK : cli->wait_ms > 0 ? SL_CLI_PARTIAL : SL_CLI_DEGRADED;
	if (cli->is_json)
		sl_cli_print_json(status);
	else
		print_status(status);
	json_decref(status);
	return rc;
}

// ---- lists ----

int sl_cli_show(const struct sl_cli *cli, const char *path, void (*draw)(const json_t *json))
{
	json_t *json;
	int rc = sl_cli_request(cli, path, NULL, &json);

	if (rc != SL_CLI_OK)
		return rc;
	if (cli->is_json)
		sl_cli_print_json(json);
	else
		draw(json);
	json_decref(json);
	return SL_CLI_OK;
}

static void join(const json_t *list, char text[SL_CLI_CELL_BYTES])
{
	size_t n = 0, i;
	json_t *item;

	text[0] = '\0';
	json_array_foreach(list, i, item)
	{
		if (n < SL_CLI_CELL_BYTES)
			n += (size_t)snprintf(text + n, SL_CLI_CELL_BYTES - n, "%s%s",
			                      i > 0 ? "," : "", json_string_value(item));
	}
}

// Sent, and come back; or that there are none.
static void add_cookies(struct sl_cli_table *table, const json_t *vip)
{
	char sent[16], good[16];

	if (strcmp(sl_cli_text_of(vip, "syn_cookies"), "off") == 0)
		sl_cli_table_add(table, "off");
	else
		sl_cli_table_add(table, "%s/%s", count_of(vip, "syn_cookies_sent_total", sent),
		                 count_of(vip, "syn_cookies_good_total", good));
}

static void draw_vips(const json_t *json)
{
	static const char *const headers[] = {
		"VIP", "ADDRESS", "PROTO",    "PORTS",      "POOL",     ">NEW/s", ">FLOWS",
		">RX", ">TX",     ">REFUSED", ">STATELESS", ">COOKIES", NULL};
	struct sl_cli_table *table = sl_cli_table_new(headers);
	json_t *vip;
	size_t i;

	json_array_foreach(json_object_get(json, "items"), i, vip)
	{
		char ports[SL_CLI_CELL_BYTES], a[16];

		join(json_object_get(vip, "ports"), ports);
		sl_cli_table_add(table, "%s", sl_cli_text_of(vip, "name"));
		sl_cli_table_add(table, "%s", sl_cli_text_of(vip, "address"));
		sl_cli_table_add(table, "%s", sl_cli_text_of(vip, "protocol"));
		sl_cli_table_add(table, "%s", ports);
		sl_cli_table_add(table, "%s", sl_cli_text_of(vip, "pool"));
		sl_cli_table_add(table, "%.1f", sl_cli_number_of(vip, "new_flows_per_second"));
		sl_cli_table_add(table, "%s", count_of(vip, "flows_new_total", a));
		sl_cli_table_add(table, "%sB", count_of(vip, "rx_bytes_total", a));
		sl_cli_table_add(table, "%sB", count_of(vip, "tx_bytes_total", a));
		sl_cli_table_add(table, "%s", count_of(vip, "refused_total", a));
		sl_cli_table_add(table, "%s", count_of(vip, "stateless_packets_total", a));
		add_cookies(table, vip);
	}
	sl_cli_table_print_and_free(table);
}

int sl_cli_vip_list(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return sl_cli_show(cli, "/api/v1/vips", draw_vips);
}

static void draw_pools(const json_t *json)
{
	static const char *const headers[] = {"POOL",      "FORWARD", "BALANCE", "ADAPTIVE",
	                                      ">BACKENDS", ">UP",     "PANIC",   NULL};
	struct sl_cli_table *table = sl_cli_table_new(headers);
	json_t *pool;
	size_t i;

	json_array_foreach(json_object_get(json, "items"), i, pool)
	{
		sl_cli_table_add(table, "%s", sl_cli_text_of(pool, "name"));
		sl_cli_table_add(table, "%s", sl_cli_text_of(pool, "forward"));
		sl_cli_table_add(table, "%s", sl_cli_text_of(pool, "balance"));
		sl_cli_table_add(table, "%s", sl_cli_text_of(pool, "adaptive"));
		sl_cli_table_add(table, "%.0f", sl_cli_number_of(pool, "backends_total"));
		sl_cli_table_add(table, "%.0f", sl_cli_number_of(pool, "backends_up"));
		sl_cli_table_add(table, "%s",
		                 json_is_true(json_object_get(pool, "in_panic")) ? "yes" : "no");
	}
	sl_cli_table_print_and_free(table);
}

int sl_cli_pool_list(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return sl_cli_show(cli, "/api/v1/pools", draw_pools);
}

// Of an operator's word: whose it is, how long it holds, why. false: there is none.
static bool why_of_override(const json_t *backend, const char *what, char text[SL_CLI_CELL_BYTES])
{
	const json_t *note = json_object_get(json_object_get(backend, "overrides"), what);
	const json_t *left = json_object_get(note, "remaining_seconds");
	const char *reason = sl_cli_text_of(note, "reason");
	char time[32] = " for ever";
	long left_min;

	if (!json_is_object(note))
		return false;
	if (json_is_number(left)) {
		left_min = (long)(json_number_value(left) / 60);
		if (left_min >= 60)
			snprintf(time, sizeof(time), " %ldh%02ldm", left_min / 60, left_min % 60);
		else if (left_min > 0)
			snprintf(time, sizeof(time), " %ldm", left_min);
		else
			snprintf(time, sizeof(time), " %.0fs", json_number_value(left));
	}
	snprintf(text, SL_CLI_CELL_BYTES, "override %s%s%s%s", sl_cli_text_of(note, "owner"), time,
	         reason[0] != '\0' ? ": " : "", reason);
	return true;
}

// The factor that moves the weight most, in words.
static void why_of(const json_t *backend, char text[SL_CLI_CELL_BYTES])
{
	const json_t *factors = json_object_get(backend, "factors");
	const char *reason = sl_cli_text_of(backend, "reason");

	if (why_of_override(backend, "drain", text) || why_of_override(backend, "weight", text))
		return;
	if (strcmp(reason, "ok") != 0)
		snprintf(text, SL_CLI_CELL_BYTES, "%s", reason);
	else if (sl_cli_guard_in_words(backend, text))
		return;
	else if (sl_cli_number_of(factors, "slow_start") < 1)
		snprintf(text, SL_CLI_CELL_BYTES, "slow start x%.2f",
		         sl_cli_number_of(factors, "slow_start"));
	else if (sl_cli_number_of(factors, "latency") != 1)
		snprintf(text, SL_CLI_CELL_BYTES, "latency x%.2f",
		         sl_cli_number_of(factors, "latency"));
	else
		snprintf(text, SL_CLI_CELL_BYTES, "-");
}

struct columns {
	bool has_latency, has_ports;
};

static void draw_backend(struct sl_cli_table *table, const json_t *backend, double most,
                         const struct columns *columns)
{
	char why[SL_CLI_CELL_BYTES], bar[32], a[16];

	why_of(backend, why);
	sl_cli_table_add(table, "%s", sl_cli_text_of(backend, "name"));
	sl_cli_table_add(table, "%s", sl_cli_text_of(backend, "address"));
	sl_cli_table_add(table, "%.0f", sl_cli_number_of(backend, "port"));
	sl_cli_table_add(table, "%s", sl_cli_text_of(backend, "state"));
	sl_cli_table_add(table, "%.0f", sl_cli_number_of(backend, "weight_configured"));
	sl_cli_table_add(table, "%.1f", sl_cli_number_of(backend, "weight_effective"));
	sl_cli_table_add(
		table, "%s",
		sl_cli_bar(sl_cli_number_of(backend, "weight_effective"), most, BAR_WIDTH, bar));
	sl_cli_table_add(table, "%.1f%%", 100 * sl_cli_number_of(backend, "share"));
	sl_cli_table_add(table, "%s", why);
	sl_cli_table_add(table, "%s",
	                 sl_cli_human_seconds(json_object_get(backend, "latency_seconds"), a));
	sl_cli_table_add(table, "%s", count_of(backend, "flows", a));
	sl_cli_table_add(table, "%.1f", sl_cli_number_of(backend, "new_flows_per_second"));
	sl_cli_table_add(table, "%sB", count_of(backend, "rx_bytes_total", a));
	sl_cli_table_add(table, "%sB", count_of(backend, "tx_bytes_total", a));
	if (columns->has_latency)
		sl_cli_add_latency(table, backend);
	if (columns->has_ports) {
		sl_cli_table_add(table, "%.0f", sl_cli_number_of(backend, "local_ports_free"));
		sl_cli_table_add(table, "%.0f", sl_cli_number_of(backend, "local_ports_free_low"));
	}
}

static size_t add_headers(const char *headers[], size_t n, const char *const *more)
{
	for (; *more != NULL; more++)
		headers[n++] = *more;
	return n;
}

static void draw_pool(const json_t *pool)
{
	static const char *const always[] = {"BACKEND", "ADDRESS", ">PORT",  "STATE", ">CONF",
	                                     ">EFF",    "WEIGHT",  ">SHARE", "WHY",   ">LATENCY",
	                                     ">FLOWS",  ">NEW/s",  ">RX",    ">TX",   NULL};
	static const char *const latency[] = {">TTFT p50", ">p99", ">TOKEN p50", ">LOAD", NULL};
	// local ports left for new flows, and the least there were
	static const char *const ports[] = {">PORTS", ">LOW", NULL};
	const json_t *backends = json_object_get(pool, "backends");
	const struct columns columns = {
		.has_latency = sl_cli_has_latency(backends),
		.has_ports = strcmp(sl_cli_text_of(pool, "forward"), "fullnat") == 0,
	};
	const char *headers[32];
	size_t n = 0;
	struct sl_cli_table *table;
	double most = 0;
	json_t *backend;
	size_t i;

	printf("pool %s  %s  client-address %s  %s  adaptive %s  epoch %.0f  %.0f/%.0f up  panic "
	       "%s\n",
	       sl_cli_text_of(pool, "name"), sl_cli_text_of(pool, "forward"),
	       sl_cli_text_of(pool, "client_address"), sl_cli_text_of(pool, "balance"),
	       sl_cli_text_of(pool, "adaptive"), sl_cli_number_of(pool, "epoch"),
	       sl_cli_number_of(pool, "backends_up"), sl_cli_number_of(pool, "backends_total"),
	       json_is_true(json_object_get(pool, "in_panic")) ? "yes" : "no");
	json_array_foreach(backends, i, backend)
	{
		double weight = sl_cli_number_of(backend, "weight_effective");

		most = weight > most ? weight : most;
	}
	sl_cli_print_steer(json_object_get(pool, "steer"));
	n = add_headers(headers, n, always);
	if (columns.has_latency)
		n = add_headers(headers, n, latency);
	if (columns.has_ports)
		n = add_headers(headers, n, ports);
	headers[n] = NULL;
	table = sl_cli_table_new(headers);
	json_array_foreach(backends, i, backend) draw_backend(table, backend, most, &columns);
	sl_cli_table_print_and_free(table);
}

int sl_cli_pool_show(const struct sl_cli *cli, int argc, char **argv)
{
	char path[256];

	(void)argc;
	if (!sl_cli_is_name(argv[0]))
		return SL_CLI_USAGE;
	snprintf(path, sizeof(path), "/api/v1/pools/%s", argv[0]);
	return sl_cli_show(cli, path, draw_pool);
}

static void draw_persistence(const json_t *json)
{
	if (sl_cli_number_of(json, "clients_total") == 0)
		return;
	printf("persistence: %.0f clients remembered so far, %.0f forgotten for want of room; %.0f "
	       "flows followed their client's last one, %.0f could not\n",
	       sl_cli_number_of(json, "clients_total"), sl_cli_number_of(json, "evicted_total"),
	       sl_cli_number_of(json, "followed_total"), sl_cli_number_of(json, "repicked_total"));
}

static void draw_flows(const json_t *json)
{
	static const char *const headers[] = {"POOL", "BACKEND", ">FLOWS", NULL};
	struct sl_cli_table *table = sl_cli_table_new(headers);
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(json, "by_backend"), i, row)
	{
		sl_cli_table_add(table, "%s", sl_cli_text_of(row, "pool"));
		sl_cli_table_add(table, "%s", sl_cli_text_of(row, "backend"));
		sl_cli_table_add(table, "%.0f", sl_cli_number_of(row, "flows"));
	}
	sl_cli_table_print_and_free(table);
	if (!json_is_true(json_object_get(json, "connected")))
		fprintf(stderr,
		        "warning: the data plane is not connected; these are its last counts\n");
	printf("%.0f flows in all, room for %.0f\n", sl_cli_number_of(json, "total"),
	       sl_cli_number_of(json, "capacity"));
	draw_persistence(json_object_get(json, "persistence"));
}

int sl_cli_flow_count(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return sl_cli_show(cli, "/api/v1/flows/count", draw_flows);
}
