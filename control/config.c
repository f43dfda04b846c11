// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_build.h"
#include "config_check.h"
#include "config_fill.h"

#define FILE_MAX_BYTES (16u << 20)

static int prepare_text(const char **text, size_t *n_bytes, struct sl_diag_list *diag)
{
	const char *nul;

	if (*n_bytes > FILE_MAX_BYTES) {
		sl_diag_error(diag, NULL, "%zu bytes are more than the most, 16 MiB", *n_bytes);
		return -EINVAL;
	}
	nul = memchr(*text, '\0', *n_bytes);
	if (nul != NULL) {
		sl_diag_error(diag, NULL, "NUL byte at offset %td; is this a text file?",
		              nul - *text);
		return -EINVAL;
	}
	if (*n_bytes >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) { // byte order mark
		*text += 3;
		*n_bytes -= 3;
	}
	return 0;
}

// Text to raw struct. 0 when the tree could be filled, with or without errors in it.
static int read_raw(const struct sl_schema_object *object, const char *text, size_t n_bytes,
                    struct sl_fill *fill, void *raw)
{
	struct sl_node *root = sl_yaml_parse(text, n_bytes, fill->arena, fill->diag);

	if (root == NULL)
		return -EINVAL;
	sl_fill_object(fill, object, root, raw);
	return fill->is_out_of_memory ? -ENOMEM : 0;
}

struct sl_model *sl_config_parse_pools(const char *file_name, const char *text, size_t n_bytes,
                                       struct sl_diagnostics *diag)
{
	struct sl_diag_list *list = calloc(1, sizeof(*list));
	struct sl_arena arena = {0};
	struct sl_fill fill = {.arena = &arena, .diag = list};
	struct raw_pools_file raw = {0};
	struct sl_model *model = NULL;
	int err;

	*diag = (struct sl_diagnostics){.n_errors = 1};
	if (list == NULL)
		return NULL;
	err = prepare_text(&text, &n_bytes, list);
	if (err == 0)
		err = read_raw(&sl_schema_pools, text, n_bytes, &fill, &raw);
	if (err == 0)
		err = sl_check_pools(&raw, list);
	if (err == 0 && list->n_errors == 0)
		model = sl_build_model(&raw, text, n_bytes);
	if (err == -ENOMEM || (model == NULL && list->n_errors == 0))
		sl_diag_error(list, NULL, "out of memory");
	if (sl_diag_render(list, file_name, text, n_bytes, diag) != 0) {
		sl_model_free(model);
		model = NULL;
	}
	sl_arena_fini(&arena);
	free(list);
	return model;
}

int sl_config_parse_dataplane(const char *file_name, const char *text, size_t n_bytes,
                              struct sl_dpconfig *out, struct sl_diagnostics *diag)
{
	struct sl_diag_list *list = calloc(1, sizeof(*list));
	struct sl_arena arena = {0};
	struct sl_fill fill = {.arena = &arena, .diag = list};
	struct raw_dataplane_file raw = {0};
	int err;

	*diag = (struct sl_diagnostics){.n_errors = 1};
	if (list == NULL)
		return -EINVAL;
	err = prepare_text(&text, &n_bytes, list);
	if (err == 0)
		err = read_raw(&sl_schema_dataplane, text, n_bytes, &fill, &raw);
	if (err == 0)
		err = sl_check_dataplane(&raw, list);
	if (err == -ENOMEM)
		sl_diag_error(list, NULL, "out of memory");
	if (list->n_errors > 0)
		err = -EINVAL;
	if (sl_diag_render(list, file_name, text, n_bytes, diag) != 0)
		err = -EINVAL;
	if (err == 0)
		sl_build_dpconfig(&raw, out);
	sl_arena_fini(&arena);
	free(list);
	return err;
}

static char *read_all(int fd, size_t size, size_t *n_bytes)
{
	char *text = malloc(size + 1);
	size_t n = 0;

	if (text == NULL)
		return NULL;
	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(text);
			return NULL;
		}
		if (got == 0)
			break; // became shorter meanwhile
		n += (size_t)got;
	}
	text[n] = '\0';
	*n_bytes = n;
	return text;
}

char *sl_config_read_file(const char *file_name, size_t *n_bytes, struct sl_diagnostics *diag)
{
	struct sl_diag_list *list = calloc(1, sizeof(*list));
	char *text = NULL;
	struct stat st;
	// NONBLOCK: opening a FIFO by mistake must not wait for a writer.
	int fd = open(file_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*diag = (struct sl_diagnostics){.n_errors = 1};
	if (list == NULL)
		goto out;
	if (fd < 0 || fstat(fd, &st) != 0)
		sl_diag_error(list, NULL, "cannot be opened: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		sl_diag_error(list, NULL, "not a regular file");
	else if (st.st_size > (off_t)FILE_MAX_BYTES)
		sl_diag_error(list, NULL, "%jd bytes are more than the most, 16 MiB",
		              (intmax_t)st.st_size);
	else
		text = read_all(fd, (size_t)st.st_size, n_bytes);
	if (text == NULL && list->n_errors == 0)
		sl_diag_error(list, NULL, "cannot be read: %s", strerror(errno));
	(void)sl_diag_render(list, file_name, "", 0, diag);
out:
	if (fd >= 0)
		close(fd);
	free(list);
	return text;
}
