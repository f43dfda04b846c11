// SPDX-License-Identifier: Apache-2.0
// Names in configurations are of [A-Za-z0-9._-], so they stand in JSON as they are.
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sluice/units.h"

struct name {
	uint64_t id;
	const char *pool, *text; // borrowed from the model; pool "" for a VIP
};

struct sl_replay_names {
	const struct sl_dpconfig *config;
	struct name *names; // owned, sorted by id
	size_t n_names;
};

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

struct sl_replay_names *sl_replay_names_new(const struct sl_model *model,
                                            const struct sl_dpconfig *config)
{
	struct sl_replay_names *names = calloc(1, sizeof(*names));

	if (names == NULL)
		return NULL;
	names->config = config;
	names->names = calloc((size_t)model->n_backends + model->n_vips + 1, sizeof(struct name));
	if (names->names == NULL) {
		free(names);
		return NULL;
	}
	for (uint32_t v = 0; v < model->n_vips; v++)
		names->names[names->n_names++] =
			(struct name){model->vips[v].id, "", model->vips[v].name};
	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];

		for (uint32_t b = 0; b < pool->n_backends; b++) {
			const struct sl_model_backend *be =
				&model->backends[pool->first_backend + b];

			names->names[names->n_names++] =
				(struct name){be->id, pool->name, be->name};
		}
	}
	qsort(names->names, names->n_names, sizeof(struct name), compare_names);
	return names;
}

void sl_replay_names_free(struct sl_replay_names *names)
{
	if (names == NULL)
		return;
	free(names->names);
	free(names);
}

static void print_name(FILE *out, const struct sl_replay_names *names, uint64_t id)
{
	struct name key = {.id = id};
	const struct name *found =
		bsearch(&key, names->names, names->n_names, sizeof(key), compare_names);

	if (id == 0 || found == NULL)
		fputs("null", out);
	else if (found->pool[0] == '\0')
		fprintf(out, "\"%s\"", found->text);
	else
		fprintf(out, "\"%s/%s\"", found->pool, found->text);
}

static void print_port(FILE *out, const struct sl_replay_names *names, uint16_t port)
{
	if (port == SL_REPLAY_NO_PORT)
		fputs("null", out);
	else
		fprintf(out, "\"%s\"", names->config->ports[port].name);
}

static const char *verdict_name(const struct sl_replay_record *record)
{
	static const char *const verdicts[] = {"sent", "kernel", "dropped", "held"};

	return record->n == 0 ? "generated" : verdicts[record->end];
}

static const char *reason_name(const struct sl_replay_record *record)
{
	if (record->end == SL_REPLAY_DROPPED)
		return sl_drop_name(record->drop);
	if (record->end == SL_REPLAY_HELD || record->has_waited)
		return "neighbour";
	return NULL;
}

void sl_replay_print_line(FILE *out, const struct sl_replay_names *names,
                          const struct sl_replay_record *record)
{
	const char *reason = reason_name(record);

	if (record->n != 0)
		fprintf(out, "{\"n\":%" PRIu64, record->n);
	else
		fputs("{\"n\":null", out);
	fprintf(out, ",\"t\":%" PRIu64 ".%09" PRIu64 ",\"in_port\":", record->t_ns / SL_NS_PER_S,
	        record->t_ns % SL_NS_PER_S);
	print_port(out, names, record->in_port);
	fprintf(out, ",\"verdict\":\"%s\",\"reason\":", verdict_name(record));
	if (reason != NULL)
		fprintf(out, "\"%s\"", reason);
	else
		fputs("null", out);
	fputs(",\"out_port\":", out);
	print_port(out, names, record->out_port);
	fputs(",\"backend\":", out);
	print_name(out, names, record->backend_id);
	fputs(",\"vip\":", out);
	print_name(out, names, record->vip_id);
	fputs("}\n", out);
}

void sl_replay_print_summary(FILE *out, const struct sl_replay_counts *c, uint64_t n_cut)
{
	fprintf(out,
	        "%" PRIu64 " packets in, %" PRIu64 " out: %" PRIu64 " sent, %" PRIu64
	        " generated (ARP, ND)\n",
	        c->in_pkts, c->out_pkts, c->ends[SL_REPLAY_SENT], c->generated_pkts);
	fprintf(out, "  %-24s %12" PRIu64 "\n", "kernel", c->ends[SL_REPLAY_KERNEL]);
	fprintf(out, "  %-24s %12" PRIu64 "\n", "held", c->ends[SL_REPLAY_HELD]);
	fprintf(out, "  %-24s %12" PRIu64 "\n", "dropped", c->ends[SL_REPLAY_DROPPED]);
	for (uint32_t i = 0; i < SL_DROP_COUNT; i++) {
		if (c->drops[i] != 0)
			fprintf(out, "    dropped:%-14s %12" PRIu64 "  %s\n", sl_drop_name(i),
			        c->drops[i], sl_drop_help(i));
	}
	fprintf(out, "flows: %" PRIu64 " made, %" PRIu64 " evicted, %" PRIu64 " left\n",
	        c->flows_new, c->flows_evicted, c->flows);
	if (n_cut != 0)
		fprintf(out,
		        "%" PRIu64 " packets are cut short by the capture: record whole ones "
		        "(tcpdump -s 0)\n",
		        n_cut);
}
