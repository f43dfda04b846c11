// SPDX-License-Identifier: Apache-2.0
#include "probe_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

// At most this share of the descriptors this process may have, less those it always has open: API
// clients need some too.
#define MAX_RUNNING_SHARE 2
#define RESERVED          32
#define MAX_RUNNING_MIN   16
#define MAX_RUNNING_MAX   4096

static uint64_t next_random(struct sl_prober *prober)
{
	uint64_t x = prober->random;

	// xorshift64: timers need to be spread, not secret.
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	prober->random = x;
	return x;
}

static uint32_t count_allowed(void)
{
	struct rlimit limit;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return MAX_RUNNING_MIN;
	n = limit.rlim_cur > RESERVED ? (limit.rlim_cur - RESERVED) / MAX_RUNNING_SHARE : 0;
	if (n > MAX_RUNNING_MAX)
		return MAX_RUNNING_MAX;
	return n < MAX_RUNNING_MIN ? MAX_RUNNING_MIN : (uint32_t)n;
}

// --- specs ---

static void put_spec(struct sl_probe_spec *spec)
{
	if (spec == NULL || --spec->n_users > 0)
		return;
	curl_slist_free_all(spec->headers);
	free(spec);
}

static struct sl_probe_spec *new_spec(const struct sl_model_probe *def)
{
	struct sl_probe_spec *spec = calloc(1, sizeof(*spec));

	if (spec == NULL)
		return NULL;
	spec->n_users = 1;
	spec->def = *def;
	if (spec->def.type == SL_PROBE_TCP || sl_probe_http_spec_init(spec) == 0)
		return spec;
	put_spec(spec);
	return NULL;
}

// --- queue of due targets ---

static void enqueue(struct sl_target *target)
{
	struct sl_prober *prober = target->prober;

	target->state = SL_TARGET_QUEUED;
	target->queue_next = NULL;
	target->queue_prev = prober->queue_last;
	if (prober->queue_last != NULL)
		prober->queue_last->queue_next = target;
	else
		prober->queue_first = target;
	prober->queue_last = target;
}

static void dequeue(struct sl_target *target)
{
	struct sl_prober *prober = target->prober;

	if (target->queue_prev != NULL)
		target->queue_prev->queue_next = target->queue_next;
	else
		prober->queue_first = target->queue_next;
	if (target->queue_next != NULL)
		target->queue_next->queue_prev = target->queue_prev;
	else
		prober->queue_last = target->queue_prev;
	target->state = SL_TARGET_IDLE;
}

static void start(struct sl_target *target)
{
	struct sl_prober *prober = target->prober;
	int err;

	target->state = SL_TARGET_RUNNING;
	prober->n_running++;
	if (target->spec->def.type == SL_PROBE_TCP)
		err = sl_probe_tcp_start(target);
	else
		err = sl_probe_http_start(target);
	if (err != 0) {
		struct sl_probe_result result = {.reason = sl_probe_reason_of_errno(-err)};

		sl_probe_finish(target, &result);
	}
}

void sl_probe_pump(struct sl_prober *prober)
{
	while (!prober->is_closing && prober->queue_first != NULL &&
	       prober->n_running < prober->max_running) {
		struct sl_target *target = prober->queue_first;

		dequeue(target);
		start(target);
	}
}

void sl_probe_finish(struct sl_target *target, const struct sl_probe_result *result)
{
	struct sl_prober *prober = target->prober;

	target->state = SL_TARGET_IDLE;
	prober->n_running--;
	prober->done(prober->ctx, target->key, result);
}

static void cancel(struct sl_target *target)
{
	if (target->state == SL_TARGET_QUEUED)
		dequeue(target);
	if (target->state != SL_TARGET_RUNNING)
		return;
	if (target->tcp != NULL)
		sl_probe_tcp_cancel(target);
	else
		sl_probe_http_cancel(target);
	target->state = SL_TARGET_IDLE;
	target->prober->n_running--;
}

// --- targets and their timers ---

static void on_due(uv_timer_t *timer);

