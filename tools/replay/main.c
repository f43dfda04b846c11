// SPDX-License-Identifier: Apache-2.0
// sluice-replay: read two files and a capture, write a capture and verdicts. README.md.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture.h"
#include "config.h"
#include "options.h"
#include "report.h"
#include "route.h"
#include "wirebuild.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INVALID = 3 };

struct session {
	struct sl_replay_options options;
	struct sl_model *model;
	struct sl_dpconfig config;
	struct sl_route_table routes; // which port a source is behind
	uint8_t macs[SL_MAX_PORTS][6];
	uint16_t in_port; // of --in-port, or SL_REPLAY_NO_PORT
	struct sl_replay_names *names;
	struct sl_capture *in;
	struct sl_capture_writer *out;
	FILE *json;
	struct sl_replay *replay;
	uint64_t n_cut;
};

static char *read_text(const char *path, size_t *n_bytes)
{
	struct sl_diagnostics diag;
	char *text = sl_config_read_file(path, n_bytes, &diag);

	if (text == NULL && diag.text != NULL)
		fputs(diag.text, stderr);
	sl_diagnostics_fini(&diag);
	return text;
}

static bool read_configs(struct session *s)
{
	struct sl_diagnostics diag;
	size_t n_bytes;
	char *text = read_text(s->options.pools, &n_bytes);
	int err;

	if (text == NULL)
		return false;
	s->model = sl_config_parse_pools(s->options.pools, text, n_bytes, &diag);
	free(text);
	if (diag.text != NULL)
		fputs(diag.text, stderr);
	sl_diagnostics_fini(&diag);
	text = read_text(s->options.dataplane, &n_bytes);
	if (s->model == NULL || text == NULL) {
		free(text);
		return false;
	}
	err = sl_config_parse_dataplane(s->options.dataplane, text, n_bytes, &s->config, &diag);
	free(text);
	if (diag.text != NULL)
		fputs(diag.text, stderr);
	sl_diagnostics_fini(&diag);
	return err == 0;
}

static uint16_t port_by_name(const struct session *s, const char *name, size_t n_bytes)
{
	for (uint32_t p = 0; p < s->config.n_ports; p++) {
		if (strlen(s->config.ports[p].name) == n_bytes &&
		    memcmp(s->config.ports[p].name, name, n_bytes) == 0)
			return (uint16_t)p;
	}
	fprintf(stderr, "sluice-replay: there is no port \"%.*s\"\n  next: the names are in %s\n",
	        (int)n_bytes, name, s->options.dataplane);
	return SL_REPLAY_NO_PORT;
}

// Packets come from devices; which VLAN they are of is in their tag.
static uint16_t device_of(const struct session *s, uint16_t port)
{
	const struct sl_dp_port *config = &s->config.ports[port];

	return config->vlan_id != 0 ? config->parent : port;
}

static bool resolve_ports(struct session *s)
{
	uint32_t bad;

	for (uint32_t p = 0; p < s->config.n_ports; p++) {
		static const uint8_t first[6] = {0x02, 0x53, 0x4c}; // local, "SL"

		memcpy(s->macs[p], first, 6);
		s->macs[p][5] = (uint8_t)p;
	}
	for (uint32_t i = 0; i < s->options.n_macs; i++) {
		const struct option_mac *mac = &s->options.macs[i];
		uint16_t port = port_by_name(s, mac->port_name, mac->name_bytes);

		if (port == SL_REPLAY_NO_PORT)
			return false;
		memcpy(s->macs[port], mac->mac, 6);
	}
	for (uint32_t p = 0; p < s->config.n_ports; p++) { // VLANs have their device's
		if (s->config.ports[p].vlan_id != 0)
			memcpy(s->macs[p], s->macs[s->config.ports[p].parent], 6);
	}
	s->in_port = SL_REPLAY_NO_PORT;
	if (s->options.in_port != NULL) {
		s->in_port = port_by_name(s, s->options.in_port, strlen(s->options.in_port));
		if (s->in_port == SL_REPLAY_NO_PORT)
			return false;
		s->in_port = device_of(s, s->in_port);
	}
	return sl_route_build(&s->routes, &s->config, &bad) == 0;
}

// The source of an ARP, IPv4 or IPv6 packet without tags; enough to tell ports apart.
static bool source_of(const struct sl_captured *packet, struct sl_ip *ip)
{
	uint32_t type = packet->n_bytes >= 54
	                        ? (uint32_t)packet->frame[12] << 8 | packet->frame[13]
	                        : 0; // 54: Ethernet and the longest of the three headers
	uint32_t v4_be;

	switch (type) {
	case 0x0800:
		memcpy(&v4_be, packet->frame + 14 + 12, 4);
		*ip = sl_ip_from_v4(v4_be);
		return true;
	case 0x0806:
		memcpy(&v4_be, packet->frame + 14 + 14, 4);
		*ip = sl_ip_from_v4(v4_be);
		return true;
	case 0x86dd:
		memcpy(ip->bytes, packet->frame + 14 + 8, 16);
		return true;
	default:
		return false;
	}
}

static uint16_t port_of(const struct session *s, const struct sl_captured *packet)
{
	const struct sl_route *route;
	struct sl_ip source, hop;

	if (s->in_port != SL_REPLAY_NO_PORT)
		return s->in_port;
	for (uint32_t p = 0; p < s->config.n_ports && packet->n_bytes >= 6; p++) {
		if (memcmp(packet->frame, s->macs[p], 6) == 0)
			return (uint16_t)p;
	}
	if (!source_of(packet, &source))
		return 0;
	route = sl_route_find(&s->routes, &source, &hop);
	return route != NULL ? device_of(s, route->port) : 0;
}

