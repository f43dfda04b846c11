// SPDX-License-Identifier: Apache-2.0
// Stands in for libbpf's header when the XDP program is compiled for this machine.
#ifndef SLUICE_XDP_HOST_BPF_ENDIAN_H
#define SLUICE_XDP_HOST_BPF_ENDIAN_H

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define bpf_htons(x) ((__be16)__builtin_bswap16(x))
#else
#define bpf_htons(x) ((__be16)(x))
#endif

#endif