static void arm(struct sl_target *target, uint64_t delay_ms)
{
	uv_timer_start(&target->timer, on_due, delay_ms, 0);
}

static uint64_t jittered_ms(struct sl_target *target)
{
	uint64_t interval_ms = target->spec->def.interval_ms;
	uint64_t span_ms = 2 * interval_ms * target->spec->def.jitter_percent / 100;
	uint64_t ms = interval_ms - span_ms / 2;

	if (span_ms > 0)
		ms += next_random(target->prober) % (span_ms + 1);
	return ms > 0 ? ms : 1;
}

static void on_due(uv_timer_t *timer)
{
	struct sl_target *target = timer->data;
	struct sl_prober *prober = target->prober;

	arm(target, jittered_ms(target));
	if (target->state == SL_TARGET_IDLE)
		enqueue(target);
	sl_probe_pump(prober);
}

static void arm_first(struct sl_target *target)
{
	uint32_t interval_ms = target->spec->def.interval_ms;

	arm(target, interval_ms > 0 ? next_random(target->prober) % interval_ms : 0);
}

static void on_target_closed(uv_handle_t *handle)
{
	struct sl_target *target = handle->data;
	struct sl_prober *prober = target->prober;

	put_spec(target->spec);
	free(target);
	sl_probe_handle_closed(prober);
}

static void drop_target(struct sl_target *target)
{
	cancel(target);
	uv_close((uv_handle_t *)&target->timer, on_target_closed);
}

// --- a new set ---

struct wanted {
	const struct sl_probe_target *from;
	struct sl_target *target; // found or new
	struct sl_probe_spec *spec;
	bool is_new;
};

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = ((const struct wanted *)a)->from->key;
	uint64_t y = ((const struct wanted *)b)->from->key;

	return (x > y) - (x < y);
}

static int compare_definitions(const void *a, const void *b)
{
	const struct sl_model_probe *x = ((const struct wanted *)a)->from->probe;
	const struct sl_model_probe *y = ((const struct wanted *)b)->from->probe;

	return (x > y) - (x < y);
}

static void fini_wanted(struct wanted *wanted, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		put_spec(wanted[i].spec);
		if (wanted[i].is_new)
			free(wanted[i].target);
	}
	free(wanted);
}

static int make_specs(struct wanted *wanted, uint32_t n)
{
	qsort(wanted, n, sizeof(*wanted), compare_definitions);
	for (uint32_t i = 0; i < n; i++) {
		if (wanted[i].from->probe->type > SL_PROBE_GRPC)
			return -EINVAL;
		if (i > 0 && wanted[i].from->probe == wanted[i - 1].from->probe) {
			wanted[i].spec = wanted[i - 1].spec;
			wanted[i].spec->n_users++;
			continue;
		}
		wanted[i].spec = new_spec(wanted[i].from->probe);
		if (wanted[i].spec == NULL)
			return -ENOMEM;
	}
	return 0;
}

// Both lists are sorted by key: one walk finds what stays.
static int match_targets(struct sl_prober *prober, struct wanted *wanted, uint32_t n)
{
	uint32_t old = 0;

	qsort(wanted, n, sizeof(*wanted), compare_keys);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t key = wanted[i].from->key;

		if (i > 0 && wanted[i - 1].from->key == key)
			return -EINVAL;
		while (old < prober->n_targets && prober->targets[old]->key < key)
			old++;
		if (old < prober->n_targets && prober->targets[old]->key == key) {
			wanted[i].target = prober->targets[old];
			continue;
		}
		wanted[i].target = calloc(1, sizeof(*wanted[i].target));
		if (wanted[i].target == NULL)
			return -ENOMEM;
		wanted[i].is_new = true;
	}
	return 0;
}

static void drop_unwanted(struct sl_prober *prober, const struct wanted *wanted, uint32_t n)
{
	uint32_t i = 0;

	for (uint32_t old = 0; old < prober->n_targets; old++) {
		struct sl_target *target = prober->targets[old];

		while (i < n && wanted[i].from->key < target->key)
			i++;
		if (i == n || wanted[i].from->key != target->key)
			drop_target(target);
	}
}