static void told(void *ctx, const struct sl_replay_record *record, const uint8_t *frame,
                 uint32_t n_bytes)
{
	struct session *s = ctx;

	if (s->out != NULL && frame != NULL)
		sl_capture_put(s->out, frame, n_bytes, record->left_ns);
	if (s->json != NULL)
		sl_replay_print_line(s->json, s->names, record);
}

static bool apply_pools(struct session *s, char *reason)
{
	uint32_t *weights_milli = calloc((size_t)s->model->n_backends + 1, sizeof(uint32_t));
	size_t n_bytes;
	void *body;
	enum sl_ipc_status status;

	if (weights_milli == NULL)
		return false;
	for (uint32_t b = 0; b < s->model->n_backends; b++) {
		const struct sl_model_backend *be = &s->model->backends[b];

		if (be->state == SL_ADMIN_READY)
			weights_milli[b] = be->weight * SL_WEIGHT_ONE_MILLI;
	}
	body = sl_wirebuild_config(s->model, weights_milli, 1, 1, &n_bytes);
	free(weights_milli);
	if (body == NULL)
		return false;
	status = sl_replay_apply(s->replay, body, n_bytes, reason);
	free(body);
	return status == SL_IPC_OK;
}

static bool start(struct session *s, uint64_t start_ns)
{
	char reason[SL_REPLAY_REASON_BYTES] = "out of memory";
	struct sl_replay_params params = {
		.config = &s->config,
		.macs = (const uint8_t(*)[6])s->macs,
		.kernel = s->options.kernel,
		.n_kernel = s->options.n_kernel,
		.headroom_bytes = SL_CAPTURE_HEADROOM_BYTES,
		.seed = s->options.seed,
		.start_ns = start_ns,
		.told = told,
		.told_ctx = s,
	};

	s->names = sl_replay_names_new(s->model, &s->config);
	s->replay = s->names != NULL ? sl_replay_new(&params, reason) : NULL;
	for (uint32_t i = 0; s->replay != NULL && i < s->options.n_neighs; i++) {
		const struct option_neigh *neigh = &s->options.neighs[i];

		if (sl_replay_add_neighbour(s->replay, &neigh->ip, neigh->mac) != 0) {
			snprintf(reason, sizeof(reason), "--neigh %u is in no network of a port",
			         i + 1);
			fprintf(stderr, "sluice-replay: %s\n", reason);
			return false;
		}
	}
	if (s->replay == NULL || !apply_pools(s, reason)) {
		fprintf(stderr, "sluice-replay: %s\n", reason);
		return false;
	}
	return true;
}

// 0 or -EIO.
static int replay_all(struct session *s)
{
	struct sl_captured packet;
	int got;

	while ((got = sl_capture_next(s->in, &packet)) == 1) {
		if (s->replay == NULL && !start(s, packet.t_ns))
			return -EIO;
		s->n_cut += packet.is_cut;
		sl_replay_packet(s->replay, packet.frame, packet.n_bytes, port_of(s, &packet),
		                 packet.t_ns);
	}
	if (got == 0 && s->replay == NULL && !start(s, 0)) // an empty capture
		return -EIO;
	if (s->replay != NULL)
		sl_replay_finish(s->replay);
	return got;
}

static bool open_files(struct session *s)
{
	s->in = sl_capture_open(s->options.in);
	if (s->in == NULL)
		return false;
	if (s->options.json != NULL) {
		s->json = strcmp(s->options.json, "-") == 0 ? stdout : fopen(s->options.json, "w");
		if (s->json == NULL) {
			fprintf(stderr, "sluice-replay: %s: %s\n", s->options.json,
			        strerror(errno));
			return false;
		}
	}
	if (s->options.out != NULL)
		s->out = sl_capture_create(s->options.out);
	return s->options.out == NULL || s->out != NULL;
}

static int run(struct session *s)
{
	struct sl_replay_counts counts;
	bool is_good;

	if (!read_configs(s) || !resolve_ports(s))
		return EXIT_INVALID;
	if (!open_files(s))
		return EXIT_FAILED;
	is_good = replay_all(s) == 0;
	if (s->replay != NULL) {
		counts = sl_replay_counts(s->replay);
		sl_replay_print_summary(s->json == stdout ? stderr : stdout, &counts, s->n_cut);
		if (!sl_replay_is_sound(s->replay)) {
			fprintf(stderr, "sluice-replay: the counts do not add up: please report "
			                "this with the capture\n");
			is_good = false;
		}
	}
	if (sl_capture_finish(s->out) != 0)
		is_good = false;
	if (s->json != NULL && fflush(s->json) != 0) {
		fprintf(stderr, "sluice-replay: %s: %s\n", s->options.json, strerror(errno));
		is_good = false;
	}
	return is_good ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct session *s = calloc(1, sizeof(*s));
	int status = EXIT_USAGE;

	if (s == NULL)
		return EXIT_FAILED;
	if (sl_replay_options_parse(&s->options, argc, argv) == 0) {
		status = EXIT_OK;
		if (s->options.wants_help)
			fputs(sl_replay_usage, stdout);
		else
			status = run(s);
	}
	if (s->json != NULL && s->json != stdout)
		fclose(s->json);
	if (s->in != NULL)
		sl_capture_close(s->in);
	sl_replay_free(s->replay);
	sl_replay_names_free(s->names);
	sl_model_free(s->model);
	free(s);
	return status;
}
