// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "api_view.h"
#include "names.h"

// All but the histograms of 10,000 backends; writing so much takes 0.2 s, in which nothing else
// happens here.
#define MAX_SAMPLES 250000u

#define LABELS(...)                                                                                \
	(const struct sl_label[])                                                                  \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL, NULL                                                                 \
		}                                                                                  \
	}

static void one_number(struct sl_text *text, const char *name, const char *help, double value)
{
	sl_metrics_family(text, name, SL_METRIC_GAUGE, help);
	sl_metrics_number(text, name, NULL, value);
}

static void one_count(struct sl_text *text, const char *name, const char *help, uint64_t value)
{
	sl_metrics_family(text, name, SL_METRIC_COUNTER, help);
	sl_metrics_count(text, name, NULL, value);
}

static void add_config(struct sl_text *text, const struct sl_daemon *daemon)
{
	char hash[17];

	snprintf(hash, sizeof(hash), "%016" PRIx64,
	         daemon->model != NULL ? daemon->model->hash : 0);
	sl_metrics_family(text, "config_info", SL_METRIC_GAUGE, "The configuration in force.");
	sl_metrics_number(text, "config_info",
	                  LABELS({"hash", hash}, {"file", daemon->file},
	                         {"state", daemon->is_last_good    ? "last-good"
	                                   : daemon->model != NULL ? "current"
	                                                           : "none"}),
	                  1);
	one_number(text, "config_refused", "1 when the newest file was refused.",
	           daemon->error != NULL);
	one_number(text, "config_generation", "Number of the configuration in force.",
	           (double)daemon->generation);
	one_number(text, "config_last_apply_timestamp_seconds",
	           "When the configuration in force was applied.", daemon->applied_unix_s);
	sl_metrics_family(text, "config_applies_total", SL_METRIC_COUNTER,
	                  "Attempts to apply a configuration.");
	sl_metrics_count(text, "config_applies_total", LABELS({"result", "ok"}),
	                 daemon->n_applies_ok);
	sl_metrics_count(text, "config_applies_total", LABELS({"result", "failed"}),
	                 daemon->n_applies_failed);
}

void sl_metrics_add_process(struct sl_text *text, struct sl_daemon *daemon)
{
	const struct sl_publish *publish = &daemon->publish;

	sl_metrics_family(text, "build_info", SL_METRIC_GAUGE, "What is running.");
	sl_metrics_number(text, "build_info", LABELS({"version", SL_VERSION}), 1);
	one_number(text, "start_time_seconds", "When the control process started.",
	           daemon->start_unix_s);
	one_number(text, "up", "1 while the control process answers.", 1);
	add_config(text, daemon);
	one_number(text, "controller_connected", "1 while the data plane is connected.",
	           publish->is_connected);
	one_count(text, "controller_attaches_total", "Connections made to a data plane.",
	          publish->n_attached);
	one_count(text, "controller_refusals_total", "Messages the data plane refused.",
	          publish->n_refused);
	one_count(text, "weights_applied_total", "Weight messages the data plane took.",
	          publish->n_weights_applied);
	one_number(text, "weights_last_applied_timestamp_seconds",
	           "When the data plane last took weights.", publish->weights_applied_unix_s);
}

// ---- VIPs and pools ----

struct vip_family {
	const char *name;
	const char *help;
	size_t offset; // in struct sl_vip_totals
};

static void add_vips(struct sl_text *text, struct sl_daemon *daemon)
{
	static const struct vip_family families[] = {
		{"vip_new_flows_total", "Flows created.",
	         offsetof(struct sl_vip_totals, flows_new)},
		{"vip_rx_packets_total", "Packets from clients.",
	         offsetof(struct sl_vip_totals, c2s_pkts)},
		{"vip_rx_bytes_total", "Bytes from clients.",
	         offsetof(struct sl_vip_totals, c2s_bytes)},
		{"vip_tx_packets_total", "Packets to clients.",
	         offsetof(struct sl_vip_totals, s2c_pkts)},
		{"vip_tx_bytes_total", "Bytes to clients.",
	         offsetof(struct sl_vip_totals, s2c_bytes)},
		{"vip_refused_flows_total", "New flows that got no backend or met a limit.",
	         offsetof(struct sl_vip_totals, refused)},
		{"vip_denied_flows_total", "New flows the allow and deny lists kept out.",
	         offsetof(struct sl_vip_totals, denied)},
		{"vip_stateless_packets_total",
	         "Packets forwarded without a flow, for want of room.",
	         offsetof(struct sl_vip_totals, stateless_pkts)},
		{"vip_syn_cookies_sent_total", "SYNs answered by SYN cookie.",
	         offsetof(struct sl_vip_totals, cookies_sent)},
		{"vip_syn_cookies_good_total", "Connections made of SYN cookies that came back.",
	         offsetof(struct sl_vip_totals, cookies_good)},
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		sl_metrics_family(text, families[f].name, SL_METRIC_COUNTER, families[f].help);
		for (uint32_t v = 0; v < daemon->model->n_vips; v++) {
			const struct sl_model_vip *vip = &daemon->model->vips[v];
			struct sl_vip_totals totals;
			uint64_t value;
			double rate_per_s;

			sl_stats_reader_vip(daemon->stats, vip->id, &totals, &rate_per_s);
			memcpy(&value, (const char *)&totals + families[f].offset, sizeof(value));
			sl_metrics_count(text, families[f].name,
			                 LABELS({"vip", vip->name},
			                        {"protocol", sl_name_of_proto(vip->proto)}),
			                 value);
		}
	}
}

