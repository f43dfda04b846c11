// SPDX-License-Identifier: Apache-2.0
// What no single key can tell: names that must exist, things that must not collide, values that
// exclude each other. Skips whatever was already reported as bad, so that one mistake is one error.
#ifndef SLUICE_CONTROL_CONFIG_CHECK_H
#define SLUICE_CONTROL_CONFIG_CHECK_H

#include "config_raw.h"
#include "config_words.h"

// Also hands defaults down to pools and probes and resolves references. 0 or -ENOMEM.
int sl_check_pools(struct raw_pools_file *file, struct sl_diag_list *diag);
int sl_check_dataplane(struct raw_dataplane_file *file, struct sl_diag_list *diag);

// Part of sl_check_pools: VIPs against each other and against their pools.
int sl_check_vips(struct raw_pools_file *file, struct sl_diag_list *diag);

// Part of sl_check_vips: allow and deny lists (config_check_access.c).
int sl_check_access(const struct raw_pools_file *file, struct sl_diag_list *diag);

// Parts of sl_check_pools: QUIC configurations and server ids (config_check_quic.c).
int sl_check_quic(const struct raw_pool *pool, struct sl_diag_list *diag);
void sl_check_quic_vip(const struct raw_vip *vip, const struct raw_pool *pool,
                       struct sl_diag_list *diag);

// Part of sl_check_dataplane: members of bonds (config_check_bonds.c).
void sl_check_bonds(const struct raw_list *ports, struct sl_diag_list *diag);

struct sl_duplicate_ctx {
	struct sl_diag_list *diag;
	const char *what; // "name of a VIP"
	bool is_text;     // repeat the word in the message
};

// For sl_words_find_duplicates; ctx is a struct sl_duplicate_ctx.
void sl_check_refuse_duplicate(const struct sl_word *later, const struct sl_word *first, void *ctx);

#endif
