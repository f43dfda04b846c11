// SPDX-License-Identifier: Apache-2.0
// Runs the real sluice-sim as a child: the binary that SL_SIM names, on ports the kernel chooses.
#ifndef SLUICE_TESTS_SIM_CHILD_H
#define SLUICE_TESTS_SIM_CHILD_H

#include <sys/types.h>

#define CHILD_ADDR 64

struct child {
	pid_t pid;
	char http[CHILD_ADDR], grpc[CHILD_ADDR]; // also tcp and udp of an echo, in http
};

// argv ends with NULL and begins with the sub-command. Waits until the child says it is ready. It
// dies with the test, whatever happens.
void child_start(struct child *child, const char *const *argv);

// Ends it politely. The test fails unless the child exits with 0: a leak found by ASan shows here.
void child_stop(struct child *child);

// The status it exits with by itself, 128 + n after a signal.
int child_wait(struct child *child);

// Runs a command to its end and returns its status.
int child_run(const char *const *argv);

#endif