static void add_pools(struct sl_text *text, struct sl_daemon *daemon)
{
	const struct sl_model *model = daemon->model;
	struct sl_state_counts counts;

	sl_metrics_family(text, "pool_backends", SL_METRIC_GAUGE, "Backends by state.");
	for (uint32_t p = 0; p < model->n_pools; p++) {
		sl_view_count_states(daemon, p, &counts);
		for (uint32_t s = 0; s <= SL_BACKEND_MAINT; s++)
			sl_metrics_count(text, "pool_backends",
			                 LABELS({"pool", model->pools[p].name},
			                        {"state", sl_backend_state_name(s)}),
			                 counts.by_state[s]);
	}
	sl_metrics_family(text, "pool_panic", SL_METRIC_GAUGE,
	                  "1 when every backend is down and all are used.");
	for (uint32_t p = 0; p < model->n_pools; p++) {
		sl_view_count_states(daemon, p, &counts);
		sl_metrics_count(text, "pool_panic", LABELS({"pool", model->pools[p].name}),
		                 counts.in_panic);
	}
}

void sl_metrics_add_objects(struct sl_text *text, struct sl_daemon *daemon)
{
	if (daemon->model == NULL)
		return;
	add_vips(text, daemon);
	add_pools(text, daemon);
}

// ---- data plane ----

