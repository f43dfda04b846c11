// SPDX-License-Identifier: Apache-2.0
// Lines for the operator on standard error, with the syslog level in front (<3>) so that journald
// files them; what, who, numbers, what happens next.
//
// Thread: the control loop. A write that fails is dropped: a full disk must not stop control.
#ifndef SLUICE_CONTROL_LOG_H
#define SLUICE_CONTROL_LOG_H

#include <stdbool.h>

// The numbers are syslog's.
enum sl_log_level { SL_LOG_ERROR = 3, SL_LOG_WARN = 4, SL_LOG_INFO = 6, SL_LOG_DEBUG = 7 };

struct sl_log {
	enum sl_log_level level; // lines above it are dropped
	int fd;
};

// "error", "warn", "info", "debug"; false for any other word.
bool sl_log_parse_level(const char *word, enum sl_log_level *level);

void sl_log(const struct sl_log *log, enum sl_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
