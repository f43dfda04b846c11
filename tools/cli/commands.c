// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <string.h>

#include "assess.h"
#include "check_command.h"

static int run_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("sluice %s\n", SL_CLI_VERSION);
	return SL_CLI_OK;
}

const struct sl_cli_option sl_cli_options[] = {
	{'o', "output", "table|json", false, "form of the answer"},
	{'s', "socket", "PATH", false, "of sluice-control; $SLUICE_SOCKET, else " SL_CLI_SOCKET},
	{'t', "timeout", "DURATION", false, "for one answer; 5s, for apply 12s"},
	{'h', "help", NULL, false, "what the command takes"},
	{'f', "file", "FILE", false, "pools file; else the one control or /etc/sluice names"},
	{'w', "wait", "DURATION", true, "until it is so; exit 5 when it takes longer"},
	{'T', "ttl", "DURATION", false, "when it ends by itself: 30m, 7d, forever; else 4h"},
	{'r', "reason", "TEXT", false, "why, for whoever finds it later"},
	{'W', "watch", "DURATION", true, "again and again, as rates; every 1s"},
	{'d', "dataplane", "FILE", false, "data plane file, too"},
	{'D', "dataplane", NULL, false, "of the data plane file instead of the pools file"},
	{'m', "markdown", NULL, false, "as a table for people"},
	{'A', "output", "text|json", false, "a summary, or one JSON line per flow"},
	{'H', "hide-ports", NULL, false, "tell classes by behaviour alone: no port, no content"},
	{'F', "features", NULL, false, "one line per checkpoint, for tools/train_classifier.py"},
	{'M', "man", NULL, false, "as a manual page: sluice help --man | man -l -"},
};
const size_t sl_cli_n_options = sizeof(sl_cli_options) / sizeof(sl_cli_options[0]);

const struct sl_cli_command sl_cli_commands[] = {
	{"check", "", "are the files valid? needs no privileges", "fd", 0, NULL, sl_command_check},
	{"compile", "FILE", "dataplane.yaml to the form sluice-dataplane reads", "", 1, NULL,
         sl_command_compile},
	{"schema", "", "what the files may hold", "Dm", 0, NULL, sl_command_schema},
	{"status", "", "is everything well? exit 6 if not", "w", 0, sl_cli_status, NULL},
	{"apply", "", "read the pool file again and put it in force", "f", 0, sl_cli_apply, NULL},
	{"vip list", "", "services and their traffic", "", 0, sl_cli_vip_list, NULL},
	{"pool list", "", "pools and how many backends are up", "", 0, sl_cli_pool_list, NULL},
	{"pool show", "POOL", "backends of a pool: state, weight, why", "", 1, sl_cli_pool_show,
         NULL},
	{"backend why", "POOL/BACKEND", "what made its weight, and its last changes", "", 1,
         sl_cli_backend_why, NULL},
	{"backend drain", "POOL/BACKEND", "take no new flows, keep those there are", "Trw", 1,
         sl_cli_backend_drain, NULL},
	{"backend ready", "POOL/BACKEND", "take new flows again", "", 1, sl_cli_backend_ready,
         NULL},
	{"weight set", "POOL/BACKEND 0..1000", "use this weight instead of the file's", "Tr", 2,
         sl_cli_weight_set, NULL},
	{"weight clear", "POOL/BACKEND", "go back to the file's weight", "", 1, sl_cli_weight_clear,
         NULL},
	{"flow count", "", "flows by backend", "", 0, sl_cli_flow_count, NULL},
	{"drops", "", "packets dropped, by reason, and what each means", "W", 0, sl_cli_drops,
         NULL},
	{"assess", "CAPTURE.pcap", "what is in a capture: classes, latency, bursts, talkers", "AHF",
         1, NULL, sl_assess_command},
	{"completion", "bash|zsh|fish", "a script that completes words of this command", "", 1,
         NULL, sl_cli_completion},
	{"version", "", "of this command", "", 0, NULL, run_version},
	{"help", "", "this text", "M", 0, NULL, sl_cli_help},
};
const size_t sl_cli_n_commands = sizeof(sl_cli_commands) / sizeof(sl_cli_commands[0]);

const struct sl_cli_option *sl_cli_option_of(char id)
{
	const struct sl_cli_option *option = sl_cli_options;

	while (option->id != id)
		option++;
	return option;
}

bool sl_cli_has_short(const struct sl_cli_option *option)
{
	return strchr("ofh", option->id) != NULL;
}

// How many of the words name the command; 0 = they name another.
static int match(const char *name, int n_words, char **words)
{
	const char *blank = strchr(name, ' ');
	const size_t n_first = blank != NULL ? (size_t)(blank - name) : strlen(name);

	if (n_words < 1 || strlen(words[0]) != n_first || strncmp(words[0], name, n_first) != 0)
		return 0;
	if (blank == NULL)
		return 1;
	return n_words > 1 && strcmp(words[1], blank + 1) == 0 ? 2 : 0;
}

const struct sl_cli_command *sl_cli_find_command(int n_words, char **words, int *n_named)
{
	for (size_t i = 0; i < sl_cli_n_commands; i++) {
		*n_named = match(sl_cli_commands[i].name, n_words, words);
		if (*n_named > 0)
			return &sl_cli_commands[i];
	}
	return NULL;
}
