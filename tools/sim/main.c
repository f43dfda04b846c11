// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "options.h"

struct command {
	const char *name, *what;
	int (*main)(int argc, char **argv);
};

static const struct command commands[] = {
	{"server", "simulate one GPU server", sl_server_main},
	{"load", "send requests to servers and measure", sl_load_main},
	{"knob", "change a running server", sl_knob_main},
	{"echo", "echo TCP or UDP", sl_echo_main},
	{"conns", "open many connections and count who answers", sl_conns_main},
	{"decap", "end IPIP and GUE tunnels in front of a server", sl_decap_main},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	}
	fprintf(stderr, "usage: sluice-sim COMMAND OPTIONS; see tools/sim/README.md\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stderr, "  %-8s%s\n", commands[i].name, commands[i].what);
	return SL_EXIT_USAGE;
}
