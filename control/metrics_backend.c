// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"
#include "names.h"

// One pass over the backends fills these; each family then walks the rows.
struct row {
	const char *pool;
	const char *name;
	const struct sl_model_backend *backend;
	struct sl_backend_view view;
	struct sl_backend_totals totals;
};

struct family {
	const char *name;
	const char *help;
	enum sl_metric_type type;
	double (*number)(const struct row *row);
	size_t offset; // in struct sl_backend_totals, when there is no number
};

static double is_up(const struct row *row)
{
	return row->view.state == SL_BACKEND_UP || row->view.state == SL_BACKEND_SLOW_START;
}

static double weight_configured(const struct row *row)
{
	return row->backend->weight;
}

static double weight_effective(const struct row *row)
{
	return row->view.weight_milli / 1000.0;
}

static double latency_s(const struct row *row)
{
	return (double)row->view.latency_us / 1e6;
}

#define TOTAL(field) NULL, offsetof(struct sl_backend_totals, field)

static const struct family families[] = {
	{"backend_up", "1 when probes say it is up.", SL_METRIC_GAUGE, is_up, 0},
	{"backend_weight_configured", "Weight in the file.", SL_METRIC_GAUGE, weight_configured, 0},
	{"backend_weight_effective", "Weight in use.", SL_METRIC_GAUGE, weight_effective, 0},
	{"backend_latency_seconds", "Smoothed latency; 0 when unknown.", SL_METRIC_GAUGE, latency_s,
         0},
	{"backend_flows", "Flows now.", SL_METRIC_GAUGE, TOTAL(flows_active)},
	{"backend_new_flows_total", "Flows created.", SL_METRIC_COUNTER, TOTAL(flows_new)},
	{"backend_rx_packets_total", "Packets from clients.", SL_METRIC_COUNTER, TOTAL(c2s_pkts)},
	{"backend_rx_bytes_total", "Bytes from clients.", SL_METRIC_COUNTER, TOTAL(c2s_bytes)},
	{"backend_tx_packets_total", "Packets to clients; 0 under DSR.", SL_METRIC_COUNTER,
         TOTAL(s2c_pkts)},
	{"backend_tx_bytes_total", "Bytes to clients; 0 under DSR.", SL_METRIC_COUNTER,
         TOTAL(s2c_bytes)},
	{"backend_refused_flows_total", "Connection attempts it answered with a reset.",
         SL_METRIC_COUNTER, TOTAL(refused)},
	{"backend_local_ports_free", "Local ports left for new flows; counts under fullnat.",
         SL_METRIC_GAUGE, TOTAL(ports_free)},
	{"backend_local_ports_free_low", "The least that were left so far.", SL_METRIC_GAUGE,
         TOTAL(ports_free_low)},
	{"backend_resets_total", "Established flows it reset.", SL_METRIC_COUNTER, TOTAL(resets)},
};

static void read_row(struct sl_daemon *daemon, uint32_t pool, uint32_t backend, struct row *row)
{
	double rate_per_s;

	*row = (struct row){.pool = daemon->model->pools[pool].name,
	                    .name = daemon->model->backends[backend].name,
	                    .backend = &daemon->model->backends[backend]};
	sl_fleet_view(daemon->fleet, backend, &row->view);
	sl_stats_reader_backend(daemon->stats, row->backend->id, &row->totals, &rate_per_s);
}

typedef void (*add_row_fn)(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                           const void *arg);

static void each_row(struct sl_text *text, struct sl_daemon *daemon, const void *arg,
                     add_row_fn add)
{
	for (uint32_t p = 0; p < daemon->model->n_pools; p++) {
		const struct sl_model_pool *pool = &daemon->model->pools[p];

		for (uint32_t i = 0; i < pool->n_backends; i++) {
			struct row row;

			read_row(daemon, p, pool->first_backend + i, &row);
			add(text, daemon, &row, arg);
		}
	}
}

static void add_sample(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                       const void *arg)
{
	const struct sl_label labels[] = {{"pool", row->pool}, {"backend", row->name}, {0}};
	const struct family *family = arg;
	uint64_t value;

	(void)daemon;
	if (family->number != NULL) {
		sl_metrics_number(text, family->name, labels, family->number(row));
		return;
	}
	memcpy(&value, (const char *)&row->totals + family->offset, sizeof(value));
	sl_metrics_count(text, family->name, labels, value);
}

