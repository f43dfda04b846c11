// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http.h"
#include "commands.h"
#include "options.h"

#define DEFAULT_SLOTS 32
#define JITTER_MILLI  30        // a step of a real engine is never twice the same length
#define KILLED_STATUS (128 + 9) // what a shell reports for SIGKILL
#define SOCKETS_MAX   65536     // descriptors are dense from 0: more than the HTTP library may open

struct settings {
	struct sl_addr listens[SL_SERVER_PORTS];
	size_t n_listens;
	struct sl_addr grpc;
	const char *dsr_vips[SL_SERVER_PORTS];
	size_t n_dsr_vips;
	const char *name;
	struct sl_engine_config engine;
	double slow;
};

void sl_server_schedule(struct sl_server *server)
{
	sl_loop_set_deadline(&server->loop, sl_engine_next_ns(&server->engine));
}

static void step_ended(void *ctx)
{
	struct sl_server *server = ctx;

	sl_engine_run(&server->engine, sl_loop_now_ns());
	sl_server_schedule(server);
}

// Ends like a machine that lost power and whose peers are told so: every socket is reset.
static _Noreturn void die(void)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct rlimit limit;
	int n_fds = SOCKETS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < SOCKETS_MAX)
		n_fds = (int)limit.rlim_cur;
	// Other files than sockets refuse the option, which is what we want.
	for (int fd = 3; fd < n_fds; fd++)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	_exit(KILLED_STATUS);
}

void sl_server_turn_knobs(struct sl_server *server)
{
	const struct sl_knobs *knobs = &server->knobs;

	if (knobs->is_killed)
		die();
	sl_engine_set_slow(&server->engine, knobs->slow);
	sl_engine_set_hidden(&server->engine, knobs->hidden_load);
	server->grpc.is_serving = knobs->fail != SL_KNOBS_FAIL_ALL;
	sl_grpc_set_hung(&server->grpc, knobs->is_hung);
	if (!knobs->is_hung)
		sl_http_release_all(server);
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: sluice-sim server --listen ADDR:PORT.. --name NAME\n"
	        "  [--grpc-listen ADDR:PORT] [--slots 32] [--kv-tokens 120000] [--time-scale 1.0]\n"
	        "  [--slow 1.0] [--seed N] [--dsr-vip ADDR]..\n"
	        "ADDR:PORT is a literal: 127.0.0.1:8000 or [::1]:8000; port 0 takes a free one\n");
	return SL_EXIT_USAGE;
}

static int parse_option(void *settings, int option, const char *value)
{
	struct settings *s = settings;

	switch (option) {
	case 'l':
		if (s->n_listens == SL_SERVER_PORTS)
			return -E2BIG;
		return sl_addr_parse(&s->listens[s->n_listens++], value);
	case 'g':
		return sl_addr_parse(&s->grpc, value);
	case 'd':
		if (s->n_dsr_vips == SL_SERVER_PORTS)
			return -E2BIG;
		s->dsr_vips[s->n_dsr_vips++] = value;
		return 0;
	case 'n':
		s->name = value;
		return strlen(value) > 0 && strlen(value) < SL_SERVER_NAME ? 0 : -EINVAL;
	case 's':
		return sl_option_u32(value, 1, 4096, &s->engine.slots);
	case 'k':
		return sl_option_u32(value, 16, 1u << 30, &s->engine.kv_tokens);
	case 't':
		return sl_option_double(value, 1e-4, 1e4, &s->engine.time_scale);
	case 'w':
		return sl_option_double(value, 1e-3, 1e3, &s->slow);
	case 'r':
		return sl_option_u64(value, &s->engine.seed);
	default:
		return -EINVAL;
	}
}

