// SPDX-License-Identifier: Apache-2.0
#include "sizes.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"

#define PROMPT_SIGMA 0.98 // standard deviations of the logarithms
#define OUTPUT_SIGMA 0.85
#define TAIL_MEANS   16 // the longest is so many times the mean: one request must not fill a server

static int parse_line(const char *line, struct sl_size *size)
{
	unsigned long prompt, output;
	char *end;

	prompt = strtoul(line, &end, 10);
	if (end == line)
		return -EINVAL;
	line = end;
	output = strtoul(line, &end, 10);
	if (end == line || (*end != '\n' && *end != '\r' && *end != '\0') || prompt == 0 ||
	    output == 0)
		return -EINVAL;
	size->prompt_tokens = prompt < SL_SIZES_TOKENS_MAX ? (uint32_t)prompt : SL_SIZES_TOKENS_MAX;
	size->output_tokens = output < SL_SIZES_TOKENS_MAX ? (uint32_t)output : SL_SIZES_TOKENS_MAX;
	return 0;
}

static int append(struct sl_sizes *sizes, const struct sl_size *size)
{
	// Full at every power of two.
	if ((sizes->n_trace & (sizes->n_trace - 1)) == 0) {
		const size_t n = sizes->n_trace == 0 ? 1 : 2 * sizes->n_trace;
		struct sl_size *grown = realloc(sizes->trace, n * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		sizes->trace = grown;
	}
	sizes->trace[sizes->n_trace++] = *size;
	return 0;
}

int sl_sizes_load(struct sl_sizes *sizes, const char *path, size_t *bad_line)
{
	FILE *in = fopen(path, "re");
	char line[128];
	size_t n_lines = 0;
	int rc = 0;

	*bad_line = 0;
	if (in == NULL)
		return -errno;
	while (rc == 0 && fgets(line, sizeof(line), in) != NULL) {
		struct sl_size size;

		n_lines++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		rc = parse_line(line, &size);
		if (rc == 0)
			rc = append(sizes, &size);
	}
	fclose(in);
	if (rc == 0 && sizes->n_trace == 0)
		rc = -EINVAL;
	if (rc != 0)
		*bad_line = n_lines;
	return rc;
}

void sl_sizes_fini(struct sl_sizes *sizes)
{
	free(sizes->trace);
	sizes->trace = NULL;
	sizes->n_trace = 0;
}

static uint32_t draw(uint64_t *random, double mean, double sigma)
{
	// exp(mu + sigma^2 / 2) is the mean of a log-normal distribution.
	const double mu = log(mean) - sigma * sigma / 2;
	const double value = exp(mu + sigma * sl_random_normal(random));
	const double most = fmin(mean * TAIL_MEANS, SL_SIZES_TOKENS_MAX);

	return (uint32_t)lround(fmax(1, fmin(value, most)));
}

struct sl_size sl_sizes_next(struct sl_sizes *sizes)
{
	struct sl_size size;

	if (sizes->n_trace > 0) {
		size = sizes->trace[sizes->next];
		sizes->next = (sizes->next + 1) % sizes->n_trace;
		return size;
	}
	size.prompt_tokens = draw(&sizes->random, sizes->prompt_mean, PROMPT_SIGMA);
	size.output_tokens = draw(&sizes->random, sizes->output_mean, OUTPUT_SIGMA);
	return size;
}
