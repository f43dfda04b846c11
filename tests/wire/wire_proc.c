// SPDX-License-Identifier: Apache-2.0
#include "wire_proc.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_BYTES   4096
#define PAUSE_NS        (10 * 1000 * 1000)
#define STOP_TIMEOUT_MS 5000
#define PORT_TIMEOUT_MS 5000
#define MUST_TIMEOUT_MS 10000

uint64_t sl_proc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sl_proc_pause(void)
{
	const struct timespec step = {.tv_nsec = PAUSE_NS};

	nanosleep(&step, NULL);
}

char *sl_proc_read_file(const char *path)
{
	size_t n = 0, room = 4096;
	char *text = malloc(room);
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(text);
	while (f != NULL) {
		size_t got = fread(text + n, 1, room - n - 1, f);

		if (got == 0)
			break;
		n += got;
		if (n == room - 1) {
			room *= 2;
			text = realloc(text, room);
			ck_assert_ptr_nonnull(text);
		}
	}
	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	return text;
}

void sl_proc_write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_msg(f != NULL, "cannot write %s: %s", path, strerror(errno));
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

// In the child: no way back. parent guards against its death between fork and prctl.
static void become(const char *ns, const char *command, int out_fd, pid_t parent)
{
	char shell[COMMAND_BYTES + 8];
	int null_fd = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	dup2(null_fd, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(out_fd, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	snprintf(shell, sizeof(shell), "exec %s", command);
	if (ns != NULL)
		execlp("ip", "ip", "netns", "exec", ns, "sh", "-c", shell, (char *)NULL);
	else
		execlp("sh", "sh", "-c", shell, (char *)NULL);
	_exit(127);
}

static pid_t spawn(const char *ns, const char *command, int out_fd)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	ck_assert_msg(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0)
		become(ns, command, out_fd, parent);
	return pid;
}

void sl_proc_start(struct sl_proc *proc, const char *ns, const char *log, const char *format, ...)
{
	char command[COMMAND_BYTES];
	va_list args;
	int fd;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(proc->log, sizeof(proc->log), "%s", log);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_msg(fd >= 0, "cannot write %s: %s", log, strerror(errno));
	proc->pid = spawn(ns, command, fd);
	close(fd);
}

// 0 when it still runs, else its wait status is stored.
static bool has_ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

bool sl_proc_is_running(struct sl_proc *proc)
{
	int status;

	if (proc->pid != 0 && has_ended(proc->pid, &status))
		proc->pid = 0;
	return proc->pid != 0;
}

void sl_proc_stop(struct sl_proc *proc, int signal_number)
{
	uint64_t deadline_ms = sl_proc_now_ms() + STOP_TIMEOUT_MS;

	if (!sl_proc_is_running(proc))
		return;
	kill(proc->pid, signal_number);
	while (sl_proc_is_running(proc)) {
		if (sl_proc_now_ms() > deadline_ms)
			kill(proc->pid, SIGKILL);
		sl_proc_pause();
	}
}

void sl_proc_wait_log(struct sl_proc *proc, const char *text, uint32_t timeout_ms)
{
	uint64_t deadline_ms = sl_proc_now_ms() + timeout_ms;

	for (;;) {
		bool is_running = sl_proc_is_running(proc);
		char *log = sl_proc_read_file(proc->log);
		bool is_there = strstr(log, text) != NULL;

		ck_assert_msg(is_there || is_running, "it ended without \"%s\":\n%s", text, log);
		ck_assert_msg(is_there || sl_proc_now_ms() < deadline_ms,
		              "no \"%s\" within %u ms:\n%s", text, timeout_ms, log);
		free(log);
		if (is_there)
			return;
		sl_proc_pause();
	}
}

int sl_proc_wait_end(struct sl_proc *proc, uint32_t timeout_ms)
{
	uint64_t deadline_ms = sl_proc_now_ms() + timeout_ms;
	int status = 0;

	while (!has_ended(proc->pid, &status)) {
		if (sl_proc_now_ms() > deadline_ms) {
			char *log = sl_proc_read_file(proc->log);

			sl_proc_stop(proc, SIGKILL);
			ck_abort_msg("did not end within %u ms:\n%s", timeout_ms, log);
		}
		sl_proc_pause();
	}
	proc->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The columns of /proc/net/{tcp,udp}*: "sl: local_address:PORT rem_address st ..".
static bool holds_port(const char *table, bool is_tcp, uint16_t port)
{
	const char *line = strchr(table, '\n');

	for (; line != NULL; line = strchr(line + 1, '\n')) {
		unsigned int local_port, state;

		if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local_port, &state) ==
		            2 &&
		    local_port == port && (!is_tcp || state == 0x0a))
			return true;
	}
	return false;
}

void sl_proc_wait_port(struct sl_proc *proc, const char *proto, uint16_t port)
{
	uint64_t deadline_ms = sl_proc_now_ms() + PORT_TIMEOUT_MS;
	bool is_there = false;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)proc->pid, proto);
	while (!is_there) {
		char *table = sl_proc_read_file(path);

		is_there = holds_port(table, proto[0] == 't', port);
		free(table);
		if (!is_there && (!sl_proc_is_running(proc) || sl_proc_now_ms() > deadline_ms))
			ck_abort_msg("nothing listens on %s port %u:\n%s", proto, port,
			             sl_proc_read_file(proc->log));
		sl_proc_pause();
	}
}

// Reads until the writers have closed or time is up; text grows as needed.
static bool collect(int fd, uint64_t deadline_ms, char **text)
{
	size_t n = 0, room = 4096;
	bool is_complete = false;

	*text = malloc(room);
	ck_assert_ptr_nonnull(*text);
	while (!is_complete) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		uint64_t now_ms = sl_proc_now_ms();
		ssize_t got;

		if (now_ms >= deadline_ms || poll(&ready, 1, (int)(deadline_ms - now_ms)) <= 0)
			break;
		got = read(fd, *text + n, room - n - 1);
		is_complete = got <= 0;
		n += got > 0 ? (size_t)got : 0;
		if (n == room - 1) {
			room *= 2;
			*text = realloc(*text, room);
			ck_assert_ptr_nonnull(*text);
		}
	}
	(*text)[n] = '\0';
	return is_complete;
}

static int run(const char *ns, uint32_t timeout_ms, const char *command, char **out)
{
	uint64_t deadline_ms = sl_proc_now_ms() + timeout_ms;
	int ends[2], status = 0;
	bool is_complete;
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = spawn(ns, command, ends[1]);
	close(ends[1]);
	is_complete = collect(ends[0], deadline_ms, out);
	close(ends[0]);
	if (!is_complete)
		kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return is_complete && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int sl_proc_run(const char *ns, uint32_t timeout_ms, char **out, const char *format, ...)
{
	char command[COMMAND_BYTES], *text;
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = run(ns, timeout_ms, command, &text);
	if (out != NULL)
		*out = text;
	else
		free(text);
	return status;
}

char *sl_proc_output(const char *ns, uint32_t timeout_ms, const char *format, ...)
{
	char command[COMMAND_BYTES], *text;
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = run(ns, timeout_ms, command, &text);
	ck_assert_msg(status == 0, "exit status %d of: %s\n%s", status, command, text);
	return text;
}

void sl_proc_must(const char *ns, const char *format, ...)
{
	char command[COMMAND_BYTES], *text;
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = run(ns, MUST_TIMEOUT_MS, command, &text);
	ck_assert_msg(status == 0, "exit status %d of: %s\n%s", status, command, text);
	free(text);
}
