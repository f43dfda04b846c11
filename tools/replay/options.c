// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

const char sl_replay_usage[] =
	"usage: sluice-replay --pools FILE --dataplane FILE IN.pcap [-o OUT.pcap] [options]\n"
	"What sluice-dataplane would do with the packets of a capture, by the capture's clock.\n"
	"  --pools FILE        pools.yaml\n"
	"  --dataplane FILE    dataplane.yaml: ports, addresses, routes, workers, flows\n"
	"  -o FILE             the packets that leave, in order, byte for byte\n"
	"  --json FILE|-       one line per packet: verdict, reason, ports, backend, vip\n"
	"  --neigh IP=MAC      this neighbour answers at once (repeat; else it is asked for, and\n"
	"                      ARP and ND in the capture teach it)\n"
	"  --mac PORT=MAC      MAC of a port (repeat; default 02:53:4c:00:00:NN, NN its number)\n"
	"  --in-port PORT      all packets came in there (default: by destination MAC, then by\n"
	"                      the source's network, then the first port)\n"
	"  --kernel IP         an address the kernel holds on shared ports (repeat)\n"
	"  --seed N            of hashes and local ports (default 1)\n"
	"exit: 0 replayed, 1 failed, 2 usage, 3 configuration invalid\n";

static int refuse(const char *what, const char *text, const char *next)
{
	fprintf(stderr, "sluice-replay: %s: %s\n  next: %s\n", what, text, next);
	return -EINVAL;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	unsigned int b[6];
	int n_read = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
	           &n_read) != 6 ||
	    text[n_read] != '\0')
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

static bool parse_ip(const char *text, size_t n_bytes, struct sl_ip *ip)
{
	char copy[INET6_ADDRSTRLEN];
	uint32_t v4_be;

	if (n_bytes >= sizeof(copy))
		return false;
	memcpy(copy, text, n_bytes);
	copy[n_bytes] = '\0';
	if (inet_pton(AF_INET, copy, &v4_be) == 1) {
		*ip = sl_ip_from_v4(v4_be);
		return true;
	}
	return inet_pton(AF_INET6, copy, ip->bytes) == 1;
}

static int add_neigh(struct sl_replay_options *o, const char *text)
{
	struct option_neigh *neigh = &o->neighs[o->n_neighs];
	const char *equals = strchr(text, '=');

	if (o->n_neighs == OPTIONS_MAX_NEIGHS)
		return refuse("--neigh", text, "4096 are the most");
	if (equals == NULL || !parse_ip(text, (size_t)(equals - text), &neigh->ip) ||
	    !parse_mac(equals + 1, neigh->mac))
		return refuse("--neigh is not IP=MAC", text,
		              "write it like 10.0.0.11=02:00:00:00:00:0b");
	o->n_neighs++;
	return 0;
}

static int add_mac(struct sl_replay_options *o, const char *text)
{
	struct option_mac *mac = &o->macs[o->n_macs];
	const char *equals = strchr(text, '=');

	if (o->n_macs == SL_MAX_PORTS)
		return refuse("--mac", text, "there are no more ports than 16");
	if (equals == NULL || !parse_mac(equals + 1, mac->mac))
		return refuse("--mac is not PORT=MAC", text,
		              "write it like clients=02:00:00:00:00:01");
	mac->port_name = text;
	mac->name_bytes = (size_t)(equals - text);
	o->n_macs++;
	return 0;
}

static int add_kernel(struct sl_replay_options *o, const char *text)
{
	if (o->n_kernel == sizeof(o->kernel) / sizeof(o->kernel[0]))
		return refuse("--kernel", text, "128 are the most");
	if (!parse_ip(text, strlen(text), &o->kernel[o->n_kernel]))
		return refuse("--kernel is not an address", text, "write it like 192.0.2.1");
	o->n_kernel++;
	return 0;
}

static int set_seed(struct sl_replay_options *o, const char *text)
{
	char *end;

	errno = 0;
	o->seed = strtoull(text, &end, 0);
	return errno == 0 && *end == '\0' && end != text
	               ? 0
	               : refuse("--seed is not a number", text, "write it like 42");
}

static int take(struct sl_replay_options *o, int option)
{
	switch (option) {
	case 'p':
		o->pools = optarg;
		return 0;
	case 'd':
		o->dataplane = optarg;
		return 0;
	case 'o':
		o->out = optarg;
		return 0;
	case 'j':
		o->json = optarg;
		return 0;
	case 'i':
		o->in_port = optarg;
		return 0;
	case 'n':
		return add_neigh(o, optarg);
	case 'm':
		return add_mac(o, optarg);
	case 'k':
		return add_kernel(o, optarg);
	case 's':
		return set_seed(o, optarg);
	case 'h':
		o->wants_help = true;
		return 0;
	default: // getopt has told
		return -EINVAL;
	}
}

int sl_replay_options_parse(struct sl_replay_options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"pools", required_argument, NULL, 'p'},
	                                      {"dataplane", required_argument, NULL, 'd'},
	                                      {"json", required_argument, NULL, 'j'},
	                                      {"neigh", required_argument, NULL, 'n'},
	                                      {"mac", required_argument, NULL, 'm'},
	                                      {"in-port", required_argument, NULL, 'i'},
	                                      {"kernel", required_argument, NULL, 'k'},
	                                      {"seed", required_argument, NULL, 's'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {0}};
	int option;

	memset(o, 0, sizeof(*o));
	o->seed = 1;
	optind = 0; // glibc: start over
	while ((option = getopt_long(argc, argv, "o:h", longs, NULL)) != -1) {
		if (take(o, option) != 0)
			return -EINVAL;
	}
	if (o->wants_help)
		return 0;
	if (o->pools == NULL || o->dataplane == NULL || argc - optind != 1) {
		fputs(sl_replay_usage, stderr);
		return -EINVAL;
	}
	o->in = argv[optind];
	return 0;
}
