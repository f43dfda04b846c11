// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "nearest.h"

#define WAIT_MS       30000
#define DRAIN_WAIT_MS (15 * 60000) // requests to a language model end within minutes
#define WATCH_MS      1000
#define TIMEOUT_MS    5000
// Control gives the data plane 5 s for each of a message on its way and this one, and knows best
// how it ended.
#define APPLY_TIMEOUT_MS 12000
#define MAX_LONGS        32

static int unknown_command(int argc, char **argv)
{
	const char *names[64], *nearest;
	size_t n_names = 0;
	char typed[128];

	if (argc < 1) {
		sl_cli_print_help(stderr);
		return SL_CLI_USAGE;
	}
	for (size_t i = 0; i < sl_cli_n_commands && n_names < 64; i++)
		names[n_names++] = sl_cli_commands[i].name;
	snprintf(typed, sizeof(typed), "%s%s%s", argv[0], argc > 1 ? " " : "",
	         argc > 1 ? argv[1] : "");
	nearest = sl_nearest_word(typed, names, n_names);
	if (nearest == NULL)
		nearest = sl_nearest_word(argv[0], names, n_names);
	fprintf(stderr, "sluice: there is no command \"%s\"\n", typed);
	if (nearest != NULL)
		fprintf(stderr, "  next: did you mean `sluice %s`?\n", nearest);
	else
		fprintf(stderr, "  next: `sluice help` lists the commands\n");
	return SL_CLI_USAGE;
}

// Milliseconds of the operand, or of what stands for none; -1: told.
static long duration(const char *text, long without_ms)
{
	long ms = text != NULL ? sl_cli_parse_ms(text) : without_ms;

	if (ms < 0)
		fprintf(stderr,
		        "sluice: %s is no duration\n  next: write it like 500ms, 30s or 2m\n",
		        text);
	return ms;
}

// false: told, and the exit is SL_CLI_USAGE.
static bool take_option(struct sl_cli *cli, const struct sl_cli_command *command, int id)
{
	const bool is_drain = command != NULL && command->run == sl_cli_backend_drain;

	switch (id) {
	case 'o':
		cli->is_json = strcmp(optarg, "json") == 0;
		if (cli->is_json || strcmp(optarg, "table") == 0)
			return true;
		fprintf(stderr, "sluice: -o takes table or json, not %s\n", optarg);
		return false;
	case 's':
		cli->socket = optarg;
		return true;
	case 't':
		cli->timeout_ms = duration(optarg, 0);
		return cli->timeout_ms > 0;
	case 'w':
		cli->wait_ms = duration(optarg, is_drain ? DRAIN_WAIT_MS : WAIT_MS);
		return cli->wait_ms > 0;
	case 'W':
		cli->watch_ms = duration(optarg, WATCH_MS);
		return cli->watch_ms > 0;
	case 'f':
		cli->file = optarg;
		return true;
	case 'T':
		cli->ttl = optarg;
		return true;
	case 'r':
		cli->reason = optarg;
		return true;
	default:
		return false; // getopt has told
	}
}

// The options of a command, or those in front of one when command is NULL. They may stand anywhere
// behind the command's name. -1: go on; else the exit.
static int take_options(struct sl_cli *cli, const struct sl_cli_command *command, int argc,
                        char **argv)
{
	struct option longs[MAX_LONGS] = {0};
	char ids[MAX_LONGS] = SL_CLI_GLOBAL_OPTIONS, shorts[2 * MAX_LONGS] = "+o:h";
	int c;

	if (command != NULL) {
		snprintf(ids, sizeof(ids), "%s%s", SL_CLI_GLOBAL_OPTIONS, command->options);
		snprintf(shorts, sizeof(shorts), "o:h%s", strchr(ids, 'f') != NULL ? "f:" : "");
	}
	for (size_t i = 0; ids[i] != '\0'; i++) {
		const struct sl_cli_option *option = sl_cli_option_of(ids[i]);

		longs[i] = (struct option){.name = option->name,
		                           .has_arg = option->operand == NULL ? no_argument
		                                      : option->is_optional   ? optional_argument
		                                                              : required_argument,
		                           .val = option->id};
	}
	optind = 0; // glibc: start over
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == 'h' && command == NULL) {
			sl_cli_print_help(stdout);
			return SL_CLI_OK;
		}
		if (c == 'h') {
			sl_cli_print_usage(stdout, command);
			printf("%s\n", command->help);
			return SL_CLI_OK;
		}
		if (take_option(cli, command, c))
			continue;
		if (command != NULL)
			sl_cli_print_usage(stderr, command);
		return SL_CLI_USAGE;
	}
	return -1;
}

static int run(struct sl_cli *cli, const struct sl_cli_command *command, int argc, char **argv)
{
	static char program[] = "sluice";
	int rc;

	if (command->run_alone != NULL)
		return command->run_alone(argc, argv);
	argv[0] = program; // getopt's messages begin with it
	rc = take_options(cli, command, argc, argv);
	if (rc >= 0)
		return rc;
	if (argc - optind != command->n_operands) {
		sl_cli_print_usage(stderr, command);
		return SL_CLI_USAGE;
	}
	if (cli->timeout_ms == 0)
		cli->timeout_ms = command->run == sl_cli_apply ? APPLY_TIMEOUT_MS : TIMEOUT_MS;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return SL_CLI_FAILED;
	rc = command->run(cli, argc - optind, argv + optind);
	curl_global_cleanup();
	return rc;
}

int main(int argc, char **argv)
{
	const char *socket = getenv("SLUICE_SOCKET");
	const struct sl_cli_command *command;
	struct sl_cli cli = {
		.socket = socket != NULL && socket[0] != '\0' ? socket : SL_CLI_SOCKET,
	};
	int n_named, rc;

	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		argv[1] += 2; // what everybody types first
	if (argc > 1 && strcmp(argv[1], "__complete") == 0)
		return sl_cli_complete(argc - 1, argv + 1);
	rc = take_options(&cli, NULL, argc, argv);
	if (rc == SL_CLI_USAGE)
		fprintf(stderr, "  next: options of a command stand behind it; `sluice help` lists "
		                "both\n");
	if (rc >= 0)
		return rc;
	argc -= optind;
	argv += optind;
	command = sl_cli_find_command(argc, argv, &n_named);
	if (command == NULL)
		return unknown_command(argc, argv);
	// The last word of the command stands where a program's name would.
	return run(&cli, command, argc - n_named + 1, argv + n_named - 1);
}
