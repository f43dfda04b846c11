// SPDX-License-Identifier: Apache-2.0
// The frame of every wire test program: checks that it may run, gives the run its prefix, runs the
// suite in a child and clears away what that leaves, even when it is killed.
#ifndef SLUICE_WIRE_MAIN_H
#define SLUICE_WIRE_MAIN_H

#include <stdbool.h>

#include "sl_check.h"

// Directory of this run, removed with everything in it at the end.
const char *sl_wire_dir(void);

// Path of a program of this build, by its place in the build directory; from $SL_BUILD.
void sl_wire_program(char *path, size_t n_bytes, const char *place);

// Can this kernel give us AF_XDP sockets? A row that needs them is left out when not, and
// sl_wire_main tells so as a skip.
bool sl_wire_has_af_xdp(void);

int sl_wire_main(Suite *suite);

#endif
