// SPDX-License-Identifier: Apache-2.0
// Command lines: values with their limits, one way to say what is wrong, and the exit statuses.
// Errors: 0 or -errno; sl_options_parse() has told the user.
#ifndef SLUICE_SIM_OPTIONS_H
#define SLUICE_SIM_OPTIONS_H

#include <getopt.h>
#include <stdint.h>

enum sl_exit { SL_EXIT_OK = 0, SL_EXIT_FAILED = 1, SL_EXIT_USAGE = 2 };

typedef int sl_option_fn(void *settings, int option, const char *value);

// argv[0] is the name of the sub-command. Arguments that are no options are an error.
int sl_options_parse(int argc, char **argv, const struct option *options, sl_option_fn *set,
                     void *settings);

int sl_option_u32(const char *value, uint32_t least, uint32_t most, uint32_t *out);
int sl_option_u64(const char *value, uint64_t *out);
int sl_option_double(const char *value, double least, double most, double *out);
int sl_option_duration_ms(const char *value, uint32_t *out_ms); // 2s, 100ms, 1.5 (seconds)

// Thousands of sockets need more than the usual soft limit; the hard limit is as far as we may go.
void sl_options_raise_files(void);

#endif
