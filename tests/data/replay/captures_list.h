// SPDX-License-Identifier: Apache-2.0
// Every capture: its name, and the two files it is replayed with.
#ifndef SLUICE_TESTS_CAPTURES_LIST_H
#define SLUICE_TESTS_CAPTURES_LIST_H

#define CAPTURES_LIST(X)                                                                           \
	X(nat_v4, "pools", "dataplane")                                                            \
	X(nat_v6, "pools", "dataplane")                                                            \
	X(fullnat_v4, "pools", "dataplane")                                                        \
	X(fullnat_v6, "pools", "dataplane")                                                        \
	X(fullnat_ports, "pools", "dataplane")                                                     \
	X(family_to_v6, "pools", "dataplane")                                                      \
	X(family_to_v4, "pools", "dataplane")                                                      \
	X(dsr_l2_v4, "pools", "dataplane")                                                         \
	X(dsr_l2_v6, "pools", "dataplane")                                                         \
	X(shapes_v4, "pools", "dataplane")                                                         \
	X(shapes_v6, "pools", "dataplane")                                                         \
	X(icmp_nat_v4, "pools", "dataplane")                                                       \
	X(icmp_nat_v6, "pools", "dataplane")                                                       \
	X(icmp_fullnat_v4, "pools", "dataplane")                                                   \
	X(icmp_fullnat_v6, "pools", "dataplane")                                                   \
	X(icmp_dsr_l2_v4, "pools", "dataplane")                                                    \
	X(icmp_dsr_l2_v6, "pools", "dataplane")                                                    \
	X(refused_v4, "pools", "dataplane")                                                        \
	X(refused_v6, "pools", "dataplane")                                                        \
	X(broken_v4, "pools", "dataplane")                                                         \
	X(broken_v6, "pools", "dataplane")                                                         \
	X(fragments_v4, "pools", "three")                                                          \
	X(fragments_v6, "pools", "three")                                                          \
	X(gate_v4, "gates", "three")                                                               \
	X(gate_v6, "gates", "three")                                                               \
	X(affinity_v4, "gates", "three")                                                           \
	X(affinity_v6, "gates", "three")                                                           \
	X(shared_v4, "pools", "shared")                                                            \
	X(shared_v6, "pools", "shared")                                                            \
	X(vlan_v4, "pools", "vlans")                                                               \
	X(vlan_v6, "pools", "vlans")                                                               \
	X(times, "pools", "dataplane")                                                             \
	X(local, "pools", "dataplane")                                                             \
	X(neighbours, "neigh", "dataplane")                                                        \
	X(proxy_v4, "told", "dataplane")                                                           \
	X(proxy_v6, "told", "dataplane")                                                           \
	X(proxy_long, "told", "dataplane")                                                         \
	X(toa_v4, "told", "dataplane")                                                             \
	X(toa_v6, "told", "dataplane")

#endif
