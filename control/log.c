// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 4096 // longer lines (whole diagnostics) are sent line by line by the callers

bool sl_log_parse_level(const char *word, enum sl_log_level *level)
{
	static const struct {
		const char *word;
		enum sl_log_level level;
	} words[] = {{"error", SL_LOG_ERROR},
	             {"warn", SL_LOG_WARN},
	             {"info", SL_LOG_INFO},
	             {"debug", SL_LOG_DEBUG}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i].word) == 0) {
			*level = words[i].level;
			return true;
		}
	}
	return false;
}

void sl_log(const struct sl_log *log, enum sl_log_level level, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;
	int n, more;

	if (level > log->level)
		return;
	n = snprintf(line, sizeof(line), "<%d>", (int)level);
	va_start(args, format);
	more = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (more < 0)
		return;
	n += more;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	// One write per line, so that lines of two processes on one terminal do not mix.
	if (write(log->fd, line, (size_t)n) < 0)
		return;
}
