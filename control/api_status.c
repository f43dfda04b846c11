// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "api_view.h"
#include "sluice/dpconfig.h"

#define HEARTBEAT_LATE_NS SL_NS_PER_S // the contract is 100 ms

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *seconds(uint64_t ns)
{
	return json_real((double)ns / (double)SL_NS_PER_S);
}

static json_t *view_config(const struct sl_daemon *daemon)
{
	const bool is_set = daemon->model != NULL;
	const uint64_t now_ns = uv_hrtime();
	char hash[17];

	snprintf(hash, sizeof(hash), "%016" PRIx64, is_set ? daemon->model->hash : 0);
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "file", daemon->file, "state",
	                 daemon->is_last_good ? "last-good"
	                 : is_set             ? "current"
	                                      : "none",
	                 "generation", integer(is_set ? daemon->generation : 0), "hash",
	                 is_set ? json_string(hash) : json_null(), "applied_age_seconds",
	                 is_set ? seconds(now_ns - daemon->applied_ns) : json_null(), "error",
	                 daemon->error != NULL ? sl_view_text(daemon->error) : json_null());
}

static const char *rss_word(uint8_t side)
{
	static const char *const words[] = {
		[SL_RSS_SOURCE] = "source", [SL_RSS_DESTINATION] = "destination"};

	return side < sizeof(words) / sizeof(words[0]) && words[side] != NULL ? words[side] : "off";
}

// Of a port with a rate, by class.
static json_t *view_queues(const struct sl_stats_map *map, uint32_t port)
{
	const struct sl_stats_qos *row = &map->qos[(size_t)port * SL_QOS_COUNT];
	json_t *queues = json_object();

	for (uint32_t q = 0; q < SL_QOS_COUNT; q++, row++)
		json_object_set_new(
			queues, sl_qos_name(q),
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "tx_packets_total",
		                  integer(sl_stat_get(&row->sent_pkts)), "tx_bytes_total",
		                  integer(sl_stat_get(&row->sent_bytes)), "dropped_total",
		                  integer(sl_stat_get(&row->dropped_pkts)), "marked_total",
		                  integer(sl_stat_get(&row->marked_pkts)), "waited_total",
		                  integer(sl_stat_get(&row->waited_pkts)), "borrowed_total",
		                  integer(sl_stat_get(&row->borrowed_pkts)), "held",
		                  integer(sl_stat_get(&row->held_pkts)), "wait_max_ns",
		                  integer(sl_stat_get(&row->wait_max_ns))));
	return queues;
}

static const char *member_word(uint64_t state)
{
	return state == SL_MEMBER_ACTIVE ? "active" : state == SL_MEMBER_BACKUP ? "backup" : "down";
}

static json_t *view_members(const struct sl_stats_map *map, uint32_t port)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < map->n_members; i++) {
		if (map->member_ports[i] == port)
			json_array_append_new(
				list,
				json_pack(
					"{s:s, s:s}", "device", map->member_devices[i], "state",
					member_word(sl_stat_get(&map->header->member_states[i]))));
	}
	return list;
}

static json_t *view_ports(const struct sl_daemon *daemon)
{
	const struct sl_stats_map *map = sl_stats_reader_map(daemon->stats);
	json_t *list = json_array();

	for (uint32_t i = 0; map != NULL && i < map->n_ports; i++) {
		struct sl_port_totals t;
		json_t *port;

		sl_stats_reader_port(daemon->stats, i, &t);
		port = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		                 map->port_names[i], "device", map->port_devices[i], "rss",
		                 rss_word(map->port_rss[i]), "rx_packets_total", integer(t.rx_pkts),
		                 "rx_bytes_total", integer(t.rx_bytes), "tx_packets_total",
		                 integer(t.tx_pkts), "tx_bytes_total", integer(t.tx_bytes),
		                 "missed_total", integer(t.missed), "errors_total",
		                 integer(t.errors), "handed_total", integer(t.handed_pkts),
		                 "members", view_members(map, i));
		if (map->port_rate_bps[i] != 0) {
			json_object_set_new(port, "rate_bps", integer(map->port_rate_bps[i]));
			json_object_set_new(port, "queues", view_queues(map, i));
		}
		json_array_append_new(list, port);
	}
	return list;
}

static json_t *view_drops(const struct sl_stats_summary *summary)
{
	json_t *json = json_object();

	for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
		json_object_set_new(json, sl_drop_name(d), integer(summary->drops[d]));
	return json;
}

