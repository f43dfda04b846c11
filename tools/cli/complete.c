// SPDX-License-Identifier: Apache-2.0
// Completion: the shells' scripts do nothing but call `sluice __complete WORDS..`, which knows the
// tables and asks control for the names of pools and backends.
#include "commands.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_TIMEOUT_MS 500 // a key press must not wait longer for a control that hangs

struct script {
	const char *shell;
	const char *script;
};

static const struct script scripts[] = {
	{"bash",
         "_sluice() {\n"
         "\tlocal IFS=$'\\n'\n"
         "\tCOMPREPLY=($(sluice __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null))\n"
         "}\n"
         "complete -o default -F _sluice sluice\n"},
	{"zsh", "#compdef sluice\n"
                "_sluice() {\n"
                "\tlocal -a found\n"
                "\tfound=(${(f)\"$(sluice __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
                "\tcompadd -a found || _files\n"
                "}\n"
                "compdef _sluice sluice\n"},
	{"fish", "complete -c sluice -a '(sluice __complete (commandline -opc)[2..] "
                 "(commandline -ct) 2>/dev/null)'\n"},
};

int sl_cli_completion(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strcmp(argv[1], scripts[i].shell) != 0)
			continue;
		fputs(scripts[i].script, stdout);
		return SL_CLI_OK;
	}
	fprintf(stderr, "usage: sluice completion bash|zsh|fish\n"
	                "  next: `sluice completion bash "
	                ">/etc/bash_completion.d/sluice`\n");
	return SL_CLI_USAGE;
}

static void offer(const char *word, const char *begun)
{
	if (strncmp(word, begun, strlen(begun)) == 0)
		printf("%s\n", word);
}

static void offer_options(const char *ids, const char *begun)
{
	for (; *ids != '\0'; ids++) {
		char word[64];

		snprintf(word, sizeof(word), "--%s", sl_cli_option_of(*ids)->name);
		offer(word, begun);
	}
}

// The first words of commands, or the second ones behind a first.
static void offer_commands(const char *first, const char *begun)
{
	const char *last = "";

	for (size_t i = 0; i < sl_cli_n_commands; i++) {
		const char *name = sl_cli_commands[i].name, *blank = strchr(name, ' ');
		size_t n = blank != NULL ? (size_t)(blank - name) : strlen(name);
		char word[32];

		snprintf(word, sizeof(word), "%.*s", (int)n, name);
		if (first == NULL && strncmp(last, word, n + 1) != 0 &&
		    (strncmp(last, word, n) != 0 || last[n] != ' '))
			offer(word, begun);
		else if (first != NULL && blank != NULL && strcmp(first, word) == 0)
			offer(blank + 1, begun);
		last = name;
	}
}

static void offer_backends(const struct sl_cli *cli, const char *pool, const char *begun)
{
	char path[128], word[192];
	json_t *json, *row;
	size_t i;

	snprintf(path, sizeof(path), "/api/v1/pools/%s", pool);
	if (sl_cli_request_quietly(cli, path, &json) != SL_CLI_OK)
		return;
	json_array_foreach(json_object_get(json, "backends"), i, row)
	{
		snprintf(word, sizeof(word), "%s/%s", pool, sl_cli_text_of(row, "name"));
		offer(word, begun);
	}
	json_decref(json);
}

// Pools; with their backends when the operand is POOL/BACKEND, those that fit what is begun.
static void offer_names(const struct sl_cli *cli, const char *operands, const char *begun)
{
	const bool with_backends = strncmp(operands, "POOL/", 5) == 0;
	const char *slash = strchr(begun, '/');
	json_t *json, *pool;
	size_t i;

	if (sl_cli_request_quietly(cli, "/api/v1/pools", &json) != SL_CLI_OK)
		return;
	json_array_foreach(json_object_get(json, "items"), i, pool)
	{
		const char *name = sl_cli_text_of(pool, "name");
		size_t n = slash != NULL ? (size_t)(slash - begun) : strlen(begun);

		if (strncmp(name, begun, n) != 0 || (slash != NULL && name[n] != '\0'))
			continue;
		if (with_backends)
			offer_backends(cli, name, begun);
		else
			offer(name, begun);
	}
	json_decref(json);
}

int sl_cli_complete(int argc, char **argv)
{
	const char *socket = getenv("SLUICE_SOCKET");
	const struct sl_cli cli = {.socket = socket != NULL && socket[0] != '\0' ? socket
	                                                                         : SL_CLI_SOCKET,
	                           .timeout_ms = NAMES_TIMEOUT_MS};
	const char *begun = argc > 1 ? argv[argc - 1] : "";
	const struct sl_cli_command *command;
	int n_named;

	command = sl_cli_find_command(argc - 2, argv + 1, &n_named);
	if (command != NULL && begun[0] == '-') {
		offer_options(command->options, begun);
		if (command->run != NULL)
			offer_options(SL_CLI_GLOBAL_OPTIONS, begun);
	} else if (command != NULL && strncmp(command->operands, "POOL", 4) == 0) {
		if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
			return SL_CLI_FAILED;
		offer_names(&cli, command->operands, begun);
		curl_global_cleanup();
	} else if (command != NULL && strcmp(command->name, "completion") == 0) {
		for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
			offer(scripts[i].shell, begun);
	} else if (argc > 2) {
		offer_commands(command == NULL ? argv[1] : "", begun);
	} else if (begun[0] == '-') {
		offer_options(SL_CLI_GLOBAL_OPTIONS, begun);
	} else {
		offer_commands(NULL, begun);
	}
	return SL_CLI_OK;
}
