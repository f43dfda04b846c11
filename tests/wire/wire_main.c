// SPDX-License-Identifier: Apache-2.0
#include "wire_main.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire_net.h"

const char *sl_wire_dir(void)
{
	const char *dir = getenv("SL_WIRE_DIR");

	ck_assert_msg(dir != NULL, "run through sl_wire_main");
	return dir;
}

void sl_wire_program(char *path, size_t n_bytes, const char *place)
{
	const char *build = getenv("SL_BUILD");

	snprintf(path, n_bytes, "%s/%s", build != NULL ? build : ".", place);
	ck_assert_msg(access(path, X_OK) == 0, "%s is missing: build it, set SL_BUILD", path);
}

bool sl_wire_has_af_xdp(void)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int run_suite(Suite *suite, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return EXIT_FAILURE;
	return sl_check_run(suite);
}

// The parent only waits: a signal to it is passed on, and the sweep follows in every case.
static int wait_for_suite(pid_t child, const sigset_t *watched)
{
	int status, signal_number;

	for (;;) {
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
		sigwait(watched, &signal_number);
		if (signal_number != SIGCHLD)
			kill(child, SIGKILL);
	}
}

static void choose_names(void)
{
	char prefix[16], dir[64];

	snprintf(prefix, sizeof(prefix), "slw%d", (int)getpid());
	snprintf(dir, sizeof(dir), "/tmp/%s", prefix);
	setenv("SL_WIRE_PREFIX", prefix, 1);
	setenv("SL_WIRE_DIR", dir, 1);
	mkdir(dir, 0700);
}

static void remove_dir(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", getenv("SL_WIRE_DIR"));
	if (system(command) != 0)
		fprintf(stderr, "%s is left over\n", getenv("SL_WIRE_DIR"));
}

int sl_wire_main(Suite *suite)
{
	pid_t parent = getpid(), child;
	sigset_t watched, before;
	int status;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: it makes network namespaces\n");
		return EXIT_SUCCESS;
	}
	if (!sl_wire_has_af_xdp())
		printf("# SKIP af_xdp rows: this kernel has no AF_XDP sockets\n");
	fflush(stdout);
	choose_names();
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGTERM);
	sigaddset(&watched, SIGHUP);
	sigprocmask(SIG_BLOCK, &watched, &before);
	child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		exit(run_suite(suite, parent));
	}
	status = child < 0 ? EXIT_FAILURE : wait_for_suite(child, &watched);
	sl_net_sweep();
	remove_dir();
	return status;
}
