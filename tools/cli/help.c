// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <string.h>

static void print_option(FILE *out, const struct sl_cli_option *option)
{
	char left[64];
	int n = 0;

	if (sl_cli_has_short(option))
		n = snprintf(left, sizeof(left), "-%c, ", option->id);
	n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", option->name);
	if (option->operand != NULL)
		snprintf(left + n, sizeof(left) - (size_t)n, option->is_optional ? "[=%s]" : " %s",
		         option->operand);
	fprintf(out, "  %-30s %s\n", left, option->help);
}

void sl_cli_print_usage(FILE *out, const struct sl_cli_command *command)
{
	const bool has_options = command->options[0] != '\0';

	fprintf(out, "usage: sluice %s%s%s%s\n", command->name, has_options ? " [options]" : "",
	        command->operands[0] != '\0' ? " " : "", command->operands);
	for (const char *id = command->options; *id != '\0'; id++)
		print_option(out, sl_cli_option_of(*id));
}

void sl_cli_print_help(FILE *out)
{
	fprintf(out, "usage: sluice [options] COMMAND\n\n");
	for (size_t i = 0; i < sl_cli_n_commands; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", sl_cli_commands[i].name,
		         sl_cli_commands[i].operands);
		fprintf(out, "  %-34s %s\n", left, sl_cli_commands[i].help);
	}
	fprintf(out, "\n");
	for (const char *id = SL_CLI_GLOBAL_OPTIONS; *id != '\0'; id++)
		print_option(out, sl_cli_option_of(*id));
	fprintf(out, "\n`sluice COMMAND --help` lists the options of a command.\n"
	             "exit: 0 ok, 1 failed, 2 usage, 3 configuration invalid, 4 sluice-control not "
	             "reachable,\n      5 timed out or not everywhere in force, 6 degraded "
	             "(status)\n");
}

int sl_cli_help(int argc, char **argv)
{
	const struct sl_cli_command *command;
	int n_named;

	if (argc == 2 && strcmp(argv[1], "--man") == 0) {
		sl_cli_print_man();
		return SL_CLI_OK;
	}
	if (argc == 1) {
		sl_cli_print_help(stdout);
		return SL_CLI_OK;
	}
	command = sl_cli_find_command(argc - 1, argv + 1, &n_named);
	if (command == NULL || n_named != argc - 1) {
		fprintf(stderr, "sluice: there is no such command\n"
		                "  next: `sluice help` lists the commands\n");
		return SL_CLI_USAGE;
	}
	sl_cli_print_usage(stdout, command);
	printf("%s\n", command->help);
	return SL_CLI_OK;
}