static void add_info(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                     const void *arg)
{
	char address[SL_ADDRESS_BYTES];
	const struct sl_label labels[] = {
		{"pool", row->pool},
		{"backend", row->name},
		{"address",
	         sl_name_of_endpoint(&row->backend->address, row->backend->port, address)},
		{0}};

	(void)daemon;
	(void)arg;
	sl_metrics_count(text, "backend_info", labels, 1);
}

static void add_state(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                      const void *arg)
{
	(void)daemon;
	(void)arg;
	for (uint32_t s = 0; s <= SL_BACKEND_MAINT; s++) {
		const struct sl_label labels[] = {{"pool", row->pool},
		                                  {"backend", row->name},
		                                  {"state", sl_backend_state_name(s)},
		                                  {0}};

		sl_metrics_count(text, "backend_state", labels, row->view.state == s);
	}
}

static void add_factors(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                        const void *arg)
{
	const struct {
		const char *name;
		double value;
	} factors[] = {{"slow_start", row->view.slow_start_milli / 1000.0},
	               {"latency", row->view.latency_factor_milli / 1000.0},
	               {"guard", row->view.guard_milli / 1000.0}};

	(void)daemon;
	(void)arg;
	for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++) {
		const struct sl_label labels[] = {{"pool", row->pool},
		                                  {"backend", row->name},
		                                  {"factor", factors[f].name},
		                                  {0}};

		sl_metrics_number(text, "backend_weight_factor", labels, factors[f].value);
	}
}

// ---- what flows showed ----

struct kind {
	const char *name, *help;
	enum sl_latency_kind kind;
};

static const struct kind kinds[] = {
	{"backend_ttft_seconds", "First byte of a request to the first token of its answer.",
         SL_LATENCY_TTFT},
	{"backend_tpot_seconds", "From token to token, once per token.", SL_LATENCY_TPOT},
	{"backend_connect_seconds", "SYN to SYN-ACK.", SL_LATENCY_CONNECT},
	{"backend_connection_duration_seconds", "SYN to the end of the connection.",
         SL_LATENCY_DURATION},
};

// A backend that was never measured has no series: they are many.
static void add_latency(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                        const void *arg)
{
	const struct sl_label labels[] = {{"pool", row->pool}, {"backend", row->name}, {0}};
	const struct sl_tally *tally =
		sl_latency_reader_tally(sl_stats_reader_latency(daemon->stats), row->backend->id);
	const struct kind *kind = arg;
	struct sl_histogram histogram;

	if (tally == NULL)
		return;
	sl_tally_histogram(tally, kind->kind, &histogram);
	sl_metrics_histogram(text, kind->name, labels, &histogram);
}

static void add_load(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                     const void *arg)
{
	const struct sl_label labels[] = {{"pool", row->pool}, {"backend", row->name}, {0}};
	const struct sl_tally *tally =
		sl_latency_reader_tally(sl_stats_reader_latency(daemon->stats), row->backend->id);

	(void)arg;
	if (tally != NULL)
		sl_metrics_number(text, "backend_load", labels,
		                  tally->load_units / (double)SL_LATENCY_LOAD_UNIT);
}

static void add_guard(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                      const void *arg)
{
	const uint32_t backend = (uint32_t)(row->backend - daemon->model->backends);
	struct sl_steer_view view;

	(void)arg;
	if (!sl_fleet_steer_view(daemon->fleet, backend, &view))
		return;
	for (uint32_t r = SL_GUARD_OK + 1; r < SL_GUARD_REASONS; r++) {
		const struct sl_label labels[] = {{"pool", row->pool},
		                                  {"backend", row->name},
		                                  {"reason", sl_guard_reason_name(r)},
		                                  {0}};

		sl_metrics_count(text, "backend_ejected", labels,
		                 view.guard == SL_GUARD_EJECTED && view.guard_reason == r);
	}
}

static void add_flows_shown(struct sl_text *text, struct sl_daemon *daemon)
{
	sl_metrics_family(text, "backend_load", SL_METRIC_GAUGE,
	                  "What its flows are worth: 1 for one that is answered or waits, an "
	                  "eighth for an idle one, more for bytes asked.");
	each_row(text, daemon, NULL, add_load);
	sl_metrics_family(text, "backend_ejected", SL_METRIC_GAUGE,
	                  "1 while a guard keeps new flows away (shadow: would), by reason.");
	each_row(text, daemon, NULL, add_guard);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		sl_metrics_family(text, kinds[k].name, SL_METRIC_HISTOGRAM, kinds[k].help);
		each_row(text, daemon, &kinds[k], add_latency);
	}
}

