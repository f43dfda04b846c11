// SPDX-License-Identifier: Apache-2.0
// Makes the captures that tests/prop/test_replay.c runs through sluice-replay: make_captures DIR.
#include "captures.h"

#include <netinet/in.h>

#include "captures_list.h"

struct capture {
	const char *name;
	void (*write)(struct script *s);
};

static const struct capture captures[] = {
#define CAPTURE_ROW(name, pools, dataplane) {#name, capture_##name},
	CAPTURES_LIST(CAPTURE_ROW)
#undef CAPTURE_ROW
};

int main(int argc, char **argv)
{
	struct script s;

	if (argc != 2) {
		fprintf(stderr, "usage: make_captures DIR\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		script_start(&s, argv[1], captures[i].name);
		captures[i].write(&s);
		script_end(&s);
	}
	return 0;
}
