// SPDX-License-Identifier: Apache-2.0
#include "check_command.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "config_export.h"

#define POOLS_FILE "/etc/sluice/pools.yaml"

static const char check_usage[] = "usage: sluice check [-f FILE] [--dataplane FILE]\n"
				  "  -f, --file FILE   pools file, default " POOLS_FILE "\n"
				  "  --dataplane FILE  data plane file; alone, only this one\n";
static const char compile_usage[] =
	"usage: sluice compile FILE >OUTPUT\n"
	"  FILE is a dataplane.yaml; OUTPUT is what sluice-dataplane reads\n";
static const char schema_usage[] = "usage: sluice schema [--dataplane] [--markdown]\n"
				   "  JSON Schema (or a Markdown table) of pools.yaml or "
				   "dataplane.yaml\n";

static int refuse_usage(const char *usage)
{
	fputs(usage, stderr);
	return SL_COMMAND_USAGE;
}

static void print_report(struct sl_diagnostics *diag)
{
	if (diag->text != NULL)
		fputs(diag->text, stderr);
	else if (diag->n_errors > 0)
		fputs("sluice: out of memory\n", stderr);
	sl_diagnostics_fini(diag);
}

static int check_pools(const char *file)
{
	struct sl_diagnostics diag;
	struct sl_model *model;
	size_t n_bytes;
	char *text = sl_config_read_file(file, &n_bytes, &diag);

	if (text == NULL) {
		print_report(&diag);
		return SL_COMMAND_INVALID;
	}
	sl_diagnostics_fini(&diag);
	model = sl_config_parse_pools(file, text, n_bytes, &diag);
	free(text);
	print_report(&diag);
	if (model == NULL)
		return SL_COMMAND_INVALID;
	printf("%s: ok: %u vips, %u pools, %u backends\n", file, model->n_vips, model->n_pools,
	       model->n_backends);
	sl_model_free(model);
	return SL_COMMAND_OK;
}

// out is filled when the answer is SL_COMMAND_OK.
static int read_dataplane(const char *file, struct sl_dpconfig *out)
{
	struct sl_diagnostics diag;
	size_t n_bytes;
	char *text = sl_config_read_file(file, &n_bytes, &diag);
	int err;

	if (text == NULL) {
		print_report(&diag);
		return SL_COMMAND_INVALID;
	}
	sl_diagnostics_fini(&diag);
	err = sl_config_parse_dataplane(file, text, n_bytes, out, &diag);
	free(text);
	print_report(&diag);
	return err == 0 ? SL_COMMAND_OK : SL_COMMAND_INVALID;
}

static int check_dataplane(const char *file)
{
	struct sl_dpconfig *config = malloc(sizeof(*config));
	int status = config != NULL ? read_dataplane(file, config) : SL_COMMAND_FAILED;

	if (status == SL_COMMAND_OK)
		printf("%s: ok: %u ports, %u workers, %u routes\n", file, config->n_ports,
		       config->n_workers, config->n_routes);
	free(config);
	return status;
}

int sl_command_check(int argc, char **argv)
{
	static const struct option options[] = {{"file", required_argument, NULL, 'f'},
	                                        {"dataplane", required_argument, NULL, 'd'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	const char *pools = NULL, *dataplane = NULL;
	int option, status = SL_COMMAND_OK, other;

	optind = 0; // getopt of glibc: start over, another command may have used it
	while ((option = getopt_long(argc, argv, "f:h", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			pools = optarg;
			break;
		case 'd':
			dataplane = optarg;
			break;
		case 'h':
			fputs(check_usage, stdout);
			return SL_COMMAND_OK;
		default:
			return refuse_usage(check_usage);
		}
	}
	if (optind != argc)
		return refuse_usage(check_usage);
	if (pools == NULL && dataplane == NULL)
		pools = POOLS_FILE;
	if (pools != NULL)
		status = check_pools(pools);
	if (dataplane != NULL) {
		other = check_dataplane(dataplane);
		status = status != SL_COMMAND_OK ? status : other;
	}
	return status;
}

int sl_command_compile(int argc, char **argv)
{
	struct sl_dpconfig *config;
	int status;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(compile_usage, stdout);
		return SL_COMMAND_OK;
	}
	if (argc != 2 || argv[1][0] == '-')
		return refuse_usage(compile_usage);
	if (isatty(STDOUT_FILENO)) {
		fputs("sluice compile: the output is binary; redirect it to a file\n", stderr);
		return SL_COMMAND_USAGE;
	}
	config = malloc(sizeof(*config));
	if (config == NULL)
		return SL_COMMAND_FAILED;
	status = read_dataplane(argv[1], config);
	if (status == SL_COMMAND_OK &&
	    (fwrite(config, sizeof(*config), 1, stdout) != 1 || fflush(stdout) != 0)) {
		perror("sluice compile: write");
		status = SL_COMMAND_FAILED;
	}
	free(config);
	return status;
}

int sl_command_schema(int argc, char **argv)
{
	static const struct option options[] = {{"dataplane", no_argument, NULL, 'd'},
	                                        {"markdown", no_argument, NULL, 'm'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	bool is_dataplane = false, is_markdown = false;
	int option;
	char *text;

	optind = 0; // getopt of glibc: start over, another command may have used it
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			is_dataplane = true;
			break;
		case 'm':
			is_markdown = true;
			break;
		case 'h':
			fputs(schema_usage, stdout);
			return SL_COMMAND_OK;
		default:
			return refuse_usage(schema_usage);
		}
	}
	if (optind != argc)
		return refuse_usage(schema_usage);
	text = is_markdown ? sl_config_markdown(is_dataplane) : sl_config_json_schema(is_dataplane);
	if (text == NULL)
		return SL_COMMAND_FAILED;
	fputs(text, stdout);
	free(text);
	return fflush(stdout) == 0 ? SL_COMMAND_OK : SL_COMMAND_FAILED;
}