static int parse_settings(struct settings *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"grpc-listen", required_argument, NULL, 'g'},
		{"dsr-vip", required_argument, NULL, 'd'},
		{"name", required_argument, NULL, 'n'},
		{"slots", required_argument, NULL, 's'},
		{"kv-tokens", required_argument, NULL, 'k'},
		{"time-scale", required_argument, NULL, 't'},
		{"slow", required_argument, NULL, 'w'},
		{"seed", required_argument, NULL, 'r'},
		{0},
	};
	int rc = sl_options_parse(argc, argv, options, parse_option, s);

	if (rc == 0 && (s->n_listens == 0 || s->name == NULL)) {
		fprintf(stderr, "sluice-sim server: --listen and --name are needed\n");
		rc = -EINVAL;
	}
	return rc;
}

static int open_http(struct sl_server *server, struct sl_addr *addr)
{
	char text[SL_ADDR_TEXT];
	int rc = server->n_ports < SL_SERVER_PORTS ? sl_http_open(server, addr) : -E2BIG;

	sl_addr_format(addr, text);
	if (rc != 0)
		fprintf(stderr, "sluice-sim server: cannot listen on %s: %s\n", text,
		        strerror(-rc));
	else
		printf("http %s\n", text);
	return rc;
}

static int open_grpc(struct sl_server *server, struct sl_addr *addr)
{
	char text[SL_ADDR_TEXT];
	int rc = sl_grpc_open(&server->grpc, addr);

	sl_addr_format(addr, text);
	if (rc != 0)
		fprintf(stderr, "sluice-sim server: cannot listen on %s: %s\n", text,
		        strerror(-rc));
	else
		printf("grpc %s\n", text);
	return rc;
}

// A DSR server is addressed as the VIP, on the port that it serves itself.
static int open_dsr_vips(struct sl_server *server, struct settings *s)
{
	struct sl_addr vip;

	for (size_t i = 0; i < s->n_dsr_vips; i++) {
		int rc = sl_addr_parse_with_port(&vip, s->dsr_vips[i], &s->listens[0]);

		if (rc != 0)
			fprintf(stderr, "sluice-sim server: --dsr-vip %s is no address\n",
			        s->dsr_vips[i]);
		else
			rc = open_http(server, &vip);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int open_all(struct sl_server *server, struct settings *s)
{
	int rc = 0;

	for (size_t i = 0; i < s->n_listens && rc == 0; i++)
		rc = open_http(server, &s->listens[i]);
	if (rc == 0)
		rc = open_dsr_vips(server, s);
	if (rc == 0 && s->grpc.len > 0)
		rc = open_grpc(server, &s->grpc);
	// Whoever started us waits for these lines: they say that clients may connect.
	if (rc == 0 && (puts("ready") == EOF || fflush(stdout) != 0))
		rc = -EIO;
	return rc;
}

static int serve(struct sl_server *server, struct settings *s)
{
	int rc = sl_loop_init(&server->loop, step_ended, server);

	if (rc != 0)
		return rc;
	sl_engine_init(&server->engine, &s->engine, sl_http_token, server);
	sl_grpc_init(&server->grpc, &server->loop, s->name);
	TAILQ_INIT(&server->hung);
	server->name = s->name;
	server->knobs.slow = s->slow;
	sl_server_turn_knobs(server);
	rc = open_all(server, s);
	while (rc == 0 && !server->loop.is_stopped)
		rc = sl_loop_turn(&server->loop, sl_http_run(server));
	sl_http_close(server);
	sl_grpc_close(&server->grpc);
	sl_loop_fini(&server->loop);
	return rc;
}

int sl_server_main(int argc, char **argv)
{
	struct settings settings = {.engine = sl_engine_default_config(DEFAULT_SLOTS), .slow = 1.0};
	struct sl_server *server;
	int rc;

	settings.engine.jitter_milli = JITTER_MILLI;
	if (parse_settings(&settings, argc, argv) != 0)
		return usage();
	sl_options_raise_files();
	server = calloc(1, sizeof(*server));
	if (server == NULL)
		return SL_EXIT_FAILED;
	rc = serve(server, &settings);
	free(server);
	return rc == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
}
