// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_command.h"
#include "nearest.h"

#define VERSION         "0.1.0"
#define DEFAULT_SOCKET  "/run/sluice/control.sock"
#define DEFAULT_WAIT_MS 30000
#define TIMEOUT_MS      5000
// Control gives the data plane 5 s for each of a message on its way and this one, and knows best
// how it ended.
#define APPLY_TIMEOUT_MS 12000

struct command {
	const char *name; // one or two words
	const char *operands;
	const char *help;
	int n_operands;
	const char *options;                                         // short ones it takes
	int (*run)(const struct sl_cli *cli, int argc, char **argv); // asks control, or
	int (*run_alone)(int argc, char **argv);                     // reads files by itself
};

static int run_version(const struct sl_cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argc;
	(void)argv;
	printf("sluice %s\n", VERSION);
	return SL_CLI_OK;
}

static int run_help(const struct sl_cli *cli, int argc, char **argv);

static const struct command commands[] = {
	{"check", "[-f FILE] [--dataplane FILE]", "are the files valid?", 0, "", NULL,
         sl_command_check},
	{"compile", "FILE", "dataplane.yaml to the form sluice-dataplane reads", 0, "", NULL,
         sl_command_compile},
	{"schema", "[--dataplane]", "what the files may hold", 0, "", NULL, sl_command_schema},
	{"status", "[--wait[=30s]]", "is everything well? exit 6 if not", 0, "w", sl_cli_status,
         NULL},
	{"apply", "[-f FILE]", "read the pool file again and put it in force", 0, "f", sl_cli_apply,
         NULL},
	{"vip list", "", "services and their traffic", 0, "", sl_cli_vip_list, NULL},
	{"pool list", "", "pools and how many backends are up", 0, "", sl_cli_pool_list, NULL},
	{"pool show", "POOL", "backends of a pool: state, weight, why", 1, "", sl_cli_pool_show,
         NULL},
	{"backend drain", "POOL/BACKEND", "take no new flows, keep those there are", 1, "",
         sl_cli_backend_drain, NULL},
	{"backend ready", "POOL/BACKEND", "take new flows again", 1, "", sl_cli_backend_ready,
         NULL},
	{"weight set", "POOL/BACKEND 0..1000", "use this weight instead of the file's", 2, "",
         sl_cli_weight_set, NULL},
	{"weight clear", "POOL/BACKEND", "go back to the file's weight", 1, "", sl_cli_weight_clear,
         NULL},
	{"flow count", "", "flows by backend", 0, "", sl_cli_flow_count, NULL},
	{"drops", "", "packets dropped, by reason", 0, "", sl_cli_drops, NULL},
	{"version", "", "of this command", 0, "", run_version, NULL},
	{"help", "", "this text", 0, "", run_help, NULL},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
	fprintf(out, "usage: sluice [options] COMMAND\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].operands);
		fprintf(out, "  %-38s %s\n", left, commands[i].help);
	}
	fprintf(out,
	        "\n  -o table|json       form of the answer\n"
	        "  --socket PATH       of sluice-control ($SLUICE_SOCKET, %s)\n"
	        "  --timeout 5s        for an answer (apply: 12s)\n\n"
	        "exit: 0 ok, 1 failed, 2 usage, 3 configuration invalid, 4 sluice-control not "
	        "reachable,\n      5 timed out or not everywhere in force, 6 degraded (status)\n",
	        DEFAULT_SOCKET);
}

static int run_help(const struct sl_cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argc;
	(void)argv;
	print_usage(stdout);
	return SL_CLI_OK;
}

// How many words of argv name the command; 0 = none does.
static int match(const struct command *command, int argc, char **argv)
{
	const char *blank = strchr(command->name, ' ');

	if (argc < 1)
		return 0;
	if (blank == NULL)
		return strcmp(argv[0], command->name) == 0;
	if (argc < 2 || strlen(argv[0]) != (size_t)(blank - command->name) ||
	    strncmp(argv[0], command->name, (size_t)(blank - command->name)) != 0 ||
	    strcmp(argv[1], blank + 1) != 0)
		return 0;
	return 2;
}

