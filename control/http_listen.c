// SPDX-License-Identifier: Apache-2.0
#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static int finish(int fd, const struct sockaddr *address, socklen_t n_bytes)
{
	int err;

	if (bind(fd, address, n_bytes) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

// A socket file that nobody listens on is left over from a kill; one that answers is another
// control process, which must not lose its name.
static int remove_dead_socket(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, err;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(fd);
	if (err != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(address->sun_path) != 0 ? -errno : 0;
}

int sl_http_listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	err = remove_dead_socket(&address);
	if (err != 0)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0117); // bind makes the file with 0660 at once: no moment of a wider mode
	fd = finish(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	return fd;
}

int sl_http_listen_tcp(const char *address_and_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *colon = strrchr(address_and_port, ':');
	char host[INET_ADDRSTRLEN] = {0}, *end;
	unsigned long port;
	int fd, one = 1;

	if (colon == NULL || (size_t)(colon - address_and_port) >= sizeof(host))
		return -EINVAL;
	memcpy(host, address_and_port, (size_t)(colon - address_and_port));
	port = strtoul(colon + 1, &end, 10);
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || end == colon + 1 || *end != '\0' ||
	    port > UINT16_MAX || (ntohl(address.sin_addr.s_addr) >> 24) != IN_LOOPBACKNET)
		return -EINVAL;
	address.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0) {
		one = -errno;
		close(fd);
		return one;
	}
	return finish(fd, (const struct sockaddr *)&address, sizeof(address));
}
