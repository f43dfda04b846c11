// SPDX-License-Identifier: Apache-2.0
#include "api_view.h"

#include <stdlib.h>

#include "api_latency.h"
#include "names.h"

json_t *sl_view_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json != NULL)
		return json;
	copy = strdup(text);
	if (copy == NULL)
		return json_null();
	for (char *c = copy; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	json = json_string(copy);
	free(copy);
	return json;
}

json_t *sl_view_envelope(const char *kind, json_t *object)
{
	if (object != NULL) {
		json_object_set_new(object, "api", json_string(SL_API_NAME));
		json_object_set_new(object, "kind", json_string(kind));
	}
	return object;
}

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *seconds_of_ns(uint64_t ns)
{
	return json_real((double)ns / (double)SL_NS_PER_S);
}

static json_t *seconds_of_us(uint64_t us)
{
	return us == 0 ? json_null() : json_real((double)us / 1e6);
}

static json_t *age(uint64_t since_ns, uint64_t now_ns)
{
	return seconds_of_ns(now_ns > since_ns ? now_ns - since_ns : 0);
}

void sl_view_count_states(const struct sl_daemon *daemon, uint32_t pool,
                          struct sl_state_counts *counts)
{
	const struct sl_model_pool *p = &daemon->model->pools[pool];

	*counts = (struct sl_state_counts){.n_backends = p->n_backends};
	for (uint32_t i = 0; i < p->n_backends; i++) {
		struct sl_backend_view view;

		sl_fleet_view(daemon->fleet, p->first_backend + i, &view);
		if (view.state <= SL_BACKEND_MAINT)
			counts->by_state[view.state]++;
		counts->in_panic |= view.in_panic;
	}
	counts->n_up = counts->by_state[SL_BACKEND_UP] + counts->by_state[SL_BACKEND_SLOW_START];
}

static json_t *view_probe(const struct sl_daemon *daemon, const struct sl_model_pool *pool,
                          uint32_t backend, uint32_t probe)
{
	const struct sl_model_probe *p = &daemon->model->probes[pool->first_probe + probe];
	struct sl_probe_view view;
	json_t *json;

	sl_fleet_probe_view(daemon->fleet, backend, probe, &view);
	json = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", p->name, "type",
	                 sl_name_of_probe_type(p->type), "up",
	                 view.has_verdict ? json_boolean(view.is_up) : json_null(), "reason",
	                 view.last_ns != 0 ? json_string(sl_probe_reason_name(view.last.reason))
	                                   : json_null(),
	                 "last_age_seconds",
	                 view.last_ns != 0 ? age(view.last_ns, uv_hrtime()) : json_null(),
	                 "connect_seconds", seconds_of_us(view.last.connect_us),
	                 "first_byte_seconds", seconds_of_us(view.last.first_byte_us), "ok_total",
	                 integer(view.n_ok), "failed_total", integer(view.n_failed));
	return json;
}

static json_t *view_probes(const struct sl_daemon *daemon, const struct sl_model_pool *pool,
                           uint32_t backend)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < pool->n_probes; i++)
		json_array_append_new(list, view_probe(daemon, pool, backend, i));
	return list;
}

static json_t *view_factors(const struct sl_backend_view *view)
{
	const bool is_gated = view->state == SL_BACKEND_DRAIN || view->state == SL_BACKEND_MAINT ||
	                      (view->state == SL_BACKEND_DOWN && !view->in_panic);

	return json_pack(
		"{s:f, s:f, s:f, s:f, s:o}", "health", is_gated ? 0.0 : 1.0, "slow_start",
		view->slow_start_milli / 1000.0, "latency", view->latency_factor_milli / 1000.0,
		"guard", view->guard_milli / 1000.0, "override",
		view->override_weight >= 0 ? json_integer(view->override_weight) : json_null());
}

static json_t *view_note(const struct sl_override_note *note)
{
	const uint64_t now_ns = uv_hrtime();
	json_t *left = json_null();

	if (note->ttl_s != 0)
		left = seconds_of_ns(note->expires_ns > now_ns ? note->expires_ns - now_ns : 0);
	return json_pack("{s:o, s:o, s:o}", "owner", sl_view_text(note->owner), "reason",
	                 sl_view_text(note->reason), "remaining_seconds", left);
}

static json_t *view_overrides(const struct sl_daemon *daemon, const char *pool, const char *backend)
{
	const struct sl_override *item = sl_overrides_find(&daemon->overrides, pool, backend);
	json_t *drain = json_null(), *weight = json_null();

	if (item != NULL && item->is_drained)
		drain = view_note(&item->drain_note);
	if (item != NULL && item->weight >= 0) {
		weight = view_note(&item->weight_note);
		json_object_set_new(weight, "value", json_integer(item->weight));
	}
	return json_pack("{s:o, s:o}", "drain", drain, "weight", weight);
}

