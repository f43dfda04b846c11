// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <stdlib.h>

#include "assess.h"
#include "sluice/units.h"

#define TOP_HOSTS 8
#define TOP_PAIRS 8
#define PAIRS     4096

const char *assess_bytes(uint64_t n, char text[24])
{
	static const char units[][3] = {"B", "kB", "MB", "GB", "TB"};
	double value = (double)n;
	int i = 0;

	for (; value >= 999.5 && i < 4; i++)
		value /= 1000;
	snprintf(text, 24, value >= 99.5 || i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
	return text;
}

void sl_assess_print_json(const struct sl_assess *a, FILE *out)
{
	for (size_t i = 0; i < a->n_flows; i++) {
		const struct assess_flow *flow = a->flows[i];
		const struct sl_features *f = &flow->features;
		char src[48], dst[48];

		fprintf(out,
		        "{\"src\": \"%s\", \"sport\": %u, \"dst\": \"%s\", \"dport\": %u, "
		        "\"proto\": %u, "
		        "\"packets\": %llu, \"bytes\": %llu, \"class\": \"%s\", \"kind\": \"%s\", "
		        "\"confidence\": %.2f, \"decided_at_packet\": ",
		        assess_ip(&flow->tuple.src, src), ntohs(flow->tuple.sport_be),
		        assess_ip(&flow->tuple.dst, dst), ntohs(flow->tuple.dport_be),
		        flow->tuple.proto, (unsigned long long)flow->n_pkts,
		        (unsigned long long)flow->n_bytes, sl_class_word(sl_class_of(f->kind)),
		        sl_kind_word(f->kind), f->confidence_pct / 100.0);
		if (flow->decided_at > 0)
			fprintf(out, "%llu, \"decided_at_answer\": %u, ",
			        (unsigned long long)flow->decided_at, flow->decided_answer);
		else
			fprintf(out, "null, \"decided_at_answer\": null, ");
		fprintf(out, "\"flips\": %u}\n", f->flips);
	}
}

// --- for people ---

struct share {
	uint64_t flows, pkts, bytes;
};

static void print_share(FILE *out, const char *name, const char *kind, const struct share *s,
                        uint64_t all_bytes)
{
	char bytes[24];

	fprintf(out, "  %-10s %-11s %8llu flows %10llu packets %9s %5.1f %%\n", name, kind,
	        (unsigned long long)s->flows, (unsigned long long)s->pkts,
	        assess_bytes(s->bytes, bytes),
	        all_bytes > 0 ? 100.0 * (double)s->bytes / (double)all_bytes : 0.0);
}

static void print_mix(const struct sl_assess *a, FILE *out)
{
	struct share classes[SL_CLASS_COUNT] = {0}, kinds[SL_KIND_COUNT] = {0};
	uint64_t all_bytes = 0, n_unsure = 0;

	for (size_t i = 0; i < a->n_flows; i++) {
		const struct assess_flow *flow = a->flows[i];
		struct share *both[2] = {&kinds[flow->features.kind],
		                         &classes[sl_class_of(flow->features.kind)]};

		for (int j = 0; j < 2; j++) {
			both[j]->flows++;
			both[j]->pkts += flow->n_pkts;
			both[j]->bytes += flow->n_bytes;
		}
		all_bytes += flow->n_bytes;
		n_unsure += flow->features.confidence_pct == 0;
	}
	fprintf(out, "mix\n");
	for (unsigned int c = 0; c < SL_CLASS_COUNT; c++) {
		if (classes[c].flows == 0)
			continue;
		print_share(out, sl_class_word(c), "", &classes[c], all_bytes);
		for (unsigned int k = 0; k < SL_KIND_COUNT; k++)
			if (sl_class_of(k) == (enum sl_class)c && kinds[k].flows > 0)
				print_share(out, "", sl_kind_word(k), &kinds[k], all_bytes);
	}
	if (n_unsure > 0)
		fprintf(out, "  %llu flows were too short to tell and count as general\n",
		        (unsigned long long)n_unsure);
	if (kinds[SL_KIND_RDMA].flows > 0)
		fprintf(out,
		        "  RoCEv2 is here: keep it off the balancer, or let it pass as it is\n");
	if (classes[SL_CLASS_INFERENCE].flows > 0 &&
	    classes[SL_CLASS_TRAINING].bytes > all_bytes / 2)
		fprintf(out, "  training fills the link that inference answers on: give them "
		             "queues, or links, of their own\n");
}

static int compare_pairs(const void *left, const void *right)
{
	const struct assess_pair *a = *(struct assess_pair *const *)left;
	const struct assess_pair *b = *(struct assess_pair *const *)right;

	return (a->n_bytes < b->n_bytes) - (a->n_bytes > b->n_bytes);
}

static void print_periods(const struct sl_assess *a, FILE *out)
{
	struct assess_pair *found[PAIRS];
	size_t n = 0;

	for (size_t i = 0; i < PAIRS; i++)
		for (struct assess_pair *pair = a->pairs[i]; pair != NULL && n < PAIRS;
		     pair = pair->next)
			if (pair->period_us > 0)
				found[n++] = pair;
	fprintf(out, "periodic bursts\n");
	if (n == 0)
		fprintf(out, "  none\n");
	qsort(found, n, sizeof(*found), compare_pairs);
	for (size_t i = 0; i < n && i < TOP_PAIRS; i++) {
		char one[48], other[48], bytes[24];

		fprintf(out, "  %s and %s: every %.0f ms, %s in all\n",
		        assess_ip(&found[i]->a, one), assess_ip(&found[i]->b, other),
		        found[i]->period_us / 1000.0, assess_bytes(found[i]->n_bytes, bytes));
	}
}

static int compare_samples(const void *left, const void *right)
{
	const struct assess_sample *a = left, *b = right;

	return (a->us > b->us) - (a->us < b->us);
}

static double quantile_ms(const struct assess_samples *s, double share)
{
	uint64_t all = 0, sum = 0;

	for (size_t i = 0; i < s->n; i++)
		all += s->rows[i].weight;
	for (size_t i = 0; i < s->n; i++) {
		sum += s->rows[i].weight;
		if ((double)sum >= share * (double)all)
			return s->rows[i].us / 1000.0;
	}
	return 0;
}

static void print_samples(FILE *out, const char *name, struct assess_samples *s)
{
	if (s->n == 0)
		return;
	qsort(s->rows, s->n, sizeof(*s->rows), compare_samples);
	fprintf(out, "  %-20s p50 %8.1f ms   p90 %8.1f ms   p99 %8.1f ms   (%zu)\n", name,
	        quantile_ms(s, 0.5), quantile_ms(s, 0.9), quantile_ms(s, 0.99), s->n);
}

static void add_all(struct assess_samples *to, const struct assess_samples *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (assess_add_sample(to, from->rows[i].us, from->rows[i].weight) != 0)
			return; // fewer samples are still samples
}

static void print_latency(const struct sl_assess *a, FILE *out)
{
	struct assess_samples ttft = {0}, tpot = {0}, unary = {0};

	for (size_t i = 0; i < a->n_flows; i++) {
		const struct assess_flow *flow = a->flows[i];

		if (flow->features.kind == SL_KIND_UNARY)
			add_all(&unary, &flow->ttft);
		if (flow->features.kind != SL_KIND_STREAM)
			continue;
		add_all(&ttft, &flow->ttft);
		add_all(&tpot, &flow->tpot);
	}
	fprintf(out, "latency of inference\n");
	if (ttft.n + unary.n == 0)
		fprintf(out, "  none seen\n");
	print_samples(out, "time to first token", &ttft);
	print_samples(out, "time per token", &tpot);
	print_samples(out, "answer (unary)", &unary);
	free(ttft.rows);
	free(tpot.rows);
	free(unary.rows);
}

struct host {
	struct sl_ip ip;
	uint64_t n_bytes;
};

static int compare_ips(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct sl_ip));
}