static uint16_t port_of(const struct sl_probe_target *from)
{
	return from->probe->port != 0 ? from->probe->port : from->port;
}

// All fields are compared as bytes: definitions come from one parser that zeroes what it leaves.
static bool is_unchanged(const struct sl_target *target, const struct wanted *wanted)
{
	return sl_ip_equal(&target->address, &wanted->from->address) &&
	       target->port == port_of(wanted->from) &&
	       memcmp(&target->spec->def, &wanted->spec->def, sizeof(target->spec->def)) == 0;
}

static void adopt(struct sl_prober *prober, struct wanted *wanted)
{
	struct sl_target *target = wanted->target;

	if (!wanted->is_new && is_unchanged(target, wanted))
		return;
	if (wanted->is_new) {
		target->prober = prober;
		target->key = wanted->from->key;
		uv_timer_init(prober->loop, &target->timer);
		target->timer.data = target;
		prober->n_handles++;
		wanted->is_new = false;
	} else {
		cancel(target); // its answer would be to the old question
	}
	target->address = wanted->from->address;
	target->port = port_of(wanted->from);
	put_spec(target->spec);
	target->spec = wanted->spec;
	wanted->spec = NULL;
	arm_first(target);
}

int sl_prober_set(struct sl_prober *prober, const struct sl_probe_target *targets, uint32_t n)
{
	struct sl_target **list = calloc((size_t)n + 1, sizeof(struct sl_target *));
	struct wanted *wanted = calloc((size_t)n + 1, sizeof(*wanted));
	int err = -ENOMEM;

	if (list == NULL || wanted == NULL || prober->is_closing)
		goto out;
	for (uint32_t i = 0; i < n; i++)
		wanted[i].from = &targets[i];
	err = make_specs(wanted, n);
	if (err == 0)
		err = match_targets(prober, wanted, n);
	if (err != 0)
		goto out;
	// From here on nothing fails.
	drop_unwanted(prober, wanted, n);
	for (uint32_t i = 0; i < n; i++) {
		list[i] = wanted[i].target;
		adopt(prober, &wanted[i]);
	}
	free(prober->targets);
	prober->targets = list;
	prober->n_targets = n;
	list = NULL;
out:
	free(list);
	if (wanted != NULL)
		fini_wanted(wanted, n);
	return err;
}

// --- life of the prober ---

struct sl_prober *sl_prober_new(uv_loop_t *loop, uint64_t seed, sl_probe_done_fn done, void *ctx)
{
	struct sl_prober *prober = calloc(1, sizeof(*prober));

	if (prober == NULL)
		return NULL;
	prober->loop = loop;
	prober->done = done;
	prober->ctx = ctx;
	prober->random = seed != 0 ? seed : UINT64_C(0x5eed);
	prober->max_running = count_allowed();
	if (sl_probe_http_init(prober) == 0)
		return prober;
	free(prober);
	errno = ENOMEM;
	return NULL;
}

void sl_probe_handle_closed(struct sl_prober *prober)
{
	void (*closed)(void *ctx) = prober->closed;
	void *ctx = prober->closed_ctx;

	if (--prober->n_handles > 0 || !prober->is_closing)
		return;
	sl_probe_http_fini(prober);
	free(prober->targets);
	free(prober);
	if (closed != NULL)
		closed(ctx);
}

static void on_timer_closed(uv_handle_t *handle)
{
	sl_probe_handle_closed(handle->data);
}

void sl_prober_close(struct sl_prober *prober, void (*closed)(void *ctx), void *ctx)
{
	if (prober->is_closing)
		return;
	prober->is_closing = true;
	prober->closed = closed;
	prober->closed_ctx = ctx;
	for (uint32_t i = 0; i < prober->n_targets; i++)
		drop_target(prober->targets[i]);
	prober->n_targets = 0;
	sl_probe_tcp_fini(prober);
	uv_close((uv_handle_t *)&prober->curl_timer, on_timer_closed);
}