static void add_workers(struct sl_text *text, const struct sl_stats_map *map)
{
	static const struct {
		const char *name;
		const char *help;
		enum sl_metric_type type;
		size_t offset; // in struct sl_stats_worker
	} families[] = {
		{"worker_rx_packets_total", "Packets taken from ports.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, rx_pkts)},
		{"worker_tx_packets_total", "Packets accepted by ports.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, tx_pkts)},
		{"worker_polls_total", "Loops.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, loops)},
		{"worker_busy_cycles_total", "Cycles of loops that moved a packet.",
	         SL_METRIC_COUNTER, offsetof(struct sl_stats_worker, busy_cycles)},
		{"worker_idle_cycles_total", "Cycles of loops that moved none.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, idle_cycles)},
		{"worker_epoch", "Snapshot in use.", SL_METRIC_GAUGE,
	         offsetof(struct sl_stats_worker, epoch)},
		{"flow_table_entries", "Flows in the table.", SL_METRIC_GAUGE,
	         offsetof(struct sl_stats_worker, flows)},
		{"flow_table_inserts_total", "Flows created.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, flows_new)},
		{"client_address_missing_packets_total",
	         "Packets sent without the client's address: no room for the TOA option.",
	         SL_METRIC_COUNTER, offsetof(struct sl_stats_worker, untold_pkts)},
		{"flow_table_evictions_total", "Unconfirmed flows pushed out.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, flows_evicted)},
		{"persistence_followed_total",
	         "New flows that went where the client's last one had.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, persist_followed)},
		{"persistence_repicked_total",
	         "New flows whose client's backend takes none any more.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, persist_repicked)},
		{"persistence_clients_total", "Clients remembered.", SL_METRIC_COUNTER,
	         offsetof(struct sl_stats_worker, persist_made)},
		{"persistence_evictions_total", "Clients forgotten early, for want of room.",
	         SL_METRIC_COUNTER, offsetof(struct sl_stats_worker, persist_evicted)},
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		sl_metrics_family(text, families[f].name, families[f].type, families[f].help);
		for (uint32_t w = 0; w < map->n_workers; w++) {
			const char *row = (const char *)&map->workers[w];
			char number[12];

			snprintf(number, sizeof(number), "%u", w);
			sl_metrics_count(
				text, families[f].name, LABELS({"worker", number}),
				sl_stat_get(
					(const sl_stat *)(const void *)(row + families[f].offset)));
		}
	}
	sl_metrics_family(text, "flow_table_capacity_entries", SL_METRIC_GAUGE,
	                  "Flows a worker has room for.");
	for (uint32_t w = 0; w < map->n_workers; w++) {
		char number[12];

		snprintf(number, sizeof(number), "%u", w);
		sl_metrics_count(text, "flow_table_capacity_entries", LABELS({"worker", number}),
		                 map->flow_capacity);
	}
}

static void add_ports(struct sl_text *text, const struct sl_daemon *daemon,
                      const struct sl_stats_map *map)
{
	static const struct {
		const char *name;
		const char *help;
		size_t offset; // in struct sl_port_totals
	} families[] = {
		{"port_rx_packets_total", "Packets received.",
	         offsetof(struct sl_port_totals, rx_pkts)},
		{"port_rx_bytes_total", "Bytes received.",
	         offsetof(struct sl_port_totals, rx_bytes)},
		{"port_tx_packets_total", "Packets sent.",
	         offsetof(struct sl_port_totals, tx_pkts)},
		{"port_tx_bytes_total", "Bytes sent.", offsetof(struct sl_port_totals, tx_bytes)},
		{"port_rx_missed_packets_total", "Lost in the device before we saw them.",
	         offsetof(struct sl_port_totals, missed)},
		{"port_errors_total", "Errors the device counted.",
	         offsetof(struct sl_port_totals, errors)},
		{"port_handed_packets_total", "Received by another worker than the flow's.",
	         offsetof(struct sl_port_totals, handed_pkts)},
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		sl_metrics_family(text, families[f].name, SL_METRIC_COUNTER, families[f].help);
		for (uint32_t p = 0; p < map->n_ports; p++) {
			struct sl_port_totals totals;
			uint64_t value;

			sl_stats_reader_port(daemon->stats, p, &totals);
			memcpy(&value, (const char *)&totals + families[f].offset, sizeof(value));
			sl_metrics_count(text, families[f].name,
			                 LABELS({"port", map->port_names[p]}), value);
		}
	}
}

void sl_metrics_add_dataplane(struct sl_text *text, struct sl_daemon *daemon)
{
	const struct sl_stats_map *map = sl_stats_reader_map(daemon->stats);
	struct sl_stats_summary summary;

	sl_metrics_family(text, "weights_epoch", SL_METRIC_GAUGE,
	                  "Last epoch sent (ctl) and used by every worker (dp).");
	sl_metrics_count(text, "weights_epoch", LABELS({"side", "ctl"}), daemon->publish.epoch);
	if (map == NULL)
		return;
	sl_stats_reader_summary(daemon->stats, uv_hrtime(), &summary);
	sl_metrics_count(text, "weights_epoch", LABELS({"side", "dp"}), summary.epoch_acked);
	one_number(text, "dataplane_heartbeat_age_seconds", "Since the main core last said so.",
	           (double)summary.heartbeat_age_ns / (double)SL_NS_PER_S);
	one_number(text, "held_packets", "Packets waiting for a neighbour.",
	           (double)sl_stat_get(&map->header->held_pkts));
	sl_metrics_family(text, "drops_total", SL_METRIC_COUNTER,
	                  "Packets dropped, each in one reason.");
	for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
		sl_metrics_count(text, "drops_total", LABELS({"reason", sl_drop_name(d)}),
		                 summary.drops[d]);
	add_workers(text, map);
	add_ports(text, daemon, map);
}

char *sl_metrics_render(struct sl_daemon *daemon, size_t *n_bytes)
{
	struct sl_text text = {.max_samples = MAX_SAMPLES};
	uint32_t n_dropped;

	// Backends last, their histograms after all else: what many of them push out is the finest.
	sl_metrics_add_process(&text, daemon);
	sl_metrics_add_objects(&text, daemon);
	sl_metrics_add_dataplane(&text, daemon);
	sl_metrics_add_backends(&text, daemon);
	n_dropped = text.n_dropped;
	text.max_samples = 0;
	one_number(&text, "metrics_dropped_series", "Left out of this page, which is too long.",
	           n_dropped);
	return sl_text_take(&text, n_bytes);
}
