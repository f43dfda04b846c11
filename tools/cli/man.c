// SPDX-License-Identifier: Apache-2.0
// The manual page in man(7) roff, drawn from the tables.
#include "commands.h"

#include <string.h>

// roff takes a dot or a quote that begins a line for a request, a backslash for an escape and a
// bare hyphen for a typographic one.
static void put(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void put_option_name(const struct sl_cli_option *option)
{
	if (sl_cli_has_short(option))
		printf("\\fB\\-%c\\fR, ", option->id);
	printf("\\fB\\-\\-");
	put(option->name);
	printf("\\fR");
	if (option->operand == NULL)
		return;
	printf(option->is_optional ? "[=\\fI" : " \\fI");
	put(option->operand);
	printf(option->is_optional ? "\\fR]" : "\\fR");
}

static void put_option(const struct sl_cli_option *option)
{
	printf(".TP\n");
	put_option_name(option);
	printf("\n\\&");
	put(option->help);
	printf("\n");
}

static void put_command(const struct sl_cli_command *command)
{
	printf(".SS \"");
	put(command->name);
	if (command->operands[0] != '\0') {
		putchar(' ');
		put(command->operands);
	}
	printf("\"\n\\&");
	put(command->help);
	printf("\n");
	for (const char *id = command->options; *id != '\0'; id++)
		put_option(sl_cli_option_of(*id));
}

void sl_cli_print_man(void)
{
	printf(".TH SLUICE 8 \"\" \"sluice %s\" \"System Administration\"\n"
	       ".SH NAME\nsluice \\- look after a Sluice load balancer\n"
	       ".SH SYNOPSIS\n.B sluice\n[\\fIoptions\\fR] \\fICOMMAND\\fR\n"
	       ".SH DESCRIPTION\nAsks\n.BR sluice\\-control ,\n"
	       "over its Unix socket, what it knows and decides, and tells it what to do.\n"
	       "Changes need root or the user that control runs as.\n"
	       ".SH OPTIONS\n",
	       SL_CLI_VERSION);
	for (const char *id = SL_CLI_GLOBAL_OPTIONS; *id != '\0'; id++)
		put_option(sl_cli_option_of(*id));
	printf(".SH COMMANDS\n");
	for (size_t i = 0; i < sl_cli_n_commands; i++)
		put_command(&sl_cli_commands[i]);
	printf(".SH OVERRIDES\n"
	       "A drain or a weight that is set here holds until its time is over, until it is\n"
	       "taken back, or until the file says something else about that value than it said\n"
	       "when it was set; then the file counts again, and the log says so.\n"
	       ".SH EXIT STATUS\n"
	       ".TP\n0\ndone\n.TP\n1\nfailed\n.TP\n2\nwrong usage\n.TP\n3\n"
	       "configuration invalid\n.TP\n4\nsluice\\-control does not answer\n.TP\n5\n"
	       "timed out, or not everywhere in force\n.TP\n6\ndegraded (status)\n"
	       ".SH FILES\n.I /etc/sluice/pools.yaml\n.br\n.I /run/sluice/control.sock\n"
	       ".SH SEE ALSO\n.BR sluice\\-control (8)\n");
}
