// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

static pid_t spawn(const char *const *argv, int stdout_fd)
{
	const char *binary = getenv("SL_SIM"), *full[32] = {binary};
	size_t n = 1;
	pid_t pid;

	ck_assert_msg(binary != NULL, "SL_SIM does not name the sluice-sim binary");
	for (; argv[n - 1] != NULL; n++) {
		ck_assert_uint_lt(n, sizeof(full) / sizeof(full[0]) - 1);
		full[n] = argv[n - 1];
	}
	full[n] = NULL;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(stdout_fd, STDOUT_FILENO);
	execv(binary, (char *const *)(uintptr_t)full);
	_exit(126);
}

void child_start(struct child *child, const char *const *argv)
{
	char line[128], kind[16], addr[CHILD_ADDR];
	int ends[2];
	FILE *out;

	memset(child, 0, sizeof(*child));
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	child->pid = spawn(argv, ends[1]);
	close(ends[1]);
	out = fdopen(ends[0], "r");
	while (fgets(line, sizeof(line), out) != NULL && strcmp(line, "ready\n") != 0) {
		ck_assert_int_eq(sscanf(line, "%15s %63s", kind, addr), 2);
		// The first of each kind.
		if (strcmp(kind, "grpc") == 0)
			strcpy(child->grpc, addr);
		else if (child->http[0] == '\0')
			strcpy(child->http, addr);
	}
	ck_assert_str_eq(line, "ready\n");
	fclose(out);
}

int child_wait(struct child *child)
{
	int status;

	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_stop(struct child *child)
{
	ck_assert_int_eq(kill(child->pid, SIGTERM), 0);
	ck_assert_int_eq(child_wait(child), 0);
}

int child_run(const char *const *argv)
{
	struct child child = {.pid = spawn(argv, STDERR_FILENO)};

	return child_wait(&child);
}
