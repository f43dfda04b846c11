// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>

#include "assess.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_WRONG_USAGE = 2 };

static const char usage[] =
	"usage: sluice assess [options] CAPTURE.pcap\n"
	"  -o, --output text|json  summary, or one JSON line per flow; default text\n"
	"  --hide-ports            tell classes by behaviour alone: no port, no content\n"
	"  --features              one line per checkpoint, for tools/train_classifier.py\n";

static int read_all(struct sl_assess *a, const char *path)
{
	struct sl_capture *capture = sl_capture_open(path);
	struct sl_captured packet;
	int got, err = 0;

	if (capture == NULL)
		return -EINVAL;
	while ((got = sl_capture_next(capture, &packet)) == 1 && err == 0)
		err = sl_assess_packet(a, &packet);
	sl_capture_close(capture);
	if (got < 0)
		fprintf(stderr,
		        "sluice: %s is broken after packet %llu\n  next: if it was cut off, "
		        "`tcpdump -r BROKEN -w WHOLE` keeps what is whole\n",
		        path, (unsigned long long)a->n_pkts);
	if (err == 0 && got == 0)
		err = sl_assess_finish(a);
	if (err == -ENOMEM)
		fprintf(stderr, "sluice: out of memory after packet %llu\n",
		        (unsigned long long)a->n_pkts);
	return got < 0 ? got : err;
}

static int assess(const char *path, bool is_json, bool hides_ports, bool wants_features)
{
	struct sl_assess a;
	int err = sl_assess_init(&a, hides_ports, wants_features ? stdout : NULL);

	if (err != 0) {
		fputs("sluice: out of memory\n", stderr);
		return EXIT_FAILED;
	}
	err = read_all(&a, path);
	if (err == 0 && is_json)
		sl_assess_print_json(&a, stdout);
	else if (err == 0 && !wants_features)
		sl_assess_print_text(&a, stdout);
	sl_assess_fini(&a);
	return err == 0 && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

int sl_assess_command(int argc, char **argv)
{
	static const struct option longs[] = {{"output", required_argument, NULL, 'o'},
	                                      {"hide-ports", no_argument, NULL, 'H'},
	                                      {"features", no_argument, NULL, 'F'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {0}};
	bool is_json = false, hides_ports = false, wants_features = false;
	int c;

	optind = 0; // glibc: start over
	while ((c = getopt_long(argc, argv, "o:h", longs, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return EXIT_DONE;
		}
		is_json |= c == 'o' && strcmp(optarg, "json") == 0;
		hides_ports |= c == 'H';
		wants_features |= c == 'F';
		if (c == '?' ||
		    (c == 'o' && strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)) {
			fputs(usage, stderr);
			return EXIT_WRONG_USAGE;
		}
	}
	if (argc - optind != 1 || (is_json && wants_features)) {
		fputs(usage, stderr);
		return EXIT_WRONG_USAGE;
	}
	return assess(argv[optind], is_json, hides_ports, wants_features);
}
