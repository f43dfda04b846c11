// SPDX-License-Identifier: Apache-2.0
#include "config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "config_words.h"

#define SHOWN 48 // characters of a value that a message repeats

struct unit {
	const char *name;
	uint64_t factor;
};

// Largest first, as they are printed; the stored unit has factor 1.
static const struct unit duration_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit percent_units[] = {{"%", 1}};
static const struct unit count_units[] = {{"M", 1000000}, {"k", 1000}, {"", 1}};
static const struct unit rate_units[] = {{"M/s", 1000000}, {"k/s", 1000}, {"/s", 1}};
static const struct unit bit_rate_units[] = {{"Gbit", 1000000000}, {"Mbit", 1000000}};
static const struct unit plain_units[] = {{"", 1}};
static const struct unit size_units[] = {
	{"GiB", UINT64_C(1) << 30}, {"GB", 1000000000}, {"MiB", UINT64_C(1) << 20}, {"MB", 1000000},
	{"KiB", UINT64_C(1) << 10}, {"kB", 1000},
};

struct unit_set {
	const struct unit *units;
	size_t n;
	const char *expected;
	const char *likely[2]; // units a bare number was probably meant in; none: bare is fine
};

#define SET(units, ...)                                                                            \
	{                                                                                          \
		units, sizeof(units) / sizeof((units)[0]), __VA_ARGS__                             \
	}

static struct unit_set units_of(enum sl_value_type type)
{
	static const struct unit_set duration =
		SET(duration_units, "a duration in ms, s, m or h, such as 500ms", {"ms", "s"});
	static const struct unit_set percent =
		SET(percent_units, "a percentage, such as 10%", {"%"});
	static const struct unit_set count =
		SET(count_units, "a whole number, such as 5000, 64k or 1M");
	static const struct unit_set rate =
		SET(rate_units, "a rate per second, such as 50/s or 5k/s", {"/s"});
	static const struct unit_set bit_rate =
		SET(bit_rate_units, "a bit rate in Mbit or Gbit per second, such as 200Mbit",
	            {"Mbit", "Gbit"});
	static const struct unit_set size = SET(
		size_units, "a size in kB, MB, GB, KiB, MiB or GiB, such as 512MB", {"MB", "GB"});
	static const struct unit_set plain = SET(plain_units, "a whole number");

	switch (type) {
	case SL_VALUE_DURATION:
	case SL_VALUE_SECONDS:
		return duration;
	case SL_VALUE_PERCENT:
		return percent;
	case SL_VALUE_COUNT:
		return count;
	case SL_VALUE_RATE:
		return rate;
	case SL_VALUE_BIT_RATE:
		return bit_rate;
	case SL_VALUE_SIZE:
		return size;
	default:
		return plain;
	}
}

void sl_value_print(enum sl_value_type type, uint64_t value, char *text, size_t n_bytes)
{
	const struct unit_set set = units_of(type);
	const struct unit *unit = &set.units[set.n - 1];

	for (size_t i = 0; i < set.n; i++) {
		if (value != 0 && value % set.units[i].factor == 0) {
			unit = &set.units[i];
			break;
		}
	}
	snprintf(text, n_bytes, "%ju%s", (uintmax_t)(value / unit->factor), unit->name);
}

// Leading digits of text. Returns what follows them; NULL when there are none or too many.
static const char *read_digits(const char *text, uint64_t *value)
{
	const char *p = text;

	*value = 0;
	for (; isdigit((unsigned char)*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*value > (UINT64_MAX - digit) / 10)
			return NULL;
		*value = *value * 10 + digit;
	}
	return p == text ? NULL : p;
}

static int explain_number(const struct unit_set *set, const char *text, char *why)
{
	uint64_t number;
	const char *rest = read_digits(text, &number), *dot = strchr(text, '.');
	bool is_decimal = dot != NULL && isdigit((unsigned char)dot[1]);

	if (rest == NULL || *rest != '\0' || set->likely[0] == NULL)
		snprintf(why, SL_VALUE_WHY_BYTES, "\"%.*s\" is not %s%s", SHOWN, text,
		         set->expected, is_decimal ? "; no decimals, use a smaller unit" : "");
	else if (set->likely[1] == NULL)
		snprintf(why, SL_VALUE_WHY_BYTES, "%.*s has no unit; write %.*s%s", SHOWN, text,
		         SHOWN, text, set->likely[0]);
	else
		snprintf(why, SL_VALUE_WHY_BYTES, "%.*s has no unit; write %.*s%s or %.*s%s", SHOWN,
		         text, SHOWN, text, set->likely[0], SHOWN, text, set->likely[1]);
	return -EINVAL;
}