// ---- probes ----

enum probe_family { PROBE_RESULTS, PROBE_LAST, PROBE_DURATIONS };

static const struct sl_model_pool *pool_of(const struct sl_daemon *daemon, uint32_t backend)
{
	for (uint32_t p = 0; p < daemon->model->n_pools; p++) {
		const struct sl_model_pool *pool = &daemon->model->pools[p];

		if (backend - pool->first_backend < pool->n_backends)
			return pool;
	}
	return NULL;
}

static void add_probe_results(struct sl_text *text, struct sl_label labels[],
                              const struct sl_probe_view *view)
{
	const char *const results[] = {"ok", "failed"};
	const uint64_t counts[] = {view->n_ok, view->n_failed};

	for (size_t i = 0; i < 2; i++) {
		labels[3] = (struct sl_label){"result", results[i]};
		sl_metrics_count(text, "backend_probe_results_total", labels, counts[i]);
	}
}

static void add_probe_last(struct sl_text *text, struct sl_label labels[],
                           const struct sl_probe_view *view)
{
	const char *const phases[] = {"connect", "first_byte", "total"};
	const uint32_t durations_us[] = {view->last.connect_us, view->last.first_byte_us,
	                                 view->last.total_us};

	for (size_t i = 0; view->last_ns != 0 && i < 3; i++) {
		labels[3] = (struct sl_label){"phase", phases[i]};
		sl_metrics_number(text, "backend_probe_last_duration_seconds", labels,
		                  durations_us[i] / 1e6);
	}
}

static void add_probe_sample(struct sl_text *text, const struct row *row, const char *probe,
                             const struct sl_probe_view *view, enum probe_family family)
{
	struct sl_label labels[] = {
		{"pool", row->pool}, {"backend", row->name}, {"probe", probe}, {0}, {0}};

	if (family == PROBE_RESULTS)
		add_probe_results(text, labels, view);
	else if (family == PROBE_LAST)
		add_probe_last(text, labels, view);
	else if (view->durations != NULL)
		sl_metrics_histogram(text, "backend_probe_duration_seconds", labels,
		                     view->durations);
}

static void add_probes(struct sl_text *text, struct sl_daemon *daemon, const struct row *row,
                       const void *arg)
{
	const uint32_t backend = (uint32_t)(row->backend - daemon->model->backends);
	const struct sl_model_pool *pool = pool_of(daemon, backend);

	for (uint32_t i = 0; pool != NULL && i < pool->n_probes; i++) {
		struct sl_probe_view view;

		sl_fleet_probe_view(daemon->fleet, backend, i, &view);
		add_probe_sample(text, row, daemon->model->probes[pool->first_probe + i].name,
		                 &view, *(const enum probe_family *)arg);
	}
}

void sl_metrics_add_backends(struct sl_text *text, struct sl_daemon *daemon)
{
	if (daemon->model == NULL)
		return;
	sl_metrics_family(text, "backend_info", SL_METRIC_GAUGE, "Where a backend is.");
	each_row(text, daemon, NULL, add_info);
	sl_metrics_family(text, "backend_state", SL_METRIC_GAUGE, "1 for the state it is in.");
	each_row(text, daemon, NULL, add_state);
	sl_metrics_family(text, "backend_weight_factor", SL_METRIC_GAUGE,
	                  "What the configured weight is multiplied with.");
	each_row(text, daemon, NULL, add_factors);
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		sl_metrics_family(text, families[f].name, families[f].type, families[f].help);
		each_row(text, daemon, &families[f], add_sample);
	}
	add_flows_shown(text, daemon);
	sl_metrics_family(text, "backend_probe_results_total", SL_METRIC_COUNTER,
	                  "Probes by result.");
	each_row(text, daemon, &(enum probe_family){PROBE_RESULTS}, add_probes);
	sl_metrics_family(text, "backend_probe_last_duration_seconds", SL_METRIC_GAUGE,
	                  "How long the last probe took, by phase.");
	each_row(text, daemon, &(enum probe_family){PROBE_LAST}, add_probes);
	sl_metrics_family(text, "backend_probe_duration_seconds", SL_METRIC_HISTOGRAM,
	                  "How long probes took, failed ones too.");
	each_row(text, daemon, &(enum probe_family){PROBE_DURATIONS}, add_probes);
}
