// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sl_state_path(const char *dir, const char *name, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int write_all(int fd, const char *data, size_t n_bytes)
{
	while (n_bytes > 0) {
		ssize_t n = write(fd, data, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		n_bytes -= (size_t)n;
	}
	return fsync(fd) != 0 ? -errno : 0;
}

// The name is durable only when the directory that holds it is.
static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = fsync(fd) != 0 ? -errno : 0;
	close(fd);
	return err;
}

int sl_state_write(const char *dir, const char *name, const void *data, size_t n_bytes)
{
	char path[PATH_MAX], temp[PATH_MAX];
	int err, fd, n;

	err = sl_state_path(dir, name, path);
	if (err != 0)
		return err;
	n = snprintf(temp, sizeof(temp), "%s/.%s.XXXXXX", dir, name);
	if (n < 0 || (size_t)n >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, n_bytes);
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err == 0 && rename(temp, path) != 0)
		err = -errno;
	if (err != 0) {
		unlink(temp);
		return err;
	}
	return sync_dir(dir);
}

uint64_t sl_state_read_generation(const char *dir)
{
	char path[PATH_MAX];
	uint64_t generation = 0;
	FILE *file;

	if (sl_state_path(dir, SL_STATE_GENERATION, path) != 0)
		return 0;
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNu64, &generation) != 1)
		generation = 0;
	fclose(file);
	return generation;
}

int sl_state_write_generation(const char *dir, uint64_t generation)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", generation);

	return sl_state_write(dir, SL_STATE_GENERATION, text, (size_t)n);
}