static int check_bounds(const struct sl_schema_key *key, const char *text, uint64_t value,
                        char *why)
{
	char bound[32];

	if (value >= key->min && value <= key->max)
		return 0;
	sl_value_print(key->type, value < key->min ? key->min : key->max, bound, sizeof(bound));
	snprintf(why, SL_VALUE_WHY_BYTES, "%.*s is %s %s", SHOWN, text,
	         value < key->min ? "below the least," : "above the most,", bound);
	return -EINVAL;
}

static int parse_number(const struct sl_schema_key *key, const char *text, uint64_t *out, char *why)
{
	const struct unit_set set = units_of(key->type);
	uint64_t number, factor = 0;
	const char *rest = read_digits(text, &number);

	for (size_t i = 0; rest != NULL && i < set.n; i++)
		if (strcmp(rest, set.units[i].name) == 0)
			factor = set.units[i].factor;
	if (factor == 0)
		return explain_number(&set, text, why);
	if (number > UINT64_MAX / factor)
		number = UINT64_MAX; // above every bound of the table
	else
		number *= factor;
	if (check_bounds(key, text, number, why) != 0)
		return -EINVAL;
	if (key->type == SL_VALUE_SECONDS && number % 1000 != 0) {
		snprintf(why, SL_VALUE_WHY_BYTES, "%s is not a whole number of seconds", text);
		return -EINVAL;
	}
	*out = number;
	return 0;
}

static int parse_word(const struct sl_schema_key *key, const char *text, uint64_t *out, char *why)
{
	struct sl_nearest nearest;
	char hint[96];
	size_t n;

	sl_nearest_init(&nearest, text);
	for (uint64_t i = 0; key->words[i] != NULL; i++) {
		if (strcmp(text, key->words[i]) == 0) {
			*out = i;
			return 0;
		}
		sl_nearest_offer(&nearest, key->words[i]);
	}
	n = (size_t)snprintf(why, SL_VALUE_WHY_BYTES, "\"%.*s\" is none of", SHOWN, text);
	for (size_t i = 0; key->words[i] != NULL; i++)
		n += (size_t)snprintf(why + n, SL_VALUE_WHY_BYTES - n, "%s %s", i > 0 ? "," : "",
		                      key->words[i]);
	snprintf(why + n, SL_VALUE_WHY_BYTES - n, "%s",
	         sl_nearest_text(&nearest, hint, sizeof(hint)));
	return -EINVAL;
}

static int parse_name(const char *text, char *why)
{
	size_t n = strlen(text);

	for (const char *p = text; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL) {
			snprintf(why, SL_VALUE_WHY_BYTES,
			         "\"%.*s\" is no name; letters, digits and . _ - make one", SHOWN,
			         text);
			return -EINVAL;
		}
	}
	if (n == 0 || n >= SL_NAME_BYTES) {
		snprintf(why, SL_VALUE_WHY_BYTES, "a name has 1 to %d characters, this one %zu",
		         SL_NAME_BYTES - 1, n);
		return -EINVAL;
	}
	return 0;
}

static int parse_text(const struct sl_schema_key *key, const char *text, char *why)
{
	size_t n = strlen(text);

	if (n < key->min || n > key->max) {
		snprintf(why, SL_VALUE_WHY_BYTES, "%zu bytes long; %ju to %ju are accepted", n,
		         (uintmax_t)key->min, (uintmax_t)key->max);
		return -EINVAL;
	}
	if (key->type != SL_VALUE_PATH)
		return 0;
	if (text[0] != '/') {
		snprintf(why, SL_VALUE_WHY_BYTES, "\"%.*s\" does not start with /", SHOWN, text);
		return -EINVAL;
	}
	for (const char *p = text; *p != '\0'; p++) {
		if (!isgraph((unsigned char)*p)) {
			snprintf(why, SL_VALUE_WHY_BYTES,
			         "\"%.*s\" holds a blank or a character outside ASCII", SHOWN,
			         text);
			return -EINVAL;
		}
	}
	return 0;
}

