// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

int sl_options_parse(int argc, char **argv, const struct option *options, sl_option_fn *set,
                     void *settings)
{
	int index, option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == '?')
			return -EINVAL; // getopt has said which
		if (set(settings, option, optarg) != 0) {
			fprintf(stderr, "sluice-sim %s: --%s does not take '%s'\n", argv[0],
			        options[index].name, optarg != NULL ? optarg : "");
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluice-sim %s: unexpected argument '%s'\n", argv[0], argv[optind]);
		return -EINVAL;
	}
	return 0;
}

int sl_option_u64(const char *value, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(value, &end, 0);
	return errno == 0 && end != value && *end == '\0' && value[0] != '-' ? 0 : -EINVAL;
}

int sl_option_u32(const char *value, uint32_t least, uint32_t most, uint32_t *out)
{
	uint64_t wide;

	if (sl_option_u64(value, &wide) != 0 || wide < least || wide > most)
		return -EINVAL;
	*out = (uint32_t)wide;
	return 0;
}

int sl_option_double(const char *value, double least, double most, double *out)
{
	char *end;

	*out = strtod(value, &end);
	// The comparisons also refuse a NaN.
	return end != value && *end == '\0' && *out >= least && *out <= most ? 0 : -EINVAL;
}

int sl_option_duration_ms(const char *value, uint32_t *out_ms)
{
	char *end;
	double ms = strtod(value, &end);

	if (end == value)
		return -EINVAL;
	if (strcmp(end, "s") == 0 || *end == '\0')
		ms *= 1000;
	else if (strcmp(end, "ms") != 0)
		return -EINVAL;
	if (!(ms >= 0 && ms <= 86400e3))
		return -EINVAL;
	*out_ms = (uint32_t)lround(ms);
	return 0;
}

void sl_options_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
