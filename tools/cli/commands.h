// SPDX-License-Identifier: Apache-2.0
// What the command understands: one table of commands and one of options. Parsing, help, usage
// errors, the man page and completion are all drawn from them, so that they cannot disagree.
#ifndef SLUICE_TOOLS_COMMANDS_H
#define SLUICE_TOOLS_COMMANDS_H

#include <stdio.h>

#include "cli.h"

#define SL_CLI_VERSION        "0.1.0"
#define SL_CLI_SOCKET         "/run/sluice/control.sock"
#define SL_CLI_GLOBAL_OPTIONS "osth" // every command that asks control takes these

struct sl_cli_option {
	char id; // also the short form when it is 'o', 'f' or 'h'
	const char *name;
	const char *operand; // NULL = it takes none
	bool is_optional;    // the operand
	const char *help;
};

struct sl_cli_command {
	const char *name;     // one or two words
	const char *operands; // POOL and POOL/BACKEND are completed
	const char *help;     // one line
	const char *options;  // ids, besides the global ones
	int n_operands;
	int (*run)(const struct sl_cli *cli, int argc, char **argv); // asks control, or
	int (*run_alone)(int argc, char **argv);                     // does it by itself
};

// ---- commands.c ----
extern const struct sl_cli_command sl_cli_commands[];
extern const size_t sl_cli_n_commands;
extern const struct sl_cli_option sl_cli_options[];
extern const size_t sl_cli_n_options;
const struct sl_cli_option *sl_cli_option_of(char id);
bool sl_cli_has_short(const struct sl_cli_option *option);
// The command that words begin with, and how many of them name it; NULL = none.
const struct sl_cli_command *sl_cli_find_command(int n_words, char **words, int *n_named);

// ---- help.c ----
void sl_cli_print_help(FILE *out);
void sl_cli_print_usage(FILE *out, const struct sl_cli_command *command);
int sl_cli_help(int argc, char **argv);

// ---- man.c, complete.c ----
void sl_cli_print_man(void);
int sl_cli_completion(int argc, char **argv);
int sl_cli_complete(int argc, char **argv); // candidates for the last word, one in a line

#endif