static json_t *view_dataplane(const struct sl_daemon *daemon,
                              const struct sl_stats_summary *summary)
{
	const struct sl_publish *publish = &daemon->publish;
	const struct sl_stats_map *map = sl_stats_reader_map(daemon->stats);
	char instance[17];

	snprintf(instance, sizeof(instance), "%016" PRIx64, publish->instance);
	return json_pack(
		"{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"connected", (int)publish->is_connected, "instance",
		publish->instance != 0 ? json_string(instance) : json_null(), "generation",
		integer(map != NULL ? sl_stat_get(&map->header->generation) : 0), "epoch",
		integer(map != NULL ? sl_stat_get(&map->header->epoch) : 0), "epoch_acked",
		integer(summary->epoch_acked), "workers", integer(map != NULL ? map->n_workers : 0),
		"heartbeat_age_seconds",
		map != NULL ? seconds(summary->heartbeat_age_ns) : json_null(), "flows",
		integer(summary->flows), "flow_capacity", integer(summary->flow_capacity),
		"flows_new_total", integer(summary->flows_new), "rx_packets_total",
		integer(summary->rx_pkts), "tx_packets_total", integer(summary->tx_pkts),
		"reattached_total", integer(publish->n_attached > 0 ? publish->n_attached - 1 : 0),
		"ports", view_ports(daemon), "drops", view_drops(summary));
}

static void add_reason(json_t *reasons, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_reason(json_t *reasons, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	json_array_append_new(reasons, json_vsprintf(format, args));
	va_end(args);
}

static json_t *view_reasons(const struct sl_daemon *daemon, const struct sl_stats_summary *summary)
{
	json_t *reasons = json_array();
	char unsaved[PATH_MAX + 256];

	if (daemon->model == NULL)
		add_reason(reasons, "no configuration is in force");
	else if (daemon->error != NULL)
		add_reason(reasons, "%s %s: running %s", daemon->file,
		           daemon->is_refused ? "was refused" : "could not be put in force",
		           daemon->is_last_good ? "the last good configuration"
		                                : "the one before it");
	if (sl_keep_warning(daemon, unsaved, sizeof(unsaved)))
		add_reason(reasons, "%s", unsaved);
	if (!daemon->publish.is_connected)
		add_reason(reasons, "the data plane is not connected");
	else if (!daemon->publish.is_config_acked)
		add_reason(reasons, "the data plane has not taken the configuration");
	if (daemon->publish.is_connected && summary->heartbeat_age_ns > HEARTBEAT_LATE_NS)
		add_reason(reasons, "the data plane's last heartbeat is %.1f s old",
		           (double)summary->heartbeat_age_ns / (double)SL_NS_PER_S);
	for (uint32_t p = 0; daemon->model != NULL && p < daemon->model->n_pools; p++) {
		struct sl_state_counts counts;

		sl_view_count_states(daemon, p, &counts);
		if (counts.in_panic)
			add_reason(reasons, "pool %s: every backend is down, all are used",
			           daemon->model->pools[p].name);
		else if (counts.n_up + counts.by_state[SL_BACKEND_UNKNOWN] == 0)
			add_reason(reasons, "pool %s: no backend takes new flows",
			           daemon->model->pools[p].name);
		else if (counts.by_state[SL_BACKEND_DOWN] > 0)
			add_reason(reasons, "pool %s: %u of %u backends are down",
			           daemon->model->pools[p].name, counts.by_state[SL_BACKEND_DOWN],
			           counts.n_backends);
	}
	return reasons;
}

static json_t *view_backends(const struct sl_daemon *daemon)
{
	json_t *json = json_object();
	uint32_t sums[SL_BACKEND_MAINT + 1] = {0};

	for (uint32_t p = 0; daemon->model != NULL && p < daemon->model->n_pools; p++) {
		struct sl_state_counts counts;

		sl_view_count_states(daemon, p, &counts);
		for (uint32_t s = 0; s <= SL_BACKEND_MAINT; s++)
			sums[s] += counts.by_state[s];
	}
	json_object_set_new(json, "total",
	                    integer(daemon->model != NULL ? daemon->model->n_backends : 0));
	for (uint32_t s = 0; s <= SL_BACKEND_MAINT; s++)
		json_object_set_new(json, sl_backend_state_name(s), integer(sums[s]));
	return json;
}

json_t *sl_view_status(struct sl_daemon *daemon)
{
	struct sl_stats_summary summary;
	json_t *reasons;

	sl_stats_reader_summary(daemon->stats, uv_hrtime(), &summary);
	reasons = view_reasons(daemon, &summary);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "version", SL_VERSION,
	                 "uptime_seconds", seconds(uv_hrtime() - daemon->start_ns), "config",
	                 view_config(daemon), "dataplane", view_dataplane(daemon, &summary), "vips",
	                 integer(daemon->model != NULL ? daemon->model->n_vips : 0), "pools",
	                 integer(daemon->model != NULL ? daemon->model->n_pools : 0), "backends",
	                 view_backends(daemon), "degraded", json_array_size(reasons) > 0,
	                 "degraded_reasons", reasons);
}