static int compare_hosts(const void *left, const void *right)
{
	const struct host *a = left, *b = right;

	if (a->n_bytes != b->n_bytes)
		return a->n_bytes < b->n_bytes ? 1 : -1;
	return compare_ips(a, b);
}

static void print_talkers(const struct sl_assess *a, FILE *out)
{
	struct host *hosts = calloc(2 * a->n_flows + 1, sizeof(*hosts));
	size_t n = 0;

	if (hosts == NULL)
		return;
	for (size_t i = 0; i < a->n_flows; i++) {
		hosts[2 * i] = (struct host){a->flows[i]->tuple.src, a->flows[i]->n_bytes};
		hosts[2 * i + 1] = (struct host){a->flows[i]->tuple.dst, a->flows[i]->n_bytes};
	}
	qsort(hosts, 2 * a->n_flows, sizeof(*hosts), compare_ips);
	for (size_t i = 0; i < 2 * a->n_flows; i++) {
		if (n > 0 && sl_ip_equal(&hosts[n - 1].ip, &hosts[i].ip))
			hosts[n - 1].n_bytes += hosts[i].n_bytes;
		else
			hosts[n++] = hosts[i];
	}
	qsort(hosts, n, sizeof(*hosts), compare_hosts);
	fprintf(out, "top talkers\n");
	for (size_t i = 0; i < n && i < TOP_HOSTS; i++) {
		char ip[48], bytes[24];

		fprintf(out, "  %-40s %9s\n", assess_ip(&hosts[i].ip, ip),
		        assess_bytes(hosts[i].n_bytes, bytes));
	}
	free(hosts);
}

void sl_assess_print_text(const struct sl_assess *a, FILE *out)
{
	char bytes[24];

	fprintf(out, "%llu packets, %s, %.1f s, %zu flows%s\n", (unsigned long long)a->n_pkts,
	        assess_bytes(a->n_bytes, bytes),
	        a->n_pkts > 0 ? (double)(a->last_ns - a->first_ns) / (double)SL_NS_PER_S : 0.0,
	        a->n_flows, a->hides_ports ? ", told by behaviour alone" : "");
	if (a->n_skipped > 0)
		fprintf(out, "%llu packets are neither TCP nor UDP, or parts, or broken\n",
		        (unsigned long long)a->n_skipped);
	print_mix(a, out);
	print_periods(a, out);
	print_latency(a, out);
	print_talkers(a, out);
}
