// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "daemon.h"
#include "state.h"

#define RETRY_NS (10 * SL_NS_PER_S) // a disk that was full is looked at this often

static const char *const losses[] = {
	[SL_KEEP_GENERATION] = "the number of the configuration",
	[SL_KEEP_LAST_GOOD] = "the last good configuration",
	[SL_KEEP_OVERRIDES] = "overrides",
};

// One line when it begins to fail and one when it is well again: retries say nothing new.
static void note(struct sl_daemon *daemon, enum sl_keep what, int err)
{
	const uint32_t bit = 1u << what;
	const bool was_unsaved = (daemon->unsaved & bit) != 0;

	if (err == 0) {
		daemon->unsaved &= ~bit;
		if (was_unsaved)
			sl_log(daemon->log, SL_LOG_INFO, "%s: saved again", losses[what]);
		return;
	}
	daemon->unsaved |= bit;
	daemon->unsaved_errno = -err;
	daemon->unsaved_retry_ns = uv_hrtime() + RETRY_NS;
	if (!was_unsaved)
		sl_log(daemon->log, SL_LOG_ERROR,
		       "cannot save %s in %s: %s; a restart would lose it, trying again each 10 s",
		       losses[what], daemon->options.state_dir, strerror(-err));
}

void sl_keep_generation(struct sl_daemon *daemon, uint64_t generation)
{
	note(daemon, SL_KEEP_GENERATION,
	     sl_state_write_generation(daemon->options.state_dir, generation));
}

void sl_keep_last_good(struct sl_daemon *daemon)
{
	note(daemon, SL_KEEP_LAST_GOOD,
	     sl_state_write(daemon->options.state_dir, SL_STATE_LAST_GOOD, daemon->text,
	                    daemon->text_bytes));
}

struct sl_override_clock sl_keep_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct sl_override_clock){.now_ns = uv_hrtime(), .unix_s = now.tv_sec};
}

void sl_keep_overrides(struct sl_daemon *daemon)
{
	const struct sl_override_clock clock = sl_keep_clock();
	char *text = sl_overrides_save(&daemon->overrides, &clock);
	int err = text == NULL ? -ENOMEM
	                       : sl_state_write(daemon->options.state_dir, SL_STATE_OVERRIDES, text,
	                                        strlen(text));

	free(text);
	note(daemon, SL_KEEP_OVERRIDES, err);
}

void sl_keep_retry(struct sl_daemon *daemon, uint64_t now_ns)
{
	const uint32_t unsaved = daemon->unsaved;

	if (unsaved == 0 || now_ns < daemon->unsaved_retry_ns)
		return;
	if (unsaved & 1u << SL_KEEP_GENERATION)
		sl_keep_generation(daemon, daemon->generation);
	if (unsaved & 1u << SL_KEEP_OVERRIDES)
		sl_keep_overrides(daemon);
	// A text that no data plane has taken yet is saved when one does; until then the file that
	// is there stays.
	if (unsaved & 1u << SL_KEEP_LAST_GOOD && !daemon->is_unproven && !daemon->is_last_good)
		sl_keep_last_good(daemon);
}

bool sl_keep_warning(const struct sl_daemon *daemon, char *text, size_t n_bytes)
{
	const char *lead = ": a restart of control would lose ";
	int n;

	if (daemon->unsaved == 0)
		return false;
	n = snprintf(text, n_bytes, "%s cannot be written (%s)", daemon->options.state_dir,
	             strerror(daemon->unsaved_errno));
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		if ((daemon->unsaved & 1u << i) == 0 || n < 0 || (size_t)n >= n_bytes)
			continue;
		n += snprintf(text + n, n_bytes - (size_t)n, "%s%s", lead, losses[i]);
		lead = ", ";
	}
	return true;
}