static uint64_t pool_weight_milli(const struct sl_daemon *daemon, const struct sl_model_pool *pool)
{
	uint64_t sum_milli = 0;

	for (uint32_t i = 0; i < pool->n_backends; i++) {
		struct sl_backend_view view;

		sl_fleet_view(daemon->fleet, pool->first_backend + i, &view);
		sum_milli += view.weight_milli;
	}
	return sum_milli;
}

static void add_backend_counters(struct sl_daemon *daemon, json_t *json, uint64_t id,
                                 bool is_fullnat)
{
	struct sl_backend_totals totals;
	double rate_per_s;

	sl_stats_reader_backend(daemon->stats, id, &totals, &rate_per_s);
	json_object_set_new(json, "flows", integer(totals.flows_active));
	json_object_set_new(json, "flows_new_total", integer(totals.flows_new));
	json_object_set_new(json, "new_flows_per_second", json_real(rate_per_s));
	json_object_set_new(json, "rx_packets_total", integer(totals.c2s_pkts));
	json_object_set_new(json, "rx_bytes_total", integer(totals.c2s_bytes));
	json_object_set_new(json, "tx_packets_total", integer(totals.s2c_pkts));
	json_object_set_new(json, "tx_bytes_total", integer(totals.s2c_bytes));
	json_object_set_new(json, "refused_total", integer(totals.refused));
	json_object_set_new(json, "resets_total", integer(totals.resets));
	json_object_set_new(json, "local_ports_free",
	                    is_fullnat ? integer(totals.ports_free) : json_null());
	json_object_set_new(json, "local_ports_free_low",
	                    is_fullnat ? integer(totals.ports_free_low) : json_null());
}

static json_t *view_backend(struct sl_daemon *daemon, uint32_t pool, uint32_t backend,
                            uint64_t sum_milli)
{
	const struct sl_model_pool *p = &daemon->model->pools[pool];
	const struct sl_model_backend *be = &daemon->model->backends[backend];
	struct sl_backend_view view;
	char address[SL_ADDRESS_BYTES];
	json_t *json;

	sl_fleet_view(daemon->fleet, backend, &view);
	json = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:o, s:i, s:f, s:f, s:o, s:o, s:o}",
	                 "pool", p->name, "name", be->name, "address",
	                 sl_name_of_ip(&be->address, address), "port", (int)be->port, "state",
	                 sl_backend_state_name(view.state), "reason",
	                 sl_probe_reason_name(view.reason), "state_age_seconds",
	                 age(view.state_since_ns, uv_hrtime()), "weight_configured",
	                 (int)be->weight, "weight_effective", view.weight_milli / 1000.0, "share",
	                 sum_milli > 0 ? (double)view.weight_milli / (double)sum_milli : 0.0,
	                 "factors", view_factors(&view), "latency_seconds",
	                 seconds_of_us(view.latency_us), "probes", view_probes(daemon, p, backend));
	if (json == NULL)
		return NULL;
	json_object_set_new(json, "overrides", view_overrides(daemon, p->name, be->name));
	json_object_set_new(json, "latency", sl_view_latency(daemon, be->id));
	json_object_set_new(json, "steer", sl_view_steer(daemon, backend));
	add_backend_counters(daemon, json, be->id, p->forward == SL_FORWARD_FULLNAT);
	return json;
}

json_t *sl_view_backend(struct sl_daemon *daemon, uint32_t pool, uint32_t backend)
{
	const struct sl_model_pool *p = &daemon->model->pools[pool];
	json_t *json = view_backend(daemon, pool, backend, pool_weight_milli(daemon, p));

	if (json != NULL)
		json_object_set_new(json, "weight_changes",
		                    sl_view_weight_changes(daemon, backend));
	return json;
}

json_t *sl_view_pool(struct sl_daemon *daemon, uint32_t pool, bool with_backends)
{
	const struct sl_model_pool *p = &daemon->model->pools[pool];
	const uint64_t sum_milli = pool_weight_milli(daemon, p);
	struct sl_state_counts counts;
	json_t *json, *list;

	sl_view_count_states(daemon, pool, &counts);
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:i, s:i}", "name", p->name,
	                 "forward", sl_name_of_forward(p->forward), "client_address",
	                 sl_name_of_client_address(p->client_address), "balance",
	                 sl_name_of_balance(p->balance), "adaptive",
	                 sl_name_of_adaptive(p->adaptive), "epoch", integer(daemon->publish.epoch),
	                 "in_panic", (int)counts.in_panic, "backends_total", (int)counts.n_backends,
	                 "backends_up", (int)counts.n_up);
	if (json != NULL)
		json_object_set_new(json, "steer", sl_view_pool_steer(daemon, pool));
	if (!with_backends || json == NULL)
		return json;
	list = json_array();
	for (uint32_t i = 0; i < p->n_backends; i++)
		json_array_append_new(list,
		                      view_backend(daemon, pool, p->first_backend + i, sum_milli));
	json_object_set_new(json, "backends", list);
	return json;
}

