// SPDX-License-Identifier: Apache-2.0
// Every capture: its name, and the pools file it is replayed with.
#ifndef SLUICE_TESTS_CAPTURES_LIST_H
#define SLUICE_TESTS_CAPTURES_LIST_H

#define CAPTURES_LIST(X)                                                                           \
	X(nat_v4, "pools")                                                                         \
	X(nat_v6, "pools")                                                                         \
	X(fullnat_v4, "pools")                                                                     \
	X(fullnat_v6, "pools")                                                                     \
	X(dsr_l2_v4, "pools")                                                                      \
	X(dsr_l2_v6, "pools")                                                                      \
	X(shapes_v4, "pools")                                                                      \
	X(shapes_v6, "pools")                                                                      \
	X(icmp_nat_v4, "pools")                                                                    \
	X(icmp_nat_v6, "pools")                                                                    \
	X(icmp_fullnat_v4, "pools")                                                                \
	X(icmp_fullnat_v6, "pools")                                                                \
	X(icmp_dsr_l2_v4, "pools")                                                                 \
	X(icmp_dsr_l2_v6, "pools")                                                                 \
	X(refused_v4, "pools")                                                                     \
	X(refused_v6, "pools")                                                                     \
	X(broken_v4, "pools")                                                                      \
	X(broken_v6, "pools")                                                                      \
	X(times, "pools")                                                                          \
	X(local, "pools")                                                                          \
	X(neighbours, "neigh")

#endif