static int read_ip(const char *text, size_t n_bytes, struct sl_ip *out)
{
	char copy[INET6_ADDRSTRLEN];
	uint32_t v4_be;

	if (n_bytes >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, n_bytes);
	copy[n_bytes] = '\0';
	if (inet_pton(AF_INET, copy, &v4_be) == 1) {
		*out = sl_ip_from_v4(v4_be);
		return 0;
	}
	// An IPv4 address in IPv6 clothes would slip past every check of families.
	return inet_pton(AF_INET6, copy, out->bytes) == 1 && !sl_ip_is_v4(out) ? 0 : -EINVAL;
}

const char *sl_value_martian(const struct sl_ip *ip)
{
	static const struct sl_ip zero;
	static const struct sl_ip loopback = {.bytes = {[15] = 1}};
	uint8_t v4 = ip->bytes[12];

	if (sl_ip_is_v4(ip)) {
		if (v4 == 0)
			return "\"this\" network";
		if (v4 == 127)
			return "loopback";
		if (v4 >= 240)
			return "reserved or broadcast";
		return v4 >= 224 ? "multicast" : NULL;
	}
	if (sl_ip_equal(ip, &zero))
		return "the unspecified address";
	if (sl_ip_equal(ip, &loopback))
		return "loopback";
	if (ip->bytes[0] == 0xff)
		return "multicast";
	return ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80
	               ? "link-local, which needs an interface"
	               : NULL;
}

void sl_value_print_ip(const struct sl_ip *ip, char *text, size_t n_bytes)
{
	bool is_v4 = sl_ip_is_v4(ip);

	if (inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? &ip->bytes[12] : ip->bytes, text,
	              (socklen_t)n_bytes) == NULL)
		snprintf(text, n_bytes, "?");
}

static int refuse_martian(const struct sl_ip *ip, char *why)
{
	const char *kind = sl_value_martian(ip);
	char shown[INET6_ADDRSTRLEN];

	if (kind == NULL)
		return 0;
	sl_value_print_ip(ip, shown, sizeof(shown));
	snprintf(why, SL_VALUE_WHY_BYTES, "%s is %s, no host has it", shown, kind);
	return -EINVAL;
}

static int parse_address(const char *text, struct sl_ip *out, char *why)
{
	if (read_ip(text, strlen(text), out) == 0)
		return refuse_martian(out, why);
	snprintf(why, SL_VALUE_WHY_BYTES, "\"%.*s\" is not an IPv4 or IPv6 address", SHOWN, text);
	return -EINVAL;
}

