// SPDX-License-Identifier: Apache-2.0
// One function per sub-command; argv[0] is its name. They return an exit status of options.h.
#ifndef SLUICE_SIM_COMMANDS_H
#define SLUICE_SIM_COMMANDS_H

int sl_server_main(int argc, char **argv);
int sl_load_main(int argc, char **argv);
int sl_knob_main(int argc, char **argv);
int sl_echo_main(int argc, char **argv);
int sl_conns_main(int argc, char **argv);
int sl_decap_main(int argc, char **argv);

#endif
