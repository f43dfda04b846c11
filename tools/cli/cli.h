// SPDX-License-Identifier: Apache-2.0
// The `sluice` command: one table of commands (main.c) drives parsing, help and usage errors; the
// rest is requests to the control process over its Unix socket, and tables of the answers.
//
// Exit:   SL_CLI_*. Errors go to standard error and say the cause and the next step.
// Links:  libcurl and jansson only, so that it runs anywhere and unprivileged.
#ifndef SLUICE_TOOLS_CLI_H
#define SLUICE_TOOLS_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_cli_exit {
	SL_CLI_OK = 0,
	SL_CLI_FAILED = 1,
	SL_CLI_USAGE = 2,
	SL_CLI_INVALID = 3,     // configuration refused
	SL_CLI_UNREACHABLE = 4, // no control process answers
	SL_CLI_PARTIAL = 5,     // timed out, or not everywhere in force
	SL_CLI_DEGRADED = 6,    // status
};

struct sl_cli {
	const char *socket;
	const char *file; // -f of apply; NULL = the daemon's
	long timeout_ms;
	long wait_ms;       // --wait; 0 = do not
	long watch_ms;      // --watch; 0 = once
	const char *ttl;    // --ttl; NULL = control's default
	const char *reason; // --reason; NULL = none
	bool is_json;
};

// ---- request.c ----
// GET, or POST when body is not NULL. SL_CLI_OK and the answer, or another status with the error
// already told (quietly: not told). *answer is a new reference then, and NULL otherwise.
int sl_cli_request(const struct sl_cli *cli, const char *path, const char *body, json_t **answer);
int sl_cli_request_quietly(const struct sl_cli *cli, const char *path, json_t **answer);

// ---- table.c ----
#define SL_CLI_MAX_COLUMNS 24
#define SL_CLI_CELL_BYTES  80
struct sl_cli_table;
// headers ends with NULL; one that begins with '>' is aligned right (the mark is not shown).
struct sl_cli_table *sl_cli_table_new(const char *const *headers);
// One cell, column by column; after the last column a new row begins.
void sl_cli_table_add(struct sl_cli_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void sl_cli_table_print_and_free(struct sl_cli_table *table);

// Into a small buffer of the caller, returned: 950, 12.3k, 1.2M; 0.4 s, 3 min; "-" for null.
const char *sl_cli_human_count(double n, char text[16]);
const char *sl_cli_human_seconds(const json_t *seconds, char text[16]);
// width characters, as many '#' as part of whole.
const char *sl_cli_bar(double part, double whole, int width, char text[32]);

// "500ms", "30s", "2m", "4h", "7d", bare seconds. -1 for anything else.
long sl_cli_parse_ms(const char *text);

// ---- commands; argv holds the operands only ----
int sl_cli_status(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_apply(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_vip_list(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_pool_list(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_pool_show(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_backend_why(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_backend_drain(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_backend_ready(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_weight_set(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_weight_clear(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_flow_count(const struct sl_cli *cli, int argc, char **argv);
int sl_cli_drops(const struct sl_cli *cli, int argc, char **argv);

// target is POOL/BACKEND; pool gets the first, backend points to the second. SL_CLI_OK, or told.
int sl_cli_split_target(const char *target, char pool[80], const char **backend);

// Fetches, and either dumps or draws.
int sl_cli_show(const struct sl_cli *cli, const char *path, void (*draw)(const json_t *json));

// ---- why.c: what flows showed, for pool show ----
bool sl_cli_has_latency(const json_t *backends);
void sl_cli_add_latency(struct sl_cli_table *table, const json_t *backend); // four columns
void sl_cli_print_steer(const json_t *steer);
// false: no guard holds it.
bool sl_cli_guard_in_words(const json_t *backend, char text[SL_CLI_CELL_BYTES]);

long sl_cli_now_ms(void); // CLOCK_MONOTONIC
void sl_cli_sleep_ms(long ms);

// Names as pools.yaml allows them; told when it is none.
bool sl_cli_is_name(const char *text);

// Members of an object, with a harmless value when they are not there.
const char *sl_cli_text_of(const json_t *json, const char *key);
double sl_cli_number_of(const json_t *json, const char *key);
void sl_cli_print_json(const json_t *json);

#endif