static int read_port(const char *text, uint16_t *out)
{
	uint64_t port;
	const char *rest = read_digits(text, &port);

	if (rest == NULL || *rest != '\0' || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*out = (uint16_t)port;
	return 0;
}

// "10.0.0.1:80", "[2001:db8::1]:80", and without a port "10.0.0.1", "2001:db8::1".
static int parse_endpoint(const char *text, struct raw_endpoint *out, char *why)
{
	const char *port = strrchr(text, ':'), *host = text;
	size_t n_host = port != NULL ? (size_t)(port - text) : strlen(text);

	*out = (struct raw_endpoint){.has_port = port != NULL};
	if (text[0] == '[') {
		const char *end = strchr(text, ']');

		if (end == NULL || (end[1] != ':' && end[1] != '\0'))
			goto malformed;
		host = text + 1;
		n_host = (size_t)(end - host);
		out->has_port = end[1] == ':';
		port = end + 1;
		if (memchr(host, ':', n_host) == NULL)
			goto malformed;
	} else if (port != NULL && strchr(text, ':') != port) {
		out->has_port = false; // several colons and no brackets: an IPv6 address alone
		n_host = strlen(text);
	}
	if (read_ip(host, n_host, &out->address) != 0)
		goto malformed;
	if (out->has_port && read_port(port + 1, &out->port) != 0) {
		snprintf(why, SL_VALUE_WHY_BYTES, "\"%.*s\" is not a port; 1 to 65535 are", SHOWN,
		         port + 1);
		return -EINVAL;
	}
	return refuse_martian(&out->address, why);
malformed:
	snprintf(why, SL_VALUE_WHY_BYTES,
	         "\"%.*s\" is not an address and port, such as 10.0.0.1:8000 or "
	         "\"[2001:db8::1]:8000\"",
	         SHOWN, text);
	return -EINVAL;
}

static int parse_prefix(const char *text, struct sl_prefix *out, char *why)
{
	const char *slash = strchr(text, '/');
	uint64_t bits;
	const char *rest;

	*out = (struct sl_prefix){0};
	if (slash == NULL || read_ip(text, (size_t)(slash - text), &out->address) != 0) {
		snprintf(why, SL_VALUE_WHY_BYTES,
		         "\"%.*s\" is not an address with a length, such as 10.0.0.1/24", SHOWN,
		         text);
		return -EINVAL;
	}
	rest = read_digits(slash + 1, &bits);
	if (rest == NULL || *rest != '\0' || bits > (sl_ip_is_v4(&out->address) ? 32 : 128)) {
		snprintf(why, SL_VALUE_WHY_BYTES, "\"/%.*s\" is not a length of 0 to %d", SHOWN,
		         slash + 1, sl_ip_is_v4(&out->address) ? 32 : 128);
		return -EINVAL;
	}
	out->bits = (uint8_t)bits;
	return 0;
}

static int parse_range(const struct sl_schema_key *key, const char *text, struct sl_port_range *out,
                       char *why)
{
	uint64_t first, last;
	const char *rest = read_digits(text, &first);

	last = first;
	if (rest != NULL && *rest == '-')
		rest = read_digits(rest + 1, &last);
	if (rest == NULL || *rest != '\0' || first < key->min || first > UINT16_MAX ||
	    last < key->min || last > UINT16_MAX) {
		snprintf(why, SL_VALUE_WHY_BYTES,
		         "\"%.*s\" is not a port of 1 to 65535 or a range such as 8000-8003", SHOWN,
		         text);
		return -EINVAL;
	}
	if (first > last) {
		snprintf(why, SL_VALUE_WHY_BYTES, "range %.*s runs backwards; write %ju-%ju", SHOWN,
		         text, (uintmax_t)last, (uintmax_t)first);
		return -EINVAL;
	}
	*out = (struct sl_port_range){(uint16_t)first, (uint16_t)last};
	return 0;
}

static int parse_hex(const struct sl_schema_key *key, const char *text, struct raw_hex *out,
                     char *why)
{
	size_t n = strlen(text);

	*out = (struct raw_hex){0};
	if (n % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != n) {
		snprintf(why, SL_VALUE_WHY_BYTES, "expected pairs of hex digits, such as 0a1b");
		return -EINVAL;
	}
	if (n / 2 < key->min || n / 2 > key->max) {
		snprintf(why, SL_VALUE_WHY_BYTES, "%zu bytes in hex; %ju to %ju are accepted",
		         n / 2, (uintmax_t)key->min, (uintmax_t)key->max);
		return -EINVAL;
	}
	for (size_t i = 0; i < n / 2; i++) {
		char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

		out->bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	out->n_bytes = (uint8_t)(n / 2);
	return 0;
}

int sl_value_parse(const struct sl_schema_key *key, const char *text, void *out,
                   char why[SL_VALUE_WHY_BYTES])
{
	switch (key->type) {
	case SL_VALUE_TEXT:
	case SL_VALUE_PATH:
		*(const char **)out = text;
		return parse_text(key, text, why);
	case SL_VALUE_NAME:
		*(const char **)out = text;
		return parse_name(text, why);
	case SL_VALUE_WORD:
		return parse_word(key, text, out, why);
	case SL_VALUE_ADDRESS:
		return parse_address(text, out, why);
	case SL_VALUE_ENDPOINT:
		return parse_endpoint(text, out, why);
	case SL_VALUE_PREFIX:
		return parse_prefix(text, out, why);
	case SL_VALUE_RANGE:
		return parse_range(key, text, out, why);
	case SL_VALUE_HEX:
		return parse_hex(key, text, out, why);
	case SL_VALUE_DEVICE:
		return sl_value_parse_device(key, text, out, why);
	default:
		return parse_number(key, text, out, why);
	}
}