json_t *sl_view_pools(struct sl_daemon *daemon)
{
	json_t *items = json_array();

	for (uint32_t p = 0; daemon->model != NULL && p < daemon->model->n_pools; p++)
		json_array_append_new(items, sl_view_pool(daemon, p, false));
	return json_pack("{s:o}", "items", items);
}

static json_t *view_ports(const struct sl_model *model, const struct sl_model_vip *vip)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < vip->n_ranges; i++) {
		char text[SL_ADDRESS_BYTES];

		sl_name_of_ports(&model->ranges[vip->first_range + i], text);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *view_vip(struct sl_daemon *daemon, const struct sl_model_vip *vip)
{
	const struct sl_model *model = daemon->model;
	struct sl_vip_totals totals;
	char address[SL_ADDRESS_BYTES];
	double rate_per_s;

	sl_stats_reader_vip(daemon->stats, vip->id, &totals, &rate_per_s);
	return json_pack(
		"{s:s, s:s, s:o, s:s, s:s, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, "
		"s:s, s:o, s:o}",
		"name", vip->name, "address", sl_name_of_ip(&vip->address, address), "ports",
		view_ports(model, vip), "protocol", sl_name_of_proto(vip->proto), "pool",
		model->pools[vip->pool].name, "flows_new_total", integer(totals.flows_new),
		"new_flows_per_second", rate_per_s, "rx_packets_total", integer(totals.c2s_pkts),
		"rx_bytes_total", integer(totals.c2s_bytes), "tx_packets_total",
		integer(totals.s2c_pkts), "tx_bytes_total", integer(totals.s2c_bytes),
		"refused_total", integer(totals.refused), "flows", integer(totals.flows),
		"denied_total", integer(totals.denied), "stateless_packets_total",
		integer(totals.stateless_pkts), "affinity", sl_name_of_affinity(vip->affinity),
		"syn_cookies", sl_name_of_syn_cookies(vip->syn_cookies), "syn_cookies_sent_total",
		integer(totals.cookies_sent), "syn_cookies_good_total",
		integer(totals.cookies_good));
}

json_t *sl_view_vips(struct sl_daemon *daemon)
{
	json_t *items = json_array();

	for (uint32_t v = 0; daemon->model != NULL && v < daemon->model->n_vips; v++)
		json_array_append_new(items, view_vip(daemon, &daemon->model->vips[v]));
	return json_pack("{s:o}", "items", items);
}

static json_t *view_persistence(const struct sl_stats_summary *summary)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o}", "followed_total", integer(summary->persist_followed),
		"repicked_total", integer(summary->persist_repicked), "clients_total",
		integer(summary->persist_made), "evicted_total", integer(summary->persist_evicted));
}

json_t *sl_view_flow_count(struct sl_daemon *daemon)
{
	const struct sl_model *model = daemon->model;
	struct sl_stats_summary summary;
	json_t *list = json_array();

	sl_stats_reader_summary(daemon->stats, uv_hrtime(), &summary);
	for (uint32_t p = 0; model != NULL && p < model->n_pools; p++) {
		for (uint32_t i = 0; i < model->pools[p].n_backends; i++) {
			const uint32_t b = model->pools[p].first_backend + i;
			struct sl_backend_totals totals;
			double rate_per_s;

			sl_stats_reader_backend(daemon->stats, model->backends[b].id, &totals,
			                        &rate_per_s);
			json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "pool",
			                                      model->pools[p].name, "backend",
			                                      model->backends[b].name, "flows",
			                                      integer(totals.flows_active)));
		}
	}
	return json_pack("{s:b, s:o, s:o, s:o, s:o}", "connected",
	                 (int)daemon->publish.is_connected, "total", integer(summary.flows),
	                 "capacity", integer(summary.flow_capacity), "by_backend", list,
	                 "persistence", view_persistence(&summary));
}

static json_t *lines_of(const char *text)
{
	json_t *list = json_array();

	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "\n");

		json_array_append_new(list, json_stringn(text, n));
		text += n;
		text += *text == '\n';
	}
	return list;
}

json_t *sl_view_apply(const struct sl_apply_result *result)
{
	json_t *warnings = json_array();

	if (result->warning != NULL)
		json_array_append_new(warnings, json_string(result->warning));
	if (result->own_file != NULL)
		json_array_append_new(
			warnings, json_sprintf("the next start, SIGHUP or plain apply of control "
		                               "reads %s, not this file",
		                               result->own_file));
	if (result->report != NULL)
		json_array_append_new(warnings, sl_view_text(result->report));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "generation", integer(result->generation),
	                 "epoch", integer(result->epoch), "epoch_acked",
	                 integer(result->epoch_acked), "changes",
	                 lines_of(result->diff->lines.data), "warnings", warnings);
}
