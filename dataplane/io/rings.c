// SPDX-License-Identifier: Apache-2.0
// The rings between cores (worker.h).
#include "worker.h"

#include <errno.h>
#include <stdio.h>

#include <rte_malloc.h>

int sl_io_init(struct sl_io *io, uint32_t n_workers)
{
	char name[RTE_RING_NAMESIZE];

	io->n_workers = n_workers;
	io->qsbr = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(SL_MAX_WORKERS), 64);
	if (io->qsbr == NULL || rte_rcu_qsbr_init(io->qsbr, SL_MAX_WORKERS) != 0)
		return -ENOMEM;
	for (uint32_t to = 0; to <= n_workers; to++) {
		for (uint32_t from = 0; from <= n_workers; from++) {
			if (to == from)
				continue;
			snprintf(name, sizeof(name), "sl_%u_%u", to, from);
			io->rings[to][from] = rte_ring_create(name, SL_RING_PKTS, SOCKET_ID_ANY,
			                                      RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (io->rings[to][from] == NULL)
				return -ENOMEM;
		}
	}
	return 0;
}

void sl_io_fini(struct sl_io *io)
{
	void *m;

	for (uint32_t to = 0; to <= io->n_workers; to++) {
		for (uint32_t from = 0; from <= io->n_workers; from++) {
			while (io->rings[to][from] != NULL &&
			       rte_ring_sc_dequeue(io->rings[to][from], &m) == 0)
				rte_pktmbuf_free(m);
			rte_ring_free(io->rings[to][from]);
		}
	}
	rte_free(io->qsbr);
}
