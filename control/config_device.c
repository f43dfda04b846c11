// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>

#include "config_value.h"
#include "config_words.h"

#define SHOWN          48
#define IFNAME_MAX     15 // IFNAMSIZ of the kernel, less the NUL
#define PCI_ADDR_BYTES 12 // "0000:01:00.0"

static int check_interface(const char *name, char *why)
{
	size_t n = strlen(name);

	if (n == 0 || n > IFNAME_MAX) {
		snprintf(why, SL_VALUE_WHY_BYTES,
		         "an interface name has 1 to %d characters, this one %zu", IFNAME_MAX, n);
		return -EINVAL;
	}
	for (const char *p = name; *p != '\0'; p++) {
		// "," would start another argument of the DPDK driver.
		if (!isgraph((unsigned char)*p) || strchr("/:,", *p) != NULL) {
			snprintf(why, SL_VALUE_WHY_BYTES, "\"%.*s\" is no interface name", SHOWN,
			         name);
			return -EINVAL;
		}
	}
	return 0;
}

static int check_pci(const char *address, char *why)
{
	static const char shape[] = "xxxx:xx:xx.x";
	bool is_good = strlen(address) == PCI_ADDR_BYTES;

	for (size_t i = 0; is_good && i < PCI_ADDR_BYTES; i++)
		is_good = shape[i] == 'x' ? isxdigit((unsigned char)address[i]) != 0
		                          : address[i] == shape[i];
	if (!is_good) {
		snprintf(why, SL_VALUE_WHY_BYTES,
		         "\"%.*s\" is no PCI address, such as 0000:01:00.0", SHOWN, address);
		return -EINVAL;
	}
	return 0;
}

static int check_vdev(const char *args, char *why)
{
	bool is_good = strncmp(args, "net_", 4) == 0 && args[4] != '\0' && args[4] != ',';

	for (const char *p = args; *p != '\0'; p++)
		is_good = is_good && isgraph((unsigned char)*p);
	if (!is_good) {
		snprintf(why, SL_VALUE_WHY_BYTES,
		         "\"%.*s\" is no virtual device, such as net_null0 or "
		         "net_tap0,iface=tap0",
		         SHOWN, args);
		return -EINVAL;
	}
	return 0;
}

// In the order of enum sl_bond_mode.
static const char *const bond_modes[] = {"active-backup", "balance-xor", "802.3ad"};
_Static_assert(sizeof(bond_modes) / sizeof(bond_modes[0]) == SL_BOND_MODES, "a word for each");

static uint8_t bond_mode(const char *word)
{
	uint8_t mode = 0;

	while (mode < SL_BOND_MODES && strcmp(word, bond_modes[mode]) != 0)
		mode++;
	return mode;
}

static int check_bond(const char *word, char *why)
{
	char hint[96];
	struct sl_nearest nearest;

	if (bond_mode(word) != SL_BOND_MODES)
		return 0;
	sl_nearest_init(&nearest, word);
	for (uint8_t i = 0; i < SL_BOND_MODES; i++)
		sl_nearest_offer(&nearest, bond_modes[i]);
	snprintf(why, SL_VALUE_WHY_BYTES,
	         "\"%.*s\" is no mode of a bond; there are active-backup, balance-xor and "
	         "802.3ad%s",
	         SHOWN, word, sl_nearest_text(&nearest, hint, sizeof(hint)));
	return -EINVAL;
}

int sl_value_parse_device(const struct sl_schema_key *key, const char *text, struct raw_device *out,
                          char why[SL_VALUE_WHY_BYTES])
{
	// In the order of enum sl_device_kind.
	static const struct {
		const char *word;
		int (*check)(const char *args, char *why);
	} kinds[] = {{"af_xdp", check_interface},
	             {"af_packet", check_interface},
	             {"pci", check_pci},
	             {"vdev", check_vdev},
	             {"bond", check_bond}};
	size_t n_kind = strcspn(text, ":");
	char kind[16], hint[96];
	struct sl_nearest nearest;

	snprintf(kind, sizeof(kind), "%.*s", (int)(n_kind < 15 ? n_kind : 15), text);
	sl_nearest_init(&nearest, kind);
	for (uint8_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		sl_nearest_offer(&nearest, kinds[i].word);
		if (text[n_kind] != ':' || strcmp(kind, kinds[i].word) != 0)
			continue;
		*out = (struct raw_device){.args = text + n_kind + 1, .kind = i};
		if (i == SL_DEVICE_BOND)
			out->bond_mode = bond_mode(out->args);
		if (strlen(out->args) > key->max) {
			snprintf(why, SL_VALUE_WHY_BYTES, "longer than %ju bytes",
			         (uintmax_t)key->max);
			return -EINVAL;
		}
		return kinds[i].check(out->args, why);
	}
	snprintf(why, SL_VALUE_WHY_BYTES,
	         "\"%.*s\" is not a device; write af_xdp:eth0, af_packet:eth0, pci:0000:01:00.0, "
	         "vdev:net_null0 or bond:active-backup%s",
	         SHOWN, text, sl_nearest_text(&nearest, hint, sizeof(hint)));
	return -EINVAL;
}
