// SPDX-License-Identifier: Apache-2.0
// Processes of a wire test: started in a namespace, stopped by their id, never by name.
//
// Death:  a started process is killed by the kernel when the test that started it ends, however it
//         ends. Errors: what a test cannot go on without fails the test, with the command and its
//         output.
#ifndef SLUICE_WIRE_PROC_H
#define SLUICE_WIRE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SL_PROC_PATH_BYTES 128

struct sl_proc {
	pid_t pid;                    // 0 = not running
	char log[SL_PROC_PATH_BYTES]; // stdout and stderr
};

// ns: name of a namespace, NULL = the current one. The command is one for sh and is exec'ed, so pid
// is its own.
void sl_proc_start(struct sl_proc *proc, const char *ns, const char *log, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

bool sl_proc_is_running(struct sl_proc *proc);

// Sends the signal and waits for the end; SIGKILL after 5 s. Nothing when it does not run.
void sl_proc_stop(struct sl_proc *proc, int signal_number);

// Waits until the log holds text; fails the test with the log when the process ends or time is up.
void sl_proc_wait_log(struct sl_proc *proc, const char *text, uint32_t timeout_ms);

// Waits until the process ends by itself; its exit status, or fails the test when time is up.
int sl_proc_wait_end(struct sl_proc *proc, uint32_t timeout_ms);

// Waits until a socket of the process's namespace is bound to the port. proto: "tcp", "udp6", ..
void sl_proc_wait_port(struct sl_proc *proc, const char *proto, uint16_t port);

// Runs a shell command to its end. Exit status, or -1 when it was killed at the timeout; *out is
// what it wrote (stdout and stderr), malloced; NULL = not wanted.
int sl_proc_run(const char *ns, uint32_t timeout_ms, char **out, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

// The same for a command that must succeed; the caller frees what it wrote.
char *sl_proc_output(const char *ns, uint32_t timeout_ms, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void sl_proc_must(const char *ns, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t sl_proc_now_ms(void);

// A step of polling: long enough to leave the CPU to what is waited for.
void sl_proc_pause(void);

// The whole file as text, malloced; "" when it cannot be read.
char *sl_proc_read_file(const char *path);
void sl_proc_write_file(const char *path, const char *text);

#endif