static int unknown_command(int argc, char **argv)
{
	const char *names[N_COMMANDS], *nearest;
	char typed[128];

	if (argc < 1) {
		print_usage(stderr);
		return SL_CLI_USAGE;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		names[i] = commands[i].name;
	snprintf(typed, sizeof(typed), "%s%s%s", argv[0], argc > 1 ? " " : "",
	         argc > 1 ? argv[1] : "");
	nearest = sl_nearest_word(typed, names, N_COMMANDS);
	if (nearest == NULL)
		nearest = sl_nearest_word(argv[0], names, N_COMMANDS);
	fprintf(stderr, "sluice: there is no command \"%s\"\n", typed);
	if (nearest != NULL)
		fprintf(stderr, "  next: did you mean `sluice %s`?\n", nearest);
	else
		fprintf(stderr, "  next: `sluice help` lists the commands\n");
	return SL_CLI_USAGE;
}

static int usage_of(const struct command *command)
{
	fprintf(stderr, "usage: sluice %s %s\n", command->name, command->operands);
	return SL_CLI_USAGE;
}

// false: told, and the exit is SL_CLI_USAGE.
static bool take_option(struct sl_cli *cli, const struct command *command, int c)
{
	if (c == 'o' && strcmp(optarg, "json") != 0 && strcmp(optarg, "table") != 0) {
		fprintf(stderr, "sluice: -o takes table or json, not %s\n", optarg);
		return false;
	}
	if (c == 'o')
		cli->is_json = strcmp(optarg, "json") == 0;
	else if (c == 's')
		cli->socket = optarg;
	else if (c == 't')
		cli->timeout_ms = sl_cli_parse_ms(optarg);
	else if (c == 'w' && command != NULL && strchr(command->options, 'w') != NULL)
		cli->wait_ms = optarg != NULL ? sl_cli_parse_ms(optarg) : DEFAULT_WAIT_MS;
	else if (c == 'f' && command != NULL && strchr(command->options, 'f') != NULL)
		cli->file = optarg;
	else
		return command != NULL ? usage_of(command) == SL_CLI_OK : false;
	if (cli->timeout_ms < 0 || cli->wait_ms < 0) {
		fprintf(stderr, "sluice: %s is no duration\n  next: write it like 500ms or 30s\n",
		        optarg);
		return false;
	}
	return true;
}

// Without a command: the options in front of it. With one: those anywhere behind its name.
static bool take_options(struct sl_cli *cli, const struct command *command, int argc, char **argv)
{
	static const struct option longs[] = {
		{"socket", required_argument, NULL, 's'}, {"timeout", required_argument, NULL, 't'},
		{"output", required_argument, NULL, 'o'}, {"wait", optional_argument, NULL, 'w'},
		{"file", required_argument, NULL, 'f'},   {0}};
	int c;

	optind = 0; // glibc: start over
	while ((c = getopt_long(argc, argv, command == NULL ? "+o:" : "o:f:", longs, NULL)) != -1) {
		if (!take_option(cli, command, c))
			return false;
	}
	return true;
}

static int run(struct sl_cli *cli, const struct command *command, int argc, char **argv)
{
	int rc;

	if (command->run_alone != NULL)
		return command->run_alone(argc, argv);
	if (!take_options(cli, command, argc, argv))
		return SL_CLI_USAGE;
	if (argc - optind != command->n_operands)
		return usage_of(command);
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
	struct sl_cli cli = {
		.socket = socket != NULL && socket[0] != '\0' ? socket : DEFAULT_SOCKET,
	};

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return run_help(&cli, 0, NULL);
	if (!take_options(&cli, NULL, argc, argv)) {
		fprintf(stderr, "  next: `sluice help` lists options and commands\n");
		return SL_CLI_USAGE;
	}
	argc -= optind;
	argv += optind;
	for (size_t i = 0; i < N_COMMANDS; i++) {
		int n_words = match(&commands[i], argc, argv);

		// The last word of the command stands where a program's name would.
		if (n_words > 0)
			return run(&cli, &commands[i], argc - n_words + 1, argv + n_words - 1);
	}
	return unknown_command(argc, argv);
}
